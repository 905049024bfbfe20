"""One front door for what annotators send back: told apart by content, not by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handover import annotation, exported, exported_min, hostile_audit
from toy import toy_audit

from auditor.decisions import Decision, DecisionFile, write_decisions
from auditor.errors import DataError
from auditor.label_studio import encode_text, make_tasks
from auditor.review_files import read_reviews

FILE = DecisionFile(
    "ann.json",
    "toy-0001",
    "f" * 64,
    "ann",
    "2026-01-01T00:00:00Z",
    (Decision("a", "d", "leak", "drop", "cat"),),
)


def write_json(file: Path, document: Any, start: str = "") -> Path:
    file.write_text(start + json.dumps(document), encoding="utf-8")
    return file


def drop_all(data: Any) -> list[Any]:
    return [annotation({"decision": "drop"}, who) for who in (1, 2)]


def test_every_form_is_told_by_its_content(tmp_path: Path) -> None:
    write_decisions(FILE, tmp_path / "ann.json")
    write_decisions(FILE, tmp_path / "ann.csv")
    tasks = make_tasks(toy_audit())[0]
    (tmp_path / "ann.json").rename(tmp_path / "misnamed.csv")
    paths = [
        tmp_path / "misnamed.csv",
        tmp_path / "ann.csv",
        write_json(tmp_path / "project.json", exported(tasks, drop_all), "\ufeff\n "),
        write_json(tmp_path / "project-min.txt", exported_min(tasks, drop_all)),
    ]
    files = read_reviews(paths)
    assert [f.name for f in files] == [
        "misnamed.csv",
        "ann.csv",
        *["project.json"] * 2,
        *["project-min.txt"] * 2,
    ]
    assert [f.annotator for f in files] == ["ann", "ann", *["Label Studio user 1", "Label Studio user 2"] * 2]
    assert files[0].decisions == files[1].decisions == FILE.decisions
    assert files[2].decisions == files[4].decisions
    assert len(files[2].decisions) >= len(tasks)


def test_hostile_names_arrive_as_ids_and_classes(tmp_path: Path) -> None:
    audit = hostile_audit()
    tasks = make_tasks(audit)[0]
    classes = iter(audit.dataset.classes * 9)

    def relabel(data: Any) -> list[Any]:
        return [annotation({"chosen_class": encode_text(next(classes))})]

    file = write_json(tmp_path / "export.json", exported(tasks, relabel))
    (found,) = read_reviews([file])
    label_of = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    readable = {i for f in audit.findings if f.kind != "unreadable" for i in f.ids}
    assert {d.id for d in found.decisions} == readable
    assert all(d.given == label_of[d.id] for d in found.decisions)
    chosen = [d.to or d.given for d in found.decisions]
    assert chosen == list(audit.dataset.classes * 9)[: len(chosen)]


def test_no_files_no_reviews() -> None:
    assert read_reviews([]) == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.json", b"", "is empty"),
        ("blank.csv", b" \n\n", "is empty"),
        ("cut.json", b'{"schema": "auditor.decisions/1", "decisions": [', "is no whole JSON document"),
        ("cut.json", b'[{"id": 1, "annotations": [', "is no whole JSON document"),
        ("deep.json", b"[" * 200_000, "is no whole JSON document"),
        ("picture.png", b"\x89PNG\r\n", "is neither JSON nor a .csv"),
        ("notes.txt", b"dropped the first two", "is neither JSON nor a .csv"),
        ("table.csv", b"a,b\n1,2\n", "table.csv"),
        ("coco.json", b'{"images": [], "annotations": []}', "is no decisions file"),
        ("via.json", b'[{"filename": "a.jpg", "regions": []}]', "holds no annotations"),
    ],
)
def test_faults_are_one_sentence(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_reviews([tmp_path / name])
    text = str(caught.value)
    assert said in text
    assert text.startswith(name)
    assert "\n" not in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_reviews([path])
