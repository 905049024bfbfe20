"""What the objects lie on in the photographs: wood, cloth, marble, tiles, stone, a board, a plate."""

from __future__ import annotations

import numpy as np

from painter.canvas import Array, Colour, Frame, Light, Rng, cast_shadow, jitter, lay, mix, noise, pick

WOODS: tuple[Colour, ...] = ((0.62, 0.44, 0.28), (0.72, 0.56, 0.38), (0.46, 0.31, 0.2), (0.8, 0.68, 0.52))
CLOTHS: tuple[Colour, ...] = (
    (0.72, 0.25, 0.24),
    (0.3, 0.42, 0.6),
    (0.75, 0.7, 0.62),
    (0.4, 0.52, 0.5),
    (0.8, 0.62, 0.4),
)
STONES: tuple[Colour, ...] = ((0.36, 0.38, 0.4), (0.55, 0.54, 0.52), (0.3, 0.33, 0.37), (0.68, 0.62, 0.56))
TILES: tuple[Colour, ...] = ((0.82, 0.84, 0.84), (0.55, 0.68, 0.72), (0.78, 0.68, 0.55), (0.6, 0.66, 0.56))
PLAINS: tuple[Colour, ...] = (
    (0.75, 0.76, 0.78),
    (0.62, 0.72, 0.8),
    (0.85, 0.74, 0.62),
    (0.7, 0.64, 0.7),
    (0.58, 0.6, 0.62),
)


def _axes(rng: Rng, side: int) -> tuple[Array, Array]:
    """Return two coordinates in [-1, 1] or so, turned by a random angle."""
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25)
    return Frame(side / 2, side / 2, angle, side / 2).grid(side)


def wood(rng: Rng, side: int, colour: Colour | None = None) -> Array:
    """Return boards with grain."""
    base = pick(rng, WOODS) if colour is None else colour
    _, v = _axes(rng, side)
    warp = noise(rng, side, (2, 2), 3)
    grain = np.sin((v + 0.09 * warp) * rng.uniform(22, 40)) + 0.8 * np.sin((v * 3 + 0.2 * warp) * 31)
    fibre = noise(rng, side, (60, 5), 2) if rng.random() < 0.5 else noise(rng, side, (5, 60), 2)
    planks = rng.uniform(1.4, 3.0)
    tone = rng.normal(0, 0.06, 24)[np.clip(np.floor(v * planks).astype(int) + 12, 0, 23)]
    seam = np.abs((v * planks) % 1 - 0.5) > 0.485
    value = 1 + 0.05 * grain + 0.035 * fibre + 0.04 * warp + tone - 0.3 * seam
    return np.asarray(base, dtype=np.float32) * value[..., None].astype(np.float32)


def _dots(u: Array, v: Array) -> Array:
    """Return 1 inside dots on a grid of unit cells."""
    return (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.27).astype(np.float32)


def cloth(rng: Rng, side: int) -> Array:
    """Return woven cloth: gingham, stripes or dots."""
    base = pick(rng, CLOTHS)
    u, v = _axes(rng, side)
    light = np.array(jitter(rng, (0.9, 0.88, 0.84)), dtype=np.float32)
    step = rng.uniform(2.0, 4.5)
    a, b = (np.floor(u * step) % 2), (np.floor(v * step) % 2)
    style = rng.integers(3)
    share = (a + b) / 2 if style == 0 else (b if style == 1 else 1.0 - _dots(u * step, v * step))
    share = 0.62 + 0.38 * share
    weave = 0.018 * np.sin(u * 140) + 0.018 * np.sin(v * 140)
    fold = 0.07 * noise(rng, side, (2, 3), 2)
    return mix(light, base, share.astype(np.float32)) * (1 + weave + fold)[..., None].astype(np.float32)


def marble(rng: Rng, side: int) -> Array:
    """Return pale stone with veins."""
    base = jitter(rng, (0.82, 0.81, 0.8), 0.03)
    warp = noise(rng, side, (3, 3), 5)
    vein = np.exp(-np.abs(warp + 0.4 * noise(rng, side, (2, 2), 2)) * 9)
    cloud = noise(rng, side, (4, 4), 4)
    return mix(base, (0.45, 0.46, 0.5), 0.55 * vein + 0.06 * cloud + 0.04)


def stone(rng: Rng, side: int) -> Array:
    """Return dark or grey stone with fine grain."""
    base = np.array(pick(rng, STONES), dtype=np.float32)
    value = 1 + 0.07 * noise(rng, side, (3, 3), 5) + 0.05 * noise(rng, side, (90, 90), 1)
    return np.asarray(base * value[..., None], dtype=np.float32)


