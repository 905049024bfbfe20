"""Which training pictures of one class lie nearest to another, and what they share.

    training samples of a, of b  -->  closeness (n_a,)   nearer half of the own class - of the other
      flagged as wrong labels, or as no good example     groups of their own
      the rest, nearest first, clustered                 one group for each thing that they share
    test samples --> nearest training sample  ==>  FarSamples: those that nothing in the training resembles

Closeness is a similarity, not a probe's margin: both put the avocados with a knife first in the kitchen set,
but the margin ranks pictures in between that are near neither class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids, Ints
from auditor.comparisons.domain_sides import Side
from auditor.results import Finding

NEARER_SHARE = 0.5
"""Similarity to a class is the mean over this share of its pictures, the nearest ones. With the 5 nearest, a
few dozen avocados with a knife would vouch for each other."""
REFERENCES = 2_000
"""Most samples of a class, spread evenly, that a picture is compared with."""
CLUSTERED = 12
"""Nearest rightly labelled pictures that are grouped by what they share."""
SHOWN_FLAGGED = 6
ALIKE = 0.8
"""Mean cosine distance of centred vectors up to which pictures form one group."""
USUAL_SHARE, FAR_RATIO = 0.95, 1.25
"""A test picture is far when its distance (1 - cosine) to the nearest training picture is `FAR_RATIO` times
what this share of the training pictures keeps to the nearest of another group. Twice the median was tried: it
took ordinary pictures for far ones where the density varies."""
FAR_SHOWN = 24
USUAL_ROWS = 2_000
BLOCK = 2_048

NEAR, ALONE, WRONG, UNFIT = "near", "near, each alone", "flagged mislabeled", "flagged otherwise"
UNFIT_KINDS = ("off_topic", "low_quality", "conflicting_duplicate")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PictureCluster:
    """Training pictures of one class near another that belong together, the nearest first.

    kind : "near" (alike, nothing is flagged), "near, each alone" (like no other of them), "flagged
        mislabeled" or "flagged otherwise" (off-topic, poor, filed under two classes).
    closeness : (p,) in [-2, 2], low = near the other class; below 0 nearer to it than to its own.
    total : pictures of this kind, also those not listed.
    """

    kind: str
    ids: tuple[str, ...]
    closeness: tuple[float, ...]
    total: int


@dataclass(frozen=True)
class NearPictures:
    """Training pictures of class `of` nearest to class `to` (class codes), in groups.

    `usual` is the median closeness of the rightly labelled pictures of `of`.
    """

    of: int
    to: int
    usual: float
    clusters: tuple[PictureCluster, ...]


@dataclass(frozen=True)
class FarSamples:
    """Test samples without a near training sample.

    usual : distance (1 - cosine) to the nearest of another group within which `USUAL_SHARE` of the training
        samples lie.
    count : test samples at `FAR_RATIO` times that or more; `ids`, `distances` and `nearest` (the id of the
        nearest training sample) list the farthest of them.
    """

    usual: float
    count: int
    ids: tuple[str, ...]
    distances: tuple[float, ...]
    nearest: tuple[str, ...]


def flag_samples(ids: Ids, findings: tuple[Finding, ...]) -> NDArray[np.object_]:
    """Kind of picture (n,) that each sample is: `NEAR` (not flagged), `WRONG` or `UNFIT`."""
    kinds: Mapping[str, str] = {"mislabeled": WRONG, **dict.fromkeys(UNFIT_KINDS, UNFIT)}
    found: dict[str, str] = {}
    # Findings come by precedence; a conflict is no good example even where the label looks wrong too.
    for finding in findings:
        if finding.kind in kinds:
            for one in finding.ids:
                found.setdefault(one, kinds[finding.kind])
    return np.array([found.get(one, NEAR) for one in ids], dtype=object)


def unit_rows(z: Floats) -> Floats:
    """Scale rows to unit length."""
    return np.asarray(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12), np.float32)


def nearest_pictures(z: Floats, side: Side, flags: NDArray[np.object_], of: int, to: int) -> NearPictures:
    """Find the pictures of class `of` nearest to class `to` and group them.

    Parameters
    ----------
    z : (n, r) unit vectors of the side's samples.
    flags : (n,) from `flag_samples`.
    """
    rows = side.of_class(of)
    value = _similarity(z, side, rows, of) - _similarity(z, side, rows, to)
    order = np.lexsort((side.ids[rows].astype(str), value))
    clusters = []
    near = order[flags[rows[order]] == NEAR]
    shown = near[:CLUSTERED]
    for kind, part in _cluster(z[rows[shown]]):
        chosen = shown[part]
        clusters.append(_listed(kind, side.ids[rows[chosen]], value[chosen], len(near)))
    for kind in (WRONG, UNFIT):
        flagged = order[flags[rows[order]] == kind]
        if len(flagged):
            chosen = flagged[:SHOWN_FLAGGED]
            clusters.append(_listed(kind, side.ids[rows[chosen]], value[chosen], len(flagged)))
    usual = float(np.median(value[near])) if len(near) else float("nan")
    return NearPictures(of, to, usual, tuple(clusters))


def far_samples(z_train: Floats, train: Side, z_test: Floats, test: Side) -> FarSamples:
    """Find the test samples that no training sample is near to; copies in both domains are near.

    Parameters
    ----------
    z_train, z_test : unit vectors of both sides in one frame.
    """
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), USUAL_ROWS)).astype(np.int64))
    within, _ = _best(z_train[some], z_train, train.groups[some], train.groups)
    usual = float(np.quantile(1 - within, USUAL_SHARE))
    best, nearest = _best(z_test, z_train, None, train.groups)
    distance = 1 - best.astype(np.float64)
    order = np.lexsort((test.ids.astype(str), -distance))
    count = int((distance >= FAR_RATIO * usual).sum())
    chosen = order[: min(count, FAR_SHOWN)]
    return FarSamples(
        usual,
        count,
        tuple(test.ids[chosen]),
        tuple(distance[chosen].tolist()),
        tuple(train.ids[nearest[chosen]]),
    )


def _listed(kind: str, ids: Ids, values: Array, total: int) -> PictureCluster:
    return PictureCluster(kind, tuple(ids), tuple(np.asarray(values, float).tolist()), total)


def _similarity(z: Floats, side: Side, rows: NDArray[np.int64], code: int) -> Array:
    """Mean cosine (p,) to the nearer half of a class, the own group left out."""
    pool = side.of_class(code)
    pool = pool[np.unique(np.linspace(0, len(pool) - 1, min(len(pool), REFERENCES)).astype(np.int64))]
    out = np.zeros(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        cosine = z[part] @ z[pool].T
        cosine[side.groups[part][:, None] == side.groups[pool][None, :]] = -np.inf
        k = max(1, round(NEARER_SHARE * len(pool)))
        best = np.partition(cosine, len(pool) - k, axis=1)[:, -k:]
        counted = np.isfinite(best)
        # A class that is one group has nobody to vouch for a member: as far as can be.
        out[start : start + BLOCK] = np.where(
            counted.any(axis=1),
            np.where(counted, best, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1),
            -1.0,
        )
    return out


def _cluster(z: Floats) -> list[tuple[str, NDArray[np.int64]]]:
    """Group rows by average linkage on cosine distance, in the order of each group's first row.

    Rows that are like no other come last, together.
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(z) < 2:
        return [(ALONE, np.arange(len(z)))] if len(z) else []
    model = AgglomerativeClustering(
        n_clusters=None, distance_threshold=ALIKE, metric="cosine", linkage="average"
    )
    labels = model.fit_predict(z)
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    groups = sorted((m for m in members if len(m) > 1), key=lambda m: int(m[0]))
    alone = sorted(int(m[0]) for m in members if len(m) == 1)
    return [(NEAR, m) for m in groups] + ([(ALONE, np.array(alone))] if alone else [])


def _best(queries: Floats, base: Floats, own: Ints | None, groups: Ints) -> tuple[Floats, NDArray[np.int64]]:
    """Highest cosine (q,) and its row of `base`; rows of the query's own group do not count when given."""
    best, row = np.empty(len(queries), np.float32), np.empty(len(queries), np.int64)
    for start in range(0, len(queries), BLOCK):
        part = slice(start, start + BLOCK)
        cosine = queries[part] @ base.T
        if own is not None:
            cosine[own[part][:, None] == groups[None, :]] = -1.0
        row[part] = cosine.argmax(axis=1)
        best[part] = np.take_along_axis(cosine, row[part][:, None], axis=1)[:, 0]
    return best, row
