"""`auditor export`: whole or not at all, counts as JSON, every wrong request one sentence."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from command import Command
from handover import annotation, exported, on_disk
from toy import toy_audit

from auditor.review_files import read_reviews
from auditor.storage import save


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    save(on_disk(toy_audit(), tmp_path / "data"), tmp_path / "audit")
    return tmp_path / "audit"


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_label_studio_there_and_back(command: Command, audit: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks"
    done = command("export", audit, "--to", "label-studio", "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    counts = json.loads(done.out)
    assert names(out) == {"tasks.json", "labeling-config.xml"}
    tasks = json.loads((out / "tasks.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in out.iterdir())
    about = {"to": "label-studio", "out": str(out)}
    assert counts == {**about, "tasks": len(tasks), "left_out": 1, "bytes": size}
    sent = tmp_path / "project-83.json"
    sent.write_text(json.dumps(exported(tasks, lambda data: [annotation({"decision": "drop"})])))
    (file,) = read_reviews([sent])
    assert {d.id for d in file.decisions} == {task["data"]["sample_id"] for task in tasks}


def test_the_prefix_and_the_kinds_are_taken(command: Command, audit: Path, tmp_path: Path) -> None:
    asked = ["--image-prefix", "https://host/p", "--kind", "leak", "--kind", "off_topic"]
    done = command("export", audit, "--to", "label-studio", "--out", tmp_path / "tasks", *asked)
    assert done.code == 0
    assert "Tasks" in done.out
    tasks = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    assert {task["data"]["kind"] for task in tasks} == {"leak", "off_topic"}
    assert all(task["data"]["image"].startswith("https://host/p/") for task in tasks)


def test_a_folder_with_an_archive(command: Command, audit: Path, tmp_path: Path) -> None:
    out = tmp_path / "findings"
    done = command("export", audit, "--to", "folder", "--out", out, "--zip", "--json")
    assert done.code == 0
    counts = json.loads(done.out)
    assert names(out) == {"images", "labels.csv", "classes.csv", "imagenet.zip"}
    assert counts["left_out"] == 1
    assert counts["images"] == len(zipfile.ZipFile(out / "imagenet.zip").namelist())
    assert counts["bytes"] == sum(f.stat().st_size for f in out.rglob("*") if f.is_file())


def test_links(command: Command, audit: Path, tmp_path: Path) -> None:
    done = command("export", audit, "--to", "folder", "--out", tmp_path / "findings", "--link", "-q")
    assert (done.code, done.out) == (0, "")
    links = list((tmp_path / "findings" / "images").rglob("*.png"))
    assert links
    assert all(link.is_symlink() and link.resolve().is_file() for link in links)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "cvat"], "--to takes label-studio or folder, not 'cvat'"),
        (["--to", "folder", "--image-prefix", "/x/"], "--image-prefix belongs to --to label-studio"),
        (["--to", "label-studio", "--zip"], "--zip belongs to --to folder"),
        (["--to", "label-studio", "--link"], "--link belongs to --to folder"),
        (["--to", "folder", "--kind", "ugly"], "--kind takes unreadable, "),
        (["--to", "label-studio", "--image-prefix", "photos"], "is no address"),
    ],
)
def test_wrong_requests(
    arguments: list[str], said: str, command: Command, audit: Path, tmp_path: Path
) -> None:
    before = names(tmp_path)
    done = command("export", audit, "--out", tmp_path / "new", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert names(tmp_path) == before


@pytest.mark.parametrize("to", ["label-studio", "folder"])
def test_a_folder_of_somebody_else_stays(to: str, command: Command, audit: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("five years")
    for out, said in (
        (tmp_path / "mine", "is not empty"),
        (audit, "is not empty"),
        (audit / "audit.json", "is a file"),
    ):
        done = command("export", audit, "--to", to, "--out", out)
        assert (done.code, said in done.err) == (2, True)
    assert names(tmp_path / "mine") == {"thesis.txt"}
    assert command("export", audit, "--to", to, "--out", tmp_path / "new").code == 0
    assert command("export", audit, "--to", to, "--out", tmp_path / "new").code == 2


def test_not_into_the_dataset(command: Command, audit: Path, tmp_path: Path) -> None:
    done = command("export", audit, "--to", "folder", "--out", tmp_path / "data" / "findings")
    assert (done.code, "lies inside the dataset" in done.err) == (2, True)


def test_a_dataset_that_is_gone_leaves_nothing_behind(command: Command, audit: Path, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    before = names(tmp_path)
    done = command("export", audit, "--to", "folder", "--out", tmp_path / "findings")
    assert done.code == 2
    assert "originals cannot be found" in done.err
    assert names(tmp_path) == before
    assert command("export", audit, "--to", "label-studio", "--out", tmp_path / "tasks").code == 0, (
        "not needed"
    )


def test_no_audit(command: Command, tmp_path: Path) -> None:
    done = command("export", tmp_path / "nothing", "--to", "folder", "--out", tmp_path / "new")
    assert (done.code, "is not an audit" in done.err) == (2, True)
    assert names(tmp_path) == set()