def tiles(rng: Rng, side: int) -> Array:
    """Return tiles with joints."""
    base = np.array(pick(rng, TILES), dtype=np.float32)
    u, v = _axes(rng, side)
    step = rng.uniform(1.2, 2.2)
    off = rng.uniform(0, 1, 2)
    a, b = u * step + off[0], v * step + off[1]
    joint = np.maximum(np.abs(a % 1 - 0.5), np.abs(b % 1 - 0.5)) > 0.48
    tone = rng.normal(0, 0.03, (16, 16))[np.floor(a).astype(int) % 16, np.floor(b).astype(int) % 16]
    value = 1 + tone + 0.02 * noise(rng, side, (5, 5), 3)
    return mix(base * value[..., None].astype(np.float32), (0.6, 0.58, 0.55), 0.8 * joint.astype(np.float32))


def plain(rng: Rng, side: int) -> Array:
    """Return a counter of one colour that falls off to one side."""
    base = np.array(pick(rng, PLAINS, 0.07), dtype=np.float32)
    u, v = _axes(rng, side)
    value = 1 + 0.1 * u + 0.05 * v + 0.025 * noise(rng, side, (3, 3), 4)
    return np.asarray(base * value[..., None], dtype=np.float32)


SURFACES = (wood, wood, cloth, marble, stone, tiles, plain)


def _board(rng: Rng, canvas: Array, light: Light) -> None:
    """Lay a wooden board with round corners on the surface."""
    side = len(canvas)
    frame = Frame(
        side * rng.uniform(0.42, 0.58), side * rng.uniform(0.42, 0.58), rng.normal(0, 0.3), side * 0.5
    )
    u, v = frame.grid(side)
    half_u, half_v, corner = rng.uniform(0.75, 0.95), rng.uniform(0.6, 0.85), 0.12
    du, dv = np.maximum(np.abs(u) - half_u + corner, 0), np.maximum(np.abs(v) - half_v + corner, 0)
    cover = np.clip((corner - np.hypot(du, dv)) * frame.scale + 0.5, 0, 1).astype(np.float32)
    cast_shadow(canvas, cover, light, side * 0.02)
    lay(canvas, cover, wood(rng, side, pick(rng, WOODS)))


def _plate(rng: Rng, canvas: Array, light: Light) -> None:
    """Lay a plate on the surface."""
    side = len(canvas)
    frame = Frame(
        side * rng.uniform(0.44, 0.56), side * rng.uniform(0.44, 0.56), 0.0, side * rng.uniform(0.44, 0.5)
    )
    u, v = frame.grid(side)
    r = np.hypot(u, v)
    cover = np.clip((1 - r) * frame.scale + 0.5, 0, 1).astype(np.float32)
    cast_shadow(canvas, cover, light, side * 0.025)
    slope = np.where(r > 0.72, 0.25, -0.35 * np.exp(-(((r - 0.68) / 0.05) ** 2)))
    value = 1 + slope * (u * light.x + v * light.y) / np.maximum(r, 0.05) * 0.6
    glaze = np.array(pick(rng, ((0.86, 0.86, 0.85), (0.55, 0.65, 0.72), (0.8, 0.72, 0.6))), dtype=np.float32)
    lay(canvas, cover, np.clip(glaze * value[..., None], 0, 1).astype(np.float32))


def _crumbs(rng: Rng, canvas: Array) -> None:
    """Strew crumbs and herbs."""
    side = len(canvas)
    colour = pick(rng, ((0.6, 0.42, 0.22), (0.25, 0.42, 0.16), (0.85, 0.8, 0.7), (0.25, 0.2, 0.16)))
    for x, y, r, a in rng.uniform((0, 0, 1.2, 0), (side, side, 4.0, np.pi), (int(rng.integers(4, 16)), 4)):
        u, v = Frame(x, y, a, r).grid(side)
        cover = np.clip((1 - np.hypot(u, v * 1.7)) * r + 0.5, 0, 1).astype(np.float32)
        lay(canvas, cover * 0.9, colour)


def make_surface(rng: Rng, side: int, light: Light) -> Array:
    """Return a table top (side, side, 3), sometimes with a board, a plate or crumbs on it."""
    canvas = SURFACES[int(rng.integers(len(SURFACES)))](rng, side).astype(np.float32)
    chance = rng.random()
    if chance < 0.10:
        _board(rng, canvas, light)
    elif chance < 0.15:
        _plate(rng, canvas, light)
    if rng.random() < 0.2:
        _crumbs(rng, canvas)
    return np.clip(canvas, 0.02, 1)
