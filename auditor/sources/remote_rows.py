"""Rows of a manifest whose pictures lie in a remote store.

paths as written: photos/a.jpg, https://host/photos/a.jpg?sig=..
    --settle--> one folder of one store, paths relative to it
    --look up in listings--> those that exist, with their versions
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from auditor.errors import DataError
from auditor.faults import short
from auditor.results import Dataset
from auditor.sources.addresses import (
    HTTP,
    is_address,
    path_text,
    quote_path,
    same_place,
    scheme_of,
    shown_address,
    split_address,
    store_of,
    tidy_path,
    told_by_query,
)
from auditor.sources.listings import Listing
from auditor.sources.manifests import unknown_note
from auditor.sources.names import SHOWN_CHARACTERS, plural
from auditor.sources.options import ReadOptions
from auditor.sources.remote_contents import RemotePictures, Spelling
from auditor.sources.remote_notes import keeping_notes
from auditor.sources.rows import Source, make_dataset, texts
from auditor.sources.stores import Entry, open_folder

MOST_PAGES = 200
"""Servers of the web are asked for the listings of so many folders; with more, none is looked up."""
_ABOVE = ".."


@dataclass
class Settled:
    """Where the pictures of rows lie: paths relative to the folder at `root`, "" for none."""

    root: str
    paths: list[str]
    spelled: dict[str, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)


@dataclass
class _Found:
    """Files by path, and paths of which no listing tells whether they exist."""

    entries: dict[str, Entry] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)


def first_address(rows: pd.DataFrame, root: str | Path | None) -> str | None:
    """Return an address that rows or their root name, None where all are files of this machine."""
    if isinstance(root, str):
        return root
    return next(filter(is_address, texts(rows["path"])), None) if "path" in rows else None


def dataset_of_remote_rows(
    rows: pd.DataFrame, source: Source, options: ReadOptions, beside: Listing | None = None
) -> Dataset:
    """Return the dataset of a manifest's rows; `beside` lists its folder, None where that is local.

    Raises
    ------
    DataError
        If the rows point to several stores, none of the pictures exists, or there is no dataset in them.
    """
    settled = settle(rows, source.name, options.root, beside.folder.address if beside else None)
    rows = rows.assign(path=pd.Series(settled.paths, index=rows.index, dtype="str"))
    source.root = Path(shown_address(settled.root))
    if options.images:
        listing = beside if beside and same_place(beside.folder.address, settled.root) else None
        found = _look_up(settled, listing or Listing(open_folder(settled.root)))
        rows = _drop_unknown(rows, settled, found, source, options.cache)
    return make_dataset(rows, source)


def settle(rows: pd.DataFrame, name: str, root: str | Path | None, here: str | None) -> Settled:
    """Find the one folder that all rows lie below, and their paths from there.

    It is `root` where that is given, else the manifest's own where all lie below, else the deepest common
    one.
    """
    raw = [_with_slashes(p) for p in texts(rows["path"])] if "path" in rows else [""] * len(rows)
    start, fixed = _starting_point(raw, name, root if isinstance(root, str) else None, here)
    scheme, authority, folder, query = split_address(start) if fixed else (*split_address(start)[:2], "", "")
    top = _whole_path(start) if fixed else ""
    wholes = [_whole_path(p) if is_address(p) else _below(top, p) for p in raw]
    inside = f"{top}/" if top else ""
    placed = [w for w in wholes if w and w != _ABOVE]
    if not fixed or not all(w.startswith(inside) for w in placed):
        folders = {posixpath.dirname(w) for w in placed}
        top = posixpath.commonpath(folders) if folders and "" not in folders else ""
        inside = f"{top}/" if top else ""
        folder = f"/{quote_path(top) if scheme in HTTP else top}"
    settled = Settled(f"{scheme}://{authority}{folder}".rstrip("/") + query, [])
    for written, whole in zip(raw, wholes, strict=True):
        path = whole[len(inside) :] if whole != _ABOVE else _ABOVE
        settled.paths.append(_spell(settled, path, written) if path and is_address(written) else path)
    return settled


def _starting_point(raw: Sequence[str], name: str, root: str | None, here: str | None) -> tuple[str, bool]:
    """Return an address in the store that holds the pictures, and whether relative rows start from it."""
    stores = {store_of(p): p for p in reversed(raw) if is_address(p)}
    if len(stores) > 1:
        first, second = (_shown("://".join(store)) for store in sorted(stores)[:2])
        raise DataError(
            f"{name} points to {len(stores)} stores, such as {first} and {second}; an audit reads from one."
        )
    store = next(iter(stores), None)
    relative = next((p for p in raw if p and not is_address(p)), None)
    start = root or here
    if start is not None and store is not None and store_of(start) != store:
        if root is not None or relative is not None:
            raise DataError(
                f"{name} points to {_shown('://'.join(store))}, its other paths start from "
                f"{_shown(start)}; an audit reads from one store."
            )
        start = None
    if start is not None:
        return start, True
    if relative is not None:
        raise DataError(
            f"{name} holds addresses and file names side by side, such as "
            f"{short(relative, SHOWN_CHARACTERS)}; --root ADDRESS says what the names start from."
        )
    return next(iter(stores.values())), False


def _whole_path(address: str) -> str:
    """Return the path from the top of the store, as text."""
    scheme, _, path, _ = split_address(address)
    text = path_text(tidy_path(path)) if scheme in HTTP else path
    return text.strip("/")


def _below(top: str, path: str) -> str:
    """Return a relative path from the top of the store; `_ABOVE` where it leads out of it, or is a disk's."""
    if not path:
        return ""
    whole = posixpath.normpath(f"{top}/{path}" if top else path)
    outside = path.startswith("/") or whole == _ABOVE or whole.startswith(f"{_ABOVE}/")
    return _ABOVE if outside else whole.lstrip("/")


