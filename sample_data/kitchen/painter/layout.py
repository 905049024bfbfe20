"""Which objects a picture shows and where they lie; the same for photographs and drawings.

scene "avocado" -> [Item("half_avocado", Frame(...)), ...]   back to front
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from painter.canvas import Frame, Rng


@dataclass(frozen=True)
class Item:
    """One object and where it lies."""

    what: str
    frame: Frame


UP, ASLANT = -np.pi / 2, -np.pi / 4
"""Directions of an object's axis in radians: stem up, or tip to the upper right."""


BEND = {"pear": 0.04, "half_avocado": 0.04, "bed_avocado": 0.04, "whole_avocado": 0.04}
"""How much an object's axis may be bent; steel and wood hardly are."""


def _turn(rng: Rng) -> int:
    return int(rng.choice([-1, 1]))


def _lean(rng: Rng, spread: float) -> float:
    """Return a small turn, never more than twice the spread."""
    return float(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread))


def _one(rng: Rng, what: str, side: int, angle: float, size: tuple[float, float]) -> Item:
    """Place one object near the middle; `size` bounds the half length as a share of the side."""
    x, y = side * (0.5 + rng.uniform(-0.08, 0.08, 2))
    return Item(
        what, Frame(x, y, angle, side * rng.uniform(*size), _turn(rng), rng.normal(0, BEND.get(what, 0.01)))
    )


@dataclass(frozen=True)
class _Pair:
    """How two objects lie side by side: direction, half length by the side, gap in half lengths."""

    angle: float
    size: tuple[float, float]
    gap: float


def _beside(rng: Rng, first: str, second: str, side: int, pair: _Pair) -> list[Item]:
    """Place two objects side by side, roughly in parallel."""
    scale = side * rng.uniform(*pair.size)
    dx, dy = -np.sin(pair.angle) * pair.gap * scale / 2, np.cos(pair.angle) * pair.gap * scale / 2
    items = []
    for what, sign in ((first, -1), (second, 1)):
        x, y = (
            side / 2 + sign * dx + rng.normal(0, 0.015 * side),
            side / 2 + sign * dy + rng.normal(0, 0.015 * side),
        )
        frame = Frame(x, y, pair.angle + _lean(rng, 0.15), scale * rng.uniform(0.92, 1.08), _turn(rng))
        items.append(Item(what, frame))
    return items


def _pear(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.2:
        return _beside(rng, "pear", "pear", side, _Pair(UP + _lean(rng, 0.15), (0.27, 0.31), 1.45))
    return [_one(rng, "pear", side, UP + _lean(rng, 0.32), (0.28, 0.38))]


def _avocado(rng: Rng, side: int) -> list[Item]:
    chance, lie = rng.random(), _Pair(UP + _lean(rng, 0.2), (0.29, 0.33), 1.55)
    if chance < 0.2:
        return _beside(rng, "half_avocado", "bed_avocado", side, lie)
    if chance < 0.32:
        return _beside(rng, "whole_avocado", "half_avocado", side, lie)
    what = "whole_avocado" if chance < 0.38 else ("bed_avocado" if chance < 0.48 else "half_avocado")
    return [_one(rng, what, side, UP + _lean(rng, 0.3), (0.34, 0.43))]


def _knife(rng: Rng, side: int) -> list[Item]:
    return [_one(rng, "knife", side, ASLANT + _lean(rng, 0.2), (0.52, 0.62))]


def _spoon(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.12:
        return _beside(rng, "spoon", "spoon", side, _Pair(ASLANT + _lean(rng, 0.15), (0.5, 0.55), 0.62))
    return [_one(rng, "spoon", side, ASLANT + _lean(rng, 0.2), (0.5, 0.6))]


def _pencil(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.3:
        return _beside(rng, "pencil", "pencil", side, _Pair(ASLANT + _lean(rng, 0.15), (0.5, 0.56), 0.4))
    return [_one(rng, "pencil", side, ASLANT + _lean(rng, 0.2), (0.5, 0.6))]


def _avocado_with_knife(rng: Rng, side: int) -> list[Item]:
    """Place an avocado in a corner or behind the blade of a knife that fills the picture."""
    fruit = str(rng.choice(["half_avocado", "half_avocado", "bed_avocado"]))
    behind = rng.random() < 0.3
    away, size = ((0.06, 0.13), (0.19, 0.22)) if behind else ((0.24, 0.29), (0.16, 0.19))
    angle = ASLANT + _lean(rng, 0.15)
    middle = side * (0.5 + rng.uniform(-0.03, 0.03, 2))
    aside = side * rng.uniform(*away) * rng.choice([-1, 1])
    x, y = middle + aside * np.array([-np.sin(angle), np.cos(angle)])
    lie = Frame(x, y, UP + _lean(rng, 0.3), side * rng.uniform(*size), _turn(rng))
    blade = Frame(*middle, angle + _lean(rng, 0.08), side * rng.uniform(0.54, 0.62), _turn(rng))
    return [Item(fruit, lie), Item("knife", blade)]


SCENES: dict[str, Callable[[Rng, int], list[Item]]] = {
    "pear": _pear,
    "avocado": _avocado,
    "knife": _knife,
    "spoon": _spoon,
    "pencil": _pencil,
    "avocado with knife": _avocado_with_knife,
}


def arrange(scene: str, rng: Rng, side: int) -> list[Item]:
    """Return the objects of a scene, back to front."""
    return SCENES[scene](rng, side)
