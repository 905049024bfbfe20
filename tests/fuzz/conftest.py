"""The `fuzz` fixture: 200 cases that are the same every time; with ``make nightly`` 10,000 that are new."""

from __future__ import annotations

import pytest
from faults.tally import tally
from fuzzing import Check, Fuzz, Strategy, hold


@pytest.fixture(params=["fast", pytest.param("nightly", marks=pytest.mark.nightly)])
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Hold a check against many drawn cases; the cases are counted in the table of faults."""

    def run(reader: str, check: Check, **drawn: Strategy) -> None:
        tried, survived = hold(request.param, check, drawn)
        tally(request, f"fuzzed {reader}", tried, survived)

    return run