def _spell(settled: Settled, path: str, address: str) -> str:
    """Keep what an address says beside the path, and return the path under which it is known."""
    scheme, _, whole, query = split_address(address)
    if scheme not in HTTP:
        return path
    depth = path.count("/") + 1
    spelled = "/".join(tidy_path(whole).strip("/").split("/")[-depth:])
    if told := told_by_query(query):
        # Only the query may tell pictures apart; it may be secret, its digest is not.
        stem, suffix = posixpath.splitext(path)
        path = f"{stem}~{hashlib.sha256(told.encode()).hexdigest()[:8]}{suffix}"
    if query:
        settled.queries[path] = query
    if quote_path(path) != spelled:
        settled.spelled[path] = spelled
    return path


def _shown(address: str) -> str:
    """Return an address without secrets for a sentence."""
    return shown_address(address)[:SHOWN_CHARACTERS]


def _with_slashes(path: str) -> str:
    return path.replace("\\", "/") if "\\" in path and "/" not in path else path


def _drop_unknown(
    rows: pd.DataFrame, settled: Settled, found: _Found, source: Source, cache: Path | None
) -> pd.DataFrame:
    """Set aside rows whose picture is not in the listings, and say where the others lie."""
    paths = settled.paths
    unlisted = sum(path in found.unlisted for path in paths)
    known = np.array([p in found.entries or p in found.unlisted for p in paths], dtype=np.bool_)
    place = _shown(settled.root)
    if not known.any():
        raise DataError(
            f"None of the {plural(len(paths), 'path')} in {source.name} exists under {place}, the first is "
            f"{short(next((p for p in paths if p), ''), SHOWN_CHARACTERS)}; --root ADDRESS says where the "
            "pictures are."
        )
    if unlisted:
        source.notes.append(
            f"{plural(unlisted, 'picture')} in folders that the store gives no listing of: whether they "
            "exist shows when they are read."
        )
    if not known.all():
        source.notes.append(unknown_note([p for p, there in zip(paths, known, strict=True) if not there]))
    named = set(paths)
    wanted = [entry for path, entry in found.entries.items() if path in named]
    source.notes += keeping_notes(settled.root, wanted, unlisted, cache)
    versions = {entry.path: entry.version for entry in wanted}
    spelled = {e.path: e.spelled for e in wanted if e.spelled} | settled.spelled
    spelling = Spelling(spelled, settled.queries)
    source.held_by = RemotePictures(settled.root, versions, spelling, cache)
    return rows[known]


def _look_up(settled: Settled, listing: Listing) -> _Found:
    found, by_folder = _Found(), dict[str, list[str]]()
    for path in dict.fromkeys(settled.paths):
        if path in settled.queries:
            found.unlisted.add(path)
        elif path and path != _ABOVE:
            by_folder.setdefault(posixpath.dirname(path), []).append(path)
    is_web = scheme_of(settled.root) in HTTP
    if is_web and len(by_folder) > MOST_PAGES:
        found.unlisted.update(path for paths in by_folder.values() for path in paths)
        return found
    listed = listing.of_folders(list(by_folder)) if by_folder else {}
    for folder, paths in by_folder.items():
        entries = listed[folder]
        files = {e.path: e for e in entries or () if not e.is_folder}
        # A page of the web that names none of them is no listing.
        if entries is None or (is_web and not any(path in files for path in paths)):
            found.unlisted.update(paths)
        found.entries.update(files)
    return found
