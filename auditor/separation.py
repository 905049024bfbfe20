"""How well each class, and each pair of classes, separates.

neighbours of other groups --> kNN accuracy        per class and overall
probabilities              --> confusion (c, c)    rows given label, columns most probable class
confusion                  --> verdict per class   "separated", or "mixed" with which
                           --> class pairs         worst first, with direction
vectors                    --> silhouette          on at most 10,000 samples
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress, as_ids, no_progress, rows_of
from auditor.groups import independent_groups
from auditor.neighbours import group_votes, voting_codes
from auditor.results import (
    ClassPair,
    ClassSeparation,
    Dataset,
    Duplicates,
    Embeddings,
    Finding,
    Neighbours,
    Probabilities,
    Separation,
    Thresholds,
)

VOTERS = 10
SILHOUETTE_ROWS = 10_000
MOST_PAIRS = 1_000
LEAST_CONFUSED = 2
"""Samples that must be taken for another class before the two are called mixed."""

Counts = NDArray[np.int64]


def measure_separation(
    dataset: Dataset,
    embeddings: Embeddings,
    neighbours: Neighbours,
    duplicates: Duplicates,
    probabilities: Probabilities,
    findings: tuple[Finding, ...] = (),
    thresholds: Thresholds | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Separation:
    """Measure how well the given labels separate.

    Every figure leaves the sample's own group out and counts copies with one label once.

    Two classes are mixed when the shares of each that are taken for the other out of sample have a mean of
    at least `mixed_share`; this is also the pair's score. Wrong labels look the same as mixed classes here:
    the findings tell them apart.
    """
    bars = thresholds or Thresholds()
    codes = dataset.codes_of(embeddings.ids)
    groups = independent_groups(dataset, duplicates)
    c = len(dataset.classes)
    guess = probabilities.values.argmax(axis=1)
    once = count_once(duplicates, codes)
    cells = codes[once].astype(np.int64) * c + guess[once]
    confusion = np.bincount(cells, minlength=c * c).reshape(c, c)
    voted = (knn_classes(neighbours, groups, codes, c) == codes)[once]
    progress("separation", 1, 3)
    telling = once if len(once) < len(codes) else None
    silhouettes = silhouette_by_class(embeddings.vectors, codes, c, seed, telling)
    progress("separation", 2, 3)
    samples = np.bincount(codes, minlength=c)
    sizes = np.bincount(codes[once], minlength=c)
    right = np.bincount(codes[once], voted, minlength=c)
    mixed = _mixed_with(confusion, probabilities.judged, bars)
    classes = tuple(
        ClassSeparation(
            name=name,
            samples=int(samples[j]),
            knn_accuracy=float(right[j] / max(sizes[j], 1)),
            probe_accuracy=float(confusion[j, j] / max(sizes[j], 1)),
            silhouette=float(silhouettes[j]),
            verdict=("mixed" if mixed[j] else "separated") if probabilities.judged[j] else "not judged",
            mixed_with=tuple(dataset.classes[b] for b in mixed[j]),
        )
        for j, name in enumerate(dataset.classes)
    )
    return Separation(
        knn_accuracy=float(voted.mean()),
        probe_accuracy=float(np.trace(confusion) / max(len(once), 1)),
        silhouette=float(np.average(silhouettes, weights=np.maximum(sizes, 1e-9))),
        classes=classes,
        pairs=rank_pairs(dataset, confusion, findings, bars),
        confusion=confusion,
    )


def count_once(duplicates: Duplicates, codes: Ints) -> NDArray[np.int64]:
    """Rows that count: of a group's copies with one label only the first, or 300 copies would be a class."""
    group = np.where(duplicates.group >= 0, duplicates.group, -1 - np.arange(len(codes)))
    pairs = (group.astype(np.int64) + len(codes)) * (int(codes.max(initial=0)) + 1) + codes
    return np.sort(np.unique(pairs, return_index=True)[1])


