"""Linear discriminant analysis that judges each row without its fold.

    X (m, d) unit rows --stabilise--> Z      square root where all values are >= 0, centred, unit length
    per fold: Gram matrix (d, d), class sums (c, d), class weights (c,)
              total - fold  ==> LDA with shrunken pooled covariance and equal priors
    scores of several parts --combine--> softmax with one fitted scalar each

The sums of a fold are taken once and subtracted from the total, so ten folds cost one pass over the data.
They are those of its blocks, added in order: the same to the last bit on one machine and on many.
Classes are judged alike, else a rare class's correct labels look wrong.
Solved on the smaller side: when d > m the rows are first rotated into their own span, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import add

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.errors import AuditError
from auditor.groups import FOLDS
from auditor.machines import HERE, Machines
from auditor.memory import available_bytes
from auditor.networks import available_cores

LDA_SHRINKAGES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9)
"""Shares of the pooled covariance replaced by a multiple of the identity."""
FIT_ROWS = 50_000
"""Rows on which the scalars are fitted .."""
FIT_CELLS, FIT_ROWS_LEAST = 10_000_000, 10_000
""".. with more than 200 classes so many rows times classes, but no fewer rows than this."""
PROBE_STEPS = 3 * FOLDS + 1
"""Steps of `leave_folds_out` that can be told as progress."""
LOSS_BALANCE = 0.5
"""0 weighs samples equally in the log loss, 1 classes."""
BLOCK_ROWS = 65_536
SMALL_BYTES = 64 << 20
"""What the matrices of all folds may take without a look at the memory."""
MEMORY_MARGIN = 1.1
"""What is taken over what the matrices take."""
SUM_ROWS, EXACT_ROWS = 16_384, 4_096
"""Rows of one fold that are summed by one task, and those of them that are float64 at a time."""

Array = NDArray[np.float64]


Tell = Callable[[], None]


def _nothing() -> None:
    """Tell nobody."""


def stabilise(vectors: Floats, weights: Array) -> Floats:
    """Square root of non-negative features, centred by the weighted mean, unit length; (m, d) float32.

    The square root evens out the heavy tails of pooled ReLU features (Hellinger mapping, Arandjelovic
    and Zisserman 2012); features with negative values are left as they are.
    """
    z = np.sqrt(vectors) if vectors.min(initial=0.0) >= 0 else vectors.copy()
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(z), BLOCK_ROWS)]
    total = sum((weights[part] @ z[part].astype(np.float64) for part in blocks), np.zeros(z.shape[1]))
    z -= (total / max(weights.sum(), 1e-12)).astype(np.float32)
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    z /= np.maximum(norms, 1e-12)
    if z.shape[1] > z.shape[0]:
        u, s, _ = np.linalg.svd(z, full_matrices=False)
        z = (u * s).astype(np.float32)
    return np.asarray(z, dtype=np.float32)


@dataclass(frozen=True)
class ClassSums:
    """Weighted sums of some rows: `gram` (d, d), `sums` (c, d) and `weights` (c,) by class."""

    gram: Array
    sums: Array
    weights: Array

    def __add__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.gram + other.gram, self.sums + other.sums, self.weights + other.weights)

    def __sub__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.gram - other.gram, self.sums - other.sums, self.weights - other.weights)

    def rest_of(self, total: ClassSums) -> ClassSums:
        """Return ``total - self`` in the memory of these sums, which are lost, where that can be written."""
        pairs = [(getattr(total, name), getattr(self, name)) for name in ("gram", "sums", "weights")]
        return ClassSums(*(np.subtract(a, b, out=b if b.flags.writeable else None) for a, b in pairs))

    @property
    def means(self) -> Array:
        """Class means (c, d); zero for a class without rows."""
        return np.asarray(self.sums / np.maximum(self.weights, 1e-12)[:, None])


@dataclass(frozen=True)
class Linear:
    """A linear classifier: ``scores = z @ coefficients + offset``, (d, c) and (c,)."""

    coefficients: Array
    offset: Array

    def __call__(self, z: Floats) -> Array:
        return np.asarray(z @ self.coefficients.astype(z.dtype) + self.offset)


@dataclass(frozen=True)
class FoldedRows:
    """Rows that are judged: `z` (m, d) from `stabilise`; class codes, weights and folds (m,)."""

    z: Floats
    codes: Ints
    weights: Array
    folds: Ints

    @property
    def classes(self) -> int:
        """Number of classes c."""
        return int(self.codes.max()) + 1


def sum_rows(z: Floats, codes: Ints, weights: Array, classes: int) -> ClassSums:
    """Sum rows in float64, so that the sums of blocks add up."""
    from scipy.sparse import csr_matrix

    d = z.shape[1]
    gram, sums, counted = np.zeros((d, d)), np.zeros((classes, d)), np.zeros(classes)
    for start in range(0, len(z), EXACT_ROWS):
        part = slice(start, start + EXACT_ROWS)
        block, w = z[part].astype(np.float64), weights[part]
        onehot = csr_matrix((w, (codes[part], np.arange(len(w)))), shape=(classes, len(w)))
        gram += block.T @ (block * w[:, None])
        sums += onehot @ block
        counted += onehot @ np.ones(len(w))
    return ClassSums(gram, sums, counted)


def sum_folds(rows: FoldedRows, machines: Machines = HERE, tell: Tell = _nothing) -> list[ClassSums]:
    """Return the sums of each fold; `tell` is called when one is done."""
    blocks = [
        [fold[start : start + SUM_ROWS] for start in range(0, max(1, len(fold)), SUM_ROWS)]
        for fold in (np.flatnonzero(rows.folds == f) for f in range(FOLDS))
    ]
    made = machines.map(
        sum_rows,
        (
            (rows.z[block], rows.codes[block], rows.weights[block], rows.classes)
            for fold in blocks
            for block in fold
        ),
    )
    sums = []
    for fold in blocks:
        sums.append(reduce(add, islice(made, len(fold))))
        tell()
    return sums


def fit_lda(train: ClassSums) -> list[Linear]:
    """Linear discriminant analysis with equal priors, one classifier per shrinkage."""
    from scipy.linalg import cho_factor, cho_solve

    means = train.means
    within = (means * train.weights[:, None]).T @ means
    np.subtract(train.gram, within, out=within)
    within /= train.weights.sum()
    level = np.trace(within) / len(within)
    out = []
    covariance = np.empty_like(within, order="F")  # as LAPACK takes it, which otherwise makes a copy
    for share in LDA_SHRINKAGES:
        # One factorisation a shrinkage: seven of them take a fifth of one eigendecomposition.
        np.multiply(within, 1 - share, out=covariance)
        covariance[np.diag_indices_from(covariance)] += share * level + 1e-12
        coefficients = cho_solve(cho_factor(covariance, overwrite_a=True), means.T)
        out.append(Linear(coefficients, -0.5 * np.einsum("cd,dc->c", means, coefficients)))
    return out


def folds_at_once(dimensions: int, cores: int, available: int | None) -> int:
    """Return how many folds are fitted at a time: one for each core, fewer in little memory.

    Parameters
    ----------
    available : bytes of memory, None where the system does not say.

    Raises
    ------
    AuditError
        If not even one fits: the system would end the process.
    """
    matrix = 8 * dimensions**2
    kept, each = (FOLDS + 1) * matrix, 2 * matrix
    if available is None or kept + cores * each < SMALL_BYTES:
        return cores
    room = int(available / MEMORY_MARGIN) - kept
    if room < each:
        raise AuditError(
            f"The class probabilities of vectors with {dimensions:,} dimensions take "
            f"{(kept + each) / 1e6:,.0f} MB of memory, and {available / 1e6:,.0f} MB are available: free "
            "memory, raise its limit, or choose a --layer with fewer dimensions."
        )
    return min(cores, room // each)


def leave_folds_out(
    rows: FoldedRows,
    fit: Callable[[ClassSums], list[Linear]],
    importance: Array,
    tell: Tell = _nothing,
    machines: Machines = HERE,
) -> Floats:
    """Scores (m, c) float32 of each row by the classifier fitted without its fold.

    The setting (shrinkage) is the one whose scores predict the given labels best, by log loss
    weighted with `importance` (m,) on a sample of the rows (`fit_sample`): one choice among seven, no row's
    own label decides about itself. `tell` is called `PROBE_STEPS` times.

    Raises
    ------
    AuditError
        If its matrices do not fit the memory.
    """
    from threadpoolctl import threadpool_limits

    at_once = folds_at_once(rows.z.shape[1], available_cores(), available_bytes())
    parts = sum_folds(rows, machines, tell)
    total = reduce(add, parts)
    fitted = []
    # Each fold on one core: several threads on one factorisation mostly wait for each other.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(at_once) as pool:
        for classifiers in pool.map(lambda part: fit(part.rest_of(total)), parts):
            fitted.append(classifiers)
            tell()
    best = _best_setting(rows, fitted, importance)
    tell()
    out = np.empty((len(rows.z), rows.classes), dtype=np.float32)
    for f in range(FOLDS):
        fold = np.flatnonzero(rows.folds == f)
        for start in range(0, len(fold), BLOCK_ROWS):
            block = fold[start : start + BLOCK_ROWS]
            out[block] = fitted[f][best](rows.z[block])
        tell()
    return out


def _best_setting(rows: FoldedRows, fitted: list[list[Linear]], importance: Array) -> int:
    """Index of the setting whose left-out scores predict the given labels best."""
    sample = fit_sample(len(rows.z), rows.classes)
    rows_of_fold = [np.flatnonzero(rows.folds[sample] == f) for f in range(FOLDS)]
    losses = []
    for setting in range(len(fitted[0])):
        scores = np.empty((len(sample), rows.classes))
        for f, own in enumerate(rows_of_fold):
            scores[own] = fitted[f][setting](rows.z[sample[own]])
        losses.append(combine([scores], rows.codes[sample], importance[sample])[1])
    return int(np.argmin(losses))


def fit_sample(m: int, classes: int = 2) -> NDArray[np.int64]:
    """Rows on which the few scalars are fitted: all, or `FIT_ROWS` spread evenly, fewer with many classes."""
    most = max(FIT_ROWS_LEAST, min(FIT_ROWS, FIT_CELLS // classes))
    return np.unique(np.linspace(0, m - 1, min(m, most)).astype(np.int64))


def loss_weights(codes: Ints, weights: Array) -> Array:
    """Weights (m,) of the log loss: between plain and class-balanced, so that rare classes count."""
    return np.asarray(weights * np.bincount(codes, weights)[codes] ** -LOSS_BALANCE)


def combine(parts: list[Array], codes: Ints, weights: Array) -> tuple[Array, float]:
    """Fit ``softmax(sum_j t_j scores_j)`` with t >= 0 to the given labels.

    Returns
    -------
    scales : (j,) inverse temperatures.
    loss : weighted log loss.
    """
    from scipy.optimize import minimize

    stacked = np.stack(parts, axis=-1)
    spread = stacked.std(axis=(0, 1))
    units = 1.0 / np.where(spread > 1e-9, spread, 1.0)
    stacked *= units
    weights = weights / weights.sum()
    own = stacked[np.arange(len(codes)), codes]

    def loss(t: Array) -> tuple[float, Array]:
        chances = softmax(stacked @ t)
        given = np.maximum(chances[np.arange(len(codes)), codes], 1e-12)
        gradient = ((np.einsum("mc,mcj->mj", chances, stacked) - own) * weights[:, None]).sum(axis=0)
        return float(-(weights * np.log(given)).sum()), gradient

    limits = [(0.0, 100.0)] * len(parts)
    found = minimize(loss, np.ones(len(parts)), jac=True, bounds=limits, method="L-BFGS-B")
    return found.x * units, float(found.fun)


def softmax(scores: Array) -> Array:
    """Softmax over the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
