"""How far the other classes moved a border between two classes from one domain to the other.

    scores of a probe for a less those for b      of every other class's samples, in both domains
      mean in the test domain - in the training   ==>  one move for each other class
      median of the moves, with its interval      ==>  where a shift of everything would put the border

The two classes themselves do not vote, or a border misplaced between them alone would look like a move of
everything. So nothing can be told with two classes, or where the others have hardly any samples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.comparisons.domain_probes import DomainScores
from auditor.comparisons.domain_sides import Side, Sides
from auditor.comparisons.intervals import UNKNOWN, Interval, effective_count

LEAST_VOTERS = 5
"""Independent samples that another class needs in each domain: with fewer its own spread, and so how sure its
move is, cannot be measured."""
MEDIAN_PRICE = math.sqrt(math.pi / 2)
"""Standard error of a median of normal values relative to that of their mean; of one or two values both are
the same."""
LEVEL = 0.975

Array = NDArray[np.float64]


def side_counts(side: Side, classes: int) -> Array:
    """Independent samples (k,) that each class of a side is worth."""
    return np.array([effective_count(side.groups[side.of_class(code)]) for code in range(classes)])


def others_move(
    scores: DomainScores, sides: Sides, counts: tuple[Array, Array], pair: tuple[int, int]
) -> Interval:
    """Return the move of the other classes along a pair's direction, in the probe's units.

    Parameters
    ----------
    counts : (k,) independent samples of each class in the training and in the test domain.
    pair : the two classes, which do not vote.

    Returns
    -------
    Interval
        `UNKNOWN` where no other class has `LEAST_VOTERS` in both domains. The reach is that of a mean of
        classes (Satterthwaite's degrees of freedom), wider by `MEDIAN_PRICE` from three classes on.
    """
    from scipy.stats import t

    a, b = pair
    enough = np.minimum(*counts) >= LEAST_VOTERS
    enough[[a, b]] = False
    if not enough.any():
        return UNKNOWN
    variances = [
        _variances(values, side, a, b)[enough] / count[enough]
        for values, side, count in zip(
            (scores.left_out, scores.carried), (sides.train, sides.test), counts, strict=True
        )
    ]
    moves = (scores.moves[:, a] - scores.moves[:, b])[enough]
    total = sum(float(v.sum()) for v in variances)
    freedom = sum(float((v**2 / (n[enough] - 1)).sum()) for v, n in zip(variances, counts, strict=True))
    price = MEDIAN_PRICE if len(moves) > 2 else 1.0
    error = price * math.sqrt(total) / len(moves)
    reach = error * float(t.ppf(LEVEL, total**2 / freedom)) if total > 0 else 0.0
    middle = float(np.median(moves))
    return Interval(middle, middle - reach, middle + reach)


def _variances(scores: Floats, side: Side, a: int, b: int) -> Array:
    """Variance (k,) of the margin between a and b within each class."""
    margin = np.asarray(scores[:, a] - scores[:, b], dtype=np.float64)
    sizes = np.bincount(side.codes, minlength=scores.shape[1])
    means = np.bincount(side.codes, margin, minlength=len(sizes)) / np.maximum(sizes, 1)
    squares = np.bincount(side.codes, (margin - means[side.codes]) ** 2, minlength=len(sizes))
    return np.asarray(squares / np.maximum(sizes - 1, 1))
