"""Pictures of remote stores on this machine's disk, so that each is fetched once.

    FOLDER/<ab>/<sha256 of the address>    _HEAD: mark, digest of the version, checksum    then the bytes

A version is what the store's listing says beside an address: size, time, etag. One version of an address is
kept, the last. Files are written beside and renamed; one that is damaged counts as not there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import struct
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 20_000_000_000
"""Pictures are kept up to so many bytes, all datasets together .."""
LEAST_FREE_BYTES = 2_000_000_000
""".. and as long as the disk has so many left."""

FOLDER_NAME = "pictures"

_MARK = b"auditor1"
_HEAD = struct.Struct("<8s16sI")
_PART_NAME, _FILE_NAME = re.compile(r"[0-9a-f]{2}"), re.compile(r"[0-9a-f]{64}")
_BESIDE_NAME = re.compile(r"\.[0-9a-f]{16}\.\d+-[0-9a-f]{8}\.tmp")


class KeptPictures:
    """Pictures by address and version; safe to use from several threads and processes.

    Parameters
    ----------
    folder : made when there is something to keep.
    warn : called with one sentence when no more is kept; by default it is logged.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] | None = None) -> None:
        self.folder = Path(folder)
        self._warn = warn or logging.getLogger(__name__).warning
        self._lock = threading.Lock()
        self._bytes: int | None = None
        self._told = False

    def find(self, address: str, version: str | None) -> bytes | None:
        """Return the bytes kept of this version of an address; None asks for whatever version there is."""
        try:
            content = self._file(address).read_bytes()
            mark, kept, checksum = _HEAD.unpack_from(content)
        except (OSError, struct.error):
            return None
        data = content[_HEAD.size :]
        if mark != _MARK or checksum != zlib.crc32(data):
            return None
        return data if version is None or kept == _short(version) else None

    def has(self, address: str) -> bool:
        """Tell whether some version of an address is kept."""
        return self._file(address).is_file()

    def keep(self, address: str, version: str, data: bytes) -> None:
        """Keep a picture where there is room; what cannot be kept is said once and no error."""
        try:
            if not self._take_room(len(data) + _HEAD.size):
                return
            _write(self._file(address), _HEAD.pack(_MARK, _short(version), zlib.crc32(data)) + data)
        except OSError as error:
            self._tell(f"{self.folder} cannot be written ({error.strerror or error})")

    def room(self) -> int:
        """Return how many bytes more are kept here."""
        with self._lock:
            taken = self._count()
        above = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        return max(0, min(MOST_BYTES - taken, shutil.disk_usage(above).free - LEAST_FREE_BYTES))

    def info(self) -> dict[str, int]:
        """Return how many pictures and bytes are kept."""
        sizes = [_size(path) for path in self._files()]
        return {"pictures": len(sizes), "picture_bytes": sum(sizes)}

    def clear(self) -> int:
        """Delete what was kept, and nothing else; return the bytes freed."""
        freed = 0
        for path in list(self._files()):
            freed += _size(path)
            path.unlink(missing_ok=True)
        for folder in (*self._parts(), self.folder):
            with suppress(OSError):  # something else is there, or a run that goes on writes into it
                folder.rmdir()
        self._bytes = None
        return freed

    def _take_room(self, size: int) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            taken = self._count()
            if taken + size > MOST_BYTES:
                self._tell(f"{self.folder} holds its most, {MOST_BYTES / 1e9:,.0f} GB of pictures")
            elif shutil.disk_usage(self.folder).free - size < LEAST_FREE_BYTES:
                self._tell(f"the disk of {self.folder} has less than {LEAST_FREE_BYTES / 1e9:,.0f} GB left")
            else:
                self._bytes = taken + size
                return True
        return False

    def _count(self) -> int:
        """Return the bytes kept, counted once and carried on; another process's are not seen."""
        if self._bytes is None:
            self._bytes = sum(map(_size, self._files()))
        return self._bytes

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._warn(
                f"Some pictures are not kept and are fetched again when they are needed again: {reason}; "
                "auditor cache clear makes room."
            )

    def _file(self, address: str) -> Path:
        name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / name[:2] / name

    def _parts(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("*") if _PART_NAME.fullmatch(p.name) and p.is_dir())

    def _files(self) -> Iterator[Path]:
        """Yield every file that was written here, those that killed writers left among them."""
        for part in self._parts():
            for path in part.iterdir():
                if _FILE_NAME.fullmatch(path.name) or _BESIDE_NAME.fullmatch(path.name):
                    yield path


def _short(version: str) -> bytes:
    return hashlib.sha256(version.encode("utf-8", "surrogatepass")).digest()[:16]


def _write(path: Path, content: bytes) -> None:
    """Write beside and rename; not synced, for the checksum tells what a crash left."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name[:16]}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process cleared it meanwhile
        return 0
