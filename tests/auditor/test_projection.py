"""The map: repeatable, neighbours stay neighbours, copies lie beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from stages import make_embeddings

from auditor import projection
from auditor.arrays import as_ids
from auditor.neighbours import find_neighbours
from auditor.projection import continue_map, make_map
from auditor.results import Embeddings, Map, Neighbours


def blobs(count: int = 240, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    return 3 * np.eye(classes, 16)[codes] + 0.4 * rng.normal(size=(count, 16)), codes


def lay_out(vectors: np.ndarray, pictures: np.ndarray | None = None, seed: int = 0) -> Map:
    embeddings = make_embeddings(vectors)
    pictures = np.arange(len(vectors)) if pictures is None else pictures
    return make_map(embeddings, find_neighbours(embeddings, as_ids([str(p) for p in pictures])), seed)


def own_class_share(positions: np.ndarray, codes: np.ndarray, k: int = 5) -> float:
    """Share of the k nearest points on the map that have a point's own class."""
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return float((codes[np.argsort(distances, axis=1)[:, :k]] == codes[:, None]).mean())


def test_neighbours_stay_neighbours_and_the_seed_decides() -> None:
    from sklearn.manifold import trustworthiness

    vectors, codes = blobs()
    first, again = lay_out(vectors), lay_out(vectors)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert first.trustworthiness == again.trustworthiness > 0.8
    assert first.trust_rows == 240
    assert own_class_share(first.positions, codes) > 0.95
    shuffled = np.random.default_rng(1).permutation(first.positions)
    assert own_class_share(shuffled, codes) < 0.4
    unit = make_embeddings(vectors).vectors
    assert first.trustworthiness == pytest.approx(
        trustworthiness(unit, first.positions, n_neighbors=10), abs=1e-6
    )
    assert trustworthiness(unit, shuffled, n_neighbors=10) < 0.6


def test_copies_lie_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "ITERATIONS", 100)
    vectors, _ = blobs(120)
    pictures = np.r_[np.arange(120), 0, 0, 5]
    positions = lay_out(vectors[pictures], pictures).positions
    width = np.ptp(positions, axis=0).max()
    copies = [(0, 120), (0, 121), (120, 121), (5, 122)]
    distances = [np.linalg.norm(positions[a] - positions[b]) for a, b in copies]
    assert min(distances) > 0, "each can be picked"
    assert max(distances) < 0.01 * width


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_few_samples(count: int) -> None:
    vectors, _ = blobs(count, 2)
    layout = lay_out(vectors)
    assert layout.positions.shape == (count, 2)
    assert len(np.unique(layout.positions, axis=0)) == count, "no two on one point"


def test_all_samples_are_copies_of_one_picture() -> None:
    layout = lay_out(np.ones((6, 4)), np.zeros(6, int))
    assert len(np.unique(layout.positions, axis=0)) == 6


def test_large_sets_are_fitted_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "FIT_LIMIT", 150)
    vectors, codes = blobs(400)
    layout = lay_out(vectors)
    assert layout.method.startswith("t-SNE of 150 samples, 250 placed among them")
    assert own_class_share(layout.positions, codes) > 0.95
    assert layout.trustworthiness > 0.8
    np.testing.assert_array_equal(layout.positions, lay_out(vectors).positions)


def test_placed_samples_lie_in_the_midst_of_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "FIT_LIMIT", 200)
    monkeypatch.setattr(projection, "EXACT_SAMPLE", 50)
    monkeypatch.setattr(projection, "PLACING_ROWS", 90)
    vectors, codes = blobs(600)
    positions = lay_out(vectors).positions
    chosen = np.sort(np.random.default_rng(0).permutation(600)[:200])
    rest = np.setdiff1d(np.arange(600), chosen)
    for code in range(4):
        fitted, placed = (positions[rows[codes[rows] == code]] for rows in (chosen, rest))
        assert (placed >= fitted.min(axis=0)).all() and (placed <= fitted.max(axis=0)).all(), "a mean of them"


def test_placing_weighs_by_cosine_and_leaves_out_what_is_not_usable() -> None:
    points = np.array([[[0, 0], [1, 0], [9, 9]]], np.float32)
    usable = np.array([[True, True, False]])
    mean = projection._weighted_mean(points, np.array([[0.9, 0.8, 1.0]], np.float32), usable)
    np.testing.assert_allclose(mean, [[0.8**8 / (0.8**8 + 0.9**8), 0]], atol=1e-6)
    opposite = projection._weighted_mean(points, np.array([[-0.5, -0.5, 1.0]], np.float32), usable)
    np.testing.assert_allclose(opposite, [[0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("limit", [40, 50_000])
def test_progress_reaches_the_end(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def listen(stage: str, done: int, total: int) -> None:
        if stage == "map":
            told.append((done, total))

    monkeypatch.setattr(projection, "FIT_LIMIT", limit)
    embeddings = make_embeddings(blobs(80)[0])
    near = find_neighbours(embeddings, as_ids([str(row) for row in range(80)]))
    make_map(embeddings, near, progress=listen)
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)
    assert len(told) > 5


def continued(vectors: np.ndarray, kept: np.ndarray, came: np.ndarray) -> tuple[Map, Map, np.ndarray]:
    """The map of the rows `kept`, the one that goes on from it with the rows `came`, and who is who."""
    ids = as_ids([f"{row:04d}" for row in range(len(vectors))])

    def version(rows: np.ndarray) -> tuple[Embeddings, Neighbours]:
        whole = make_embeddings(vectors)
        some = Embeddings(ids[rows], whole.vectors[rows], whole.backbone)
        return some, find_neighbours(some, ids[rows])

    before = make_map(*version(kept))
    place = {row: n for n, row in enumerate(kept.tolist())}
    rows = np.array([place.get(row, -1) for row in came.tolist()], dtype=np.int64)
    embeddings, near = version(came)
    return before, continue_map(before, rows, embeddings, near), rows


def test_a_continued_map_of_the_same_pictures_is_the_earlier_one() -> None:
    vectors, _ = blobs(120)
    every = np.arange(120)
    before, after, _ = continued(vectors, every, every[::-1])
    np.testing.assert_array_equal(after.positions, before.positions[::-1])


@pytest.mark.parametrize("case", ["removed", "added", "both"])
def test_unchanged_samples_stay_where_they_were(case: str) -> None:
    vectors, codes = blobs(240)
    every = np.arange(240)
    kept = every if case == "removed" else every[24:]
    came = every if case == "added" else every[:-24]
    before, after, rows = continued(vectors, kept, came)
    width = np.ptp(before.positions, axis=0).max()
    stayed = rows >= 0
    shift = np.linalg.norm(after.positions[stayed] - before.positions[rows[stayed]], axis=1) / width
    assert np.median(shift) <= 0.03
    assert shift.max() > 0, "it has settled"
    assert own_class_share(after.positions, codes[came]) > 0.95


def test_a_map_continues_without_any_common_picture() -> None:
    vectors, codes = blobs(120)
    _, after, rows = continued(vectors, np.arange(60), np.arange(60, 120))
    assert (rows == -1).all()
    assert np.isfinite(after.positions).all()
    assert own_class_share(after.positions, codes[60:]) > 0.8
