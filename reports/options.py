"""What can be chosen about a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.decisions import DecisionFile

DEFAULT_LIMIT = 2000
PICTURE_BUDGET = 12_700_000
"""Bytes of all pictures before base64: 20 MB of page less 3 MB of script, map and texts."""


@dataclass(frozen=True)
class PageOptions:
    """How a page is made.

    limit : findings on it, shared out by kind.
    image_root : where the originals lie: a web address, or a path relative to the page; cards link there.
    picture_budget : bytes of all pictures together before base64.
    blind : hide what the audit thinks of a label until the annotator has answered once.
    controls : ids of unflagged samples to mix in, from `auditor.controls.draw_controls`; only on a blind
        page, where nothing tells them from flagged ones.
    decisions : earlier decisions that the page starts with; of several about one question the latest counts.
    only : finding ids to ask about, None = all.
    votes : finding id to (annotator, answer in words), shown on its card.
    """

    limit: int = DEFAULT_LIMIT
    image_root: str | None = None
    picture_budget: int = PICTURE_BUDGET
    blind: bool = False
    controls: tuple[str, ...] = ()
    decisions: tuple[DecisionFile, ...] = ()
    only: frozenset[str] | None = None
    votes: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
