"""The pipeline as a whole, with a toy encoder that needs no weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import Colours, class_vectors, make_folders, make_manifest, write_picture

import auditor
from auditor.audit import count_label_errors
from auditor.errors import DataError, UsageError
from auditor.neighbours import find_neighbours
from auditor.results import KINDS, Audit, Finding, Neighbours, Thresholds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_folders(tmp_path_factory.mktemp("photos") / "photos", each=12)
    (root / "rings" / "broken.png").write_bytes(b"no picture")
    (root / "rings" / "copy.png").write_bytes((root / "rings" / "0.png").read_bytes())
    (root / "waves" / "filed wrongly.png").write_bytes((root / "rings" / "1.png").read_bytes())
    return root


@pytest.fixture(scope="module")
def audit(folder: Path) -> Audit:
    return auditor.run_audit(auditor.read_dataset(folder), encoder=Colours())


def kinds_of(audit: Audit) -> dict[str, set[str]]:
    return {kind: {i for f in audit.findings if f.kind == kind for i in f.ids} for kind in KINDS}


def test_finds_what_is_certain(audit: Audit) -> None:
    found = kinds_of(audit)
    assert found["unreadable"] == {"rings/broken.png"}
    assert found["duplicate"] == {"rings/0.png", "rings/copy.png"}
    assert found["conflicting_duplicate"] == {"rings/1.png", "waves/filed wrongly.png"}


def test_findings_stand_by_kind_and_rank(audit: Audit) -> None:
    assert [KINDS.index(f.kind) for f in audit.findings] == sorted(
        KINDS.index(f.kind) for f in audit.findings
    )
    for kind, count in Counter(f.kind for f in audit.findings).items():
        assert [f.rank for f in audit.findings if f.kind == kind] == list(range(1, count + 1))
    assert len({f.finding_id for f in audit.findings}) == len(audit.findings)


def test_every_stage_is_timed_and_told(folder: Path) -> None:
    told: list[str] = []

    def listen(stage: str, done: int, total: int) -> None:
        told.append(stage)

    made = auditor.run_audit(auditor.read_dataset(folder), encoder=Colours(), progress=listen)
    timed = list(made.provenance.timings)
    assert timed == list(dict.fromkeys(stage for stage in told if stage in timed))
    assert {"embed", "neighbours", "probabilities", "findings", "map"} <= set(told)


def test_progress_counts_up_to_its_total_in_every_stage(tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def listen(stage: str, done: int, total: int) -> None:
        told.setdefault(stage, []).append((done, total))

    manifest = make_manifest(tmp_path / "labels.csv", 240)
    vectors = class_vectors(240)
    vectors[[0, 1, 6, 7]] = vectors[[1, 0, 7, 6]]  # four wrong labels
    np.save(tmp_path / "v.npy", vectors)
    dataset = auditor.read_dataset(manifest, auditor.ReadOptions(images=False))
    settings = auditor.AuditSettings(features=tmp_path / "v.npy")
    made = auditor.run_audit(dataset, settings, progress=listen)
    auditor.save(made, tmp_path / "out", listen)
    assert set(told) >= {*made.provenance.timings, "fingerprint", "save"}
    for stage, calls in told.items():
        counted = [(done, total) for done, total in calls if total]
        assert all(0 <= done <= total for done, total in counted), (stage, counted)
        assert [done for done, _ in counted] == sorted(done for done, _ in counted), (stage, counted)
        assert counted[-1][0] == counted[-1][1], stage
        assert len({total for _, total in counted}) == 1, stage
    for stage in ("embed", "neighbours", "probabilities", "findings", "separation", "map", "save"):
        assert any(total > 1 for _, total in told[stage]), f"{stage} never counts"


def test_report_id_tells_settings_and_data_apart(folder: Path, audit: Audit) -> None:
    dataset = auditor.read_dataset(folder)

    def report_id(settings: auditor.AuditSettings) -> str:
        return auditor.run_audit(dataset, settings, encoder=Colours()).provenance.report_id

    assert report_id(auditor.AuditSettings()) == audit.provenance.report_id
    assert report_id(auditor.AuditSettings(workers=1)) == audit.provenance.report_id
    assert report_id(auditor.AuditSettings(seed=1)) != audit.provenance.report_id
    stricter = auditor.AuditSettings(thresholds=replace(Thresholds(), mislabeled_quality=0.01))
    assert report_id(stricter) != audit.provenance.report_id


def test_fewer_than_two_classes_of_independent_pictures(tmp_path: Path) -> None:
    make_folders(tmp_path, classes=("rings",))
    for number in range(5):
        write_picture(tmp_path / "steps" / f"{number}.png", 1, 0)
    with pytest.raises(DataError, match="copies count once"):
        auditor.run_audit(auditor.read_dataset(tmp_path), encoder=Colours())


def test_small_classes_are_named_and_not_flagged(tmp_path: Path) -> None:
    make_folders(tmp_path)
    write_picture(tmp_path / "lonely" / "1.png", 2, 50)
    audit = auditor.run_audit(auditor.read_dataset(tmp_path), encoder=Colours())
    assert [w for w in audit.provenance.warnings if w.endswith("the labels of 1 class: lonely.")], (
        audit.provenance.warnings
    )
    assert "lonely/1.png" not in kinds_of(audit)["mislabeled"]


def test_a_search_that_found_too_little_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for recall, told in ((0.951, False), (0.93, True)):

        def search(*given: Any, recall: float = recall, **more: Any) -> Neighbours:
            return replace(find_neighbours(*given, **more), recall=recall)

        monkeypatch.setattr("auditor.audit.find_neighbours", search)
        made = auditor.run_audit(auditor.read_dataset(folder), encoder=Colours())
        assert any("93.0% of the nearest" in w for w in made.provenance.warnings) == told


def test_settings_that_exclude_each_other(folder: Path) -> None:
    dataset = auditor.read_dataset(folder)
    for settings in (
        auditor.AuditSettings(features=Path("v.npy"), weights=Path("w.pth")),
        auditor.AuditSettings(features_ids=Path("ids.txt")),
        auditor.AuditSettings(batch_size=0),
        auditor.AuditSettings(workers=-1),
    ):
        with pytest.raises(UsageError):
            auditor.run_audit(dataset, settings, encoder=Colours())


def test_flagged_labels_and_the_upper_indication(audit: Audit) -> None:
    findings = tuple(
        Finding(
            finding_id=f"f{rank}",
            kind="mislabeled",
            rank=rank,
            ids=(f"{rank}.png",),
            score=rank / 100,
            reason="",
        )
        for rank in range(1, 26)
    )
    assert count_label_errors(findings, audit.scores).flagged == 25
    joint = audit.scores.confident_joint
    assert count_label_errors((), audit.scores).upper_indication == joint.sum() - np.diag(joint).sum()
