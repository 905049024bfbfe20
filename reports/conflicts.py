"""A page with nothing but what annotators disagree about, each card saying who answered what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from auditor.decisions import Decision
from auditor.errors import DataError
from auditor.merging import CONFLICT, Answer
from auditor.results import Audit
from reports import wording
from reports.options import PageOptions
from reports.page import PageSummary, write_page
from reports.questions import label_check_id
from reports.thumbnails import add_control_pictures


def write_conflicts_page(audit: Audit, answers: Sequence[Answer], path: Path) -> PageSummary:
    """Write the page of the conflicts among `answers`, from `auditor.merging.merge_answers`.

    A finding about several copies is asked again as a whole when one of them is in conflict. Samples that
    this audit asks nothing about, controls above all, are asked as labels to check, without a picture where
    the originals are gone; those without a vector cannot be asked.
    """
    finding_of = {(f.kind, i): f.finding_id for f in audit.findings for i in f.ids}
    embedded = set(audit.embeddings.ids)
    votes: dict[str, dict[str, str]] = {}
    controls: dict[str, None] = {}
    for answer in answers:
        asked = finding_of.get((answer.kind, answer.id))
        if answer.decision != CONFLICT or (asked is None and answer.id not in embedded):
            continue
        if asked is None:
            controls[answer.id] = None
            asked = label_check_id([answer.id])
        for vote in answer.votes:
            votes.setdefault(asked, {}).setdefault(vote.annotator, _in_words(vote.decision))
    options = PageOptions(
        limit=max(len(votes), 1),
        controls=tuple(controls),
        only=frozenset(votes),
        votes={asked: tuple(said.items()) for asked, said in votes.items()},
    )
    return write_page(_with_pictures(audit, tuple(controls)), path, options)


def _with_pictures(audit: Audit, controls: Sequence[str]) -> Audit:
    try:
        return add_control_pictures(audit, controls)
    except DataError:
        return replace(audit)  # the page says which pictures are not there


def _in_words(decision: Decision) -> str:
    relabel = decision.decision == "relabel"
    words = f"it is {wording.isolate(decision.to)}" if relabel else decision.decision
    return f"{words} ({decision.note})" if decision.note else words
