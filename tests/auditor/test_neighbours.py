"""Neighbours against brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stages import make_embeddings

from auditor import searching
from auditor.arrays import Ids, as_ids
from auditor.errors import DataError
from auditor.neighbours import find_neighbours, group_votes, neighbours_wanted, voting_codes
from auditor.results import Embeddings, Neighbours
from auditor.searching import search


def digests_of(numbers: np.ndarray) -> Ids:
    return as_ids([f"digest {n}" for n in numbers])


def scattered(count: int, dimensions: int = 12, seed: int = 0) -> Embeddings:
    return make_embeddings(np.random.default_rng(seed).normal(size=(count, dimensions)))


@pytest.fixture(params=["linux", "darwin"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both ways to search: FAISS, and torch as on macOS."""
    monkeypatch.setattr(searching, "sys", SimpleNamespace(platform=request.param))
    yield request.param


def test_equals_brute_force(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "QUERY_BLOCK", 64)
    embeddings = scattered(300)
    found = find_neighbours(embeddings, digests_of(np.arange(300)), k=17)
    cosine = embeddings.vectors.astype(np.float64) @ embeddings.vectors.T
    np.fill_diagonal(cosine, -np.inf)
    wanted = np.argsort(-cosine, axis=1)[:, :17]
    np.testing.assert_array_equal(found.indices, wanted)
    np.testing.assert_allclose(found.similarities, np.take_along_axis(cosine, wanted, 1), atol=1e-6)


def test_near_copies_do_not_hide_the_sample_itself(engine: str) -> None:
    """Vectors that are equal in all digits: the first hit need not be the sample itself."""
    vectors = np.vstack([np.ones((30, 4)), np.eye(4), -np.eye(4)])
    found = find_neighbours(make_embeddings(vectors), digests_of(np.arange(38)), k=5)
    assert (found.indices != np.arange(38)[:, None]).all()
    assert (found.indices[:30] < 30).all(), "the other copies are nearest"
    np.testing.assert_allclose(found.similarities[:30], 1.0, atol=1e-6)


def test_descending_with_ties_by_row(engine: str) -> None:
    angles = np.repeat(np.linspace(0, 3, 12), 3)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = find_neighbours(make_embeddings(vectors), digests_of(np.arange(36)), k=8)
    steps = np.diff(found.similarities, axis=1)
    assert (steps <= 0).all()
    tied = steps == 0
    assert tied.any()
    assert (np.diff(found.indices, axis=1)[tied] > 0).all()


def test_fewer_rows_than_wanted(engine: str) -> None:
    found = find_neighbours(scattered(7), digests_of(np.arange(7)), k=90)
    assert found.indices.shape == (7, 6)
    assert [sorted([row, *near]) for row, near in enumerate(found.indices.tolist())] == [list(range(7))] * 7


@pytest.mark.parametrize("count", [1, 2])
def test_smallest_sets(engine: str, count: int) -> None:
    found = find_neighbours(scattered(count), digests_of(np.arange(count)))
    assert found.indices.tolist() == ([[]] if count == 1 else [[1], [0]])


def test_three_hundred_copies_do_no_harm(engine: str) -> None:
    """One picture 300 times among 200 others: nobody's list is filled with it."""
    distinct = scattered(201).vectors
    order = np.random.default_rng(1).permutation(np.r_[np.zeros(300, int), np.arange(1, 201)])
    found = find_neighbours(make_embeddings(distinct[order]), digests_of(order), k=90)
    assert (found.indices >= 0).all()
    for row, near in enumerate(found.indices):
        pictures = order[near]
        assert len(set(pictures)) == 90, "every neighbour is another picture"
        assert order[row] not in pictures


def test_copies_share_the_list_of_their_representative() -> None:
    numbers = np.array([3, 0, 1, 0, 2, 3, 0, 4])
    found = find_neighbours(make_embeddings(scattered(5).vectors[numbers]), digests_of(numbers), k=4)
    assert found.representative.tolist() == [0, 1, 2, 1, 4, 0, 1, 7]
    np.testing.assert_array_equal(found.indices, found.indices[found.representative])
    np.testing.assert_array_equal(found.similarities, found.similarities[found.representative])
    assert set(found.indices.ravel()) <= set(found.representative)


def test_order_of_rows_does_not_count() -> None:
    embeddings = scattered(150)
    straight = find_neighbours(embeddings, digests_of(np.arange(150)), k=10)
    order = np.random.default_rng(2).permutation(150)
    mixed = find_neighbours(make_embeddings(embeddings.vectors[order]), digests_of(order), k=10)
    np.testing.assert_array_equal(order[mixed.indices], straight.indices[order])


def test_number_of_digests_is_checked() -> None:
    with pytest.raises(DataError, match="needs 5 digests, got 4"):
        find_neighbours(scattered(5), digests_of(np.arange(4)))


def test_both_engines_agree() -> None:
    vectors = scattered(400, 30).vectors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "sys", SimpleNamespace(platform="linux"))
        by_faiss = search(vectors, 12)
        patch.setattr(searching, "sys", SimpleNamespace(platform="darwin"))
        by_torch = search(vectors, 12)
    np.testing.assert_array_equal(by_faiss.indices, by_torch.indices)
    np.testing.assert_allclose(by_faiss.similarities, by_torch.similarities, atol=1e-6)


