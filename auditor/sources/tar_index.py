"""The members of uncompressed tars, from one pass over their headers, and their bytes at random.

tar --list_members--> Listing: names, offsets, sizes of its regular files, what was passed over, its faults
                        |
                        +--> Places: name -> (offset, size) in 24 bytes a picture

Nothing is unpacked: a picture's bytes are read from their place when they are wanted.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import threading
import weakref
from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.sources.containers import Stamp

OPEN_FILES = 64
"""So many tars are kept open, beside those being read."""
LARGEST_OFFSET = 1 << 62
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_COMPRESSIONS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)


@dataclass
class Listing:
    """Regular files of one tar in its order (m); `faults` say in plain words what is wrong with the tar."""

    stamp: Stamp
    names: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    passed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def list_members(file: str) -> Listing:
    """Read the headers of a tar once; what stands before a damage is listed.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    try:
        with open(file, "rb") as raw:  # noqa: PTH123 - as fast as it gets, and names need not be UTF-8
            listing = Listing(Stamp.of(os.fstat(raw.fileno())))
            _list(raw, listing)
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror or error})") from None
    return listing


def _list(raw: BinaryIO, listing: Listing) -> None:
    try:
        with tarfile.open(fileobj=raw, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            last = -1
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # a million would take a gigabyte
                if not last < tar.offset < LARGEST_OFFSET or member.size < 0:
                    listing.faults.append(f"damaged after {len(listing.names):,} files")
                    return
                last = tar.offset
                _enter(member, listing)
            listing.faults += _faults_at_end(raw, tar.offset, listing)
    except OSError as error:
        if not listing.names:
            raise
        listing.faults.append(f"not readable after {len(listing.names):,} files ({error.strerror or error})")
    except Exception as error:  # tarfile's parsers raise nearly every type on hostile files
        listing.faults.append(_fault(error, raw, listing))


def _enter(member: tarfile.TarInfo, listing: Listing) -> None:
    if member.isdir():
        return
    kind = _kind(member)
    if kind:
        listing.passed[kind] += 1
        return
    listing.names.append(member.name)
    listing.offsets.append(member.offset_data)
    listing.sizes.append(member.size)


def _kind(member: tarfile.TarInfo) -> str:
    """Return "" for a regular file, else what a member is."""
    if member.issparse():
        return "sparse file"
    if member.isreg():
        return ""
    kinds = ((member.islnk(), "hard link"), (member.issym(), "symbolic link"), (member.isfifo(), "pipe"))
    return next((kind for found, kind in kinds if found), "device" if member.isdev() else "unknown member")


def _fault(error: Exception, raw: BinaryIO, listing: Listing) -> str:
    with suppress(OSError):
        raw.seek(0)
        head = raw.read(8)
        packed = next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), "")
        if packed and not listing.names:
            return f"compressed with {packed}: unpack it to a plain .tar, pictures are read at random"
        if not head:
            return "empty"
    if not listing.names:
        return "no tar"
    what = "cut off" if "unexpected end" in str(error) or "truncated" in str(error) else "damaged"
    return f"{what} after {len(listing.names):,} files"


def _faults_at_end(raw: BinaryIO, offset: int, listing: Listing) -> list[str]:
    """Say what is wrong where the last header was looked for: a tar ends with blocks of zeros."""
    raw.seek(offset)
    block = raw.read(tarfile.BLOCKSIZE)
    if not block:
        return [f"without an end mark after {len(listing.names):,} files, so it may be cut off"]
    if len(block) < tarfile.BLOCKSIZE:
        return [f"cut off after {len(listing.names):,} files"]
    if block.strip(b"\0"):
        return [f"damaged after {len(listing.names):,} files"]
    while chunk := raw.read(1 << 20):
        if chunk.strip(b"\0"):
            rest = listing.stamp.size - offset
            return [f"goes on for {rest:,} bytes after its end mark, which were passed over"]
    return []


class Places:
    """Where the pictures of one tar lie.

    Parameters
    ----------
    names : (p,) unique names.
    offsets, sizes : (p,) in bytes.
    stamp : of the tar when it was listed.
    """

    def __init__(
        self, names: Sequence[str], offsets: NDArray[np.int64], sizes: NDArray[np.int64], stamp: Stamp
    ) -> None:
        self.stamp = stamp
        self._salt = 0
        hashes = self._hashes(names)
        while len(np.unique(hashes)) < len(names):
            self._salt += 1
            hashes = self._hashes(names)
        order = np.argsort(hashes)
        self._hashed, self._offsets, self._sizes = hashes[order], offsets[order], sizes[order]

    def __len__(self) -> int:
        return len(self._hashed)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the arrays take."""
        return self._hashed.nbytes + self._offsets.nbytes + self._sizes.nbytes

    def find(self, name: str) -> tuple[int, int] | None:
        """Return offset and size of one picture in bytes, None when there is none of this name."""
        wanted = self._hash(name)
        row = int(np.searchsorted(self._hashed, np.uint64(wanted)))
        if row == len(self._hashed) or int(self._hashed[row]) != wanted:
            return None
        return int(self._offsets[row]), int(self._sizes[row])

    def _hash(self, name: str) -> int:
        data = name.encode("utf-8", "surrogatepass")
        salt = self._salt.to_bytes(8, "little")
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, salt=salt).digest(), "little")

    def _hashes(self, names: Sequence[str]) -> NDArray[np.uint64]:
        return np.fromiter(map(self._hash, names), dtype=np.uint64, count=len(names))


@dataclass
class _Open:
    fd: int
    stamp: Stamp
    users: int = 0


class OpenFiles:
    """Files that stay open between reads, the latest `OPEN_FILES`; safe for threads.

    A file in use is never closed; all are when this goes.
    """

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        weakref.finalize(self, _close_all, self._open)

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def opened(self, file: str) -> Iterator[tuple[int, Stamp]]:
        """Give the descriptor of a file, and its stamp when it was opened.

        Raises
        ------
        OSError
            If it cannot be opened.
        """
        with self._lock:
            entry = self._open.pop(file, None)
            if entry is None:
                fd = os.open(file, _FLAGS)
                entry = _Open(fd, Stamp.of(os.fstat(fd)))
            self._open[file] = entry
            entry.users += 1
            self._close_idle()
        try:
            yield entry.fd, entry.stamp
        finally:
            with self._lock:
                entry.users -= 1
                self._close_idle()

    def _close_idle(self) -> None:
        idle = [file for file, entry in self._open.items() if not entry.users]
        for file in idle[: max(0, len(self._open) - self._limit)]:
            os.close(self._open.pop(file).fd)


def _close_all(entries: OrderedDict[str, _Open]) -> None:
    while entries:
        os.close(entries.popitem()[1].fd)


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Return `size` bytes at `offset`, fewer where the file ends before."""
    parts: list[bytes] = []
    while size:
        part = _pread(fd, size, offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


_seek_lock = threading.Lock()


def _pread(fd: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    with _seek_lock:  # Windows has no pread
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)
