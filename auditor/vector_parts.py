"""Facts and vectors of whole shards of a dataset, found again by key and digest: the parts of a store.

    folder/ <shard>.parquet, <shard>.done        see `auditor.part_files`

A part counts once its marker stands, and that is renamed last; one whose bytes are not those that the
marker names is passed over with a warning. A shard is named by its content (`auditor.sharding`), so whoever
makes the same shard twice writes the same part twice.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats
from auditor.images import FileFacts
from auditor.networks import available_cores
from auditor.part_files import (
    DONE_SUFFIX,
    PART_SUFFIX,
    Part,
    PartError,
    PartRows,
    Places,
    read_facts,
    read_marker,
    read_part,
    read_vectors,
    write_part,
)
from auditor.writing import LEFT_SECONDS, is_temporary, why

_FOLDER_NAME = re.compile(r"[0-9a-f]{64}")
_PART_NAME = re.compile(r"[0-9a-f]{64}\.(parquet|done)")

Read = Callable[[Path, Places], NDArray[Any]]
"""Reads some rows of one part."""
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Indexed:
    """A part whose row i has the number `first + i` among all rows of the folder."""

    part: Part
    first: int


class Parts:
    """The parts of all backbones, a folder each, named by the sha256 of the backbone's key.

    Parameters
    ----------
    folder : made by the first part.
    facts : definition of the facts (`auditor.store`); those of another one are not found.
    warn : called with one sentence for every part that is passed over.
    """

    def __init__(self, folder: Path, facts: str, warn: Warn) -> None:
        self.folder = folder
        self._facts, self._warn = facts, warn
        self._folders: dict[Path, PartFolder] = {}

    def of(self, backbone_key: str) -> PartFolder:
        """Return the parts of one backbone; what others add to them is found at once."""
        return self._in(self.folder / hashlib.sha256(backbone_key.encode()).hexdigest())

    def find_facts(self, keys: Sequence[str]) -> dict[str, FileFacts]:
        """Return the facts by key, whatever the backbone; unknown keys are left out."""
        known: dict[str, FileFacts] = {}
        for part_folder in self._all():
            known.update(part_folder.find_facts([key for key in keys if key not in known]))
        return known

    def count(self) -> int:
        """Return the rows that the markers name, without reading the parts."""
        return sum(part_folder.count() for part_folder in self._all())

    def files(self) -> Iterator[Path]:
        """Yield every file of a part, markers before parts; nothing else."""
        for part_folder in self._all():
            yield from part_folder.files()

    def _all(self) -> list[PartFolder]:
        paths = sorted(self.folder.glob("*"))
        return [self._in(p) for p in paths if _FOLDER_NAME.fullmatch(p.name) and p.is_dir()]

    def _in(self, folder: Path) -> PartFolder:
        return self._folders.setdefault(folder, PartFolder(folder, self._facts, self._warn))


class PartFolder:
    """All parts of one backbone; see `Parts`."""

    def __init__(self, folder: Path, facts: str, warn: Warn) -> None:
        self.folder = folder
        self._facts, self._warn = facts, warn
        self._parts: list[Indexed] = []
        self._seen: set[str] = set()
        self._row_of_key: dict[str, int] = {}
        self._row_of_digest: dict[str, int] = {}
        self._damaged: list[Path] = []
        self._lock = threading.Lock()

    def find_facts(self, keys: Sequence[str]) -> dict[str, FileFacts]:
        """Return the facts by key; unknown keys are left out."""
        found = self._find(self._row_of_key, keys, read_facts)[1]
        return {} if found is None else {k: facts for k, facts in zip(keys, found, strict=True) if facts}

    def has_vectors(self, digests: Sequence[str]) -> Bools:
        """Return which digests (n,) have a vector."""
        with self._lock:
            self._refresh()
            return np.fromiter((digest in self._row_of_digest for digest in digests), np.bool_, len(digests))

    def find_vectors(self, digests: Sequence[str]) -> tuple[Bools, Floats | None]:
        """Return which digests are known (n,) and their vectors (n, d): zero where unknown, None for none."""
        return self._find(self._row_of_digest, digests, read_vectors)

    def outcome(self, shard: str) -> Mapping[str, Any] | None:
        """Return what was told of a shard when its part was written, None when there is no whole one."""
        marker = self.folder / (shard + DONE_SUFFIX)
        try:
            read_part(marker)
            return dict(read_marker(marker)["outcome"])
        except (PartError, OSError):
            return None

    def add(self, shard: str, rows: PartRows, outcome: Mapping[str, Any]) -> None:
        """Write the part of one shard; durable and visible to everyone when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_part(self.folder, shard, rows, outcome)

    def tidy(self) -> None:
        """Take away the parts that were passed over, and what killed writers left long ago.

        One that another run has made again meanwhile is whole, and stays.
        """
        with self._lock:
            self._refresh()
            while self._damaged:
                path = self._damaged.pop()
                self._seen.discard(path.name)
                with suppress(PartError, OSError):
                    read_part(path)
                    continue
                path.unlink(missing_ok=True)
                path.with_suffix(PART_SUFFIX).unlink(missing_ok=True)
        for path in self.folder.glob(".*"):
            if is_temporary(path):
                with suppress(OSError):  # Another process is as fast.
                    if time.time() - path.stat().st_mtime > LEFT_SECONDS:
                        path.unlink()

    def count(self) -> int:
        """Return the rows that the markers name, without reading the parts."""
        markers = sorted(self.folder.glob("*" + DONE_SUFFIX)) if self.folder.is_dir() else []
        total = 0
        for marker in (m for m in markers if _PART_NAME.fullmatch(m.name)):
            try:
                total += int(read_marker(marker)["rows"])
            except (PartError, OSError):
                continue  # told when somebody reads it
        return total

    def files(self) -> Iterator[Path]:
        """Yield every file here that a `PartFolder` wrote, markers before parts; nothing else."""
        paths = sorted(p for p in self.folder.iterdir() if p.is_file()) if self.folder.is_dir() else []
        parts = [p for p in paths if _PART_NAME.fullmatch(p.name)]
        yield from sorted(parts, key=lambda p: p.suffix != DONE_SUFFIX)
        yield from (p for p in paths if is_temporary(p))

    def _refresh(self) -> None:
        """Index the parts that came since the last look, in order of their names."""
        if not self.folder.is_dir():
            return
        names = {p.name for p in self.folder.glob("*" + DONE_SUFFIX) if _PART_NAME.fullmatch(p.name)}
        new = sorted(names - self._seen)
        self._seen |= names
        if not new:
            return
        with ThreadPoolExecutor(available_cores()) as pool:
            for name, part in zip(new, pool.map(self._try, new), strict=True):
                if isinstance(part, Part):
                    self._index(part)
                else:
                    self._pass_over(self.folder / name, part)

    def _try(self, name: str) -> Part | Exception:
        try:
            return read_part(self.folder / name)
        except (PartError, OSError) as error:
            return error

    def _index(self, part: Part) -> None:
        first = self._parts[-1].first + len(self._parts[-1].part.digests) if self._parts else 0
        self._parts.append(Indexed(part, first))
        keys = part.keys if part.facts_version == self._facts else ()
        for names, row_of in ((keys, self._row_of_key), (part.digests, self._row_of_digest)):
            for row, name in enumerate(names, start=first):
                if name:
                    row_of.setdefault(name, row)

    def _pass_over(self, path: Path, error: Exception) -> None:
        if isinstance(error, OSError):
            self._warn(f"{path.name} cannot be read and is passed over: {why(error)}.")
            return
        self._damaged.append(path)
        self._warn(f"{path.name} is damaged and passed over, its rows are made again: {error}.")

    def _find(self, row_of: dict[str, int], names: Sequence[str], read: Read) -> tuple[Bools, Any]:
        """Return which names are known (n,) and what `read` gives of their rows, None when there is none."""
        with self._lock:
            self._refresh()
            while True:
                places = np.fromiter((row_of.get(name, -1) for name in names), np.int64, len(names))
                try:
                    return places >= 0, self._gather(places, read)
                except PartError:
                    continue  # That part is out of the index now, and its rows count as unknown.

    def _gather(self, places: Places, read: Read) -> Any:
        """Return the rows with these numbers (n, ...), zero or None for -1; one pass per part needed."""
        wanted = np.flatnonzero(places >= 0)
        if not len(wanted):
            return None
        firsts = np.array([part.first for part in self._parts])
        owner = np.searchsorted(firsts, places[wanted], side="right") - 1
        order = np.argsort(owner, kind="stable")
        out: NDArray[Any] | None = None
        for group in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
            indexed = self._parts[owner[group[0]]]
            try:
                rows = read(indexed.part.path, places[wanted[group]] - indexed.first)
            except (OSError, ValueError, KeyError) as error:
                raise self._drop(indexed, error) from None
            if out is None:
                out = np.zeros((len(places), *rows.shape[1:]), dtype=rows.dtype)
            if rows.shape[1:] != out.shape[1:]:
                raise self._drop(indexed, PartError(f"its rows are {rows.shape[1:]}, not {out.shape[1:]}"))
            out[wanted[group]] = rows
        return out

    def _drop(self, dropped: Indexed, error: Exception) -> PartError:
        """Take a part out of the index that cannot be read any more, or has changed since it was first."""
        kept = [indexed.part for indexed in self._parts if indexed is not dropped]
        self._parts = []
        self._row_of_key.clear()
        self._row_of_digest.clear()
        for part in kept:
            self._index(part)
        self._pass_over(dropped.part.path.with_suffix(DONE_SUFFIX), error)
        return PartError(str(error))
