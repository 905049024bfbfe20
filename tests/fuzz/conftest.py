"""The `fuzz` fixture: 200 cases that are the same every time; with ``make nightly`` 10,000 that are new."""

from __future__ import annotations

import pytest
from fuzzing import Check, Fuzz, Strategy, hold


@pytest.fixture(params=["fast", pytest.param("nightly", marks=pytest.mark.nightly)])
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Hold a check against many drawn cases; the cases are counted in the table of faults."""

    def run(reader: str, check: Check, **drawn: Strategy) -> None:
        hold(request, request.param, reader, check, drawn)

    return run
