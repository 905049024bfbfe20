"""Pears and avocados in colour."""

from __future__ import annotations

import numpy as np

from painter import shapes
from painter.canvas import Array, Colour, Frame, Light, Part, Rng, cast_shadow, jitter, lay, mix, noise, pick

PEARS: tuple[Colour, ...] = (
    (0.86, 0.78, 0.26),
    (0.78, 0.76, 0.28),
    (0.92, 0.76, 0.3),
    (0.74, 0.74, 0.3),
    (0.8, 0.62, 0.26),
)
SKINS: tuple[Colour, ...] = ((0.15, 0.2, 0.1), (0.12, 0.13, 0.1), (0.2, 0.28, 0.11), (0.17, 0.11, 0.12))
WHOLE_SKINS: tuple[Colour, ...] = ((0.14, 0.16, 0.1), (0.15, 0.11, 0.12), (0.12, 0.12, 0.1))
PITS: tuple[Colour, ...] = ((0.46, 0.27, 0.14), (0.55, 0.34, 0.18), (0.38, 0.21, 0.12))


def _round(part: Part, frame: Frame, light: Light, side: int, bump: Array | None = None, gloss: float = 0.3):
    """Return cover, diffuse light and highlight of a round part, with an optional bumpy surface."""
    u, v = frame.grid(side)
    s = part.across(u, v)
    nu, nv, nz = part.normals(u, s)
    nx, ny = frame.turn(nu, nv)
    if bump is not None:
        gy, gx = np.gradient(bump)
        nx, ny = nx - gx, ny - gy
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / length, ny / length, nz / length
    diffuse, spark = light.shade((nx, ny, nz), gloss, 28)
    return part.cover(u, v, 1 / frame.scale), diffuse, spark


def paint_pear(canvas: Array, frame: Frame, light: Light, rng: Rng) -> None:
    """Paint a whole pear with stem, blush and speckles."""
    side = len(canvas)
    parts = shapes.pear(rng)
    u, v = frame.grid(side)
    stem = parts["stem"].cover(u, v, 1 / frame.scale)
    cover, diffuse, spark = _round(parts["body"], frame, light, side, gloss=rng.uniform(0.25, 0.5))
    cast_shadow(canvas, np.maximum(cover, stem), light, frame.scale * 0.35)
    lay(canvas, stem, np.array(jitter(rng, (0.3, 0.2, 0.1))) * rng.uniform(0.8, 1.2))
    skin = mix(
        pick(rng, PEARS, 0.03),
        jitter(rng, (0.64, 0.68, 0.24), 0.03),
        0.5 + 0.3 * noise(rng, side, (3, 3), 3) - 0.4 * u,
    )
    blush = rng.choice([0.0, 0.35, 0.7], p=[0.45, 0.35, 0.2])
    side_of = v * rng.choice([-1, 1]) + 0.25 * noise(rng, side, (4, 4), 3)
    skin = mix(skin, (0.78, 0.3, 0.16), blush * (side_of * 1.3 - 0.1))
    dots = noise(rng, side, (70, 70), 1) > rng.uniform(1.9, 2.4)
    skin = mix(skin, (0.45, 0.36, 0.15), 0.5 * dots.astype(np.float32))
    lay(canvas, cover, skin * diffuse[..., None] + spark[..., None])


def paint_whole_avocado(canvas: Array, frame: Frame, light: Light, rng: Rng) -> None:
    """Paint a whole avocado: dark, pebbled skin."""
    side = len(canvas)
    part = shapes.avocado(rng)["body"]
    pebbles = noise(rng, side, (38, 38), 2) * rng.uniform(0.5, 0.9)
    cover, diffuse, spark = _round(part, frame, light, side, pebbles, gloss=rng.uniform(0.25, 0.4))
    cast_shadow(canvas, cover, light, frame.scale * 0.35)
    skin = mix(pick(rng, WHOLE_SKINS, 0.015), (0.24, 0.3, 0.15), 0.25 + 0.2 * noise(rng, side, (12, 12), 3))
    u, v = frame.grid(side)
    lay(canvas, cover, skin * (0.3 + 0.95 * diffuse[..., None]) + 0.8 * spark[..., None])
    lay(canvas, shapes.ellipse(0.93, 0.05, 0.07).cover(u, v, 1 / frame.scale), jitter(rng, (0.42, 0.3, 0.16)))


def _paint_pit(canvas: Array, frame: Frame, light: Light, rng: Rng, pit: Part) -> None:
    """Paint the stone in its bed."""
    side = len(canvas)
    cover, diffuse, spark = _round(pit, frame, light, side, noise(rng, side, (10, 10), 2) * 0.15, gloss=0.45)
    cast_shadow(canvas, cover, light, frame.scale * 0.08)
    brown = mix(pick(rng, PITS, 0.03), (0.3, 0.17, 0.1), 0.3 + 0.25 * noise(rng, side, (8, 8), 3))
    lay(canvas, cover, brown * diffuse[..., None] + spark[..., None])


def _paint_bed(canvas: Array, frame: Frame, light: Light, pit: Part) -> None:
    """Paint the hollow that the stone has left."""
    u, v = frame.grid(len(canvas))
    cover = pit.cover(u, v, 1 / frame.scale)
    nu, nv, nz = pit.normals(u, pit.across(u, v))
    nx, ny = frame.turn(nu, nv)
    diffuse, _ = light.shade((-nx, -ny, nz))
    lay(canvas, cover, np.array([0.74, 0.7, 0.32], dtype=np.float32) * (0.25 + 0.72 * diffuse[..., None]))


def paint_half_avocado(canvas: Array, frame: Frame, light: Light, rng: Rng, stone: bool = True) -> None:
    """Paint a cut half: dark rim, flesh from green to yellow, the stone or its bed."""
    side = len(canvas)
    parts = shapes.avocado(rng)
    u, v = frame.grid(side)
    body, flesh = (parts[k].cover(u, v, 1 / frame.scale) for k in ("body", "flesh"))
    cast_shadow(canvas, body, light, frame.scale * 0.22)
    lay(canvas, body, np.array(pick(rng, SKINS, 0.02)))
    inner = flesh.copy()
    for factor in (0.93, 0.86, 0.79, 0.72, 0.65):
        inner += shapes.scaled(parts["flesh"], factor).cover(u, v, 4 / frame.scale)
    depth = blur_share(inner / 6)
    green, yellow = jitter(rng, (0.50, 0.62, 0.2), 0.03), jitter(rng, (0.88, 0.86, 0.5), 0.03)
    tone = 1 + 0.03 * noise(rng, side, (20, 20), 2)
    lay(canvas, flesh, mix(green, yellow, depth) * tone[..., None].astype(np.float32))
    if stone:
        _paint_pit(canvas, frame, light, rng, parts["pit"])
    else:
        _paint_bed(canvas, frame, light, parts["pit"])


def blur_share(share: Array) -> Array:
    """Return the share of the way from the rim to the middle, steep near the rim."""
    return np.asarray(np.clip(share * 1.3 - 0.2, 0, 1) ** 0.8, dtype=np.float32)
