"""Pictures inside files of remote stores: these files are fetched whole, once, and read as files are.

tars, Parquet files, saved datasets at an address --fetched--> a folder of the cache --holders.py--> Dataset
"""

from __future__ import annotations

import io
import posixpath
import shutil
import tempfile
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from auditor.arrays import Progress
from auditor.contents import Contents
from auditor.errors import DataError
from auditor.faults import short
from auditor.results import Dataset
from auditor.sources.addresses import public_address, shown_address
from auditor.sources.containers import (
    COMPRESSED_TARS,
    PARQUET_SUFFIXES,
    TAR_SUFFIXES,
    is_hidden,
    only_compressed,
    suffix_of,
)
from auditor.sources.descriptions import DESCRIPTIONS
from auditor.sources.holders import is_holder, read_holder, read_holders
from auditor.sources.hub_pictures import SAVED_MANY, SAVED_ONE
from auditor.sources.kept_files import FOLDER_NAME, KeptFiles
from auditor.sources.manifests import read_rows
from auditor.sources.names import count_phrase, plural
from auditor.sources.options import ReadOptions
from auditor.sources.rows import Source
from auditor.sources.stores import Entry, RemoteFolder
from auditor.sources.tars import CLASS_NAME_FILES

KIND = "remote files"
THREADS = 4
"""Files fetched at a time: one connection seldom takes all that a store gives."""

_HOLDING = TAR_SUFFIXES | PARQUET_SUFFIXES | {".arrow"}
_BESIDE = {*CLASS_NAME_FILES, DESCRIPTIONS, *SAVED_ONE, SAVED_MANY}


class RemoteFiles:
    """Contents (`auditor.contents.Contents`) that lie inside files of a store, fetched before.

    Parameters
    ----------
    place : address of the folder, without secrets.
    inside : contents of the fetched files.
    kept : where these are kept; without a cache, as long as this object lives.
    """

    def __init__(self, place: str, inside: Contents, kept: KeptFiles | None = None) -> None:
        self.place = place
        self._inside, self._kept = inside, kept

    def read(self, path: str) -> bytes:
        try:
            return self._inside.read(path)
        except DataError as error:
            if Path(self._inside.place).exists():
                raise
            raise DataError(f"what was fetched from {self.place} is no longer in the cache") from error

    def key(self, path: str) -> str:
        return self._inside.key(path)

    def file(self, path: str) -> None:
        return None

    def document(self) -> dict[str, Any]:
        return {"kind": KIND, "root": self.place, "inside": self._inside.document()}


def read_remote_folder(
    folder: RemoteFolder, entries: Sequence[Entry], source: Source, options: ReadOptions
) -> Dataset | None:
    """Return the dataset of a remote folder whose pictures lie inside files; None where none do.

    Raises
    ------
    DataError
        If there is no room for the files, one cannot be fetched, or there is no dataset in them.
    """
    files = [e for e in entries if not e.is_folder and not any(map(is_hidden, e.path.split("/")))]
    if not any(suffix_of(e.path) in _HOLDING for e in files):
        packed = [e.path for e in files if e.path.lower().endswith(COMPRESSED_TARS)]
        if packed:
            raise only_compressed(source.name, packed)
        return None
    wanted = [e for e in files if suffix_of(e.path) in _HOLDING or posixpath.basename(e.path) in _BESIDE]
    if any(not entry.version for entry in wanted):
        source.notes.append(
            f"The store does not tell when {plural(len(wanted), 'file')} change: what was fetched before is "
            "not fetched again; auditor cache clear forgets it."
        )
    read = {e.path for e in wanted}
    passed = Counter(suffix_of(e.path) or "without suffix" for e in files if e.path not in read)
    if passed:
        source.notes.append(f"Passed over: {count_phrase(passed.items())}.")
    kept, here = _fetch_all(folder, wanted, options)
    kept.prune(public_address(folder.address), {e.path for e in files})
    source.root = here
    held = read_holders(here, source, options)
    return None if held is None else _of_store(held, folder, kept)


def read_remote_file(
    folder: RemoteFolder, entries: Sequence[Entry], source: Source, options: ReadOptions
) -> Dataset | pd.DataFrame:
    """Fetch files of a remote folder; return what the first one is.

    Returns
    -------
    Dataset | pandas.DataFrame
        A dataset where it holds pictures, else the rows of a manifest.

    Raises
    ------
    DataError
        If it cannot be fetched, is damaged, or is neither.
    """
    untold = {entries[0].path} if not entries[0].version else set()
    kept, here = _fetch_all(folder, entries, options, untold)
    file = here / entries[0].path
    if not is_holder(file, options):
        return read_rows(file, source, options)
    return _of_store(read_holder(file, source, options), folder, kept)


