"""Confidence intervals for shares, areas under the curve and their differences, in closed form.

    Interval(estimate, low, high)
    share            --> Wilson                       one class's recall
    mean of shares   --> each share's own reach       balanced accuracy, a difference of two
    AUC              --> Newcombe's method 5          never of width 0, also at 1.0
    paired change    --> Agresti and Min              what another border would win

Every interval counts independent groups, not samples: `effective_count` says how many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Ints

Array = NDArray[np.float64]

LEVEL_Z = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""
BISECTIONS = 50


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; all three are not-a-number where nothing can be measured."""

    estimate: float
    low: float
    high: float

    def surely_above(self, bar: float) -> bool:
        """Tell whether the whole interval lies at or above `bar`."""
        return self.low >= bar

    def surely_below(self, bar: float) -> bool:
        """Tell whether the whole interval lies below `bar`."""
        return self.high < bar


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def effective_count(groups: Ints) -> float:
    """Return how many independent samples these rows are worth, from 1 to the number of groups.

    Kish's effective size as if all members of a group told the same: (sum of sizes)^2 / sum of squared sizes.
    """
    sizes = np.unique(groups, return_counts=True)[1].astype(float)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0


def share_interval(share: float, count: float) -> Interval:
    """Wilson's interval (1927) of a share in [0, 1] among `count` independent samples."""
    if count <= 0:
        return UNKNOWN
    z2 = LEVEL_Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = LEVEL_Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # Rounding must not push a limit past the estimate at 0 or 1.
    return Interval(share, max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share)))


def mean_interval(parts: Sequence[Interval]) -> Interval:
    """Interval of the mean of independent figures from their own intervals (MOVER, Zou and Donner 2008)."""
    if not parts:
        return UNKNOWN
    estimate = sum(p.estimate for p in parts) / len(parts)
    below = math.sqrt(sum((p.estimate - p.low) ** 2 for p in parts)) / len(parts)
    above = math.sqrt(sum((p.high - p.estimate) ** 2 for p in parts)) / len(parts)
    return Interval(estimate, estimate - below, estimate + above)


def difference_interval(first: Interval, second: Interval) -> Interval:
    """Interval of ``first - second``, two independent figures (MOVER, Zou and Donner 2008)."""
    estimate = first.estimate - second.estimate
    below = math.hypot(first.estimate - first.low, second.high - second.estimate)
    above = math.hypot(first.high - first.estimate, second.estimate - second.low)
    return Interval(estimate, estimate - below, estimate + above)


def change_interval(before: Bools, after: Bools, count: float) -> Interval:
    """Interval of the share that `after` gets right less the share that `before` gets right.

    Parameters
    ----------
    before, after : (m,) right or wrong, of the same samples.
    count : independent samples they are worth. Half a case is added to each of the four outcomes, so that
        no change at all still has a width (Agresti and Min 2005).
    """
    if len(before) == 0:
        return UNKNOWN
    won = float((after & ~before).mean()) * count + 0.5
    lost = float((before & ~after).mean()) * count + 0.5
    size = count + 2
    middle = (won - lost) / size
    reach = LEVEL_Z * math.sqrt((won + lost) - (won - lost) ** 2 / size) / size
    estimate = float(after.mean() - before.mean())
    return Interval(estimate, min(middle - reach, estimate), max(middle + reach, estimate))


def auc(scores: Array, first: Bools) -> float:
    """Return the area under the ROC curve: how often a sample of the first class scores higher, ties half."""
    from scipy.stats import rankdata

    positive = int(first.sum())
    negative = len(first) - positive
    if positive == 0 or negative == 0:
        return math.nan
    ranks = rankdata(scores)
    return float((ranks[first].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auc_interval(area: float, first: float, second: float) -> Interval:
    """Interval of an AUC from the independent samples of both classes.

    Newcombe's method 5 (2006): Hanley and McNeil's variance, taken at the limit itself, with both classes'
    counts replaced by their mean where it depends on them.
    """
    if math.isnan(area) or first < 1 or second < 1:
        return UNKNOWN
    share = (first + second) / 2 - 1

    def reach(value: float) -> float:
        spread = 1 + share * (1 - value) / (2 - value) + share * value / (1 + value)
        return LEVEL_Z * math.sqrt(value * (1 - value) / (first * second) * spread)

    low, high = (0.0, area), (area, 1.0)
    for _ in range(BISECTIONS):
        middle = sum(low) / 2
        low = (low[0], middle) if area - middle < reach(middle) else (middle, low[1])
        middle = sum(high) / 2
        high = (middle, high[1]) if middle - area < reach(middle) else (high[0], middle)
    return Interval(area, low[0], high[1])
