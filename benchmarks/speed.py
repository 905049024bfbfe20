"""Time the stages of `auditor run`, first with an empty cache, then again with the same one.

    python benchmarks/speed.py DATA [--backbone bundled]

DATA is anything that `auditor run` reads. Both runs are processes of their own, so the wall time includes
start and imports, and the stage `embed` includes loading torch and the network.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tables import machine, print_table

START = "from cli.main import main; main()"


@dataclass(frozen=True)
class Timed:
    """One run: seconds of each stage, seconds in all, pictures, and vectors in the cache afterwards."""

    stages: dict[str, float]
    wall: float
    pictures: int
    vectors: int
    cache_files: int


def auditor(*arguments: object) -> str:
    """Run the command of this environment and return what it prints."""
    command = [sys.executable, "-c", START, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run(data: Path, scratch: Path, name: str, backbone: str) -> Timed:
    """Audit once with the cache in `scratch`."""
    out, cache = scratch / name, scratch / "cache"
    start = time.perf_counter()
    auditor("run", data, "--out", out, "--cache", cache, "--backbone", backbone, "--quiet")
    wall = time.perf_counter() - start
    document: dict[str, Any] = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    kept = json.loads(auditor("cache", "info", "--json", "--cache", cache))
    pictures = int(document["dataset"]["samples"])
    return Timed(document["timings"], wall, pictures, int(kept["vectors"]), int(kept["files"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--backbone", default="bundled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        first, again = (
            run(options.data, Path(scratch), name, options.backbone) for name in ("first", "again")
        )
    print(machine())
    rows = [(f"{stage} (s)", first.stages[stage], again.stages[stage]) for stage in first.stages]
    rest, rest_again = (timed.wall - sum(timed.stages.values()) for timed in (first, again))
    rows.append(("start, thumbnails, page (s)", rest, rest_again))
    rows.append(("all (s)", first.wall, again.wall))
    title = f"auditor run --backbone {options.backbone}, {first.pictures} pictures"
    print_table(title, ("stage", "first run", "same cache"), rows)
    new = ("vectors added to the cache", first.vectors, again.vectors - first.vectors)
    files = ("files added to the cache", first.cache_files, again.cache_files - first.cache_files)
    print_table("What was embedded", ("", "first run", "same cache"), [new, files])
    if again.vectors != first.vectors or again.cache_files != first.cache_files:
        raise SystemExit("The second run embedded something.")


if __name__ == "__main__":
    main()
