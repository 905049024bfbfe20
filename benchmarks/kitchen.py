"""Audit kitchen sets painted with other seeds and hold them against their truth.

    python benchmarks/kitchen.py [SEED ..] [--keep DIR]

Each set is painted by sample_data/kitchen/make_kitchen.py and audited with the bundled backbone and the
default thresholds, none of which were chosen on these seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from sources import read_truth
from tables import machine, print_table
from truth import Row, kitchen_table

from auditor.audit import run_audit
from auditor.dataset import read_dataset
from auditor.settings import AuditSettings
from cli.demo import sample_data

SEEDS = (101, 202, 303)


def measure(folder: Path) -> list[Row]:
    """Audit the set in a folder and return its table."""
    audit = run_audit(read_dataset(folder), AuditSettings(backbone="bundled", device="cpu", offline=True))
    return kitchen_table(audit.findings_frame(), audit, read_truth(folder / "truth.csv"))


def paint(seed: int, folder: Path) -> None:
    """Paint a set into a folder."""
    script = sample_data("kitchen") / "make_kitchen.py"
    subprocess.run([sys.executable, script, "--seed", str(seed), "--out", folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", metavar="SEED", default=SEEDS)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the sets here and take those it has")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            folder = (options.keep or Path(scratch)) / f"kitchen-{seed}"
            if not (folder / "truth.csv").exists():
                paint(seed, folder)
            rows = measure(folder)
            lines = [(row.what, row.measured, row.bound, row.passed) for row in rows]
            held = f"{sum(row.passed for row in rows)} of {len(rows)} bounds hold"
            print_table(f"kitchen, seed {seed}: {held}", ("", "measured", "bound", ""), lines)


if __name__ == "__main__":
    main()
