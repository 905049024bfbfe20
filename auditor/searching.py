"""Nearest rows by cosine: every pair compared up to `EXACT_LIMIT` rows, lists of like rows above.

    unit rows (u, d) --exact--------------------------> Found (u, k)
                     --lists, as many as a sample needs--> Found (u, k), recall on another sample

What the approximate search finds is held against the exact one on `CHECKED_ROWS` rows in every run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress, no_progress
from auditor.errors import DataError
from auditor.lists import Done, best_of, make_lists, search_lists, without_self

EXACT_LIMIT = 50_000
"""Rows up to which every pair is compared; comparing 50,000 of 512 dimensions takes 90 core-seconds with
FAISS, and four times that at twice the rows."""
QUERY_BLOCK = 4096
LEAST_PROBES, MOST_PROBES = 32, 1024
"""Bounds of the number of lists looked through; vectors without any structure would need them all."""
WANTED_RECALL = 0.965
"""On the rows that choose the number of lists, so that 0.95 is reached on others."""
CHECKED_ROWS = 1_000
CHECKED_NEIGHBOURS = 10
MADE, CHECKED = 0.3, 0.1
"""Shares of the time that making the lists and the exact search of some rows take."""
STEPS = 1_000

Hits = tuple[int, NDArray[np.int64], Floats]
"""First row of a block, found rows (b, k) and their cosines (b, k)."""


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
    vectors: Floats, k: int, progress: Progress = no_progress, exact_limit: int = EXACT_LIMIT, seed: int = 0
) -> Found:
    """Search unit rows (u, d) among themselves for the k nearest others.

    Parameters
    ----------
    exact_limit : rows up to which every pair is compared.
    seed : of the lists and of the rows on which the recall is measured.
    """
    u = len(vectors)
    if k < 1:
        return Found(np.empty((u, 0), np.int32), np.empty((u, 0), np.float32))
    if u > exact_limit:
        return _approximate(vectors, k, progress, seed)
    top = _torch_search if sys.platform == "darwin" else _faiss_search
    indices, similarities = np.empty((u, k), np.int32), np.empty((u, k), np.float32)
    for start, found, cosine in top(np.ascontiguousarray(vectors), k + 1):
        stop = start + len(found)
        hits = without_self(np.arange(start, stop), found, cosine)
        indices[start:stop], similarities[start:stop] = hits
        progress("neighbours", stop, u)
    return Found(indices, similarities)


def _approximate(vectors: Floats, k: int, progress: Progress, seed: int) -> Found:
    """Search by as many lists as some rows need for `WANTED_RECALL`; the recall is measured on others."""

    def share(start: float, length: float) -> Done:
        return lambda part: progress("neighbours", round(STEPS * (start + length * part)), STEPS)

    lists = make_lists(vectors, seed, share(0.0, MADE))
    rows = np.random.default_rng([seed, 1]).permutation(len(vectors))[: 2 * CHECKED_ROWS]
    exact = without_self(rows, *best_of(vectors[rows], vectors, k + 1, done=share(MADE, CHECKED)))
    half = len(rows) // 2
    needed = lists.probes_for(rows[:half], exact[0][:half, :CHECKED_NEIGHBOURS], WANTED_RECALL)
    probes = min(max(needed, LEAST_PROBES), MOST_PROBES, len(lists.visits))
    rest = share(MADE + CHECKED, 1 - MADE - CHECKED)
    indices, similarities = search_lists(vectors, lists, probes, k, rest)
    recall = measure_recall(exact[1][half:], similarities[rows[half:]])
    method = f"inverted lists, {probes:,} of {len(lists.visits):,} looked through"
    return Found(indices, similarities, method, recall)


def measure_recall(exact: Floats, found: Floats, nearest: int = CHECKED_NEIGHBOURS) -> float:
    """Share of the nearest that were found, from cosines (b, k), descending; equal ones count alike."""
    width = min(nearest, exact.shape[1])
    return float((found[:, :width] >= exact[:, width - 1 : width] - 1e-6).mean())


def _faiss_search(vectors: Floats, k: int) -> Iterator[Hits]:
    _check_processor()
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    for start in range(0, len(vectors), QUERY_BLOCK):
        similarities, indices = index.search(vectors[start : start + QUERY_BLOCK], k)
        yield start, indices, similarities


def _torch_search(vectors: Floats, k: int) -> Iterator[Hits]:
    """Search on macOS, where torch and faiss each bring an OpenMP runtime and can crash together."""
    for start in range(0, len(vectors), QUERY_BLOCK):
        yield start, *best_of(vectors[start : start + QUERY_BLOCK], vectors, k)


def _check_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Say that faiss needs AVX2 before its import crashes without it."""
    if not cpuinfo.exists():
        return
    text = cpuinfo.read_text()
    if "flags" in text and "avx2" not in text:
        raise DataError("This processor has no AVX2, which faiss-cpu needs: run the audit on a newer one.")
