"""What the decisions on a page belong to, and those that it starts with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.decisions import Decision, DecisionFile, newest
from auditor.results import Audit
from reports.options import PageOptions
from reports.questions import Asked


@dataclass(frozen=True)
class ReviewView:
    """What decisions on this page belong to, and those that it starts with.

    `page_id` tells this page from others of the same audit; `annotator` is "" when the decisions come from
    several people or there are none.
    """

    report_id: str
    fingerprint: str
    page_id: str
    blind: bool
    annotator: str
    decisions: tuple[Decision, ...]


def review_view(audit: Audit, asked: Asked, options: PageOptions) -> ReviewView:
    """Return which audit and questions decisions on this page belong to, and the latest earlier ones."""
    made = audit.provenance
    questions = hashlib.sha256("\n".join(q.question_id for q in asked.questions).encode()).hexdigest()
    names = {file.annotator for file in options.decisions}
    return ReviewView(
        report_id=made.report_id,
        fingerprint=made.fingerprint,
        page_id=f"{made.report_id}-{questions[:12]}",
        blind=options.blind,
        annotator=names.pop() if len(names) == 1 else "",
        decisions=latest(options.decisions),
    )


def latest(files: Sequence[DecisionFile]) -> tuple[Decision, ...]:
    """Return the latest decision about each (sample, kind), whoever made it."""
    kept: dict[tuple[str, str], Decision] = {}
    for _, d in newest(files):
        earlier = kept.get((d.id, d.kind))
        if earlier is None or d.time >= earlier.time:
            kept[(d.id, d.kind)] = d
    return tuple(kept.values())
