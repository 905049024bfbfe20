"""`auditor run --reviewed`: what was checked is not asked again, said on stderr and in audit.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from answers import decide, other_class, review
from command import Command, Done
from pictures import class_vectors, make_manifest

from auditor.decisions import write_decisions
from auditor.results import Audit
from auditor.storage import load, save

WRONG = (4, 12)
"""Rows whose vectors lie in another class than their label."""


@pytest.fixture
def data(tmp_path: Path) -> list[object]:
    """Arguments for an audit of vectors with two wrong labels."""
    vectors = class_vectors(rows=60)
    vectors[list(WRONG)] = class_vectors(rows=62)[[60, 61]]
    np.save(tmp_path / "vectors.npy", vectors)
    return [make_manifest(tmp_path / "labels.csv", rows=60), "--features", tmp_path / "vectors.npy"]


def run(command: Command, data: list[object], out: Path, *more: object) -> tuple[Audit, dict, Done]:
    done = command("run", *data, "--out", out, *more)
    assert done.code == 0, done.err
    return load(out), json.loads((out / "audit.json").read_text(encoding="utf-8")), done


def wrong(audit: Audit) -> list[str]:
    return [i for f in audit.findings if f.kind == "mislabeled" for i in f.ids]


def test_checked_labels_are_left_out_and_counted(
    data: list[object], tmp_path: Path, command: Command
) -> None:
    before, first, _ = run(command, data, tmp_path / "a")
    assert first["reviewed"] is None
    assert len(wrong(before)) == 2
    one, other = wrong(before)
    write_decisions(review(before, "ann", [decide(before, one, "mislabeled", "keep")]), tmp_path / "ann.json")
    to = other_class(before, other)
    write_decisions(
        review(before, "bo", [decide(before, other, "mislabeled", "relabel", to=to)]), tmp_path / "bo.csv"
    )
    files = ["--reviewed", tmp_path / "ann.json", "--reviewed", tmp_path / "bo.csv"]
    after, second, done = run(command, data, tmp_path / "b", *files, "--json")
    assert wrong(after) == [other]
    assert [f.rank for f in after.findings if f.kind == "mislabeled"] == [1]
    sentence = (
        "Earlier reviews (2 files, 2 decisions): 1 finding left out, checked before; every decision was "
        "matched to a sample."
    )
    assert " ".join(sentence.split()) in " ".join(done.err.split())
    assert sentence in second["warnings"]
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("ann.json", "bo.csv")]
    expected = {
        "files": ["ann.json", "bo.csv"],
        "sha256": digests,
        "decisions": 2,
        "matched": 2,
        "unmatched": 0,
        "left_out": 1,
        "left_out_samples": 1,
    }
    assert second["reviewed"] == json.loads(done.out)["reviewed"] == expected
    assert second["command"].endswith("--reviewed ann.json --reviewed bo.csv")
    assert second["settings"]["reviewed"] == ["ann.json", "bo.csv"]
    assert str(tmp_path) not in (tmp_path / "b" / "audit.json").read_text(encoding="utf-8")
    # What is counted from the findings is counted from those that are left.
    assert (first["label_errors"]["flagged"], second["label_errors"]["flagged"]) == (2, 1)
    assert [step["reviewed"] for step in second["review_plan"]] == [1]
    doubted = sum(f.kind in ("mislabeled", "ambiguous") for f in before.findings)
    assert sum(p["flagged"] for p in first["class_pairs"]) == doubted
    assert sum(p["flagged"] for p in second["class_pairs"]) == doubted - 1


def test_a_loaded_audit_saves_the_same(data: list[object], tmp_path: Path, command: Command) -> None:
    before, _, _ = run(command, data, tmp_path / "a")
    write_decisions(
        review(before, "ann", [decide(before, wrong(before)[0], "mislabeled", "keep")]), tmp_path / "ann.json"
    )
    after, document, _ = run(command, data, tmp_path / "b", "--reviewed", tmp_path / "ann.json")
    assert after.provenance.reviewed is not None
    assert json.loads(json.dumps(asdict(after.provenance.reviewed))) == document["reviewed"]
    save(after, tmp_path / "c")
    for name in ("audit.json", "findings.json", "findings.csv"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()


def test_the_report_id_depends_on_the_content_alone(
    data: list[object], tmp_path: Path, command: Command
) -> None:
    before, _, _ = run(command, data, tmp_path / "a")
    rows = [decide(before, i, "mislabeled", "keep") for i in wrong(before)]
    (tmp_path / "else where").mkdir()
    for file, decisions in (
        (tmp_path / "one.json", rows[:1]),
        (tmp_path / "else where" / "two.json", rows[:1]),
        (tmp_path / "three.json", rows[1:]),
    ):
        write_decisions(review(before, "ann", decisions), file)
    marks = [before.provenance.report_id]
    for number, name in enumerate(("one.json", "else where/two.json", "three.json")):
        audit, _, _ = run(command, data, tmp_path / f"b{number}", "--reviewed", tmp_path / name)
        marks.append(audit.provenance.report_id)
    none, one, two, three = marks
    assert one == two
    assert len({none, one, three}) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "mine.json cannot be read"),
        ('{"schema": "auditor.decisions/1", "deci', "mine.json is no whole JSON document"),
        ('{"schema": "other"}', "mine.json is no decisions file"),
    ],
)
def test_a_broken_file_costs_one_sentence_and_nothing_else(
    text: str | None,
    said: str,
    data: list[object],
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if text is not None:
        (tmp_path / "mine.json").write_text(text)
    monkeypatch.setattr("auditor.audit._embed", lambda *_: pytest.fail("started the long work"))
    done = command("run", *data, "--out", tmp_path / "a", "--reviewed", tmp_path / "mine.json")
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not (tmp_path / "a").exists()


def test_the_settings_file_may_name_reviews(
    data: list[object], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _, _ = run(command, data, tmp_path / "a")
    write_decisions(
        review(before, "ann", [decide(before, wrong(before)[0], "mislabeled", "keep")]), tmp_path / "ann.json"
    )
    (tmp_path / "auditor.toml").write_text('reviewed = ["ann.json"]\n')
    monkeypatch.chdir(tmp_path)
    _, document, _ = run(command, data, tmp_path / "b")
    assert document["reviewed"]["left_out"] == 1
