"""The pictures of a comparison's page, within its budget.

galleries            384 px, shrinking to 160 px with their number
rows, marked points  96 px
the rest of a map    64 px, for `MAP_PICTURES` of them; the others show their name

A picture comes from the audit's stored thumbnails where those are large enough, else from the original file
if its bytes are still the ones that were audited, else it is the small stored one, else there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.arrays import rows_of
from auditor.errors import AuditError
from auditor.results import Audit, Thumbnail
from reports.comparison_view import ComparisonView
from reports.options import PICTURE_BUDGET
from reports.originals import NEIGHBOUR_SIDE, encode_original, in_threads
from reports.panels import PageSamples, spread
from reports.thumbnails import EXAMPLE_SIDE, PictureSet, fit_budget, flagged_side, shrink

MAP_PICTURES = 3_000
"""Samples of the maps that are neither marked nor in a gallery and still get a picture."""
MAP_DECODED = 1_000
"""At most so many of them are decoded for it, some milliseconds each."""
ROOMY = 1.25
"""A stored picture that is this many times larger than planned is made smaller."""


@dataclass(frozen=True)
class _Wish:
    """One picture to find: the row of the sample in its audit's dataset, and the longer side in pixels."""

    audit: int
    row: int
    id: str
    side: int


def comparison_pictures(
    view: ComparisonView, audits: Sequence[Audit], samples: PageSamples, budget: int = PICTURE_BUDGET
) -> PictureSet:
    """Return the pictures by the sample's position in the view, as text, all within `budget` bytes."""
    if not view.has_images or not len(samples.all):
        return PictureSet({}, 0, 1.0)
    sides = _planned_sides(view, audits, samples)
    wishes = _wishes(view, audits, sides)
    made = in_threads(
        lambda wish: _make(audits[wish.audit], wish),
        list(wishes.values()),
        give_up=lambda wish: audits[wish.audit].thumbnails.get(wish.id),
    )
    found = {str(number): t for number, t in zip(wishes, made, strict=True) if t is not None}
    pictures, shrunk = fit_budget(found, budget)
    needed = np.union1d(samples.shown, samples.lit).tolist()
    return PictureSet(pictures, sum(str(number) not in pictures for number in needed), shrunk)


def _planned_sides(view: ComparisonView, audits: Sequence[Audit], samples: PageSamples) -> dict[int, int]:
    """Return the longer side of each picture by the sample's position in the view."""
    rest = np.setdiff1d(samples.all, np.union1d(samples.shown, samples.lit))
    rest = rest[np.argsort(spread(rest), kind="stable")]
    shown = [view.samples[i] for i in rest.tolist()]
    stored = np.array([s.id in audits[s.audit].thumbnails for s in shown], dtype=bool)
    chosen = np.concatenate([rest[stored], rest[~stored][:MAP_DECODED]])[:MAP_PICTURES]
    sides = dict.fromkeys(chosen.tolist(), NEIGHBOUR_SIDE)
    sides |= dict.fromkeys(samples.lit.tolist(), EXAMPLE_SIDE)
    return sides | dict.fromkeys(samples.shown.tolist(), flagged_side(len(samples.shown)))


def _wishes(view: ComparisonView, audits: Sequence[Audit], sides: Mapping[int, int]) -> dict[int, _Wish]:
    wishes: dict[int, _Wish] = {}
    for place, audit in enumerate(audits):
        if not audit.dataset.has_images:
            continue
        own = [number for number in sorted(sides) if view.samples[number].audit == place]
        ids = [view.samples[number].id for number in own]
        rows = rows_of(audit.dataset.ids, ids).tolist() if own else []
        for number, row, sample_id in zip(own, rows, ids, strict=True):
            wishes[number] = _Wish(place, row, sample_id, sides[number])
    return wishes


def _make(audit: Audit, wish: _Wish) -> Thumbnail | None:
    stored = audit.thumbnails.get(wish.id)
    longer = max(int(audit.facts.width[wish.row]), int(audit.facts.height[wish.row]))
    if stored is not None and max(stored.width, stored.height) >= min(wish.side, longer):
        return _reduced(stored, wish.side)
    if not audit.facts.readable[wish.row]:
        return stored
    try:
        return encode_original(audit, wish.row, wish.side)
    except AuditError:
        return stored


def _reduced(stored: Thumbnail, side: int) -> Thumbnail:
    longer = max(stored.width, stored.height)
    return shrink(stored, side / longer) if longer > ROOMY * side else stored
