"""Which class is mistaken for which: read off the samples whose class is clear.

    probabilities (m, c) --> how clearly each sample belongs to each class (m, c)
    given labels (m,)    --> labels that the clear samples of each class carry (c, c)
    observed / expected if all mistakes were alike, shrunk where chance explains it  ==>  (c, c)

Where classes merely overlap their clear samples carry the right label; where people mistake one class for
another some of the clear ones carry the wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints

CLEARNESS = 8
"""Power of the probability, relative to the clear samples' one, with which a sample counts for a class."""
CLEAR = 0.95
"""Quantile of the samples' largest probabilities from which one is clear."""
CHANCE = 3.0
"""How many times the variance by chance must be exceeded: overlap of classes makes mistakes uneven, too."""
LEAST_SHAPE = 0.2
LEAST_RATIO, MOST_RATIO = 0.2, 20.0
BLOCK_CELLS = 10_000_000
"""Probabilities looked at together, so that few are held twice."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mistakes:
    """How labels are wrong.

    share : of clear samples under another label than their class, in [0, 1]. Overlap of classes counts too
        where no sample is very clear.
    ratio : (c, c) float32 in [0.2, 20], how much oftener than others the class of the row gets the label of
        the column by mistake; 1 on the diagonal.
    """

    share: float
    ratio: Floats


def find_mistakes(chances: Floats, codes: Ints, groups: Ints) -> Mistakes:
    """Learn from the clear samples which class is mistaken for which.

    Counts of clear samples are held against those expected if every mistake were equally likely, and shrunk
    to 1 as relative risks are by Clayton and Kaldor (1987): a gamma prior whose shape is estimated by
    moments. Where mistakes are no more uneven than by chance all ratios are 1. A group counts once for each
    label.

    Parameters
    ----------
    chances : (m, c) out-of-sample probabilities.
    codes : (m,) given labels.
    groups : (m,) independent groups.
    """
    counts, variance = count_clear(chances, codes, _group_weights(codes, groups))
    off = counts.copy()
    for matrix in (off, variance):
        np.fill_diagonal(matrix, 0.0)
    share = float(off.sum() / max(counts.sum(), 1e-12))
    absent = np.bincount(codes, minlength=len(counts)) == 0
    alike = np.tile(counts.sum(axis=1, keepdims=True) * share / max((~absent).sum() - 1, 1), len(counts))
    alike[:, absent] = 0.0
    np.fill_diagonal(alike, 0.0)
    return Mistakes(share, _shrink(off, alike, variance.sum()))


def _shrink(observed: Array, expected: Array, variance: float) -> Floats:
    """Ratio (c, c) of observed to expected counts, shrunk to 1 as far as chance explains the differences."""
    uneven = ((observed - expected) ** 2).sum() - CHANCE * variance
    if uneven <= 0:
        return np.ones(observed.shape, np.float32)
    shape = max(float((expected**2).sum() / uneven), LEAST_SHAPE)
    ratio = np.clip((observed + shape) / (expected + shape), LEAST_RATIO, MOST_RATIO)
    np.fill_diagonal(ratio, 1.0)
    return np.asarray(ratio, dtype=np.float32)


def _group_weights(codes: Ints, groups: Ints) -> Array:
    """Weights (m,) that let a group's samples with one label count as one."""
    cells = groups.astype(np.int64) * (int(codes.max(initial=0)) + 1) + codes
    _, inverse, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / sizes[inverse], dtype=np.float64)


def count_clear(chances: Floats, codes: Ints, weights: Array) -> tuple[Array, Array]:
    """Weighted counts (c, c) of clear samples by their class (rows) and given label, and their variance.

    A sample counts for every class by the power `CLEARNESS` of its probability over that of clear samples,
    at most 1, times its weight (m,). The variance is that of independent counts.
    """
    from scipy.sparse import csr_matrix

    c = chances.shape[1]
    clear = max(float(np.quantile(chances.max(axis=1), CLEAR)), 1e-12)
    counts, variance = np.zeros((c, c)), np.zeros((c, c))
    for part in _blocks(chances):
        block = np.minimum(chances[part] / clear, 1.0).astype(np.float64) ** CLEARNESS
        block *= weights[part, None]
        rows = np.arange(len(block))
        given = csr_matrix((np.ones(len(block)), (codes[part], rows)), shape=(c, len(block)))
        counts += (given @ block).T
        variance += (given @ block**2).T
    return counts, variance


def _blocks(chances: Floats) -> list[slice]:
    step = max(1, BLOCK_CELLS // chances.shape[1])
    return [slice(start, start + step) for start in range(0, len(chances), step)]


def weigh_labels(chances: Floats, codes: Ints, ratio: Floats) -> tuple[Floats, Ints]:
    """Label quality (m,) in [0, 1], low = suspect, and the likeliest other class (m,).

    ``p_y / (p_y + sum_k p_k r_ky)`` over the classes k other than the given label y: every other class counts
    as much as its samples carry this label by mistake. With all r = 1 it is cleanlab's self-confidence
    (Northcutt et al. 2021).
    """
    quality, suggested = np.empty(len(codes), np.float32), np.empty(len(codes), np.int32)
    for part in _blocks(chances):
        rows, given = np.arange(len(codes[part])), codes[part]
        own = chances[part][rows, given]
        against = chances[part] * ratio.T[given]
        against[rows, given] = 0.0
        quality[part] = own / np.maximum(own + against.sum(axis=1), 1e-12)
        against[rows, given] = -1.0
        suggested[part] = against.argmax(axis=1)
    return quality, suggested


def chance_of_mistake(chances: Floats, codes: Ints, mistakes: Mistakes) -> NDArray[np.float64]:
    """Share (m,) of the given label's probability that mistakes explain, in [0, 1].

    A sample of class k carries label y by mistake with chance ``share * r_ky / (c - 1)``; summed over the
    classes that the sample may belong to and divided by the probability of the given label.
    """
    rows = np.arange(len(codes))
    against = chances * mistakes.ratio.T[codes]
    against[rows, codes] = 0.0
    by_mistake = mistakes.share / max(chances.shape[1] - 1, 1) * against.sum(axis=1)
    return np.asarray(np.minimum(by_mistake / np.maximum(chances[rows, codes], 1e-12), 1.0), dtype=np.float64)
