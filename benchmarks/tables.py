"""Tables in Markdown on stdout, and the machine that the numbers come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table whose columns line up; all but the first are set to the right."""
    cells = [list(header), *[[_text(value) for value in row] for row in rows]]
    widths = [max(len(row[j]) for row in cells) for j in range(len(header))]
    rule = ["-" * widths[0], *["-" * (w - 1) + ":" for w in widths[1:]]]
    print(f"\n### {title}\n")
    for row in [cells[0], rule, *cells[1:]]:
        aligned = [row[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]]
        print(f"| {' | '.join(aligned)} |", flush=True)


def machine() -> str:
    """Return the processor's name, the cores that may be used and the versions that matter."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.open() if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, Python {platform.python_version()}, torch {torch.__version__}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "pass" if value else "FAIL"
    if value is None or value != value:  # not measured: NaN differs from itself
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
