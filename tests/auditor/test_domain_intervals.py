"""Intervals against published numbers, simulation, and each other."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.comparisons import intervals as i


def test_wilson_as_published() -> None:
    """Newcombe 1998, table I: 81 of 263 is .2553 to .3662, 15 of 148 .0624 to .1605, 0 of 20 up to .1611."""
    for share, count, low, high in ((81 / 263, 263, 0.2553, 0.3662), (15 / 148, 148, 0.0624, 0.1605)):
        found = i.share_interval(share, count)
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert i.share_interval(0.0, 20).high == pytest.approx(0.1611, abs=1e-4)


def test_auc_equals_counting_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, first = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    a, b = scores[first][:, None], scores[~first][None, :]
    assert i.auc(scores, first) == pytest.approx(((a > b) + 0.5 * (a == b)).mean())
    assert i.auc(-scores, first) == pytest.approx(1 - i.auc(scores, first))
    assert np.isnan(i.auc(scores, np.ones(60, bool)))


def test_auc_interval_never_closes_and_turns_around() -> None:
    full, none = i.auc_interval(1.0, 30, 30), i.auc_interval(0.0, 30, 30)
    assert 0.90 < full.low < 0.95 and full.high == 1.0
    assert none.high == pytest.approx(1 - full.low)
    assert i.auc_interval(0.8, 30, 30).low < i.auc_interval(0.8, 300, 300).low < 0.8


@pytest.mark.parametrize("apart", [0.0, 1.2, 2.5])
def test_auc_interval_covers(apart: float) -> None:
    from scipy.stats import norm

    rng, truth, inside = np.random.default_rng(1), norm.cdf(apart / np.sqrt(2)), 0
    first = np.arange(80) < 40
    for _ in range(300):
        found = i.auc_interval(i.auc(rng.normal(size=80) + apart * first, first), 40, 40)
        inside += found.low <= truth <= found.high
    assert inside >= 0.91 * 300


@pytest.mark.parametrize(("won", "lost"), [(0.0, 0.0), (0.2, 0.02), (0.5, 0.0)])
def test_change_interval_covers(won: float, lost: float) -> None:
    rng, inside = np.random.default_rng(2), 0
    for _ in range(300):
        kind = rng.random(40)
        before, after = kind < lost, (kind >= lost) & (kind < lost + won)
        found = i.change_interval(before, after, 40)
        inside += found.low <= won - lost <= found.high
    assert inside >= 0.91 * 300


def test_means_and_differences_of_equal_parts() -> None:
    one = i.share_interval(0.7, 50)
    both = i.mean_interval([one, one])
    assert both.estimate == pytest.approx(0.7)
    assert both.high - both.low == pytest.approx((one.high - one.low) / np.sqrt(2))
    change = i.difference_interval(one, one)
    assert change.low == pytest.approx(-change.high)
    assert np.isnan(i.mean_interval([]).estimate)


def test_groups_not_samples_count() -> None:
    assert i.effective_count(np.arange(12)) == 12
    assert i.effective_count(np.repeat(np.arange(4), 3)) == pytest.approx(4)
    assert 1 < i.effective_count(np.array([0] * 100 + [1])) < 1.1
