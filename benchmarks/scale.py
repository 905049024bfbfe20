"""Measure `auditor run --features` on synthetic sets from ten thousand to a million samples.

    python benchmarks/scale.py [--sizes 10000 31623 100000 316228 1000000] [--classes 100] [--keep DIR]

512 dimensions, a tenth of the labels wrong; scale_data.py says how the sets are made. Every run is a process
of its own: its wall time has start, reading, saving and the page in it; peak memory is the system's figure.
The exact small-scale method is an audit of 20,000 rows of the largest set. A growth exponent is
log(seconds ratio) / log(samples ratio) from one size to the next, bounded where the stage takes over 2 s.
"""

from __future__ import annotations

import argparse
import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scale_runs import ScaleRun, audit, prepare, subset
from tables import machine, print_table

from auditor.searching import EXACT_LIMIT

SIZES = (10_000, 31_623, 100_000, 316_228, 1_000_000)
SMALL = 20_000
"""Rows of the exact small-scale audit."""
MANY_CLASSES, MANY_AT = 1_000, 100_000
SEARCH_GROWTH, GROWTH = 1.6, 1.2
COUNTED_S = 2.0
MOST_MINUTES, MOST_GB = 30.0, 16.0
LEAST_RATIO, LEAST_RECALL = 0.9, 0.95
MOST_PAGE_MB = 3.0


def growth(before: ScaleRun, after: ScaleRun, stage: str) -> float:
    """Growth exponent of a stage from one size to the next."""
    ratio = max(after.stages[stage], 1e-3) / max(before.stages[stage], 1e-3)
    return math.log(ratio) / math.log(after.n / before.n)


def growth_bound(after: ScaleRun, stage: str) -> float | None:
    """Largest growth exponent allowed, None where it is not bounded."""
    if after.stages[stage] < COUNTED_S:
        return None
    if stage == "neighbours":
        return SEARCH_GROWTH if after.n > EXACT_LIMIT else None
    return GROWTH


def print_seconds(runs: Sequence[ScaleRun]) -> None:
    header = ["stage", *(f"{run.n:,}" for run in runs)]
    rows = [[stage, *(f"{run.stages[stage]:.1f}" for run in runs)] for stage in runs[0].stages]
    print_table("Seconds of each stage", header, [*rows, ["all", *(f"{run.wall:.1f}" for run in runs)]])


def print_growth(runs: Sequence[ScaleRun]) -> None:
    rows = []
    for before, after in itertools.pairwise(runs):
        for stage in after.stages:
            bound = growth_bound(after, stage)
            if after.stages[stage] < COUNTED_S:
                continue
            power = growth(before, after, stage)
            # Both runs of the search must lie above the switch, or its change of method is measured.
            if stage == "neighbours" and before.n <= EXACT_LIMIT:
                bound = None
            verdict = None if bound is None else power <= bound
            rows.append((f"{before.n:,} to {after.n:,}", stage, power, bound, verdict))
    if rows:
        print_table("Growth exponents", ("samples", "stage", "exponent", "at most", ""), rows)


def print_sizes(runs: Sequence[ScaleRun]) -> None:
    header = ("samples", "classes", "minutes", "peak GB", "AP", "recall@10", "findings", "page MB", "")
    rows = [
        (
            f"{run.n:,}", run.classes, f"{run.wall / 60:.1f}", f"{run.peak / 1e9:.1f}",
            run.average_precision(), recall, f"{run.findings:,}", f"{run.page_bytes / 1e6:.2f}",
            run.wall <= 60 * MOST_MINUTES and run.peak <= 1e9 * MOST_GB
            and recall >= LEAST_RECALL and run.page_bytes <= 1e6 * MOST_PAGE_MB,
        )
        for run in runs for recall in [run.recall()]
    ]  # fmt: skip
    limits = f"at most {MOST_MINUTES:.0f} min, {MOST_GB:.0f} GB, page {MOST_PAGE_MB:.0f} MB; recall at least"
    print_table(f"Whole runs ({limits} {LEAST_RECALL})", header, rows)


def print_small(large: ScaleRun, small: ScaleRun, rows: np.ndarray) -> None:
    """Compare the ranking of the same rows by the large run and by the exact small-scale one."""
    both = large.average_precision(rows), small.average_precision()
    ratio = both[0] / both[1]
    header = ("rows", "large run", "small-scale", "ratio", "at least", "")
    title = f"AP on the same rows: the run of {large.n:,} and an audit of these rows alone"
    print_table(title, header, [(f"{len(rows):,}", *both, ratio, LEAST_RATIO, ratio >= LEAST_RATIO)])


def measure(folder: Path, sizes: Sequence[int], classes: int) -> None:
    runs, data = [], None
    for n in sorted(sizes):
        data = prepare(folder / f"{n}", n, classes)
        runs.append(audit(data, folder / f"{n}-audit"))
        print(f"{n:,} samples: {runs[-1].wall / 60:.1f} min", flush=True)
    print(machine())
    print_seconds(runs)
    print_growth(runs)
    print_sizes(runs)
    if data is not None and runs[-1].n > SMALL:
        rows = np.sort(np.random.default_rng(1).permutation(runs[-1].n)[:SMALL])
        small = audit(subset(data, rows, folder / "small"), folder / "small-audit")
        print_small(runs[-1], small, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--classes", type=int, default=100, metavar="C")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the sets and audits here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        measure(folder, options.sizes, options.classes)
        if max(options.sizes) >= MANY_AT:
            many = prepare(folder / f"{MANY_AT}-many-classes", MANY_AT, MANY_CLASSES)
            print_sizes([audit(many, folder / f"{MANY_AT}-many-classes-audit")])


if __name__ == "__main__":
    main()
