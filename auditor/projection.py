"""The t-SNE map, fed with the neighbours already found.

distinct pictures (u, d) + their k nearest --> openTSNE --> positions (u, 2)
more than `FIT_LIMIT` of them              --> a random sample is fitted, the rest placed at the
                                               weighted mean of its nearest sampled pictures
copies                                     --> beside their representative  ==>  positions (m, 2)

An earlier map (`continue_map`): samples start where they lay, new ones among their neighbours, and a short
gentle descent follows, so that two versions of a dataset can be seen in one frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Progress, no_progress
from auditor.lists import make_lists, search_among
from auditor.networks import available_cores
from auditor.results import Embeddings, Map, Neighbours
from auditor.searching import search

PERPLEXITY = 30.0
FIT_LIMIT = 50_000
TRUST_ROWS = 5_000
"""Rows on which trustworthiness is measured; it holds n x n distances."""
TRUST_NEIGHBOURS = 10
EARLY_ITERATIONS = 150
ITERATIONS = 300
"""With 250 and 500 the trustworthiness was no higher on CIFAR-10N's pictures (0.964 and 0.966)."""
CELL = 2
"""Side of a cell of the grid on which repulsion is interpolated, in units of the map: a quarter of the
cells that a side of 1 needs."""
PLACING_NEIGHBOURS = 5
PLACING_PROBES = 64
PLACING_ROWS = 131_072
"""Rows placed at once: 270 MB of vectors at 512 dimensions."""
SAMPLE_K = 90
EXACT_SAMPLE = 10_000
"""Fitted samples up to which every pair is compared for their neighbours."""
CONTINUED_ITERATIONS = 250
"""Of a continued map, without early exaggeration: it settles, it is not laid out anew."""
SEARCHED, FITTED = 0.15, 0.6
"""Shares of the time that the search in the sample and its layout take; placing takes what is left."""
STEPS = 1_000
COPY_OFFSET = 0.002
"""Distance between copies on the map, as a share of its width, so that both can be picked."""


def make_map(
    embeddings: Embeddings, neighbours: Neighbours, seed: int = 0, progress: Progress = no_progress
) -> Map:
    """Lay the samples out on a plane by t-SNE (van der Maaten and Hinton 2008; openTSNE, Policar 2024).

    The same input and seed give the same map. Distances on it are no measure: `trustworthiness` says how
    far its neighbourhoods can be trusted.
    """
    distinct = np.flatnonzero(neighbours.representative == np.arange(len(embeddings.ids)))
    vectors = _rows_of(embeddings.vectors, distinct)
    if len(distinct) > FIT_LIMIT:
        points, method = _fit_sample(vectors, seed, progress)
    else:
        near = _to_distinct(neighbours, distinct)
        points = _fit(vectors, near, neighbours.similarities[distinct], seed, _Share(progress, 0.0, 1.0))
        method = f"t-SNE of {len(distinct):,} samples, perplexity {_perplexity(near):.0f}"
    trust, rows = _trustworthiness(vectors, points, seed)
    positions = _beside_copies(points, distinct, neighbours.representative)
    return Map(embeddings.ids, positions, method, trust, rows)


