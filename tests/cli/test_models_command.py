"""`auditor models` on stored audits: the folder, the summary, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import Command
from model_audits import planted_dataset, predict, true_codes, vector_audit, view

from auditor.storage import save

WRONG = (4, 30, 31, 77)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root, codes, dataset = tmp_path_factory.mktemp("audits"), true_codes(), planted_dataset(WRONG)
    made = {"strong": view(codes, 1), "weak": view(codes, 2, 1.5)}
    for name, vectors in made.items():
        save(vector_audit(dataset, vectors), root / name)
    save(predict(vector_audit(dataset, view(codes, 3)), codes), root / "mine")
    return [root / name for name in (*made, "mine")]


def test_the_folder_holds_page_and_numbers(folders: list[Path], tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    done = command("models", *folders, "--out", out)
    assert done.code == 0, done.err
    assert {p.name for p in out.iterdir()} == {"comparison.json", "report.html"}
    document = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert document["kind"] == "models" and document["schema_version"] == 1
    assert [m["name"] for m in document["models"]] == ["toy (strong)", "toy (weak)", "toy (mine)"]
    tagged = {e["id"] for e in document["misclassified"] if e["verdict"] == "tagging error"}
    assert tagged == {f"r{row:05d}" for row in WRONG}
    text = (out / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and str(folders[0].parent) not in text
    assert "toy (weak)" in text


def test_the_summary_says_the_verdict_first(folders: list[Path], tmp_path: Path, command: Command) -> None:
    done = command("models", *folders[:2], "--out", tmp_path / "out")
    lines = done.out.splitlines()
    assert lines[0].startswith("toy (strong) separates the classes best: +")
    assert lines[1] == "made: 180 samples, 3 classes"
    assert lines[-1] == f"Page      {tmp_path / 'out' / 'report.html'}"
    assert "Evidence" not in done.out or "not independent" in done.out


def test_json_is_the_same_document_alone(folders: list[Path], tmp_path: Path, command: Command) -> None:
    said = json.loads(command("models", *folders[:2], "--out", tmp_path / "out", "--json").out)
    page = said.pop("page")
    assert said == json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert page == str(tmp_path / "out" / "report.html")


def test_the_same_input_gives_the_same_numbers(folders: list[Path], tmp_path: Path, command: Command) -> None:
    files = []
    for name in ("a", "b"):
        assert command("models", *folders[:2], "--out", tmp_path / name, "--quiet").out == ""
        files.append((tmp_path / name / "comparison.json").read_bytes())
    assert files[0] == files[1]


def test_an_existing_comparison_is_replaced_only_when_asked(
    folders: list[Path], tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"
    assert command("models", *folders[:2], "--out", out, "-q").code == 0
    again = command("models", *folders[:2], "--out", out)
    assert again.code == 2 and "--overwrite" in again.err and "Traceback" not in again.err
    assert command("models", *folders[1:], "--out", out, "--overwrite", "-q").code == 0
    assert command("models", *folders[:2], "--out", folders[0], "--overwrite").code == 2


def test_what_cannot_be_compared_is_refused(folders: list[Path], tmp_path: Path, command: Command) -> None:
    same = command(
        "models", folders[0], folders[1], folders[0].parent / "." / "strong", "--out", tmp_path / "out"
    )
    assert same.code == 2 and "The audit 'strong' is given twice" in same.err
    assert len(same.err.strip().splitlines()) == 1
    one = command("models", folders[0], "--out", tmp_path / "out")
    assert one.code == 2 and "at least two audits, got 1" in one.err
    none = command("models", folders[0], tmp_path / "nothing", "--out", tmp_path / "out")
    assert none.code == 2 and "is not an audit" in none.err
    codes = np.arange(60) % 3
    save(vector_audit(planted_dataset(()), view(true_codes(), 1)), tmp_path / "whole")
    from stages import make_dataset

    other = make_dataset([("x", "y", "z")[c] for c in codes])
    save(vector_audit(other, view(codes, 1)), tmp_path / "other")
    two = command("models", tmp_path / "whole", tmp_path / "other", "--out", tmp_path / "out")
    assert two.code == 2 and "not of the same dataset" in two.err and len(two.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_equal_folder_names_are_told_apart_by_the_folder_above(tmp_path: Path, command: Command) -> None:
    dataset, codes = planted_dataset(WRONG), true_codes()
    for seed, above in enumerate(("may", "june")):
        save(vector_audit(dataset, view(codes, seed)), tmp_path / above / "audit")
    save(vector_audit(dataset, view(codes, 3)), tmp_path / "other")
    folders = (tmp_path / "may" / "audit", tmp_path / "june" / "audit", tmp_path / "other")
    said = json.loads(command("models", *folders, "--out", tmp_path / "out", "--json").out)
    assert [m["name"] for m in said["models"]] == ["toy (may/audit)", "toy (june/audit)", "toy (other)"]
