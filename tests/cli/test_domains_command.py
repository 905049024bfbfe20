"""`auditor domains`: the folder, the summary, JSON, and every wrong request in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from planted_domains import audit_of, planted
from stages import make_dataset

from auditor.storage import save


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    vectors, codes, domains = planted("global shift", each=35)
    save(audit_of(make_dataset(codes, domain=domains, split=domains[::-1]), vectors), tmp_path / "audit")
    return tmp_path / "audit"


def test_summary_page_and_document(command: Command, audit: Path, tmp_path: Path) -> None:
    done = command("domains", audit, "--train", "A", "--test", "B", "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "What is learned on A does not hold on B."
    assert lines[-1] == f"Page      {tmp_path / 'out' / 'report.html'}"
    assert any(line.startswith("  global shift      0 as 1: ") for line in lines)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"comparison.json", "report.html"}


def test_json_is_the_document(command: Command, audit: Path, tmp_path: Path) -> None:
    words = ["domains", audit, "--train", "A", "--test", "B", "--out", tmp_path / "out", "--json"]
    printed = json.loads(command(*words).out)
    written = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert printed == {**written, "page": str(tmp_path / "out" / "report.html")}
    assert (written["kind"], written["verdict"]) == ("domains", "does not hold")
    again = command(*words, "--overwrite")
    assert json.loads(again.out) == printed


def test_quiet_and_overwrite(command: Command, audit: Path, tmp_path: Path) -> None:
    words = ["domains", audit, "--train", "A", "--test", "B", "--out", tmp_path / "out", "-q"]
    assert (command(*words).code, command(*words).code) == (0, 2)
    done = command(*words, "--overwrite", "--seed", "3")
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("A", "A", "'A' was given twice"),
        ("A", "sketch", "has the domains 'A', 'B' and the splits 'A', 'B'"),
    ],
)
def test_wrong_names(train: str, test: str, said: str, command: Command, audit: Path, tmp_path: Path) -> None:
    done = command("domains", audit, "--train", train, "--test", test, "--out", tmp_path / "out")
    assert (done.code, said in done.err, "Traceback" in done.err) == (2, True, False)
    assert not (tmp_path / "out").exists()


def test_no_audit_and_a_seed_out_of_range(command: Command, audit: Path, tmp_path: Path) -> None:
    done = command("domains", tmp_path, "--train", "A", "--test", "B", "--out", tmp_path / "out")
    assert (done.code, "is not an audit" in done.err) == (2, True)
    done = command("domains", audit, "--train", "A", "--test", "B", "--seed", "-1", "--out", tmp_path / "out")
    assert (done.code, "seed must be from 0" in done.err) == (2, True)
