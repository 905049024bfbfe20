"""Out-of-sample class probabilities: two linear probes and the neighbours' vote.

groups left out as a whole --> ridge scores, LDA scores (m, c)
neighbours of other groups --> vote scores (m, c)
softmax with three fitted scalars  ==>  values (m, c)
"""

from __future__ import annotations

import numpy as np

from auditor.arrays import Ints
from auditor.groups import assign_folds, copy_weights, groups_per_class, independent_groups
from auditor.neighbours import group_votes, voting_codes
from auditor.probes import (
    Array,
    combine,
    fit_lda,
    fit_ridge,
    fit_sample,
    leave_folds_out,
    loss_weights,
    softmax,
    stabilise,
)
from auditor.results import Dataset, Duplicates, Embeddings, Neighbours, Probabilities, Thresholds

VOTERS = 20
PRIOR_VOTES = 5.0


def vote_scores(neighbours: Neighbours, groups: Ints, codes: Ints, weights: Array) -> Array:
    """Log share (m, c) of the votes for each class among the nearest samples of other groups.

    `PRIOR_VOTES` votes are shared out by class size, all copies of a picture counting as one, and half of the
    prior is taken back, so that a rare class is not outvoted by its neighbours' number alone.
    """
    sizes = np.bincount(codes, weights)
    classes = len(sizes)
    voters, similarity = group_votes(neighbours, groups, min(VOTERS, max(1, len(codes) // 10)))
    labels = np.where(voters >= 0, voting_codes(neighbours.representative, codes)[voters], -1)
    weights = np.where(labels >= 0, similarity, 0.0).astype(np.float64)
    voting = (labels >= 0).sum(axis=1, keepdims=True)
    weights *= voting / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    rows = np.repeat(np.arange(len(codes)), labels.shape[1])
    cast = labels.ravel() >= 0
    flat = rows[cast] * classes + labels.ravel()[cast]
    votes = np.bincount(flat, weights.ravel()[cast], minlength=len(codes) * classes).reshape(-1, classes)
    prior = np.maximum(sizes / sizes.sum(), 1.0 / len(codes))
    share = (votes + PRIOR_VOTES * prior) / (votes.sum(axis=1, keepdims=True) + PRIOR_VOTES)
    return np.asarray(np.log(share) - 0.5 * np.log(prior))


def estimate_probabilities(
    dataset: Dataset,
    embeddings: Embeddings,
    neighbours: Neighbours,
    duplicates: Duplicates,
    thresholds: Thresholds,
    seed: int = 0,
) -> Probabilities:
    """Estimate class probabilities of every sample without its own group.

    Parameters
    ----------
    thresholds : a class with fewer than `judged_groups` groups beside the one left out is not judged.
    seed : of the folds.

    Returns
    -------
    Probabilities
        Two linear probes and the neighbours' vote, joined by a softmax whose three scalars are fitted on
        the left-out scores: a part that does not predict the given labels gets no weight.
    """
    codes, classes = dataset.codes_of(embeddings.ids), len(dataset.classes)
    groups = independent_groups(dataset, duplicates)
    enough = groups_per_class(groups, codes, classes) > thresholds.judged_groups
    folds = assign_folds(embeddings.ids, groups, codes, seed)
    weights = copy_weights(duplicates)
    z = stabilise(embeddings.vectors, weights)
    present = np.unique(codes)
    dense = np.searchsorted(present, codes).astype(np.int32)
    sizes = np.bincount(dense, weights)
    importance = loss_weights(dense, weights)
    balanced = weights * (weights.sum() / len(sizes) / sizes[dense])
    with_constant = np.hstack([z, np.ones((len(z), 1), np.float32)])
    parts = [
        leave_folds_out(with_constant, dense, balanced, folds, fit_ridge, importance),
        leave_folds_out(z, dense, weights, folds, fit_lda, importance),
        vote_scores(neighbours, groups, dense, weights),
    ]
    sample = fit_sample(len(z))
    scales, _ = combine([part[sample] for part in parts], dense[sample], importance[sample])
    chances = softmax(sum(scale * part for scale, part in zip(scales, parts, strict=True)))
    values = np.zeros((len(z), classes), dtype=np.float32)
    values[:, present] = chances
    named = zip(("ridge", "lda", "vote"), scales, strict=True)
    method = "softmax of " + " + ".join(f"{scale:.3g} {name}" for name, scale in named)
    return Probabilities(embeddings.ids, values, enough, method)
