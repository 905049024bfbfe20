"""Things that do not belong in a kitchen drawer, for the off-topic pictures, in both domains.

subject "house" -> Scene(sky and ground, [Shape(points, colour, tone), ...])   back to front, in [-1, 1]^2, y down
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from painter.canvas import Array, Colour, Frame, Rng, blur, jitter, lay, noise
from painter.pencil import outline
from painter.photo import OVERSAMPLING, SIDE, develop
from painter.sketch import OVERSAMPLING as SKETCH_OVERSAMPLING
from painter.sketch import Sheet, scan


@dataclass(frozen=True)
class Shape:
    """A filled region, or an open line of that width when `width` is above 0; `tone` is its grey in a drawing."""

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


def _clock(rng: Rng) -> Scene:
    shapes = [
        Shape(_disc(0, 0, 0.88), jitter(rng, (0.2, 0.3, 0.5)), 0.7),
        Shape(_disc(0, 0, 0.76), WHITE, 0.02),
    ]
    for hour in range(12):
        t = hour * np.pi / 6
        tick = _points((0.6 * np.cos(t), 0.6 * np.sin(t)), (0.7 * np.cos(t), 0.7 * np.sin(t)))
        shapes += [Shape(tick, BLACK, 0.9, 0.07)]
    for length, width in ((0.4, 0.09), (0.58, 0.05)):
        t = rng.uniform(0, 2 * np.pi)
        shapes += [Shape(_points((0, 0), (length * np.cos(t), length * np.sin(t))), BLACK, 0.9, width)]
    wall = jitter(rng, (0.85, 0.8, 0.55), 0.06)
    return Scene(wall, wall, shapes)


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


def _bicycle(rng: Rng) -> Scene:
    frame = jitter(rng, (0.12, 0.4, 0.45), 0.06)
    shapes = []
    for x in (-0.52, 0.52):
        shapes += [Shape(_disc(x, 0.28, 0.38), BLACK, 0.9, 0.06)]
        for t in np.linspace(0, np.pi, 6)[:-1]:
            dx, dy = 0.36 * np.cos(t), 0.36 * np.sin(t)
            shapes += [Shape(_points((x - dx, 0.28 - dy), (x + dx, 0.28 + dy)), (0.6, 0.6, 0.6), 0.5, 0.015)]
    bars = _points((-0.52, 0.28), (-0.2, -0.3), (0.36, -0.3), (0.0, 0.28), (-0.52, 0.28))
    shapes += [
        Shape(bars, frame, 0.8, 0.08),
        Shape(_points((0.52, 0.28), (0.3, -0.55), (0.52, -0.6)), frame, 0.8, 0.07),
    ]
    shapes += [
        Shape(_points((-0.2, -0.3), (0.0, 0.28)), frame, 0.8, 0.07),
        Shape(_points((-0.36, -0.42), (-0.1, -0.42)), BLACK, 0.9, 0.11),
    ]
    return Scene(SKY, ROAD, shapes)


def _flower(rng: Rng) -> Scene:
    petal = jitter(rng, (0.85, 0.3, 0.55), 0.08)
    shapes = [Shape(_points((0, 0.0), (0.05, 0.95)), (0.25, 0.5, 0.2), 0.6, 0.08)]
    shapes += [Shape(_disc(0.3, 0.62, 0.26, 0.1), (0.28, 0.55, 0.22), 0.4)]
    for t in np.arange(8) * np.pi / 4 + rng.uniform(0, 1):
        shapes += [Shape(_disc(0.44 * np.cos(t), -0.2 + 0.44 * np.sin(t), 0.22), petal, 0.15)]
    shapes += [Shape(_disc(0, -0.2, 0.24), (0.95, 0.8, 0.2), 0.6)]
    return Scene(GRASS, (0.28, 0.45, 0.2), shapes)


def _boat(rng: Rng) -> Scene:
    hull, sail = jitter(rng, (0.5, 0.2, 0.16), 0.06), jitter(rng, (0.95, 0.92, 0.85), 0.03)
    shapes = [Shape(_points((-0.75, 0.3), (0.8, 0.3), (0.5, 0.66), (-0.5, 0.66)), hull, 0.65)]
    shapes += [Shape(_points((0, 0.3), (0, -0.9)), (0.3, 0.2, 0.14), 0.8, 0.05)]
    shapes += [
        Shape(_points((0.06, -0.82), (0.06, 0.2), (0.68, 0.2)), sail, 0.1),
        Shape(_points((-0.06, -0.6), (-0.06, 0.2), (-0.55, 0.2)), sail, 0.2),
    ]
    return Scene(SKY, (0.15, 0.35, 0.55), shapes)


SUBJECTS: dict[str, Callable[[Rng], Scene]] = {
    "house": _house,
    "tree": _tree,
    "car": _car,
    "clock": _clock,
    "chessboard": _chessboard,
    "page of text": _page,
    "cat": _cat,
    "bicycle": _bicycle,
    "flower": _flower,
    "sailing boat": _boat,
}


def _mask(shape: Shape, frame: Frame, side: int) -> Array:
    """Return the cover of one shape."""
    plane = Image.new("L", (side * 2, side * 2))
    xy = [(float(x) * 2, float(y) * 2) for x, y in frame.points(shape.points[:, 0], shape.points[:, 1])]
    if shape.width:
        ImageDraw.Draw(plane).line(
            xy, fill=255, width=max(2, round(shape.width * frame.scale * 2)), joint="curve"
        )
    else:
        ImageDraw.Draw(plane).polygon(xy, fill=255)
    return np.asarray(plane.reduce(2), dtype=np.float32) / 255


def _place(rng: Rng, side: int) -> Frame:
    """Return where the scene lies: upright, nearly filling the picture."""
    x, y = side * (0.5 + rng.normal(0, 0.015, 2))
    return Frame(x, y, rng.normal(0, 0.04), side * rng.uniform(0.44, 0.5))


def photograph_stranger(subject: str, rng: Rng) -> NDArray[np.uint8]:
    """Return an off-topic photograph (128, 128, 3)."""
    side, scene = SIDE * OVERSAMPLING, SUBJECTS[subject](rng)
    frame = _place(rng, side)
    ground = np.clip((np.arange(side, dtype=np.float32)[:, None] - 0.62 * side) / 4, 0, 1)
    canvas = np.empty((side, side, 3), dtype=np.float32)
    canvas[:] = scene.above
    lay(canvas, np.broadcast_to(ground, (side, side)), scene.below)
    canvas *= (1 + 0.06 * noise(rng, side, (3, 3), 5))[..., None]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    for shape in scene.shapes:
        cover = _mask(shape, frame, side)
        canvas *= (1 - 0.25 * blur(cover, 4))[..., None]
        value = 1 - 0.12 * axis[:, None] - 0.06 * axis[None, :] + 0.04 * noise(rng, side, (12, 12), 3)
        lay(canvas, cover, np.array(shape.colour, dtype=np.float32) * value[..., None])
    return develop(canvas, rng)


def draw_stranger(subject: str, rng: Rng) -> NDArray[np.uint8]:
    """Return an off-topic drawing (128, 128, 3)."""
    side = SIDE * SKETCH_OVERSAMPLING
    sheet, scene = Sheet(rng, side), SUBJECTS[subject](rng)
    frame = _place(rng, side)
    for shape in scene.shapes:
        line = frame.points(shape.points[:, 0], shape.points[:, 1])
        if shape.width:
            outline(sheet.ink, line, sheet.hand, rng, 0.8 + 8 * shape.width)
            continue
        cover = _mask(shape, frame, side)
        sheet.ink *= 1 - cover
        sheet.fill(cover * shape.tone, 0.45)
        outline(sheet.ink, np.concatenate([line, line[:1]]), sheet.hand, rng, 0.8)
    return scan(sheet.ink, rng)
