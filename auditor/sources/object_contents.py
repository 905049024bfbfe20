"""Pictures that a Python program holds: taken from the dataset one at a time, encoded without loss.

path --> row --> dataset[index], under a lock --> PNG
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.contents import Folder
from auditor.errors import DataError
from auditor.reading import clock_stopped
from auditor.sources.items import Flat

KIND = "objects"
_FILES = Folder(Path("/"))
"""Files of whole names."""


class ObjectPictures:
    """Contents (`auditor.contents.Contents`) that are items of a dataset in this program.

    Parameters
    ----------
    name : of the dataset, for people.
    flat : its items.
    rows : position of each path's item.
    """

    def __init__(self, name: str, flat: Flat, rows: Mapping[str, int]) -> None:
        self.place = f"the Python object {name}"
        self._name, self._flat, self._rows = name, flat, rows
        # Datasets open files, seek in them and cache: few are made for several threads.
        self._turn = threading.Lock()
        self._seen: dict[int, bytes] = {}
        self._told = False

    def read(self, path: str) -> bytes:
        from auditor.sources.pictures import encode_picture

        row = self._rows[path]
        if file := self._flat.file(row):
            return _FILES.read(file)
        with clock_stopped():  # waiting for others is no fault of this picture
            self._turn.acquire()
        try:
            data = encode_picture(self._flat.take(row)[0])
            self._compare(row, data)
        finally:
            self._turn.release()
        return data

    def key(self, path: str) -> str:
        file = self.file(path)
        return _FILES.key(file) if file else ""

    def file(self, path: str) -> str | None:
        return self._flat.file(self._rows[path]) or None

    def document(self) -> dict[str, Any]:
        return {"kind": KIND, "root": self._name}

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectPictures, (self._name, self._flat, self._rows)

    def _compare(self, row: int, data: bytes) -> None:
        """Warn when an item is another picture than the last time."""
        digest = hashlib.sha256(data).digest()[:8]
        if self._seen.setdefault(row, digest) != digest and not self._told:
            self._told = True
            warnings.warn(
                f"{self._name}: item {row:,} is another picture than when it was judged; the dataset has "
                "random transforms, so its pictures on the page are not those that were audited.",
                stacklevel=2,
            )


@dataclass(frozen=True)
class GoneObjects:
    """What is left of `ObjectPictures` when an audit of them is loaded: their name."""

    name: str

    @property
    def place(self) -> str:
        return f"the Python object {self.name}"

    def read(self, path: str) -> bytes:
        raise DataError(f"the picture was an item of the Python object {self.name}, which is gone")

    def key(self, path: str) -> str:
        return ""

    def file(self, path: str) -> None:
        return None

    def document(self) -> dict[str, Any]:
        return {"kind": KIND, "root": self.name}


def open_objects(document: Mapping[str, Any]) -> GoneObjects:
    """Return contents for what `ObjectPictures.document` described; no picture can be read any more."""
    return GoneObjects(str(document["root"]))
