"""What a review found right is not asked again; nothing else is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from answers import decide, other_class, review
from toy import toy_audit

from auditor.arrays import as_ids
from auditor.decisions import LABEL_CHECK, Decision, DecisionFile, write_decisions
from auditor.errors import DataError
from auditor.results import KINDS, Audit, Evidence, Finding, Reviewed
from auditor.reviewed import Memory, leave_out_checked, read_memory

SINGLE = ("mislabeled", "ambiguous", "off_topic", "low_quality")
GROUPS = ("conflicting_duplicate", "leak", "duplicate")


def recall(audit: Audit, *files: DecisionFile) -> tuple[tuple[Finding, ...], Reviewed, str]:
    memory = Memory(files, tuple(f.name for f in files), ("0" * 64,) * len(files))
    return leave_out_checked(memory, audit.dataset, audit.facts, audit.findings)


def first(audit: Audit, kind: str) -> Finding:
    return next(f for f in audit.findings if f.kind == kind)


def gone(audit: Audit, *files: DecisionFile) -> set[str]:
    """Ids of the findings that these files leave out."""
    left = {f.finding_id for f in recall(audit, *files)[0]}
    return {f.finding_id for f in audit.findings} - left


def relabelled(audit: Audit, **labels: str) -> Audit:
    """The audit with other labels, as after a clean-up."""
    table = audit.dataset.table.copy()
    for sample, label in labels.items():
        table.loc[table["id"] == sample, "label"] = label
    return replace(audit, dataset=replace(audit.dataset, table=table))


def moved(audit: Audit, new_name: dict[str, str]) -> Audit:
    """The audit with other ids, as after the files were moved."""

    def names(ids: object) -> object:
        return as_ids([new_name.get(i, i) for i in ids])  # type: ignore[attr-defined]

    table = audit.dataset.table.assign(id=names(audit.dataset.ids))
    parts = ("facts", "embeddings", "neighbours", "duplicates", "probabilities", "scores", "map")
    changed = {p: replace(getattr(audit, p), ids=names(getattr(audit, p).ids)) for p in parts}
    findings = tuple(replace(f, ids=tuple(names(f.ids))) for f in audit.findings)  # type: ignore[arg-type]
    return replace(audit, dataset=replace(audit.dataset, table=table), findings=findings, **changed)


@pytest.mark.parametrize("kind", SINGLE)
def test_a_kept_sample_is_not_asked_about_again(kind: str) -> None:
    audit = toy_audit()
    finding = first(audit, kind)
    left, figures, sentence = recall(audit, review(audit, "a", [decide(audit, finding.ids[0], kind, "keep")]))
    assert {f.finding_id for f in audit.findings} - {f.finding_id for f in left} == {finding.finding_id}
    assert figures == Reviewed(("a.json",), ("0" * 64,), 1, 1, 0, 1, 1)
    assert sentence == (
        "Earlier reviews (1 file, 1 decision): 1 finding left out, checked before; "
        "every decision was matched to a sample."
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decision", ["drop", "unsure", "relabel"])
def test_other_answers_leave_the_question_open(kind: str, decision: str) -> None:
    audit = toy_audit()
    to = other_class(audit, first(audit, kind).ids[0]) if decision == "relabel" else ""
    rows = [decide(audit, i, kind, decision, to=to) for i in first(audit, kind).ids]
    assert gone(audit, review(audit, "a", [r for r in rows if r.given != to])) == set()


def test_an_unreadable_file_is_never_found_right() -> None:
    audit = toy_audit()
    sample = first(audit, "unreadable").ids[0]
    assert gone(audit, review(audit, "a", [decide(audit, sample, "unreadable", "keep")])) == set()


@pytest.mark.parametrize("asked", ["mislabeled", "ambiguous", LABEL_CHECK])
@pytest.mark.parametrize("flagged", ["mislabeled", "ambiguous"])
def test_a_checked_label_covers_every_question_about_it(asked: str, flagged: str) -> None:
    audit = toy_audit()
    finding = first(audit, flagged)
    file = review(audit, "a", [decide(audit, finding.ids[0], asked, "keep")])
    assert gone(audit, file) == {finding.finding_id}


@pytest.mark.parametrize("asked", ["off_topic", "low_quality", "duplicate", "leak", "conflicting_duplicate"])
def test_other_questions_do_not_cover_the_label(asked: str) -> None:
    audit = toy_audit()
    sample = first(audit, "mislabeled").ids[0]
    assert gone(audit, review(audit, "a", [decide(audit, sample, asked, "keep")])) == set()


def test_a_label_check_covers_no_other_question() -> None:
    audit = toy_audit()
    rows = [
        decide(audit, first(audit, kind).ids[0], LABEL_CHECK, "keep") for kind in ("off_topic", "low_quality")
    ]
    assert gone(audit, review(audit, "a", rows)) == set()


@pytest.mark.parametrize("kind", GROUPS)
def test_a_group_goes_when_every_member_was_checked(kind: str) -> None:
    audit = toy_audit()
    finding = first(audit, kind)
    rows = [decide(audit, i, kind, "keep") for i in finding.ids]
    assert len(rows) == 2
    for part in (rows[:1], rows[1:]):
        left, figures, _ = recall(audit, review(audit, "a", part))
        assert first(replace(audit, findings=left), kind).ids == finding.ids
        assert figures.left_out == figures.left_out_samples == 0
    left, figures, _ = recall(audit, review(audit, "a", rows))
    assert kind not in {f.kind for f in left}
    assert (figures.left_out, figures.left_out_samples) == (1, 2)


def test_checked_samples_are_taken_out_of_a_finding_about_several() -> None:
    audit = toy_audit()
    one, two, three = [f.ids[0] for f in audit.findings if f.kind == "mislabeled"][:3]
    shared = Finding("x", "mislabeled", 1, (one, two, three), 0.1, "why", "dog", Evidence())
    audit = replace(audit, findings=(shared,))
    rows = [decide(audit, i, "mislabeled", "keep") for i in (one, three)]
    left, figures, _ = recall(audit, review(audit, "a", rows))
    assert [f.ids for f in left] == [(two,)]
    assert (figures.left_out, figures.left_out_samples) == (0, 2)


def test_ranks_are_counted_anew_and_the_order_stays() -> None:
    audit = toy_audit()
    wrong = [f for f in audit.findings if f.kind == "mislabeled"]
    file = review(audit, "a", [decide(audit, f.ids[0], "mislabeled", "keep") for f in (wrong[0], wrong[2])])
    left, _, _ = recall(audit, file)
    assert [(f.finding_id, f.rank) for f in left if f.kind == "mislabeled"] == [
        (wrong[n].finding_id, rank) for rank, n in enumerate((1, 3, 4, 5), start=1)
    ]
    others = [f for f in audit.findings if f.kind != "mislabeled"]
    assert [f for f in left if f.kind != "mislabeled"] == others


def test_a_label_that_changed_after_the_check_is_asked_about_again() -> None:
    audit = toy_audit()
    sample = first(audit, "mislabeled").ids[0]
    file = review(audit, "a", [decide(audit, sample, "mislabeled", "keep")])
    assert gone(relabelled(audit, **{sample: other_class(audit, sample)}), file) == set()


def test_a_relabel_counts_once_it_was_done() -> None:
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    sample, to = finding.ids[0], other_class(audit, finding.ids[0])
    file = review(audit, "a", [decide(audit, sample, "mislabeled", "relabel", to=to)])
    assert gone(audit, file) == set()
    assert gone(relabelled(audit, **{sample: to}), file) == {finding.finding_id}


def test_a_picture_kept_for_its_quality_keeps_under_the_label_of_the_same_review() -> None:
    audit = toy_audit()
    finding = first(audit, "low_quality")
    sample, to = finding.ids[0], other_class(audit, finding.ids[0])
    quality = decide(audit, sample, "low_quality", "keep")
    label = decide(audit, sample, "mislabeled", "relabel", to=to)
    after = relabelled(audit, **{sample: to})
    assert gone(after, review(audit, "a", [quality, label])) == {finding.finding_id}
    assert gone(after, review(audit, "a", [quality])) == set()


def test_the_latest_decision_counts_over_files_and_questions() -> None:
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    early = decide(audit, finding.ids[0], "mislabeled", "keep", time="2026-01-01T00:00:00Z")
    late = decide(audit, finding.ids[0], LABEL_CHECK, "drop", time="2026-02-01T00:00:00Z")
    one, two = review(audit, "a", [early]), review(audit, "a", [late])
    assert gone(audit, one) == {finding.finding_id}
    assert gone(audit, one, two) == gone(audit, two, one) == set()


@pytest.mark.parametrize(
    ("answers", "settled"),
    [
        (("keep", "drop"), False),
        (("keep", "keep", "drop"), True),
        (("keep", "drop", "drop"), False),
        (("keep", "unsure"), True),
        (("keep", "unsure", "drop"), False),
        (("unsure",), False),
        (("keep", "keep", "drop", "drop"), False),
    ],
)
def test_annotators_who_disagree_leave_nothing_out(answers: tuple[str, ...], settled: bool) -> None:
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    files = [
        review(audit, f"annotator {n}", [decide(audit, finding.ids[0], "mislabeled", said)])
        for n, said in enumerate(answers)
    ]
    assert gone(audit, *files) == ({finding.finding_id} if settled else set())


def test_who_relabels_and_who_keeps_afterwards_agree() -> None:
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    sample, to = finding.ids[0], other_class(audit, finding.ids[0])
    after = relabelled(audit, **{sample: to})
    before = review(audit, "a", [decide(audit, sample, "mislabeled", "relabel", to=to)])
    kept = review(audit, "b", [decide(audit, sample, "mislabeled", "keep")])
    again = replace(review(after, "b", [decide(after, sample, "ambiguous", "keep")]), fingerprint="e" * 64)
    assert gone(after, before, again) == {finding.finding_id}
    assert gone(after, before, kept) == set()


# --- Copies and moved files


def rose_and_tulip() -> Audit:
    """One picture under two labels, and findings of each kind about either copy."""
    audit = toy_audit(classes=("rose", "tulip"), findings={"conflicting_duplicate": 1})
    rose, tulip = sorted(audit.findings[0].ids)
    assert (rose.split("/")[0], tulip.split("/")[0]) == ("rose", "tulip")
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    assert digest[rose] == digest[tulip]
    about = [
        Finding(f"{kind} {n}", kind, n, (sample,), 0.1, "why", "", Evidence())
        for kind in SINGLE
        for n, sample in enumerate((rose, tulip), start=1)
    ]
    return replace(audit, findings=(*audit.findings, *about))


@pytest.mark.parametrize("kind", [*SINGLE, LABEL_CHECK])
@pytest.mark.parametrize("copy", [0, 1])
def test_a_decision_on_one_copy_never_absolves_the_other(kind: str, copy: int) -> None:
    audit = rose_and_tulip()
    pair = sorted(audit.findings[0].ids)
    file = review(audit, "a", [decide(audit, pair[copy], kind, "keep")])
    left, _, _ = recall(audit, file)
    other = {f.finding_id for f in audit.findings if pair[1 - copy] in f.ids}
    assert other <= {f.finding_id for f in left}
    assert gone(audit, file)


@pytest.mark.parametrize("copy", [0, 1])
def test_moved_copies_stay_apart(copy: int) -> None:
    audit = rose_and_tulip()
    pair = sorted(audit.findings[0].ids)
    file = review(audit, "a", [decide(audit, pair[copy], "mislabeled", "keep")])
    after = moved(audit, {pair[0]: "new/1.png", pair[1]: "new/2.png"})
    assert gone(after, file) == {f"mislabeled {copy + 1}", f"ambiguous {copy + 1}"}


@pytest.mark.parametrize("kind", [*SINGLE, LABEL_CHECK])
def test_a_copy_that_is_alone_now_is_not_absolved_by_the_one_that_went(kind: str) -> None:
    audit = rose_and_tulip()
    rose, tulip = sorted(audit.findings[0].ids)
    file = review(audit, "a", [decide(audit, tulip, kind, "keep")])
    keep = audit.dataset.ids != tulip
    dataset = replace(audit.dataset, table=audit.dataset.table[keep].reset_index(drop=True))
    facts = audit.facts
    rows = {n: v[keep] for n, v in vars(facts).items() if hasattr(v, "dtype")}
    quality = {n: v[keep] for n, v in facts.quality.items()}
    findings = [f for f in audit.findings if f.ids == (rose,)]
    left, figures, _ = leave_out_checked(
        Memory((file,), ("a.json",), ("0" * 64,)), dataset, replace(facts, **rows, quality=quality), findings
    )
    assert len(left) == len(findings)
    assert figures.left_out == 0


def test_a_moved_file_is_found_by_its_picture() -> None:
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    file = review(audit, "a", [decide(audit, finding.ids[0], "mislabeled", "keep")])
    assert gone(moved(audit, {finding.ids[0]: "elsewhere/=1+1.png"}), file) == {finding.finding_id}


def test_another_picture_of_the_same_name_was_not_checked() -> None:
    audit = toy_audit()
    sample = first(audit, "mislabeled").ids[0]
    row = replace(decide(audit, sample, "mislabeled", "keep"), digest="d" * 64)
    left, figures, sentence = recall(audit, review(audit, "a", [row]))
    assert len(left) == len(audit.findings)
    assert (figures.matched, figures.unmatched) == (0, 1)
    assert f"1 decision could not be matched to a sample: {sample!r}." in sentence


def test_versions_are_matched_apart() -> None:
    """One picture has another name in every version; each file names it as its version did."""
    audit = toy_audit()
    finding = first(audit, "mislabeled")
    earlier = [moved(audit, {finding.ids[0]: name}) for name in ("v1.png", "v2.png")]
    files = [
        replace(review(a, who, [decide(a, name, "mislabeled", "keep")]), fingerprint=name)
        for a, who, name in zip(earlier, "ab", ("v1.png", "v2.png"), strict=True)
    ]
    left, figures, _ = recall(audit, *files)
    assert (figures.decisions, figures.matched, figures.left_out) == (2, 2, 1)
    assert finding.finding_id not in {f.finding_id for f in left}


def test_the_sentence_names_three_of_those_it_could_not_match() -> None:
    audit = toy_audit()
    names = ["one\n.png", "=1+1", "</script>", "x" * 300, "last"]
    rows = [Decision(i, f"unknown {i}", "mislabeled", "keep", "cat") for i in names[:4]]
    rows.append(Decision("last", "unknown", "low_quality", "drop", "cat"))
    _, figures, sentence = recall(audit, review(audit, "a", rows), review(audit, "b", []))
    assert (figures.decisions, figures.matched, figures.unmatched) == (5, 0, 5)
    assert sentence == (
        "Earlier reviews (2 files, 5 decisions): no finding left out; 5 decisions could not be matched to "
        r"a sample (1 of them drop it): 'one\n.png', '=1+1', '</script>' and 2 more."
    )
    dropped = [Decision(f"gone {n}", f"gone {n}", "low_quality", "drop", "cat") for n in range(9)]
    assert (
        "(9 of them drop it): 'last', 'gone 0'"
        in recall(audit, review(audit, "a", [*dropped, replace(rows[4], decision="keep")]))[2]
    )
    long = recall(audit, review(audit, "a", rows[3:4]))[2]
    assert "x" * 81 not in long


# --- Files


def test_files_are_remembered_by_their_content(tmp_path: Path) -> None:
    audit = toy_audit()
    file = review(audit, "a", [decide(audit, first(audit, "mislabeled").ids[0], "mislabeled", "keep")])
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write_decisions(file, tmp_path / folder / "a.json")
    one, two = read_memory([tmp_path / "x" / "a.json"]), read_memory([tmp_path / "y" / "a.json"])
    assert one == two
    assert one.files[0].decisions == file.decisions
    assert one.names == ("a.json",)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^none\.json cannot be read: No such file"):
        read_memory([tmp_path / "none.json"])
