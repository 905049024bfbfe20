"""`auditor compare`: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from command import Command
from two_versions import audit_rows, fruit

from cli.comparing import DOCUMENT, LEDGER, PAGE


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compare")
    broken, right = fruit()
    return audit_rows(broken, folder / "before"), audit_rows(right, folder / "after")


def test_the_verdict_comes_first_and_the_folder_is_whole(
    audits: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "compared"
    done = command("compare", *audits, "--holdout", "test", "--out", out)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("Improved: labels of held-out pictures are ")
    assert lines[-2] == f"Page      {out / PAGE}"
    assert "20 relabelled" in done.out
    assert sorted(file.name for file in out.iterdir()) == sorted([DOCUMENT, LEDGER, PAGE])
    assert "eval" not in (out / PAGE).read_text().split("Content-Security-Policy")[1].split(">")[0]


def test_json_is_the_document_alone(audits: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    out = tmp_path / "c"
    done = command("compare", *audits, "--holdout", "test", "--out", out, "--json")
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    assert printed.pop("page") == str(out / PAGE)
    assert printed == json.loads((out / DOCUMENT).read_text())
    ledger = pd.read_csv(out / LEDGER, dtype=str, keep_default_na=False)
    assert (ledger["change"] == "relabelled").sum() == printed["ledger"]["relabelled"] == 20


def test_the_same_command_gives_the_same_files(
    audits: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert command("compare", *audits, "--out", tmp_path / name, "--quiet").out == ""
    for file in (DOCUMENT, LEDGER, PAGE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_it_says_what_it_cannot_use(audits: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{")
    cases = {
        "no split 'val'": ("compare", *audits, "--holdout", "val", "--out", tmp_path / "a"),
        "not empty": ("compare", *audits, "--out", taken),
        "no second opinion": ("compare", *audits, "--second", *audits, "--out", tmp_path / "b"),
        "wrong.json": ("compare", *audits, "--controls", wrong, "--out", tmp_path / "c"),
        "seed": ("compare", *audits, "--seed", "-1", "--out", tmp_path / "d"),
    }
    for sentence, words in cases.items():
        done = command(*words)
        assert (done.code, done.out) == (2, "")
        assert sentence in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert [file.name for file in taken.iterdir()] == ["mine.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "wrong.json"]


def test_another_comparison_is_replaced_only_when_asked(
    audits: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "c"
    assert command("compare", *audits, "--out", out).code == 0
    refused = command("compare", audits[1], audits[0], "--out", out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    (out / "note.txt").write_text("mine")
    assert command("compare", audits[1], audits[0], "--out", out, "--overwrite").code == 0
    assert (out / "note.txt").read_text() == "mine"
