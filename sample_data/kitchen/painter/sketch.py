"""A drawing: the same objects as in the photographs, in pencil on paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from painter import shapes
from painter.canvas import Array, Frame, Part, Rng, blur, noise, shift
from painter.layout import arrange
from painter.pencil import Hand, finish, hatch, make_hand, outline, smudge

SIDE = 128
"""Side of a finished picture in pixels."""
OVERSAMPLING = 2.5


class Sheet:
    """The ink of one drawing, the hand that draws and the side the light comes from."""

    def __init__(self, rng: Rng, side: int) -> None:
        self.rng = rng
        self.side = side
        self.ink: Array = np.zeros((side, side), dtype=np.float32)
        self.hand: Hand = make_hand(rng, side)
        self.light = rng.uniform(0, 2 * np.pi)
        self.filled = rng.random() < 0.85

    def cover(self, part: Part, frame: Frame) -> Array:
        """Return the cover of a part."""
        return part.cover(*frame.grid(self.side), 1 / frame.scale)

    def tone(self, part: Part, frame: Frame, base: float, depth: float) -> Array:
        """Return how dark a round part is: `base` everywhere, up to `depth` more away from the light."""
        u, v = frame.grid(self.side)
        nx, ny = frame.turn(*part.normals(u, part.across(u, v))[:2])
        away = -(nx * np.cos(self.light) + ny * np.sin(self.light))
        return part.cover(u, v, 1 / frame.scale) * np.clip(base + depth * away, 0, 1)

    def clear(self, parts: shapes.Parts, frame: Frame) -> None:
        """Rub out what lies behind an object."""
        for part in parts.values():
            self.ink *= 1 - self.cover(part, frame)

    def line(self, part: Part, frame: Frame, weight: float = 1.0) -> None:
        """Draw the outline of a part."""
        points = part.outline()
        outline(self.ink, frame.points(points[:, 0], points[:, 1]), self.hand, self.rng, weight)

    def path(self, frame: Frame, u: list[float], v: list[float], weight: float = 0.7) -> None:
        """Draw an open line through object coordinates."""
        points = frame.points(np.array(u, dtype=np.float32), np.array(v, dtype=np.float32))
        outline(self.ink, points, self.hand, self.rng, weight)

    def fill(self, tone: Array, soft: float = 0.35) -> None:
        """Hatch a tone over a soft grey."""
        if self.filled:
            hatch(self.ink, tone, self.hand, self.rng)
        smudge(self.ink, tone, soft, self.rng)

    def shadow(self, parts: shapes.Parts, frame: Frame) -> None:
        """Hatch the shadow beside an object."""
        cover = np.max([self.cover(p, frame) for p in parts.values()], axis=0)
        reach = self.side * 0.035
        moved = blur(shift(cover, -np.cos(self.light) * reach, -np.sin(self.light) * reach), 3)
        self.fill(np.clip(moved - cover, 0, 1) * 0.5, 0.2)


def draw_pear(sheet: Sheet, frame: Frame) -> None:
    """Draw a pear."""
    parts = shapes.pear(sheet.rng)
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    sheet.fill(sheet.tone(parts["body"], frame, 0.12, 0.6))
    sheet.fill(sheet.cover(parts["stem"], frame) * 0.7)
    sheet.line(parts["stem"], frame, 0.7)
    sheet.line(parts["body"], frame)


def draw_whole_avocado(sheet: Sheet, frame: Frame) -> None:
    """Draw a whole avocado, dark and pebbled."""
    parts = {"body": shapes.avocado(sheet.rng)["body"]}
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    pebbles = noise(sheet.rng, sheet.side, (40, 40), 2) * 0.16
    tone = np.clip(sheet.tone(parts["body"], frame, 0.72, 0.4) + pebbles, 0, 1) * sheet.cover(
        parts["body"], frame
    )
    sheet.fill(tone, 0.6)
    sheet.line(parts["body"], frame, 1.2)


def draw_half_avocado(sheet: Sheet, frame: Frame, stone: bool = True) -> None:
    """Draw a cut half with its stone, or the bed of it."""
    parts = shapes.avocado(sheet.rng)
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    rim = np.clip(sheet.cover(parts["body"], frame) - sheet.cover(parts["flesh"], frame), 0, 1)
    smudge(sheet.ink, rim, 0.75, sheet.rng)
    sheet.fill(sheet.cover(parts["flesh"], frame) * 0.08, 0.5)
    pit = parts["pit"]
    if stone:
        sheet.fill(sheet.tone(pit, frame, 0.62, 0.4), 0.55)
    else:
        bed = sheet.tone(pit, frame, 0.25, -0.5)
        sheet.fill(bed, 0.3)
    sheet.line(pit, frame)
    sheet.line(parts["flesh"], frame, 0.6)
    sheet.line(parts["body"], frame, 1.2)


def draw_knife(sheet: Sheet, frame: Frame) -> None:
    """Draw a kitchen knife: pale blade, dark handle."""
    parts = shapes.knife(sheet.rng)
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    blade, handle = parts["blade"], parts["handle"]
    u, v = frame.grid(sheet.side)
    spine = np.clip(-blade.across(u, v), 0, 1) * blade.cover(u, v, 1 / frame.scale)
    sheet.fill(spine * 0.28, 0.35)
    sheet.fill(sheet.tone(handle, frame, 0.72, 0.3), 0.55)
    sheet.line(blade, frame)
    bevel = (blade.low + 2.2 * blade.high) / 3.2
    sheet.path(frame, list(blade.u[6:-14]), list(bevel[6:-14]), 0.5)
    sheet.line(parts["bolster"], frame, 0.7)
    sheet.line(handle, frame)


def draw_spoon(sheet: Sheet, frame: Frame) -> None:
    """Draw a spoon, its hollow up."""
    parts = shapes.spoon(sheet.rng)
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    sheet.fill(sheet.tone(parts["handle"], frame, 0.15, 0.4))
    sheet.line(parts["handle"], frame, 0.9)
    sheet.ink *= 1 - sheet.cover(parts["bowl"], frame)
    sheet.fill(sheet.tone(parts["hollow"], frame, 0.22, -0.55))
    sheet.line(parts["bowl"], frame)
    sheet.line(parts["hollow"], frame, 0.6)


def draw_pencil(sheet: Sheet, frame: Frame) -> None:
    """Draw a six-sided pencil."""
    eraser = sheet.rng.random() < 0.6
    parts = shapes.pencil(sheet.rng, eraser)
    sheet.clear(parts, frame)
    sheet.shadow(parts, frame)
    body = parts["body"]
    u, v = frame.grid(sheet.side)
    s, cover = body.across(u, v), body.cover(u, v, 1 / frame.scale)
    tone = sheet.rng.uniform(0.1, 0.4)
    sheet.fill(cover * (tone + 0.35 * (s > 0.4)).astype(np.float32))
    sheet.fill(sheet.cover(parts["tip"], frame) * 0.95, 0.8)
    half = float(body.high[0])
    ends = [float(body.u[0]), float(body.u[-1])]
    for share in (-0.42, 0.42):
        sheet.path(frame, ends, [half * share] * 2, 0.6)
    sheet.line(parts["cone"], frame, 0.9)
    sheet.line(body, frame)
    if eraser:
        sheet.fill(sheet.cover(parts["ferrule"], frame) * 0.3)
        sheet.line(parts["ferrule"], frame, 0.8)
        sheet.line(parts["eraser"], frame, 0.9)


PAINTERS: dict[str, Callable[[Sheet, Frame], None]] = {
    "pear": draw_pear,
    "whole_avocado": draw_whole_avocado,
    "half_avocado": draw_half_avocado,
    "bed_avocado": lambda sheet, frame: draw_half_avocado(sheet, frame, False),
    "knife": draw_knife,
    "spoon": draw_spoon,
    "pencil": draw_pencil,
}


def scan(ink: Array, rng: Rng) -> NDArray[np.uint8]:
    """Return the finished picture (128, 128, 3) of an oversampled drawing."""
    pixels = (finish(ink, rng) * 255).astype(np.uint8)
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = np.asarray(small, dtype=np.float32) + rng.normal(0, rng.uniform(0.6, 2.2), (SIDE, SIDE, 1))
    return np.asarray(np.clip(out, 0, 255).round(), dtype=np.uint8)


def draw(scene: str, rng: Rng) -> NDArray[np.uint8]:
    """Return a drawing (128, 128, 3) of a scene."""
    sheet = Sheet(rng, round(SIDE * OVERSAMPLING))
    for item in arrange(scene, rng, sheet.side):
        PAINTERS[item.what](sheet, item.frame)
    return scan(sheet.ink, rng)
