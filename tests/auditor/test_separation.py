"""Verdicts and pairs on Gaussian clusters whose overlap is known."""

from __future__ import annotations

import numpy as np
import pytest
from stages import make_dataset, run_stages

from auditor.features import from_features
from auditor.results import Finding, Separation, Thresholds
from auditor.separation import (
    _mixed_with,
    knn_classes,
    measure_separation,
    rank_pairs,
    silhouette_by_class,
)

STORY = {"0": ("1",), "1": ("0", "2"), "2": ("1",), "3": (), "4": ()}
"""Five clusters of which class 1 overlaps 0 and 2: who is mixed with whom."""


def five_clusters(
    d: int, apart: float, away: float, each: int = 120, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """Unit-variance clusters: 0, 1, 2 in a row, `apart` from each other, 3 and 4 far; `away` moves all."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((5, d))
    centres[0, 0], centres[2, 0] = -apart, apart
    centres[3, 1], centres[4, 2] = 10, 10
    codes = np.repeat(np.arange(5), each)
    return centres[codes] + away + rng.normal(size=(5 * each, d)), codes


def told(separation: Separation) -> dict[str, tuple[str, ...]]:
    for row in separation.classes:
        assert row.verdict == ("mixed" if row.mixed_with else "separated")
    return {row.name: tuple(sorted(row.mixed_with)) for row in separation.classes}


@pytest.mark.parametrize(
    ("d", "apart", "away"),
    [(8, 1.6, 0), (8, 2.8, 0), (8, 2.0, 5), (16, 1.6, 5), (16, 2.0, 0), (16, 2.8, 5), (64, 2.0, 0)],
)
def test_overlap_is_told_exactly(d: int, apart: float, away: float) -> None:
    """Bayes errors between neighbours from 21 % (1.6 standard deviations apart) to 8 %."""
    vectors, codes = five_clusters(d, apart, away, seed=d)
    separation = run_stages(make_dataset(codes), vectors).separation()
    assert told(separation) == STORY
    pairs = [(pair.a, pair.b) for pair in separation.pairs]
    assert set(pairs[:2]) == {("0", "1"), ("1", "2")}
    scores = [pair.score for pair in separation.pairs]
    assert scores == sorted(scores, reverse=True)
    assert all(score < Thresholds().mixed_share <= scores[1] for score in scores[2:])


@pytest.mark.parametrize("d", [2, 4])
def test_class_at_the_origin_between_two_others(d: int) -> None:
    """Through the door for users' features: directions alone would lose the class at the origin."""
    rng = np.random.default_rng(d)
    centres = np.zeros((5, d))
    centres[[0, 2], 0] = -2.0, 2.0
    centres[[3, 4], 1] = 9.0, -9.0
    codes = np.repeat(np.arange(5), 150)
    dataset = make_dataset(codes)
    _, embeddings = from_features(dataset, centres[codes] + rng.normal(size=(len(codes), d)))
    assert told(run_stages(dataset, embeddings.vectors).separation()) == STORY


def test_random_directions_and_four_to_one_sizes() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(5, 24))
    centres *= 9 / np.linalg.norm(centres, axis=1, keepdims=True)
    step = rng.normal(size=24)
    step *= 2 / np.linalg.norm(step)
    centres[0], centres[2] = centres[1] - step, centres[1] + step
    codes = np.repeat(np.arange(5), [300, 150, 200, 75, 120])
    vectors = centres[codes] + rng.normal(size=(len(codes), 24))
    assert told(run_stages(make_dataset(codes), vectors).separation()) == STORY


def test_clusters_far_apart_are_all_separated() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(4), 60)
    separation = run_stages(
        make_dataset(codes), 10 * np.eye(4, 8)[codes] + rng.normal(size=(240, 8))
    ).separation()
    assert [row.verdict for row in separation.classes] == ["separated"] * 4
    assert separation.pairs == ()
    assert separation.knn_accuracy == separation.probe_accuracy == 1.0
    assert separation.silhouette > 0.7


def test_classes_of_one_cloud_are_mixed() -> None:
    codes = np.repeat(np.arange(3), 100)
    separation = run_stages(make_dataset(codes), np.random.default_rng(5).normal(size=(300, 8))).separation()
    assert [row.verdict for row in separation.classes] == ["mixed"] * 3
    assert separation.knn_accuracy == pytest.approx(1 / 3, abs=0.1)
    assert abs(separation.silhouette) < 0.1


def test_figures_agree_with_the_confusion() -> None:
    vectors, codes = five_clusters(16, 2.0, 0.0)
    stages = run_stages(make_dataset(codes), vectors)
    separation = stages.separation()
    guess = stages.probabilities.values.argmax(axis=1)
    confusion = np.array([[((codes == a) & (guess == b)).sum() for b in range(5)] for a in range(5)])
    np.testing.assert_array_equal(separation.confusion, confusion)
    assert separation.probe_accuracy == pytest.approx((guess == codes).mean())
    for j, row in enumerate(separation.classes):
        assert row.samples == 120
        assert row.probe_accuracy == pytest.approx(confusion[j, j] / 120)
    for pair in separation.pairs:
        a, b = int(pair.a), int(pair.b)
        assert (pair.a_as_b, pair.b_as_a) == (confusion[a, b], confusion[b, a])
        assert pair.score == pytest.approx((confusion[a, b] + confusion[b, a]) / 240)
    assert separation.knn_accuracy == pytest.approx(np.mean([row.knn_accuracy for row in separation.classes]))


