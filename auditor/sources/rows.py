"""Rows become a `Dataset`: ids, repeated rows, classes.

rows   DataFrame, any of id path label domain split group, all `str`, "" = not given;
       the index is the row number in the source
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from auditor.contents import Contents
from auditor.errors import DataError
from auditor.faults import short
from auditor.results import TABLE_COLUMNS, Dataset
from auditor.sources.names import examples, plural


@dataclass
class Source:
    """What is known about a source beside its rows; `notes` grow while it is read."""

    name: str
    root: Path
    notes: list[str] = field(default_factory=list)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    images: bool = True
    held_by: Contents | None = None


def texts(column: pd.Series) -> list[str]:
    """Return a column's values; pandas' own ``tolist`` takes 5 times as long on Arrow strings."""
    values: list[str] = column.to_numpy(dtype=object).tolist()
    return values


def make_dataset(rows: pd.DataFrame, source: Source) -> Dataset:
    """Return the dataset of these rows, in their order.

    Raises
    ------
    DataError
        If no row has a label, fewer than two classes have samples, or one id stands for two paths.
    """
    total = len(rows)
    if not total:
        raise DataError(f"{source.name} has no rows.")
    rows = rows.reindex(columns=list(TABLE_COLUMNS), fill_value="")
    rows = _set_aside_unlabelled(rows, source)
    classes = _find_classes(rows, source)
    rows = _give_ids(rows, source)
    return Dataset(
        name=source.name,
        root=source.root,
        classes=classes,
        table=rows.reset_index(drop=True),
        notes=tuple(source.notes),
        descriptions={c: d for c, d in source.descriptions.items() if c in classes},
        has_images=source.images,
        source_rows=rows.index.to_numpy(dtype=np.int64),
        source_count=total,
        held_by=source.held_by,
    )


def _set_aside_unlabelled(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    empty = rows["label"].str.strip() == ""
    if empty.all():
        raise DataError(f"None of the {plural(len(rows), 'row')} of {source.name} has a label.")
    if empty.any():
        source.notes.append(f"{plural(int(empty.sum()), 'row')} without a label set aside.")
        rows = rows[~empty]
    return rows


def _find_classes(rows: pd.DataFrame, source: Source) -> tuple[str, ...]:
    classes = tuple(sorted(map(str, rows["label"].unique())))
    if len(classes) < 2:
        raise DataError(
            f"{source.name} has samples of one class only, {short(classes[0])}; an audit needs at least two."
        )
    blank = [c for c in classes if c != c.strip()]
    if blank:
        source.notes.append(f"{plural(len(blank), 'class')} with blanks around the name: {examples(blank)}.")
    undescribed = [c for c in source.descriptions if c not in classes]
    if undescribed:
        n = plural(len(undescribed), "class")
        source.notes.append(f"classes.csv describes {n} without samples: {examples(undescribed)}.")
    return classes


def _give_ids(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Fill empty ids with the path, collapse equal rows and tell the others that share an id apart."""
    given = rows["id"] != ""
    ids = rows["id"].where(given, rows["path"])
    nameless = ids == ""
    if nameless.any():
        numbered = pd.Series([f"row-{i:07d}" for i in rows.index + 1], index=rows.index)
        ids = ids.where(~nameless, numbered)
    rows = rows.assign(id=ids)
    shared = rows["id"].duplicated(keep=False)
    if not shared.any():
        return rows
    return _untangle(rows, rows[shared], source)


def _untangle(rows: pd.DataFrame, shared: pd.DataFrame, source: Source) -> pd.DataFrame:
    if source.images:
        repeated = shared.index[shared.duplicated()]
        if len(repeated):
            source.notes.append(f"{plural(len(repeated), 'repeated row')} collapsed into one each.")
        rows, shared = rows.drop(index=repeated), shared.drop(index=repeated)
    paths = shared.drop_duplicates(["id", "path"])
    clash = paths[paths["id"].duplicated(keep=False)]
    if len(clash):
        first = clash[clash["id"] == clash["id"].iloc[0]]["path"].tolist()
        raise DataError(
            f"{source.name}: id {short(clash['id'].iloc[0])} stands for {examples(first)}; ids must be unique"
            " (a column that several images share is called group)."
        )
    return rows.assign(id=_suffixed(rows["id"], shared))


def _suffixed(ids: pd.Series, shared: pd.DataFrame) -> list[str]:
    """Append #2, #3 .. to ids that stand twice, by label and not by position: order must not matter."""
    names = texts(ids)
    taken = set(names)
    renamed: dict[int, str] = {}
    tried: dict[str, int] = {}  # where the search for a name goes on: from the start it would be quadratic
    ordered = shared.sort_values(["id", "label", "domain", "split", "group"], kind="stable")
    counts = ordered.groupby("id").cumcount().tolist()
    for row, name, count in zip(ordered.index.tolist(), texts(ordered["id"]), counts, strict=True):
        if count == 0:
            continue
        number = max(count, tried.get(name, 0)) + 1
        while (candidate := f"{name}#{number}") in taken:
            number += 1
        taken.add(candidate)
        tried[name] = number
        renamed[row] = candidate
    return [renamed.get(row, name) for row, name in zip(ids.index.tolist(), names, strict=True)]
