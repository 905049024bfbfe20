"""Nearest rows by cosine: every pair compared up to `EXACT_LIMIT` rows, lists of like rows above.

    unit rows (u, d) --exact, block against block-----> Found (u, k)
                     --lists, as many as a sample needs--> Found (u, k), recall on another sample

What the approximate search finds is held against the exact one on `CHECKED_ROWS` rows in every run. Both are
shared out over `machines`: the exact one finds the same to the last bit wherever its blocks are compared, the
lists the same up to how a product is rounded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from auditor.arrays import Floats, Ints, Progress, no_progress
from auditor.errors import DataError
from auditor.lists import (
    Done,
    Hits,
    best_among_all,
    make_lists,
    nearest,
    search_lists,
    without_self,
)
from auditor.machines import HERE, Machines
from auditor.shared_lists import search_shared_lists

EXACT_LIMIT = 50_000
"""Rows up to which every pair is compared; comparing 50,000 of 512 dimensions takes 90 core-seconds with
FAISS, and four times that at twice the rows."""
QUERY_BLOCK, BASE_BLOCK = 4096, 16_384
"""Rows that are looked for, and among, by one task."""
LEAST_PROBES, MOST_PROBES = 32, 1024
"""Bounds of the number of lists looked through; vectors without any structure would need them all."""
WANTED_RECALL = 0.965
"""On the rows that choose the number of lists, so that 0.95 is reached on others."""
CHECKED_ROWS = 1_000
CHECKED_NEIGHBOURS = 10
MADE, CHECKED = 0.3, 0.1
"""Shares of the time that making the lists and the exact search of some rows take."""
STEPS = 1_000


@dataclass(frozen=True)
class Found:
    """Rows (u, k) and cosines (u, k), descending, ties by row, never the row itself.

    `recall` is the share in [0, 1] of the ten nearest that an approximate search found, measured on
    `CHECKED_ROWS` rows; None where every pair was compared.
    """

    indices: Ints
    similarities: Floats
    method: str = "exact"
    recall: float | None = None


def search(
    vectors: Floats,
    k: int,
    progress: Progress = no_progress,
    exact_limit: int = EXACT_LIMIT,
    seed: int = 0,
    machines: Machines = HERE,
) -> Found:
    """Search unit rows (u, d) among themselves for the k nearest others.

    Parameters
    ----------
    exact_limit : rows up to which every pair is compared.
    seed : of the lists and of the rows on which the recall is measured.
    machines : where blocks of rows are compared.
    """
    u = len(vectors)
    if k < 1:
        return Found(np.empty((u, 0), np.int32), np.empty((u, 0), np.float32))
    if u > exact_limit:
        return _approximate(vectors, k, progress, seed, machines)
    return _exact(vectors, k, progress, machines)


def _exact(vectors: Floats, k: int, progress: Progress, machines: Machines) -> Found:
    """Compare every pair, block by block."""
    u = len(vectors)
    if sys.platform != "darwin":
        _load_faiss()
    bases = [
        (first, machines.share(vectors[first : first + BASE_BLOCK])) for first in range(0, u, BASE_BLOCK)
    ]
    starts = range(0, u, QUERY_BLOCK)

    def tasks() -> Iterator[tuple[Any, Any, int, int]]:
        for start in starts:
            queries = machines.share(vectors[start : start + QUERY_BLOCK])
            yield from ((queries, base, first, k + 1) for first, base in bases)

    hits = machines.map(best_of_block, tasks())
    indices, similarities = np.empty((u, k), np.int32), np.empty((u, k), np.float32)
    for start in starts:
        found, cosine = (np.concatenate(side, axis=1) for side in zip(*islice(hits, len(bases)), strict=True))
        # Stable, and the blocks come in order: ties stay in the order of the rows.
        order = np.argsort(-cosine, axis=1, kind="stable")[:, : k + 1]
        stop = start + len(found)
        best = (np.take_along_axis(found, order, 1), np.take_along_axis(cosine, order, 1))
        indices[start:stop], similarities[start:stop] = without_self(np.arange(start, stop), *best)
        progress("neighbours", stop, u)
    return Found(indices, similarities)


def best_of_block(queries: Floats, base: Floats, first: int, k: int) -> Hits:
    """Find the k best of a block of rows (n, d), the first of which is row `first`, for queries (b, d).

    Descending, ties by row. Runs on one thread.
    """
    width = min(k, len(base))
    if sys.platform == "darwin":  # torch and faiss each bring an OpenMP runtime there and can crash together
        found, cosine = nearest(queries, base, width)
    else:
        faiss = _load_faiss()
        faiss.omp_set_num_threads(1)
        cosine, found = faiss.knn(queries, base, width, metric=faiss.METRIC_INNER_PRODUCT)
    order = np.lexsort((found, -cosine), axis=1)
    return np.take_along_axis(found, order, 1) + first, np.take_along_axis(cosine, order, 1)


def _approximate(vectors: Floats, k: int, progress: Progress, seed: int, machines: Machines) -> Found:
    """Search by as many lists as some rows need for `WANTED_RECALL`; the recall is measured on others."""

    def share(start: float, length: float) -> Done:
        return lambda part: progress("neighbours", round(STEPS * (start + length * part)), STEPS)

    lists = make_lists(vectors, seed, share(0.0, MADE), machines)
    rows = np.random.default_rng([seed, 1]).permutation(len(vectors))[: 2 * CHECKED_ROWS]
    looked = best_among_all(vectors[rows], vectors, k + 1, share(MADE, CHECKED), machines)
    exact = without_self(rows, *looked)
    half = len(rows) // 2
    needed = lists.probes_for(rows[:half], exact[0][:half, :CHECKED_NEIGHBOURS], WANTED_RECALL)
    probes = min(max(needed, LEAST_PROBES), MOST_PROBES, len(lists.visits))
    rest = share(MADE + CHECKED, 1 - MADE - CHECKED)
    if machines.alone:
        indices, similarities = search_lists(vectors, lists, probes, k, rest)
    else:
        indices, similarities = search_shared_lists(vectors, lists, (probes, k), rest, machines)
    recall = measure_recall(exact[1][half:], similarities[rows[half:]])
    method = f"inverted lists, {probes:,} of {len(lists.visits):,} looked through"
    return Found(indices, similarities, method, recall)


def measure_recall(exact: Floats, found: Floats, nearest: int = CHECKED_NEIGHBOURS) -> float:
    """Share of the nearest that were found, from cosines (b, k), descending; equal ones count alike."""
    width = min(nearest, exact.shape[1])
    return float((found[:, :width] >= exact[:, width - 1 : width] - 1e-6).mean())


def _load_faiss() -> Any:
    _check_processor()
    import faiss

    return faiss


def _check_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Say that faiss needs AVX2 before its import crashes without it."""
    if not cpuinfo.exists():
        return
    text = cpuinfo.read_text()
    if "flags" in text and "avx2" not in text:
        raise DataError("This processor has no AVX2, which faiss-cpu needs: run the audit on a newer one.")
