"""Several annotators' decisions become one outcome a sample, whoever comes first."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from answers import decide, review
from toy import toy_audit

from auditor.decisions import LABEL_CHECK, Decision, DecisionFile
from auditor.merging import (
    CONFLICT,
    CONTROL,
    Answer,
    Outcome,
    keep_one_copy,
    label_question_of,
    majority,
    merge_answers,
    merge_outcomes,
)
from auditor.results import Audit


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit()


def first(audit: Audit, kind: str) -> str:
    return next(f.ids[0] for f in audit.findings if f.kind == kind)


def unflagged(audit: Audit) -> str:
    named = {i for f in audit.findings for i in f.ids}
    return next(i for i in audit.dataset.ids if i not in named)


def merged(audit: Audit, *files: DecisionFile) -> list[tuple[str, str, str, str]]:
    return [(a.id, a.kind, a.decision, a.to) for a in merge_answers(files, audit)]


def said(sample: str, kind: str, decision: str, to: str = "") -> Answer:
    return Answer(sample, kind, decision, to, ())


def outcome(*answers: Answer) -> tuple[str, str]:
    (found,) = merge_outcomes(answers)
    assert found.answers == answers
    return found.decision, found.to


VOTES: list[tuple[tuple[str, ...], str]] = [
    (("keep",), "keep"),
    (("keep", "keep", "drop"), "keep"),
    (("keep", "drop"), CONFLICT),
    (("keep", "keep", "drop", "drop"), CONFLICT),
    (("keep", "keep", "drop", "cat"), CONFLICT),
    (("keep", "unsure"), "keep"),
    (("keep", "unsure", "unsure"), "keep"),
    (("keep", "unsure", "drop"), CONFLICT),
    (("unsure", "unsure"), "unsure"),
    (("cat", "cat", "bird"), "cat"),
    (("cat", "bird"), CONFLICT),
    (("cat", "bird", "keep"), CONFLICT),
]
"""What annotators say (a class is a relabel to it) and what comes of it."""


@pytest.mark.parametrize(("votes", "result"), VOTES)
def test_more_than_half_of_the_votes_decide(votes: tuple[str, ...], result: str, audit: Audit) -> None:
    sample = first(audit, "mislabeled")

    def file(n: int, vote: str) -> DecisionFile:
        to = vote if vote in ("cat", "bird") else ""
        row = decide(audit, sample, "mislabeled", "relabel" if to else vote, to=to, given="dog")
        return review(audit, f"annotator {n}", [row])

    files = [file(n, vote) for n, vote in enumerate(votes)]
    for order in permutations(files):
        (found,) = merge_answers(order, audit)
        to = result if result in ("cat", "bird") else ""
        assert (found.decision, found.to) == ("relabel" if to else result, to)
        assert {v.annotator for v in found.votes} == {f.annotator for f in files}


def test_majority_is_more_than_half() -> None:
    assert majority(["a", "a", "b"]) == "a"
    assert majority(["a", "b"]) is None
    assert majority([]) is None
    assert majority([False, False, True]) is False


def test_a_label_check_is_asked_under_the_kind_of_its_finding(audit: Audit) -> None:
    samples = {kind: first(audit, kind) for kind in ("mislabeled", "ambiguous")}
    samples[CONTROL] = unflagged(audit)
    rows = [decide(audit, sample, LABEL_CHECK, "keep") for sample in samples.values()]
    assert merged(audit, review(audit, "a", rows)) == [(i, kind, "keep", "") for kind, i in samples.items()]


def test_blind_and_open_answers_of_two_people_are_votes_on_one_question(audit: Audit) -> None:
    sample = first(audit, "mislabeled")
    blind = review(audit, "a", [decide(audit, sample, LABEL_CHECK, "keep")])
    plain = review(audit, "b", [decide(audit, sample, "mislabeled", "drop")])
    assert merged(audit, blind, plain) == [(sample, "mislabeled", CONFLICT, "")]


@pytest.mark.parametrize("swap", [False, True])
def test_blind_and_open_answers_of_one_person_are_one_vote(swap: bool, audit: Audit) -> None:
    sample = first(audit, "mislabeled")
    blind = review(audit, "a", [decide(audit, sample, LABEL_CHECK, "keep", time="2026-01-01T00:00:00Z")])
    plain = review(audit, "a", [decide(audit, sample, "mislabeled", "drop", time="2026-01-02T00:00:00Z")])
    (answer,) = merge_answers([plain, blind] if swap else [blind, plain], audit)
    assert (answer.kind, answer.decision, len(answer.votes)) == ("mislabeled", "drop", 1)


def test_unsigned_files_of_one_name_are_two_votes(audit: Audit) -> None:
    sample = first(audit, "mislabeled")
    files = [
        review(audit, "", [decide(audit, sample, "mislabeled", decision)], name="decisions.json")
        for decision in ("keep", "drop")
    ]
    (answer,) = merge_answers(files, audit)
    assert (answer.decision, [v.annotator for v in answer.votes]) == (
        CONFLICT, ["decisions.json", "decisions.json (2)"],
    )  # fmt: skip


def test_each_question_about_a_sample_is_answered_apart(audit: Audit) -> None:
    sample = first(audit, "low_quality")
    rows = [decide(audit, sample, "low_quality", "keep"), decide(audit, sample, "duplicate", "drop")]
    assert merged(audit, review(audit, "a", rows)) == [
        (sample, "low_quality", "keep", ""),
        (sample, "duplicate", "drop", ""),
    ]


def test_copies_are_answered_apart(audit: Audit) -> None:
    pair = next(f.ids for f in audit.findings if f.kind == "conflicting_duplicate")
    rows = [
        decide(audit, pair[0], "conflicting_duplicate", "keep"),
        decide(audit, pair[1], "conflicting_duplicate", "drop"),
    ]
    found = merge_outcomes(merge_answers([review(audit, "a", rows)], audit))
    assert [(o.id, o.decision) for o in found] == [(pair[0], "keep"), (pair[1], "drop")]


def test_of_two_questions_about_a_label_the_first_kind_is_asked(audit: Audit) -> None:
    sample, other = first(audit, "mislabeled"), first(audit, "ambiguous")
    second = next(f for f in audit.findings if f.kind == "ambiguous")
    asked = label_question_of(replace(audit, findings=(*audit.findings, replace(second, ids=(sample,)))))
    assert (asked[sample], asked[other]) == ("mislabeled", "ambiguous")
    assert first(audit, "low_quality") not in asked
    assert first(audit, "conflicting_duplicate") not in asked


def test_no_file_is_no_answer(audit: Audit) -> None:
    assert merge_answers([], audit) == merge_outcomes([]) == ()
    assert merged(audit, review(audit, "a", [])) == []


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([("mislabeled", "keep", "")], ("keep", "")),
        ([("mislabeled", "relabel", "dog")], ("relabel", "dog")),
        ([("mislabeled", "relabel", "dog"), ("low_quality", "drop", "")], ("drop", "")),
        ([("mislabeled", CONFLICT, ""), ("low_quality", "drop", "")], ("drop", "")),
        ([("mislabeled", "relabel", "dog"), ("low_quality", "keep", "")], ("relabel", "dog")),
        ([("mislabeled", "relabel", "dog"), ("conflicting_duplicate", "keep", "")], (CONFLICT, "")),
        ([("mislabeled", "relabel", "dog"), ("conflicting_duplicate", "relabel", "cow")], (CONFLICT, "")),
        ([("mislabeled", "relabel", "dog"), ("conflicting_duplicate", "relabel", "dog")], ("relabel", "dog")),
        ([("mislabeled", "unsure", ""), ("duplicate", "keep", "")], ("keep", "")),
        ([("mislabeled", "unsure", ""), ("duplicate", "unsure", "")], ("unsure", "")),
        ([("leak", "keep", ""), ("duplicate", CONFLICT, "")], (CONFLICT, "")),
        ([(CONTROL, "keep", ""), ("leak", "relabel", "dog")], (CONFLICT, "")),
    ],
)
def test_answers_about_one_sample_become_one_outcome(
    answers: list[tuple[str, str, str]], result: tuple[str, str]
) -> None:
    found = [said("a", *parts) for parts in answers]
    assert outcome(*found) == outcome(*found[::-1]) == result


def test_a_class_may_be_called_like_a_decision() -> None:
    assert outcome(said("a", "mislabeled", "relabel", "drop")) == ("relabel", "drop")
    assert outcome(said("a", "mislabeled", "relabel", CONFLICT)) == ("relabel", CONFLICT)


def test_hostile_names_stay_text(audit: Audit) -> None:
    rows = [
        Decision(name, "d", "off_topic", "keep", name)
        for name in ("__proto__", "=1+1", "a\nb", "../..", "\u202e")
    ]
    answers = merge_answers([review(audit, "</script>", rows)], audit)
    assert [a.id for a in answers] == [d.id for d in rows]
    assert all(a.votes[0].annotator == "</script>" for a in answers)
    assert merge_outcomes(answers) == tuple(Outcome(a.id, "keep", "", (a,)) for a in answers)


def kept_one(audit: Audit, *files: DecisionFile) -> dict[str, str]:
    outcomes = keep_one_copy(merge_outcomes(merge_answers(files, audit)), audit)
    return {o.id: o.decision for o in outcomes}


def keep_only(audit: Audit, kind: str, kept: int) -> list[Decision]:
    ids = next(f.ids for f in audit.findings if f.kind == kind)
    return [decide(audit, i, kind, "keep" if n == kept else "drop") for n, i in enumerate(ids)]


def test_answers_that_each_keep_a_copy_never_drop_them_all(audit: Audit) -> None:
    a, b = next(f.ids for f in audit.findings if f.kind == "duplicate")
    one = review(audit, "ana", keep_only(audit, "duplicate", 0))
    assert kept_one(audit, one) == {a: "keep", b: "drop"}
    # Three people keep three different ones: each copy has two drops against one keep.
    third = next(i for i in audit.dataset.ids if i not in {x for f in audit.findings for x in f.ids})
    three = replace(
        audit,
        findings=tuple(
            replace(f, ids=(*f.ids, third)) if f.kind == "duplicate" else f for f in audit.findings
        ),
    )
    files = [review(three, who, keep_only(three, "duplicate", n)) for n, who in enumerate("abc")]
    assert kept_one(three, *files) == dict.fromkeys((a, b, third), CONFLICT)
    assert kept_one(three, *files[:1], files[0], files[1]) != dict.fromkeys((a, b, third), "drop")


def test_copies_that_all_go_for_another_reason_do_go(audit: Audit) -> None:
    a, b = next(f.ids for f in audit.findings if f.kind == "duplicate")
    rows = [*keep_only(audit, "duplicate", 0), decide(audit, a, "off_topic", "drop")]
    assert kept_one(audit, review(audit, "ana", rows)) == {a: "drop", b: "drop"}
    rows = [decide(audit, i, "duplicate", "drop") for i in (a, b)]
    assert kept_one(audit, review(audit, "ana", rows)) == {a: "drop", b: "drop"}
