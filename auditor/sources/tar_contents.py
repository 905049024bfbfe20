"""Pictures inside tars, read from their place: what a dataset of tars, or an audit of one, reads with."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.contents import file_key
from auditor.errors import DataError
from auditor.files import MAX_FILE_BYTES
from auditor.sources.containers import split_path
from auditor.sources.names import locate
from auditor.sources.tar_index import OpenFiles, Places, read_at
from auditor.sources.tar_samples import index_pictures


class Tars:
    """Pictures inside tars below a folder; a `path` is the tar's name, a slash and the member's.

    Parameters
    ----------
    root : folder that the tars' names are relative to.
    tars : their names.
    known : where pictures lie, of tars that were listed already; others are listed when first read.
    """

    def __init__(self, root: Path, tars: Sequence[str], known: Mapping[str, Places] | None = None) -> None:
        self._root = root
        self._places: dict[str, Places] = dict(known or {})
        self._locks = {tar: threading.Lock() for tar in tars}
        self._files = OpenFiles()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._root, tuple(self._locks), self._places)

    @property
    def place(self) -> str:
        return str(self._root / next(iter(self._locks)) if len(self._locks) == 1 else self._root)

    def read(self, path: str) -> bytes:
        tar, name = split_path(path, self._locks)
        places = self._listed(tar)
        found = places.find(name)
        if found is None:
            raise DataError(f"{tar} holds no picture {name!r}")
        offset, size = found
        if size > MAX_FILE_BYTES:
            raise DataError(
                f"it has {size:,} bytes, more than the limit of {MAX_FILE_BYTES:,} for one picture"
            )
        if offset + size > places.stamp.size:
            raise DataError(f"{tar} ends in the middle of it")
        try:
            with self._files.opened(self._file(tar)) as (fd, stamp):
                data = read_at(fd, offset, size) if stamp == places.stamp else b""
        except OSError as error:
            raise DataError(_unreadable(tar, error)) from None
        if len(data) != size:
            raise DataError(f"{tar} has changed since it was listed")
        return data

    def key(self, path: str) -> str:
        try:
            tar, name = split_path(path, self._locks)
            stamp = self._listed(tar).stamp
        except DataError:
            return ""
        return file_key(self._file(tar), stamp.size, stamp.mtime_ns, name)

    def file(self, path: str) -> str | None:
        return None

    def document(self) -> dict[str, Any]:
        return {"kind": "tars", "root": os.path.abspath(self._root), "tars": list(self._locks)}  # noqa: PTH100

    def _file(self, tar: str) -> str:
        return locate(os.fspath(self._root), tar)

    def _listed(self, tar: str) -> Places:
        """Return where the pictures of one tar lie, listing it when that has not been done."""
        with self._locks[tar]:
            if tar not in self._places:
                file = self._file(tar)
                try:
                    self._places[tar] = index_pictures(file)[0]
                except DataError as error:
                    gone = not os.path.exists(file)  # noqa: PTH110 - the name need not be UTF-8
                    raise DataError(f"{tar}, which holds it, {'does not exist' if gone else error}") from None
            return self._places[tar]


def _unreadable(tar: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{tar}, which holds it, does not exist"
    return f"{tar}, which holds it, cannot be read ({error.strerror or error})"


def open_tars(document: Mapping[str, Any]) -> Tars:
    """Return the contents that `Tars.document` describes."""
    return Tars(Path(document["root"]), tuple(document["tars"]))
