"""Files that are whole or not there, and in plain words why one cannot be written.

.<name>.<pid>-<random>.tmp   written, synced, then renamed   -->   <name>
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEMPORARY_SUFFIX = ".tmp"
NAME_KEPT = 40
"""Characters of a file's name that its temporary one begins with: file systems take 255 bytes."""

LEFT_SECONDS = 86_400.0
"""What no writer has finished after a day, none will."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
UNWRITABLE = FULL | {errno.EFBIG, errno.EROFS, errno.EIO}
"""What a disk answers to a write; Python does not say then which file it was."""

_TEMPORARY_NAME = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


def write_durably(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that its name appears only when the whole content is on the disk."""
    name = f".{path.name[:NAME_KEPT]}.{os.getpid()}-{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}"
    temporary = path.with_name(name)
    try:
        with temporary.open("xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
    _sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Say whether `write_durably` gave a file its name and did not finish."""
    return _TEMPORARY_NAME.fullmatch(path.name) is not None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that the user named: what was there before stays until the new one is whole.

    A link is followed; a device or a pipe, such as /dev/stdout, is written as it is.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
    else:
        write_durably(target, data)


def save_array(file: BinaryIO, values: NDArray[Any]) -> None:
    """Write an array in numpy's .npy format.

    `numpy.save` alone hands a real file to C, whose last, buffered bytes a full disk loses without an error.
    """
    import numpy as np

    np.save(_OnlyWrite(file), values, allow_pickle=False)


class _OnlyWrite:
    """A file that numpy does not take for a real one."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def why(error: OSError) -> str:
    """Return the reason in the system's words: "No space left on device"."""
    return os.strerror(error.errno) if error.errno else str(error)


def what_helps(error: OSError, instead: str) -> str:
    """Return what to do about a file that cannot be written; `instead` is the other way out."""
    return f"make room there, or {instead}" if error.errno in FULL else instead


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Elsewhere a folder cannot be opened, and a rename is durable by itself.
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
