"""CSV, Parquet and JSONL files as columns of strings.

    file -> (DataFrame of `str` columns under our names, "" where nothing is given; notes)

Values are text and stay as they are written: ``01``, ``true``, ``None``, ``NA`` and ``1.0`` survive. The
frame's index is the row number in the file, counted from 0.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.errors import DataError
from auditor.faults import short
from auditor.sources.names import encode_name, plural
from auditor.sources.parquet import first_line, read_parquet

TABLE_SUFFIXES: tuple[str, ...] = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson")

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SPELLED = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_BLOCK_BYTES = 1 << 26
"""pyarrow refuses a row longer than one block."""


@dataclass(frozen=True)
class ColumnNames:
    """Which columns are wanted, and under which names they are recognised, whatever their case.

    `aliases` maps our name to the recognised ones, most telling first; `exact` maps our name to the one
    that the user gave; `hint` ends the sentence about a missing column.
    """

    aliases: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    exact: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""

    def choose(self, found: Sequence[str], file: str) -> dict[str, int]:
        """Return our name -> position among `found`; DataError when a required column is missing."""
        chosen: dict[str, int] = {}
        for ours, aliases in self.aliases.items():
            asked = (self.exact[ours],) if ours in self.exact else aliases
            position = _find(found, asked, file)
            if position is not None:
                chosen[ours] = position
            elif ours in self.required or ours in self.exact:
                wanted = asked[0] if len(asked) == 1 else f"{ours} (or {', '.join(asked[1:])})"
                raise DataError(f"{file} has no column {wanted}; it has {_listed(found)}{self.hint}.")
        return chosen


def _find(found: Sequence[str], asked: Sequence[str], file: str) -> int | None:
    plain = [name.strip().lower() for name in found]
    for name in asked:
        literal = [i for i, other in enumerate(found) if other == name]
        hits = literal or [i for i, other in enumerate(plain) if other == name.strip().lower()]
        if len(hits) > 1:
            raise DataError(f"{file} has {len(hits)} columns called {short(name)}; one is needed.")
        if hits:
            return hits[0]
    return None


def _listed(found: Sequence[str], limit: int = 20, characters: int = 400) -> str:
    """Return the first names, of `characters` together, and how many more there are."""
    shown: list[str] = []
    for name in map(short, found[:limit]):
        if shown and len(", ".join(shown)) + len(name) > characters:
            break
        shown.append(name)
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return ", ".join(shown) + more if found else "no columns at all"


def read_table(
    path: Path, columns: ColumnNames, *, every_row: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Return the wanted columns of a CSV, Parquet or JSONL file as text, and notes.

    Raises
    ------
    DataError
        If the file cannot be read as what its suffix says, a required column is missing, or `every_row`
        is asked for and a row of a CSV has another number of fields than the header.
    """
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return _read_parquet_columns(path, columns), []
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    text, notes = _decode(raw, path.name)
    read = _read_csv if suffix in (".csv", ".tsv") else _read_jsonl
    frame, more = read(text, columns, path.name)
    if more and every_row:
        raise DataError(f"{more[0].rstrip('.')}; every row is needed, so mend the file or save it again.")
    return frame, notes + more


