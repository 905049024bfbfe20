"""What the tests of faults count, and the table of it that `make nightly` prints at its end.

    request.config.stash[TALLIES]   {fault: Tally}, in the order of the first call

A test that injects faults calls `tally` once, when it knows its counts and before it asserts them, so that a
failure stands in the table as well:

    from faults.tally import tally

    def test_twenty_kills(request: pytest.FixtureRequest) -> None:
        ...
        tally(request, "kill -9 of a run", tried=20, survived=same, rows_lost=lost)
        assert (same, lost) == (20, 0)

Under pytest-xdist each worker counts, and hands its counts over when it ends. With `--tallies FILE` those of
an earlier run are added, so that what needs two runs closes with one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

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
    add(request.config, {fault: [tried, survived, rows_lost]})


def add(config: pytest.Config, counts: Mapping[str, Iterable[int]]) -> None:
    """Add {fault: (tried, survived, rows lost)} to what this session has counted."""
    tallies = config.stash.setdefault(TALLIES, {})
    for fault, more in counts.items():
        before = astuple(tallies.get(fault, Tally()))
        tallies[fault] = Tally(*(a + b for a, b in zip(before, more, strict=True)))


def counted(config: pytest.Config) -> dict[str, list[int]]:
    """Return what this session has counted, in the form that `add` takes and JSON keeps."""
    return {fault: list(astuple(t)) for fault, t in config.stash.get(TALLIES, {}).items()}


def table_lines(tallies: dict[str, Tally]) -> Iterable[str]:
    """Yield a Markdown table, a line a fault and their sum last."""
    yield "| fault | tried | survived | rows lost |"
    yield "|---|---:|---:|---:|"
    every = Tally(*map(sum, zip(*map(astuple, tallies.values()), strict=True)))
    for fault, t in {**tallies, "all": every}.items():
        yield f"| {fault} | {t.tried:,} | {t.survived:,} | {t.rows_lost:,} |"


def print_table(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table at the end of a session in which something was counted; called by conftest's hook."""
    if config.option.tallies:
        file = Path(config.option.tallies)
        if file.exists():
            add(config, json.loads(file.read_text()))
        file.write_text(json.dumps(counted(config)))
    tallies = config.stash.get(TALLIES, {})
    if tallies:
        reporter.section("Faults")
        for line in table_lines(tallies):
            reporter.write_line(line)
