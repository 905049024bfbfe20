"""Rows on disk, found again by key: immutable shards that many writers add and nobody changes.

    folder/ key.json                 what the rows are, for people
            <name>.rows              numpy's .npy format, (rows, ...) of one dtype
            <name>.keys              one JSON line {rows, rows_crc, keys_crc}, then one key a line
            .<name>.<pid>.tmp        a writer at work, or what a killed one left: nobody reads it

A shard counts once its `.keys` stand, and those are renamed last. Readers take the union of all shards;
a damaged one is passed over with a warning and taken away. What killed writers left, a later one takes away.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from auditor.arrays import check_types
from auditor.writing import LEFT_SECONDS, is_temporary, save_array, why, write_durably

KEYS_SUFFIX = ".keys"
ROWS_SUFFIX = ".rows"
ABOUT_NAME = "key.json"

_SHARD_NAME = re.compile(r"[0-9a-f]{32}\.(keys|rows)")

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
    dtype : of the rows; those of another one are damaged.
    """

    def __init__(self, folder: Path, about: str, warn: Warn, dtype: DTypeLike = np.float32) -> None:
        self.folder = folder
        self._about = about
        self._warn = warn
        self._dtype = np.dtype(dtype)
        self._shards: list[Shard] = []
        self._seen: set[str] = set()
        self._row_of: dict[str, int] = {}
        self._verified: set[Path] = set()
        self._damaged: list[Path] = []
        self._tidied = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            self._refresh()
            return len(self._row_of)

    def find(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], Rows | None]:
        """Return which keys are known (n,), and their rows (n, ...): zero where unknown, None for none."""
        with self._lock:
            self._refresh()
            found = self._find(keys)
            self._remove_damaged()
        return found

    def _find(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], Rows | None]:
        while True:
            places = np.fromiter((self._row_of.get(key, -1) for key in keys), np.int64, len(keys))
            try:
                return places >= 0, self._gather(places)
            except ShardError:
                continue  # That shard is out of the index now, and its rows count as unknown.

    def has(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Return which keys (n,) are known, without reading rows: one that is damaged shows in `find`."""
        with self._lock:
            self._refresh()
            return np.fromiter((key in self._row_of for key in keys), np.bool_, len(keys))

    def add(self, keys: Sequence[str], rows: Rows) -> None:
        """Write one shard; durable and visible to everyone when this returns.

        Raises
        ------
        OSError
            If the disk takes not all of it; nothing of the shard is left then.
        """
        if not len(keys):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        about = self.folder / ABOUT_NAME
        if not about.exists():
            write_durably(about, (json.dumps({"key": self._about}, indent=1) + "\n").encode())
        path = self.folder / (uuid.uuid4().hex + KEYS_SUFFIX)
        rows = np.ascontiguousarray(rows, dtype=self._dtype)
        text = "\n".join(keys).encode()
        head = {"rows": len(keys), "rows_crc": _checksum(rows), "keys_crc": zlib.crc32(text)}
        try:
            write_durably(path.with_suffix(ROWS_SUFFIX), lambda file: save_array(file, rows))
            write_durably(path, json.dumps(head).encode() + b"\n" + text)
        except BaseException:
            path.with_suffix(ROWS_SUFFIX).unlink(missing_ok=True)
            raise
        self._remove_left()

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
            except FileNotFoundError:
                continue  # Another process took it away meanwhile.
            except OSError as error:
                self._warn(f"{name} cannot be read and is passed over: {why(error)}.")

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
            if rows.shape[1:] != out.shape[1:]:
                raise self._drop(shard, f"its rows are {rows.shape[1:]}, not {out.shape[1:]}")
            target = wanted[part]
            out[target] = rows[places[target] - shard.first]
        return out

    def _rows(self, shard: Shard) -> Rows:
        """Return one shard's rows; their checksum is verified once."""
        path = shard.rows_path
        try:
            # Mapped for this one pass only: a mapping holds a file open, and shards may be thousands.
            rows = _read_rows(path)
        except FileNotFoundError:
            raise self._drop(shard, "its rows are gone") from None
        except OSError as error:
            # The disk, not the shard: the next run may find it sound, so it stays.
            raise self._drop(shard, f"it cannot be read ({why(error)})", damaged=False) from None
        except ShardError as error:
            raise self._drop(shard, str(error)) from None
        if rows.dtype != self._dtype:
            raise self._drop(shard, f"its rows are {rows.dtype}, not {self._dtype}")
        if len(rows) != len(shard.keys):
            raise self._drop(shard, f"{len(shard.keys)} keys do not match its rows")
        if path not in self._verified and _checksum(rows) != shard.rows_crc:
            raise self._drop(shard, "its checksum does not match")
        self._verified.add(path)
        return rows

    def _drop(self, shard: Shard, reason: str, damaged: bool = True) -> ShardError:
        """Take a shard that cannot be used out of the index."""
        self._shards = [s for s in self._shards if s is not shard]
        self._row_of = {}
        for kept in self._shards:
            for row, key in enumerate(kept.keys, start=kept.first):
                self._row_of.setdefault(key, row)
        error = ShardError(reason)
        if damaged:
            self._pass_over(shard.path, error)
        else:
            self._warn(f"{shard.path.name} is passed over, its rows are made again: {reason}.")
        return error

    def _pass_over(self, path: Path, error: ShardError) -> None:
        self._damaged.append(path)
        self._warn(f"{path.name} is damaged and passed over, its rows are made again: {error}.")

    def _remove_damaged(self) -> None:
        while self._damaged:
            path = self._damaged.pop()
            with suppress(OSError):  # A store that is only read keeps it.
                path.unlink(missing_ok=True)
                path.with_suffix(ROWS_SUFFIX).unlink(missing_ok=True)

    def _remove_left(self) -> None:
        """Remove what killed writers left: temporary files, and rows whose keys were never written."""
        if self._tidied:
            return
        self._tidied = True
        names = {path.name for path in self.folder.iterdir()}
        for path in map(self.folder.joinpath, names):
            alone = path.suffix == ROWS_SUFFIX and path.with_suffix(KEYS_SUFFIX).name not in names
            if is_temporary(path) or (alone and _SHARD_NAME.fullmatch(path.name)):
                with suppress(OSError):  # Another process is as fast.
                    if time.time() - path.stat().st_mtime > LEFT_SECONDS:
                        path.unlink()


def _is_keys(name: str) -> bool:
    return name.endswith(KEYS_SUFFIX) and _SHARD_NAME.fullmatch(name) is not None


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


def _read_rows(path: Path) -> Rows:
    """Return a shard's rows as they are on the disk, mapped where they are many."""
    big = path.stat().st_size > MAPPED_BYTES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a damaged header, which the checksums tell
            with path.open("rb") as opened:
                check_types(opened)
            rows = np.load(path, mmap_mode="r" if big else None, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # On a damaged header numpy's parser raises nearly every type.
        raise ShardError(f"its rows are no array ({type(error).__name__})") from None
    if not isinstance(rows, np.ndarray) or rows.ndim == 0:
        raise ShardError("its rows are no array")
    return rows


def _checksum(rows: Rows) -> int:
    return zlib.crc32(rows.reshape(-1).view(np.uint8).data)
