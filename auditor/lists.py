"""Approximate search for large sets: an inverted file whose lists are compared by whole matrix products.

    sample of unit rows --spherical k-means--> centres (l, d), l ~ 8 sqrt(u)
    every row (u, d)    --nearest centre-----> lists; its next nearest centres vote for its list
    list                --most voted lists---> candidates (b, d), compared in full dimension, best k kept

Jégou, Douze and Schmid 2011 (inverted files); what a list looks through is chosen for all its members
together, so that one product of matrices serves them. The work grows as u^1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.machines import HERE, Machines

LISTS_PER_ROOT = 8
"""Lists are so many times the root of the rows: at 100,000 overlapping rows 3,900 candidates held 94 % of the
ten nearest, with half as many lists 89 %."""
TRAINING_ROWS = 16
"""Rows for each list from which the centres are learned."""
TRAINING_ROUNDS = 4
VOTED = 16
"""Nearest centres of each row that vote for what its list looks through."""
QUERY_ROWS = 1024
BASE_ROWS = 65_536
"""Rows compared at once: at most 270 MB of products."""
TASK_ROWS = 16_384
"""Rows that one task of a cluster looks at."""

T = TypeVar("T")

Done = Callable[[float], None]
"""Called with the share of the work that is done, in [0, 1]."""
Hits = tuple[NDArray[np.int64], Floats]


@dataclass(frozen=True)
class Lists:
    """`order` (u,) holds the rows list by list, list j from `starts[j]`.

    `visits` (l, l) are the lists to look through for each, the most promising first; the first is itself.
    """

    centres: Floats
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    visits: Ints

    def members(self, j: int) -> NDArray[np.int64]:
        """Rows of list j, ascending."""
        return self.order[self.starts[j] : self.starts[j + 1]]

    def candidates(self, j: int, probes: int, least: int) -> NDArray[np.int64]:
        """Rows, ascending, of the lists that are looked through for j; see `count`."""
        seen = self.visits[j, : self.count(j, probes, least)]
        return np.sort(np.concatenate([self.members(i) for i in seen]))

    def count(self, j: int, probes: int, least: int) -> int:
        """Return how many lists are looked through for j: `probes`, or as many as hold `least` rows."""
        sizes = np.cumsum(np.diff(self.starts)[self.visits[j]])
        return max(probes, int(np.searchsorted(sizes, least)) + 1)

    def probes_for(self, rows: NDArray[np.int64], near: NDArray[np.int64], share: float) -> int:
        """Number of lists that hold this share of the neighbours `near` (b, k) of some rows (b,)."""
        owner = np.empty(len(self.order), dtype=np.int64)
        owner[self.order] = np.repeat(np.arange(len(self.visits)), np.diff(self.starts))
        place = np.argsort(self.visits[owner[rows]], axis=1)
        ranks = np.sort(np.take_along_axis(place, owner[near], 1), axis=None)
        return int(ranks[int(np.ceil(share * len(ranks))) - 1]) + 1


def make_lists(vectors: Floats, seed: int, done: Done, machines: Machines = HERE) -> Lists:
    """Divide unit rows (u, d) into lists of like ones."""
    u = len(vectors)
    count = max(1, min(u, int(LISTS_PER_ROOT * np.sqrt(u))))
    centres = _learn_centres(vectors, count, seed, lambda share: done(0.4 * share), machines)
    near = np.empty((u, min(VOTED, count)), dtype=np.int32)
    start = 0
    for block in _nearest_centres(_blocks(vectors, machines), centres, near.shape[1], machines):
        near[start : start + len(block)] = block
        start += len(block)
        done(0.4 + 0.6 * start / u)
    order = np.argsort(near[:, 0], kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(near[:, 0], minlength=count))]
    return Lists(centres, order, starts, _visits(near, order, starts, centres))


def _learn_centres(vectors: Floats, count: int, seed: int, done: Done, machines: Machines) -> Floats:
    """Learn `count` unit centres by spherical k-means (Dhillon and Modha 2001) on a sample of the rows."""
    rng = np.random.default_rng([seed, len(vectors)])
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), TRAINING_ROWS * count), replace=False))
    sample = vectors[rows]
    centres = sample[rng.choice(len(sample), count, replace=False)]
    blocks = list(_blocks(sample, machines))
    for step in range(TRAINING_ROUNDS):
        own = np.concatenate(list(_nearest_centres(blocks, centres, 1, machines)))[:, 0]
        order = np.argsort(own, kind="stable")
        sizes = np.bincount(own, minlength=count)
        used = np.flatnonzero(sizes)
        sums = np.stack([sample[part].sum(axis=0) for part in np.split(order, np.cumsum(sizes[used])[:-1])])
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres[used] = np.where(length > 0, sums / np.maximum(length, 1e-12), centres[used])
        done((step + 1) / TRAINING_ROUNDS)
    return centres


def _blocks(rows: Floats, machines: Machines) -> Iterator[Any]:
    """Yield handles of blocks of rows (u, d)."""
    return (machines.share(rows[start : start + TASK_ROWS]) for start in range(0, len(rows), TASK_ROWS))


def _run(function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], machines: Machines) -> Iterator[T]:
    """Yield the results of tasks in their order; alone one after the other, torch then uses every core."""
    return (function(*task) for task in tasks) if machines.alone else machines.map(function, tasks)


def _nearest_centres(
    blocks: Iterable[Any], centres: Floats, count: int, machines: Machines
) -> Iterator[NDArray[np.int64]]:
    """Yield the `count` nearest centres (b, count) of the rows of each block, the first one first."""
    shared = machines.share(centres)
    return _run(nearest_of_block, ((block, shared, count) for block in blocks), machines)


def nearest_of_block(block: Floats, centres: Floats, count: int) -> NDArray[np.int64]:
    """Return the `count` nearest centres (b, count) of rows (b, d)."""
    starts = range(0, len(block), QUERY_ROWS)
    return np.concatenate([nearest(block[a : a + QUERY_ROWS], centres, count)[0] for a in starts])


def _visits(near: Ints, order: NDArray[np.int64], starts: NDArray[np.int64], centres: Floats) -> Ints:
    """Order all lists (l, l) for each list: by votes of its members, then by the likeness of the centres."""
    count = len(centres)
    visits = np.empty((count, count), dtype=np.int32)
    for j in range(count):
        votes = np.bincount(near[order[starts[j] : starts[j + 1]]].ravel(), minlength=count)
        rank = votes + 0.25 * (centres @ centres[j])
        rank[j] = np.inf
        visits[j] = np.argsort(-rank, kind="stable")
    return visits


def search_lists(vectors: Floats, lists: Lists, probes: int, k: int, done: Done) -> tuple[Ints, Floats]:
    """Search unit rows (u, d) among themselves: rows (u, k) and cosines (u, k), the row itself left out."""
    u, searched = len(vectors), 0
    indices, similarities = np.empty((u, k), np.int32), np.empty((u, k), np.float32)
    for j in range(len(lists.starts) - 1):
        own = lists.members(j)
        if not len(own):
            continue
        rows = lists.candidates(j, probes, k + 1)
        found, cosine = best_of(vectors[own], vectors, k + 1, rows)
        indices[own], similarities[own] = without_self(own, found, cosine)
        searched += len(own)
        done(searched / u)
    return indices, similarities


def search_among(
    base: Floats, lists: Lists, queries: Floats, probes: int, k: int, done: Done
) -> tuple[Ints, Floats]:
    """Search for unit rows (b, d) in the lists of `base` (u, d): rows of `base` (b, k) and their cosines."""
    b = len(queries)
    blocks = [
        nearest(queries[a : a + QUERY_ROWS], lists.centres, 1)[0][:, 0] for a in range(0, b, QUERY_ROWS)
    ]
    owner = np.concatenate([np.empty(0, dtype=np.int64), *blocks])
    indices, similarities = np.empty((b, k), np.int32), np.empty((b, k), np.float32)
    order, searched = np.argsort(owner, kind="stable"), 0
    for j, size in enumerate(np.bincount(owner, minlength=len(lists.visits))):
        if size:
            part = order[searched : searched + size]
            rows = lists.candidates(j, probes, k)
            indices[part], similarities[part] = best_of(queries[part], base, k, rows)
            searched += size
            done(searched / b)
    return indices, similarities


def without_self(own: NDArray[np.int64], found: NDArray[np.int64], cosine: Floats) -> Hits:
    """Take each row itself (b,) out of its hits (b, k + 1), or else the last; descending, ties by row.

    By its index: with near copies the row itself need not come first.
    """
    itself = found == own[:, None]
    itself[~itself.any(axis=1), -1] = True
    shape = (len(own), found.shape[1] - 1)
    found, cosine = found[~itself].reshape(shape), np.clip(cosine[~itself].reshape(shape), -1.0, 1.0)
    order = np.lexsort((found, -cosine), axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(cosine, order, 1)


def best_of(
    queries: Floats, vectors: Floats, k: int, rows: NDArray[np.int64] | None = None, done: Done | None = None
) -> Hits:
    """Find the k best of `vectors[rows]` (all of them by default) for each query (b, d), block by block."""
    found: NDArray[np.int64] = np.empty((len(queries), 0), dtype=np.int64)
    cosine: Floats = np.empty((len(queries), 0), dtype=np.float32)
    count = len(vectors) if rows is None else len(rows)
    for start in range(0, count, BASE_ROWS):
        stop = min(count, start + BASE_ROWS)
        named = np.arange(start, stop) if rows is None else rows[start:stop]
        base = vectors[start:stop] if rows is None else vectors[named]
        hits = [nearest(queries[a : a + QUERY_ROWS], base, k) for a in range(0, len(queries), QUERY_ROWS)]
        near, close = (np.concatenate(side) for side in zip(*hits, strict=True))
        found, cosine = merge_hits((found, cosine), (named[near], close), k)
        if done is not None:
            done(stop / count)
    return found, cosine


def best_among_all(queries: Floats, vectors: Floats, k: int, done: Done, machines: Machines) -> Hits:
    """Find the k best of all rows (u, d) for each query (b, d); each block of rows is a task of a cluster."""
    if machines.alone:
        return best_of(queries, vectors, k, done=done)
    asked = machines.share(queries)
    starts = range(0, len(vectors), TASK_ROWS)
    made = machines.map(best_of, ((asked, block, k) for block in _blocks(vectors, machines)))
    best: Hits = (np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
    for start, (found, cosine) in zip(starts, made, strict=True):
        best = merge_hits(best, (found + start, cosine), k)
        done(min(1.0, (start + TASK_ROWS) / len(vectors)))
    return best


def merge_hits(left: Hits, right: Hits, k: int) -> Hits:
    """Return the k best of two sets of hits (b, ..), descending, ties by row."""
    found = np.concatenate([left[0], right[0]], axis=1)
    cosine = np.concatenate([left[1], right[1]], axis=1)
    order = np.lexsort((found, -cosine), axis=1)[:, :k]
    return np.take_along_axis(found, order, 1), np.take_along_axis(cosine, order, 1)


def nearest(queries: Floats, base: Floats, k: int) -> Hits:
    """Find the k best rows of `base` (n, d) for each query (b, d) from one product; unordered ties.

    torch needs a third of FAISS's time for it, and is there on macOS as well.
    """
    import torch

    left, right = (torch.from_numpy(a if a.flags.writeable else a.copy()) for a in (queries, base))
    cosine, found = torch.topk(left @ right.T, min(k, len(base)), dim=1)
    return found.numpy(), cosine.numpy()
