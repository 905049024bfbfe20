"""A run that was stopped: the same command goes on, and gives what an undisturbed one gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import Command
from pictures import class_vectors, make_manifest

from auditor import stages

ROOT = Path(__file__).parent.parent.parent
MAKERS = ("find_neighbours", "estimate_probabilities", "make_map")
SAME = (
    "samples.parquet",
    "details.parquet",
    "findings.csv",
    "findings.json",
    "embeddings.npy",
    "report.html",
)
KILLED = """
import os, signal, sys
from auditor import audit, stages
from cli.main import main
stages.LEAST_SECONDS = 0.0
audit.engine_key = lambda: "this engine"
def stop(*_, **__):
    os.kill(os.getpid(), signal.{signal})
audit.{maker} = stop
sys.argv = ["auditor", *sys.argv[1:]]
main()
"""


@pytest.fixture(autouse=True)
def keep_quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LEAST_SECONDS", 0.0)
    # The source may be edited between the two runs while somebody works on it.
    monkeypatch.setattr("auditor.audit.engine_key", lambda: "this engine")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    manifest = make_manifest(tmp_path / "labels.csv")
    np.save(tmp_path / "v.npy", class_vectors())
    return ["run", str(manifest), "--features", str(tmp_path / "v.npy"), "--out"]


def stop(words: list[str], out: Path, maker: str, by: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED.format(maker=maker, signal=by), *words, str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def content(out: Path) -> dict[str, object]:
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert document.pop("timings")
    return {"audit.json": document, **{name: (out / name).read_bytes() for name in SAME}}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(
    maker: str, words: list[str], tmp_path: Path, command: Command
) -> None:
    assert stop(words, tmp_path / "out", maker, "SIGKILL").returncode == -signal.SIGKILL
    kept = sorted(p.name for p in (tmp_path / "out.partial" / "stages").iterdir())
    assert "embed" in kept
    for name in ("out", "whole"):
        done = command(*words, tmp_path / name)
        assert done.code == 0, done.err
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.csv", "out", "v.npy", "whole"]
    assert not (tmp_path / "out" / "stages").exists()


def test_ctrl_c_keeps_what_is_finished_and_says_so(
    words: list[str], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = stop(words, tmp_path / "out", "make_map", "SIGINT")
    assert (stopped.returncode, stopped.stdout) == (130, "")
    assert "goes on from what is finished" in stopped.stderr

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for maker in ("from_features", "find_neighbours", "estimate_probabilities", "find_findings"):
        monkeypatch.setattr(f"auditor.audit.{maker}", refuse)
    done = command(*words, tmp_path / "out")
    assert done.code == 0, done.err


def test_an_error_of_the_data_leaves_nothing(words: list[str], tmp_path: Path, command: Command) -> None:
    vectors = class_vectors()
    vectors[:] = vectors[0]
    np.save(tmp_path / "v.npy", vectors)
    done = command(*words, tmp_path / "out")
    assert done.code == 2, done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.csv", "v.npy"]
