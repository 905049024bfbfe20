"""Linear probes within and across two domains; everything after works on their scores.

    training domain  --leave groups out-->  left_out (n_train, k)
                     --all but own group->  carried (n_test, k)        by halves: carried_halves
    test domain      --leave groups out-->  inside (n_test, k)         by halves: inside_half
    class means of the scores, test - training  ==>  moves (k, k)

One probe is linear discriminant analysis with equal priors and a pooled covariance: robust with 30 samples a
class in hundreds of dimensions, because all classes share the covariance and shrinkage is chosen on
left-out rows. The difference of two columns is the probe between two classes, 0 its border. Vectors are not
scaled to unit length after centring: so a domain that is moved as a whole is moved in the scores too, and
the AUC along a carried direction does not depend on where the border lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress
from auditor.comparisons.domain_sides import Side, Sides
from auditor.groups import FOLDS, assign_folds
from auditor.probes import ClassSums, Linear, combine, fit_lda, fit_sample, loss_weights, sum_rows
from auditor.results import Audit

MOST_DIMENSIONS = 512
"""Vectors with more dimensions are turned onto the leading principal directions of both domains: an
eigenproblem of 2,048 dimensions for each fold would take minutes, and the directions left out hold hardly any
variance."""
HALVES = 2

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DomainScores:
    """Scores of the probes, one column for each class compared; see the module docstring.

    carried_halves : two probes, each trained on half of the training domain, on the test domain.
    inside_half : scores by a probe that was trained on the other half of the test domain, `half` (n_test,)
        says on which half each sample lies. Both show how much more data would help.
    moves : (k, k) how far the mean score of class i (row) for class j moved from the training to the test
        domain; a move common to all classes is a global shift.
    unlabelled : (k,) the same for all samples together, whatever their class.
    """

    left_out: Floats
    carried: Floats
    carried_halves: tuple[Floats, Floats]
    inside: Floats
    inside_half: Floats
    half: Ints
    moves: Array
    unlabelled: Array


def probe_domains(
    z_train: Floats, z_test: Floats, sides: Sides, seed: int, progress: Progress
) -> DomainScores:
    """Train and apply the probes on vectors of `comparable_vectors`.

    A test sample whose group has members in the training domain too is scored by a probe that was trained
    without the fold with that group: leaving all such groups out for every sample would starve the probe
    where the domains share most of their groups. `seed` draws the folds.
    """
    k = len(sides.classes)
    folds_train, folds_test = _joint_folds(sides, seed)
    progress("probes", 0, 3)
    fitted = _leave_folds_out(z_train, sides.train, folds_train, k)
    progress("probes", 1, 3)
    own = np.where(np.isin(sides.test.groups, sides.train.groups), folds_test, -1)
    halves = [{fold for fold in range(FOLDS) if fold % HALVES == half} for half in range(HALVES)]
    first, second = (_carry(fitted, part, z_test, own) for part in halves)
    carried = _carry(fitted, set(range(FOLDS)), z_test, own)
    progress("probes", 2, 3)
    inside = _leave_folds_out(z_test, sides.test, folds_test, k)
    half = (folds_test % HALVES).astype(np.int32)
    inside_half = np.empty_like(inside.scores)
    for one in range(HALVES):
        inside_half[half == one] = _score(
            _total(inside, halves[1 - one]), inside.setting, z_test[half == one]
        )
    progress("probes", 3, 3)
    left_out = fitted.scores
    moves = _class_means(carried, sides.test.codes, k) - _class_means(left_out, sides.train.codes, k)
    unlabelled = carried.mean(axis=0, dtype=np.float64) - left_out.mean(axis=0, dtype=np.float64)
    return DomainScores(
        left_out, carried, (first, second), inside.scores, inside_half, half, moves, unlabelled
    )


def comparable_vectors(audit: Audit, sides: Sides) -> tuple[Floats, Floats]:
    """Return the vectors (n_train, r) and (n_test, r) in one frame, centred on the training domain.

    Square roots of features that are never negative, as in `probes.stabilise`.
    """
    vectors = audit.embeddings.vectors
    train, test = vectors[sides.train.rows], vectors[sides.test.rows]
    if min(train.min(), test.min()) >= 0:
        train, test = np.sqrt(train), np.sqrt(test)
    centre = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    train, test = train - centre, test - centre
    if train.shape[1] > MOST_DIMENSIONS:
        scatter = train.T @ train / len(train) + test.T @ test / len(test)
        basis = np.linalg.eigh(scatter.astype(np.float64))[1][:, -MOST_DIMENSIONS:].astype(np.float32)
        train, test = train @ basis, test @ basis
    return np.asarray(train, np.float32), np.asarray(test, np.float32)


def _sums(z: Floats, side: Side, chosen: NDArray[np.bool_], k: int) -> ClassSums:
    return sum_rows(z[chosen], side.codes[chosen], np.ones(int(chosen.sum())), k)


def _joint_folds(sides: Sides, seed: int) -> tuple[Ints, Ints]:
    """Folds (n_train,) and (n_test,) in which a group with members on both sides is whole."""
    train, test = sides.train, sides.test
    of_train = assign_folds(train.ids, train.groups, train.codes, seed)
    groups, first = np.unique(train.groups, return_index=True)
    of_test = np.empty(len(test), of_train.dtype)
    both = np.isin(test.groups, groups)
    of_test[both] = of_train[first[np.searchsorted(groups, test.groups[both])]]
    rest = ~both
    of_test[rest] = assign_folds(test.ids[rest], test.groups[rest], test.codes[rest], seed)
    return of_train, of_test


@dataclass(frozen=True)
class _Fitted:
    """Out-of-fold scores (n, k), the shrinkage chosen (a position), and the sums of each fold."""

    scores: Floats
    setting: int
    sums: list[ClassSums]


def _total(fitted: _Fitted, folds: set[int]) -> ClassSums:
    return reduce(add, [fitted.sums[fold] for fold in sorted(folds)])


def _carry(fitted: _Fitted, folds: set[int], z: Floats, own: Ints) -> Floats:
    """Scores (n, k) by the probe of these folds, without the fold `own` (n,) of each row (-1: with all)."""
    out = np.empty((len(z), len(fitted.sums[0].weights)), dtype=np.float32)
    left = np.where(np.isin(own, list(folds)), own, -1)
    for fold in np.unique(left):
        train = _total(fitted, folds - {int(fold)})
        out[left == fold] = _score(train, fitted.setting, z[left == fold])
    return out


def _leave_folds_out(z: Floats, side: Side, folds: Ints, k: int) -> _Fitted:
    """Score each row by the probe without its fold.

    The shrinkage is the one whose scores predict the labels best, by log loss: one choice among a few, so no
    row's own label decides about itself.
    """
    sums = [_sums(z, side, folds == fold, k) for fold in range(FOLDS)]
    total = reduce(add, sums)
    fitted = [fit_lda(total - part) for part in sums]
    sample = fit_sample(len(z))
    importance = loss_weights(side.codes, np.ones(len(z)))[sample]
    losses = []
    for setting in range(len(fitted[0])):
        scores = np.empty((len(sample), k))
        for fold in range(FOLDS):
            rows = folds[sample] == fold
            scores[rows] = fitted[fold][setting](z[sample[rows]])
        losses.append(combine([scores], side.codes[sample], importance)[1])
    best = int(np.argmin(losses))
    out = np.empty((len(z), k), dtype=np.float32)
    for fold in range(FOLDS):
        out[folds == fold] = _apply(fitted[fold][best], total - sums[fold], z[folds == fold])
    return _Fitted(out, best, sums)


def _score(train: ClassSums, setting: int, z: Floats) -> Floats:
    return _apply(fit_lda(train)[setting], train, z)


def _apply(probe: Linear, train: ClassSums, z: Floats) -> Floats:
    """Scores (n, k); a class without a training row is never the best guess."""
    scores = probe(z).astype(np.float32)
    absent = train.weights <= 0
    if absent.any():
        scores[:, absent] = scores.min(axis=1, keepdims=True) - 1
    return scores


def _class_means(scores: Floats, codes: Ints, k: int) -> Array:
    """Mean scores (k, k) of the samples of each class."""
    sums = np.stack([np.bincount(codes, scores[:, j].astype(np.float64), minlength=k) for j in range(k)], 1)
    return np.asarray(sums / np.bincount(codes, minlength=k)[:, None])