def _decode(raw: bytes, file: str) -> tuple[str, list[str]]:
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), "utf-8")
    try:
        return raw.decode(encoding), []
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(f"{file} starts like {encoding} but byte {error.start:,} is not.") from error
    for encoding in ("cp1252", "latin-1"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text, [f"{file} is not UTF-8 and was read as {encoding}; names with accents may be wrong."]
    raise AssertionError("latin-1 decodes every byte")


def _read_csv(text: str, columns: ColumnNames, file: str) -> tuple[pd.DataFrame, list[str]]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    delimiter, header = _sniff(text, file)
    chosen = columns.choose(header, file)
    uneven: list[str] = []

    def skip(row: Any) -> str:
        uneven.append(row.text)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text.encode()),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=arrow_csv.ConvertOptions(
                # By name and not by place, so that both must have read the same header.
                include_columns=[header[i] for i in chosen.values()],
                column_types={header[i]: pa.string() for i in chosen.values()},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise DataError(f"{file} cannot be read as CSV: {first_line(error)}.") from error
    notes = []
    if uneven:
        rows, first = plural(len(uneven), "row"), short(uneven[0])
        notes = [f"{rows} of {file} passed over, not {len(header)} fields each; the first is {first}."]
    return _as_frame({ours: _restore(table.column(header[i])) for ours, i in chosen.items()}), notes


def _sniff(text: str, file: str) -> tuple[str, list[str]]:
    """Return the delimiter that divides the header most, and the header."""
    best: tuple[str, list[str]] = (",", [])
    for delimiter in (",", ";", "\t"):
        # Not str.splitlines: it also ends a line at characters that may stand in a name.
        rows = csv.reader((found[0] for found in _LINES.finditer(text)), delimiter=delimiter)
        try:
            header = next((row for row in rows if row), [])
        except csv.Error as error:
            raise DataError(f"{file} has no header that can be read as CSV: {error}.") from error
        if len(header) > len(best[1]):
            best = (delimiter, header)
    if not best[1]:
        raise DataError(f"{file} is empty.")
    return best


def _restore(column: Any) -> Any:
    """Take away the quote that our own CSV files put before a cell a spreadsheet would run."""
    from pyarrow import compute

    return compute.replace_substring_regex(column, pattern=r"^'('*[=+\-@\t\r])", replacement=r"\1")


def _read_parquet_columns(path: Path, columns: ColumnNames) -> pd.DataFrame:
    chosen: dict[str, str] = {}

    def choose(found: list[str]) -> list[str]:
        chosen.update({ours: found[i] for ours, i in columns.choose(found, path.name).items()})
        return list(dict.fromkeys(chosen.values()))

    table = read_parquet(path, choose)
    return _as_frame({ours: _text_column(table.column(name), path.name) for ours, name in chosen.items()})


def _text_column(column: Any, file: str) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_nested(column.type):
        raise DataError(f"{file}: a column that should hold text holds {column.type}; name another one.")
    try:
        return compute.fill_null(column.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise DataError(f"{file}: a column of type {column.type} cannot be read as text.") from error


def _as_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    import pyarrow as pa

    frame: pd.DataFrame = pa.table(dict(columns)).to_pandas()
    return frame


def _read_jsonl(text: str, columns: ColumnNames, file: str) -> tuple[pd.DataFrame, list[str]]:
    """Numbers keep their spelling, which pyarrow's JSON reader would not promise (nor dates theirs)."""
    known = {a.lower() for names in columns.aliases.values() for a in names}
    known |= {name.strip().lower() for name in columns.exact.values()}
    kept: dict[str, list[Any]] = {}
    found: dict[str, None] = {}
    rows = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        for key, value in _parse_line(line, number, file).items():
            found.setdefault(key)
            if key.strip().lower() in known:
                column = kept.setdefault(key, [])
                column.extend([""] * (rows - len(column)))
                column.append(value)
        rows += 1
    if not rows:
        raise DataError(f"{file} is empty.")
    names = list(found)
    chosen = columns.choose(names, file)
    return pd.DataFrame({ours: _json_column(kept[names[i]], rows, file) for ours, i in chosen.items()}), []


def _parse_line(line: str, number: int, file: str) -> dict[str, Any]:
    try:
        record = _SPELLED.decode(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} line {number:,} is not JSON: {error}.") from error
    if not isinstance(record, dict):
        raise DataError(f"{file} line {number:,} is not a JSON object but {short(line.strip())}.")
    return record


def _json_column(values: list[Any], rows: int, file: str) -> list[str]:
    nested = next((v for v in values if isinstance(v, (dict, list))), None)
    if nested is not None:
        raise DataError(f"{file}: a column that should hold text holds {short(nested)}; name another one.")
    spelled = {None: "", True: "true", False: "false"}
    texts = [encode_name(v) if isinstance(v, str) else spelled[v] for v in values]
    return texts + [""] * (rows - len(texts))
