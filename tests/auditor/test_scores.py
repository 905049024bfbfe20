"""Scores: range, direction, chance level, and cleanlab as the oracle."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from stages import Stages, make_dataset, run_stages

from auditor.arrays import as_ids
from auditor.results import Neighbours
from auditor.scores import balanced_quality, joint_counts, rate_surprise, rate_typicality, share_of_votes

CLASSES, EACH, WRONG = 4, 120, 24


@functools.cache
def planted() -> tuple[Stages, np.ndarray, np.ndarray]:
    """Four classes with 5 % wrong labels and 12 strangers: stages, flags of both."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(CLASSES), EACH)
    vectors = 3 * np.eye(CLASSES, 16)[truth] + 0.7 * rng.normal(size=(len(truth), 16))
    given = truth.copy()
    wrong = rng.choice(len(truth), WRONG, replace=False)
    given[wrong] = (truth[wrong] + rng.integers(1, CLASSES, WRONG)) % CLASSES
    strange = np.setdiff1d(rng.choice(len(truth), 14, replace=False), wrong)[:12]
    vectors[strange] = 3 * np.eye(16)[4 + np.arange(len(strange))] - 1
    flags = [np.isin(np.arange(len(truth)), rows) for rows in (wrong, strange)]
    return run_stages(make_dataset(given), vectors), *flags


def test_scores_lie_between_zero_and_one() -> None:
    scores = planted()[0].scores
    for name in ("label_quality", "clarity", "typicality", "neighbour_vote", "suggested_probability"):
        values = getattr(scores, name)
        assert values.dtype == np.float32
        assert 0 <= values.min() <= values.max() <= 1


def test_wrong_labels_score_low_and_shuffled_scores_are_at_chance() -> None:
    stages, wrong, _ = planted()
    prevalence = wrong.mean()
    for scores in (stages.scores.label_quality, stages.scores.neighbour_vote):
        assert average_precision_score(wrong, -scores) > 0.85
        shuffled = np.random.default_rng(1).permutation(scores)
        assert average_precision_score(wrong, -shuffled) < 3 * prevalence


def test_strangers_score_low_in_typicality() -> None:
    stages, wrong, strange = planted()
    assert roc_auc_score(strange, -stages.scores.typicality) > 0.98
    assert abs(roc_auc_score(wrong[~strange], -stages.scores.typicality[~strange]) - 0.5) < 0.2


def test_pictures_between_two_classes_score_low_in_clarity() -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 80)
    vectors = 3 * np.eye(3, 12)[truth] + 0.5 * rng.normal(size=(240, 12))
    between = np.arange(12)
    vectors[between, 1] = vectors[between, 0] = 1.5
    truth[:6] = 1
    scores = run_stages(make_dataset(truth), vectors).scores
    assert roc_auc_score(np.isin(np.arange(240), between), -scores.clarity) > 0.98
    assert (scores.suggested[between] == 1 - truth[between]).all()


def test_label_quality_is_cleanlabs_self_confidence() -> None:
    stages, _, _ = planted()
    codes, chances = stages.codes, stages.probabilities.values
    rows = np.arange(len(codes))
    np.testing.assert_allclose(stages.scores.label_quality, chances[rows, codes], atol=1e-6)
    from cleanlab.rank import get_label_quality_scores

    oracle = get_label_quality_scores(codes, chances, method="self_confidence")
    np.testing.assert_allclose(stages.scores.label_quality, oracle, atol=1e-6)


def test_suggestion_is_the_best_other_class() -> None:
    stages, wrong, _ = planted()
    codes, chances, scores = stages.codes, stages.probabilities.values, stages.scores
    assert (scores.suggested != codes).all()
    others = np.where(np.arange(CLASSES) == codes[:, None], -1, chances)
    np.testing.assert_allclose(scores.suggested_probability, others.max(axis=1))
    first_two = np.sort(chances, axis=1)[:, -2:]
    np.testing.assert_allclose(scores.clarity, first_two[:, 1] - first_two[:, 0], atol=1e-6)
    truth = np.repeat(np.arange(CLASSES), EACH)
    assert (scores.suggested[wrong] == truth[wrong]).mean() > 0.9


def test_confident_joint_is_cleanlabs_also_with_absent_classes() -> None:
    from cleanlab.count import compute_confident_joint

    stages, wrong, _ = planted()
    codes, chances = stages.codes, stages.probabilities.values
    whole = compute_confident_joint(codes, chances, calibrate=False)
    np.testing.assert_array_equal(stages.scores.confident_joint, whole)
    off_diagonal = whole.sum() - np.trace(whole)
    assert 0.7 * wrong.sum() < off_diagonal < 2 * wrong.sum()
    padded = np.insert(chances, 1, 0.0, axis=1)
    counts = joint_counts(np.where(codes > 0, codes + 1, 0).astype(np.int32), padded)
    assert counts.shape == (5, 5)
    assert (counts[1] == 0).all()
    assert (counts[:, 1] == 0).all()
    np.testing.assert_array_equal(np.delete(np.delete(counts, 1, 0), 1, 1), whole)


