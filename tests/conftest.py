"""What all tests share: a cache of their own, few threads, no network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command import Command, Done
from faults.tally import add, counted, print_table

# Before torch and BLAS are loaded: test machines are small, and several thread pools on two cores fight.
os.environ.setdefault("OMP_NUM_THREADS", "2")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--tallies FILE` adds the counts of faults to those of an earlier run."""
    parser.addoption("--tallies", metavar="FILE", help="add the counts of faults to those in this file")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it counted."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tallies"] = counted(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker counted; one that broke down has handed nothing over."""
    handed: Mapping[str, Any] = getattr(node, "workeroutput", {})
    add(node.config, handed.get("tallies", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close `make nightly` with the table of the faults that were tried; not each worker's own."""
    if config.option.markexpr == "nightly" and not hasattr(config, "workerinput"):
        print_table(terminalreporter, config)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty cache, and none of the settings of whoever runs the tests."""
    for name in [n for n in os.environ if n.startswith("AUDITOR_")]:
        monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AUDITOR_CACHE", str(folder))
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `auditor` with these arguments in this process."""

    def run(*arguments: object) -> Done:
        from cli.main import main

        monkeypatch.setattr("sys.argv", ["auditor", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run
