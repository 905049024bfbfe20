"""A file's bytes, or one plain reason why not: nothing that never ends, nothing torn.

name --stat--> a regular file of a sane size? --read--> size and time as before? --> bytes
"""

from __future__ import annotations

import os
import stat

from auditor.errors import DataError

MAX_FILE_BYTES = 1 << 30
"""The largest file that is read as one picture: 1 GiB, several times what `decoding.MAX_PIXELS` take."""

_NO_FILES = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISSOCK, "socket"),
)
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""To open a pipe waits for whoever writes into it, unless told not to; Windows reads as text unless told."""


def read_file(path: str | bytes | os.PathLike[str]) -> bytes:
    """Return a file's bytes, all of one moment.

    Raises
    ------
    DataError
        With the reason in plain words: it is gone, is no regular file, is larger than `MAX_FILE_BYTES`, may
        not be read, or changed while it was read.
    """
    try:
        # First by its name: some devices do something when they are opened.
        _check(os.stat(path))  # noqa: PTH116 - pathlib takes no bytes, and names that are not UTF-8 come as bytes
        with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123
            before = os.fstat(file.fileno())
            _check(before)
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise DataError("the file does not exist") from None
    except PermissionError:
        raise DataError("the file may not be read: permission denied") from None
    except MemoryError:
        raise DataError("the file does not fit into memory") from None
    except (OSError, ValueError) as error:
        raise DataError(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None
    sizes = {before.st_size, after.st_size, len(data)}
    if len(sizes) > 1 or before.st_mtime_ns != after.st_mtime_ns:
        raise DataError("the file changed while it was read")
    return data


def _check(facts: os.stat_result) -> None:
    for is_kind, kind in _NO_FILES:
        if is_kind(facts.st_mode):
            raise DataError(f"this is a {kind}, not a file")
    if facts.st_size > MAX_FILE_BYTES:
        raise DataError(
            f"the file has {facts.st_size:,} bytes, more than the limit of {MAX_FILE_BYTES:,} for one picture"
        )