def continue_map(
    before: Map,
    rows: NDArray[np.int64],
    embeddings: Embeddings,
    neighbours: Neighbours,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Map:
    """Lay a later version of a dataset out from where the map of the earlier one left off.

    Parameters
    ----------
    before : the earlier map.
    rows : (m,) the row of each sample in `before`, -1 where it is new.
    embeddings, neighbours : those of the later version, m rows.

    Returns
    -------
    Map
        With the same pictures as before the positions are exactly the earlier ones: labels move nothing.
    """
    distinct = np.flatnonzero(neighbours.representative == np.arange(len(rows)))
    vectors = _rows_of(embeddings.vectors, distinct)
    known = rows[distinct] >= 0
    start = np.zeros((len(distinct), 2), dtype=np.float32)
    start[known] = before.positions[rows[distinct][known]]
    same = bool((rows >= 0).all()) and len(np.unique(rows)) == len(before.ids)
    near = _to_distinct(neighbours, distinct)
    _place_new(start, known, near, neighbours.similarities[distinct])
    moving = len(distinct) if len(distinct) <= FIT_LIMIT and not same else 0
    if moving >= 4:
        start = _settle(start, near, neighbours.similarities[distinct], seed, progress)
    trust, trusted = _trustworthiness(vectors, start, seed)
    positions = _beside_copies(start, distinct, neighbours.representative)
    positions[rows >= 0] = before.positions[rows[rows >= 0]] if not moving else positions[rows >= 0]
    new = int((rows < 0).sum())
    method = f"the earlier map, {new:,} new samples placed on it" if new else "the earlier map"
    return Map(embeddings.ids, positions, f"{method}, settled" if moving else method, trust, trusted)


def _to_distinct(neighbours: Neighbours, distinct: NDArray[np.int64]) -> NDArray[np.int64]:
    """Neighbour lists (u, k) of distinct pictures as rows of `distinct`; -1 stays -1."""
    row = np.full(len(neighbours.ids) + 1, -1, dtype=np.int64)
    row[distinct] = np.arange(len(distinct))
    return np.asarray(row[neighbours.indices[distinct]])


def _place_new(points: Floats, known: NDArray[np.bool_], near: NDArray[np.int64], similar: Floats) -> None:
    """Place new pictures at the weighted mean of their nearest placed ones, the best connected first."""
    placed = known.copy()
    if not placed.any():
        points[:] = np.random.default_rng(0).normal(size=points.shape)
        return
    middle = points[placed].mean(axis=0)
    while not placed.all():
        rest = np.flatnonzero(~placed)
        usable = (near[rest] >= 0) & placed[near[rest]]
        usable &= np.cumsum(usable, axis=1) <= PLACING_NEIGHBOURS
        some = usable.any(axis=1)
        ready = rest[some]
        if not len(ready):
            points[rest] = middle
            return
        points[ready] = _weighted_mean(points[near[ready]], similar[ready], usable[some])
        placed[ready] = True


def _weighted_mean(points: Floats, similar: Floats, usable: Bools) -> Floats:
    """Mean (b, 2) of the usable of points (b, k, 2), weighted by their cosines (b, k)."""
    weight = np.where(usable, np.maximum(similar.astype(np.float64), 1e-6) ** 8, 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("bk,bkx->bx", weight, points), dtype=np.float32)


def _settle(start: Floats, near: NDArray[np.int64], similar: Floats, seed: int, progress: Progress) -> Floats:
    """Let a started map settle, without early exaggeration."""
    from openTSNE import TSNEEmbedding

    graph = _affinities(near, similar)
    method = "bh" if len(start) < 10_000 else "fft"
    embedding = TSNEEmbedding(
        start.astype(np.float64), graph, negative_gradient_method=method, random_state=seed, n_jobs=1
    )
    tell = _Tell(_Share(progress, 0.0, 1.0), CONTINUED_ITERATIONS)
    rate = len(start) / 12
    embedding.optimize(
        CONTINUED_ITERATIONS, learning_rate=rate, momentum=0.5, inplace=True, **tell.options(0)
    )
    return np.asarray(embedding, dtype=np.float32)


def _perplexity(near: NDArray[np.int64]) -> float:
    return float(max(1.0, min(PERPLEXITY, near.shape[1] / 3)))


def _fit(vectors: Floats, near: NDArray[np.int64], similar: Floats, seed: int, done: _Share) -> Floats:
    """Fit t-SNE from the first principal components."""
    from openTSNE import TSNEEmbedding, initialization

    if len(vectors) < 4:
        return np.asarray(np.stack([np.arange(len(vectors)), np.zeros(len(vectors))], axis=1), np.float32)
    graph = _affinities(near, similar)
    start = initialization.pca(vectors, random_state=seed)
    method = "bh" if len(vectors) < 10_000 else "fft"
    total = EARLY_ITERATIONS + ITERATIONS
    embedding = TSNEEmbedding(
        start,
        graph,
        negative_gradient_method=method,
        ints_in_interval=CELL,
        random_state=seed,
        n_jobs=available_cores() if method == "fft" else 1,  # the interpolation gives the same bits
        learning_rate="auto",
    )
    tell = _Tell(done, total)
    embedding.optimize(EARLY_ITERATIONS, exaggeration=12, momentum=0.5, inplace=True, **tell.options(0))
    embedding.optimize(ITERATIONS, momentum=0.8, inplace=True, **tell.options(EARLY_ITERATIONS))
    return np.asarray(embedding, dtype=np.float32)


def _affinities(near: NDArray[np.int64], similar: Floats) -> Any:
    """Affinities from Euclidean distances between unit vectors, whose squares are 2 - 2 cosine."""
    from openTSNE import affinity
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    distances = np.sqrt(np.maximum(2.0 - 2.0 * similar.astype(np.float64), 0.0))
    return affinity.PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(near, distances), perplexity=_perplexity(near), n_jobs=1
    )


