"""Rows on disk, found again by key: immutable shards that many writers add and nobody changes.

    folder/ key.json                 what the rows are, for people
            <name>.rows              numpy's .npy format, (rows, ...) of one dtype
            <name>.keys              one JSON line {rows, rows_crc, keys_crc}, then one key a line
            .<name>.<pid>.tmp        a writer at work, or what a killed one left: nobody reads it

A shard counts once its `.keys` stand, and those are renamed last. Readers take the union of all shards;
a damaged one is passed over with a warning, and the next writer takes it away.
"""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

KEYS_SUFFIX = ".keys"
ROWS_SUFFIX = ".rows"
TEMPORARY_SUFFIX = ".tmp"
ABOUT_NAME = "key.json"

_SHARD_NAME = re.compile(r"[0-9a-f]{32}\.(keys|rows)")
_TEMPORARY_NAME = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")

MAPPED_BYTES = 1 << 22
"""Shards above 4 MB are mapped into memory, smaller ones read: a mapping costs more than the read."""

Rows = NDArray[Any]
Warn = Callable[[str], None]


class ShardError(Exception):
    """A shard does not hold what its writer wrote."""


@dataclass(frozen=True)
class Shard:
    """One pair of files; row i of the shard has the number `first + i` among all rows of the folder."""

    path: Path
    keys: tuple[str, ...]
    rows_crc: int
    first: int = 0

    @property
    def rows_path(self) -> Path:
        """Where the rows lie, beside the keys."""
        return self.path.with_suffix(ROWS_SUFFIX)


