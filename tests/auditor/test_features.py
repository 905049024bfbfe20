"""The user's own vectors: matched, scaled, refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auditor.arrays import as_ids
from auditor.embeddings import from_features
from auditor.errors import DataError
from auditor.results import TABLE_COLUMNS, Dataset


@pytest.fixture
def dataset() -> Dataset:
    rows = [(f"s{i}", "", "ab"[i % 2], "", "", "") for i in range(6)]
    return Dataset(
        "six", Path(), ("a", "b"), pd.DataFrame(rows, columns=list(TABLE_COLUMNS)), has_images=False
    )


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 4))


def test_by_position(dataset: Dataset, vectors: np.ndarray) -> None:
    facts, found = from_features(dataset, vectors)
    np.testing.assert_allclose(found.vectors, vectors / np.linalg.norm(vectors, axis=1)[:, None], rtol=1e-6)
    assert found.vectors.dtype == np.float32
    assert (found.ids == dataset.ids).all()
    assert not facts.checked and facts.readable.all() and len(set(facts.digest)) == 6


def test_by_id_in_any_order_with_others_between(dataset: Dataset, vectors: np.ndarray) -> None:
    _, plain = from_features(dataset, vectors)
    order = [3, 1, 5, 0, 4, 2]
    more = np.concatenate([vectors[order], np.ones((2, 4))])
    ids = as_ids([f"s{i}" for i in order] + ["other", "another"])
    _, found = from_features(dataset, more, ids)
    np.testing.assert_array_equal(found.vectors, plain.vectors)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int16"])
def test_number_types(dataset: Dataset, vectors: np.ndarray, dtype: str) -> None:
    _, found = from_features(dataset, (vectors * 1000).astype(dtype))
    _, plain = from_features(dataset, vectors)
    assert (np.einsum("ij,ij->i", found.vectors, plain.vectors) > 0.999).all()


def test_large_values_do_not_overflow(dataset: Dataset, vectors: np.ndarray) -> None:
    _, found = from_features(dataset, (vectors * 1e30).astype(np.float32))
    np.testing.assert_allclose(found.vectors, from_features(dataset, vectors)[1].vectors, rtol=1e-5)


def test_mapped_file(dataset: Dataset, vectors: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        from_features(dataset, mapped)[1].vectors, from_features(dataset, vectors)[1].vectors
    )


def test_equal_vectors_share_a_digest(dataset: Dataset, vectors: np.ndarray) -> None:
    vectors[4] = vectors[1]
    facts, _ = from_features(dataset, vectors)
    assert facts.digest[4] == facts.digest[1]
    assert len(set(facts.digest)) == 5


def with_value(vectors: np.ndarray, row: int, value: float) -> np.ndarray:
    changed = vectors.copy()
    changed[row] = value
    return changed


def test_refusals(dataset: Dataset, vectors: np.ndarray) -> None:
    ids = dataset.ids
    twice = as_ids(["s0", "s0", *ids[2:]])
    cases = [
        (with_value(vectors, 2, np.nan), None, "not finite.*'s2'"),
        (with_value(vectors, 4, np.inf), None, "not finite.*'s4'"),
        (with_value(vectors, 3, 0.0), None, "zeros.*'s3'"),
        (vectors[:5], None, "six has 6 samples, found 5 rows"),
        (vectors.astype(str), None, "real numbers, found the type <U"),
        (vectors.astype(object), None, "real numbers, found the type object"),
        (vectors[0], None, r"shape \(samples, dimensions\), found \(4,\)"),
        (vectors[:, :0], None, r"found \(6, 0\)"),
        (vectors[:5], ids, "have 5 rows, but their id file names 6"),
        (vectors, twice, "names 1 ids twice"),
        (vectors[1:], ids[1:], "1 of 6 samples have no row in the features, the first is 's0'"),
    ]
    for values, given, message in cases:
        with pytest.raises(DataError, match=message):
            from_features(dataset, values, given)


def test_lengths_that_tell_classes_apart_are_kept(dataset: Dataset) -> None:
    """A point near the origin and one far away in its direction stay apart; near points stay near."""
    points = np.array([[0.1, 0.0], [8.0, 0.0], [8.1, 0.1], [-8.0, 0.0], [0.0, 8.0], [0.1, -0.1]])
    _, found = from_features(dataset, points)
    assert found.vectors.shape == (6, 3)
    assert "constant coordinate" in found.backbone.preprocessing
    similar = found.vectors @ found.vectors.T
    np.fill_diagonal(similar, -1)
    assert similar.argmax(axis=1)[[0, 1, 2, 5]].tolist() == [5, 2, 1, 0]


def test_a_row_keeps_its_digest_in_a_smaller_version(dataset: Dataset) -> None:
    points = np.array([[0.1, 0.0], [8.0, 0.0], [8.1, 0.1], [-8.0, 0.0], [0.0, 8.0], [0.1, -0.1]])
    whole, _ = from_features(dataset, points)
    rows = [0, 1, 2, 5]
    table = dataset.table.iloc[rows].reset_index(drop=True)
    smaller = replace(dataset, table=table, classes=tuple(sorted(set(table["label"]))))
    part, _ = from_features(smaller, points[rows])
    assert part.digest.tolist() == whole.digest[rows].tolist()


def test_lengths_that_hardly_differ_leave_the_directions_alone(dataset: Dataset) -> None:
    points = np.abs(np.random.default_rng(2).normal(size=(6, 300)))
    _, found = from_features(dataset, points)
    assert found.backbone.preprocessing == ""
    np.testing.assert_allclose(found.vectors, points / np.linalg.norm(points, axis=1)[:, None], rtol=1e-5)
