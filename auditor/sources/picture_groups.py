"""Pictures inside Parquet files, read at random: what a dataset of them, or an audit of one, reads with.

    path = file.parquet/row[/name] --> row group --> a stream of blocks of rows --> the latest KEPT_BYTES

A Parquet file is read from the start of a row group on. Rows asked in order cost one pass; who goes back
further than what is kept starts the row group again. A page of the file must fit into memory.
"""

from __future__ import annotations

import os
import posixpath
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditor.contents import file_key
from auditor.errors import DataError
from auditor.files import MAX_FILE_BYTES, read_file
from auditor.reading import clock_stopped
from auditor.sources.containers import Stamp, find_beside, split_path, stamp_text
from auditor.sources.names import encode_name, locate
from auditor.sources.parquet import first_line
from auditor.sources.picture_columns import TableFacts, table_facts

KEPT_BYTES = 512 << 20
"""Blocks of pictures are kept up to so many bytes, all files together."""
BLOCK_BYTES, BLOCK_ROWS = 32 << 20, 256
"""A block has at most about so many bytes, and rows."""
OPEN_STREAMS = 4
"""Row groups that are being read at once: threads that read ahead stand on both sides of a boundary."""
READ_BYTES = 1 << 20
"""A column is read in pieces of so many bytes, never a whole row group's at once."""


@dataclass
class _Stream:
    """A row group being read: `row` is the next row of the file that comes."""

    blocks: Iterator[Any]
    row: int
    opened: Any

    def close(self) -> None:
        self.blocks = iter(())
        self.opened.close()


@dataclass
class _Blocks:
    """Blocks by (file, group) and first row, in the order in which they were used last."""

    kept: OrderedDict[tuple[str, int, int], Any] = field(default_factory=OrderedDict)
    starts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    total: int = 0

    def find(self, group: tuple[str, int], row: int) -> tuple[Any, int] | None:
        """Return the block with a row and its first row, None when it is not kept."""
        starts = self.starts.get(group, [])
        place = bisect_right(starts, row) - 1
        block = self.kept.get((*group, starts[place])) if place >= 0 else None
        if block is None or row >= starts[place] + len(block):
            return None
        self.kept.move_to_end((*group, starts[place]))
        return block, starts[place]

    def add(self, group: tuple[str, int], start: int, block: Any, most: int) -> None:
        starts = self.starts.setdefault(group, [])
        if start not in starts[-1:] and (not starts or start > starts[-1]):
            starts.append(start)
        if (*group, start) not in self.kept:
            self.kept[*group, start] = block
            self.total += block.nbytes
        while self.total > most and len(self.kept) > 1:
            self.total -= self.kept.popitem(last=False)[1].nbytes


