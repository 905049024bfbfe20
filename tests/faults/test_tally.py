"""The table of faults adds up, over tests, workers and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faults.tally import TALLIES, table_lines, tally


def test_counts_of_one_fault_add_up_and_the_last_line_is_their_sum() -> None:
    request: Any = SimpleNamespace(config=SimpleNamespace(stash=pytest.Stash()))
    tally(request, "kills", tried=3, survived=3)
    tally(request, "disk full", tried=1_000, survived=999, rows_lost=2)
    tally(request, "kills", tried=2, survived=1, rows_lost=4)
    assert list(table_lines(cast(pytest.Stash, request.config.stash)[TALLIES])) == [
        "| fault | tried | survived | rows lost |",
        "|---|---:|---:|---:|",
        "| kills | 5 | 4 | 4 |",
        "| disk full | 1,000 | 999 | 2 |",
        "| all | 1,005 | 1,003 | 6 |",
    ]


TESTS_THAT_COUNT = """
import pytest
from faults.tally import tally

@pytest.mark.nightly
@pytest.mark.parametrize("lost", [0, 1])
def test_it(request, lost):
    tally(request, "kills", tried=3, survived=3 - lost, rows_lost=lost)
"""


def test_the_table_adds_workers_and_an_earlier_run(tmp_path: Path) -> None:
    tests = Path(__file__).parent.parent
    (tmp_path / "conftest.py").write_text((tests / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(TESTS_THAT_COUNT)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = nightly\n")
    counts = tmp_path / "counts.json"
    counts.write_text('{"kills": [10, 10, 0], "disk full": [1, 1, 0]}')
    line = [sys.executable, "-m", "pytest", "-m", "nightly", "-n", "2", "--tallies", str(counts), "."]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    done = subprocess.run(line, cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| kills | 16 | 15 | 1 |\n| disk full | 1 | 1 | 0 |\n| all | 17 | 16 | 1 |\n" in done.stdout
    assert json.loads(counts.read_text()) == {"kills": [16, 15, 1], "disk full": [1, 1, 0]}
