"""Which class is mistaken for which: identities, planted mistakes, and cleanlab as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from auditor import mistakes
from auditor.mistakes import (
    LEAST_RATIO,
    MOST_RATIO,
    chance_of_mistake,
    count_clear,
    find_mistakes,
    weigh_labels,
)

CLASSES, EACH = 5, 400


def planted(target: np.ndarray | None, rate: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated chances of clear and of mixed samples, given labels, and flags of the wrong ones.

    Wrong labels are those of `target` (c,), or any other class alike. A third of the samples lies between its
    class and any other one.
    """
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(CLASSES), EACH)
    other = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    given, rows = truth.copy(), np.arange(len(truth))
    wrong = rng.random(len(truth)) < rate
    alike = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    given[wrong] = (alike if target is None else target[truth])[wrong]
    chances = np.full((len(truth), CLASSES), 0.01)
    mixed = rng.random(len(truth)) < 1 / 3
    chances[rows, other] += np.where(mixed, rng.uniform(0, 0.9, len(truth)), 0.0)
    chances[rows, truth] += 1 - chances.sum(axis=1)
    noisy = chances @ transition(target, rate)
    return noisy.astype(np.float32), given.astype(np.int32), given != truth


def transition(target: np.ndarray | None, rate: float) -> np.ndarray:
    """Chances (c, c) of a given label (columns) for a right one (rows)."""
    if target is None:
        return np.full((CLASSES, CLASSES), rate / (CLASSES - 1)) * (1 - np.eye(CLASSES)) + (
            1 - rate
        ) * np.eye(CLASSES)
    return (1 - rate) * np.eye(CLASSES) + rate * np.eye(CLASSES)[target]


def alone(codes: np.ndarray) -> np.ndarray:
    return np.arange(len(codes), dtype=np.int32)


def test_without_a_pattern_the_quality_is_cleanlabs_self_confidence() -> None:
    from cleanlab.rank import get_label_quality_scores

    chances, codes, _ = planted(None)
    ratio = find_mistakes(chances, codes, alone(codes)).ratio
    np.testing.assert_array_equal(ratio, np.ones((CLASSES, CLASSES)))
    quality, suggested = weigh_labels(chances, codes, ratio)
    np.testing.assert_allclose(quality, get_label_quality_scores(codes, chances), atol=1e-5)
    chances[alone(codes), codes] = -1
    np.testing.assert_array_equal(suggested, chances.argmax(axis=1))


def test_the_class_that_is_mistaken_is_found_and_ranks_better() -> None:
    target = np.roll(np.arange(CLASSES), 1)
    chances, codes, wrong = planted(target)
    ratio = find_mistakes(chances, codes, alone(codes)).ratio
    off = ratio[~np.eye(CLASSES, dtype=bool)].reshape(CLASSES, -1)
    assert (ratio[np.arange(CLASSES), target] == off.max(axis=1)).all()
    assert ratio[np.arange(CLASSES), target].min() > 2 > 1 > np.sort(off, axis=1)[:, -2].max()
    plain = average_precision_score(wrong, -weigh_labels(chances, codes, np.ones_like(ratio))[0])
    quality, suggested = weigh_labels(chances, codes, ratio)
    assert average_precision_score(wrong, -quality) > plain + 0.1
    assert (suggested[wrong] == np.argsort(target)[codes[wrong]]).mean() > 0.9
    shuffled = np.random.default_rng(1).permutation(quality)
    assert average_precision_score(wrong, -shuffled) < 2 * wrong.mean()


def test_quality_and_ratio_stay_in_their_ranges() -> None:
    rng = np.random.default_rng(2)
    chances = rng.dirichlet(np.full(CLASSES, 0.2), 500).astype(np.float32)
    codes = rng.integers(0, 3, 500).astype(np.int32)
    ratio = find_mistakes(chances, codes, alone(codes)).ratio
    assert LEAST_RATIO <= ratio.min() <= ratio.max() <= MOST_RATIO
    assert (np.diag(ratio) == 1).all()
    quality, suggested = weigh_labels(chances, codes, ratio)
    assert 0 <= quality.min() <= quality.max() <= 1
    assert (suggested != codes).all()


def test_numbering_of_classes_and_order_of_rows_do_not_count() -> None:
    chances, codes, _ = planted(np.roll(np.arange(CLASSES), 2))
    rng = np.random.default_rng(3)
    order, names = rng.permutation(len(codes)), rng.permutation(CLASSES)
    ratio = find_mistakes(chances, codes, alone(codes)).ratio
    renamed = np.argsort(names)[codes[order]].astype(np.int32)
    mixed = find_mistakes(chances[order][:, names], renamed, order).ratio
    np.testing.assert_allclose(mixed, ratio[np.ix_(names, names)], rtol=1e-4)


def test_a_group_counts_once_for_each_label() -> None:
    """Forty pictures of one patient under a wrong label are one mistake, not a pattern."""
    chances, codes, _ = planted(None, rate=0.02)
    rows = np.flatnonzero(codes == 0)[:40]
    clear = np.full(CLASSES, 0.01, np.float32)
    clear[3] = 0.96
    chances[rows] = clear
    apart = find_mistakes(chances, codes, alone(codes)).ratio
    groups = alone(codes)
    groups[rows] = rows[0]
    whole = find_mistakes(chances, codes, groups).ratio
    assert apart[3, 0] > 2
    np.testing.assert_array_equal(whole, 1.0)


def test_counts_equal_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    chances, codes, _ = planted(None)
    chances, codes = chances[::20], codes[::20]
    weights = np.random.default_rng(4).uniform(0.2, 1, len(codes))
    clear = np.quantile(chances.max(axis=1), mistakes.CLEAR)
    wanted = np.zeros((2, CLASSES, CLASSES))
    for p, code, weight in zip(chances.astype(np.float64), codes, weights, strict=True):
        share = weight * np.minimum(p / clear, 1) ** mistakes.CLEARNESS
        wanted[0][:, code] += share
        wanted[1][:, code] += share**2
    monkeypatch.setattr(mistakes, "BLOCK_CELLS", 7 * CLASSES)
    np.testing.assert_allclose(count_clear(chances, codes, weights), wanted, rtol=1e-4)


@pytest.mark.parametrize("target", [None, np.roll(np.arange(CLASSES), 1)])
def test_expected_mistakes_are_about_as_many_as_there_are(target: np.ndarray | None) -> None:
    chances, codes, wrong = planted(target)
    found = find_mistakes(chances, codes, alone(codes))
    assert 0.8 * wrong.mean() < found.share < 1.5 * wrong.mean()
    doubted = chances[alone(codes), codes] < 0.2
    expected = chance_of_mistake(chances[doubted], codes[doubted], found)
    assert 0 <= expected.min() <= expected.max() <= 1
    assert 0.75 * wrong[doubted].sum() < expected.sum() < 1.35 * wrong[doubted].sum()


def test_no_mistakes_are_expected_where_clear_samples_carry_their_label() -> None:
    chances, codes, wrong = planted(None, rate=0.0)
    assert not wrong.any()
    found = find_mistakes(chances, codes, alone(codes))
    assert (chances[alone(codes), codes] < 0.5).mean() > 0.1, "classes overlap"
    assert found.share < 0.05
    assert chance_of_mistake(chances, codes, found).mean() < 0.05
