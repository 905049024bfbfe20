"""Whatever an annotator's file holds, reading it gives decisions or one sentence: JSON, CSV, Label Studio."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from answers import decide, review
from fuzzing import Fuzz, spoiled, spoiled_json
from handover import annotation, exported, exported_min
from hypothesis import strategies as st
from toy import toy_audit

from auditor.decisions import (
    DECISION_KINDS,
    DECISIONS,
    Decision,
    DecisionFile,
    check_decisions,
    match_decisions,
    newest,
    read_decisions,
    write_decisions,
)
from auditor.errors import AuditError, DataError
from auditor.label_studio import make_tasks
from auditor.review_files import read_reviews

AUDIT = toy_audit()
SENTENCE_CHARACTERS = 1000


def toy_file() -> DecisionFile:
    """Every kind and every decision, with all that a row may hold."""
    ids = AUDIT.dataset.ids
    rows = [
        decide(
            AUDIT, str(ids[n]), kind, DECISIONS[n % 4], note="so", time="2026-01-02T03:04:05Z", rank=n,
            to=AUDIT.dataset.classes[n % 3] if DECISIONS[n % 4] == "relabel" else "",
        )
        for n, kind in enumerate(DECISION_KINDS)
    ]  # fmt: skip
    return review(AUDIT, "ann", [row for row in rows if row.to != row.given])


def exports() -> list[Any]:
    tasks = make_tasks(AUDIT)[0][:3]
    answers = ({"decision": "drop", "note": "x"}, {"chosen_class": "cat"}, {"chosen_class": "dog"}, {})

    def annotate(data: Any) -> list[Any]:
        return [
            annotation(answer, who)
            for answer, who in zip(answers, (1, {"email": "a@b"}, None, "c"), strict=True)
        ]

    return [exported(tasks, annotate), exported_min(tasks, annotate)]


def hold(file: Path) -> None:
    """Read a file of decisions: some that survive a round trip, or an `AuditError` of one sentence."""
    try:
        files = read_reviews([file])
    except AuditError as error:
        assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error)
        with suppress(AuditError):  # the other front door takes less, and nothing else comes out of it
            read_decisions(file)
        return
    for found in files:
        assert_sound(found, file.parent)
    latest = [decision for _, decision in newest(files)]
    rows = match_decisions(
        latest, AUDIT.dataset.ids, AUDIT.facts.digest, AUDIT.dataset.table["label"].to_numpy()
    )
    assert len(rows) == len(latest) and all(-1 <= row < len(AUDIT.dataset) for row in rows)
    with suppress(DataError):
        check_decisions(files, AUDIT)


def assert_sound(found: DecisionFile, folder: Path) -> None:
    for d in found.decisions:
        assert d.kind in DECISION_KINDS and d.decision in DECISIONS and d.id
        assert bool(d.to) == (d.decision == "relabel") and d.to != d.given
    for name in ("again.json", "again.csv"):
        write_decisions(found, folder / name)
        (back,) = read_decisions(folder / name)
        assert back.decisions == found.decisions
        if found.decisions:
            assert replace(back, name="") == replace(found, name="")


def test_any_json_is_decisions_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    write_decisions(toy_file(), tmp_path / "valid.json")
    valid = json.loads((tmp_path / "valid.json").read_text())

    def check(data: bytes) -> None:
        (tmp_path / "ann.json").write_bytes(data)
        hold(tmp_path / "ann.json")

    fuzz("decisions", check, data=spoiled_json([valid]))


def test_any_export_of_label_studio_is_decisions_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    def check(data: bytes) -> None:
        (tmp_path / "project.json").write_bytes(data)
        hold(tmp_path / "project.json")

    fuzz("decisions", check, data=spoiled_json(exports()))


def test_any_csv_is_decisions_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    write_decisions(toy_file(), tmp_path / "valid.csv")
    odd = Decision("i\0d", "\u2028", "leak", "relabel", "'=a", "a\r\nb", "9" * 5000, "", 10**14)
    write_decisions(replace(toy_file(), decisions=(odd,)), tmp_path / "odd.csv")
    valid = [(tmp_path / name).read_bytes() for name in ("valid.csv", "odd.csv")]
    valid.append(valid[0].replace(b",0,", b"," + b"9" * 5000 + b",", 1))

    def check(data: bytes) -> None:
        (tmp_path / "ann.csv").write_bytes(data)
        hold(tmp_path / "ann.csv")

    fuzz("decisions", check, data=spoiled(valid))


def test_any_bytes_under_any_name_are_decisions_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    def check(data: bytes, name: str) -> None:
        (tmp_path / name).write_bytes(data)
        hold(tmp_path / name)

    starts = [
        b"",
        b"{",
        b"[",
        b"[[",
        b'{"schema": "auditor.decisions/1"}',
        b"\xef\xbb\xbf[]",
        b" " * 5000 + b"{}",
        b"\x1f\x8b",
    ]
    names = st.sampled_from(["a.json", "a.csv", "a.csv.gz", "a.JSON", "a"])
    fuzz("decisions", check, data=spoiled(starts) | st.binary(max_size=50), name=names)
