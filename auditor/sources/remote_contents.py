"""Pictures of a remote store: each is fetched once, then read from this machine's disk.

path --version known from the listing--> kept? --no--> fetched with patience --> kept
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditor.errors import DataError, UsageError
from auditor.reading import clock_stopped
from auditor.sources.addresses import HTTP, public_address, quote_path, scheme_of, shown_address
from auditor.sources.kept_pictures import FOLDER_NAME, KeptPictures
from auditor.sources.stores import RemoteFolder, open_folder

KIND = "remote"
_GATES = 1024


@dataclass(frozen=True)
class Spelling:
    """What an address says that a path does not.

    spelled : paths in addresses, where `quote_path` does not give them.
    queries : of addresses that have one of their own; may be secret, so never written anywhere.
    lost : there were queries once.
    """

    spelled: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict, repr=False)
    lost: bool = False

    @property
    def secret(self) -> bool:
        """Whether addresses cannot be told without their queries."""
        return self.lost or bool(self.queries)


class RemotePictures:
    """Contents (`auditor.contents.Contents`) that lie in a remote store.

    Parameters
    ----------
    address : of the folder that the paths are relative to; opened when something is read.
    versions : what the listing told of each path; None where nothing was listed, as for a loaded audit:
        then whatever was kept last is what the audit saw.
    spelling : what `address` and the paths do not say.
    cache : folder in whose part `pictures` they are kept; None keeps them until this object is gone.
    """

    threads = 16
    """Reading waits for the network: with more threads than cores nobody waits for a single answer."""

    def __init__(
        self,
        address: str,
        versions: Mapping[str, str] | None = None,
        spelling: Spelling | None = None,
        cache: Path | None = None,
    ) -> None:
        self.place, self._public = shown_address(address), public_address(address)
        self._address, self._versions, self._spelling = address, versions, spelling or Spelling()
        self._cache = cache
        self._opening = threading.Lock()
        self._folder: RemoteFolder | None = None
        self._kept: KeptPictures | None = None
        self._gates = [threading.Lock() for _ in range(_GATES)]

    def read(self, path: str) -> bytes:
        version, name, kept = self._version(path), self.name(path), self._pictures()
        # The time-out of a picture is about decoders that hang: the network has its own. Two rows may have
        # one picture: the second waits for what the first fetches.
        with clock_stopped(), self._gates[hash(path) % _GATES]:
            data = kept.find(name, version)
            if data is None:
                data = self._fetch(path)
                kept.keep(name, version or "", data)
        return data

    def key(self, path: str) -> str:
        version = self._version(path)
        if version is None:
            return ""
        said = f"remote\0{self.name(path)}\0{version}"
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    def file(self, path: str) -> None:
        return None

    def address(self, path: str) -> str:
        if self._spelling.secret:
            raise UsageError(
                f"The addresses of the pictures in {self.place} have queries, which are not kept, for they "
                "may be secret: copy the pictures (--materialize copy)."
            )
        return self.name(path)

    def document(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "root": self.place,
            "cache": None if self._cache is None else str(self._cache.absolute()),
            "spelled": {p: s for p, s in self._spelling.spelled.items() if p not in self._spelling.queries},
            "secret": self._spelling.secret,
        }

    def name(self, path: str) -> str:
        """Return the address without secrets, under which a picture is kept."""
        if scheme_of(self._address) in HTTP:
            # What a query tells stands in the path, but not in the address that goes with the query.
            spelled = None if path in self._spelling.queries else self._spelling.spelled.get(path)
            path = spelled or quote_path(path)
        return f"{self._public}/{path}"

    def _version(self, path: str) -> str | None:
        return None if self._versions is None else self._versions.get(path, "")

    def _fetch(self, path: str) -> bytes:
        with self._opening:
            if self._folder is None:
                try:
                    self._folder = open_folder(self._address)
                except UsageError as error:
                    raise DataError(str(error)) from None
        return self._folder.read(
            path, self._spelling.spelled.get(path, ""), self._spelling.queries.get(path, "")
        )

    def _pictures(self) -> KeptPictures:
        with self._opening:
            if self._kept is None:
                cache = self._cache
                if cache is None:
                    cache = Path(tempfile.mkdtemp(prefix="auditor-"))
                    weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)
                self._kept = KeptPictures(cache / FOLDER_NAME)
            return self._kept

    def __reduce__(self) -> tuple[Any, ...]:
        return RemotePictures, (self._address, self._versions, self._spelling, self._cache)


def open_remote(document: Mapping[str, Any]) -> RemotePictures:
    """Return the contents that `RemotePictures.document` described; nothing is asked of the store yet.

    User, password and query of the address are not in it: stores that need them read them from the
    environment, or only what was kept can be read.
    """
    cache = document.get("cache")
    spelling = Spelling(document.get("spelled") or {}, lost=bool(document.get("secret")))
    return RemotePictures(document["root"], None, spelling, Path(cache) if cache else None)
