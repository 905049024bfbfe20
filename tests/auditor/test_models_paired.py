"""Paired differences and map alignment: oracles, identities, and honest rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from auditor.comparisons.alignment import align_map
from auditor.comparisons.paired import paired_difference


def answers(seed: int, n: int, first: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.random(n) < first).astype(float), (rng.random(n) < second).astype(float)


def test_the_p_value_is_mcnemars() -> None:
    a, b = answers(1, 400, 0.85, 0.80)
    found = paired_difference(a, b, np.arange(400, dtype=np.int32))
    wins, losses = int((a > b).sum()), int((a < b).sum())
    exact = binomtest(wins, wins + losses).pvalue
    assert found.p_value == pytest.approx(exact, abs=0.04)
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    half = 1.96 * (a - b).std() / np.sqrt(400)
    assert found.interval == pytest.approx((found.estimate - half, found.estimate + half), abs=0.15 * half)


def test_swapping_turns_the_sign_and_nothing_else() -> None:
    a, b = answers(2, 300, 0.9, 0.8)
    groups = np.arange(300, dtype=np.int32) // 2
    there, back = paired_difference(a, b, groups, 5), paired_difference(b, a, groups, 5)
    assert back.estimate == -there.estimate
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert back.p_value == pytest.approx(there.p_value, abs=0.03)


def test_copies_in_one_group_make_nothing_surer() -> None:
    a, b = answers(3, 200, 0.9, 0.8)
    once = paired_difference(a, b, np.arange(200, dtype=np.int32))
    four = paired_difference(np.repeat(a, 4), np.repeat(b, 4), np.repeat(np.arange(200, dtype=np.int32), 4))
    assert four.estimate == pytest.approx(once.estimate)
    assert four.interval == pytest.approx(once.interval)
    assert four.p_value == once.p_value


def test_equal_models_are_rarely_told_apart_and_different_ones_mostly() -> None:
    groups = np.arange(300, dtype=np.int32)
    same = sum(paired_difference(*answers(s, 300, 0.8, 0.8), groups, s).is_clear for s in range(100))
    better = sum(paired_difference(*answers(s, 300, 0.9, 0.78), groups, s).is_clear for s in range(50))
    assert same <= 12 and better >= 45


def test_no_difference_is_no_difference() -> None:
    a = np.ones(20)
    found = paired_difference(a, a, np.arange(20, dtype=np.int32))
    assert (found.estimate, found.interval, found.p_value, found.is_clear) == (0.0, (0.0, 0.0), 1.0, False)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_mirrored_resized_map_comes_back(mirrored: bool) -> None:
    rng = np.random.default_rng(0)
    reference = (10 * rng.normal(size=(50, 2)) + 3).astype(np.float32)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    if mirrored:
        turn = turn @ np.diag([1.0, -1.0])
    moved = (2.5 * reference @ turn - 7).astype(np.float32)
    found = align_map(moved, reference)
    np.testing.assert_allclose(found(moved), reference, atol=1e-3)
    assert found.likeness == pytest.approx(1.0, abs=1e-6) and found.scale == pytest.approx(0.4)


def test_a_map_with_nothing_in_common_keeps_its_size() -> None:
    rng = np.random.default_rng(1)
    reference, other = rng.normal(size=(2, 400, 2)).astype(np.float32)
    found = align_map(5 * other, reference)
    assert found.likeness < 0.2
    assert found(5 * other).std() == pytest.approx(reference.std(), rel=0.1)
    assert align_map(np.zeros((5, 2), np.float32), reference[:5])(np.zeros((5, 2), np.float32)).shape == (
        5,
        2,
    )


def test_few_groups_name_no_winner() -> None:
    """All groups of one kind differ the same way: the interval leaves out 0, and nothing is known."""
    for count in (2, 5, 9):
        groups = np.repeat(np.arange(count, dtype=np.int32), 20)
        found = paired_difference(np.ones(len(groups)), np.zeros(len(groups)), groups)
        assert found.interval == (1.0, 1.0) and found.groups == count and not found.is_clear
    groups = np.repeat(np.arange(12, dtype=np.int32), 20)
    found = paired_difference(np.ones(240), np.zeros(240), groups)
    assert found.is_clear and found.is_above and not found.is_below
    assert found.p_value == pytest.approx(2 / 2**12, abs=5e-4)


def test_a_narrow_interval_is_not_enough() -> None:
    """Four samples of 300 differ, all one way: the exact p-value is 1/8 and the bootstrap leaves out 0."""
    a, b = np.ones(300), np.ones(300)
    b[:4] = 0
    told = [paired_difference(a, b, np.arange(300, dtype=np.int32), seed) for seed in range(5)]
    assert any(found.interval[0] > 0 for found in told) and not any(found.is_clear for found in told)
    assert all(found.p_value == pytest.approx(0.125, abs=0.01) for found in told)


def test_turning_signs_by_size_is_turning_each_group() -> None:
    """Sums of few values and the same sums a hair apart give the same p-value."""
    rng = np.random.default_rng(4)
    a = rng.integers(0, 4, 200).astype(float)
    b = rng.integers(0, 4, 200).astype(float) - 0.25
    groups = np.arange(200, dtype=np.int32)
    apart = paired_difference(a + 1e-9 * rng.random(200), b, groups)
    assert paired_difference(a, b, groups).p_value == pytest.approx(apart.p_value, abs=0.02)