def test_processor_without_avx2_is_told(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : sse4_2 avx\n")
    with pytest.raises(DataError, match="AVX2"):
        searching._check_processor(cpuinfo)
    cpuinfo.write_text("flags : sse4_2 avx avx2\n")
    searching._check_processor(cpuinfo)


def lists(indices: list[list[int]], similarities: list[list[float]]) -> Neighbours:
    rows = len(indices)
    return Neighbours(
        as_ids([str(row) for row in range(rows)]),
        np.array(indices, np.int32),
        np.array(similarities, np.float32),
        np.arange(rows, dtype=np.int32),
    )


def test_own_group_does_not_vote() -> None:
    near = lists([[1, 2, 3], [0, 3, 2], [3, 1, 0], [2, 1, -1]], [[0.9, 0.8, -0.5]] * 3 + [[0.9, 0.8, -1]])
    voters, weights = group_votes(near, np.array([0, 0, 1, 2], np.int32), 2)
    assert voters.tolist() == [[2, 3], [3, 2], [3, 1], [2, 1]]
    np.testing.assert_allclose(weights, [[0.8, 0], [0.8, 0], [0.9, 0.8], [0.9, 0.8]], atol=1e-6)
    voters, weights = group_votes(near, np.zeros(4, np.int32), 2)
    assert (voters == -1).all()
    assert (weights == 0).all()


def test_copies_vote_once_with_the_label_of_most() -> None:
    representative = np.array([0, 0, 0, 3, 3, 5], np.int32)
    codes = np.array([1, 2, 2, 0, 1, 1], np.int32)
    assert voting_codes(representative, codes).tolist() == [2, 2, 2, -1, -1, 1]


def votes_row_by_row(near: Neighbours, groups: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    width = min(k, near.indices.shape[1])
    voters, weights = np.full((len(groups), width), -1), np.zeros((len(groups), width), np.float32)
    for row, (found, cosine) in enumerate(zip(near.indices, near.similarities, strict=True)):
        told = [(v, c) for v, c in zip(found, cosine, strict=True) if v >= 0 and groups[v] != groups[row]]
        for place, (voter, weight) in enumerate(told[:k]):
            voters[row, place], weights[row, place] = voter, max(weight, 0.0)
    return voters, weights


@pytest.mark.parametrize("k", [1, 7, 40])
def test_votes_equal_those_taken_row_by_row(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.neighbours.VOTE_ROWS", 50)
    rng = np.random.default_rng(3)
    near = find_neighbours(scattered(230), digests_of(rng.integers(0, 180, 230)), k=25)
    holes = np.where(rng.random(near.indices.shape) < 0.1, -1, near.indices).astype(np.int32)
    near = Neighbours(near.ids, holes, near.similarities, near.representative)
    groups = rng.integers(0, 12, 230).astype(np.int32)
    for given, wanted in zip(group_votes(near, groups, k), votes_row_by_row(near, groups, k), strict=True):
        np.testing.assert_array_equal(given, wanted)


def test_copies_vote_as_counted_one_by_one() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        pictures = rng.integers(0, 25, 60)
        representative = np.array([np.flatnonzero(pictures == p)[0] for p in pictures], np.int32)
        codes = rng.integers(-1, 4, 60).astype(np.int32)
        given = voting_codes(representative, codes)
        for row, owner in enumerate(representative):
            counts = Counter(codes[representative == owner].tolist()).most_common()
            tied = len(counts) > 1 and counts[0][1] == counts[1][1]
            assert given[row] == (-1 if tied else counts[0][0])


def test_large_sets_get_fewer_neighbours() -> None:
    assert [neighbours_wanted(m) for m in (10, 50_000, 50_001, 1_000_000)] == [90, 90, 30, 30]


def test_digests_need_not_be_in_order() -> None:
    """Representatives are the first rows of their pictures, whatever the digests are called."""
    numbers = np.array([9, 1, 9, 5, 1, 0])
    found = find_neighbours(make_embeddings(scattered(10).vectors[numbers]), digests_of(numbers))
    assert found.representative.tolist() == [0, 1, 0, 3, 1, 5]
    assert (found.method, found.recall) == ("exact", None)


def test_approximate_lists_are_expanded_to_copies() -> None:
    pictures = np.random.default_rng(5).permutation(np.r_[np.arange(1200), np.zeros(40, int)])
    embeddings = make_embeddings(scattered(1200).vectors[pictures])
    found = find_neighbours(embeddings, digests_of(pictures), k=20, exact_limit=100)
    assert found.recall is not None and found.recall >= 0.95
    assert found.method.startswith("inverted lists")
    copies = np.flatnonzero(pictures == 0)
    assert (found.indices[copies] == found.indices[copies[0]]).all()
    assert all(len(set(pictures[near])) == 20 for near in found.indices), "every neighbour is another picture"
    assert (pictures[found.indices] != pictures[:, None]).all()