class _Share:
    """Tells the progress of a part of the map: `length` of it, from `start`, both in [0, 1]."""

    def __init__(self, progress: Progress, start: float, length: float) -> None:
        self._progress, self._start, self._length = progress, start, length

    def __call__(self, part: float) -> None:
        self._progress("map", round(STEPS * (self._start + self._length * part)), STEPS)


class _Tell:
    """Passes openTSNE's iterations on as progress."""

    def __init__(self, done: _Share, total: int) -> None:
        self._done, self._total = done, total

    def options(self, done: int) -> dict[str, object]:
        def call(iteration: int, error: float, embedding: object) -> bool:
            self._done((done + iteration) / self._total)
            return False

        return {"callbacks": call, "callbacks_every_iters": 25}


def _fit_sample(vectors: Floats, seed: int, progress: Progress) -> tuple[Floats, str]:
    """Fit a random `FIT_LIMIT` of the rows (u, d), place the rest; points (u, 2) and what was done."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:FIT_LIMIT])
    base = vectors[chosen]

    def listen(stage: str, done: int, total: int) -> None:
        _Share(progress, 0.0, SEARCHED)(done / total)

    found = search(base, min(SAMPLE_K, len(base) - 1), listen, EXACT_SAMPLE, seed)
    near = found.indices.astype(np.int64)
    points = np.empty((len(vectors), 2), dtype=np.float32)
    points[chosen] = _fit(base, near, found.similarities, seed, _Share(progress, SEARCHED, FITTED))
    rest = np.setdiff1d(np.arange(len(vectors)), chosen)
    lists = make_lists(base, seed, lambda part: None)
    start, length = SEARCHED + FITTED, 1 - SEARCHED - FITTED
    k = min(PLACING_NEIGHBOURS, len(base))
    for first in range(0, len(rest), PLACING_ROWS):
        rows = rest[first : first + PLACING_ROWS]
        share = _Share(progress, start + length * first / len(rest), length * len(rows) / len(rest))
        nearest, similar = search_among(base, lists, vectors[rows], PLACING_PROBES, k, share)
        points[rows] = _weighted_mean(points[chosen[nearest]], similar, nearest >= 0)
    method = f"t-SNE of {len(base):,} samples, {len(rest):,} placed among them"
    return points, f"{method}, perplexity {_perplexity(near):.0f}"


def _rows_of(vectors: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return these rows, ascending; all of them without a copy, which would take 2 GB for a million."""
    return vectors if len(rows) == len(vectors) else vectors[rows]


def _trustworthiness(vectors: Floats, points: Floats, seed: int) -> tuple[float, int]:
    """Trustworthiness in [0, 1] (Venna and Kaski 2001) and the number of rows it was measured on."""
    from sklearn.manifold import trustworthiness

    rows = np.random.default_rng(seed).permutation(len(points))[:TRUST_ROWS]
    k = min(TRUST_NEIGHBOURS, (len(rows) - 1) // 2)
    if k < 1:
        return 1.0, len(rows)
    return float(trustworthiness(vectors[rows], points[rows], n_neighbors=k)), len(rows)


def _beside_copies(points: Floats, distinct: NDArray[np.int64], representative: NDArray[np.int32]) -> Floats:
    """Expand positions of distinct pictures (u, 2) to all samples (m, 2); copies lie beside each other."""
    row = np.full(len(representative), -1, dtype=np.int64)
    row[distinct] = np.arange(len(distinct))
    positions = points[row[representative]]
    order = np.argsort(representative, kind="stable")
    owner = representative[order]
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    nth = np.arange(len(owner)) - np.repeat(starts, np.diff(np.r_[starts, len(owner)]))
    width = float(np.ptp(points, axis=0).max()) or 1.0
    turn = nth * 2.4
    offset = np.stack([np.cos(turn), np.sin(turn)], axis=1) * (COPY_OFFSET * width * np.sqrt(nth))[:, None]
    positions[order] += offset.astype(np.float32)
    return np.asarray(positions, dtype=np.float32)
