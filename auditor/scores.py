"""Scores of every label, in [0, 1], low = suspect.

probabilities (m, c) --> label_quality    the given label against the classes likely mistaken for it
                     --> suggested        the likeliest of these
                     --> clarity          lead of the first class over the second
                     --> confident_joint  (c, c), cleanlab
neighbours (m, k)    --> neighbour_vote   share of the votes for the given label
                     --> typicality       usual distance to the neighbours / the sample's own
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids, Ints, Progress, no_progress
from auditor.groups import independent_groups
from auditor.mistakes import find_mistakes, weigh_labels
from auditor.neighbours import group_votes, voting_codes
from auditor.results import Dataset, Duplicates, Embeddings, Neighbours, Probabilities, Scores

VOTERS = 10
STEPS = 5
"""Groups, classes, typicality, votes, joint: of similar length."""
BLOCK_ROWS = 65_536
"""Rows looked at together, so that few probabilities are held twice."""
LEAST_CHANCE = 1e-4
LEAST_SPREAD = 0.5
"""Spread of a class's log probabilities (natural log) below which nothing counts as unusual."""
ANY_OTHER = 2.0
"""Weight of how far a sample's best other class stands out from those of its class: half as far is enough."""
LEAST_DOMAIN = 30
"""Samples that a domain needs to say what is usual in it."""
LEAST_DISTANCE = 1e-3
"""Cosine distance below which neighbours count as equally near."""


def score_labels(
    dataset: Dataset,
    embeddings: Embeddings,
    neighbours: Neighbours,
    duplicates: Duplicates,
    probabilities: Probabilities,
    progress: Progress = no_progress,
) -> Scores:
    """Score every sample's label; nothing here uses a sample's own group as evidence.

    Label quality is cleanlab's self-confidence (Northcutt et al. 2021; Kuan and Mueller 2022), in which other
    classes weigh by how often they are mistaken for the given one: see `auditor.mistakes`. Typicality is
    described at `rate_typicality`.
    """
    codes = dataset.codes_of(embeddings.ids)
    groups = independent_groups(dataset, duplicates)
    chances = probabilities.values
    progress("scores", 1, STEPS)
    quality, suggested = weigh_labels(chances, codes, find_mistakes(chances, codes, groups).ratio)
    progress("scores", 2, STEPS)
    typicality = rate_typicality(neighbours, groups, dataset.column_of("domain", embeddings.ids))
    progress("scores", 3, STEPS)
    vote = share_of_votes(neighbours, groups, codes)
    progress("scores", 4, STEPS)
    return Scores(
        ids=embeddings.ids,
        label_quality=_unit(quality),
        clarity=_unit(rate_clarity(chances)),
        typicality=typicality,
        neighbour_vote=vote,
        suggested=suggested,
        suggested_probability=_unit(chances[np.arange(len(codes)), suggested]),
        confident_joint=joint_counts(codes, chances),
    )


def rate_clarity(chances: Floats) -> Floats:
    """Lead of the first class over the second (m,) in [0, 1]."""
    lead = np.empty(len(chances), np.float32)
    for start in range(0, len(chances), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        top = np.partition(chances[part], -2, axis=1)[:, -2:]
        lead[part] = np.abs(top[:, 1] - top[:, 0])
    return lead


def rate_typicality(neighbours: Neighbours, groups: Ints, domains: Ids) -> Floats:
    """Typicality (m,) in [0, 1]: 1 = as near to its neighbours as usual, 0.5 = twice as far away.

    The usual mean cosine distance to the `VOTERS` nearest pictures of other groups, divided by the sample's
    own. Usual is the geometric mean of the medians over the whole set and over the sample's domain, since
    drawings lie closer together than photographs. The plain distance finds pictures of other sets better
    than the local outlier factor (Breunig et al. 2000), which a handful of strangers escapes together.
    """
    voters, similarity = group_votes(neighbours, groups, VOTERS)
    voting = voters >= 0
    counts = voting.sum(axis=1)
    distance = np.where(voting, 1.0 - similarity, 0.0).sum(axis=1) / np.maximum(counts, 1)
    alone = counts == 0
    # Copies of one picture count once, else a picture that is there 300 times would say what is usual.
    telling = ~alone & (neighbours.representative == np.arange(len(distance)))
    if not telling.any():
        return np.ones(len(distance), np.float32)
    distance = np.maximum(distance, LEAST_DISTANCE)
    whole = np.median(distance[telling])
    usual = np.full(len(distance), whole)
    for domain in np.unique(domains.astype(str)):
        rows = domains == domain
        if (rows & telling).sum() >= LEAST_DOMAIN:
            usual[rows] = np.sqrt(whole * np.median(distance[rows & telling]))
    return _unit(np.where(alone, 1.0, usual / distance))


def rate_surprise(chances: Floats, codes: Ints, suggested: Ints) -> Floats:
    """How unusual the best other class's probability is among samples of the given class, (m,).

    In robust standard deviations (1.4826 times the median absolute deviation) of the log probability within
    the given class, high = unusual: the lower of two, that of this other class's probability and `ANY_OTHER`
    times that of the best other class's, whichever it is. So nothing is unusual where two classes overlap
    everywhere, which the class pairs tell, nor where stray votes for one of many classes are common. One
    avocado beside a knife is unusual although avocado stays the likelier class.
    """
    logs = np.log(np.maximum(chances, LEAST_CHANCE))
    out = np.zeros(len(codes), dtype=np.float64)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        middle = np.median(logs[rows], axis=0)
        spread = 1.4826 * np.median(np.abs(logs[rows] - middle), axis=0)
        other = suggested[rows]
        best = logs[rows, other]
        of_this = (best - middle[other]) / np.maximum(spread[other], LEAST_SPREAD)
        usual = np.median(best)
        width = max(1.4826 * float(np.median(np.abs(best - usual))), LEAST_SPREAD)
        out[rows] = np.minimum(of_this, ANY_OTHER * (best - usual) / width)
    return out.astype(np.float32)


def balanced_quality(chances: Floats, codes: Ints, weights: NDArray[np.float64]) -> Floats:
    """Label quality (m,) as if all classes were equally frequent, in [0, 1], low = suspect.

    By Bayes' rule: every class's probability is divided by the summed `weights` (m,) of its samples. With one
    class fifty times as large as another, correct labels of the rare one have a low probability just because
    it is rare.
    """
    fair = chances / np.maximum(np.bincount(codes, weights, chances.shape[1]), 1.0)
    return _unit(fair[np.arange(len(codes)), codes] / np.maximum(fair.sum(axis=1), 1e-12))


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
