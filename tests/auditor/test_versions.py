"""Two audits of one dataset compared: what they must have in common, and what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answers import decide, other_class, review
from two_versions import CLASSES, Rows, audit_rows, fruit

import auditor
from auditor.comparisons.verdicts import CONSISTENT, IMPROVED, NO_CHANGE, WORSE
from auditor.comparisons.versions import CompareOptions, compare_versions
from auditor.comparisons.versions_document import ledger_frame, versions_document
from auditor.decisions import DecisionFile, write_decisions
from auditor.errors import AuditError, DataError, UsageError
from auditor.results import Audit, Thresholds


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Audit, Audit]:
    folder = tmp_path_factory.mktemp("versions")
    broken, right = fruit()
    audits = [
        auditor.load(audit_rows(rows, folder / name)) for name, rows in (("before", broken), ("after", right))
    ]
    return audits[0], audits[1]


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The repaired version without ten samples, one of the others moved, one new."""
    _, right = fruit()
    kept = right.where(np.arange(len(right.table)) >= 10)
    table = kept.table.copy()
    table.loc[0, ["id", "path"]] = "moved/elsewhere.png"
    table.loc[1, ["id", "path"]] = "new.png"
    vectors = kept.vectors.copy()
    vectors[1] = np.roll(vectors[1], 1)
    return auditor.load(audit_rows(Rows(table, vectors), tmp_path_factory.mktemp("fewer") / "a"))


def test_an_audit_beside_itself_shows_nothing(both: tuple[Audit, Audit]) -> None:
    found = compare_versions(both[0], both[0], CompareOptions(holdout="test"))
    assert found.verdict == NO_CHANGE
    assert found.ledger.changes() == ()
    assert found.gain.estimate == found.standing.knn_change.estimate == 0.0
    assert found.p_value == pytest.approx(0.5)
    assert {c.word for c in found.standing.classes} == {"no clear change"}
    assert np.array_equal(found.after_map.positions, both[0].map.positions)


def test_a_repair_is_found_and_its_undoing_is_worse(both: tuple[Audit, Audit]) -> None:
    before, after = both
    there = compare_versions(before, after, CompareOptions(holdout="test"))
    back = compare_versions(after, before, CompareOptions(holdout="test"))
    assert (there.verdict, back.verdict) == (IMPROVED, WORSE)
    assert there.gain.estimate == pytest.approx(-back.gain.estimate, rel=1e-5)
    one, two = there.ledger.counts(), back.ledger.counts()
    assert one["relabelled"] == two["relabelled"] == 20
    assert (one["fixed"], one["newly flagged"]) == (two["newly flagged"], two["fixed"])
    assert one["fixed"] >= 15
    assert there.standing.common.knn_accuracy == back.standing.common.knn_accuracy[::-1]
    assert there.standing.all.probe_accuracy == back.standing.all.probe_accuracy[::-1]


def test_without_independent_evidence_nothing_is_called_improved(both: tuple[Audit, Audit]) -> None:
    found = compare_versions(*both)
    assert found.held is None
    assert found.verdict in (CONSISTENT, NO_CHANGE)
    assert 0 < found.p_value <= 1


def test_every_sample_has_its_place_in_the_ledger(both: tuple[Audit, Audit], fewer: Audit) -> None:
    before, _ = both
    found = compare_versions(before, fewer)
    counts = found.ledger.counts()
    assert (counts["removed"], counts["added"]) == (11, 1)
    moved = next(e for e in found.ledger.entries if e.id_after == "moved/elsewhere.png")
    assert moved.id_before == before.dataset.ids[10]
    assert moved.change in ("", "relabelled")
    frame = ledger_frame(found)
    assert sorted(i for i in frame["id_before"] if i) == sorted(before.dataset.ids)
    assert sorted(i for i in frame["id_after"] if i) == sorted(fewer.dataset.ids)
    assert len(found.after_map.ids) == len(fewer.embeddings.ids)


def test_the_two_audits_see_the_same_bars(both: tuple[Audit, Audit]) -> None:
    before, after = both
    strict = replace(after, thresholds=Thresholds(mislabeled_quality=0.9), findings=())
    usual, judged = compare_versions(before, after), compare_versions(before, strict)
    assert judged.ledger == usual.ledger
    assert any("thresholds" in note for note in judged.notes)


