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

    `page_id` tells this page from others of the same audit, by its questions and the decisions that it starts
    with. `annotator` is "" when these come from several people: they are then shown, but nobody's own.
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
    earlier = latest(options.decisions)
    content = [*(q.question_id for q in asked.questions), *map(str, earlier)]
    mark = hashlib.sha256("\n".join(content).encode("utf-8", "replace")).hexdigest()
    names = {file.annotator for file in options.decisions}
    return ReviewView(
        report_id=made.report_id,
        fingerprint=made.fingerprint,
        page_id=f"{made.report_id}-{mark[:12]}",
        blind=options.blind,
        annotator=names.pop() if len(names) == 1 else "",
        decisions=earlier,
    )


def latest(files: Sequence[DecisionFile]) -> tuple[Decision, ...]:
    """Return the latest decision about each (sample, kind), whoever made it."""
    kept: dict[tuple[str, str], Decision] = {}
    for _, d in newest(files):
        earlier = kept.get((d.id, d.kind))
        if earlier is None or d.time >= earlier.time:
            kept[(d.id, d.kind)] = d
    return tuple(kept.values())
