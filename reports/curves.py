"""The lines of a `CurveBlock` as SVG shapes in a box of `WIDTH` x `HEIGHT` units.

values in [0, 1] or None  ->  polylines (broken where there is no value), a label at each line's end, ticks

Labels that would touch are moved apart. Above eight lines the others are grey and named in the table alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.comparison_view import CurveBlock

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 176, 14, 36
"""Room around the lines: for the scale, the labels at their ends, and the names of the steps."""
LABEL_GAP = 17
LABEL_LENGTH, STEP_LENGTH = 22, 18
STEP_ROOM = 92
"""Units that the name of a step takes; steps that stand closer are not all named."""
HUES = 8
LEAST_SPAN = 0.2
WIDE_SPAN = 0.55
"""Scales longer than this are marked at every second tenth."""


@dataclass(frozen=True)
class CurveView:
    """One line: `hue` -1 for grey, `lines` the points of each unbroken piece, `dots` its values."""

    name: str
    label: str
    hue: int
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    end: tuple[float, float] | None
    label_y: float


@dataclass(frozen=True)
class ChartView:
    """A chart: `ticks` are (y, text), `steps` (x, short name, full name); `rows` the numbers as text."""

    curves: tuple[CurveView, ...]
    ticks: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, str, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def chart_view(block: CurveBlock) -> ChartView:
    """Return the block as shapes and as a table."""
    low, high = _scale([v for curve in block.curves for v in curve.values if v is not None])
    across = [_x(i, len(block.steps)) for i in range(len(block.steps))]

    def up(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    curves = []
    for number, curve in enumerate(block.curves):
        places = [None if v is None else (x, up(v)) for x, v in zip(across, curve.values, strict=True)]
        dots = tuple(p for p in places if p is not None)
        hue = number if number < HUES else -1
        end = dots[-1] if dots else None
        label = _cut(curve.name, LABEL_LENGTH)
        curves.append(CurveView(curve.name, label, hue, _pieces(places), dots, end, end[1] if end else 0.0))
    step = 0.1 if high - low < WIDE_SPAN else 0.2
    marks = [low + step * i for i in range(round((high - low) / step) + 1) if low + step * i < high + 1e-9]
    ticks = tuple((up(mark), f"{mark:.1f}") for mark in marks)
    rows = tuple((c.name, tuple("–" if v is None else f"{v:.3f}" for v in c.values)) for c in block.curves)
    return ChartView(_spaced(curves), ticks, _named_steps(block.steps, across), rows)


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the vertical scale: round, around the values, never less than `LEAST_SPAN` apart."""
    if not values:
        return 0.0, 1.0
    low, high = math.floor(min(values) * 10 - 0.01) / 10, math.ceil(max(values) * 10 + 0.01) / 10
    low, high = (low, high) if min(values) < 0 else (max(low, 0.0), high)
    high = high if max(values) > 1 else min(high, 1.0)
    low = min(low, high - LEAST_SPAN)
    return (low, high) if low >= 0 or min(values) < 0 else (0.0, max(high, LEAST_SPAN))


def _x(place: int, count: int) -> float:
    room = WIDTH - LEFT - RIGHT
    return round(LEFT + (room * place / (count - 1) if count > 1 else room / 2), 1)


def _pieces(places: Sequence[tuple[float, float] | None]) -> tuple[str, ...]:
    pieces: list[list[str]] = [[]]
    for place in places:
        if place is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{place[0]},{place[1]}")
    return tuple(" ".join(piece) for piece in pieces if len(piece) > 1)


def _spaced(curves: Sequence[CurveView]) -> tuple[CurveView, ...]:
    """Move the labels of the coloured lines apart, keeping their order from top to bottom."""
    from dataclasses import replace

    named = sorted((i for i, c in enumerate(curves) if c.hue >= 0 and c.end), key=lambda i: curves[i].label_y)
    moved, least = list(curves), float(TOP)
    for left, i in zip(range(len(named), 0, -1), named, strict=True):
        most = HEIGHT - LABEL_GAP * (left - 1)
        y = min(max(curves[i].label_y, least), most)
        moved[i] = replace(curves[i], label_y=round(y, 1))
        least = y + LABEL_GAP
    return tuple(moved)


def _named_steps(steps: Sequence[str], across: Sequence[float]) -> tuple[tuple[float, str, str], ...]:
    gap = across[1] - across[0] if len(across) > 1 else float(WIDTH)
    every = max(1, math.ceil(STEP_ROOM / gap))
    last = len(steps) - 1
    shown = [i for i in range(len(steps)) if (last - i) % every == 0]
    return tuple((across[i], _cut(steps[i], STEP_LENGTH), steps[i]) for i in shown)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
