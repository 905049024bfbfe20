"""`auditor run` and its siblings on small datasets: what is written, what is said, what is not done twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from pictures import class_vectors, make_folders, make_manifest

from auditor.storage import AUDIT_FILES, load

ROOT = Path(__file__).parent.parent.parent
SAME = ("samples.parquet", "findings.csv", "findings.json", "embeddings.npy", "neighbours.npy")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folders(tmp_path_factory.mktemp("photos") / "photos", each=10)


def run(command: Command, data: Path, out: Path, *more: object) -> str:
    done = command("run", data, "--backbone", "bundled", "--out", out, *more)
    assert done.code == 0, done.err
    return done.out


def document(out: Path) -> dict:
    found = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    found.pop("timings")
    return found


def files(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_an_audit_folder_holds_what_it_should(data: Path, tmp_path: Path, command: Command) -> None:
    said = run(command, data, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(AUDIT_FILES) - {"predictions.npy"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert str(tmp_path / "out" / "report.html") in said
    found = document(tmp_path / "out")
    assert found["dataset"]["samples"] == 30
    assert found["dataset"]["classes"] == ["rings", "steps", "waves"]
    assert found["command"] == "auditor run photos --backbone bundled"
    assert str(tmp_path) not in (tmp_path / "out" / "audit.json").read_text(encoding="utf-8")
    assert str(data.parent) not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_json_is_one_document_alone(data: Path, tmp_path: Path, command: Command) -> None:
    said = json.loads(run(command, data, tmp_path / "out", "--json"))
    found = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    for name in ("report_id", "counts", "label_errors", "separation", "classes", "warnings", "timings"):
        assert said[name] == found[name]
    assert said["page"] == str(tmp_path / "out" / "report.html")


def test_quiet_says_nothing(data: Path, tmp_path: Path, command: Command) -> None:
    assert run(command, data, tmp_path / "out", "--quiet") == ""


def test_separate_caches_give_the_same_audit(data: Path, tmp_path: Path, command: Command) -> None:
    for name in ("a", "b"):
        run(command, data, tmp_path / name, "--cache", tmp_path / f"cache {name}")
    for name in SAME:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert document(tmp_path / "a") == document(tmp_path / "b")
    assert (tmp_path / "a" / "report.html").read_bytes() == (tmp_path / "b" / "report.html").read_bytes()


def test_a_second_run_embeds_nothing(
    data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(command, data, tmp_path / "a", "--cache", tmp_path / "cache")
    kept = files(tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr("auditor.backbones.ResNetEncoder.encode", refuse)
    monkeypatch.setattr("auditor.backbones.ResNetEncoder.prepare", refuse)
    run(command, data, tmp_path / "b", "--cache", tmp_path / "cache")
    assert files(tmp_path / "cache") == kept
    assert document(tmp_path / "a") == document(tmp_path / "b")


def test_overwrite_replaces(data: Path, tmp_path: Path, command: Command) -> None:
    run(command, data, tmp_path / "out")
    before = document(tmp_path / "out")
    run(command, data, tmp_path / "out", "--overwrite", "--seed", "5")
    assert document(tmp_path / "out")["seed"] == 5
    assert document(tmp_path / "out")["report_id"] != before["report_id"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_report_writes_the_same_page_without_the_dataset(tmp_path: Path, command: Command) -> None:
    data = make_folders(tmp_path / "photos")
    for number in range(3):
        (data / "rings" / f"broken {number}.png").write_bytes(b"no picture")
    run(command, data, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_bytes()
    data.rename(tmp_path / "gone")
    (tmp_path / "out" / "report.html").unlink()
    done = command("report", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["bytes"] == len(page)
    assert (tmp_path / "out" / "report.html").read_bytes() == page
    assert (
        command("report", tmp_path / "out", "--out", tmp_path / "few.html", "--limit-report", "1").code == 0
    )
    assert len((tmp_path / "few.html").read_bytes()) < len(page)


def test_embed_makes_a_store_that_run_uses(
    data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = command("embed", data, "--backbone", "bundled", "--out", tmp_path / "store", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "store": str(tmp_path / "store"),
        "samples": 30,
        "embedded": 30,
        "new": 30,
        "unreadable": 0,
    }
    again = command("embed", data, "--backbone", "bundled", "--out", tmp_path / "store", "--json")
    assert json.loads(again.out)["new"] == 0
    monkeypatch.delattr("auditor.backbones.ResNetEncoder.encode")
    run(command, data, tmp_path / "out", "--store", tmp_path / "store")
    assert document(tmp_path / "out")["dataset"]["embedded"] == 30


def test_cache_is_shown_and_cleared(data: Path, tmp_path: Path, command: Command) -> None:
    run(command, data, tmp_path / "out")
    held = json.loads(command("cache", "info", "--json").out)
    assert held["facts"] == held["vectors"] == 30
    freed = json.loads(command("cache", "clear", "--json").out)
    assert freed["bytes_freed"] == held["bytes"] > 0
    assert json.loads(command("cache", "info", "--json").out)["vectors"] == 0


def test_like_takes_backbone_layer_and_thresholds(data: Path, tmp_path: Path, command: Command) -> None:
    run(command, data, tmp_path / "a", "--layer", "layer3")
    earlier = tmp_path / "a" / "audit.json"
    changed = json.loads(earlier.read_text(encoding="utf-8"))
    changed["thresholds"]["mislabeled_quality"] = 0.07
    earlier.write_text(json.dumps(changed), encoding="utf-8")
    done = command("run", data, "--like", tmp_path / "a", "--out", tmp_path / "b")
    assert done.code == 0, done.err
    assert document(tmp_path / "b")["backbone"] == document(tmp_path / "a")["backbone"]
    assert document(tmp_path / "b")["thresholds"]["mislabeled_quality"] == 0.07
    refused = command("run", data, "--like", tmp_path / "a", "--layer", "layer4", "--out", tmp_path / "c")
    assert refused.code == 2
    assert "leave out --layer" in refused.err


@pytest.mark.parametrize("option", ["--backbone resnet50", "--layer layer4", "--weights w.pth"])
def test_features_need_no_backbone(
    option: str, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "f.npy", np.random.default_rng(0).normal(size=(30, 8)))
    given = ("run", data, "--features", tmp_path / "f.npy", "--out", tmp_path / "out")
    refused = command(*given, *option.split())
    assert refused.code == 2 and f"{option.split()[0]}: leave out" in refused.err
    monkeypatch.setenv("AUDITOR_BACKBONE", "bundled")  # a habit, not a wish for this run
    done = command(*given)
    assert done.code == 0, done.err


def test_like_refuses_other_weights(data: Path, tmp_path: Path, command: Command) -> None:
    run(command, data, tmp_path / "a")
    earlier = tmp_path / "a" / "audit.json"
    changed = json.loads(earlier.read_text(encoding="utf-8"))
    changed["backbone"]["weights_sha256"] = "f" * 64
    earlier.write_text(json.dumps(changed), encoding="utf-8")
    done = command("run", data, "--like", tmp_path / "a", "--out", tmp_path / "b")
    assert done.code == 2
    assert "would not compare" in done.err


def test_features_by_position_and_by_id_are_one(tmp_path: Path, command: Command) -> None:
    manifest, vectors = make_manifest(tmp_path / "labels.csv"), class_vectors()
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "shuffled.npy", vectors[::-1])
    (tmp_path / "ids.txt").write_text("".join(f"{row}.png\n" for row in reversed(range(24))))
    done = command("run", manifest, "--features", tmp_path / "v.npy", "--out", tmp_path / "a")
    assert done.code == 0, done.err
    ids = ("--features-ids", tmp_path / "ids.txt")
    done = command("run", manifest, "--features", tmp_path / "shuffled.npy", *ids, "--out", tmp_path / "b")
    assert done.code == 0, done.err
    tables = [pd.read_parquet(tmp_path / name / "samples.parquet") for name in ("a", "b")]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["readable"].isna().all()
    assert (tmp_path / "a" / "report.html").is_file()


def test_predictions_are_reported_and_kept(tmp_path: Path, command: Command) -> None:
    manifest = make_manifest(tmp_path / "labels.csv")
    np.save(tmp_path / "v.npy", class_vectors())
    values = np.full((24, 3), 0.1)
    values[np.arange(24), np.arange(24) % 3] = 0.8
    values[0] = (0.1, 0.8, 0.1)
    np.save(tmp_path / "p.npy", values)
    more = ("--features", tmp_path / "v.npy", "--predictions", tmp_path / "p.npy")
    done = command("run", manifest, *more, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["predictions"]
    assert found["accuracy"] == pytest.approx(23 / 24, abs=1e-5)
    assert found["classes"][0] == {"name": "class 0", "samples": 8, "accuracy": 0.875}
    kept = load(tmp_path / "out").predictions
    assert kept is not None
    np.testing.assert_allclose(kept.values, values, atol=1e-6)


def test_names_cannot_steer_the_terminal(tmp_path: Path, command: Command) -> None:
    data = make_folders(tmp_path / "photos", classes=("\x1b[31mred", "[bold]x", "=1+1"))
    said = run(command, data, tmp_path / "out")
    assert "\x1b" not in said
    assert "[bold]x" in said
    with (tmp_path / "out" / "findings.csv").open(encoding="utf-8", newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell.startswith("=")]


def start(arguments: list[object], cache: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    environment = {**os.environ, "AUDITOR_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background jobs ignore Ctrl-C, and so would what the tests start there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
def test_ctrl_c_is_130_and_the_next_run_goes_on(tmp_path: Path) -> None:
    data, store = make_folders(tmp_path / "photos", each=1500), tmp_path / "cache" / "store"
    words: list[object] = ["run", data, "--backbone", "bundled", "--out", tmp_path / "out", "--workers", 1]
    stopped = start(words, tmp_path / "cache")
    deadline = time.monotonic() + 120
    # The first shard is stored long before the last picture is read.
    while not any((store / "vectors").rglob("*.keys")):
        assert stopped.poll() is None and time.monotonic() < deadline, stopped.communicate()
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert (out, "Traceback" in err) == ("", False)
    assert "goes on" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "photos"]
    finished = start(["embed", data, "--backbone", "bundled", "--out", store, "--json"], tmp_path / "cache")
    out, err = finished.communicate(timeout=120)
    assert finished.returncode == 0, err
    assert 0 < json.loads(out)["new"] < 4500
