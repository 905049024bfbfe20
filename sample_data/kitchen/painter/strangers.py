"""Off-topic pictures: what `subjects` describes, as photographs and as drawings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from painter.canvas import Array, Frame, Rng, blur, lay, noise
from painter.pencil import outline
from painter.photo import OVERSAMPLING, SIDE, develop
from painter.sketch import OVERSAMPLING as SKETCH_OVERSAMPLING
from painter.sketch import Sheet, scan
from painter.subjects import SUBJECTS, Shape


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
    side, scene = SIDE * OVERSAMPLING, SUBJECTS["photo"][subject](rng)
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
    side = round(SIDE * SKETCH_OVERSAMPLING)
    sheet, scene = Sheet(rng, side), SUBJECTS["drawing"][subject](rng)
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
