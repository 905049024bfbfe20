"""Parquet files from anywhere: read whole or refused, never unpacked beyond a bound.

file -> schema -> what it claims to hold, checked -> texts packed, their length checked -> arrow table
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from auditor.errors import DataError
from auditor.faults import short
from auditor.sources.names import plural
from auditor.sources.parquet_footer import Group, read_groups

SAID_CHARACTERS = 300
MOST_ROWS = 1 << 28
MOST_BYTES = 1 << 33
"""Of one table, unpacked: a file of a few kilobytes can claim any number of rows, and of any length."""


def read_parquet(path: Path, choose: Callable[[list[str]], Sequence[str]] = list) -> Any:
    """Return the columns that `choose` picks of a Parquet file's, as an arrow table, its texts valid.

    Raises
    ------
    DataError
        If it is no whole Parquet file, or would take more than `MOST_ROWS` or `MOST_BYTES`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Opened here: pyarrow takes no names that are not UTF-8.
        with path.open("rb") as opened:
            schema = parquet.read_schema(opened)
            names = list(choose(schema.names))
            found = Counter(schema.names)
            if any(found[name] > 1 for name in names):
                twice = next(name for name in names if found[name] > 1)
                raise DataError(
                    f"{path.name} has {found[twice]} columns called {short(twice)}; one is needed."
                )
            # Texts stay packed until their length is known: one long text may stand in a million rows.
            packed = [name for name in names if _is_text(schema.field(name).type)]
            file = parquet.ParquetFile(opened, read_dictionary=packed)
            _check_claims(read_groups(opened), set(names), path.name)
            table = file.read(columns=names)
        table.validate(full=True)
        return _unpack(table, path.name)
    except DataError:
        raise
    except (pa.ArrowException, OSError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {first_line(error)}.") from error


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    asked = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(ask(kind) for ask in asked)


def _check_claims(groups: Sequence[Group], names: set[str], name: str) -> None:
    """Hold what a Parquet file says about itself against the limits, before anything is unpacked."""
    rows = sum(group.rows for group in groups)
    chunks = (chunk for group in groups for chunk in group.chunks)
    unpacked = sum(c.unpacked_bytes for c in chunks if c.path.split(".")[0] in names)
    if rows > MOST_ROWS or unpacked > MOST_BYTES:
        raise DataError(
            f"{name} claims {plural(rows, 'row')} of {unpacked:,} bytes, more than the "
            f"{MOST_ROWS:,} rows or {MOST_BYTES:,} bytes that are read: split it."
        )


def _unpack(table: Any, name: str) -> Any:
    """Write packed texts out into every row, unless they would not fit."""
    from pyarrow import compute, types

    long = 0
    for number, column in enumerate(table.columns):
        if not types.is_dictionary(column.type):
            continue
        kind = column.type.value_type
        if _is_text(kind):
            for chunk in column.chunks:
                lengths = compute.binary_length(chunk.dictionary).take(chunk.indices)
                long += compute.sum(lengths).as_py() or 0
        if long > MOST_BYTES:
            raise DataError(
                f"{name} holds {long:,} bytes of text, more than the {MOST_BYTES:,} that are read: split it."
            )
        table = table.set_column(number, table.field(number).name, column.cast(kind))
    return table


def first_line(error: Exception) -> str:
    """Return what a library says of an error, without its details and the end of what is long."""
    said = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    line = str(said).splitlines()[0].rstrip(".")
    return line if len(line) <= SAID_CHARACTERS else f"{line[: SAID_CHARACTERS - 3]}..."