def test_confident_joint_of_a_single_class_is_empty() -> None:
    assert (joint_counts(np.zeros(5, np.int32), np.ones((5, 2), np.float32) / 2) == 0).all()


def near(indices: list[list[int]], similarities: list[list[float]]) -> Neighbours:
    rows = len(indices)
    return Neighbours(
        as_ids([str(row) for row in range(rows)]),
        np.array(indices, np.int32),
        np.array(similarities, np.float32),
        np.arange(rows, dtype=np.int32),
    )


def test_vote_is_the_share_of_similarity() -> None:
    lists = near([[1, 2], [0, 2], [1, 0]], [[0.8, 0.2], [0.8, 0.5], [0.5, 0.2]])
    votes = share_of_votes(lists, np.arange(3, dtype=np.int32), np.array([0, 0, 1], np.int32))
    np.testing.assert_allclose(votes, [0.8, 0.8 / 1.3, 0.0], atol=1e-6)
    own_group = share_of_votes(lists, np.array([0, 0, 1], np.int32), np.array([0, 0, 1], np.int32))
    np.testing.assert_allclose(own_group, [0.0, 0.0, 0.0], atol=1e-6)


def test_typicality_of_equally_near_pictures_is_one() -> None:
    angles = 2 * np.pi * np.arange(60) / 60
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    stages = run_stages(make_dataset(np.arange(60) % 2), ring)
    np.testing.assert_allclose(stages.scores.typicality, 1.0, atol=1e-4)


def test_typicality_without_any_voter_is_one() -> None:
    lists = near([[1], [0]], [[0.5], [0.5]])
    assert rate_typicality(lists, np.zeros(2, np.int32), as_ids(["", ""])).tolist() == [1.0, 1.0]


def test_typicality_halves_at_twice_the_usual_distance() -> None:
    cosines = [[0.8], [0.8], [0.8], [0.6]]
    lists = near([[1], [0], [0], [0]], cosines)
    apart = np.arange(4, dtype=np.int32)
    np.testing.assert_allclose(rate_typicality(lists, apart, as_ids([""] * 4)), [1, 1, 1, 0.5], atol=1e-5)


def test_a_domain_is_measured_by_its_own_usual_distance() -> None:
    """Drawings lie closer together than photographs: a stranger among them shows at a smaller distance."""
    cosines = [[0.6]] * 40 + [[0.9]] * 40
    lists = near([[(row + 1) % 80] for row in range(80)], cosines)
    domains = as_ids(["photo"] * 40 + ["drawing"] * 40)
    apart = np.arange(80, dtype=np.int32)
    together = rate_typicality(lists, apart, as_ids([""] * 80))
    divided = rate_typicality(lists, apart, domains)
    assert together[:40].max() < divided[:40].min()
    alone = rate_typicality(lists, apart, as_ids(["photo"] * 70 + ["drawing"] * 10))
    assert alone[75] == divided[75] == 1.0


def test_balanced_quality_takes_class_sizes_out() -> None:
    chances = np.array([[0.96, 0.04], [0.96, 0.04], [0.5, 0.5]], np.float32)
    codes = np.array([0, 1, 1], np.int32)
    weights = np.array([48.0, 1.0, 1.0])
    fair = balanced_quality(chances, codes, weights)
    np.testing.assert_allclose(fair, [0.02 / 0.04, 0.02 / 0.04, 0.96], atol=1e-5)
    same = balanced_quality(chances, codes, np.array([2.0, 1.0, 1.0]))
    np.testing.assert_allclose(same, chances[np.arange(3), codes], atol=1e-6)


def test_surprise_is_high_for_a_second_class_that_is_unusual() -> None:
    """Of 50 samples one gives the second class 30 %; the same 30 % is usual where all samples do."""
    rng = np.random.default_rng(3)
    second = np.exp(rng.normal(np.log(0.01), 0.6, 50)).clip(max=0.05)
    second[7] = 0.3
    chances = np.stack([1 - second, second], axis=1).astype(np.float32)
    codes, suggested = np.zeros(50, np.int32), np.ones(50, np.int32)
    surprise = rate_surprise(chances, codes, suggested)
    assert surprise.argmax() == 7
    assert surprise[7] > 4 > np.delete(surprise, 7).max()
    mixed = np.tile(np.array([[0.7, 0.3]], np.float32), (50, 1))
    assert np.abs(rate_surprise(mixed, codes, suggested)).max() < 0.1


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scores_do_not_depend_on_the_scale_of_features(scale: float) -> None:
    stages, _, _ = planted()
    scaled = run_stages(stages.dataset, scale * stages.embeddings.vectors.astype(np.float64)).scores
    np.testing.assert_allclose(scaled.label_quality, stages.scores.label_quality, atol=1e-4)
    np.testing.assert_allclose(scaled.typicality, stages.scores.typicality, atol=1e-4)
