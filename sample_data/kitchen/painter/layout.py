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


def _turn(rng: Rng) -> int:
    return int(rng.choice([-1, 1]))


def _one(
    rng: Rng, what: str, side: int, size: tuple[float, float], spread: float = 0.06, bend: float = 0.0
) -> Item:
    """Place one object near the middle; `size` bounds the half length as a share of the side."""
    x, y = side * (0.5 + rng.normal(0, spread, 2).clip(-2 * spread, 2 * spread))
    angle = rng.uniform(0, 2 * np.pi)
    frame = Frame(x, y, angle, side * rng.uniform(*size), _turn(rng), rng.normal(0, bend) if bend else 0.0)
    return Item(what, frame)


def _beside(
    rng: Rng, first: str, second: str, side: int, size: tuple[float, float], gap: float
) -> list[Item]:
    """Place two objects side by side, roughly in parallel; `gap` in units of their half length."""
    angle = rng.uniform(0, 2 * np.pi)
    scale = side * rng.uniform(*size)
    dx, dy = -np.sin(angle) * gap * scale / 2, np.cos(angle) * gap * scale / 2
    items = []
    for what, sign in ((first, -1), (second, 1)):
        x, y = (
            side / 2 + sign * dx + rng.normal(0, 0.02 * side),
            side / 2 + sign * dy + rng.normal(0, 0.02 * side),
        )
        turned = angle + rng.normal(0, 0.3) + (np.pi if rng.random() < 0.3 else 0)
        items.append(Item(what, Frame(x, y, turned, scale * rng.uniform(0.92, 1.08), _turn(rng))))
    return items


def _pear(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.25:
        return _beside(rng, "pear", "pear", side, (0.24, 0.29), 1.5)
    return [_one(rng, "pear", side, (0.28, 0.38), 0.05, 0.07)]


def _avocado(rng: Rng, side: int) -> list[Item]:
    chance = rng.random()
    if chance < 0.22:
        return _beside(rng, "half_avocado", "bed_avocado", side, (0.25, 0.31), 1.65)
    if chance < 0.36:
        return _beside(rng, "whole_avocado", "half_avocado", side, (0.25, 0.31), 1.6)
    what = "whole_avocado" if chance < 0.5 else ("bed_avocado" if chance < 0.58 else "half_avocado")
    return [_one(rng, what, side, (0.31, 0.42))]


def _knife(rng: Rng, side: int) -> list[Item]:
    return [_one(rng, "knife", side, (0.43, 0.56))]


def _spoon(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.15:
        return _beside(rng, "spoon", "spoon", side, (0.4, 0.48), 0.75)
    return [_one(rng, "spoon", side, (0.42, 0.54), 0.05, 0.03)]


def _pencil(rng: Rng, side: int) -> list[Item]:
    if rng.random() < 0.3:
        return _beside(rng, "pencil", "pencil", side, (0.4, 0.5), 0.42)
    return [_one(rng, "pencil", side, (0.42, 0.54))]


def _avocado_with_knife(rng: Rng, side: int) -> list[Item]:
    """Place half an avocado and a large knife beside it or across its edge."""
    angle = rng.uniform(0, 2 * np.pi)
    away = side * rng.uniform(0.19, 0.23)
    dx, dy = -np.sin(angle) * away, np.cos(angle) * away
    fruit = str(rng.choice(["half_avocado", "half_avocado", "bed_avocado"]))
    lie = Frame(
        side / 2 + dx, side / 2 + dy, rng.uniform(0, 2 * np.pi), side * rng.uniform(0.25, 0.3), _turn(rng)
    )
    blade_x, blade_y = side / 2 - dx * rng.uniform(0.6, 0.95), side / 2 - dy * rng.uniform(0.6, 0.95)
    blade = Frame(blade_x, blade_y, angle + rng.normal(0, 0.15), side * rng.uniform(0.46, 0.54), _turn(rng))
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
