"""Maps of the same samples laid over each other.

positions (p, 2) --centre, turn, mirror, scale--> as near as can be to the reference's positions (p, 2)

A t-SNE map has no direction and no scale of its own, so turning, mirroring and resizing change nothing in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """How a map is laid over a reference: ``(x - centre) @ turn * scale + target``.

    `likeness` in [0, 1] is the Procrustes correlation of the two maps, 1 = the same up to turn, mirror
    and size.
    """

    centre: Array
    turn: Array
    scale: float
    target: Array
    likeness: float

    def __call__(self, positions: Floats) -> Floats:
        """Return positions (q, 2) of this map in the reference's frame."""
        moved = (positions.astype(np.float64) - self.centre) @ self.turn * self.scale + self.target
        return np.asarray(moved, dtype=np.float32)


def align_map(positions: Floats, reference: Floats) -> Alignment:
    """Find the turn, mirror and size that lay a map (p, 2) over another of the same rows (p, 2).

    Orthogonal Procrustes (Schoenemann 1966). The size is that of the reference, by root mean square distance
    from the centre: least squares would shrink a map that has little in common with it to a dot.
    """
    own, other = positions.astype(np.float64), reference.astype(np.float64)
    centre, target = own.mean(axis=0), other.mean(axis=0)
    own, other = own - centre, other - target
    u, s, vt = np.linalg.svd(own.T @ other)
    size, other_size = np.linalg.norm(own), np.linalg.norm(other)
    scale = float(other_size / size) if size > 0 and other_size > 0 else 1.0
    product = float(size * other_size)
    likeness = min(1.0, float(s.sum()) / product) if product > 0 else 1.0
    return Alignment(centre, u @ vt, scale, target, likeness)
