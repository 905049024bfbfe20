"""What a Parquet file's footer says of its row groups, read without pyarrow's objects for it.

last 8 bytes --length--> footer --Thrift's compact protocol--> Group: rows, Chunk ..

pyarrow ends the whole process on some footers: of a chunk whose statistics contradict its schema, or that is
encrypted (`RowGroupMetaData.column` lets a C++ exception through). The fields read here are those of the
format's parquet.thrift, https://github.com/apache/parquet-format.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
_DEPTH = 32
"""Deeper than any footer goes."""
_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 3, 7, 8, 9, 10, 11, 12, 13
_INTEGERS = frozenset({4, 5, 6})
_BOOLS = frozenset({1, 2})


@dataclass(frozen=True)
class Chunk:
    """A column's values in one row group.

    path : names from the top of the schema, joined by dots.
    unpacked_bytes : what they take without compression.
    nulls : how many are missing, None when it is not said.
    """

    path: str
    unpacked_bytes: int
    nulls: int | None


@dataclass(frozen=True)
class Group:
    """A row group."""

    rows: int
    chunks: tuple[Chunk, ...]

    def below(self, column: str) -> list[Chunk]:
        """Return the chunks of a column of the table, of which a struct has several."""
        return [c for c in self.chunks if c.path == column or c.path.startswith(f"{column}.")]


def read_groups(opened: BinaryIO) -> list[Group]:
    """Return the row groups of an open Parquet file.

    Raises
    ------
    ValueError
        If there is no footer, or it says what no footer says.
    """
    size = opened.seek(0, os.SEEK_END)
    opened.seek(max(0, size - _TAIL.size))
    tail = opened.read(_TAIL.size)
    length, magic = _TAIL.unpack(tail) if len(tail) == _TAIL.size else (0, b"")
    if magic != MAGIC or length > size - _TAIL.size:
        raise ValueError("it has no Parquet footer at its end")
    opened.seek(size - _TAIL.size - length)
    try:
        return [_group(told) for told in _Compact(opened.read(length)).struct()[4]]
    except (KeyError, IndexError, TypeError, AttributeError, struct.error):
        raise ValueError("its Parquet footer is damaged") from None


def _group(told: dict[int, Any]) -> Group:
    chunks = []
    for column in told[1]:
        about = column.get(3)
        if about is None:
            raise ValueError("its columns are encrypted")
        path = ".".join(name.decode("utf-8", "replace") for name in about[3])
        nulls = about.get(12, {}).get(3)
        chunks.append(Chunk(path, _count(about[6]), None if nulls is None else _count(nulls)))
    return Group(_count(told[3]), tuple(chunks))


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("its Parquet footer is damaged")
    return value


class _Compact:
    """Reads Thrift's compact protocol: a struct becomes {number of the field: value}."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _DEPTH:
            raise ValueError("its Parquet footer is damaged")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            fields[number] = kind == 1 if kind in _BOOLS else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind == _BYTE or kind in _BOOLS:  # in lists, bools are bytes
            return self._byte()
        if kind == _DOUBLE:
            return struct.unpack("<d", self._bytes(8))[0]
        if kind == _UUID:
            return self._bytes(16)
        if kind == _MAP:
            return self._map(depth + 1)
        raise ValueError("its Parquet footer is damaged")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        self._check(count, depth)
        return [self._value(head & 15, depth) for _ in range(count)]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._varint()
        self._check(count, depth)
        kinds = self._byte() if count else 0
        return [(self._value(kinds >> 4, depth), self._value(kinds & 15, depth)) for _ in range(count)]

    def _check(self, count: int, depth: int) -> None:
        """Hold a number of elements, each of a byte or more, against what is left."""
        if count > len(self._data) - self._at or depth > _DEPTH:
            raise ValueError("its Parquet footer is damaged")

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("its Parquet footer is damaged")
        found, self._at = self._data[self._at : end], end
        return found

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("its Parquet footer is damaged")

    def _integer(self) -> int:
        """Return a zigzag varint, which holds what is signed."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
