"""Folders of remote stores through fsspec: opened, listed and read with patience.

    address --open_folder--> RemoteFolder --entries, below--> Entry: path, size, version
                                          --read--> bytes

No secret of the address stands in what is shown or raised. All of it may be called from several threads.
"""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, TypeVar

from auditor.errors import AuditError, DataError, UsageError
from auditor.files import MAX_FILE_BYTES
from auditor.sources.addresses import (
    HTTP,
    quote_path,
    scheme_of,
    shown_address,
    split_address,
    tidy_path,
    without_secrets,
)
from auditor.sources.names import SHOWN_CHARACTERS

ATTEMPTS = 3
"""So often something is asked for when the store fails for the moment .."""
WAITS_S = (0.5, 2.0)
""".. after so many seconds."""
CONNECT_S, SILENCE_S, WHOLE_S = 10.0, 30.0, 300.0
"""Longest wait for a connection, between two pieces of an answer, and for all of it."""
STREAM_BYTES = 1 << 22
"""Pieces in which files are fetched that are not held in memory."""
LOST_AFTER = 20
"""When so many pictures in a row failed for the moment, each in all its attempts, the store is gone."""

LIBRARIES = {
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "smb": "smbprotocol",
    "hf": "huggingface_hub",
    "webdav": "webdav4",
    "oss": "ossfs",
    "oci": "ocifs",
}
"""What fsspec needs beside itself, by scheme."""

_VERSION_FACTS = (
    "size", "Size", "etag", "ETag", "md5Hash", "checksum", "blob_id", "generation", "LastModified",
    "Last-Modified", "last_modified", "updated", "mtime", "modified", "modify", "modificationTime", "created",
)  # fmt: skip
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524})

T = TypeVar("T")


class StoreLostError(AuditError):
    """The store answers no more: every picture would be unreadable, and nothing is wrong with them."""


@dataclass(frozen=True)
class Entry:
    """A file or folder of a listing.

    path : relative to the listed root, as text.
    version : changes when the content does, as far as the listing tells; "" when it tells nothing.
    spelled : its path in an address, where `quote_path` does not give it.
    """

    path: str
    is_folder: bool = False
    size: int | None = None
    version: str = ""
    spelled: str = ""


@dataclass
class _Failures:
    """How many pictures in a row the store failed to give for reasons of the moment."""

    in_a_row: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, failed: bool) -> int:
        with self.lock:
            self.in_a_row = self.in_a_row + 1 if failed else 0
            return self.in_a_row


