"""Scores of every label, in [0, 1], low = suspect.

probabilities (m, c) --> label_quality    probability of the given label (cleanlab's self-confidence)
                     --> clarity          lead of the first class over the second
                     --> suggested        the most probable class other than the given one
                     --> confident_joint  (c, c), cleanlab
neighbours (m, k)    --> neighbour_vote   share of the votes for the given label
                     --> typicality       usual distance to the neighbours / the sample's own
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.neighbours import group_votes, voting_codes
from auditor.probabilities import independent_groups
from auditor.results import (
    Dataset,
    Duplicates,
    Embeddings,
    Floats,
    Ints,
    Neighbours,
    Probabilities,
    Scores,
)

VOTERS = 10
LEAST_DISTANCE = 1e-3
"""Cosine distance below which neighbours count as equally near."""


def score_labels(
    dataset: Dataset,
    embeddings: Embeddings,
    neighbours: Neighbours,
    duplicates: Duplicates,
    probabilities: Probabilities,
) -> Scores:
    """Score every sample's label; nothing here uses a sample's own group as evidence.

    Label quality is cleanlab's self-confidence (Northcutt et al. 2021; Kuan and Mueller 2022): it ranks best
    at low noise and for pictures of no class. Typicality is described at `rate_typicality`.
    """
    from cleanlab.rank import get_label_quality_scores

    codes = dataset.codes_of(embeddings.ids)
    groups = independent_groups(dataset, duplicates)
    chances = probabilities.values
    rows = np.arange(len(codes))
    quality = get_label_quality_scores(codes, chances, method="self_confidence")
    others = chances.copy()
    others[rows, codes] = -1.0
    suggested = others.argmax(axis=1).astype(np.int32)
    top = np.sort(np.partition(chances, -2, axis=1)[:, -2:], axis=1)
    return Scores(
        ids=embeddings.ids,
        label_quality=_unit(quality),
        clarity=_unit(top[:, 1] - top[:, 0]),
        typicality=rate_typicality(neighbours, groups),
        neighbour_vote=share_of_votes(neighbours, groups, codes),
        suggested=suggested,
        suggested_probability=_unit(chances[rows, suggested]),
        confident_joint=joint_counts(codes, chances),
    )


def rate_typicality(neighbours: Neighbours, groups: Ints) -> Floats:
    """Typicality (m,) in [0, 1]: 1 = as near to its neighbours as usual, 0.5 = twice as far away.

    The mean cosine distance to the `VOTERS` nearest pictures of other groups is divided by the median over
    the whole set and by the neighbours' own mean distance (the local outlier factor of Breunig et al. 2000
    in its simplest form); typicality is the inverse of the geometric mean of the two ratios. The first finds
    strangers to the whole set, the second those beside a dense class.
    """
    voters, similarity = group_votes(neighbours, groups, VOTERS)
    voting = voters >= 0
    counts = np.maximum(voting.sum(axis=1), 1)
    distance = np.where(voting, 1.0 - similarity, 0.0).sum(axis=1) / counts
    distance = np.where(voting.any(axis=1), np.maximum(distance, LEAST_DISTANCE), np.nan)
    if np.isnan(distance).all():
        return np.ones(len(distance), np.float32)
    usual = np.nanmedian(distance)
    distance = np.where(np.isnan(distance), usual, distance)
    around = np.where(voting, distance[voters], 0.0).sum(axis=1) / counts
    around = np.where(voting.any(axis=1), around, usual)
    ratio = distance / np.sqrt(usual * around)
    return _unit(1.0 / np.maximum(ratio, 1.0))


def share_of_votes(neighbours: Neighbours, groups: Ints, codes: Ints) -> Floats:
    """Similarity-weighted share (m,) of the nearest pictures of other groups that carry the given label."""
    voters, weights = group_votes(neighbours, groups, VOTERS)
    labels = voting_codes(neighbours.representative, codes)[voters]
    weights = np.where((voters >= 0) & (labels >= 0), weights, 0.0)
    agreeing = np.where(labels == codes[:, None], weights, 0.0).sum(axis=1)
    return _unit(agreeing / np.maximum(weights.sum(axis=1), 1e-12))


def joint_counts(codes: Ints, chances: Floats) -> NDArray[np.int64]:
    """Confident joint (c, c) over the classes that occur: rows given label, columns likely label."""
    from cleanlab.count import compute_confident_joint

    present, dense = np.unique(codes, return_inverse=True)
    counts = np.zeros((chances.shape[1], chances.shape[1]), dtype=np.int64)
    if len(present) > 1:
        inside = chances[:, present]
        counts[np.ix_(present, present)] = compute_confident_joint(dense, inside, calibrate=False)
    return counts


def _unit(values: NDArray[np.floating]) -> Floats:
    return np.asarray(np.clip(values, 0.0, 1.0), dtype=np.float32)
