"""The user's own vectors and probabilities: matched by id, refused with one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy import toy_audit

from auditor.errors import DataError
from auditor.user_arrays import align_predictions, read_features, read_ids, read_predictions

CLASSES = ("01", "None", "id")
AUDIT = toy_audit(classes=CLASSES)
DATASET = AUDIT.dataset


def some_probabilities(rows: int = len(DATASET), columns: int = len(CLASSES)) -> np.ndarray:
    values = np.random.default_rng(0).random((rows, columns))
    return values / values.sum(axis=1, keepdims=True)


def test_rows_of_a_table_are_matched_by_id_and_column_name(tmp_path: Path) -> None:
    audit = toy_audit()
    names, values = audit.dataset.classes, some_probabilities()
    table = pd.DataFrame(values, columns=list(names)).assign(id=audit.dataset.ids)
    shuffled = table.sample(frac=1, random_state=1)[["id", *reversed(names)]]
    shuffled.to_csv(tmp_path / "p.csv", index=False)
    shuffled.to_parquet(tmp_path / "p.parquet")
    for file in ("p.csv", "p.parquet"):
        aligned = align_predictions(read_predictions(tmp_path / file, audit.dataset), audit.dataset.ids)
        np.testing.assert_allclose(aligned.values, values, atol=1e-6)


def test_an_array_goes_by_position(tmp_path: Path) -> None:
    values = some_probabilities()
    np.save(tmp_path / "p.npy", values)
    predictions = read_predictions(tmp_path / "p.npy", DATASET)
    np.testing.assert_allclose(predictions.values, values, atol=1e-6)
    assert (predictions.ids == DATASET.ids).all()


def test_a_class_may_be_called_id(tmp_path: Path) -> None:
    values = some_probabilities()
    pd.DataFrame(values, columns=list(CLASSES)).to_csv(tmp_path / "p.csv", index=False)
    np.testing.assert_allclose(read_predictions(tmp_path / "p.csv", DATASET).values, values, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (some_probabilities() * 100, "sum to 1"),
        (some_probabilities(columns=2), "3 classes"),
        (some_probabilities(rows=5), "rows"),
        (np.full((len(DATASET), 3), np.nan), "not finite"),
        (np.ones((len(DATASET), 3), dtype=int), "floats"),
        (np.array([{}]), "numpy.save"),
    ],
    ids=["sum", "classes", "rows", "nan", "type", "objects"],
)
def test_bad_predictions(values: np.ndarray, says: str, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", values, allow_pickle=True)
    with pytest.raises(DataError, match=says) as caught:
        read_predictions(tmp_path / "p.npy", DATASET)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,cat,dog\na,.5,.5\n", "one column for each"),
        ("id,cat,dog,bird\na,x,.5,.5\n", "no number"),
        ("id,cat,dog,bird\na,.5,.5,0\na,.5,.5,0\n", "twice"),
        ("", "not a CSV"),
    ],
)
def test_bad_tables_of_predictions(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        read_predictions(tmp_path / "p.csv", toy_audit().dataset)
    assert "\n" not in str(caught.value)


def test_every_embedded_sample_needs_a_row(tmp_path: Path) -> None:
    audit = toy_audit()
    table = pd.DataFrame(some_probabilities(), columns=list(audit.dataset.classes)).assign(
        id=audit.dataset.ids
    )
    table.iloc[1:].to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(DataError, match="do not cover"):
        align_predictions(read_predictions(tmp_path / "p.csv", audit.dataset), audit.dataset.ids)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".npy"])
def test_ids_of_features(suffix: str, tmp_path: Path) -> None:
    file, ids = tmp_path / f"ids{suffix}", ["01", "None", "b c"]
    if suffix == ".npy":
        np.save(file, np.array(ids))
    else:
        file.write_text("\n".join(["id"] * (suffix == ".csv") + ids) + "\n")
    assert list(read_ids(file)) == ids


@pytest.mark.parametrize("array", [np.zeros(3), np.array([["a"]])], ids=["one axis", "text"])
def test_bad_features(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", array)
    with pytest.raises(DataError):
        read_features(tmp_path / "f.npy")
    with pytest.raises(DataError, match="does not exist"):
        read_features(tmp_path / "g.npy")
