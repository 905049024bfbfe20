"""A square float canvas, objects as parts along an axis, and one light.

Frame   where an object lies:  pixel = (x, y) + scale * rotation(angle) @ (u, flip * (v + bend * u^2))
Part    the region  low(u) <= v <= high(u)  for u0 <= u <= u1, in the units of its object
Light   direction to the light, share of ambient light, colour
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.float32]
Rng = np.random.Generator
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Frame:
    """Where an object lies on the canvas; `scale` is the length of one object unit in pixels."""

    x: float
    y: float
    angle: float
    scale: float
    flip: int = 1
    bend: float = 0.0

    def grid(self, side: int) -> tuple[Array, Array]:
        """Return the object coordinates u, v of every pixel, each (side, side)."""
        return _grid(self, side)

    def points(self, u: Array, v: Array) -> Array:
        """Return pixel positions (k, 2) of object coordinates."""
        w = self.flip * (v + self.bend * u * u)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        xy = np.stack(
            [self.x + self.scale * (cos * u - sin * w), self.y + self.scale * (sin * u + cos * w)], 1
        )
        return np.asarray(xy, dtype=np.float32)

    def turn(self, nu: Array, nv: Array) -> tuple[Array, Array]:
        """Turn vector components along u and v into components along x and y."""
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        return cos * nu - sin * self.flip * nv, sin * nu + cos * self.flip * nv


@lru_cache(maxsize=4)
def _grid(frame: Frame, side: int) -> tuple[Array, Array]:
    """Return what `Frame.grid` does, kept because every part of an object asks for it."""
    axis = np.arange(side, dtype=np.float32) + 0.5
    dx = ((axis[None, :] - frame.x) / frame.scale).astype(np.float32)
    dy = ((axis[:, None] - frame.y) / frame.scale).astype(np.float32)
    cos, sin = np.float32(np.cos(frame.angle)), np.float32(np.sin(frame.angle))
    u = cos * dx + sin * dy
    v = frame.flip * (cos * dy - sin * dx)
    return u, v - np.float32(frame.bend) * u * u


@dataclass(frozen=True)
class Part:
    """The region between two curves over u; `u` ascends, all arrays (k,)."""

    u: Array
    low: Array
    high: Array

    def cover(self, u: Array, v: Array, pixel: float) -> Array:
        """Return the share of each pixel that the part covers; `pixel` is a pixel's size in units."""
        near = self._near(u, v, pixel)
        at, across = u[near], v[near]
        high, low = np.interp(at, self.u, self.high), np.interp(at, self.u, self.low)
        share = np.ones(len(at), dtype=np.float32)
        for edge in (high - across, across - low, at - self.u[0], self.u[-1] - at):
            share *= np.clip(edge / pixel + 0.5, 0, 1)
        out = np.zeros_like(u)
        out[near] = share
        return out

    def across(self, u: Array, v: Array) -> Array:
        """Return the position across the part: -1 at its low edge, 1 at its high one, 0 far away."""
        near = self._near(u, v, 0.05)
        at = u[near]
        high, low = np.interp(at, self.u, self.high), np.interp(at, self.u, self.low)
        half = np.maximum((high - low) / 2, 1e-4)
        out = np.zeros_like(u)
        out[near] = np.clip((v[near] - (high + low) / 2) / half, -1, 1)
        return out

    def _near(self, u: Array, v: Array, margin: float) -> NDArray[np.bool_]:
        """Return which pixels lie in the part's bounding box, the only ones worth computing."""
        inside = (u > self.u[0] - margin) & (u < self.u[-1] + margin)
        inside &= (v > self.low.min() - margin) & (v < self.high.max() + margin)
        return np.asarray(inside)

    def normals(self, u: Array, s: Array, roundness: float = 1.0) -> tuple[Array, Array, Array]:
        """Return the normal along u, along v and towards the viewer of a round body with this outline."""
        slope = np.interp(
            u, self.u, np.gradient((self.high - self.low) / 2, self.u + 1e-6 * np.arange(len(self.u)))
        )
        slope = np.clip(slope, -3, 3).astype(np.float32)
        s = s * roundness
        nz = np.sqrt(np.maximum(1 - s * s, 0.02))
        nu = -slope * nz * roundness
        length = np.sqrt(nu * nu + s * s + nz * nz)
        return nu / length, s / length, nz / length

    def outline(self) -> Array:
        """Return the closed outline as object coordinates (2k, 2)."""
        forth = np.stack([self.u, self.high], 1)
        back = np.stack([self.u, self.low], 1)[::-1]
        return np.concatenate([forth, back, forth[:1]]).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """One lamp: unit direction to it (x right, y down, z to the viewer) and the share of ambient light."""

    x: float
    y: float
    z: float
    ambient: float

    def shade(
        self, normal: tuple[Array, Array, Array], gloss: float = 0.0, shine: float = 20.0
    ) -> tuple[Array, Array]:
        """Return diffuse light and highlight, each (side, side)."""
        nx, ny, nz = normal
        diffuse = np.clip(nx * self.x + ny * self.y + nz * self.z, 0, 1)
        half = np.array([self.x, self.y, self.z + 1.0])
        half /= np.linalg.norm(half)
        spark = np.clip(nx * half[0] + ny * half[1] + nz * half[2], 0, 1) ** shine
        lit = self.ambient + (1 - self.ambient) * diffuse / max(self.z, 0.35)
        return np.minimum(lit, 1.25).astype(np.float32), (gloss * spark).astype(np.float32)


