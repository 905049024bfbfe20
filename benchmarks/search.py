"""Time and memory of the search for neighbours and of the map, from ten thousand to a million vectors.

    python benchmarks/search.py [--most N] [--without-map]

The vectors are synthetic (`scale_data`): 512 dimensions, 100 classes. Every size is a process of its own, so
that its peak memory is its own. Core-seconds are those of all threads, whatever else runs. Recall is against
the exact search on 1,000 rows. The growth exponent of a stage is log(core-seconds / core-seconds before) /
log(samples / samples before).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from math import log
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scale_data import DIMENSIONS, draw_labels, draw_vectors
from tables import machine, print_table

from auditor.arrays import Floats, as_ids
from auditor.lists import best_of
from auditor.neighbours import find_neighbours
from auditor.projection import make_map
from auditor.results import Backbone, Embeddings, Neighbours

SIZES = (10_000, 31_000, 100_000, 316_000, 1_000_000)
CLASSES = 100
CHECKED = 1_000
RECALLS = (10, 30)

T = TypeVar("T")


def draw_unit_vectors(n: int, seed: int) -> Floats:
    """Draw vectors (n, d) of unit length without a second copy of them."""
    vectors = np.empty((n, DIMENSIONS), dtype=np.float32)
    start = 0
    for block in draw_vectors(draw_labels(n, CLASSES, seed)[1], CLASSES, seed):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        vectors[start : start + len(block)] = block
        start += len(block)
    return vectors


def peak_memory() -> float:
    """Return the most memory that this process has held, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def timed(make: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """Return what `make` makes, its times and the memory by which it raised the peak, in GB."""
    before, start, cpu = peak_memory(), time.perf_counter(), time.process_time()
    made = make()
    spent = {"seconds": time.perf_counter() - start, "core_seconds": time.process_time() - cpu}
    return made, {**spent, "memory": peak_memory() - before}


def recalls(vectors: Floats, near: Neighbours) -> dict[str, float]:
    """Return the share of the nearest that were found, on some rows, for each of `RECALLS`."""
    rows = np.sort(np.random.default_rng(1).permutation(len(vectors))[:CHECKED])
    exact = best_of(vectors[rows], vectors, max(RECALLS) + 1)[0]
    return {f"recall@{k}": _recall(rows, exact, near, k) for k in RECALLS}


def _recall(rows: NDArray[np.int64], exact: NDArray[np.int64], near: Neighbours, k: int) -> float:
    shares = []
    for row, wanted in zip(rows, exact, strict=True):
        others = wanted[wanted != row][:k]
        shares.append(np.isin(others, near.indices[row, :k]).mean())
    return float(np.mean(shares))


def measure(n: int, with_map: bool) -> dict[str, Any]:
    """Search n vectors and lay them out."""
    vectors = draw_unit_vectors(n, 0)
    ids = as_ids([f"{row:08}" for row in range(n)])
    embeddings = Embeddings(ids, vectors, Backbone("synthetic", "", "", DIMENSIONS, "", "fp32"))
    near, cost = timed(lambda: find_neighbours(embeddings, ids))
    search = {**cost, **recalls(vectors, near), "method": near.method, "told": near.recall}
    if not with_map:
        return {"search": search}
    layout, cost = timed(lambda: make_map(embeddings, near))
    return {"search": search, "map": {**cost, "trust": layout.trustworthiness, "method": layout.method}}


def measured_apart(n: int, with_map: bool) -> dict[str, Any]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, __file__, "--size", str(n), *([] if with_map else ["--without-map"])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def growth(sizes: list[int], seconds: list[float]) -> list[float | None]:
    """Return the growth exponent of each size from the one before."""
    steps = zip(sizes, sizes[1:], seconds, seconds[1:], strict=False)
    return [None, *[log(t / s) / log(m / n) for n, m, s, t in steps]]


def print_stage(stage: str, columns: tuple[str, ...], found: dict[int, dict[str, Any]]) -> None:
    sizes = list(found)
    parts = [found[n][stage] for n in sizes]
    grown = growth(sizes, [part["core_seconds"] for part in parts])
    rows = [
        (
            f"{n:,}",
            part["seconds"],
            part["core_seconds"],
            exponent,
            part["memory"],
            *[part[name] for name in columns],
        )
        for n, exponent, part in zip(sizes, grown, parts, strict=True)
    ]
    header = ("samples", "seconds", "core-seconds", "growth", "GB beside", *columns)
    print_table(f"{stage}, {DIMENSIONS} dimensions, synthetic", header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=316_000, metavar="N")
    parser.add_argument("--without-map", action="store_true")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size is not None:
        print(json.dumps(measure(options.size, not options.without_map)))
        return
    print(machine())
    sizes = [n for n in SIZES if n <= options.most]
    found = {n: measured_apart(n, not options.without_map) for n in sizes}
    print_stage("search", ("recall@10", "recall@30", "told", "method"), found)
    if not options.without_map:
        print_stage("map", ("trust", "method"), found)


if __name__ == "__main__":
    main()
