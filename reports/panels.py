"""The maps of a comparison as whole numbers on one grid, and which samples the page names.

view.maps  ->  PanelPoints for each: plain and marked points, and which sample each of them is
view       ->  PageSamples: the samples that are drawn, pictured or lit, numbered anew from 0

Above `points.DRAWN_LIMIT` unmarked points a panel draws a sample of them. Which ones depends on the sample
and not on the panel, so that what is drawn on one map is drawn on the others too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ints
from reports.comparison_view import ComparisonView, GalleryBlock, MapPanel, TableBlock
from reports.points import DRAWN_LIMIT, DrawnPoints, UInts, cloud, on_grid

HUES = 8
TABLE_ROWS = 200
"""Rows of a table on the page; the others stand in comparison.json."""
SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbouring numbers end up far apart."""


@dataclass(frozen=True)
class PanelPoints(DrawnPoints):
    """One map as it is drawn: the flagged points are the marked ones.

    `plain_samples` and `marked_samples` are positions in the view's samples.
    """

    title: str
    caption: str
    marked_as: str
    plain_samples: Ints
    marked_samples: Ints
    left_out: str


@dataclass(frozen=True)
class PageSamples:
    """The samples that the page names, as ascending positions in the view's samples.

    all : every one; the page numbers them by their place in it.
    shown : those of galleries.
    lit : those of table rows, and marked points.
    """

    all: Ints
    shown: Ints
    lit: Ints

    def numbers(self, samples: Iterable[int]) -> list[int]:
        """Return the page's numbers of these samples."""
        return [int(n) for n in np.searchsorted(self.all, np.fromiter(samples, dtype=np.int32))]


def panel_points(view: ComparisonView) -> tuple[PanelPoints, ...]:
    """Return the panels on one grid, so that equal places have equal numbers on all of them."""
    if not view.maps:
        return ()
    grid = on_grid(np.concatenate([panel.positions for panel in view.maps]))
    named = _sorted((*_gallery_samples(view), *_row_samples(view)))
    ends = np.cumsum([len(panel.samples) for panel in view.maps]).tolist()
    panels = []
    for panel, end in zip(view.maps, ends, strict=True):
        rows = slice(end - len(panel.samples), end)
        codes = np.where(panel.codes < 0, len(view.class_names), panel.codes).astype(np.uint16)
        panels.append(_panel(panel, codes, (grid[0][rows], grid[1][rows], grid[2], grid[3]), named))
    return tuple(panels)


def page_samples(view: ComparisonView, panels: tuple[PanelPoints, ...]) -> PageSamples:
    """Return which samples the page names, given what is drawn."""
    shown = _sorted(_gallery_samples(view))
    marked = [p.marked_samples for p in panels]
    lit = np.unique(np.concatenate([_sorted(_row_samples(view)), *marked]))
    drawn = [p.plain_samples for p in panels]
    return PageSamples(np.unique(np.concatenate([shown, lit, *drawn])), shown, lit)


def class_hues(view: ComparisonView) -> list[int]:
    """Return each class's hue, -1 for grey: the classes that rows and galleries name first, at most eight."""
    hues = [-1] * len(view.class_names)
    codes = [code for block in view.blocks for code in _named_classes(block) if 0 <= code < len(hues)]
    if len(hues) <= HUES:
        codes = list(range(len(hues)))
    for hue, code in enumerate(list(dict.fromkeys(codes))[:HUES]):
        hues[code] = hue
    return hues


def _panel(panel: MapPanel, codes: UInts, grid: tuple[UInts, UInts, int, int], named: Ints) -> PanelPoints:
    x, y, width, height = grid
    unmarked = np.flatnonzero(~panel.marked)
    plain = _drawn(unmarked, panel.samples, codes, named)
    marked = np.flatnonzero(panel.marked)
    sampled = len(plain) < len(unmarked)
    left_out = f"{len(plain):,} of {len(unmarked):,} unmarked samples are drawn, the grey cloud counts all"
    return PanelPoints(
        x[plain], y[plain], codes[plain],
        x[marked], y[marked], codes[marked],
        density=cloud(x, y) if sampled else None,
        width=width,
        height=height,
        title=panel.title,
        caption=panel.caption,
        marked_as=panel.marked_as,
        plain_samples=panel.samples[plain],
        marked_samples=panel.samples[marked],
        left_out=left_out if sampled else "",
    )  # fmt: skip


def _drawn(rows: NDArray[np.int64], samples: Ints, codes: UInts, named: Ints) -> NDArray[np.int64]:
    """Keep all rows, or above the limit those that the page names and an equal share of each class."""
    if len(rows) <= DRAWN_LIMIT:
        return rows
    needed = np.isin(samples[rows], named)
    rest = rows[~needed]
    keys = spread(samples[rest])
    order = np.lexsort((keys, codes[rest]))
    sizes = np.bincount(codes[rest])
    place = np.arange(len(rest)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    share = max(DRAWN_LIMIT - int(needed.sum()), 0) / max(len(rest), 1)
    kept = order[place < np.maximum(np.floor(share * np.repeat(sizes, sizes)), 1)]
    return np.sort(np.concatenate([rows[needed], rest[kept]]))


def spread(samples: Ints) -> NDArray[np.uint64]:
    """Return numbers that put samples into an arbitrary order, the same every time."""
    return (samples.astype(np.uint64) * np.uint64(SPREAD)) % np.uint64(2**32)


def _sorted(samples: Iterable[int]) -> Ints:
    return np.unique(np.fromiter(samples, dtype=np.int32))


def _gallery_samples(view: ComparisonView) -> Iterator[int]:
    for block in view.blocks:
        if isinstance(block, GalleryBlock):
            for group in block.groups:
                yield from (picture.sample for picture in group.pictures)


def _row_samples(view: ComparisonView) -> Iterator[int]:
    for block in view.blocks:
        if isinstance(block, TableBlock):
            for row in block.rows[:TABLE_ROWS]:
                yield from row.samples


def _named_classes(block: object) -> Iterator[int]:
    if isinstance(block, TableBlock):
        for row in block.rows[:TABLE_ROWS]:
            yield from row.classes
    elif isinstance(block, GalleryBlock):
        for group in block.groups:
            yield from group.classes
