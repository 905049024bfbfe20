"""The questions of a page: which, in which order, and on whose page.

    findings --limit--> Question ..  --blind, controls--> .. --order--> Asked  --share_out--> Asked a part

Certain errors come first, then labels by class pair, so that similar questions follow one another. On a
blind page flagged labels and controls are one kind, in random order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from auditor.arrays import rows_of
from auditor.decisions import LABEL_CHECK, LABEL_KINDS, question_of
from auditor.errors import UsageError
from auditor.findings import FindingInputs, ask_about_label
from auditor.results import Audit, Evidence, Finding
from reports import selection, wording
from reports.options import PageOptions


@dataclass(frozen=True)
class Question:
    """A finding as a page asks about it; `kind` is `LABEL_CHECK` for labels on a blind page."""

    question_id: str
    kind: str
    rank: int
    ids: tuple[str, ...]
    score: float
    reason: str
    suggested_label: str = ""
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class Asked:
    """The questions of one page.

    found : kind to the number of questions there are, in the page's order; the page may show fewer.
    part, parts, shared : which part this is (from 1), of how many, and how many questions stand in all parts.
    """

    questions: tuple[Question, ...]
    found: Mapping[str, int]
    part: int = 1
    parts: int = 1
    shared: int = 0


def ask(audit: Audit, options: PageOptions) -> Asked:
    """Return the questions of the page, in its order.

    Raises
    ------
    UsageError
        If there are controls and the page is not blind: its evidence would tell them apart.
    """
    if options.controls and not options.blind and options.only is None:
        raise UsageError(
            "Control samples can only be mixed into a blind page: what it says would tell them apart."
        )
    wanted = [f for f in audit.findings if options.only is None or f.finding_id in options.only]
    shown = [_question(f, options.blind) for f in selection.choose_findings(wanted, options.limit)]
    found = Counter(_page_kind(f.kind, options.blind) for f in wanted)
    controls = _control_questions(audit, options.controls)
    found[LABEL_CHECK] += len(controls)
    table = audit.dataset.table
    label_of = dict(zip(table["id"].to_numpy(), table["label"].to_numpy(), strict=True))
    questions = _in_order([*shown, *controls], label_of)
    return Asked(tuple(questions), {kind: found[kind] for kind in selection.PAGE_ORDER if found[kind]})


def share_out(asked: Asked, parts: int, overlap: float, seed: int) -> tuple[Asked, ...]:
    """Return the questions of each annotator's page: a share of them in all parts, the rest in one each.

    Within each kind neighbouring questions stay together, and no part gets more than one question more of a
    kind than another.

    Parameters
    ----------
    overlap : share of the questions, drawn at random, that every part asks, in [0, 1].
    """
    count = len(asked.questions)
    if not 1 <= parts <= max(count, 1):
        raise UsageError(f"{count} questions cannot be divided into {parts} parts.")
    if not 0 <= overlap <= 1:
        raise UsageError(f"The overlap must lie between 0 and 100 %, got {overlap:.0%}.")
    rng = np.random.default_rng([seed, parts])
    shared = (
        set(rng.choice(count, size=round(overlap * count), replace=False).tolist()) if parts > 1 else set()
    )
    owner: dict[int, int] = {}
    turn = 0
    for kind in asked.found:
        own = [n for n, q in enumerate(asked.questions) if q.kind == kind and n not in shared]
        start = 0
        for part in range(parts):
            end = start + len(own) // parts + ((part - turn) % parts < len(own) % parts)
            owner.update(dict.fromkeys(own[start:end], part))
            start = end
        turn += len(own) % parts  # who gets one more goes round, so that the parts stay equally long
    return tuple(_part(asked, part, parts, shared, owner) for part in range(parts))


def _part(asked: Asked, part: int, parts: int, shared: set[int], owner: Mapping[int, int]) -> Asked:
    own = [q for n, q in enumerate(asked.questions) if n in shared or owner.get(n) == part]
    found = Counter(q.kind for q in own)
    counts = {kind: found[kind] for kind in asked.found if found[kind]}
    return Asked(tuple(own), counts, part + 1, parts, len(shared))


def _page_kind(kind: str, blind: bool) -> str:
    return question_of(kind) if blind else kind


def _question(finding: Finding, blind: bool) -> Question:
    kind = _page_kind(finding.kind, blind)
    hidden = kind == LABEL_CHECK
    return Question(
        label_check_id(finding.ids) if hidden else finding.finding_id,
        kind, 0 if hidden else finding.rank, finding.ids, finding.score, finding.reason,
        finding.suggested_label, finding.evidence,
    )  # fmt: skip


def _control_questions(audit: Audit, controls: Sequence[str]) -> list[Question]:
    if not controls:
        return []
    inputs = FindingInputs(
        audit.dataset, audit.facts, audit.embeddings, audit.neighbours, audit.duplicates,
        audit.probabilities, audit.scores, audit.thresholds,
    )  # fmt: skip
    rows = rows_of(audit.embeddings.ids, list(controls))
    return [_question(ask_about_label(inputs, int(row)), blind=True) for row in rows]


def label_check_id(ids: Iterable[str]) -> str:
    """Return the id of a question about a label that does not tell why it is asked."""
    mark = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    return f"{LABEL_CHECK}-{mark[:10]}"


def _in_order(questions: Sequence[Question], label_of: Mapping[str, str]) -> list[Question]:
    pairs = Counter(_pair(q, label_of) for q in questions)

    def key(question: Question) -> tuple[object, ...]:
        kind, label = selection.PAGE_ORDER.index(question.kind), label_of[question.ids[0]]
        if question.kind in LABEL_KINDS:
            pair = _pair(question, label_of)
            return (kind, -pairs[pair], pair, label, question.rank)
        if question.kind == LABEL_CHECK:
            # At random: whoever stops half-way has then answered a random sample of the controls.
            return (kind, question.question_id)
        return (kind, question.rank)

    return sorted(questions, key=key)


def _pair(question: Question, label_of: Mapping[str, str]) -> tuple[str, ...]:
    """Return kind and the two classes in question, the same for both directions."""
    return (question.kind, *sorted((label_of[question.ids[0]], question.suggested_label)))


def part_sentence(asked: Asked) -> str:
    """Return what an annotator of one part should know, "" on a page that holds everything."""
    if asked.parts == 1:
        return ""
    count = wording.plural(len(asked.questions), "question", "questions")
    also = f"; {wording.number(asked.shared)} of them are on every part" if asked.shared else ""
    return f"This is part {asked.part} of {asked.parts}: {count}{also}."


__all__ = ["Asked", "Question", "ask", "part_sentence", "share_out"]
