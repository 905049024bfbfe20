"""The table of faults adds up."""

from __future__ import annotations

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
