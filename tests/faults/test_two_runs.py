"""Two runs at once: on one cache both finish and nothing is lost; on one output the second is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from command import Command
from faults.running import exit_codes, start
from faults.tally import tally
from faults.world import Quarters, content, make_photos, rows_lost, set_hooks

from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.store import Store

PATIENCE_SECONDS = 120
STAGES = ("embed", "neighbours", "duplicates", "probabilities", "scores", "findings", "separation", "map",
          "thumbnails", "save", "page")  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hooks(monkeypatch.setattr)


def job(folder: Path, name: str, data: Path, stage: str, mine: str, theirs: str) -> dict[str, Any]:
    meet = [stage, str(folder / mine), str(folder / theirs)]
    words = ["run", str(data), "--out", str(folder / name), "--cache", str(folder / "cache")]
    return {"words": words, "said": folder / f"{name}.txt", "meet": meet}


def on_one_cache(folder: Path, data: Path, stage: str, alone: Path) -> tuple[bool, int]:
    """Run twice at once; say whether both ended as alone, with nothing to do for a third; and rows lost.

    They meet at a stage: where pictures are read, neither knows what the other is about to store.
    """
    folder.mkdir()
    runs = [
        start([job(folder, "one", data, stage, "met by one", "met by two")]),
        start([job(folder, "two", data, stage, "met by two", "met by one")]),
    ]
    codes = [exit_codes(run) for run in runs]
    lost = sum(rows_lost(alone, folder / name) for name in ("one", "two"))
    same = all(content(folder / name) == content(alone) for name in ("one", "two"))
    warnings: list[str] = []
    store = Store(folder / "cache" / "store", warnings.append)
    again = run_embedding(read_dataset(data), Quarters(), store=store)
    idle = (again.decoded, again.encoded, warnings) == (0, 0, [])
    return codes == [[0], [0]] and same and idle, lost


def on_one_output(
    folder: Path, data: Path, stages: Sequence[str], alone: Path, command: Command
) -> tuple[int, int]:
    """Start a second run while the first is at a stage; return how often all went well, and rows lost.

    Whether or not the second may replace an audit, it is refused in one sentence, and the first is unharmed.
    """
    running = start([job(folder, f"at {s}", data, s, f"{s} began", f"{s} may go on") for s in stages])
    refused = {}
    for stage in stages:
        out = folder / f"at {stage}"
        wait_for(folder / f"{stage} began")
        refused[out] = [command("run", data, "--out", out, *more) for more in ((), ("--overwrite",))]
        (folder / f"{stage} may go on").touch()
    survived = 0
    for (out, ends), code in zip(refused.items(), exit_codes(running), strict=True):
        sentence = f"Another run is writing {str(out)!r}: wait until it ends, or choose another --out."
        told = [(done.code, done.out, done.err) for done in ends] == [(2, "", f"auditor: {sentence}\n")] * 2
        survived += code == 0 and told and content(out) == content(alone)
    return survived, sum(rows_lost(alone, out) for out in refused)


def wait_for(file: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        assert time.monotonic() < end, file
        time.sleep(0.01)


@pytest.fixture
def alone(data: Path, tmp_path: Path, command: Command) -> Path:
    """An undisturbed run."""
    done = command("run", data, "--out", tmp_path / "alone")
    assert done.code == 0, done.err
    return tmp_path / "alone"


def test_two_runs_on_one_cache_both_finish(data: Path, alone: Path, tmp_path: Path) -> None:
    assert on_one_cache(tmp_path / "pair", data, "embed", alone) == (True, 0)


def test_the_second_run_on_one_output_is_refused_and_the_first_is_unharmed(
    data: Path, alone: Path, tmp_path: Path, command: Command
) -> None:
    assert on_one_output(tmp_path, data, ("embed", "map", "save"), alone, command) == (3, 0)


@pytest.mark.nightly
def test_two_runs_at_every_stage(
    data: Path, alone: Path, tmp_path: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    pairs = [on_one_cache(tmp_path / f"pair {n}", data, s, alone) for n, s in enumerate(STAGES)]
    tally(request, "two runs on one cache", len(pairs), sum(w for w, _ in pairs), sum(n for _, n in pairs))
    survived, lost = on_one_output(tmp_path, data, STAGES, alone, command)
    tally(request, "two runs on one output", len(STAGES), survived, lost)
    assert pairs == [(True, 0)] * len(pairs)
    assert (survived, lost) == (len(STAGES), 0)
