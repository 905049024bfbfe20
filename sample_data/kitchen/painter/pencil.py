"""Graphite on paper: strokes, hatching, grain.

Ink is a plane (side, side) from 0, bare paper, to 1, as dark as the lead gets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from painter.canvas import Array, Rng, noise


@dataclass(frozen=True)
class Hand:
    """How one person draws: line width in pixels, pressure in [0, 1], unsteadiness in pixels."""

    width: float
    pressure: float
    wobble: float
    passes: int
    hatch_angle: float
    hatch_gap: float


def make_hand(rng: Rng, side: int) -> Hand:
    """Draw the habits of one hand."""
    unit = side / 384
    return Hand(
        width=unit * rng.uniform(2.6, 5.5),
        pressure=rng.uniform(0.62, 0.95),
        wobble=unit * rng.uniform(0.8, 2.2),
        passes=int(rng.integers(1, 4)),
        hatch_angle=rng.uniform(0, np.pi),
        hatch_gap=unit * rng.uniform(7, 12),
    )


def resample(points: Array, step: float) -> Array:
    """Return points at equal distances along a line."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    count = max(int(along[-1] / step), 2)
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], 1).astype(np.float32)


def _wander(rng: Rng, count: int, size: float) -> Array:
    """Return a slow random path (count, 2)."""
    knots = max(count // 9, 2)
    at, grid = np.linspace(0, knots - 1, count), np.arange(knots)
    path = rng.normal(0, size, (knots, 2))
    return np.stack([np.interp(at, grid, path[:, k]) for k in (0, 1)], 1).astype(np.float32)


def stroke(plane: Image.Image, points: Array, hand: Hand, rng: Rng, weight: float = 1.0) -> None:
    """Draw one line with an unsteady hand and changing pressure; in place."""
    line = resample(points, max(hand.width * 1.6, 4.0))
    line = line + _wander(rng, len(line), hand.wobble)
    force = 1 + 0.3 * _wander(rng, len(line), 1.0)[:, 0]
    pen = ImageDraw.Draw(plane)
    for start, stop, press in zip(line[:-1].tolist(), line[1:].tolist(), force[:-1].tolist(), strict=True):
        width = max(1, round(hand.width * weight * min(max(press, 0.45), 1.5)))
        shade = int(255 * min(max(hand.pressure * press * min(weight, 1.0), 0.2), 1.0))
        pen.line([*start, *stop], fill=shade, width=width)


def outline(ink: Array, points: Array, hand: Hand, rng: Rng, weight: float = 1.0) -> None:
    """Draw a line, more than once where the hand is one that searches; in place."""
    for _ in range(hand.passes):
        plane = Image.new("L", (ink.shape[1], ink.shape[0]))
        stroke(plane, points, hand, rng, weight)
        layer = np.asarray(plane, dtype=np.float32) / 255
        ink += (1 - ink) * layer * 0.85


def hatch(ink: Array, tone: Array, hand: Hand, rng: Rng, cross: bool = True) -> None:
    """Fill with parallel lines as dark as `tone` (side, side) in [0, 1] asks; in place."""
    side = len(ink)
    thin = Hand(hand.width * 0.62, hand.pressure, hand.wobble, 1, hand.hatch_angle, hand.hatch_gap)
    angles = (0.0, 0.9) if cross else (0.0,)
    for turn, floor in zip(angles, (0.0, 0.45), strict=False):
        angle = hand.hatch_angle + turn
        along = np.array([np.cos(angle), np.sin(angle)])
        normal = np.array([-along[1], along[0]])
        plane = Image.new("L", (side, side))
        for offset in np.arange(-0.72 * side, 0.72 * side, hand.hatch_gap):
            middle = np.array([side / 2, side / 2]) + normal * (offset + rng.normal(0, hand.hatch_gap * 0.12))
            ends = middle + np.outer(np.linspace(-0.75, 0.75, 5) * side, along)
            if _meets(tone, ends, floor):
                _hatch_line(plane, ends, thin, rng)
        layer = np.asarray(plane, dtype=np.float32) / 255
        ink += (1 - ink) * layer * np.clip((tone - floor) * 1.7, 0, 1)


def _meets(tone: Array, ends: NDArray[np.float64], floor: float) -> bool:
    """Tell whether a line crosses anything that is to be filled."""
    at = np.linspace(0, 1, 80)[:, None]
    path = (ends[0] + at * (ends[-1] - ends[0])).round().astype(int)
    inside = ((path >= 0) & (path < len(tone))).all(axis=1)
    path = path[inside]
    return bool(len(path) and (tone[path[:, 1], path[:, 0]] > floor).any())


def _hatch_line(plane: Image.Image, ends: NDArray[np.float64], hand: Hand, rng: Rng) -> None:
    """Draw one hatching line in a few long segments."""
    line = resample(ends.astype(np.float32), plane.width / 9)
    line = line + _wander(rng, len(line), hand.wobble * 0.8)
    shade = int(255 * np.clip(hand.pressure * rng.uniform(0.65, 1.0), 0, 1))
    points = [(float(x), float(y)) for x, y in line]
    ImageDraw.Draw(plane).line(points, fill=shade, width=max(1, round(hand.width)))


def smudge(ink: Array, tone: Array, strength: float, rng: Rng) -> None:
    """Lay a soft grey tone, as a finger does; in place."""
    cloud = 1 + 0.2 * noise(rng, len(ink), (6, 6), 3)
    ink += (1 - ink) * np.clip(tone * strength * cloud, 0, 1)


PAPERS = ((0.95, 0.94, 0.9), (0.9, 0.88, 0.82), (0.93, 0.93, 0.93), (0.86, 0.8, 0.7), (0.88, 0.9, 0.91))
LEADS = ((0.16, 0.16, 0.18), (0.2, 0.2, 0.22), (0.28, 0.28, 0.3), (0.25, 0.17, 0.12), (0.15, 0.18, 0.32))


def make_paper(rng: Rng, side: int) -> Array:
    """Return a sheet (side, side, 3): tinted, unevenly lit, sometimes squared or lined."""
    paper = np.array(PAPERS[int(rng.integers(len(PAPERS)))]) * rng.uniform(0.92, 1.0)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    fall = rng.normal(0, 0.035, 2)
    value = 1 + fall[0] * axis[:, None] + fall[1] * axis[None, :] - 0.02
    value = value + 0.012 * noise(rng, side, (4, 4), 3) + 0.012 * noise(rng, side, (120, 120), 1)
    sheet = np.asarray(paper * value[..., None], dtype=np.float32)
    style = rng.random()
    if style < 0.22:
        gap, first = side / rng.uniform(9, 14), rng.uniform(0, 20)
        ruled = ((np.arange(side) - first) % gap) < side / 200
        lines = np.zeros((side, side), dtype=bool)
        lines[ruled] = True
        if style < 0.12:
            lines[:, ruled] = True
        sheet[lines] *= np.array([0.84, 0.9, 0.96], dtype=np.float32)
    return sheet


def finish(ink: Array, rng: Rng) -> Array:
    """Return the drawing (side, side, 3): ink broken by the paper's grain, on the paper."""
    side = len(ink)
    grain = np.clip(0.86 + 0.2 * noise(rng, side, (110, 110), 2), 0.25, 1)
    sheet = make_paper(rng, side)
    lead = np.array(LEADS[int(rng.integers(len(LEADS)))], dtype=np.float32)
    cover = np.clip(ink * grain, 0, 1)[..., None]
    return np.asarray(np.clip(sheet * (1 - cover) + lead * cover, 0, 1), dtype=np.float32)
