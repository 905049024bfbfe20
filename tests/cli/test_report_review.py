"""`auditor report` for reviewing: parts, blind pages with controls, earlier decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command import Command
from PIL import Image
from toy import toy_audit

from auditor.arrays import as_ids
from auditor.controls import draw_controls
from auditor.decisions import LABEL_CHECK, Decision, DecisionFile, write_decisions
from auditor.images import byte_digest
from auditor.results import Audit
from auditor.storage import save

CLASSES = ("bird", "cat", "dog")


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """A toy audit saved at tmp_path/audit, its pictures in tmp_path/pictures."""
    audit = toy_audit(150, CLASSES, findings={"mislabeled": 12, "leak": 2, "low_quality": 3})
    root = tmp_path / "pictures"
    for row, i in enumerate(audit.dataset.ids):
        (root / i).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (row, 90, 90)).save(root / i)
    judged = as_ids([byte_digest((root / i).read_bytes()) for i in audit.dataset.ids])
    facts = replace(audit.facts, byte_digest=judged)
    audit = replace(audit, dataset=replace(audit.dataset, root=root), facts=facts)
    save(audit, tmp_path / "audit")
    return audit


def review(audit: Audit, decisions: dict[str, tuple[str, str]], kind: str, path: Path) -> Path:
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    rows = tuple(Decision(i, digest[i], kind, d, label[i], to) for i, (d, to) in decisions.items())
    write_decisions(DecisionFile("", "r", audit.provenance.fingerprint, "Ann", "", rows), path)
    return path


def test_one_page_each_for_three_annotators(audit: Audit, command: Command, tmp_path: Path) -> None:
    done = command("report", tmp_path / "audit", "--parts", 3, "--overlap", "20%", "--json")
    assert done.code == 0, done.err
    pages = json.loads(done.out)["pages"]
    assert [Path(p["page"]).name for p in pages] == [f"report-{n}-of-3.html" for n in (1, 2, 3)]
    assert sum(p["questions"] for p in pages) == 17 + 2 * round(0.2 * 17)
    assert all(Path(p["page"]).stat().st_size == p["bytes"] for p in pages)


def test_controls_are_mixed_in_with_pictures_of_their_own(
    audit: Audit, command: Command, tmp_path: Path
) -> None:
    done = command("report", tmp_path / "audit", "--blind", "--controls", "7", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["questions"] == 17 + 7
    share = command("report", tmp_path / "audit", "--blind", "--controls", "50%", "--json")
    assert json.loads(share.out)["questions"] == 17 + 8
    for i in draw_controls(audit, 7, audit.provenance.seed)[:1]:
        (tmp_path / "pictures" / i).unlink()
    gone = command("report", tmp_path / "audit", "--blind", "--controls", "7")
    assert gone.code == 2
    assert "does not open" in gone.err and gone.err.count("\n") == 1
    # Nor is a control shown by another picture than the one whose label is asked about.
    Image.new("RGB", (40, 30), "red").save(tmp_path / "pictures" / i)
    changed = command("report", tmp_path / "audit", "--blind", "--controls", "7")
    assert changed.code == 2 and "(the file has changed)" in changed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--controls", "5"), "--blind"),
        (("--blind", "--controls", "many"), "--controls takes a number"),
        (("--overlap", "10%"), "--parts"),
        (("--parts", "3", "--overlap", "200%"), "--overlap takes a share"),
        (("--parts", "90"), "cannot be divided"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    arguments: tuple[str, ...], words: str, audit: Audit, command: Command, tmp_path: Path
) -> None:
    before = sorted(p.name for p in (tmp_path / "audit").iterdir())
    done = command("report", tmp_path / "audit", *arguments)
    assert done.code == 2
    assert words in done.err and done.err.count("\n") == 1
    assert sorted(p.name for p in (tmp_path / "audit").iterdir()) == before


def test_reviewed_controls_become_an_estimate_on_the_page(
    audit: Audit, command: Command, tmp_path: Path
) -> None:
    controls = draw_controls(audit, 20, audit.provenance.seed)
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    other = {i: next(c for c in CLASSES if c != label[i]) for i in label}
    said = dict.fromkeys(controls, ("keep", "")) | {controls[0]: ("relabel", other[controls[0]])}
    for finding in audit.findings:
        if finding.kind == "mislabeled":
            said |= {i: ("relabel", other[i]) for i in finding.ids}
    path = review(audit, said, LABEL_CHECK, tmp_path / "ann.json")
    done = command("report", tmp_path / "audit", "--decisions", path, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    flagged = sum(f.kind == "mislabeled" for f in audit.findings)
    low, high = document["interval"]
    assert low <= flagged + (150 - flagged) / 20 <= high
    assert flagged <= low <= document["estimate"] <= high
    assert "Reviewed controls put the wrong labels at" in Path(document["page"]).read_text("utf-8")


def test_decisions_that_do_not_belong_here_are_refused(
    audit: Audit, command: Command, tmp_path: Path
) -> None:
    i = audit.findings[0].ids[0]
    good = review(audit, {i: ("drop", "")}, audit.findings[0].kind, tmp_path / "good.json")
    document = json.loads(good.read_text("utf-8"))
    cases = {
        "other.json": {**document, "dataset_fingerprint": "0" * 64},
        "class.json": {
            **document,
            "decisions": [{**document["decisions"][0], "decision": "relabel", "to": "x"}],
        },
        "id.json": {**document, "decisions": [{**document["decisions"][0], "id": "nobody"}]},
    }
    page = tmp_path / "audit" / "report.html"
    for name, value in cases.items():
        (tmp_path / name).write_text(json.dumps(value), "utf-8")
    (tmp_path / "cut.json").write_text(json.dumps(document)[:-20], "utf-8")
    for name in [*cases, "cut.json"]:
        done = command("report", tmp_path / "audit", "--decisions", tmp_path / name)
        assert done.code == 2
        assert name in done.err and done.err.count("\n") == 1
        assert not page.exists()
    assert command("report", tmp_path / "audit", "--decisions", good).code == 0
