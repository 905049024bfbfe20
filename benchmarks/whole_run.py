"""`auditor run` next to the script somebody would write instead, on the same photographs and weights.

    python benchmarks/whole_run.py DATA [--pictures 3000] [--keep DIR]

DATA holds flowers5/ and pacs-photo-cartoon/, see README.md. Photographs of 500 x 375 px are made from them,
and a ResNet-50 with random weights whose BatchNorms are calibrated on 500 of these, so that both do the same
arithmetic. Each is a process of its own that starts with nothing in a cache. `--keep` keeps the photographs
and the weights for the next time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from photographs import make_photographs, save_calibrated_resnet50
from tables import machine, print_table

PICTURES = 3_000
BOUND_RUN, BOUND_EMBEDDING = 5.0, 6.0
"""How many times as fast as the script."""

STAGES = {"embed": "embed", "probabilities": "probabilities", "neighbours": "neighbours", "map": "t-SNE"}
"""Our stages beside the script's steps that do the same."""


def prepare(data: Path, keep: Path, pictures: int) -> tuple[Path, Path]:
    """Return the folder of photographs and the weights, made where they are missing."""
    photographs, weights = keep / f"photographs-{pictures}", keep / f"resnet50-{pictures}.safetensors"
    if not photographs.exists():
        make_photographs(data, photographs, pictures)
    if not weights.exists():
        save_calibrated_resnet50(photographs, weights)
    return photographs, weights


def timed(*command: object) -> tuple[str, float]:
    """Return what a process prints on stdout, and its seconds from start to end."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, time.perf_counter() - start


def run_script(photographs: Path, weights: Path, scratch: Path) -> dict[str, float]:
    """Return the script's seconds by step, and "all"."""
    script = Path(__file__).with_name("baseline_script.py")
    printed, wall = timed(script, photographs, weights, scratch / "script")
    return {**json.loads(printed.splitlines()[-1]), "all": wall}


def run_auditor(photographs: Path, weights: Path, scratch: Path) -> tuple[dict[str, float], str]:
    """Return our seconds by stage, and "all"; and what made the vectors."""
    command = ("-c", "from cli.main import main; main()", "run", photographs, "--quiet")
    network = ("--backbone", "resnet50", "--weights", weights)
    out = ("--out", scratch / "audit", "--cache", scratch / "cache")
    _, wall = timed(*command, *network, *out)
    document: dict[str, Any] = json.loads((scratch / "audit" / "audit.json").read_text(encoding="utf-8"))
    return {**document["timings"], "all": wall}, document["backbone"]["precision"]


def print_ratios(script: dict[str, float], ours: dict[str, float], pictures: int) -> None:
    """Print seconds of what both do, and the two ratios that have a bound."""
    rows: list[tuple[object, ...]] = []
    for stage, step in STAGES.items():
        rows.append((f"{step} (s)", script[step], ours[stage], script[step] / ours[stage], None, None))
    alone_script = script["all"] - sum(script[step] for step in STAGES.values())
    alone_ours = ours["all"] - sum(ours[stage] for stage in STAGES)
    rows.append(("what only one of them does, start, page (s)", alone_script, alone_ours, None, None, None))
    for name, step, bound in (("embedding (s)", "embed", BOUND_EMBEDDING), ("all (s)", "all", BOUND_RUN)):
        ratio = script[step] / ours[step]
        rows.append((name, script[step], ours[step], ratio, bound, ratio >= bound))
    print_table(f"{pictures} photographs", ("", "script", "auditor", "ratio", "bound", ""), rows)
    print(f"\nembedding: {pictures / script['embed']:.1f} and {pictures / ours['embed']:.1f} photographs/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--keep", type=Path, help="keep photographs and weights in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photographs, weights = prepare(options.data, options.keep or scratch, options.pictures)
        ours, precision = run_auditor(photographs, weights, scratch)
        script = run_script(photographs, weights, scratch)
    print(machine())
    print(f"vectors: {precision}")
    print_ratios(script, ours, options.pictures)


if __name__ == "__main__":
    main()
