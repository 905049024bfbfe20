"""Runs of `auditor` in processes of their own that may be killed: see `driver`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 900
"""Longest that a list of jobs may take."""


def start(jobs: Sequence[dict[str, Any]]) -> subprocess.Popen[str]:
    """Start the jobs, one after the other, in a process beside this one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, HERE / "driver.py"], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(json.dumps(jobs, default=str))
    process.stdin = None
    return process


def exit_codes(process: subprocess.Popen[str]) -> list[int]:
    """Wait for the jobs of a process; return their exit codes."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return [int(line) for line in out.split()]


def run_jobs(jobs: Sequence[dict[str, Any]]) -> list[int]:
    """Run the jobs one after the other; return their exit codes, -9 where one was killed."""
    return exit_codes(start(jobs))