def test_what_was_checked_is_not_called_fixed(both: tuple[Audit, Audit], tmp_path: Path) -> None:
    before, _ = both
    keeps = [decide(before, f.ids[0], f.kind, "keep") for f in before.findings if f.kind == "mislabeled"]
    file = tmp_path / "keeps.json"
    write_decisions(review(before, "ann", keeps), file)
    broken, _ = fruit()
    folder = tmp_path / "again"
    audit_rows(broken, folder)
    dataset = auditor.read_dataset(folder / "manifest.csv", auditor.ReadOptions(images=False))
    settings = auditor.AuditSettings(features=folder / "vectors.npy", reviewed=(file,))
    after = auditor.run_audit(dataset, settings)
    assert not [f for f in after.findings if f.kind == "mislabeled"]
    counts = compare_versions(before, after).ledger.counts()
    assert counts["fixed"] == 0
    assert counts["checked"] == len(keeps) > 0


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("layer", "layer3", "layer .*same way"),
        ("precision", "bf16", "precision .*same way"),
        ("weights_sha256", "f" * 64, "weights sha256 .*--like"),
        ("name", "resnet50", "name .*same way"),
    ],
)
def test_other_vectors_are_refused(both: tuple[Audit, Audit], field: str, value: str, word: str) -> None:
    before, after = both
    backbone = replace(after.embeddings.backbone, **{field: value})
    other = replace(after, embeddings=replace(after.embeddings, backbone=backbone))
    with pytest.raises(UsageError, match=f"differ in {word}"):
        compare_versions(before, other)


def test_other_data_are_refused(both: tuple[Audit, Audit], tmp_path: Path) -> None:
    rows, _ = fruit(60, 2, seed=9)
    table = rows.table.copy()
    table["id"] = table["path"] = ["x" + i for i in table["id"]]
    other = auditor.load(audit_rows(Rows(table, rows.vectors), tmp_path / "o"))
    with pytest.raises(DataError, match="no picture in common"):
        compare_versions(both[0], other)


def test_a_split_that_cannot_be_held_out_is_refused(both: tuple[Audit, Audit]) -> None:
    with pytest.raises(UsageError, match=r"no split 'val'.*'test', 'train'"):
        compare_versions(*both, CompareOptions(holdout="val"))


def test_the_same_backbone_is_no_second_opinion(both: tuple[Audit, Audit], fewer: Audit) -> None:
    with pytest.raises(UsageError, match="no second opinion"):
        compare_versions(*both, CompareOptions(second=both))
    with pytest.raises(UsageError, match="later audit is of another version"):
        compare_versions(*both, CompareOptions(second=(both[0], fewer)))


def test_another_backbone_supports_the_change(both: tuple[Audit, Audit], tmp_path: Path) -> None:
    broken, right = fruit()
    # Other vectors of the same samples: turned, and without their last dimensions.
    second = [
        auditor.load(audit_rows(Rows(rows.table, rows.vectors[:, :9]), tmp_path / name))
        for name, rows in (("b", broken), ("a", right))
    ]
    options = CompareOptions(holdout="test", second=(second[0], second[1]))
    found = compare_versions(*both, options)
    assert found.support is not None
    assert found.support.agrees is True
    assert found.verdict == compare_versions(*both, CompareOptions(holdout="test")).verdict


def blind(audit: Audit, truth: dict[str, str], controls: int, first: str = "keep") -> DecisionFile:
    """A blind review by somebody who knows the truth: of the flagged labels and of some random ones."""
    flagged = [f.ids[0] for f in audit.findings if f.kind in ("mislabeled", "ambiguous")]
    named = {i for f in audit.findings for i in f.ids}
    drawn = [i for i in audit.dataset.ids if i not in named][:controls]
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    rows = []
    for i in (*flagged, *drawn):
        wrong = truth[i] != label[i]
        said = {"to": truth[i]} if wrong else {}
        answer = "relabel" if wrong else "keep"
        first_to = said.get("to", "")
        more = {"first_decision": answer, "first_to": first_to} if first else {}
        rows.append(decide(audit, i, "label_check", answer, **said, **more))
    return review(audit, "ann", rows)


def test_a_blind_review_can_show_an_improvement(both: tuple[Audit, Audit]) -> None:
    before, after = both
    truth = dict(zip(after.dataset.ids, after.dataset.table["label"], strict=True))
    found = compare_versions(before, after, CompareOptions(reviews=(blind(before, truth, 40),)))
    assert found.review is not None
    assert found.verdict == IMPROVED
    assert found.review.mended > found.review.broken + found.review.unreviewed
    assert found.review.flagged_wrong > 5 > found.review.controls_wrong


@pytest.mark.parametrize(
    ("controls", "first", "match"), [(0, "keep", "No control"), (40, "", "not given blind")]
)
def test_a_review_that_proves_nothing_is_refused(
    both: tuple[Audit, Audit], controls: int, first: str, match: str
) -> None:
    before, after = both
    truth = dict(zip(after.dataset.ids, after.dataset.table["label"], strict=True))
    with pytest.raises(DataError, match=match):
        compare_versions(before, after, CompareOptions(reviews=(blind(before, truth, controls, first),)))


