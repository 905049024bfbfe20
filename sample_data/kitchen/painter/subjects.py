"""Things that do not belong in a kitchen drawer, as plain shapes.

subject "house" -> Scene(colours above and below, [Shape(points, colour, tone), ...])
                   back to front, in [-1, 1]^2, y down
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from painter.canvas import Array, Colour, Rng, jitter


@dataclass(frozen=True)
class Shape:
    """A filled region, or an open line when `width` is above 0; `tone` is its grey in a drawing."""

    points: Array
    colour: Colour
    tone: float = 0.2
    width: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Two background colours, above and below, and what stands before them."""

    above: Colour
    below: Colour
    shapes: list[Shape]


SKY: Colour = (0.55, 0.73, 0.92)
GRASS: Colour = (0.36, 0.55, 0.25)
ROAD: Colour = (0.42, 0.42, 0.44)
BLACK: Colour = (0.08, 0.08, 0.09)
WHITE: Colour = (0.95, 0.95, 0.93)


def _points(*pairs: tuple[float, float]) -> Array:
    return np.array(pairs, dtype=np.float32)


def _box(x0: float, y0: float, x1: float, y1: float) -> Array:
    return _points((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _disc(x: float, y: float, rx: float, ry: float | None = None) -> Array:
    t = np.linspace(0, 2 * np.pi, 60)
    return np.stack([x + rx * np.cos(t), y + (ry or rx) * np.sin(t)], 1).astype(np.float32)


def _house(rng: Rng) -> Scene:
    wall, roof = jitter(rng, (0.85, 0.76, 0.62)), jitter(rng, (0.65, 0.25, 0.2))
    shapes = [Shape(_box(-0.62, -0.12, 0.62, 0.72), wall, 0.08)]
    shapes += [Shape(_points((-0.8, -0.1), (0, -0.78), (0.8, -0.1)), roof, 0.5)]
    shapes += [Shape(_box(-0.14, 0.25, 0.16, 0.72), (0.35, 0.22, 0.14), 0.7)]
    for x in (-0.45, 0.28):
        shapes += [Shape(_box(x, 0.05, x + 0.2, 0.32), (0.5, 0.65, 0.8), 0.35)]
    return Scene(SKY, GRASS, shapes)


def _tree(rng: Rng) -> Scene:
    shapes = [Shape(_points((-0.1, 0.85), (-0.07, 0.0), (0.07, 0.0), (0.12, 0.85)), (0.36, 0.25, 0.16), 0.6)]
    for x, y in ((-0.4, -0.1), (0.4, -0.12), (-0.22, -0.48), (0.24, -0.5), (0.0, -0.2), (0.02, -0.7)):
        r = rng.uniform(0.28, 0.36)
        shapes += [Shape(_disc(x, y, r), jitter(rng, (0.2, 0.44, 0.18), 0.05), 0.35)]
    return Scene(SKY, GRASS, shapes)


def _car(rng: Rng) -> Scene:
    paint = jitter(rng, (0.75, 0.15, 0.15), 0.12)
    body = _points(
        (-0.9, 0.3),
        (-0.88, 0.02),
        (-0.5, -0.06),
        (-0.3, -0.4),
        (0.3, -0.4),
        (0.55, -0.06),
        (0.9, 0.04),
        (0.92, 0.3),
    )
    shapes = [Shape(body, paint, 0.45)]
    shapes += [
        Shape(_points((-0.38, -0.06), (-0.24, -0.32), (-0.02, -0.32), (-0.02, -0.06)), (0.7, 0.82, 0.9), 0.1)
    ]
    shapes += [
        Shape(_points((0.05, -0.06), (0.05, -0.32), (0.26, -0.32), (0.42, -0.06)), (0.7, 0.82, 0.9), 0.1)
    ]
    for x in (-0.52, 0.54):
        shapes += [Shape(_disc(x, 0.3, 0.2), BLACK, 0.9), Shape(_disc(x, 0.3, 0.09), (0.7, 0.7, 0.72), 0.1)]
    return Scene(SKY, ROAD, shapes)


def _chessboard(rng: Rng) -> Scene:
    dark, step = jitter(rng, (0.12, 0.1, 0.1)), 0.25
    shapes = [Shape(_box(-1, -1, 1, 1), WHITE, 0.02)]
    for row in range(8):
        for column in range(row % 2, 8, 2):
            x, y = -1 + column * step, -1 + row * step
            shapes += [Shape(_box(x, y, x + step, y + step), dark, 0.95)]
    return Scene(WHITE, WHITE, shapes)


def _page(rng: Rng) -> Scene:
    shapes = [Shape(_box(-1, -1, 1, 1), WHITE, 0.0)]
    for y in np.arange(-0.85, 0.9, 0.155):
        x = -0.85
        while x < 0.7:
            stop = min(x + rng.uniform(0.1, 0.34), 0.86)
            shapes += [Shape(_box(x, y, stop, y + 0.075), (0.15, 0.15, 0.17), 0.9)]
            x = stop + 0.06
    return Scene(WHITE, WHITE, shapes)


def _cat(rng: Rng) -> Scene:
    fur = jitter(rng, (0.75, 0.48, 0.22), 0.05)
    shapes = []
    for s in (-1, 1):
        shapes += [Shape(_points((s * 0.62, -0.1), (s * 0.66, -0.82), (s * 0.16, -0.5)), fur, 0.5)]
        shapes += [
            Shape(_points((s * 0.54, -0.3), (s * 0.57, -0.66), (s * 0.3, -0.48)), (0.9, 0.65, 0.62), 0.2)
        ]
    shapes += [Shape(_disc(0, 0.08, 0.7, 0.62), fur, 0.3)]
    for s in (-1, 1):
        shapes += [
            Shape(_disc(s * 0.27, -0.06, 0.14, 0.12), (0.65, 0.8, 0.3), 0.05),
            Shape(_disc(s * 0.27, -0.06, 0.045, 0.11), BLACK, 0.95),
        ]
        for rise in (-0.06, 0.05, 0.16):
            shapes += [Shape(_points((s * 0.2, 0.28), (s * 0.85, 0.24 + rise)), WHITE, 0.8, 0.025)]
    shapes += [Shape(_points((-0.09, 0.18), (0.09, 0.18), (0, 0.28)), (0.8, 0.4, 0.42), 0.7)]
    shapes += [Shape(_points((-0.18, 0.42), (0, 0.36), (0.18, 0.42)), BLACK, 0.8, 0.03)]
    room = jitter(rng, (0.35, 0.45, 0.55), 0.06)
    return Scene(room, room, shapes)


def _boat(rng: Rng) -> Scene:
    hull, sail = jitter(rng, (0.5, 0.2, 0.16), 0.06), jitter(rng, (0.95, 0.92, 0.85), 0.03)
    shapes = [Shape(_points((-0.75, 0.3), (0.8, 0.3), (0.5, 0.66), (-0.5, 0.66)), hull, 0.65)]
    shapes += [Shape(_points((0, 0.3), (0, -0.9)), (0.3, 0.2, 0.14), 0.8, 0.05)]
    shapes += [
        Shape(_points((0.06, -0.82), (0.06, 0.2), (0.68, 0.2)), sail, 0.1),
        Shape(_points((-0.06, -0.6), (-0.06, 0.2), (-0.55, 0.2)), sail, 0.2),
    ]
    return Scene(SKY, (0.15, 0.35, 0.55), shapes)


def _bricks(rng: Rng) -> Scene:
    shapes = [Shape(_box(-1.1, -1.1, 1.1, 1.1), (0.75, 0.72, 0.68), 0.0)]
    for row in range(9):
        for column in range(-1, 6):
            x, y = -1.1 + column * 0.44 + 0.22 * (row % 2), -1.1 + row * 0.25
            shapes += [
                Shape(
                    _box(x, y, x + 0.4, y + 0.21),
                    jitter(rng, (0.62, 0.28, 0.2), 0.05),
                    rng.uniform(0.35, 0.9),
                )
            ]
    return Scene(WHITE, WHITE, shapes)


def _music(rng: Rng) -> Scene:
    shapes = []
    for top in (-0.95, -0.4, 0.15, 0.7):
        for line in range(5):
            y = top + line * 0.075
            shapes += [Shape(_points((-1.1, y), (1.1, y)), BLACK, 0.6, 0.012)]
        for x in np.arange(-0.85, 1.0, 0.2):
            y = top + rng.integers(0, 9) * 0.0375
            shapes += [Shape(_disc(x, y, 0.06, 0.05), BLACK, 0.95)]
            shapes += [Shape(_points((x + 0.055, y), (x + 0.055, y - 0.26)), BLACK, 0.9, 0.02)]
    return Scene(WHITE, WHITE, shapes)


def _zebra(rng: Rng) -> Scene:
    shapes, y, phase = [], -1.3, rng.uniform(0, 6)
    x = np.linspace(-1.1, 1.1, 30)
    while y < 1.2:
        wave = y + 0.12 * np.sin(2.5 * x + phase + y)
        thick = rng.uniform(0.11, 0.17) + 0.03 * np.sin(5 * x + 3 * y)
        band = np.stack([np.concatenate([x, x[::-1]]), np.concatenate([wave, (wave + thick)[::-1]])], 1)
        shapes += [Shape(band.astype(np.float32), BLACK, 0.95)]
        y += rng.uniform(0.24, 0.3)
    return Scene(WHITE, WHITE, shapes)


def _web(rng: Rng) -> Scene:
    x0, y0 = rng.uniform(-0.2, 0.2, 2)
    spokes = np.arange(14) * 2 * np.pi / 14 + rng.uniform(0, 1)
    shapes = [
        Shape(_points((x0, y0), (x0 + 2 * np.cos(t), y0 + 2 * np.sin(t))), WHITE, 0.8, 0.02) for t in spokes
    ]
    for r in np.arange(0.12, 1.5, 0.13):
        ring = [(x0 + r * np.cos(t), y0 + r * np.sin(t)) for t in (*spokes, spokes[0])]
        shapes += [Shape(_points(*ring), WHITE, 0.7, 0.015)]
    return Scene((0.2, 0.3, 0.25), (0.2, 0.3, 0.25), shapes)


SUBJECTS: dict[str, dict[str, Callable[[Rng], Scene]]] = {
    "photo": {
        "house": _house,
        "tree": _tree,
        "car": _car,
        "cat": _cat,
        "sailing boat": _boat,
        "chessboard": _chessboard,
    },
    "drawing": {
        "page of text": _page,
        "brick wall": _bricks,
        "sheet of music": _music,
        "zebra skin": _zebra,
        "spider web": _web,
        "chessboard": _chessboard,
    },
}
"""What is shown off-topic, by domain. Drawings fill the sheet: mostly paper is what all drawings are."""
