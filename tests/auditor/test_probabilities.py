"""Out-of-sample probabilities against direct fits, and the identities they keep."""

from __future__ import annotations

import numpy as np
import pytest
from stages import make_dataset, make_embeddings, run_stages

from auditor import probabilities, probes
from auditor.arrays import as_ids
from auditor.duplicates import find_duplicates
from auditor.errors import AuditError
from auditor.features import from_features
from auditor.groups import FOLDS, assign_folds, copy_weights, independent_groups
from auditor.neighbours import find_neighbours
from auditor.probabilities import size_scores, vote_scores
from auditor.probes import (
    LDA_SHRINKAGES,
    FoldedRows,
    combine,
    fit_lda,
    folds_at_once,
    leave_folds_out,
    softmax,
    stabilise,
    sum_rows,
)
from auditor.results import Dataset, Duplicates, Thresholds


def blobs(count: int = 240, classes: int = 4, d: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping Gaussian classes: vectors (count, d) and codes (count,)."""
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    centres = rng.normal(0, 1.2, (classes, d))
    return centres[codes] + rng.normal(size=(count, d)), codes.astype(np.int32)


def alone(count: int) -> Duplicates:
    rows = np.arange(count, dtype=np.int32)
    ids = as_ids([f"r{row:05d}" for row in rows])
    return Duplicates(ids, np.full(count, -1, np.int32), rows, np.ones(count, np.bool_))


def test_rows_sum_to_one_and_predict_the_classes() -> None:
    vectors, codes = blobs()
    values = run_stages(make_dataset(codes), vectors).probabilities.values
    np.testing.assert_allclose(values.sum(axis=1), 1.0, atol=1e-5)
    assert (values.argmax(axis=1) == codes).mean() > 0.8
    shuffled = np.random.default_rng(3).permutation(codes)
    values = run_stages(make_dataset(shuffled), vectors).probabilities.values
    assert (values.argmax(axis=1) == shuffled).mean() < 0.4, "labels at chance cannot be predicted"


def test_permuting_the_dataset_permutes_the_probabilities() -> None:
    vectors, codes = blobs()
    vectors[5], codes[5] = vectors[9], codes[9]
    dataset = make_dataset(codes, group=["pair" if row in (3, 8) else "" for row in range(len(codes))])
    straight = run_stages(dataset, vectors)
    order = np.random.default_rng(4).permutation(len(codes))
    table = dataset.table.iloc[order].reset_index(drop=True)
    mixed = run_stages(
        Dataset("mixed", dataset.root, dataset.classes, table, has_images=False), vectors[order]
    )
    np.testing.assert_allclose(mixed.probabilities.values, straight.probabilities.values[order], atol=1e-5)
    np.testing.assert_allclose(mixed.scores.label_quality, straight.scores.label_quality[order], atol=1e-5)
    np.testing.assert_allclose(mixed.scores.typicality, straight.scores.typicality[order], atol=1e-5)


def test_the_seed_decides_the_folds() -> None:
    vectors, codes = blobs()
    dataset = make_dataset(codes)
    first, again, other = (run_stages(dataset, vectors, seed).probabilities.values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_folds_keep_groups_whole_and_spread_every_class() -> None:
    rng = np.random.default_rng(5)
    codes = np.repeat([0, 1, 2], [200, 90, 20]).astype(np.int32)
    groups = np.where(np.arange(310) < 30, 0, np.arange(310)).astype(np.int32)
    ids = as_ids([f"{row:03d}" for row in range(310)])
    folds = assign_folds(ids, groups, codes, seed=0)
    assert len(set(folds[:30])) == 1
    for code in range(3):
        counts = np.bincount(folds[30:][codes[30:] == code], minlength=FOLDS)
        assert np.ptp(counts) <= 1 + (code == 0), "at most one group more than in another fold"
    order = rng.permutation(310)
    renumbered = rng.permutation(310)[groups].astype(np.int32)
    np.testing.assert_array_equal(assign_folds(ids[order], renumbered[order], codes[order], 0), folds[order])


def explicit_lda(z: np.ndarray, codes: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Discriminant scores of all rows by each class's weighted mean and the pooled covariance: (m, c)."""
    c = int(codes.max()) + 1
    means = np.stack([np.average(z[codes == k], axis=0, weights=weights[codes == k]) for k in range(c)])
    centred = z - means[codes]
    pooled = (centred * weights[:, None]).T @ centred / weights.sum()
    pooled = (1 - share) * pooled + share * np.trace(pooled) / len(pooled) * np.eye(len(pooled))
    coefficients = np.linalg.solve(pooled, means.T)
    return np.vstack([coefficients, -0.5 * (means.T * coefficients).sum(axis=0)])


@pytest.mark.parametrize("setting", range(len(LDA_SHRINKAGES)))
def test_a_probe_without_a_fold_equals_a_direct_fit(setting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codes = blobs()
    monkeypatch.setattr(probes, "LDA_SHRINKAGES", LDA_SHRINKAGES[setting : setting + 1])
    z = vectors.astype(np.float32)
    weights = np.random.default_rng(6).uniform(0.5, 2, len(z))
    folds = assign_folds(make_embeddings(vectors).ids, np.arange(len(z), dtype=np.int32), codes, 0)
    scores = leave_folds_out(FoldedRows(z, codes, weights, folds), fit_lda, np.ones(len(z)))
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        linear = explicit_lda(vectors[train], codes[train], weights[train], LDA_SHRINKAGES[setting])
        np.testing.assert_allclose(scores[test], vectors[test] @ linear[:-1] + linear[-1], atol=2e-4)


@pytest.mark.parametrize("setting", range(len(LDA_SHRINKAGES)))
def test_lda_is_scikit_learns(setting: int) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    vectors, codes = blobs()
    z = vectors.astype(np.float32)
    linear = fit_lda(sum_rows(z, codes, np.ones(len(z)), 4))[setting]
    # With equally large classes the mean of the classes' covariances is the pooled one.
    oracle = LinearDiscriminantAnalysis(
        solver="lsqr",
        priors=np.full(4, 0.25),
        covariance_estimator=Shrunken(LDA_SHRINKAGES[setting]),
    ).fit(z.astype(np.float64), codes)
    np.testing.assert_allclose(softmax(linear(z)), oracle.predict_proba(z.astype(np.float64)), atol=1e-5)


class Shrunken:
    """A covariance estimator for scikit-learn whose target belongs to the pooled matrix."""

    def __init__(self, share: float) -> None:
        self.share = share

    def fit(self, centred: np.ndarray) -> Shrunken:
        covariance = np.cov(centred, rowvar=False, bias=True)
        target = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self.covariance_ = (1 - self.share) * covariance + self.share * target
        return self


def test_a_group_is_left_out_as_a_whole() -> None:
    """Thirty pictures of one patient, all with the wrong label, cannot vouch for each other."""
    vectors, codes = blobs(300, 3)
    rng = np.random.default_rng(7)
    patient = np.flatnonzero(codes == 0)[:30]
    far = np.zeros(10)
    far[0] = 8.0
    vectors[patient] = far + 0.3 * rng.normal(size=(30, 10))
    codes[patient] = 1
    named = np.full(300, "", dtype=object)
    named[patient] = "patient 7"
    apart = run_stages(make_dataset(codes), vectors).probabilities.values[patient, 1]
    whole = run_stages(make_dataset(codes, group=list(named)), vectors).probabilities.values[patient, 1]
    assert np.median(apart) > 0.9
    assert np.median(whole) < np.median(apart) - 0.3


def test_groups_join_copies_and_the_users_column() -> None:
    dataset = make_dataset(["a"] * 7, group=["", "x", "", "x", "y", "", "y"])
    copies = alone(7)
    group = np.array([0, 0, 1, -1, 1, -1, -1], np.int32)
    numbers = independent_groups(
        dataset, Duplicates(copies.ids, group, copies.representative, copies.identical)
    )
    assert [set(np.flatnonzero(numbers == n).tolist()) for n in range(3)] == [{0, 1, 3}, {2, 4, 6}, {5}]


def test_copies_weigh_together_as_one() -> None:
    copies = alone(6)
    group = np.array([-1, 0, 0, 0, 1, 1], np.int32)
    weights = copy_weights(Duplicates(copies.ids, group, copies.representative, copies.identical))
    np.testing.assert_allclose(weights, [1, 1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2])
    z = np.random.default_rng(8).normal(size=(6, 4)).astype(np.float32)
    z[2] = z[3] = z[1]
    z[5] = z[4]
    codes = np.array([0, 1, 1, 1, 0, 0], np.int32)
    every, once = sum_rows(z, codes, weights, 2), sum_rows(z[[0, 1, 4]], codes[[0, 1, 4]], np.ones(3), 2)
    for one, other in ((every.gram, once.gram), (every.sums, once.sums), (every.weights, once.weights)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_sums_of_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codes = blobs()
    z, weights = vectors.astype(np.float32), np.ones(len(vectors))
    whole = sum_rows(z, codes, weights, 4)
    monkeypatch.setattr(probes, "BLOCK_ROWS", 7)
    parts = sum_rows(z[:100], codes[:100], weights[:100], 4) + sum_rows(
        z[100:], codes[100:], weights[100:], 4
    )
    np.testing.assert_allclose(parts.gram, whole.gram)
    np.testing.assert_allclose((whole - parts).gram, 0, atol=1e-9)
    np.testing.assert_allclose(parts.means, [z[codes == code].mean(axis=0) for code in range(4)], atol=1e-5)


def test_more_dimensions_than_samples() -> None:
    """Rotating into the rows' own span changes no inner product, hence no probe."""
    vectors, codes = blobs(60, 3, 200)
    z = stabilise(vectors.astype(np.float32), np.ones(60))
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert z.shape == (60, 60)
    np.testing.assert_allclose(z @ z.T, centred @ centred.T, atol=1e-5)
    # The shrinkage's target is the mean variance, which is 200 / 60 times smaller on 200 axes.
    share = LDA_SHRINKAGES[2]
    odds = share / (1 - share) * 200 / 60
    linear = explicit_lda(centred, codes, np.ones(60), odds / (1 + odds))
    wanted = (centred @ linear[:-1] + linear[-1]) / (1 + odds) / (1 - share)
    np.testing.assert_allclose(
        fit_lda(sum_rows(z, codes, np.ones(60), 3))[2](z), wanted, rtol=1e-3, atol=1e-3
    )


def test_non_negative_features_are_evened_out() -> None:
    """Square roots for features without negative values, nothing but centring for others."""
    vectors = np.abs(np.random.default_rng(9).normal(size=(50, 6))).astype(np.float32)
    roots = np.sqrt(vectors) - np.sqrt(vectors).mean(axis=0)
    np.testing.assert_allclose(
        stabilise(vectors, np.ones(50)), roots / np.linalg.norm(roots, axis=1)[:, None], atol=1e-5
    )
    vectors[0, 0] = -1
    plain = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(
        stabilise(vectors, np.ones(50)), plain / np.linalg.norm(plain, axis=1)[:, None], atol=1e-5
    )


def test_a_part_that_does_not_predict_gets_no_weight() -> None:
    codes = np.arange(400).astype(np.int32) % 4
    rng = np.random.default_rng(10)
    good = np.eye(4)[codes] * 2 + rng.normal(size=(400, 4))
    scales, loss = combine([good, rng.normal(size=(400, 4))], codes, np.ones(400))
    assert scales[0] > 0.5
    assert scales[1] < 0.1 * scales[0]
    chances = softmax(good * scales[0])
    assert loss <= -np.log(chances[np.arange(400), codes]).mean() + 1e-6


def test_a_part_that_is_the_same_everywhere_changes_nothing() -> None:
    codes = np.arange(400).astype(np.int32) % 4
    good = np.eye(4)[codes] * 2 + np.random.default_rng(10).normal(size=(400, 4))
    alone, loss = combine([good], codes, np.ones(400))
    scales, same = combine([good, np.zeros((400, 4))], codes, np.ones(400))
    np.testing.assert_allclose([scales[0], same], [alone[0], loss], rtol=1e-4)
    assert np.isfinite(scales).all()


def test_sizes_of_classes_count_as_far_as_they_predict() -> None:
    """Where nothing else tells classes apart, probabilities are the shares of the classes: the scale is 1."""
    codes = np.repeat([0, 1], [900, 100]).astype(np.int32)
    sizes = np.bincount(codes).astype(np.float64)
    part = np.broadcast_to(size_scores(sizes), (1000, 2))
    scales, _ = combine([part], codes, np.ones(1000))
    np.testing.assert_allclose(softmax(part[:1] * scales[0])[0], [0.9, 0.1], atol=1e-3)


def test_votes_count_pictures_of_other_groups() -> None:
    """Log of (votes + prior) / (all + prior), half of the prior taken back."""
    vectors, codes = blobs(40, 2, 5)
    embeddings = make_embeddings(vectors)
    near = find_neighbours(embeddings, as_ids([str(row) for row in range(40)]))
    scores = vote_scores(near, np.arange(40, dtype=np.int32), codes, np.ones(40))
    four = near.indices[0, :4]
    cosines = np.maximum(near.similarities[0, :4], 0)
    votes = 4 * np.bincount(codes[four], cosines, minlength=2) / cosines.sum()
    np.testing.assert_allclose(scores[0], np.log((votes + 5 * 0.5) / (4 + 5)) - 0.5 * np.log(0.5), atol=1e-5)


@pytest.mark.parametrize(
    ("megabytes", "folds"), [(None, 4), (9_000, 4), (710, 4), (690, 3), (540, 1), (470, None), (0, None)]
)
def test_folds_are_fitted_as_the_memory_allows(megabytes: int | None, folds: int | None) -> None:
    available = None if megabytes is None else megabytes * 1_000_000
    if folds is None:
        with pytest.raises(AuditError, match=r"2,048 dimensions take 436 MB of memory, and \d+ MB are"):
            folds_at_once(2048, 4, available)
    else:
        assert folds_at_once(2048, 4, available) == folds
    assert folds_at_once(512, 4, 0) == 4


def test_a_class_of_one_group_is_not_judged() -> None:
    vectors, codes = blobs(120, 3)
    named = [f"video {row % 2}" if code == 2 else "" for row, code in enumerate(codes)]
    one_group = [name and "video" for name in named]
    for column, judged in ((one_group, False), (named, False), ([""] * 120, True)):
        chances = run_stages(make_dataset(codes, group=column), vectors).probabilities
        assert chances.judged.tolist() == [True, True, judged]


def test_four_groups_are_enough_to_be_judged() -> None:
    vectors, codes = blobs(60, 3)
    few = np.r_[np.flatnonzero(codes < 2), np.flatnonzero(codes == 2)[:4]]
    assert run_stages(make_dataset(codes[few]), vectors[few]).probabilities.judged.all()
    assert not run_stages(make_dataset(codes[few[:-1]]), vectors[few[:-1]]).probabilities.judged[2]


def test_classes_without_a_vector_get_no_probability() -> None:
    vectors, codes = blobs(60, 3)
    dataset = make_dataset(codes)
    facts, embeddings = from_features(dataset, vectors)
    kept = codes != 1
    part = make_embeddings(vectors[kept])
    part = type(part)(embeddings.ids[kept], part.vectors, part.backbone)
    near = find_neighbours(part, facts.digest[kept])
    copies = find_duplicates(dataset, facts, part, near, Thresholds())
    chances = probabilities.estimate_probabilities(dataset, part, near, copies, Thresholds())
    assert (chances.values[:, 1] == 0).all()
    assert chances.judged.tolist() == [True, False, True]
