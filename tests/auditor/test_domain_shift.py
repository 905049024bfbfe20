"""How sure the move of the other classes is: intervals hold what was planted; few samples tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.comparisons.domain_probes import DomainScores
from auditor.comparisons.domain_shift import LEAST_VOTERS, others_move, side_counts
from auditor.comparisons.domain_sides import Side, Sides
from auditor.comparisons.intervals import Interval

MOVE = 2.0


def made_side(name: str, sizes: list[int]) -> Side:
    codes = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    rows = np.arange(len(codes))
    return Side(name, np.array([f"{name}{r}" for r in rows], object), rows, codes, rows.astype(np.int32))


def moved(others: list[int], seed: int) -> Interval:
    """The move told by `others` test samples of each other class, the margin of all moved by `MOVE`."""
    rng = np.random.default_rng(seed)
    k = 2 + len(others)
    train, test = made_side("A", [30] * k), made_side("B", [30, 30, *others])
    values = []
    for side, move in ((train, 0.0), (test, MOVE)):
        scores = np.zeros((len(side), k), np.float32)
        scores[:, 0] = side.codes + move + rng.normal(size=len(side))
        values.append(scores)
    means = [
        np.stack([v[s.of_class(j)].mean(axis=0, dtype=float) for j in range(k)])
        for v, s in zip(values, (train, test), strict=True)
    ]
    none = np.zeros((0, k), np.float32)
    scores = DomainScores(
        values[0], values[1], (none, none), none, none, test.codes, means[1] - means[0], np.zeros(k)
    )
    sides = Sides("domain", tuple("abcdefgh"[:k]), train, test, 0, ())
    return others_move(scores, sides, (side_counts(train, k), side_counts(test, k)), (0, 1))


@pytest.mark.parametrize("others", [[8], [8, 8], [8, 20, 8], [6, 6, 30, 30, 30]])
def test_the_interval_holds_the_planted_move(others: list[int]) -> None:
    held = [(m := moved(others, seed)).low <= MOVE <= m.high for seed in range(300)]
    assert 0.92 <= np.mean(held) <= 0.99


def test_more_samples_make_it_surer() -> None:
    widths = [np.mean([(m := moved([n], s)).high - m.low for s in range(20)]) for n in (5, 20, 80)]
    assert widths[0] > 1.4 * widths[1] > 1.4 * widths[2]


@pytest.mark.parametrize("others", [[], [1], [LEAST_VOTERS - 1] * 3])
def test_hardly_any_samples_tell_nothing(others: list[int]) -> None:
    assert np.isnan(moved(others, 0).estimate)


def test_classes_without_enough_samples_do_not_vote() -> None:
    alone, beside = moved([40], 1), moved([40, 2], 1)
    assert abs(beside.estimate - MOVE) < 0.8
    assert beside.high - beside.low == pytest.approx(alone.high - alone.low, rel=0.5)
