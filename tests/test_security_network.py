"""No telemetry: a whole run speaks to nobody, neither in Python nor in a library below it.

Only weights that are not there yet are fetched, and not with ``--offline``. Beside this:
`test_openvino_needs_no_torch_and_tells_nobody`, `test_offline_never_asks`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from network_watch import COUNTED
from pictures import make_folders

HERE = Path(__file__).parent


@cache
def own_network() -> tuple[str, ...]:
    """What starts a command in a network of its own; () where that is not allowed."""
    words = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return words


def watched(*arguments: object, home: Path, **environment: str) -> dict[str, Any]:
    """Run `auditor` as `network_watch` says; `home` is all that it finds of the user's."""
    own = {"HOME": str(home), "AUDITOR_CACHE": str(home / "cache"), "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [*own_network(), sys.executable, HERE / "network_watch.py", *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **own, **environment}, cwd=home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


RUNS = {
    "with OpenVINO where it is": ({}, ["--backbone", "bundled"]),
    "with torch": ({"AUDITOR_ENGINE": "torch"}, ["--backbone", "bundled"]),
    "offline with weights that are not there": ({}, ["--offline"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_whole_run_asks_no_network(name: str, tmp_path: Path) -> None:
    """In a network of its own, not one packet was so much as tried."""
    home, data, out = tmp_path / "home", make_folders(tmp_path / "data"), tmp_path / "out"
    home.mkdir()
    environment, arguments = RUNS[name]
    told = watched("run", data, "--out", out, "--quiet", *arguments, home=home, **environment)
    assert told["code"] == 0 and told["asked"] == []
    assert (out / "report.html").is_file()
    assert {p.name for p in home.iterdir()} <= {"cache"}  # nobody left a client's number there
    if own_network():
        assert told["packets"] == dict.fromkeys(COUNTED, 0)


def test_the_watch_sees_a_call_in_python(tmp_path: Path) -> None:
    told = watched("--ask-in-python", home=tmp_path)
    assert [call.split()[0] for call in told["asked"]] == ["socket.getaddrinfo", "socket.connect"]


def test_the_watch_sees_a_call_below_python(tmp_path: Path) -> None:
    if not own_network():
        pytest.skip("a network of its own is not allowed here")
    told = watched("--ask-below-python", home=tmp_path)
    assert told["asked"] == [] and told["packets"]["Ip:OutNoRoutes"] == 2
