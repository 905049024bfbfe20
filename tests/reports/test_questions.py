"""Which questions a page asks, in which order, and on whose page."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from toy import toy_audit

from auditor.controls import draw_controls
from auditor.decisions import LABEL_CHECK, Decision, DecisionFile
from auditor.errors import UsageError
from auditor.merging import CONFLICT, merge_answers
from auditor.results import Audit
from reports import selection
from reports.conflicts import write_conflicts_page
from reports.options import PageOptions
from reports.questions import ask, share_out
from reports.review import latest
from reports.view import make_view

CLASSES = ("bird", "cat", "dog", "eel")


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(400, CLASSES, seed=3, findings={k: 12 for k in selection.PAGE_ORDER if k != LABEL_CHECK})


def test_certain_errors_come_first_and_pairs_stay_together(audit: Audit) -> None:
    asked = ask(audit, PageOptions()).questions
    kinds = list(dict.fromkeys(q.kind for q in asked))
    assert kinds == [k for k in selection.PAGE_ORDER if k != LABEL_CHECK]
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    for kind in ("mislabeled", "ambiguous"):
        pairs = [frozenset((label[q.ids[0]], q.suggested_label)) for q in asked if q.kind == kind]
        runs = 1 + sum(a != b for a, b in itertools.pairwise(pairs))
        assert runs == len(set(pairs))
        sizes = [Counter(pairs)[p] for p in dict.fromkeys(pairs)]
        assert sizes == sorted(sizes, reverse=True)


def test_a_blind_page_has_one_kind_of_question_about_labels(audit: Audit) -> None:
    controls = draw_controls(audit, 30, seed=1)
    asked = ask(audit, PageOptions(blind=True, controls=controls))
    checks = [q for q in asked.questions if q.kind == LABEL_CHECK]
    assert len(checks) == 24 + 30 == asked.found[LABEL_CHECK]
    assert {"mislabeled", "ambiguous"}.isdisjoint(q.kind for q in asked.questions)
    assert {q.rank for q in checks} == {0}
    assert all(q.question_id.startswith("label_check-") for q in checks)
    # A control has what a flagged sample has, and lies anywhere among them.
    mine = [q for q in checks if q.ids[0] in controls]
    assert all(q.suggested_label and q.reason and q.evidence.probabilities for q in mine)
    places = [n for n, q in enumerate(checks) if q.ids[0] in controls]
    assert 18 < sum(places) / len(places) < 35
    labels = [audit.dataset.table.set_index("id").at[q.ids[0], "label"] for q in checks[: len(checks) // 2]]
    assert set(labels) == set(CLASSES)


def test_a_blind_page_shows_no_example_that_would_tell(audit: Audit) -> None:
    controls = draw_controls(audit, 200, seed=1)
    view = make_view(audit, PageOptions(blind=True, controls=controls))
    assert not any(pair.a_near_b or pair.b_near_a for pair in view.pairs)
    typical = {view.samples[n].id for row in view.classes for n in row.typical}
    assert not typical & set(controls)


def test_pages_that_start_with_other_decisions_are_kept_apart(audit: Audit) -> None:
    files = [decide(audit, who, 0, "keep") for who in ("a", "b")]
    pages = [make_view(audit, PageOptions(decisions=tuple(part))).review.page_id for part in ([], files[:1])]
    pages.append(make_view(audit, PageOptions(decisions=(decide(audit, "a", 0, "drop"),))).review.page_id)
    assert len(set(pages)) == 3


def test_controls_need_a_blind_page(audit: Audit) -> None:
    with pytest.raises(UsageError, match="blind"):
        ask(audit, PageOptions(controls=draw_controls(audit, 3, seed=1)))


@pytest.mark.parametrize(("parts", "overlap"), [(1, 0.0), (2, 0.0), (3, 0.1), (5, 0.5), (4, 1.0)])
def test_every_question_is_asked_and_the_shared_ones_everywhere(
    parts: int, overlap: float, audit: Audit
) -> None:
    asked = ask(audit, PageOptions())
    shared = share_out(asked, parts, overlap, seed=7)
    everywhere = [q.question_id for part in shared for q in part.questions]
    times = Counter(everywhere)
    assert set(times) == {q.question_id for q in asked.questions}
    if parts > 1:
        count = round(overlap * len(asked.questions))
        assert sorted(set(times.values())) == sorted(
            {1, parts} if 0 < overlap < 1 else {parts if overlap else 1}
        )
        assert sum(n == parts for n in times.values()) == count
        sizes = [len(part.questions) for part in shared]
        assert max(sizes) - min(sizes) <= 1
    order = {q.question_id: n for n, q in enumerate(asked.questions)}
    for part in shared:
        places = [order[q.question_id] for q in part.questions]
        assert places == sorted(places)
        assert sum(part.found.values()) == len(part.questions)
    assert share_out(asked, parts, overlap, seed=7) == shared


def test_more_parts_than_questions_are_refused() -> None:
    few = ask(toy_audit(60, findings={"mislabeled": 2}), PageOptions())
    with pytest.raises(UsageError, match="2 questions cannot be divided into 3"):
        share_out(few, 3, 0.0, seed=0)
    with pytest.raises(UsageError, match="overlap"):
        share_out(few, 2, 1.5, seed=0)


def test_the_page_of_a_part_counts_its_own_questions(audit: Audit) -> None:
    options = PageOptions()
    part = share_out(ask(audit, options), 3, 0.1, seed=0)[1]
    view = make_view(audit, options, part)
    assert view.about[0].startswith(f"This is part 2 of 3: {len(part.questions)} questions; ")
    assert sum(kind.findings for kind in view.kinds) == len(view.cards) == len(part.questions)
    assert view.not_shown == ""


def test_a_part_counts_the_controls_that_it_holds(audit: Audit) -> None:
    options = PageOptions(blind=True, controls=draw_controls(audit, 20, seed=1))
    told = [
        make_view(audit, options, part).about[1] for part in share_out(ask(audit, options), 3, 0.0, seed=0)
    ]
    assert sum(int(line.split()[0]) for line in told) == 20


def decide(
    audit: Audit, who: str, finding: int, decision: str, to: str = "", time: str = "1"
) -> DecisionFile:
    asked = audit.findings[finding]
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    rows = tuple(Decision(i, digest[i], asked.kind, decision, label[i], to, time=time) for i in asked.ids)
    return DecisionFile(f"{who}.json", "r", audit.provenance.fingerprint, who, "", rows)


def test_the_latest_of_several_earlier_decisions_counts(audit: Audit) -> None:
    files = (decide(audit, "a", 0, "keep", time="2"), decide(audit, "b", 0, "drop", time="1"))
    assert {d.decision for d in latest(files)} == {"keep"}
    assert {d.decision for d in latest(files[::-1])} == {"keep"}
    view = make_view(audit, PageOptions(decisions=files))
    assert view.review.annotator == ""
    assert make_view(audit, PageOptions(decisions=files[:1])).review.annotator == "a"


def test_the_conflict_page_holds_just_the_conflicts(audit: Audit, tmp_path: Path) -> None:
    first = [n for n, f in enumerate(audit.findings) if f.kind == "mislabeled"][:3]
    to = [audit.findings[n].suggested_label for n in first]
    files = [
        decide(audit, "a", first[0], "keep"), decide(audit, "b", first[0], "keep"),
        decide(audit, "a", first[1], "keep"), decide(audit, "b", first[1], "relabel", to[1]),
        decide(audit, "a", first[2], "unsure"), decide(audit, "b", first[2], "drop"),
    ]  # fmt: skip
    answers = merge_answers(files, audit)
    assert [a.decision for a in answers].count(CONFLICT) == 1
    path = tmp_path / "conflicts.html"
    summary = write_conflicts_page(audit, answers, path)
    assert (summary.findings, summary.findings_shown) == (1, 1)
    text = path.read_text("utf-8")
    assert f'"finding":"{audit.findings[first[1]].finding_id}"' in text
    assert f"it is {to[1]}" in text
    none = write_conflicts_page(audit, merge_answers(files[:2], audit), path)
    assert none.findings_shown == 0


def test_a_control_in_conflict_stands_on_the_page_without_its_file(audit: Audit, tmp_path: Path) -> None:
    (control,) = draw_controls(audit, 1, seed=0)
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    row = Decision(control, digest[control], LABEL_CHECK, "keep", label[control])
    files = [
        DecisionFile("a", "r", audit.provenance.fingerprint, "a", "", (row,)),
        DecisionFile("b", "r", audit.provenance.fingerprint, "b", "", (replace(row, decision="drop"),)),
    ]
    summary = write_conflicts_page(audit, merge_answers(files, audit), tmp_path / "c.html")
    assert summary.findings_shown == 1


def test_a_conflict_about_what_this_audit_does_not_ask_is_asked_all_the_same(
    audit: Audit, tmp_path: Path
) -> None:
    flagged = {i for f in audit.findings for i in f.ids}
    free = next(i for i in audit.embeddings.ids if i not in flagged)
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    row = Decision(free, digest[free], "mislabeled", "keep", label[free])
    files = [
        DecisionFile(who, "r", audit.provenance.fingerprint, who, "", (replace(row, decision=said),))
        for who, said in (("a", "keep"), ("b", "drop"))
    ]
    summary = write_conflicts_page(audit, merge_answers(files, audit), tmp_path / "c.html")
    assert summary.findings_shown == 1
