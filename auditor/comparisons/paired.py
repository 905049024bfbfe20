"""Paired differences between two models judged on the same samples.

    a, b (o,) one value a sample, groups (o,) --> difference of each group's sum
        groups drawn again with replacement   --> 95 % interval of the mean difference
        each group's sign turned at random    --> p-value: no difference on average
        p-values of many tests                --> adjusted for their number

Samples of one group (copies, one patient) are not independent, so groups are drawn and turned, not samples.
The same input and seed give the same figures, and swapping a and b turns the sign and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ints

DRAWS = 999
CONFIDENCE = 0.95
MOST_CHANCE = 0.05
"""p-value above which a difference may be chance, whatever its interval: few groups make narrow intervals."""
LEAST_GROUPS = 10
"""Independent groups below which nothing is clear: the groups may differ, not what is compared."""
BLOCK_CELLS = 4_000_000
"""Drawn numbers held at a time, about 32 MB."""
TURNS = 19_999
"""Sign turnings where the sums take few values; so many tests can be adjusted for their number."""
FEW_VALUES = 64

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a minus b over the samples, its 95 % interval, and the p-value of no difference (two-sided).

    groups : independent groups that were compared.
    """

    estimate: float
    interval: tuple[float, float]
    p_value: float
    groups: int

    @property
    def is_clear(self) -> bool:
        """Tell whether interval and p-value both leave out 0, on at least `LEAST_GROUPS` groups."""
        return self.is_above or self.is_below

    @property
    def is_above(self) -> bool:
        """Tell whether a is clearly above b."""
        return self.interval[0] > 0 and self._is_beyond_chance

    @property
    def is_below(self) -> bool:
        """Tell whether a is clearly below b."""
        return self.interval[1] < 0 and self._is_beyond_chance

    @property
    def _is_beyond_chance(self) -> bool:
        return self.p_value <= MOST_CHANCE and self.groups >= LEAST_GROUPS


def paired_difference(a: Array, b: Array, groups: Ints, seed: int = 0) -> PairedDifference:
    """Compare the means of two values of the same samples.

    Parameters
    ----------
    a, b : (o,) values, e.g. 1 where right and 0 where wrong.
    groups : (o,) independent groups.

    Returns
    -------
    PairedDifference
        Percentile bootstrap over groups (Efron and Tibshirani 1993) and sign-flip test over groups; for
        right and wrong of independent samples the test is McNemar's.
    """
    dense = np.unique(groups, return_inverse=True)[1]
    sums: Array = np.bincount(dense, a - b).astype(np.float64)
    sizes = np.bincount(dense).astype(np.float64)
    estimate = float(sums.sum() / sizes.sum())
    low, high = _interval(sums, sizes, seed)
    reach = (min(low, estimate), max(high, estimate))
    return PairedDifference(estimate, reach, _p_value(sums, seed), len(sums))


def adjust(p_values: Array) -> Array:
    """Benjamini and Hochberg's (1995) adjusted p-values (t,); not-a-number stays and does not count."""
    out = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(-p_values[known], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.minimum.accumulate(p_values[order] * len(order) / ranks), 1.0)
    return out


def _interval(sums: Array, sizes: Array, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    count = len(sums)
    means = np.empty(DRAWS)
    step = max(1, BLOCK_CELLS // count)
    for start in range(0, DRAWS, step):
        drawn = rng.integers(count, size=(min(step, DRAWS - start), count), dtype=np.int32)
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    # A symmetric choice of order statistics, so that swapping a and b mirrors the interval exactly.
    means.sort()
    tail = max(1, round((DRAWS + 1) * (1 - CONFIDENCE) / 2))
    return float(means[tail - 1]), float(means[DRAWS - tail])


def _p_value(sums: Array, seed: int) -> float:
    """Share of random sign turnings at least as far from 0 as what was observed."""
    rng = np.random.default_rng(seed)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    observed = abs(sums.sum())
    sizes, counts = np.unique(np.abs(sums), return_counts=True)
    if len(sizes) <= FEW_VALUES:
        # How many of the groups of one size stay as they are is binomial: no group need be turned by itself.
        totals = (2 * rng.binomial(counts, 0.5, size=(TURNS, len(sizes))) - counts) @ sizes
        return (1 + int((np.abs(totals) >= observed * (1 - 1e-9)).sum())) / (1 + TURNS)
    step = max(1, BLOCK_CELLS // len(sums))
    beyond = 0
    for start in range(0, DRAWS, step):
        signs = rng.integers(2, size=(min(step, DRAWS - start), len(sums)), dtype=np.int8)
        turned = np.abs(signs @ (2 * sums) - sums.sum())
        beyond += int((turned >= observed * (1 - 1e-9)).sum())
    return (1 + beyond) / (1 + DRAWS)
