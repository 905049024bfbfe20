"""What the tests of faults count, and the table of it that `make nightly` prints at its end.

    request.config.stash[TALLIES]   {fault: Tally}, in the order of the first call

A test that injects faults calls `tally` once, when it knows its counts and before it asserts them, so that a
failure stands in the table as well:

    from faults.tally import tally

    def test_twenty_kills(request: pytest.FixtureRequest) -> None:
        ...
        tally(request, "kill -9 of a run", tried=20, survived=same, rows_lost=lost)
        assert (same, lost) == (20, 0)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import pytest


@dataclass(frozen=True)
class Tally:
    """How often one kind of fault was injected, and how it ended."""

    tried: int = 0
    survived: int = 0
    rows_lost: int = 0


TALLIES = pytest.StashKey[dict[str, Tally]]()


def tally(request: pytest.FixtureRequest, fault: str, tried: int, survived: int, rows_lost: int = 0) -> None:
    """Add to the counts of one kind of fault; several tests may name the same one.

    Parameters
    ----------
    request : pytest's fixture of the test that counts.
    fault : the line's name in the table, for people: "kill -9 of a run", "fuzzed manifests".
    tried : how many faults were injected.
    survived : how many of them ended as they should: a right result, or one sentence and nothing damaged.
    rows_lost : samples missing from, or wrong in, results that were called done.
    """
    assert 0 <= survived <= tried and rows_lost >= 0, (fault, tried, survived, rows_lost)
    tallies = request.config.stash.setdefault(TALLIES, {})
    before = tallies.get(fault, Tally())
    tallies[fault] = Tally(before.tried + tried, before.survived + survived, before.rows_lost + rows_lost)


def table_lines(tallies: dict[str, Tally]) -> Iterable[str]:
    """Yield a Markdown table, a line a fault and their sum last."""
    yield "| fault | tried | survived | rows lost |"
    yield "|---|---:|---:|---:|"
    every = Tally(*map(sum, zip(*map(astuple, tallies.values()), strict=True)))
    for fault, t in {**tallies, "all": every}.items():
        yield f"| {fault} | {t.tried:,} | {t.survived:,} | {t.rows_lost:,} |"


def print_table(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table at the end of a session in which something was counted; called by conftest's hook."""
    tallies = config.stash.get(TALLIES, {})
    if tallies:
        reporter.section("Faults")
        for line in table_lines(tallies):
            reporter.write_line(line)
