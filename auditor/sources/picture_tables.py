"""Parquet files that hold the pictures themselves, as Hugging Face publishes datasets.

    photos.parquet                                a file, or a folder with any number of them
    data/train-00000-of-00002.parquet/17/a.jpg    path: file, row, and the picture's name where it has one

files --schemas--> PictureSchema .. --texts--> rows + PictureTables, which reads pictures by row group
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.containers import in_threads, last_part, row_path, split_named
from auditor.sources.names import encode_name, plural
from auditor.sources.options import ReadOptions
from auditor.sources.parquet import first_line
from auditor.sources.parquet_footer import read_groups
from auditor.sources.picture_columns import (
    PictureSchema,
    TableFacts,
    describe_schema,
    name_classes,
    picture_column,
    picture_names,
    read_schema,
    table_facts,
)
from auditor.sources.picture_groups import KEPT_BYTES, PictureTables
from auditor.sources.rows import Source, make_dataset, texts
from auditor.sources.tables import ColumnNames, read_table

_Read = tuple[PictureSchema, TableFacts, pd.DataFrame]


def holds_pictures(file: str, asked: str | None) -> bool:
    """Tell whether a file is Parquet and holds pictures, in the column `asked` or in any."""
    try:
        return picture_column(read_schema(Path(file)), Path(file).name, asked) is not None
    except UsageError:
        return True  # in several columns
    except DataError:
        return False


def read_picture_tables(files: Mapping[str, str], source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of some Parquet files, in their order; files without pictures are passed over.

    Parameters
    ----------
    files : name relative to `source.root` -> name that `open` takes.
    source : what is known; its notes grow.
    options : how to read it.

    Raises
    ------
    UsageError
        If an option is given that is not for these, or several columns hold pictures.
    DataError
        If no file can be read, one has no label, or fewer than two classes have samples.
    """
    if options.root is not None:
        raise UsageError(f"--root is for manifests, and the pictures lie inside {source.name}.")
    if options.layout != "auto":
        raise UsageError(f"--layout {options.layout} is for folders, and {source.name} holds tables.")
    read, faults, others = _read_files(files, options)
    if not read:
        raise DataError(f"No picture of {source.name} can be read: {(faults or ['no files'])[0]}")
    if faults:
        source.notes.append(f"{plural(len(faults), 'file')} passed over: {' '.join(faults[:3])}")
    if others:
        source.notes.append(f"{plural(others, 'Parquet file')} without a column of pictures passed over.")
    _note_large_groups(read, source)
    columns = {name: schema.column for name, (schema, _, _) in read.items()}
    source.held_by = PictureTables(
        source.root, columns, {name: facts for name, (_, facts, _) in read.items()}
    )
    rows = pd.concat([frame for _, _, frame in read.values()], ignore_index=True).fillna("")
    return make_dataset(rows, source)


def _read_files(files: Mapping[str, str], options: ReadOptions) -> tuple[dict[str, _Read], list[str], int]:
    """Return what each file with pictures holds, what is wrong with others, and how many have no pictures."""
    read: dict[str, _Read] = {}
    faults, others = [], 0
    results = in_threads(partial(_read_file, options=options), list(files.items()))
    for name, result in zip(files, results, strict=True):
        if isinstance(result, str):
            faults.append(result)
        elif result is None:
            others += 1
        else:
            read[name] = result
    return read, faults, others


def _read_file(item: tuple[str, str], options: ReadOptions) -> _Read | str | None:
    """Return what one file holds, a sentence when it is damaged, None when it has no pictures."""
    name, file = item
    try:
        schema = read_schema(Path(file))
    except DataError as error:
        return str(error)
    picture = picture_column(schema, name, options.path_column)
    if picture is None:
        return None
    about = describe_schema(schema, name, picture, options.label_column)
    try:
        facts = table_facts(file, name, about.column)
        frame = _rows(name, file, about, facts, options.classes or ())
    except DataError as error:
        return f"{str(error).rstrip('.')}."
    return about, facts, frame


def _rows(
    name: str, file: str, about: PictureSchema, facts: TableFacts, classes: tuple[str, ...]
) -> pd.DataFrame:
    wanted = ColumnNames(dict.fromkeys(about.columns, ()), (), about.columns)
    frame, _ = read_table(Path(file), wanted)
    if len(frame) != facts.starts[-1]:
        raise DataError(f"{name} has changed while it was read.")
    frame["label"] = name_classes(texts(frame["label"]), about.names or classes)
    named = _names(name, file, about) if about.nested else None
    if named is not None and len(named) != len(frame):
        raise DataError(f"{name} is damaged: it names {len(named):,} pictures in {len(frame):,} rows.")
    named = named or [""] * len(frame)
    frame["path"] = [row_path(name, row, inner) for row, inner in enumerate(named)]
    if "split" not in frame:
        frame["split"] = split_named(name)
    return frame.astype("str")


def _names(name: str, file: str, about: PictureSchema) -> list[str] | None:
    """Return the last part of each picture's own name, (rows,), "" where it has none; None without names."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - names need not be UTF-8
            names = picture_names(parquet.ParquetFile(opened), read_groups(opened), about.column)
    except (OSError, pa.ArrowException, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {first_line(error)}.") from None
    if names is None:
        return None
    texts_of = ((text or b"").decode("utf-8", "surrogateescape") for text in names.cast("binary").to_pylist())
    return [last_part(encode_name(text)) for text in texts_of]


def _note_large_groups(read: Mapping[str, _Read], source: Source) -> None:
    sizes = {name: max(facts.sizes, default=0) for name, (_, facts, _) in read.items()}
    large = [name for name, size in sizes.items() if size > KEPT_BYTES]
    if large:
        worst = max(large, key=sizes.__getitem__)
        files, size = plural(len(large), "file"), f"{sizes[worst] / 1e9:,.1f} GB"
        source.notes.append(
            f"{files} with row groups of up to {size} ({worst!r}): "
            "pictures asked out of order are slow; written with row_group_size=100 they are not."
        )
