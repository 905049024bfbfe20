"""Progress: shown to a person at a terminal, silent otherwise, without colour when asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.arrays import no_progress
from cli.progress import show_progress

ROOT = Path(__file__).parent.parent.parent
WORK = """
import time
from cli.progress import show_progress
with show_progress(quiet=False) as progress:
    for done in range(1, 6):
        progress("embed", done, 5)
        time.sleep(0.1)
    progress("save", 19, 51)
    time.sleep(0.2)
    progress("find [bold]", 0, 0)
    time.sleep(0.2)
print("result")
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")


def on_a_terminal(environment: dict[str, str]) -> tuple[str, str]:
    """Stdout, and what a terminal at stderr receives."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", **environment},
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        check=True,
    )
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(master)
    return done.stdout, shown.decode()


def test_a_terminal_sees_stage_count_rate_and_time_and_stdout_stays_clean() -> None:
    out, shown = on_a_terminal({"NO_COLOR": ""})
    assert out == "result\n"
    assert "embed" in shown
    assert "5/5" in shown
    assert "/s" in shown
    assert re.search(r"0:00:0\d", shown)
    assert "find [bold]" in shown
    assert "37 %" in shown
    assert "19/51" not in shown


def test_no_color_is_honoured() -> None:
    assert COLOUR.search(on_a_terminal({"NO_COLOR": ""})[1])
    assert not COLOUR.search(on_a_terminal({"NO_COLOR": "1"})[1])


def test_silent_without_a_terminal_or_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    with show_progress(quiet=False) as progress:
        assert progress is no_progress
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with show_progress(quiet=True) as progress:
        assert progress is no_progress
