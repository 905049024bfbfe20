"""Out-of-sample class probabilities: a linear probe and the neighbours' vote.

groups left out as a whole --> scores of linear discriminant analysis (m, c)
neighbours of other groups --> vote scores (m, c)
sizes of the classes       --> their logarithm (c,)
softmax with three fitted scalars  ==>  values (m, c)

A second probe, ridge on one-hot labels, was measured and left out: it ranked worse (benchmarks/ranking.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress, no_progress
from auditor.groups import assign_folds, copy_weights, groups_per_class, independent_groups
from auditor.machines import HERE, Machines
from auditor.neighbours import group_votes, voting_codes
from auditor.probes import (
    PROBE_STEPS,
    Array,
    FoldedRows,
    combine,
    fit_lda,
    fit_sample,
    leave_folds_out,
    loss_weights,
    softmax,
    stabilise,
)
from auditor.results import Dataset, Duplicates, Embeddings, Neighbours, Probabilities, Thresholds

VOTERS = 20
PRIOR_VOTES = 5.0
VOTE_STEPS = 20
"""Blocks of rows in which votes are counted and probabilities written, so that little is held twice."""


def vote_scores(
    neighbours: Neighbours,
    groups: Ints,
    codes: Ints,
    weights: Array,
    tell: Callable[[], None] = lambda: None,
) -> Floats:
    """Log share (m, c) float32 of the votes for each class among the nearest samples of other groups.

    `PRIOR_VOTES` votes are shared out by class size, all copies of a picture counting as one, and half of the
    prior is taken back, so that a rare class is not outvoted by its neighbours' number alone.
    """
    sizes = np.bincount(codes, weights)
    prior = np.maximum(sizes / sizes.sum(), 1.0 / len(codes))
    voters, similarity = group_votes(neighbours, groups, min(VOTERS, max(1, len(codes) // 10)))
    vote_of = voting_codes(neighbours.representative, codes)
    out = np.empty((len(codes), len(sizes)), dtype=np.float32)
    for part in np.array_split(np.arange(len(codes)), VOTE_STEPS):
        labels = np.where(voters[part] >= 0, vote_of[voters[part]], -1)
        votes = _count_votes(labels, similarity[part].astype(np.float64), len(sizes))
        share = (votes + PRIOR_VOTES * prior) / (votes.sum(axis=1, keepdims=True) + PRIOR_VOTES)
        out[part] = np.log(share) - 0.5 * np.log(prior)
        tell()
    return out


def size_scores(sizes: NDArray[Any]) -> Floats:
    """Log size (c,) float32 of each class over that of the first: the probe judges all classes alike."""
    return np.asarray(np.log(sizes / sizes[0]), dtype=np.float32)


def _count_votes(labels: Ints, similarity: Array, classes: int) -> Array:
    """Votes (b, c) out of voters' labels (b, k), -1 = no vote; each row's weights have a mean of 1."""
    weights = np.where(labels >= 0, similarity, 0.0)
    voting = (labels >= 0).sum(axis=1, keepdims=True)
    weights *= voting / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    rows = np.repeat(np.arange(len(labels)), labels.shape[1])
    cast = labels.ravel() >= 0
    flat = rows[cast] * classes + labels.ravel()[cast]
    votes = np.bincount(flat, weights.ravel()[cast], minlength=len(labels) * classes)
    return np.asarray(votes.reshape(-1, classes), dtype=np.float64)


def estimate_probabilities(
    dataset: Dataset,
    embeddings: Embeddings,
    neighbours: Neighbours,
    duplicates: Duplicates,
    thresholds: Thresholds,
    seed: int = 0,
    progress: Progress = no_progress,
    machines: Machines = HERE,
) -> Probabilities:
    """Estimate class probabilities of every sample without its own group.

    Parameters
    ----------
    thresholds : a class with fewer than `judged_groups` groups beside the one left out is not judged.
    seed : of the folds.
    machines : where the sums of the probe are computed.

    Returns
    -------
    Probabilities
        A linear probe, the neighbours' vote and the classes' sizes, joined by a softmax whose three scalars
        are fitted on the left-out scores: a part that does not predict the given labels gets no weight.
    """
    codes, classes = dataset.codes_of(embeddings.ids), len(dataset.classes)
    groups = independent_groups(dataset, duplicates)
    enough = groups_per_class(groups, codes, classes) > thresholds.judged_groups
    folds = assign_folds(embeddings.ids, groups, codes, seed)
    weights = copy_weights(duplicates)
    tell = _Steps(progress, PROBE_STEPS + VOTE_STEPS)
    z = stabilise(embeddings.vectors, weights)
    present = np.unique(codes)
    dense = np.searchsorted(present, codes).astype(np.int32)
    sizes = np.bincount(dense, weights)
    importance = loss_weights(dense, weights)
    rows = FoldedRows(z, dense, weights, folds)
    probe = leave_folds_out(rows, fit_lda, importance, tell, machines)
    vote = vote_scores(neighbours, groups, dense, weights, tell)
    parts = [probe, vote, np.broadcast_to(size_scores(sizes), probe.shape)]
    sample = fit_sample(len(z), len(present))
    scales, _ = combine(
        [part[sample].astype(np.float64) for part in parts], dense[sample], importance[sample]
    )
    values = np.zeros((len(z), classes), dtype=np.float32)
    for block in np.array_split(np.arange(len(z)), VOTE_STEPS):
        scores = sum(scale * part[block] for scale, part in zip(scales, parts, strict=True))
        values[np.ix_(block, present)] = softmax(scores)
    named = zip(("lda", "vote", "size"), scales, strict=True)
    method = "softmax of " + " + ".join(f"{scale:.3g} {name}" for name, scale in named)
    return Probabilities(embeddings.ids, values, enough, method)


class _Steps:
    """Counts steps and passes them on as progress of the stage."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._progress("probabilities", self._done, self._total)