def test_knn_accuracy_is_scikit_learns() -> None:
    from sklearn.neighbors import NearestNeighbors

    vectors, codes = five_clusters(16, 2.0, 0.0)
    stages = run_stages(make_dataset(codes), vectors)
    unit = stages.embeddings.vectors
    voted = knn_classes(stages.neighbours, np.arange(600, dtype=np.int32), codes.astype(np.int32), 5)
    rows = NearestNeighbors(n_neighbors=10, metric="cosine").fit(unit).kneighbors(return_distance=False)
    counts = np.apply_along_axis(np.bincount, 1, codes[rows], minlength=5)
    clear = np.sort(counts, axis=1)[:, -1] > np.sort(counts, axis=1)[:, -2]
    np.testing.assert_array_equal(voted[clear], counts.argmax(axis=1)[clear])
    first = codes[rows][:, 0]
    tied = ~clear & (counts[np.arange(600), first] == counts.max(axis=1))
    np.testing.assert_array_equal(voted[tied], first[tied])


def test_silhouette_is_scikit_learns() -> None:
    from sklearn.metrics import silhouette_score

    vectors, codes = five_clusters(16, 2.0, 0.0, each=40)
    by_class = silhouette_by_class(vectors.astype(np.float32), codes, 5, 0)
    assert by_class.mean() == pytest.approx(silhouette_score(vectors, codes, metric="cosine"), abs=1e-5)


def test_copies_do_not_make_a_class_look_separated() -> None:
    """Every sample of two mixed classes is there three times: each finds its copies, which do not count."""
    rng = np.random.default_rng(6)
    once = rng.normal(size=(100, 8))
    codes = np.repeat(np.arange(2), 50)
    separation = run_stages(make_dataset(np.tile(codes, 3)), np.tile(once, (3, 1))).separation()
    assert separation.knn_accuracy < 0.65
    assert told(separation) == {"0": ("1",), "1": ("0",)}


def test_one_confused_sample_does_not_mix_small_classes() -> None:
    bars = Thresholds()
    judged = np.ones(2, np.bool_)
    assert _mixed_with(np.array([[5, 1], [0, 6]]), judged, bars) == [[], []]
    assert _mixed_with(np.array([[4, 2], [0, 6]]), judged, bars) == [[1], [0]]
    assert _mixed_with(np.array([[4, 2], [0, 6]]), np.array([True, False]), bars) == [[], []]


def test_pairs_count_findings_and_stand_worst_first() -> None:
    dataset = make_dataset(["a", "a", "b", "c"])
    confusion = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 4]])
    ids = dataset.ids
    findings = (
        Finding("1", "mislabeled", 1, (ids[0],), 0.0, "", "b"),
        Finding("2", "ambiguous", 1, (ids[2],), 0.0, "", "a"),
        Finding("3", "conflicting_duplicate", 1, (ids[1], ids[3]), 0.0, ""),
        Finding("4", "off_topic", 1, (ids[1],), 0.0, ""),
    )
    pairs = rank_pairs(dataset, confusion, findings, Thresholds())
    assert [(p.a, p.b, p.a_as_b, p.b_as_a, p.flagged) for p in pairs] == [
        ("a", "b", 2, 0, 2),
        ("a", "c", 0, 0, 1),
    ]
    assert pairs[0].score == pytest.approx(0.1)


def test_small_classes_are_not_judged() -> None:
    vectors, codes = five_clusters(8, 2.0, 5.0, each=60)
    kept = (codes != 4) | (np.arange(300) < 243)
    stages = run_stages(make_dataset(codes[kept]), vectors[kept])
    separation = measure_separation(
        stages.dataset, stages.embeddings, stages.neighbours, stages.duplicates, stages.probabilities
    )
    assert [row.verdict for row in separation.classes] == ["mixed"] * 3 + ["separated", "not judged"]


def test_three_hundred_copies_of_one_picture_count_once() -> None:
    """One odd picture in class a, copied 300 times, leaves the verdicts as they were."""
    rng = np.random.default_rng(6)
    codes = np.repeat(np.arange(2), 20)
    vectors = 6 * np.eye(2, 8)[codes] + rng.normal(size=(40, 8))
    odd = 6 * np.eye(2, 8)[1] + rng.normal(size=8)
    many = np.concatenate([vectors, np.repeat(odd[None], 300, axis=0)])
    separation = run_stages(make_dataset(np.concatenate([codes, np.zeros(300, int)])), many).separation()
    assert separation.classes[0].samples == 320
    assert separation.confusion.sum() == 41
    assert separation.knn_accuracy > 0.9 and separation.probe_accuracy > 0.9