@dataclass(frozen=True)
class RemoteFolder:
    """A folder of a store.

    address : as given, its secrets too; no slash at the end of its path.
    system : fsspec's file system.
    base : the folder as `system` names it.
    """

    address: str
    system: Any
    base: str
    _failures: _Failures = field(default_factory=_Failures, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_web(self) -> bool:
        return scheme_of(self.address) in HTTP

    @property
    def shown(self) -> str:
        """The address without its secrets, for sentences."""
        return shown_address(self.address)[:SHOWN_CHARACTERS]

    def locate(self, path: str, spelled: str = "", query: str = "") -> str:
        """Return what `system` takes for a path below this folder, "" for the folder itself.

        `spelled` and `query` are those of an address of the web; by default they follow from the path and
        the folder.
        """
        if not self.is_web:
            return f"{self.base}/{path}" if path else self.base
        scheme, authority, folder, own = split_address(self.base)
        return f"{scheme}://{authority}{folder}/{spelled or quote_path(path)}{query or own}"

    def read(self, path: str, spelled: str = "", query: str = "") -> bytes:
        """Return a file's bytes.

        Raises
        ------
        DataError
            With the reason in plain words: it is gone, may not be read, or did not come in `ATTEMPTS` tries.
        StoreLostError
            If the store has answered nothing for a long time.
        """
        place = self.locate(path, spelled, query)
        try:
            data = self.patiently(lambda: self._fetch(place))
        except _MomentaryError as error:
            if self._failures.count(failed=True) >= LOST_AFTER:
                raise StoreLostError(
                    f"{self.shown} answers no more: {LOST_AFTER} pictures in a row could not be read, the "
                    f"last because {error}. The same command goes on from what is finished."
                ) from None
            raise DataError(str(error)) from None
        self._failures.count(failed=False)
        return data

    def patiently(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, tried again while the store fails for the moment.

        Raises
        ------
        DataError
            With the reason in plain words; a `_MomentaryError` where another day may be a better one.
        """
        for wait in (*WAITS_S[: ATTEMPTS - 1], None):
            try:
                return call()
            except AuditError:
                raise
            except Exception as error:  # every store's library raises errors of its own
                kind, reason = self._why(error)
                if kind is not _MomentaryError:
                    raise kind(reason) from None
                if wait is None:
                    raise kind(f"{reason} ({ATTEMPTS} tries)") from None
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _fetch(self, place: str) -> bytes:
        if self.is_web:
            room = _BoundedBytes()
            self.system.get_file(place, room, timeout=WHOLE_S)
            return room.getvalue()
        data: bytes
        if self.system.async_impl:
            data = self.system.cat_file(place, timeout=WHOLE_S)
        else:
            with self._turn:  # such file systems have one connection
                data = self.system.cat_file(place)
        return data

    def copy(self, path: str, out: Any, spelled: str = "") -> None:
        """Write a file of any size into `out`, which is cut off before each try.

        Raises
        ------
        DataError
            With the reason in plain words.
        """
        place = self.locate(path, spelled)
        self.patiently(lambda: self._stream(place, out))

    def _stream(self, place: str, out: Any) -> None:
        out.truncate(0)
        if self.is_web:
            self.system.get_file(place, out)
            return
        turn = nullcontext() if self.system.async_impl else self._turn
        with turn, self.system.open(place, "rb", cache_type="readahead") as opened:
            shutil.copyfileobj(opened, out, STREAM_BYTES)

    def entry(self, path: str) -> Entry:
        """Return the entry of one file, asked for alone.

        Raises
        ------
        DataError
            With the reason in plain words.
        """
        info = self.patiently(lambda: self.system.info(self.locate(path)))
        return replace(self.entry_of(info) or Entry(path), path=path, is_folder=False)

    def ls(self, place: str) -> list[dict[str, Any]]:
        """Return fsspec's listing of one folder, which need not be a store of the web."""
        return list(self.patiently(lambda: self.system.ls(place, detail=True)))

    def find(self) -> list[dict[str, Any]]:
        """Return fsspec's listing of everything below this folder."""
        found: dict[str, Any] = self.patiently(
            lambda: self.system.find(self.base, detail=True, withdirs=True)
        )
        return list(found.values())

    def entry_of(self, info: dict[str, Any]) -> Entry | None:
        """Return the entry that one line of fsspec's listing means; None for the folder itself."""
        name = str(info["name"]).strip("/")
        base = self.base.strip("/")
        path = name[len(base) :].strip("/") if name.startswith(base) else name
        if not path:
            return None
        folder = info.get("type") == "directory" or str(info["name"]).endswith("/")
        size = info.get("size")
        facts = [f"{key} {info[key]}" for key in _VERSION_FACTS if info.get(key) is not None]
        return Entry(path, folder, size if isinstance(size, int) else None, "; ".join(facts))

    def _why(self, error: Exception) -> tuple[type[DataError], str]:
        """Return what kind of error this is, and the reason in plain words."""
        status = getattr(error, "status", None) or getattr(error, "code", None)
        if isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
            return NotFoundError, "the store has nothing there"
        if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
            kind = _MomentaryError if status in _RETRIED else DataError
            return kind, f"the server answers {status}{_phrase(status)}"
        if isinstance(error, PermissionError):
            return DataError, "the store denies it: the credentials are missing or not sufficient"
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            return _MomentaryError, "no answer came in time"
        told = without_secrets(str(error), self.address).strip().splitlines()
        said = f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
        kind = DataError if isinstance(error, (TypeError, ValueError)) else _MomentaryError
        return kind, f"the connection failed ({said[:120]})"


class NotFoundError(DataError):
    """The store has nothing there."""


class _MomentaryError(DataError):
    """What may be over the next time."""


class _BoundedBytes(io.BytesIO):
    """Takes no more than a picture may have: a server can send for ever."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MAX_FILE_BYTES:
            raise DataError(f"the picture has more than {MAX_FILE_BYTES:,} bytes")
        return super().write(data)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def open_folder(address: str) -> RemoteFolder:
    """Open a folder of a store; nothing is asked of the store yet.

    Raises
    ------
    UsageError
        If a library is missing, with the line that installs it, or the address is none.
    """
    scheme, shown = scheme_of(address), shown_address(address)[:SHOWN_CHARACTERS]
    library = LIBRARIES.get(scheme)
    line = 'pip install "dataset-auditor[remote]"' + (f" {library}" if library and scheme not in HTTP else "")
    try:
        import fsspec

        if scheme in HTTP:
            system = fsspec.filesystem(scheme, encoded=True, client_kwargs=_web_settings())
            base = _web_base(address)
        else:
            system, base = fsspec.core.url_to_fs(address)
    except ImportError:
        raise UsageError(f"{shown} cannot be opened without {library or 'fsspec'}: {line}.") from None
    except Exception as error:  # every store's library raises errors of its own
        said = without_secrets(str(error), address).strip().splitlines() or [type(error).__name__]
        raise UsageError(f"{shown} cannot be opened: {said[0][:SHOWN_CHARACTERS].rstrip('.')}.") from None
    system.invalidate_cache()  # what an earlier run listed in this process
    return RemoteFolder(address, system, base.rstrip("/") if scheme not in HTTP else base)


def _web_base(address: str) -> str:
    scheme, authority, path, query = split_address(address)
    if not authority.rpartition("@")[2]:
        raise ValueError("it names no host")
    return f"{scheme}://{authority}{tidy_path(path).rstrip('/')}{query}"


def _web_settings() -> dict[str, Any]:
    """Return what aiohttp is told: time-outs, and proxies from the environment."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    return {"timeout": timeout, "trust_env": True}
