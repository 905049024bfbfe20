"""How far each class moved from one domain to the other, and which copies lie in both.

    class means (k, r) in both domains --test - training--> moves (k, r)
    median of the moves                ==> the global shift;  the rest is each class's own move

Distances are in units of the spread: the root mean square distance of training samples from their class's
mean. The median of the classes, coordinate by coordinate, does not follow the few that moved by themselves.
What sampling alone moves a mean is subtracted, so that a small class does not seem to move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.comparisons.domain_sides import Side, Sides
from auditor.results import Audit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassMove:
    """Move of one class (`code`), in spreads, 0 = no further than chance moves a mean.

    whole : distance between the class's means in both domains.
    own : the same with the global shift taken off.
    """

    code: int
    whole: float
    own: float


@dataclass(frozen=True)
class Leak:
    """Copies of one picture in both domains: ids in the training and in the test domain.

    `labels` are the distinct given labels; `identical` says that all have the same pixels.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: tuple[str, ...]
    identical: bool


def class_moves(z_train: Floats, z_test: Floats, sides: Sides) -> tuple[float, tuple[ClassMove, ...]]:
    """Return the length of the global shift in spreads and every class's move, the largest own move first."""
    k = len(sides.classes)
    parts = [_moments(z, side, k) for z, side in ((z_train, sides.train), (z_test, sides.test))]
    (mean_a, scatter_a, n_a), (mean_b, scatter_b, n_b) = parts
    spread = float(scatter_a.sum() / max(n_a.sum() - k, 1))
    move = mean_b - mean_a
    shift = np.median(move, axis=0)
    noise = scatter_a / np.maximum(n_a - 1, 1) / n_a + scatter_b / np.maximum(n_b - 1, 1) / n_b
    whole = _length((move**2).sum(axis=1) - noise, spread)
    # About what remains when a mean of k is taken off: (1 - 1/k)^2 of the own noise, 1/k^2 of each other's.
    left = noise * (1 - 2 / k) + noise.sum() / k**2
    own = _length(((move - shift) ** 2).sum(axis=1) - left, spread)
    together = float(_length(np.array([(shift**2).sum() - noise.sum() / k**2]), spread)[0])
    order = np.lexsort((np.arange(k), -whole, -own))
    return together, tuple(ClassMove(int(j), float(whole[j]), float(own[j])) for j in order)


def find_leaks(audit: Audit, sides: Sides) -> tuple[Leak, ...]:
    """Return the groups of copies with members in both domains, in the order of their first sample."""
    ids, copies = audit.embeddings.ids, audit.duplicates
    places = audit.dataset.column_of(sides.column, ids)
    labels = audit.dataset.column_of("label", ids)
    both = np.intersect1d(
        *(copies.group[(places == side.name) & (copies.group >= 0)] for side in (sides.train, sides.test))
    )
    leaks = []
    for group in both:
        rows = np.flatnonzero((copies.group == group) & np.isin(places, (sides.train.name, sides.test.name)))
        parts = [tuple(ids[rows[places[rows] == side.name]]) for side in (sides.train, sides.test)]
        names = tuple(sorted(set(labels[rows])))
        leaks.append((rows[0], Leak(parts[0], parts[1], names, bool(copies.identical[rows].all()))))
    return tuple(leak for _, leak in sorted(leaks, key=lambda pair: pair[0]))


def _moments(z: Floats, side: Side, k: int) -> tuple[Array, Array, Array]:
    """Class means (k, r), summed squared distances from them (k,) and sizes (k,)."""
    sizes = np.bincount(side.codes, minlength=k).astype(np.float64)
    means = np.stack([z[side.of_class(j)].mean(axis=0, dtype=np.float64) for j in range(k)])
    distance = ((z - means[side.codes].astype(np.float32)) ** 2).sum(axis=1, dtype=np.float64)
    scatter = np.asarray(np.bincount(side.codes, distance, minlength=k), dtype=np.float64)
    return np.asarray(means), scatter, np.asarray(sizes)


def _length(squares: Array, spread: float) -> Array:
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) / max(spread, 1e-24)))
