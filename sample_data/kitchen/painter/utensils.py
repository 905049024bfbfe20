"""Knives, spoons and pencils in colour."""

from __future__ import annotations

import numpy as np

from painter import shapes
from painter.canvas import Array, Colour, Frame, Light, Part, Rng, cast_shadow, jitter, lay, noise, pick

HANDLES: tuple[Colour, ...] = (
    (0.1, 0.1, 0.11),
    (0.14, 0.12, 0.11),
    (0.42, 0.25, 0.14),
    (0.55, 0.36, 0.2),
    (0.6, 0.12, 0.12),
    (0.15, 0.25, 0.42),
)
SPOON_WOODS: tuple[Colour, ...] = ((0.72, 0.52, 0.32), (0.8, 0.62, 0.42), (0.56, 0.36, 0.22))
LACQUERS: tuple[Colour, ...] = (
    (0.95, 0.74, 0.1),
    (0.95, 0.74, 0.1),
    (0.8, 0.14, 0.14),
    (0.12, 0.34, 0.7),
    (0.1, 0.5, 0.3),
    (0.9, 0.45, 0.1),
    (0.45, 0.2, 0.55),
)


def _cover(part: Part, frame: Frame, side: int) -> tuple[Array, Array, Array]:
    """Return cover, u and the position across of a part."""
    u, v = frame.grid(side)
    return part.cover(u, v, 1 / frame.scale), u, part.across(u, v)


def _tube(
    canvas: Array, part: Part, frame: Frame, light: Light, colour: Array | Colour, gloss: float
) -> None:
    """Paint a round bar."""
    cover, u, s = _cover(part, frame, len(canvas))
    nu, nv, nz = part.normals(u, s, 0.9)
    nx, ny = frame.turn(nu * 0.3, nv)
    diffuse, spark = light.shade((nx, ny, nz), gloss, 14)
    lay(canvas, cover, np.asarray(colour, dtype=np.float32) * diffuse[..., None] + spark[..., None])


def _outline(parts: shapes.Parts, frame: Frame, side: int) -> Array:
    """Return the cover of all parts together."""
    u, v = frame.grid(side)
    return np.max([p.cover(u, v, 1 / frame.scale) for p in parts.values()], axis=0)


def paint_knife(canvas: Array, frame: Frame, light: Light, rng: Rng) -> None:
    """Paint a kitchen knife: blade with bevel and reflections, bolster, riveted handle."""
    side = len(canvas)
    parts = shapes.knife(rng)
    cast_shadow(canvas, _outline(parts, frame, side), light, frame.scale * 0.06)
    cover, u, s = _cover(parts["blade"], frame, side)
    steel = np.array(jitter(rng, (0.70, 0.72, 0.75), 0.03), dtype=np.float32)
    sweep = 0.16 * np.sin(u * rng.uniform(3, 7) + s * rng.uniform(-1, 1) + rng.uniform(0, 6))
    brushed = 0.025 * noise(rng, side, (50, 50), 1)
    bevel_at = rng.uniform(0.35, 0.6)
    value = 1 + sweep + brushed - 0.10 * (s < bevel_at) + 0.22 * (s > bevel_at) - 0.2 * (s < -0.88)
    lay(canvas, cover, np.clip(steel * value[..., None], 0, 1).astype(np.float32))
    colour = pick(rng, HANDLES, 0.02)
    grain = 1 + 0.08 * noise(rng, side, (30, 30), 2)
    _tube(canvas, parts["handle"], frame, light, np.array(colour) * grain[..., None], 0.25)
    _tube(canvas, parts["bolster"], frame, light, (0.6, 0.61, 0.63), 0.3)
    if rng.random() < 0.7:
        grid_u, grid_v = frame.grid(side)
        end = float(parts["handle"].u[-1])
        for share in (0.25, 0.55, 0.82):
            rivet = shapes.ellipse(-1 + share * (end + 1), 0.022, 0.022)
            lay(canvas, rivet.cover(grid_u, grid_v, 1 / frame.scale), (0.78, 0.76, 0.7))


