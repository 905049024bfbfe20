"""The approximate search against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
from stages import make_embeddings

from auditor import lists, searching
from auditor.arrays import Floats
from auditor.lists import best_of, make_lists, search_among
from auditor.searching import Found, measure_recall, search


def clustered(count: int = 3000, seed: int = 0) -> Floats:
    """Overlapping classes, each with six dimensions of its own."""
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % 10
    centres, directions = rng.normal(size=(10, 48)), rng.normal(size=(10, 6, 48))
    within = np.einsum("ba,bad->bd", rng.normal(size=(count, 6)), directions[codes])
    return make_embeddings(centres[codes] + 0.5 * within + 0.2 * rng.normal(size=(count, 48))).vectors


def approximately(vectors: Floats, k: int = 30) -> Found:
    return search(vectors, k, exact_limit=100)


def test_finds_what_the_exact_search_finds() -> None:
    vectors = clustered()
    exact, found = search(vectors, 30), approximately(vectors)
    pairs = zip(exact.indices[:, :10], found.indices[:, :10], strict=True)
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in pairs])
    assert recall >= 0.95
    assert found.recall == pytest.approx(recall, abs=0.02), "what is told is what is so"
    assert exact.recall is None
    rows = np.arange(len(vectors))[:, None]
    assert (found.indices != rows).all()
    wanted = np.einsum("bd,bkd->bk", vectors, vectors[found.indices])
    np.testing.assert_allclose(found.similarities, wanted, atol=1e-5)
    assert (np.diff(found.similarities, axis=1) <= 0).all()
    assert all(len(set(near)) == 30 for near in found.indices)


def test_is_repeatable() -> None:
    vectors = clustered(1500)
    first, again = approximately(vectors), approximately(vectors)
    np.testing.assert_array_equal(first.indices, again.indices)
    np.testing.assert_array_equal(first.similarities, again.similarities)
    assert first.recall == again.recall


def test_looking_through_every_list_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LEAST_PROBES", 10_000)
    monkeypatch.setattr(searching, "MOST_PROBES", 10_000)
    monkeypatch.setattr(lists, "BASE_ROWS", 200)
    monkeypatch.setattr(lists, "QUERY_ROWS", 7)
    vectors = clustered(700)
    exact, found = search(vectors, 12), approximately(vectors, 12)
    np.testing.assert_array_equal(exact.indices, found.indices)
    assert found.recall == 1.0


def test_vectors_without_structure_look_through_more_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LEAST_PROBES", 1)
    told: list[tuple[int, int]] = []
    scattered = make_embeddings(np.random.default_rng(0).normal(size=(2000, 40))).vectors
    found = search(scattered, 10, lambda _, done, total: told.append((done, total)), exact_limit=100)
    assert found.recall is not None and found.recall >= 0.95
    assert looked_through(found) > 2 * looked_through(approximately(clustered(2000), 10))
    assert told == sorted(told), "progress never goes back"
    assert told[-1][0] == told[-1][1]


def looked_through(found: Found) -> int:
    return int(found.method.split()[2])


def test_recall_that_stays_low_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_PROBES", 1)
    found = approximately(clustered(), 10)
    assert found.recall is not None and found.recall < 0.95


def test_equal_vectors_are_neighbours_in_order_of_rows() -> None:
    """Many rows that are equal in all digits, under different digests, fall into one list."""
    vectors = np.vstack([np.tile(clustered(1), (400, 1)), clustered(600, 1)])
    found = approximately(vectors, 5)
    np.testing.assert_allclose(found.similarities[:400], 1.0, atol=1e-6)
    assert (found.indices[:400] < 400).all()
    assert (found.indices != np.arange(1000)[:, None]).all()
    assert (np.diff(found.indices, axis=1)[np.diff(found.similarities, axis=1) == 0] > 0).all()
    assert found.recall is not None and found.recall >= 0.95


def test_every_row_is_in_one_list_that_looks_through_itself_first() -> None:
    made = make_lists(clustered(900), 0, lambda share: None)
    assert sorted(made.order.tolist()) == list(range(900))
    assert (made.visits[:, 0] == np.arange(len(made.visits))).all()
    assert (np.sort(made.visits, axis=1) == np.arange(len(made.visits))).all()
    assert len(made.candidates(0, 1, 500)) >= 500, "a list that is too small takes the next ones"


def test_best_of_is_brute_force_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BASE_ROWS", 64)
    vectors = clustered(300)
    rows = np.sort(np.random.default_rng(0).permutation(300)[:210])
    found, cosine = best_of(vectors[:20], vectors, 9, rows)
    products = vectors[:20] @ vectors[rows].T
    wanted = np.argsort(-products, axis=1)[:, :9]
    np.testing.assert_array_equal(found, rows[wanted])
    np.testing.assert_allclose(cosine, np.take_along_axis(products, wanted, 1), atol=1e-6)


def test_recall_counts_equal_cosines_alike() -> None:
    exact = np.array([[0.9, 0.8, 0.8], [0.9, 0.7, 0.6]], np.float32)
    found = np.array([[0.9, 0.8, 0.8], [0.9, 0.6, 0.5]], np.float32)
    assert measure_recall(exact, found, 2) == 0.75


def test_others_are_searched_among_the_lists() -> None:
    vectors = clustered(1600)
    base, queries = vectors[:1000], vectors[1000:]
    made = make_lists(base, 0, lambda share: None)
    found, cosine = search_among(base, made, queries, 24, 5, lambda share: None)
    exact = best_of(queries, base, 5)
    assert measure_recall(exact[1], cosine, 5) >= 0.95
    np.testing.assert_allclose(cosine, np.einsum("bd,bkd->bk", queries, base[found]), atol=1e-5)
    everything = search_among(base, made, queries, 10_000, 5, lambda share: None)
    np.testing.assert_array_equal(everything[0], exact[0])
