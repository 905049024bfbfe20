"""Where the bytes of a dataset's pictures are: files below a folder, or what another source's reader brings.

Dataset.contents --read(path)--> bytes
                 --key(path)---> key of the stored facts, told without reading
                 --file(path)--> a local file's name, where the picture is one
                 --document()--> what source.json of an audit keeps, to read again later
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from auditor.files import read_file
from auditor.sources.names import locate


class Contents(Protocol):
    """Bytes of pictures by the `path` column of a dataset; all of it may be called from many threads."""

    @property
    def place(self) -> str:
        """Where this is, for people: a folder or an address."""

    def read(self, path: str) -> bytes:
        """Return a picture's bytes; DataError with the reason in plain words when there are none."""

    def key(self, path: str) -> str:
        """Return the key under which the facts of what lies there are stored, without reading it.

        It changes whenever the picture may have changed; "" when it cannot be told.
        """

    def file(self, path: str) -> str | None:
        """Return the name that `open` takes where the picture is a whole local file, None elsewhere."""

    def document(self) -> dict[str, Any]:
        """Return what `auditor.sources.reopen` needs to make this again, as JSON says it."""


@runtime_checkable
class Addressed(Protocol):
    """Contents whose pictures have addresses, which a manifest or another tool can name."""

    def address(self, path: str) -> str:
        """Return a picture's address, without anything secret; "" gives what all begin with.

        Raises
        ------
        UsageError
            If it cannot be told without what is secret.
        """


@dataclass(frozen=True)
class Folder:
    """Files below a folder; names need not be UTF-8 (`auditor.sources.names.locate`)."""

    root: Path

    @property
    def place(self) -> str:
        return str(self.root)

    def read(self, path: str) -> bytes:
        return read_file(self.file(path))

    def key(self, path: str) -> str:
        name = self.file(path)
        try:
            facts = os.stat(name)  # noqa: PTH116 - names that are not UTF-8 are bytes, which Path does not take
        except (OSError, ValueError):
            return ""
        return file_key(name, facts.st_size, facts.st_mtime_ns)

    def file(self, path: str) -> str:
        return locate(os.fspath(self.root), path)

    def document(self) -> dict[str, Any]:
        return {"root": os.path.abspath(self.root)}  # noqa: PTH100 - resolve would follow links


def reading_threads(contents: Contents, cores: int) -> int:
    """Return how many threads read: one for each core, at least 2; more where reading waits for a network.

    Such contents say in `threads` how many.
    """
    return max(2, cores, getattr(contents, "threads", 0))


def file_key(path: str | bytes | os.PathLike[str], size: int, mtime_ns: int, part: str = "") -> str:
    """Return the key of a file's facts: they are made again when its place, size or time changes.

    `part` names what is meant inside a file that holds many pictures.
    """
    place = os.path.abspath(os.fsencode(path))  # noqa: PTH100 (names that are not UTF-8)
    inside = b"\0" + part.encode("utf-8", "surrogatepass") if part else b""
    return hashlib.sha256(b"%s\0%d\0%d%s" % (place, size, mtime_ns, inside)).hexdigest()
