"""Seconds until Python has `auditor`, and until the command has printed its help; medians of ten.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tables import machine, print_table

REPEATS = 10
BOUND_S = 0.5

COMMAND = "from cli.main import main; main()"

STARTS = {
    "python": "pass",
    "import auditor": "import auditor",
    "auditor --help": f"import sys; sys.argv = ['auditor', '--help']; {COMMAND}",
    "auditor run --help": f"import sys; sys.argv = ['auditor', 'run', '--help']; {COMMAND}",
}


def seconds(code: str) -> float:
    """Return the median of `REPEATS` fresh processes, after one that fills the page cache."""
    measured = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured[1:])


def main() -> None:
    rows = []
    for name, code in STARTS.items():
        took = seconds(code)
        bounded = name != "python"
        rows.append((name, took, BOUND_S if bounded else None, took <= BOUND_S if bounded else None))
    print(machine())
    print_table("Start", ("", "seconds", "bound", ""), rows)


if __name__ == "__main__":
    main()
