"""Datasets of Hugging Face's library `datasets`: folders that its save_to_disk wrote, and its objects.

    folder, object --> {split: Dataset} --labels and ids, pictures left alone--> rows + HubPictures

The class names come from the features, where the label is a ClassLabel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.hub_pictures import HubPictures, library, load_saved, splits_of
from auditor.sources.manifests import ALIASES
from auditor.sources.names import encode_name, examples
from auditor.sources.options import ReadOptions
from auditor.sources.picture_columns import name_classes
from auditor.sources.rows import Source, make_dataset
from auditor.sources.tables import ColumnNames

_KINDS = frozenset(
    {
        ("datasets.arrow_dataset", "Dataset"),
        ("datasets.dataset_dict", "DatasetDict"),
        ("datasets.iterable_dataset", "IterableDataset"),
        ("datasets.dataset_dict", "IterableDatasetDict"),
    }
)
"""By module and name: many projects have a package called datasets of their own."""
_HINT = "; --label-column NAME says which one holds the label"


def is_hub_object(source: object) -> bool:
    """Tell whether a Python object is one of the library's datasets, without importing it."""
    return any((kind.__module__, kind.__name__) in _KINDS for kind in type(source).__mro__)


def read_saved(folder: Path, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of a folder that save_to_disk wrote.

    Raises
    ------
    UsageError
        If the library is not installed, with the line that installs it, or an option does not fit.
    DataError
        If the folder is not whole, or holds no pictures or labels.
    """
    splits = load_saved(folder)
    column = _picture_column(splits, source.name, options.path_column)
    return _read(HubPictures(folder, column, splits), splits, column, source, options)


def read_hub_object(given: Any, options: ReadOptions) -> Dataset:
    """Return the dataset of a `datasets.Dataset` or `DatasetDict`.

    Raises
    ------
    UsageError
        If it is a stream, or an option does not fit.
    DataError
        If it holds no pictures or labels.
    """
    datasets = library("A dataset of this kind")
    if not isinstance(given, (datasets.Dataset, datasets.DatasetDict)):
        raise UsageError(
            f"A {type(given).__name__} is a stream that cannot be read twice: give a datasets.Dataset, as "
            "load_dataset(.., streaming=False) returns it."
        )
    splits = splits_of(given)
    said = (getattr(rows.info, "dataset_name", None) for rows in splits.values())
    name = encode_name(str(next(filter(None, said), "dataset")))
    source = Source(name=name, root=Path(), images=options.images)
    column = _picture_column(splits, name, options.path_column)
    return _read(HubPictures(None, column, splits, name), splits, column, source, options)


def _picture_column(splits: Mapping[str, Any], name: str, asked: str | None) -> str:
    """Return the column with the pictures, of all splits."""
    image = library("This").Image
    features: dict[str, Any] = {c: f for rows in splits.values() for c, f in rows.features.items()}
    found = [c for c, f in features.items() if isinstance(f, image)]
    binary = [c for c, f in features.items() if str(getattr(f, "dtype", "")) in ("binary", "large_binary")]
    if asked is not None:
        if asked in found or asked in binary:
            return asked
        raise DataError(f"{name} has no pictures in {asked!r}; columns with pictures are {examples(found)}.")
    found = found or binary
    if not found:
        raise DataError(f"{name} has no column of pictures; it has {examples(list(features), 20)}.")
    if len(found) > 1:
        raise UsageError(
            f"{name} has {len(found)} columns with pictures, {examples(found)}: say with --path-column NAME "
            "which one to audit."
        )
    return found[0]


def _read(
    contents: HubPictures, splits: Mapping[str, Any], column: str, source: Source, options: ReadOptions
) -> Dataset:
    if options.root is not None:
        raise UsageError(f"--root is for manifests, and the pictures lie inside {source.name}.")
    if options.layout != "auto":
        raise UsageError(f"--layout {options.layout} is for folders, and {source.name} holds tables.")
    frames = []
    for split, rows in splits.items():
        frame = _columns(rows, column, f"{source.name} {split}".strip(), options)
        frame["path"] = contents.paths_of(split)
        if split:
            frame["split"] = encode_name(split)
        frames.append(frame)
    source.held_by = contents
    return make_dataset(pd.concat(frames, ignore_index=True).fillna("").astype("str"), source)


def _columns(rows: Any, picture: str, name: str, options: ReadOptions) -> pd.DataFrame:
    """Return label, id, domain, split and group of a dataset's rows as text, (rows,)."""
    kind = library("This").ClassLabel
    classes = {
        c: tuple(encode_name(str(name)) for name in f.names)
        for c, f in rows.features.items()
        if isinstance(f, kind)
    }
    others = [column for column in rows.features if column != picture]
    exact = {} if options.label_column is None else {"label": options.label_column}
    if not exact and len(classes) == 1 and not {c.strip().lower() for c in others} & set(ALIASES["label"]):
        exact = {"label": next(iter(classes))}
    wanted = {ours: aliases for ours, aliases in ALIASES.items() if ours != "path"}
    chosen = ColumnNames(wanted, ("label",), exact, _HINT).choose(others, name)
    columns = {ours: others[position] for ours, position in chosen.items()}
    plain = rows.with_format(None).select_columns(sorted(set(columns.values())))
    values = plain[:] if len(plain) else {column: [] for column in columns.values()}
    said = {ours: _texts(values[column], f"{name}: {column}") for ours, column in columns.items()}
    frame = pd.DataFrame(said, dtype="str")
    names = classes.get(columns["label"], options.classes or ())
    frame["label"] = name_classes(frame["label"].tolist(), names)
    return frame


def _texts(values: list[Any], what: str) -> list[str]:
    nested = next((v for v in values if isinstance(v, (dict, list))), None)
    if nested is not None:
        raise DataError(f"{what} holds {str(nested)[:40]!r} where text should be; name another column.")
    spelled = {None: "", True: "true", False: "false"}
    return [
        encode_name(v) if isinstance(v, str) else spelled[v] if v is None or isinstance(v, bool) else str(v)
        for v in values
    ]