def make_light(rng: Rng) -> Light:
    """Draw a lamp somewhere above the table."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.2)
    flat = np.cos(height)
    return Light(flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(height), rng.uniform(0.32, 0.5))


def noise(rng: Rng, side: int, cells: tuple[float, float], octaves: int = 4) -> Array:
    """Return smooth noise (side, side) with mean 0 and deviation 1; `cells` across y and x."""
    out = np.zeros((side, side), dtype=np.float32)
    for octave in range(octaves):
        shape = [int(np.clip(c * 2**octave, 2, side)) for c in cells]
        grid = Image.fromarray(rng.standard_normal(shape).astype(np.float32))
        out += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    out -= out.mean()
    return np.asarray(out / max(float(out.std()), 1e-6), dtype=np.float32)


def blur(plane: Array, radius: float) -> Array:
    """Return a plane with values in [0, 1] blurred by a Gaussian of that deviation in pixels."""
    image = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255


def shift(plane: Array, dx: float, dy: float) -> Array:
    """Return a plane moved by whole pixels; what comes in at the edge is the edge."""
    side = len(plane)
    rows = np.clip(np.arange(side) - round(dy), 0, side - 1)
    columns = np.clip(np.arange(side) - round(dx), 0, side - 1)
    return plane[rows][:, columns]


def lay(canvas: Array, cover: Array, colour: Array | Colour) -> None:
    """Paint a colour (3,) or (side, side, 3) over the canvas where `cover` is 1; in place."""
    canvas += cover[..., None] * (np.asarray(colour, dtype=np.float32) - canvas)


def mix(a: Array | Colour, b: Array | Colour, share: Array) -> Array:
    """Return colours between a (share 0) and b (share 1), (side, side, 3)."""
    first, second = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    return np.asarray(first + np.clip(share, 0, 1)[..., None] * (second - first), dtype=np.float32)


def cast_shadow(canvas: Array, cover: Array, light: Light, height_px: float) -> None:
    """Darken the canvas where an object of that height keeps the light away; in place."""
    reach = height_px / max(light.z, 0.4)
    moved = shift(cover, -light.x * reach, -light.y * reach)
    soft = blur(moved, 1.5 + 0.45 * height_px)
    contact = blur(cover, 2.5)
    canvas *= (1 - 0.55 * soft * (1 - light.ambient * 0.5))[..., None]
    canvas *= (1 - 0.35 * contact)[..., None]


def jitter(rng: Rng, colour: Colour, spread: float = 0.04) -> Colour:
    """Return a colour near the given one."""
    r, g, b = (float(np.clip(c + rng.normal(0, spread), 0.01, 1)) for c in colour)
    return r, g, b


def pick(rng: Rng, colours: tuple[Colour, ...], spread: float = 0.04) -> Colour:
    """Return one of the colours, slightly changed."""
    return jitter(rng, colours[int(rng.integers(len(colours)))], spread)
