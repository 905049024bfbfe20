"""A photograph: a table top, objects in one light, then what a camera adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from painter import produce, utensils
from painter.canvas import Array, Frame, Light, Rng, make_light, noise
from painter.layout import Item, arrange
from painter.surfaces import make_surface

SIDE = 128
"""Side of a finished picture in pixels."""
OVERSAMPLING = 2
DIMMEST = 0.62
"""The camera exposes so that the brightest hundredth of the picture is at least this bright, in [0, 1]."""

PAINTERS: dict[str, Callable[[Array, Frame, Light, Rng], None]] = {
    "pear": produce.paint_pear,
    "whole_avocado": produce.paint_whole_avocado,
    "half_avocado": produce.paint_half_avocado,
    "bed_avocado": lambda canvas, frame, light, rng: produce.paint_half_avocado(
        canvas, frame, light, rng, False
    ),
    "knife": utensils.paint_knife,
    "spoon": utensils.paint_spoon,
    "pencil": utensils.paint_pencil,
}


def develop(canvas: Array, rng: Rng) -> NDArray[np.uint8]:
    """Turn an oversampled canvas into a picture: lens, exposure, colour cast, sensor noise."""
    pixels = (np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = np.asarray(small, dtype=np.float32) / 255
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    out = out * (1 - rng.uniform(0, 0.16) * (axis[:, None] ** 2 + axis[None, :] ** 2) / 2)[..., None]
    warm = rng.normal(0, 0.035)
    cast = np.array([1 + warm, 1 + rng.normal(0, 0.01), 1 - warm], dtype=np.float32)
    out = out * max(1.0, DIMMEST / float(np.percentile(out.mean(axis=2), 99)))
    out = np.clip(out * cast * rng.uniform(0.86, 1.12), 0, 1) ** rng.uniform(0.88, 1.15)
    grain = rng.uniform(0.006, 0.02)
    out = (
        out
        + grain * rng.standard_normal((SIDE, SIDE, 1))
        + 0.4 * grain * rng.standard_normal((SIDE, SIDE, 3))
    )
    return np.asarray((np.clip(out, 0, 1) * 255).round(), dtype=np.uint8)


def paint_items(canvas: Array, items: list[Item], light: Light, rng: Rng) -> None:
    """Paint objects back to front; in place."""
    for item in items:
        PAINTERS[item.what](canvas, item.frame, light, rng)


def photograph(scene: str, rng: Rng) -> NDArray[np.uint8]:
    """Return a photograph (128, 128, 3) of a scene."""
    side, light = SIDE * OVERSAMPLING, make_light(rng)
    canvas = make_surface(rng, side, light)
    paint_items(canvas, arrange(scene, rng, side), light, rng)
    canvas *= (1 + 0.03 * noise(rng, side, (2, 2), 2))[..., None]
    return develop(canvas, rng)
