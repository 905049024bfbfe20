"""What becomes of every sample: decisions, conflicts, and what needs no judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from toy import toy_audit

from auditor.arrays import as_ids
from auditor.decisions import Decision, DecisionFile
from auditor.errors import UsageError
from auditor.merging import merge_answers, merge_outcomes
from auditor.results import Audit, Evidence, Finding
from auditor.version_plan import CleanOptions, PlanRow, VersionPlan, contested, make_plan


def decide(audit: Audit, sample: str, kind: str, decision: str, to: str = "", note: str = "") -> Decision:
    row = audit.dataset.ids.tolist().index(sample)
    label = audit.dataset.table["label"].iloc[row]
    return Decision(sample, audit.facts.digest[row], kind, decision, label, to, note)


def sent(audit: Audit, who: str, *decisions: Decision) -> DecisionFile:
    mark = audit.provenance
    return DecisionFile(f"{who}.json", mark.report_id, mark.fingerprint, who, "", decisions)


def plan(audit: Audit, *files: DecisionFile, auto: str = "", on_conflict: str = "keep") -> VersionPlan:
    options = CleanOptions(on_conflict, tuple(auto.split()))
    return make_plan(audit, merge_outcomes(merge_answers(files, audit)), options)


def rows(made: VersionPlan) -> Mapping[str, PlanRow]:
    return {row.id: row for row in made.rows}


def finding(audit: Audit, kind: str) -> Finding:
    return next(f for f in audit.findings if f.kind == kind)


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(n=60)


def test_no_decisions_change_nothing(audit: Audit) -> None:
    made = plan(audit)
    assert [row.id for row in made.rows] == audit.dataset.ids.tolist()
    assert [row.label_after for row in made.rows] == audit.dataset.table["label"].tolist()
    assert not made.changed()
    flagged = {i for f in audit.findings for i in f.ids}
    assert {row.id for row in made.rows if row.cause == "not decided"} == flagged
    assert made.counts()["not_asked"] == 60 - len(flagged)


def test_exactly_the_decided_labels_change(audit: Audit) -> None:
    wrong, other, odd = [f.ids[0] for f in audit.findings if f.kind in ("mislabeled", "off_topic")][:3]
    to = {i: finding(audit, "mislabeled").suggested_label for i in (wrong,)}
    made = plan(
        audit,
        sent(
            audit, "ana",
            decide(audit, wrong, "mislabeled", "relabel", to[wrong], "clear"),
            decide(audit, other, "mislabeled", "keep"),
            decide(audit, odd, "mislabeled", "drop"),
        ),
    )  # fmt: skip
    before = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    changed = {i: (r.action, r.label_after) for i, r in rows(made).items() if r.label_after != before[i]}
    assert changed == {wrong: ("relabelled", to[wrong]), odd: ("dropped", "")}
    row = rows(made)[wrong]
    assert (row.cause, row.annotators, row.note) == ("mislabeled", ("ana",), "clear")
    assert row.why == f"mislabeled: relabel to {to[wrong]} (ana)"
    assert made.relabelled() == [(before[wrong], to[wrong], 1)]
    assert made.dropped() == [("mislabeled", 1)]
    assert made.counts()["confirmed"] == 1


def test_dropping_one_copy_of_a_pair_with_two_labels_leaves_the_other(audit: Audit) -> None:
    rose, tulip = finding(audit, "conflicting_duplicate").ids
    made = rows(plan(audit, sent(audit, "ana", decide(audit, tulip, "conflicting_duplicate", "drop"))))
    assert (made[tulip].action, made[rose].action) == ("dropped", "kept")
    assert made[rose].digest == made[tulip].digest
    assert made[rose].why == "not asked, a copy of it was"


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_a_tie_is_a_conflict_and_three_are_a_majority(policy: str, audit: Audit) -> None:
    asked = finding(audit, "mislabeled")
    i = asked.ids[0]
    yes = [sent(audit, who, decide(audit, i, "mislabeled", "relabel", asked.suggested_label)) for who in "ab"]
    no = sent(audit, "c", decide(audit, i, "mislabeled", "keep"))
    tie = plan(audit, yes[0], no, on_conflict=policy)
    row = rows(tie)[i]
    assert row.action == {"keep": "kept", "drop": "dropped"}[policy]
    assert row.label_after == (row.label_before if policy == "keep" else "")
    assert tie.counts()["conflicts"] == 1
    assert row.annotators == ("a", "c")
    assert f"relabel to {asked.suggested_label} (a), keep (c)" in row.why
    assert rows(plan(audit, *yes, no, on_conflict=policy))[i].label_after == asked.suggested_label
    outcomes = merge_outcomes(merge_answers([yes[0], no], audit))
    assert [(a.id, a.decision) for a in contested(outcomes)] == [(i, "conflict")]
    assert contested(merge_outcomes(merge_answers([*yes, no], audit))) == ()


def test_answers_to_two_questions_that_contradict_are_a_conflict(audit: Audit) -> None:
    i = finding(audit, "conflicting_duplicate").ids[0]
    to = next(c for c in audit.dataset.classes if c != decide(audit, i, "leak", "keep").given)
    both = sent(
        audit, "a",
        decide(audit, i, "conflicting_duplicate", "relabel", to),
        decide(audit, i, "mislabeled", "keep"),
    )  # fmt: skip
    found = contested(merge_outcomes(merge_answers([both], audit)))
    assert [(a.kind, a.decision) for a in found] == [
        ("conflicting_duplicate", "conflict"), ("mislabeled", "conflict"),
    ]  # fmt: skip
    assert rows(plan(audit, both))[i].action == "kept"


def with_copies(audit: Audit, ties: Mapping[str, str], digests: Mapping[str, str]) -> Audit:
    """One duplicate finding about rows of one label; `ties` in the order of the finding."""
    label = dict.fromkeys(ties, "cat")
    table = audit.dataset.table.assign(
        label=[label.get(i, c) for i, c in zip(audit.dataset.ids, audit.dataset.table["label"], strict=True)]
    )
    digest = as_ids([digests.get(i, d) for i, d in zip(audit.facts.ids, audit.facts.digest, strict=True)])
    made = Finding("duplicate-1", "duplicate", 1, tuple(ties), 0.0, "Copies.",
                   evidence=Evidence(members=tuple(ties.items())))  # fmt: skip
    return replace(
        audit,
        dataset=replace(audit.dataset, table=table),
        facts=replace(audit.facts, digest=digest),
        findings=(*(f for f in audit.findings if f.kind == "unreadable"), made),
    )


@pytest.fixture(scope="module")
def copies(audit: Audit) -> tuple[Audit, list[str]]:
    ids = audit.embeddings.ids[:5].tolist()
    words = ["nearly identical", "identical", "reference", "nearly identical", "nearly identical"]
    digests = dict(zip(ids, ["x", "ref", "ref", "x", "y"], strict=True))
    return with_copies(audit, dict(zip(ids, words, strict=True)), digests), ids


def dropped(made: VersionPlan) -> set[str]:
    return {row.id for row in made.rows if row.action == "dropped"}


def test_of_identical_copies_one_stays(copies: tuple[Audit, list[str]]) -> None:
    audit, (a, b, c, d, e) = copies
    assert dropped(plan(audit, auto="drop-duplicates")) == {b, d}
    made = plan(audit, auto="drop-near-duplicates drop-duplicates")
    assert dropped(made) == {a, b, d, e}
    assert rows(made)[a].why == f"the same or nearly the same picture as {c}"
    assert made.dropped() == [("drop-near-duplicates", 4)]


def test_when_the_reference_goes_the_first_survivor_stays(copies: tuple[Audit, list[str]]) -> None:
    audit, (a, b, c, d, e) = copies
    gone = sent(audit, "ana", decide(audit, c, "off_topic", "drop"))
    assert dropped(plan(audit, gone, auto="drop-near-duplicates")) == {b, c, d, e}
    assert dropped(plan(audit, gone, auto="drop-duplicates")) == {c, d}
    two = sent(audit, "ana", *(decide(audit, i, "off_topic", "drop") for i in (a, c)))
    assert dropped(plan(audit, two, auto="drop-near-duplicates")) == {a, c, d, e}


def test_copies_somebody_decided_on_are_left_to_that(copies: tuple[Audit, list[str]]) -> None:
    audit, (a, *_) = copies
    keep = sent(audit, "ana", decide(audit, a, "duplicate", "keep"))
    assert dropped(plan(audit, keep, auto="drop-near-duplicates")) == set()
    about_label = sent(audit, "ana", decide(audit, a, "mislabeled", "keep"))
    assert a in dropped(plan(audit, about_label, auto="drop-near-duplicates"))


def test_a_relabelled_copy_is_no_copy_of_the_others(copies: tuple[Audit, list[str]]) -> None:
    audit, (_, b, c, *_) = copies
    moved = sent(audit, "ana", decide(audit, b, "mislabeled", "relabel", "dog"))
    made = plan(audit, moved, auto="drop-duplicates")
    assert (rows(made)[b].label_after, rows(made)[c].label_after) == ("dog", "cat")
    both = sent(audit, "ana", *(decide(audit, i, "mislabeled", "relabel", "dog") for i in (b, c)))
    made = plan(audit, both, auto="drop-duplicates")
    assert (rows(made)[b].action, rows(made)[c].label_after) == ("dropped", "dog")


def test_a_copy_in_conflict_stays_as_promised(copies: tuple[Audit, list[str]]) -> None:
    audit, (_, b, *_) = copies
    tie = [sent(audit, "a", decide(audit, b, "mislabeled", "keep")),
           sent(audit, "b", decide(audit, b, "mislabeled", "relabel", "dog"))]  # fmt: skip
    assert b not in dropped(plan(audit, *tie, auto="drop-near-duplicates"))


def test_unreadable_files_go_unless_somebody_decided(audit: Audit) -> None:
    broken = finding(audit, "unreadable").ids[0]
    made = plan(audit, auto="drop-unreadable")
    assert dropped(made) == {broken}
    assert rows(made)[broken].why == "the file does not decode"
    keep = sent(audit, "ana", decide(audit, broken, "unreadable", "keep"))
    assert dropped(plan(audit, keep, auto="drop-unreadable")) == set()


def test_counts_add_up_to_the_samples(copies: tuple[Audit, list[str]]) -> None:
    audit, (a, b, *_) = copies
    made = plan(
        audit,
        sent(audit, "ana", decide(audit, a, "mislabeled", "unsure"), decide(audit, b, "mislabeled", "keep")),
        auto="drop-duplicates drop-unreadable",
    )
    counts = made.counts()
    assert counts["kept"] + counts["relabelled"] + counts["dropped"] == counts["samples"] == 60
    reasons = counts["confirmed"] + counts["unsure"] + counts["not_decided"] + counts["not_asked"]
    assert reasons + counts["conflicts"] == counts["kept"]
    assert sum(n for _, n in made.dropped()) == counts["dropped"]
    assert counts["remaining"] == Counter(r.action for r in made.rows)["kept"]


def test_thin_classes_are_named_when_the_plan_thins_them() -> None:
    audit = toy_audit(n=12, classes=("cat", "dog", "owl"), findings={})
    cats = [i for i, c in zip(audit.dataset.ids, audit.dataset.table["label"], strict=True) if c == "cat"]
    made = plan(audit, sent(audit, "ana", *(decide(audit, i, "off_topic", "drop") for i in cats)))
    assert made.thinned() == [("cat", 4, 0)]
    made = plan(audit, sent(audit, "ana", decide(audit, cats[0], "off_topic", "drop")))
    assert made.thinned() == []
    made = plan(
        audit, sent(audit, "ana", *(decide(audit, i, "label_check", "relabel", "dog") for i in cats[:2]))
    )
    assert made.thinned() == [("cat", 4, 2)]
    assert made.relabelled() == [("cat", "dog", 2)]


def test_the_digest_tells_plans_apart_and_only_plans(audit: Audit) -> None:
    i = finding(audit, "mislabeled").ids[0]
    keep = sent(audit, "ana", decide(audit, i, "mislabeled", "keep"))
    noted = sent(audit, "ana", decide(audit, i, "mislabeled", "keep", note="sure"))
    made = [
        plan(audit), plan(audit, keep), plan(audit, noted), plan(audit, keep, on_conflict="drop"),
        plan(audit, keep, auto="drop-unreadable"),
    ]  # fmt: skip
    assert len({p.digest for p in made}) == 5
    assert plan(audit, keep).digest == made[1].digest
    twice = plan(audit, auto="drop-unreadable drop-duplicates drop-unreadable")
    assert twice.digest == plan(audit, auto="drop-duplicates drop-unreadable").digest


def test_unknown_options_are_said() -> None:
    with pytest.raises(UsageError, match=r"drop-near-duplicates, drop-unreadable, not 'drop-all'"):
        CleanOptions(auto=("drop-all",))
    with pytest.raises(UsageError, match="keep or drop, not 'ask'"):
        CleanOptions(on_conflict="ask")
