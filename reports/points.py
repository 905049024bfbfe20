"""The map's points as whole numbers: 0 to 65,535 on both axes, one scale for both, so that shapes stay true.

plain     unflagged samples: all, or above `DRAWN_LIMIT` a sample of them that is fair to every class
flagged   all that the page asks about, never left out, and the other flagged samples: all, or where more than
          `FLAGGED_LIMIT` would be drawn a sample that is fair to every class; `cards` says on which cards
density   (h, w) uint8 picture of all points, only where some are not drawn
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids
from auditor.results import Audit
from reports.questions import Question

DRAWN_LIMIT = 50_000
"""More points than this make every gesture slow."""
FLAGGED_LIMIT = 10_000
"""More flagged points than this hide each other, and what the page asks about among them."""
DENSITY_SIDE = 256
GRID = 65_535

UInts = NDArray[np.uint16]


@dataclass(frozen=True)
class DrawnPoints:
    """What is drawn of a map; `codes` are class codes, `width` and `height` the used part of the grid."""

    plain_x: UInts
    plain_y: UInts
    plain_codes: UInts
    flagged_x: UInts
    flagged_y: UInts
    flagged_codes: UInts
    density: NDArray[np.uint8] | None
    width: int
    height: int


@dataclass(frozen=True)
class PointsView(DrawnPoints):
    """See the module docstring."""

    plain_ids: Ids
    flagged_ids: Ids
    cards: tuple[tuple[int, ...], ...]
    caption: str
    left_out: str


def points_view(audit: Audit, questions: Sequence[Question]) -> PointsView:
    """Return the points of the map, the flagged ones apart."""
    ids, codes = audit.map.ids, audit.dataset.codes_of(audit.map.ids).astype(np.uint16)
    x, y, width, height = on_grid(audit.map.positions)
    asked: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        for i in question.ids:
            asked.setdefault(i, []).append(number)
    flagged_ids = {i for f in audit.findings for i in f.ids} | asked.keys()
    is_flagged = np.array([i in flagged_ids for i in ids.tolist()], dtype=bool)
    flagged = _asked_and_others(np.flatnonzero(is_flagged), ids, codes, asked)
    plain = _fair_sample(np.flatnonzero(~is_flagged), codes, DRAWN_LIMIT)
    left_out = _left_out((len(plain), int((~is_flagged).sum())), (len(flagged), int(is_flagged.sum())))
    return PointsView(
        x[plain], y[plain], codes[plain],
        x[flagged], y[flagged], codes[flagged],
        density=cloud(x, y) if left_out else None,
        width=width,
        height=height,
        plain_ids=ids[plain],
        flagged_ids=ids[flagged],
        cards=tuple(tuple(asked.get(i, ())) for i in ids[flagged]),
        caption=_caption(audit),
        left_out=left_out,
    )  # fmt: skip


def _asked_and_others(
    rows: NDArray[np.int64], ids: Ids, codes: UInts, asked: Container[str]
) -> NDArray[np.int64]:
    """Return the flagged rows that are drawn: those with a card, and as many others as there is room for."""
    here = np.array([i in asked for i in ids[rows].tolist()], dtype=bool)
    others = _fair_sample(rows[~here], codes, max(FLAGGED_LIMIT - int(here.sum()), 0))
    return np.sort(np.concatenate([rows[here], others]))


def on_grid(positions: Floats) -> tuple[UInts, UInts, int, int]:
    """Return positions (n, 2) as whole numbers x, y (n,), and the width and height that they use."""
    if not len(positions):
        empty = np.zeros(0, dtype=np.uint16)
        return empty, empty, GRID, GRID
    low = positions.min(axis=0).astype(np.float64)
    span = np.maximum(positions.max(axis=0) - low, 1e-9)
    scaled = np.rint((positions - low) / span.max() * GRID).astype(np.uint16)
    return scaled[:, 0], scaled[:, 1], int(scaled[:, 0].max()), int(scaled[:, 1].max())


def _fair_sample(rows: NDArray[np.int64], codes: UInts, limit: int) -> NDArray[np.int64]:
    """Keep every n-th row of each class, so that each keeps its share; the same rows every time."""
    if len(rows) <= limit:
        return rows
    ordered = rows[np.argsort(codes[rows], kind="stable")]
    picked = ordered[np.linspace(0, len(ordered) - 1, limit).astype(np.int64)]
    return np.sort(picked)


def cloud(x: UInts, y: UInts) -> NDArray[np.uint8]:
    """Return how many samples lie in each cell, on a logarithmic scale from 0 to 255, bottom row first."""
    edges = np.linspace(0, GRID + 1, DENSITY_SIDE + 1)
    counts, _, _ = np.histogram2d(y, x, bins=[edges, edges])
    tone = np.log1p(counts)
    return np.asarray(np.rint(255 * tone / tone.max()), dtype=np.uint8)


def _caption(audit: Audit) -> str:
    if not len(audit.map.ids):
        return "There is no map: no sample could be embedded."
    return f"Trust {audit.map.trustworthiness:.2f}"


def _left_out(plain: tuple[int, int], flagged: tuple[int, int]) -> str:
    """Say what is not drawn, given (drawn, total) of both kinds; "" where everything is."""
    parts = [
        f"{drawn:,} of {total:,} {what}"
        for (drawn, total), what in (
            (plain, "unflagged samples"),
            (flagged, "flagged samples (all that have a card here)"),
        )
        if drawn < total
    ]
    if not parts:
        return ""
    return f"{' and '.join(parts)} are drawn; the grey cloud under them counts all."