class ShardFolder:
    """All shards of one kind of row.

    Parameters
    ----------
    folder : made by the first `add`.
    about : what the rows are; written beside them for people.
    warn : called with one sentence for every shard that is passed over.
    """

    def __init__(self, folder: Path, about: str, warn: Warn) -> None:
        self.folder = folder
        self._about = about
        self._warn = warn
        self._shards: list[Shard] = []
        self._seen: set[str] = set()
        self._row_of: dict[str, int] = {}
        self._mapped: dict[Path, Rows] = {}
        self._verified: set[Path] = set()
        self._damaged: list[Path] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            self._refresh()
            return len(self._row_of)

    def find(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], Rows | None]:
        """Return which keys are known (n,), and their rows (n, ...): zero where unknown, None for none."""
        with self._lock:
            self._refresh()
            while True:
                places = np.fromiter((self._row_of.get(key, -1) for key in keys), np.int64, len(keys))
                try:
                    return places >= 0, self._gather(places)
                except ShardError:
                    continue  # That shard is out of the index now, and its rows count as unknown.

    def add(self, keys: Sequence[str], rows: Rows) -> None:
        """Write one shard; durable and visible to everyone when this returns."""
        if not len(keys):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        about = self.folder / ABOUT_NAME
        if not about.exists():
            write_durably(about, (json.dumps({"key": self._about}, indent=1) + "\n").encode())
        path = self.folder / (uuid.uuid4().hex + KEYS_SUFFIX)
        rows = np.ascontiguousarray(rows)
        write_durably(path.with_suffix(ROWS_SUFFIX), lambda file: np.save(file, rows, allow_pickle=False))
        text = "\n".join(keys).encode()
        head = {"rows": len(keys), "rows_crc": _checksum(rows), "keys_crc": zlib.crc32(text)}
        write_durably(path, json.dumps(head).encode() + b"\n" + text)
        self._remove_damaged()

    def files(self) -> Iterator[Path]:
        """Yield every file here that a `ShardFolder` wrote, keys before rows; nothing else."""
        paths = sorted(p for p in self.folder.iterdir() if p.is_file()) if self.folder.is_dir() else []
        shards = [p for p in paths if _SHARD_NAME.fullmatch(p.name)]
        yield from sorted(shards, key=lambda p: p.suffix != KEYS_SUFFIX)
        yield from (p for p in paths if p.name == ABOUT_NAME or is_temporary(p))

    def _refresh(self) -> None:
        """Index the shards that came since the last look, in order of their names."""
        if not self.folder.is_dir():
            return
        names = sorted(e.name for e in os.scandir(self.folder) if _is_keys(e.name))
        for name in (n for n in names if n not in self._seen):
            self._seen.add(name)
            try:
                self._index(_read_keys(self.folder / name))
            except ShardError as error:
                self._pass_over(self.folder / name, error)
            except OSError as error:
                self._warn(f"{name} cannot be read and is passed over: {error.strerror}.")

    def _index(self, shard: Shard) -> None:
        first = self._shards[-1].first + len(self._shards[-1].keys) if self._shards else 0
        self._shards.append(Shard(shard.path, shard.keys, shard.rows_crc, first))
        for row, key in enumerate(shard.keys, start=first):
            self._row_of.setdefault(key, row)

    def _gather(self, places: NDArray[np.int64]) -> Rows | None:
        """Return the rows with these numbers (n, ...), zero for -1; one pass per shard that is needed."""
        wanted = np.flatnonzero(places >= 0)
        if not len(wanted):
            return None
        firsts = np.array([shard.first for shard in self._shards])
        owner = np.searchsorted(firsts, places[wanted], side="right") - 1
        order = np.argsort(owner, kind="stable")
        out: Rows | None = None
        for part in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
            shard = self._shards[owner[part[0]]]
            rows = self._rows(shard)
            if out is None:
                out = np.zeros((len(places), *rows.shape[1:]), dtype=rows.dtype)
            if rows.shape[1:] != out.shape[1:] or rows.dtype != out.dtype:
                raise self._drop(
                    shard, f"its rows are {rows.dtype} {rows.shape[1:]}, not {out.dtype} {out.shape[1:]}"
                )
            target = wanted[part]
            out[target] = rows[places[target] - shard.first]
        return out

    def _rows(self, shard: Shard) -> Rows:
        """Return one shard's rows; their checksum is verified once."""
        path = shard.rows_path
        if path in self._mapped:
            return self._mapped[path]
        try:
            big = path.stat().st_size > MAPPED_BYTES
            rows = np.load(path, mmap_mode="r" if big else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._drop(shard, str(error)) from None
        if not isinstance(rows, np.ndarray) or len(rows) != len(shard.keys):
            raise self._drop(shard, f"{len(shard.keys)} keys do not match its rows")
        if path not in self._verified and _checksum(rows) != shard.rows_crc:
            raise self._drop(shard, "its checksum does not match")
        self._verified.add(path)
        if big:
            self._mapped[path] = rows
        return rows

    def _drop(self, shard: Shard, reason: str) -> ShardError:
        """Take a damaged shard out of the index."""
        self._shards = [s for s in self._shards if s is not shard]
        self._row_of = {}
        for kept in self._shards:
            for row, key in enumerate(kept.keys, start=kept.first):
                self._row_of.setdefault(key, row)
        error = ShardError(reason)
        self._pass_over(shard.path, error)
        return error

    def _pass_over(self, path: Path, error: ShardError) -> None:
        self._damaged.append(path)
        self._warn(f"{path.name} is damaged and passed over, its rows are made again: {error}.")

    def _remove_damaged(self) -> None:
        with self._lock:
            while self._damaged:
                path = self._damaged.pop()
                path.unlink(missing_ok=True)
                path.with_suffix(ROWS_SUFFIX).unlink(missing_ok=True)


def write_durably(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that its name appears only when the whole content is on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Say whether `write_durably` gave a file its name and did not finish."""
    return _TEMPORARY_NAME.fullmatch(path.name) is not None


def _is_keys(name: str) -> bool:
    return name.endswith(KEYS_SUFFIX) and _SHARD_NAME.fullmatch(name) is not None


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Elsewhere a folder cannot be opened, and a rename is durable by itself.
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_keys(path: Path) -> Shard:
    head, _, text = path.read_bytes().partition(b"\n")
    try:
        told = json.loads(head)
        rows, rows_crc, keys_crc = int(told["rows"]), int(told["rows_crc"]), int(told["keys_crc"])
    except (ValueError, KeyError, TypeError):
        raise ShardError("its first line is not what a writer writes") from None
    keys = tuple(text.decode(errors="replace").split("\n"))
    if zlib.crc32(text) != keys_crc or len(keys) != rows:
        raise ShardError("the checksum of its keys does not match")
    return Shard(path, keys, rows_crc)


def _checksum(rows: Rows) -> int:
    return zlib.crc32(rows.reshape(len(rows), -1).view(np.uint8).data)
