"""Several annotators' decisions become one outcome a sample.

    files  -->  Answer  one a (sample, question): the majority of the votes, or a conflict
           -->  Outcome one a sample: what its questions together say

The kind of a `LABEL_CHECK` answer is looked up in the audit: the finding that asks about the label, or
`CONTROL` for a sample that no finding asks about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from auditor.decisions import LABEL_CHECK, LABEL_KINDS, Decision, DecisionFile, newest
from auditor.results import Audit

CONTROL = "control"
"""Kind of an answer about a randomly drawn sample that no finding names."""
LABEL_QUESTIONS: tuple[str, ...] = ("conflicting_duplicate", "mislabeled", "ambiguous", CONTROL)
"""Kinds that ask which label is right; the others ask about the sample itself."""
CONFLICT = "conflict"
ABOUT_COPIES: tuple[str, ...] = ("conflicting_duplicate", "leak", "duplicate")
"""Kinds that ask which of several copies stay."""

_Vote = TypeVar("_Vote", bound=Hashable)


@dataclass(frozen=True)
class Vote:
    """What one annotator answered."""

    annotator: str
    decision: Decision


@dataclass(frozen=True)
class Answer:
    """One question about one sample: `decision` is keep, relabel, drop, unsure or `CONFLICT`."""

    id: str
    kind: str
    decision: str
    to: str
    votes: tuple[Vote, ...]


@dataclass(frozen=True)
class Outcome:
    """What all questions about one sample say together, in the words of `Answer`."""

    id: str
    decision: str
    to: str
    answers: tuple[Answer, ...]


def merge_answers(files: Iterable[DecisionFile], audit: Audit) -> tuple[Answer, ...]:
    """Return one answer for each (sample, kind), in the order in which they are first met.

    More than half of the votes decide; unsure is no vote. Of one annotator the latest decision counts.
    """
    asked = label_question_of(audit)
    votes: dict[tuple[str, str], dict[str, Vote]] = {}
    for file, d in newest(files):
        kind = asked.get(d.id, CONTROL) if d.kind == LABEL_CHECK else d.kind
        cast = votes.setdefault((d.id, kind), {})
        who = file.annotator
        # Who answered on a blind page and on an open one has still one vote.
        if who not in cast or d.time >= cast[who].decision.time:
            cast[who] = Vote(who, d)
    return tuple(_count(i, kind, tuple(cast.values())) for (i, kind), cast in votes.items())


def merge_outcomes(answers: Sequence[Answer]) -> tuple[Outcome, ...]:
    """Return one outcome for each sample that has an answer.

    A drop wins, for whatever reason it was asked. Two questions about the label that contradict each other
    are a conflict; keeping a sample for its quality or as a copy says nothing about its label.
    """
    of_sample: dict[str, list[Answer]] = {}
    for answer in answers:
        of_sample.setdefault(answer.id, []).append(answer)
    return tuple(_combine(i, tuple(found)) for i, found in of_sample.items())


def keep_one_copy(outcomes: Sequence[Outcome], audit: Audit) -> tuple[Outcome, ...]:
    """Return the outcomes, in conflict where answers would together drop every copy of a picture.

    Each answer kept one of the copies, only not the same: sample by sample the drops have the majority.
    Copies that are dropped for another reason too, such as being off-topic, are meant to go.
    """
    of_sample = {o.id: o for o in outcomes}
    for finding in audit.findings:
        members = [o for i in finding.ids if (o := of_sample.get(i)) is not None]
        if finding.kind in ABOUT_COPIES and len(members) == len(finding.ids) and _lost(members):
            of_sample |= {o.id: replace(o, decision=CONFLICT) for o in members}
    return tuple(of_sample.values())


def _lost(members: Sequence[Outcome]) -> bool:
    """Tell whether all copies go, only because copies were asked about, though each answer kept one."""
    drops = [a for o in members for a in o.answers if a.decision == "drop"]
    votes = [v.decision for o in members for a in o.answers if a.kind in ABOUT_COPIES for v in a.votes]
    return (
        all(o.decision == "drop" for o in members)
        and all(a.kind in ABOUT_COPIES for a in drops)
        and any(d.decision in ("keep", "relabel") for d in votes)
    )


def label_question_of(audit: Audit) -> dict[str, str]:
    """Return the kind of the finding that asks about each flagged sample's label: mislabeled or ambiguous."""
    return {
        i: finding.kind
        for finding in reversed(audit.findings)
        if finding.kind in LABEL_KINDS
        for i in finding.ids
    }


def majority(cast: Sequence[_Vote]) -> _Vote | None:
    """Return what more than half of the votes say, None where nothing does."""
    said, most = max(Counter(cast).items(), key=lambda part: part[1], default=(None, 0))
    return said if 2 * most > len(cast) else None


def _count(sample_id: str, kind: str, votes: tuple[Vote, ...]) -> Answer:
    cast = [(v.decision.decision, v.decision.to) for v in votes if v.decision.decision != "unsure"]
    if not cast:
        return Answer(sample_id, kind, "unsure", "", votes)
    decision, to = majority(cast) or (CONFLICT, "")
    return Answer(sample_id, kind, decision, to, votes)


def _combine(sample_id: str, answers: tuple[Answer, ...]) -> Outcome:
    said = {a.decision for a in answers}
    targets = sorted({a.to for a in answers if a.decision == "relabel"})
    confirmed = any(a.decision == "keep" and a.kind in LABEL_QUESTIONS for a in answers)
    if "drop" in said:
        return Outcome(sample_id, "drop", "", answers)
    if CONFLICT in said or len(targets) > 1 or (targets and confirmed):
        return Outcome(sample_id, CONFLICT, "", answers)
    if targets:
        return Outcome(sample_id, "relabel", targets[0], answers)
    return Outcome(sample_id, "keep" if "keep" in said else "unsure", "", answers)
