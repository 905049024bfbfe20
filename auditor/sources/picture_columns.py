"""Which column of a Parquet file holds pictures, and what its schema says about the others.

image: struct<bytes: binary, path: string>     as Hugging Face writes pictures
image: binary                                  the bytes alone
label: int64, with {"huggingface": {"info": {"features": {"label": {"names": ["cat", "dog"], ..
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from auditor.errors import DataError, UsageError
from auditor.sources.containers import Stamp
from auditor.sources.manifests import ALIASES
from auditor.sources.names import encode_name, examples
from auditor.sources.parquet import MOST_BYTES, first_line
from auditor.sources.parquet_footer import Group, read_groups
from auditor.sources.tables import ColumnNames

BINARY_NAMES = frozenset(
    {
        "image",
        "img",
        "picture",
        "photo",
        "bytes",
        "image_bytes",
        "image_data",
        "data",
        "content",
        "jpg",
        "jpeg",
        "png",
    }
)
"""A binary column of one of these names holds pictures, also beside a column with paths."""


@dataclass(frozen=True)
class PictureSchema:
    """What the schema of one Parquet file says.

    column : holds the pictures.
    nested : its values are bytes and path, not bytes alone.
    columns : our name -> the file's, of label, id, domain, split and group.
    names : class names by index where the label is one, () where it is text.
    """

    column: str
    nested: bool
    columns: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def read_schema(file: Path) -> Any:
    """Return the arrow schema of a Parquet file.

    Raises
    ------
    DataError
        If it is no Parquet file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with file.open("rb") as opened:  # pyarrow takes no names that are not UTF-8
            return parquet.read_schema(opened)
    except OSError as error:
        raise DataError(f"{file.name} cannot be read as Parquet: {error.strerror or error}.") from error
    except (pa.ArrowException, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{file.name} cannot be read as Parquet: {first_line(error)}.") from error


def picture_column(schema: Any, file: str, asked: str | None) -> tuple[str, bool] | None:
    """Return the column with the pictures and whether it is nested, None when the file is a manifest.

    Raises
    ------
    UsageError
        If several could be it and `asked`, what the user named, is None.
    """
    from pyarrow import types

    nested = [f.name for f in schema if types.is_struct(f.type) and _holds_bytes(f.type)]
    plain = [f.name for f in schema if _is_binary(f.type)]
    if asked is not None:
        return (asked, asked in nested) if asked in nested or asked in plain else None
    found = nested or [name for name in plain if name.strip().lower() in BINARY_NAMES]
    if not found and not any(_is_path(f) for f in schema):
        known = {alias for aliases in ALIASES.values() for alias in aliases}
        found = [name for name in plain if name.strip().lower() not in known]
    if len(found) > 1:
        raise UsageError(
            f"{file} has {len(found)} columns with pictures, {examples(found)}: say with --path-column NAME"
            " which one to audit."
        )
    return (found[0], bool(nested)) if found else None


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return any(is_kind(kind) for is_kind in (types.is_binary, types.is_large_binary, types.is_binary_view))


def _holds_bytes(kind: Any) -> bool:
    position = kind.get_field_index("bytes")
    return bool(position >= 0 and _is_binary(kind.field(position).type))


def _is_path(found: Any) -> bool:
    """Tell whether a field is a manifest's path, which may be written as bytes."""
    from pyarrow import types

    kinds = (types.is_string, types.is_large_string, types.is_dictionary, _is_binary)
    named = str(found.name).strip().lower() in ALIASES["path"]
    return named and any(is_kind(found.type) for is_kind in kinds)


def describe_schema(schema: Any, file: str, picture: tuple[str, bool], label: str | None) -> PictureSchema:
    """Return what a schema says, `picture` from `picture_column`; `label` is the column that the user named.

    Raises
    ------
    DataError
        If there is no column with the label.
    """
    names = class_names(schema)
    others = [name for name in schema.names if name != picture[0]]
    exact = {} if label is None else {"label": label}
    wanted = {ours: aliases for ours, aliases in ALIASES.items() if ours != "path"}
    found = {name.strip().lower() for name in others}
    if label is None and len(names) == 1 and not found & set(ALIASES["label"]):
        exact = {"label": next(iter(names))}
    hint = "; --label-column NAME says which one holds the label"
    chosen = ColumnNames(wanted, ("label",), exact, hint).choose(others, file)
    columns = {ours: others[position] for ours, position in chosen.items()}
    return PictureSchema(*picture, columns, names.get(columns["label"], ()))


def class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """Return column -> class names by index, of columns that Hugging Face's metadata call a ClassLabel."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {
            column: tuple(encode_name(str(name)) for name in feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
            if isinstance(feature.get("names"), list) and feature["names"]
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return {column: names for column, names in found.items() if column in schema.names}


def name_classes(labels: list[str], names: tuple[str, ...]) -> list[str]:
    """Return labels (n,) with indices replaced by class names; below 0 means none, beyond stays a number."""
    if not names:
        return labels
    known = {str(index): name for index, name in enumerate(names)}
    return ["" if label.startswith("-") else known.get(label, label) for label in labels]


@dataclass(frozen=True)
class TableFacts:
    """What is known of one file once it was opened.

    starts : first rows of its row groups, and its end.
    sizes : bytes of the pictures of each row group, unpacked, as the file says.
    elsewhere : each row's path, (rows,), when pictures may lie in files of their own; else None.
    """

    stamp: Stamp
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    elsewhere: Any = None


def table_facts(file: str, name: str, column: str) -> TableFacts:
    """Open a Parquet file and return what reading its pictures needs.

    Raises
    ------
    DataError
        If it is gone, no Parquet file, or has no such column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - names need not be UTF-8
            table = parquet.ParquetFile(opened)
            groups = read_groups(opened)
            if column not in table.schema_arrow.names:
                raise DataError(f"{name} has no column {column!r}")
            starts = tuple(accumulate((group.rows for group in groups), initial=0))
            sizes = tuple(sum(c.unpacked_bytes for c in group.below(column)) for group in groups)
            missing = any(_may_miss_bytes(group, column) for group in groups)
            elsewhere = picture_names(table, groups, column) if missing else None
            return TableFacts(Stamp.of(os.fstat(opened.fileno())), starts, sizes, elsewhere)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{name}, which holds it, does not exist") from None
    except (OSError, pa.ArrowException, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise DataError(f"{name}, which holds it, cannot be read: {first_line(error)}") from None


def _may_miss_bytes(group: Group, column: str) -> bool:
    """Tell whether a row group may have rows without bytes, as far as the file's statistics say."""
    return any(chunk.nulls != 0 for chunk in group.chunks if chunk.path == f"{column}.bytes")


def picture_names(table: Any, groups: Sequence[Group], column: str) -> Any:
    """Return the path that each row of an open file tells beside its picture, (rows,), or None."""
    import pyarrow as pa

    kind = table.schema_arrow.field(column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return None
    leaf = f"{column}.path"
    size = sum(c.unpacked_bytes for group in groups for c in group.chunks if c.path == leaf)
    if size > MOST_BYTES:
        return None
    names = [chunk.field("path") for chunk in table.read(columns=[leaf]).column(0).chunks]
    return pa.chunked_array(names, names[0].type) if names else None