def test_what_was_said_after_the_suggestion_is_no_evidence(both: tuple[Audit, Audit]) -> None:
    """Blind, everything was kept; only the suggestion changed the reviewer's mind."""
    before, after = both
    truth = dict(zip(after.dataset.ids, after.dataset.table["label"], strict=True))
    seen = blind(before, truth, 40)
    kept = replace(
        seen, decisions=tuple(replace(d, first_decision="keep", first_to="") for d in seen.decisions)
    )
    found = compare_versions(before, after, CompareOptions(reviews=(kept,)))
    assert found.review is not None
    assert found.review.flagged_wrong == found.review.controls_wrong == 0
    assert found.verdict != IMPROVED


def test_removing_what_nobody_looked_at_spoils_the_review(both: tuple[Audit, Audit], fewer: Audit) -> None:
    before, after = both
    truth = dict(zip(after.dataset.ids, after.dataset.table["label"], strict=True))
    found = compare_versions(before, fewer, CompareOptions(reviews=(blind(before, truth, 40),)))
    assert found.review is not None
    assert found.review.unreviewed > 0


def test_merging_two_classes_is_no_improvement(both: tuple[Audit, Audit], tmp_path: Path) -> None:
    _, right = fruit()
    merged = right.table.assign(label=right.table["label"].replace("plum", "pear"))
    after = auditor.load(audit_rows(Rows(merged, right.vectors), tmp_path / "merged"))
    found = compare_versions(both[1], after, CompareOptions(holdout="test"))
    assert found.verdict == NO_CHANGE
    assert any("plum" in note for note in found.notes)


def test_new_pictures_are_no_evidence(both: tuple[Audit, Audit], fewer: Audit) -> None:
    found = compare_versions(fewer, both[1], CompareOptions(holdout="test"))
    assert found.ledger.counts()["added"] > 0
    assert found.gain.estimate == pytest.approx(0.0, abs=0.02)
    assert found.verdict != IMPROVED


def test_versions_without_a_common_class_are_refused(both: tuple[Audit, Audit], tmp_path: Path) -> None:
    broken, _ = fruit()
    renamed = broken.table.assign(label="new " + broken.table["label"])
    after = auditor.load(audit_rows(Rows(renamed, broken.vectors), tmp_path / "renamed"))
    with pytest.raises(DataError, match="no class in common"):
        compare_versions(both[0], after)


def test_other_features_of_the_same_width_are_a_second_opinion(
    both: tuple[Audit, Audit], tmp_path: Path
) -> None:
    turned = [Rows(rows.table, np.roll(rows.vectors, 3, axis=1) ** 2) for rows in fruit()]
    second = [auditor.load(audit_rows(rows, tmp_path / str(n))) for n, rows in enumerate(turned)]
    found = compare_versions(*both, CompareOptions(holdout="test", second=(second[0], second[1])))
    assert found.support is not None


def test_a_review_that_was_not_followed_shows_no_improvement(both: tuple[Audit, Audit]) -> None:
    before, _ = both
    truth = dict(zip(both[1].dataset.ids, both[1].dataset.table["label"], strict=True))
    found = compare_versions(before, before, CompareOptions(reviews=(blind(before, truth, 40),)))
    assert found.verdict == NO_CHANGE


def test_a_careless_review_is_no_evidence(both: tuple[Audit, Audit]) -> None:
    """Somebody who relabels whatever is asked finds random labels wrong as often as flagged ones."""
    before, after = both
    wrong = {i: other_class(before, i) for i in before.dataset.ids}
    found = compare_versions(before, after, CompareOptions(reviews=(blind(before, wrong, 40),)))
    assert found.review is not None
    assert found.review.p_value > 0.05
    assert found.review.verdict == ""


def test_the_document_is_plain_json_and_the_same_every_time(both: tuple[Audit, Audit]) -> None:
    options = CompareOptions(holdout="test", seed=3)
    texts = [
        json.dumps(versions_document(compare_versions(*both, options)), allow_nan=False) for _ in range(2)
    ]
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    assert document["kind"] == "versions"
    assert document["interval"][0] < document["estimate"] < document["interval"][1]
    assert [c["name"] for c in document["per_class"]] == list(CLASSES)
    assert document["ledger"]["relabelled"] == 20


def test_errors_are_one_sentence(both: tuple[Audit, Audit]) -> None:
    with pytest.raises(AuditError) as caught:
        compare_versions(*both, CompareOptions(holdout="none"))
    assert "\n" not in str(caught.value)
