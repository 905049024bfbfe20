"""Two runs at once: on one cache both finish and nothing is lost; on one output the second is refused."""

from __future__ import annotations

import time
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


def test_two_runs_on_one_cache_both_finish(
    data: Path, tmp_path: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    """They meet while the first pictures are read: neither knows what the other is about to store."""
    runs = [
        start([job(tmp_path, "one", data, "embed", "met by one", "met by two")]),
        start([job(tmp_path, "two", data, "embed", "met by two", "met by one")]),
    ]
    codes = [exit_codes(run) for run in runs]
    said = [(tmp_path / f"{name}.txt").read_text() for name in ("one", "two")]
    assert command("run", data, "--out", tmp_path / "alone").code == 0
    results = [content(tmp_path / name) for name in ("one", "two", "alone")]
    lost = sum(rows_lost(tmp_path / "alone", tmp_path / name) for name in ("one", "two"))
    warnings: list[str] = []
    store = Store(tmp_path / "cache" / "store", warnings.append)
    again = run_embedding(read_dataset(data), Quarters(), store=store)
    survived = codes == [[0], [0]] and results[0] == results[1] == results[2] and again.encoded == 0
    tally(request, "two runs on one cache", 1, int(survived), lost)
    assert codes == [[0], [0]], said
    assert results[0] == results[1] == results[2]
    assert (lost, warnings, again.encoded, again.decoded) == (0, [], 0, 0)


def test_the_second_run_on_one_output_is_refused_and_the_first_is_unharmed(
    data: Path, tmp_path: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    """Whatever the first is at, and whether or not the second may replace an audit."""
    stages = ("embed", "map", "save")
    jobs = [job(tmp_path, f"at {s}", data, s, f"{s} began", f"{s} may go on") for s in stages]
    running = start(jobs)
    refused = {}
    for stage in stages:
        out = tmp_path / f"at {stage}"
        wait_for(tmp_path / f"{stage} began")
        refused[out] = [command("run", data, "--out", out, *more) for more in ((), ("--overwrite",))]
        (tmp_path / f"{stage} may go on").touch()
    codes = exit_codes(running)
    assert command("run", data, "--out", tmp_path / "alone").code == 0
    right = content(tmp_path / "alone")
    survived = sum(code == 0 and content(out) == right for code, out in zip(codes, refused, strict=True))
    lost = sum(rows_lost(tmp_path / "alone", out) for out in refused)
    tally(request, "two runs on one output", len(stages), survived, lost)
    for out, ends in refused.items():
        sentence = f"Another run is writing {str(out)!r}: wait until it ends, or choose another --out."
        assert [(done.code, done.out, done.err) for done in ends] == [(2, "", f"auditor: {sentence}\n")] * 2
    assert codes == [0] * len(stages), [Path(job["said"]).read_text() for job in jobs]
    assert (survived, lost) == (len(stages), 0)


def wait_for(file: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        assert time.monotonic() < end, file
        time.sleep(0.01)
