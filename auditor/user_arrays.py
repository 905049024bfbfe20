"""The user's own vectors and class probabilities, read from files.

--features FILE.npy         (n, d) numbers, one row per sample, or matched by --features-ids
--features-ids FILE         n ids: .txt with one per line, .csv with a column `id`, or .npy
--predictions FILE          (n, c) class probabilities
    .npy                    rows in dataset order, columns in order of the sorted class names
    .csv, .parquet          one column per class under its name, and `id` to match rows by
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Ids, as_ids, read_array, rows_of
from auditor.dataset import vector_rows
from auditor.errors import AuditError, DataError
from auditor.results import Dataset, Probabilities
from auditor.tables import read_table

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from 1: float16 softmax stays within, percentages do not."""

_PANDAS_INDEX = "__index_level_"
"""Name of the columns in which pandas keeps the names of rows."""


def read_features(file: Path) -> NDArray[Any]:
    """Return the array (n, d) of a .npy file, mapped; pickled objects are refused."""
    array = _load_npy(file, "Features", mapped=True)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(
            f"Features need a two-dimensional array of numbers (samples, dimensions), {file.name!r} holds "
            f"shape {array.shape} of type {array.dtype}."
        )
    return array


def read_ids(file: Path) -> Ids:
    """Return the ids of a features file's rows: .txt (one per line), .csv (column `id`) or .npy."""
    _check_exists(file, "Ids")
    if file.suffix == ".npy":
        found = _load_npy(file, "Ids")
        if found.ndim != 1:
            raise DataError(f"Ids need one for each row, {file.name!r} holds the shape {found.shape}.")
        return as_ids(found)
    if file.suffix == ".csv":
        table = _read_csv(file)
        if "id" not in table.columns:
            raise DataError(
                f"The ids file {file.name!r} needs a column 'id', it has {_some(list(table.columns))}."
            )
        return as_ids(table["id"])
    try:
        return as_ids(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file.name!r} is not a text in UTF-8 with one id a line: {error}.") from error


def read_predictions(file: Path, dataset: Dataset) -> Probabilities:
    """Return the class probabilities in `file`, for all samples that it names.

    Raises
    ------
    DataError
        If the columns are not the dataset's classes, a row does not sum to 1, or a row has no sample.
    """
    _check_exists(file, "Predictions")
    ids: Ids | None = None
    if file.suffix == ".npy":
        values = _load_npy(file, "Predictions")
    elif file.suffix in (".csv", ".parquet"):
        table = _read_csv(file) if file.suffix == ".csv" else _read_parquet(file)
        ids, values = _split_table(table, dataset, file)
    else:
        raise DataError(
            f"Predictions need a .npy, .csv or .parquet file, {file.name!r} ends in {file.suffix!r}."
        )
    _check_probabilities(values, len(dataset.classes), file)
    if ids is None:
        ids, values = dataset.ids, values[vector_rows(dataset, len(values))]
    exact = values.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    judged = np.ones(len(dataset.classes), dtype=bool)
    return Probabilities(ids, exact.astype(np.float32), judged, "the user's predictions")


def align_predictions(predictions: Probabilities, ids: Ids) -> Probabilities:
    """Return the rows of `predictions` for these ids, in their order; DataError when one is missing."""
    try:
        row = rows_of(predictions.ids, ids)
    except AuditError as error:
        raise DataError(f"The predictions do not cover every sample: {error}") from error
    return Probabilities(ids, predictions.values[row], predictions.judged, predictions.method)


def _split_table(table: pd.DataFrame, dataset: Dataset, file: Path) -> tuple[Ids | None, NDArray[Any]]:
    classes = list(dataset.classes)
    has_ids = "id" in table.columns and sorted(table.columns) != sorted(classes)
    found = [name for name in table.columns if not (has_ids and name == "id")]
    if sorted(found) != sorted(classes):
        raise DataError(
            f"Predictions need one column for each of the {len(classes)} classes ({_some(classes)}), "
            f"{file.name!r} has {len(found)} ({_some(found)})."
        )
    try:
        values = table[classes].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The predictions in {file.name!r} hold a cell that is no number ({error}): write probabilities "
            "such as 0.25."
        ) from error
    if not has_ids:
        return None, values
    ids = as_ids(table["id"])
    if len(set(ids)) < len(ids):
        raise DataError(f"The predictions in {file.name!r} name {len(ids) - len(set(ids))} ids twice.")
    return ids, values


def _check_probabilities(values: NDArray[Any], classes: int, file: Path) -> None:
    if values.ndim != 2 or values.shape[1] != classes or values.dtype.kind != "f":
        raise DataError(
            f"Predictions need an array of floats (samples, {classes} classes), {file.name!r} holds shape "
            f"{values.shape} of type {values.dtype}."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise DataError(f"The predictions in {file.name!r} hold values that are negative or not finite.")
    sums = values.astype(np.float64).sum(axis=1)
    if len(sums) and np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise DataError(
            f"Each row of predictions must sum to 1, in {file.name!r} the sums go from {sums.min():.4g} to "
            f"{sums.max():.4g}: give probabilities, not scores or percentages."
        )


def _load_npy(file: Path, what: str, mapped: bool = False) -> NDArray[Any]:
    _check_exists(file, what)
    try:
        return read_array(file, mapped)
    except DataError as error:
        raise DataError(
            f"{what} file {file.name!r} is not a .npy file of plain numbers ({error}): use numpy.save."
        ) from error


def _read_csv(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, OverflowError, ValueError) as error:
        raise DataError(f"{file.name!r} is not a CSV table in UTF-8: {_first_line(error)}.") from error
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes the first columns for names of the rows, and moves all values by as many.
        raise DataError(f"The rows of {file.name!r} have more fields than its header names.")
    return table


def _read_parquet(file: Path) -> pd.DataFrame:
    table = read_table(file)
    return table.drop(columns=[name for name in table.columns if name.startswith(_PANDAS_INDEX)])


def _check_exists(file: Path, what: str) -> None:
    if not file.is_file():
        raise DataError(f"{what} file {str(file)!r} does not exist.")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", .." if len(names) > 5 else "")