class PictureTables:
    """Pictures inside Parquet files below a folder; a `path` is the file's name, a slash and the row.

    Parameters
    ----------
    root : folder that the names of the files are relative to.
    columns : file -> column that holds the pictures.
    known : what is known of files that were opened already.
    """

    def __init__(
        self, root: Path, columns: Mapping[str, str], known: Mapping[str, TableFacts] | None = None
    ) -> None:
        self._root, self._columns = root, dict(columns)
        self._known = dict(known or {})
        self._blocks = _Blocks()
        self._streams: OrderedDict[tuple[str, int], _Stream] = OrderedDict()
        self._finding, self._loading = threading.Lock(), threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._root, self._columns, self._known)

    @property
    def place(self) -> str:
        return str(self._root / next(iter(self._columns)) if len(self._columns) == 1 else self._root)

    def read(self, path: str) -> bytes:
        file, row = self._split(path)
        block, place = self._block(file, row)
        column = block.column(0)
        if not hasattr(column, "field"):
            data, path = _bytes(column[place]), ""
        else:
            data = _bytes(column.field("bytes")[place]) if column[place].is_valid else None
            path = "" if data is not None else _path_in(column, place)
        return data if data is not None else read_file(self._beside(file, path))

    def key(self, path: str) -> str:
        try:
            file, row = self._split(path)
            facts = self._facts(file)
            part = f"{self._columns[file]}\0{row}{self._stamp_beside(file, row, facts)}"
        except DataError:
            return ""
        return file_key(self._file(file), facts.stamp.size, facts.stamp.mtime_ns, part)

    def file(self, path: str) -> str | None:
        return None

    def document(self) -> dict[str, Any]:
        return {"kind": "parquet", "root": os.path.abspath(self._root), "columns": self._columns}  # noqa: PTH100

    def _split(self, path: str) -> tuple[str, int]:
        file, rest = split_path(path, self._columns)
        number = rest.partition("/")[0]
        if not (number.isascii() and number.isdigit()):
            raise DataError(f"{path!r} names no row of {file}")
        return file, int(number)

    def _file(self, file: str) -> str:
        return locate(os.fspath(self._root), file)

    def _facts(self, file: str) -> TableFacts:
        facts = self._known.get(file)
        if facts is None:
            with clock_stopped(), self._loading:
                facts = self._known.get(file) or table_facts(self._file(file), file, self._columns[file])
                self._known[file] = facts
        return facts

    def _block(self, file: str, row: int) -> tuple[Any, int]:
        """Return the block with a row of a file, and the row's place in it."""
        facts = self._facts(file)
        if row >= facts.starts[-1]:
            raise DataError(f"{file} has {facts.starts[-1]:,} rows, none with the number {row:,}")
        number = bisect_right(facts.starts, row) - 1
        group = (file, number)
        with self._finding:
            found = self._blocks.find(group, row)
        if found is None:
            with clock_stopped(), self._loading:
                with self._finding:
                    found = self._blocks.find(group, row)
                found = found or self._load(group, row, facts)
        return found[0], row - found[1]

    def _load(self, group: tuple[str, int], row: int, facts: TableFacts) -> tuple[Any, int]:
        """Read on in a row group up to the block with a row."""
        import pyarrow as pa

        stream = self._streams.pop(group, None)
        try:
            if stream is None or stream.row > row:
                stream = self._start(group, facts)
            while True:
                block, first = next(stream.blocks), stream.row
                stream.row += len(block)
                with self._finding:
                    self._blocks.add(group, first, block, KEPT_BYTES)
                if row < stream.row:
                    break
        except MemoryError:
            raise DataError(f"a block of pictures of {group[0]} does not fit into memory") from None
        except (pa.ArrowException, OSError, StopIteration, ValueError, KeyError, IndexError) as error:
            raise DataError(f"{group[0]} cannot be read there: {first_line(error)}") from None
        self._streams[group] = stream
        while len(self._streams) > OPEN_STREAMS:
            self._streams.popitem(last=False)[1].close()
        return block, first

    def _start(self, group: tuple[str, int], facts: TableFacts) -> _Stream:
        from pyarrow import parquet

        file, number = group
        opened = open(self._file(file), "rb")  # noqa: PTH123, SIM115 - stays open with the stream
        if Stamp.of(os.fstat(opened.fileno())) != facts.stamp:
            opened.close()
            raise DataError(f"{file} has changed since it was listed")
        rows = facts.starts[number + 1] - facts.starts[number]
        size = max(1, min(BLOCK_ROWS, rows * BLOCK_BYTES // max(1, facts.sizes[number])))
        table = parquet.ParquetFile(opened, buffer_size=READ_BYTES, pre_buffer=False)
        blocks = table.iter_batches(
            size, row_groups=[number], columns=[self._columns[file]], use_threads=False
        )
        return _Stream(blocks, facts.starts[number], opened)

    def _beside(self, file: str, path: str) -> str:
        return find_beside(self._root, (posixpath.dirname(file), ""), path)

    def _stamp_beside(self, file: str, row: int, facts: TableFacts) -> str:
        """Return what tells a change of the file in which a row's picture may lie, "" for pictures inside."""
        path = "" if facts.elsewhere is None else _text(facts.elsewhere[row])
        try:
            return stamp_text(self._beside(file, path)) if path else ""
        except DataError:
            return ""


def _bytes(value: Any) -> bytes | None:
    if not value.is_valid:
        return None
    buffer = value.as_buffer()
    if buffer.size > MAX_FILE_BYTES:
        raise DataError(
            f"it has {buffer.size:,} bytes, more than the limit of {MAX_FILE_BYTES:,} for one picture"
        )
    return buffer.to_pybytes()  # type: ignore[no-any-return]


def _text(value: Any) -> str:
    """Return a text that need not be valid, as `encode_name` gives it."""
    return (
        encode_name(value.as_buffer().to_pybytes().decode("utf-8", "surrogateescape"))
        if value.is_valid
        else ""
    )


def _path_in(column: Any, place: int) -> str:
    if not column[place].is_valid or column.type.get_field_index("path") < 0:
        return ""
    return _text(column.field("path")[place])


def open_picture_tables(document: Mapping[str, Any]) -> PictureTables:
    """Return the contents that `PictureTables.document` describes."""
    return PictureTables(Path(document["root"]), document["columns"])