def _hollow(
    canvas: Array, part: Part, frame: Frame, light: Light, colour: Array | Colour, gloss: float
) -> None:
    """Paint the inside of a spoon's bowl: light where a ball would be dark."""
    cover, u, s = _cover(part, frame, len(canvas))
    nu, nv, nz = part.normals(u, s, 0.85)
    nx, ny = frame.turn(nu, nv)
    diffuse, spark = light.shade((-nx, -ny, nz), gloss, 18)
    lay(
        canvas,
        cover,
        np.asarray(colour, dtype=np.float32) * (0.1 + 0.88 * diffuse[..., None]) + spark[..., None],
    )


def paint_spoon(canvas: Array, frame: Frame, light: Light, rng: Rng) -> None:
    """Paint a spoon of steel or wood, its hollow up."""
    side = len(canvas)
    parts = shapes.spoon(rng)
    cast_shadow(canvas, _outline(parts, frame, side), light, frame.scale * 0.09)
    wooden = rng.random() < 0.35
    if wooden:
        grain = 1 + 0.06 * noise(rng, side, (24, 24), 3)
        colour = np.array(pick(rng, SPOON_WOODS, 0.03)) * grain[..., None]
    else:
        u, _ = frame.grid(side)
        sweep = 1 + 0.1 * np.sin(u * rng.uniform(4, 9) + rng.uniform(0, 6))
        colour = np.array(jitter(rng, (0.72, 0.72, 0.74), 0.03)) * sweep[..., None]
    gloss = 0.05 if wooden else 0.6
    _tube(canvas, parts["handle"], frame, light, colour, gloss)
    _tube(canvas, parts["bowl"], frame, light, colour * 1.08, gloss * 0.6)
    _hollow(canvas, parts["hollow"], frame, light, colour * (0.82 if wooden else 0.9), gloss)


def paint_pencil(canvas: Array, frame: Frame, light: Light, rng: Rng) -> None:
    """Paint a six-sided pencil: lacquer, wood, lead, perhaps an eraser."""
    side = len(canvas)
    eraser = rng.random() < 0.6
    parts = shapes.pencil(rng, eraser)
    cast_shadow(canvas, _outline(parts, frame, side), light, frame.scale * 0.08)
    lacquer = np.array(pick(rng, LACQUERS, 0.03), dtype=np.float32)
    cover, u, s = _cover(parts["cone"], frame, side)
    _tube(canvas, parts["cone"], frame, light, jitter(rng, (0.86, 0.68, 0.47), 0.02), 0.05)
    coloured = not eraser and rng.random() < 0.6
    lead = lacquer * 0.9 if coloured else np.array((0.16, 0.16, 0.18), dtype=np.float32)
    _tube(canvas, parts["tip"], frame, light, lead, 0.1)
    cover, u, s = _cover(parts["body"], frame, side)
    scallop = parts["body"].u[-1] - 0.045 * np.abs(np.sin(s * 1.5 * np.pi))
    cover = cover * np.clip((scallop - u) * frame.scale + 0.5, 0, 1)
    facet = np.where(s < -0.45, -0.75, np.where(s > 0.45, 0.75, 0.0)).astype(np.float32)
    nx, ny = frame.turn(np.zeros_like(facet), facet)
    diffuse, spark = light.shade((nx, ny, np.sqrt(1 - facet * facet)), 0.3, 10)
    lay(canvas, cover, lacquer * diffuse[..., None] + spark[..., None] * (np.abs(s) < 0.45)[..., None])
    if eraser:
        _tube(canvas, parts["eraser"], frame, light, jitter(rng, (0.9, 0.5, 0.5), 0.03), 0.05)
        ribs = 1 + 0.15 * np.sin(u * 160)
        _tube(canvas, parts["ferrule"], frame, light, np.array((0.75, 0.68, 0.45)) * ribs[..., None], 0.5)
