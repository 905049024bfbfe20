"""The t-SNE map, fed with the neighbours already found.

distinct pictures (u, d) + their k nearest --> openTSNE --> positions (u, 2)
more than `FIT_LIMIT` of them              --> a stratified sample is fitted, the rest placed at the
                                               weighted mean of its nearest sampled pictures
copies                                     --> beside their representative  ==>  positions (m, 2)

An earlier map (`continue_map`): samples start where they lay, new ones among their neighbours, and a short
gentle descent follows, so that two versions of a dataset can be seen in one frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Progress, no_progress
from auditor.results import Embeddings, Map, Neighbours
from auditor.searching import search

PERPLEXITY = 30.0
FIT_LIMIT = 50_000
TRUST_ROWS = 5_000
"""Rows on which trustworthiness is measured; it holds n x n distances."""
TRUST_NEIGHBOURS = 10
EARLY_ITERATIONS = 250
ITERATIONS = 500
PLACING_NEIGHBOURS = 5
CONTINUED_ITERATIONS = 250
"""Of a continued map, without early exaggeration: it settles, it is not laid out anew."""
COPY_OFFSET = 0.002
"""Distance between copies on the map, as a share of its width, so that both can be picked."""


def make_map(
    embeddings: Embeddings, neighbours: Neighbours, seed: int = 0, progress: Progress = no_progress
) -> Map:
    """Lay the samples out on a plane by t-SNE (van der Maaten and Hinton 2008; openTSNE, Policar 2024).

    The same input and seed give the same map. Distances on it are no measure: `trustworthiness` says how
    far its neighbourhoods can be trusted.
    """
    m = len(embeddings.ids)
    distinct = np.flatnonzero(neighbours.representative == np.arange(m))
    vectors = embeddings.vectors[distinct]
    if len(distinct) > FIT_LIMIT:
        fitted = np.sort(np.random.default_rng(seed).permutation(len(distinct))[:FIT_LIMIT])
        found = search(vectors[fitted], min(90, len(fitted) - 1), progress)
        near, similar = found.indices.astype(np.int64), found.similarities
        method = f"t-SNE of {FIT_LIMIT:,} samples, {len(distinct) - FIT_LIMIT:,} placed among them"
    else:
        fitted = np.arange(len(distinct))
        row = np.full(m, -1, dtype=np.int64)
        row[distinct] = fitted
        near, similar = row[neighbours.indices[distinct]], neighbours.similarities[distinct]
        method = f"t-SNE of {len(distinct):,} samples"
    points = np.empty((len(distinct), 2), dtype=np.float32)
    points[fitted] = _fit(vectors[fitted], near, similar, seed, progress)
    _place_rest(points, vectors, fitted)
    trust, rows = _trustworthiness(vectors, points, seed)
    positions = _beside_copies(points, distinct, neighbours.representative)
    return Map(embeddings.ids, positions, f"{method}, perplexity {_perplexity(near):.0f}", trust, rows)


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
    vectors = embeddings.vectors[distinct]
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
        usable = (near >= 0) & placed[near]
        usable &= np.cumsum(usable, axis=1) <= PLACING_NEIGHBOURS
        ready = np.flatnonzero(~placed & usable.any(axis=1))
        if not len(ready):
            points[~placed] = middle
            return
        weight = np.where(usable[ready], np.maximum(similar[ready], 1e-6) ** 8, 0.0)
        weight /= weight.sum(axis=1, keepdims=True)
        points[ready] = np.einsum("bk,bkx->bx", weight, points[near[ready]])
        placed[ready] = True


def _settle(start: Floats, near: NDArray[np.int64], similar: Floats, seed: int, progress: Progress) -> Floats:
    """Let a started map settle, without early exaggeration."""
    from openTSNE import TSNEEmbedding

    graph = _affinities(near, similar)
    method = "bh" if len(start) < 10_000 else "fft"
    embedding = TSNEEmbedding(
        start.astype(np.float64), graph, negative_gradient_method=method, random_state=seed, n_jobs=1
    )
    tell = _Tell(progress, CONTINUED_ITERATIONS)
    rate = len(start) / 12
    embedding.optimize(
        CONTINUED_ITERATIONS, learning_rate=rate, momentum=0.5, inplace=True, **tell.options(0)
    )
    return np.asarray(embedding, dtype=np.float32)


def _perplexity(near: NDArray[np.int64]) -> float:
    return float(max(1.0, min(PERPLEXITY, near.shape[1] / 3)))


def _fit(vectors: Floats, near: NDArray[np.int64], similar: Floats, seed: int, progress: Progress) -> Floats:
    """Fit t-SNE from the first principal components."""
    from openTSNE import TSNEEmbedding, initialization

    if len(vectors) < 4:
        return np.asarray(np.stack([np.arange(len(vectors)), np.zeros(len(vectors))], axis=1), np.float32)
    graph = _affinities(near, similar)
    start = initialization.pca(vectors, random_state=seed)
    method = "bh" if len(vectors) < 10_000 else "fft"
    total = EARLY_ITERATIONS + ITERATIONS
    embedding = TSNEEmbedding(
        start, graph, negative_gradient_method=method, random_state=seed, n_jobs=1, learning_rate="auto"
    )
    tell = _Tell(progress, total)
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


class _Tell:
    """Passes openTSNE's iterations on as progress."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total

    def options(self, done: int) -> dict[str, object]:
        def call(iteration: int, error: float, embedding: object) -> bool:
            self._progress("map", done + iteration, self._total)
            return False

        return {"callbacks": call, "callbacks_every_iters": 25}


def _place_rest(points: Floats, vectors: Floats, fitted: NDArray[np.int64]) -> None:
    """Place rows that were not fitted at the weighted mean of their nearest fitted ones."""
    rest = np.setdiff1d(np.arange(len(points)), fitted)
    base, base_points = vectors[fitted], points[fitted]
    for start in range(0, len(rest), 2048):
        rows = rest[start : start + 2048]
        cosine = vectors[rows] @ base.T
        near = np.argpartition(-cosine, PLACING_NEIGHBOURS, axis=1)[:, :PLACING_NEIGHBOURS]
        weight = np.maximum(np.take_along_axis(cosine, near, 1), 1e-6) ** 8
        weight /= weight.sum(axis=1, keepdims=True)
        points[rows] = np.einsum("bk,bkx->bx", weight, base_points[near])


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
