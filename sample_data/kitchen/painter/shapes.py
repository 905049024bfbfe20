"""Outlines of the five objects, shared by photographs and drawings.

Each lies along u from about -1 to 1. A function returns its parts by name; the sizes vary with the generator.
"""

from __future__ import annotations

import numpy as np

from painter.canvas import Array, Part, Rng

Parts = dict[str, Part]


def _steps(start: float, stop: float, count: int = 90) -> Array:
    """Return points from start to stop, dense at both ends, where outlines are round."""
    t = (1 - np.cos(np.linspace(0, np.pi, count))) / 2
    return (start + (stop - start) * t).astype(np.float32)


def symmetric(u: Array, half: Array, centre: float | Array = 0.0) -> Part:
    """Return the part with that half width around a centre line."""
    return Part(u, (centre - half).astype(np.float32), (centre + half).astype(np.float32))


def ellipse(centre: float, half_length: float, half_width: float, v: float = 0.0) -> Part:
    """Return an ellipse along the axis."""
    u = _steps(centre - half_length, centre + half_length)
    t = np.clip((u - centre) / half_length, -1, 1)
    return symmetric(u, half_width * np.sqrt(1 - t * t), v)


def _round_body(widths: Array) -> Part:
    """Return a body with round ends; widths at u = -1, -.5, 0, .5, 1 modulate a circle."""
    u = _steps(-1, 1)
    along = np.polyval(np.polyfit([-1, -0.5, 0, 0.5, 1], widths, 4), u)
    return symmetric(u, np.sqrt(np.maximum(1 - u * u, 0)) * along)


def scaled(part: Part, factor: float, shift_u: float = 0.0) -> Part:
    """Return the part made smaller or larger around its middle."""
    middle = (part.u[0] + part.u[-1]) / 2
    centre = (part.low + part.high) / 2
    half = (part.high - part.low) / 2 * factor
    u = middle + (part.u - middle) * factor + shift_u
    return Part(u.astype(np.float32), (centre - half).astype(np.float32), (centre + half).astype(np.float32))


def pear(rng: Rng) -> Parts:
    """Return body and stem of a pear."""
    neck = rng.uniform(0.28, 0.40)
    widths = np.array([0.68, 0.80, 0.60, neck, 0.42]) * rng.uniform(0.9, 1.05) + rng.normal(0, 0.015, 5)
    u = np.linspace(0.96, rng.uniform(1.28, 1.45), 20).astype(np.float32)
    t = (u - 0.96) / (u[-1] - 0.96)
    lean = rng.uniform(-0.16, 0.16) * t * t
    return {"stem": symmetric(u, 0.032 + 0.02 * t**3, lean), "body": _round_body(widths)}


def avocado(rng: Rng) -> Parts:
    """Return body, flesh and pit of an avocado."""
    top = rng.uniform(0.5, 0.6)
    widths = np.array([0.70, 0.76, 0.73, top, 0.52]) + rng.normal(0, 0.012, 5)
    body = _round_body(widths)
    pit = ellipse(-0.27 + rng.normal(0, 0.02), rng.uniform(0.31, 0.38), rng.uniform(0.30, 0.36))
    return {"body": body, "flesh": scaled(body, rng.uniform(0.88, 0.92)), "pit": pit}


def knife(rng: Rng) -> Parts:
    """Return handle, bolster and blade of a kitchen knife; the cutting edge is at high v."""
    start = rng.uniform(-0.32, -0.18)
    height = rng.uniform(0.30, 0.40)
    u = np.linspace(start, 1, 120).astype(np.float32)
    t = (u - start) / (1 - start)
    drop = rng.uniform(0.02, 0.16)
    spine = -0.09 + drop * t ** rng.uniform(2, 4)
    edge = spine[-1] + (height - 0.09 - spine[-1]) * (1 - t ** rng.uniform(2.2, 4.5))
    if rng.random() < 0.15:  # a bread knife's teeth
        edge = edge + 0.012 * np.sin(u * 95) * (t < 0.92)
    blade = Part(u, spine.astype(np.float32), np.maximum(edge, spine).astype(np.float32))
    h = _steps(-1, start, 50)
    belly = 0.082 + 0.014 * np.cos((h + 1) * 7) + 0.012 * (h < -0.93)
    end = np.sqrt(np.clip((h + 1) / 0.06, 0, 1))
    handle = symmetric(h, belly * end, 0.0)
    b = np.linspace(start - 0.03, start + 0.05, 8).astype(np.float32)
    return {"blade": blade, "handle": handle, "bolster": symmetric(b, np.full(8, 0.088), 0.0)}


def spoon(rng: Rng) -> Parts:
    """Return handle, bowl and hollow of a spoon."""
    length, width = rng.uniform(0.35, 0.42), rng.uniform(0.28, 0.34)
    centre = 1 - length
    bowl = ellipse(centre, length, width)
    u = _steps(-1, centre - length * 0.85, 60)
    t = (u + 1) / (u[-1] + 1)
    wide = rng.uniform(0.05, 0.085)
    half = 0.034 + (wide - 0.034) * (1 - t) ** 1.6 + 0.04 * np.clip((t - 0.9) / 0.1, 0, 1) ** 2
    half = half * np.sqrt(np.clip((u + 1) / 0.08, 0, 1))
    return {"handle": symmetric(u, half), "bowl": bowl, "hollow": scaled(bowl, 0.86)}


def pencil(rng: Rng, eraser: bool) -> Parts:
    """Return the parts of a pencil; without an eraser its body reaches to the end."""
    half, shoulder = rng.uniform(0.10, 0.125), rng.uniform(0.56, 0.66)
    start = -0.78 if eraser else -1.0

    def tube(a: float, b: float, width: float) -> Part:
        u = np.linspace(a, b, 12).astype(np.float32)
        return symmetric(u, np.full(12, width))

    u = np.linspace(shoulder, 1, 40).astype(np.float32)
    cone = symmetric(u, half * (1 - (u - shoulder) / (1 - shoulder)) + 0.008)
    tip_u = u[u > shoulder + (1 - shoulder) * rng.uniform(0.62, 0.72)]
    tip = Part(
        tip_u,
        np.interp(tip_u, u, cone.low).astype(np.float32),
        np.interp(tip_u, u, cone.high).astype(np.float32),
    )
    parts = {"body": tube(start, shoulder, half), "cone": cone, "tip": tip}
    if eraser:
        rubber = _steps(-1, -0.86, 20)
        end = np.sqrt(np.clip((rubber + 1) / 0.05, 0, 1))
        parts["eraser"] = symmetric(rubber, half * 0.95 * (0.6 + 0.4 * end))
        parts["ferrule"] = tube(-0.88, start + 0.02, half * 1.04)
    return parts