def knn_classes(neighbours: Neighbours, groups: Ints, codes: Ints, c: int) -> Ints:
    """Class (m,) with most votes among the 10 nearest pictures of other groups, -1 without neighbours.

    Votes count alike; of two classes with equally many the one with the nearer voter wins.
    """
    voters, _ = group_votes(neighbours, groups, VOTERS)
    labels = np.where(voters >= 0, voting_codes(neighbours.representative, codes)[voters], -1)
    best = np.full(len(codes), -1, dtype=np.int32)
    most = np.zeros(len(codes), dtype=np.int64)
    for j in range(labels.shape[1]):
        votes = ((labels == labels[:, j : j + 1]) & (labels[:, j : j + 1] >= 0)).sum(axis=1)
        better = votes > most
        best[better], most[better] = labels[better, j], votes[better]
    return best


def silhouette_by_class(
    vectors: Floats, codes: Ints, c: int, seed: int, telling: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Mean silhouette (c,) in [-1, 1] of each class by cosine distance (Rousseeuw 1987), high = apart.

    Measured on at most `SILHOUETTE_ROWS` of the rows `telling`, all when None.
    """
    from sklearn.metrics import silhouette_samples

    count = len(codes) if telling is None else len(telling)
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:SILHOUETTE_ROWS])
    rows = rows if telling is None else telling[rows]
    out = np.zeros(c)
    labels = codes[rows]
    if not 1 < len(np.unique(labels)) < len(rows):
        return out
    values = silhouette_samples(vectors[rows], labels, metric="cosine")
    counts = np.bincount(labels, minlength=c)
    return np.asarray(np.bincount(labels, values, minlength=c) / np.maximum(counts, 1))


def _shares(confusion: Counts) -> NDArray[np.float64]:
    """Share (c, c) of each class that is taken for another; the diagonal is 0."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0.0)
    return np.asarray(shares)


def _mixed_with(confusion: Counts, judged: NDArray[np.bool_], bars: Thresholds) -> list[list[int]]:
    """Classes that each class is mixed with, the worst first."""
    shares = _shares(confusion)
    both = (shares + shares.T) / 2
    clear = (both >= bars.mixed_share) & (confusion + confusion.T >= LEAST_CONFUSED)
    clear &= judged[:, None] & judged[None, :]
    return [
        sorted(np.flatnonzero(row).tolist(), key=lambda b: (-both[j, b], b)) for j, row in enumerate(clear)
    ]


def rank_pairs(
    dataset: Dataset, confusion: Counts, findings: tuple[Finding, ...], bars: Thresholds
) -> tuple[ClassPair, ...]:
    """Return the pairs with any confusion or finding between them, worst first."""
    index = {name: j for j, name in enumerate(dataset.classes)}
    flagged = _flagged_between(dataset, findings)
    shares = _shares(confusion)
    score = (shares + shares.T) / 2
    confused = {(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(score, 1)), strict=True)}
    touched = {(min(index[a], index[b]), max(index[a], index[b])) for a, b in flagged}
    pairs = [
        ClassPair(
            a=(a := dataset.classes[i]),
            b=(b := dataset.classes[j]),
            score=float(score[i, j]),
            a_as_b=int(confusion[i, j]),
            b_as_a=int(confusion[j, i]),
            flagged=flagged[(a, b)] + flagged[(b, a)],
        )
        for i, j in confused | touched
    ]
    return tuple(sorted(pairs, key=lambda p: (-p.score, -p.flagged, p.a, p.b))[:MOST_PAIRS])


def _flagged_between(dataset: Dataset, findings: tuple[Finding, ...]) -> Counter[tuple[str, str]]:
    """Count findings by (given class, other class); a conflicting group counts once for each pair."""
    counts: Counter[tuple[str, str]] = Counter()
    labels = as_ids(dataset.table["label"])
    conflicts = [f for f in findings if f.kind == "conflicting_duplicate"]
    of_member = iter(labels[rows_of(dataset.ids, [i for f in conflicts for i in f.ids])])
    for f in conflicts:
        names = sorted({next(of_member) for _ in f.ids})
        counts.update((a, b) for n, a in enumerate(names) for b in names[n + 1 :])
    doubted = [f for f in findings if f.kind in ("mislabeled", "ambiguous") and f.suggested_label]
    given = labels[rows_of(dataset.ids, [f.ids[0] for f in doubted])]
    counts.update((label, f.suggested_label) for label, f in zip(given, doubted, strict=True))
    return counts
