"""Measure what `auditor` finds in real pictures, next to named references, on the same vectors.

    python benchmarks/detection.py DATA [--cache DIR] [--only label_noise|false_alarms|near_copies]

DATA holds cifar10n-5k, pacs-photo-cartoon and flowers5; see the README beside this file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from false_alarms import measure_false_alarms
from label_noise import measure_label_noise
from near_copies import measure_near_copies
from pipeline import Bench
from tables import machine

PARTS = {
    "label_noise": measure_label_noise,
    "false_alarms": measure_false_alarms,
    "near_copies": measure_near_copies,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors for the next time")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench.open(options.cache or Path(scratch))
        print(machine())
        print(f"backbone: {bench.encoder.backbone}")
        for name, measure in PARTS.items():
            if options.only in (None, name):
                measure(options.data, bench)


if __name__ == "__main__":
    main()
