"""Sums and searches over several machines: what one finds, to the last bit where every pair is compared."""

from __future__ import annotations

from collections.abc import Iterator
from operator import floordiv
from typing import Any

import numpy as np
import pytest
from stages import make_embeddings

from auditor import lists, probes, searching
from auditor.arrays import Floats
from auditor.distributed import RayCluster, open_cluster
from auditor.probes import FoldedRows, sum_folds
from auditor.searching import search


@pytest.fixture
def cluster(nodes: Any) -> Iterator[RayCluster]:
    with open_cluster(nodes.address) as joined:
        yield joined


def clustered(count: int, dimensions: int = 96) -> Floats:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, dimensions))
    within = rng.normal(size=(count, 8)) @ rng.normal(size=(8, dimensions))
    return make_embeddings(centres[np.arange(count) % 12] + 0.3 * within).vectors


def test_an_exact_search_finds_the_same_to_the_last_bit(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "QUERY_BLOCK", 256)
    monkeypatch.setattr(searching, "BASE_BLOCK", 512)
    vectors = clustered(1500)
    vectors[100:140] = vectors[99]  # ties
    told: list[int] = []
    here, there = (
        search(vectors, 30),
        search(vectors, 30, lambda *step: told.append(step[1]), machines=cluster),
    )
    np.testing.assert_array_equal(here.indices, there.indices)
    np.testing.assert_array_equal(here.similarities, there.similarities)
    assert told == [256, 512, 768, 1024, 1280, 1500]


def test_sums_of_folds_are_the_same_to_the_last_bit(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "SUM_ROWS", 64)
    rng = np.random.default_rng(1)
    z = clustered(2000)
    codes, folds = rng.integers(0, 12, 2000).astype(np.int32), rng.integers(0, 9, 2000).astype(np.int32)
    rows = FoldedRows(z, codes, rng.uniform(0.2, 1, 2000), folds)
    for here, there in zip(sum_folds(rows), sum_folds(rows, cluster), strict=True):
        np.testing.assert_array_equal(here.gram, there.gram)
        np.testing.assert_array_equal(here.sums, there.sums)
        np.testing.assert_array_equal(here.weights, there.weights)


@pytest.mark.nightly  # that blocks of lists find the same is tests/auditor/test_shared_lists.py
def test_lists_over_machines_find_what_those_of_one_find(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "TASK_ROWS", 700)
    monkeypatch.setattr("auditor.shared_lists.TASK_ROWS", 700)
    vectors = clustered(2000)
    here = search(vectors, 20, exact_limit=100)
    there = search(vectors, 20, exact_limit=100, machines=cluster)
    assert there.method == here.method and "lists" in here.method
    np.testing.assert_allclose(here.similarities, there.similarities, atol=2e-6)
    assert (here.indices == there.indices).mean() > 0.999, "only the order of ties may differ"
    assert there.recall == pytest.approx(here.recall, abs=0.005)


def test_an_error_of_a_task_is_the_same_error(cluster: RayCluster) -> None:
    with pytest.raises(ZeroDivisionError):
        list(cluster.map(floordiv, [(1, 1), (1, 0)]))
    assert list(cluster.map(floordiv, ((i, 1) for i in range(40)))) == list(range(40)), "in their order"