def _of_store(dataset: Dataset, folder: RemoteFolder, kept: KeptFiles) -> Dataset:
    """Return a dataset of fetched files as one of the store."""
    contents = RemoteFiles(shown_address(folder.address), dataset.contents, kept)
    return replace(dataset, root=Path(contents.place), held_by=contents)


def _fetch_all(
    folder: RemoteFolder, entries: Sequence[Entry], options: ReadOptions, anew: Collection[str] = ()
) -> tuple[KeptFiles, Path]:
    """Fetch what is not kept yet, and `anew` in any case; return the kept files, and where these lie."""
    _check_names(folder, entries)
    address = public_address(folder.address)
    kept = _open_kept(options.cache)
    missing = [e for e in entries if e.path in anew or not kept.has(address, e.path, e.version)]
    _check_room(folder, missing, kept)
    fetch = _Fetch(folder, address, kept, sum(e.size or 0 for e in missing), options.progress)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as pool:
        jobs = [pool.submit(fetch, entry) for entry in missing]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            fetch.stopped = True
            pool.shutdown(cancel_futures=True)
            raise
    return kept, kept.data(address)


def _open_kept(cache: Path | None) -> KeptFiles:
    if cache is not None:
        return KeptFiles(cache / FOLDER_NAME)
    temporary = Path(tempfile.mkdtemp(prefix="auditor-"))
    kept = KeptFiles(temporary)
    weakref.finalize(kept, shutil.rmtree, temporary, ignore_errors=True)
    return kept


def _check_names(folder: RemoteFolder, entries: Sequence[Entry]) -> None:
    """Raise for a name that would lie elsewhere than below the folder that it is kept in."""
    for entry in entries:
        if "\0" in entry.path or {"", ".", ".."} & set(entry.path.split("/")):
            raise DataError(f"{folder.shown} lists a file {short(entry.path)}, which is no name of one.")


def _check_room(folder: RemoteFolder, missing: Sequence[Entry], kept: KeptFiles) -> None:
    """Raise before anything is fetched that would not fit, as far as the store tells sizes."""
    needed, room = sum(e.size or 0 for e in missing), kept.room()
    if needed > room:
        raise DataError(
            f"{folder.shown} has {plural(len(missing), 'file')} of {needed / 1e9:,.1f} GB to fetch, and the "
            f"cache has room for {room / 1e9:,.1f} GB: name a part of them, copy them to a folder and name "
            "that, or make room with auditor cache clear."
        )


class _Fetch:
    """Fetches one file after another into the kept ones, from several threads."""

    def __init__(
        self, folder: RemoteFolder, address: str, kept: KeptFiles, total: int, progress: Progress
    ) -> None:
        self._folder, self._address, self._kept = folder, address, kept
        self._total, self._progress = total, progress
        self._room, self._done, self._turn = kept.room(), 0, threading.Lock()
        self.stopped = False

    def __call__(self, entry: Entry) -> None:
        try:
            self._kept.keep(self._address, entry.path, entry.version, lambda out: self._copy(entry, out))
        except DataError as error:
            raise DataError(f"{self._folder.shown}/{entry.path} cannot be fetched: {error}.") from None

    def _copy(self, entry: Entry, out: BinaryIO) -> None:
        self._folder.copy(entry.path, _Counted(out, self._count), entry.spelled)
        size = out.tell()
        if entry.size is not None and size != entry.size:
            raise DataError(f"{size:,} bytes came, and the store lists {entry.size:,}")

    def _count(self, more: int) -> None:
        """Count bytes that came, fewer again where a try failed."""
        if self.stopped:
            raise DataError("another file could not be fetched")
        with self._turn:
            self._done += more
            if self._done > self._room:
                raise DataError(f"the cache has room for {self._room / 1e9:,.1f} GB more")
            if self._total:
                self._progress("download", min(self._done, self._total), self._total)


class _Counted(io.RawIOBase):
    """A file for writing that tells how many bytes were written since it was last cut off."""

    def __init__(self, out: BinaryIO, count: Callable[[int], None]) -> None:
        self._out, self._count = out, count

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._count(len(data))
        try:
            return self._out.write(data)
        except OSError as error:  # not the store's fault, so not worth another try
            raise DataError(f"the cache cannot be written ({error.strerror or error})") from None

    def tell(self) -> int:
        return self._out.tell()

    def truncate(self, size: int | None = None) -> int:
        """Begin again from nothing."""
        self._count(-self._out.tell())
        self._out.seek(0)
        return self._out.truncate()
