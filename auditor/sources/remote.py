"""Datasets in remote stores: class folders or a manifest at an address, read through fsspec.

    address of a folder      listed once --> class folders, or the manifest at its top
    .. an imagefolder        its metadata fetched --> rows, like a manifest's
    address of a manifest    fetched --> rows --> listings of the folders they point into (remote_rows.py)
    of tars, Parquet files   fetched whole, as far as the pictures lie inside (remote_files.py)

Pictures are fetched when they are read (remote_contents.py).
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.addresses import address_name, check_online, folder_above, shown_address
from auditor.sources.class_folders import SYSTEM_NAMES, Parts, Tree, dataset_of_tree, kind_of_name
from auditor.sources.containers import PARQUET_SUFFIXES, TAR_SUFFIXES
from auditor.sources.descriptions import DESCRIPTIONS, read_descriptions
from auditor.sources.image_folders import choose_metadata, read_metadata
from auditor.sources.listings import Listing
from auditor.sources.manifests import MANIFEST_NAMES, read_rows
from auditor.sources.names import ARCHIVE_SUFFIXES
from auditor.sources.options import ReadOptions
from auditor.sources.remote_contents import RemotePictures, Spelling
from auditor.sources.remote_files import read_remote_file, read_remote_folder
from auditor.sources.remote_notes import keeping_notes
from auditor.sources.remote_rows import dataset_of_remote_rows
from auditor.sources.rows import Source
from auditor.sources.stores import Entry, RemoteFolder, open_folder
from auditor.sources.tables import TABLE_SUFFIXES
from auditor.sources.tars import CLASS_NAME_FILES


def read_remote(address: str, options: ReadOptions) -> Dataset:
    """Return the dataset at an address; no picture is fetched yet.

    Raises
    ------
    UsageError
        If the address cannot be read as asked, or a library for its kind of store is missing.
    DataError
        If there is nothing, the store cannot be reached, or there is no dataset in what it holds.
    """
    check_online(options.offline, address)
    name = address_name(address)
    suffix = posixpath.splitext(name)[1].lower()
    source = Source(name=name, root=Path(shown_address(address)), images=options.images)
    if suffix in TAR_SUFFIXES | PARQUET_SUFFIXES:
        return _read_file(Listing(open_folder(folder_above(address))), name, source, options)
    if suffix in ARCHIVE_SUFFIXES:
        raise UsageError(f"{name} is an archive; unpack it in its store and give the folder.")
    if suffix in TABLE_SUFFIXES:
        _check_layout(name, options)
        return _read_manifest(Listing(open_folder(folder_above(address))), name, source, options)
    listing = Listing(open_folder(address))
    here = [e.path for e in listing.inside() if not e.is_folder]
    manifests = [n for n in MANIFEST_NAMES if n in here] if options.layout == "auto" else []
    if manifests:
        source.notes += [f"{manifests[0]} read, {other} beside it passed over." for other in manifests[1:]]
        return _read_manifest(listing, manifests[0], source, options)
    entries = listing.below()
    metadata = choose_metadata([e.path for e in entries if not e.is_folder])
    if metadata and options.layout == "auto":
        rows = _fetch_metadata(listing, metadata, source, options)
        if rows is not None:
            return _of_rows(rows, name, listing, source, options)
    tree = plant_tree(entries)
    if not any(parts for parts in tree.images):
        held = read_remote_folder(listing.folder, entries, source, options)
        if held is not None:
            return held
    if options.manifest_only:
        raise UsageError(f"{options.manifest_only[0]} is for manifests, and {name} holds none.")
    _describe(listing, source)
    return _of_class_folders(listing.folder, entries, tree, source, options)


def _check_layout(name: str, options: ReadOptions) -> None:
    """Raise `UsageError` where folders are described, and a manifest is read."""
    if options.layout != "auto":
        raise UsageError(f"--layout {options.layout} is for folders, and {name} is a manifest.")


def _read_file(listing: Listing, name: str, source: Source, options: ReadOptions) -> Dataset:
    """Read a tar, or a Parquet file, with the pictures inside; of a Parquet file without, a manifest."""
    folder = listing.folder
    try:
        entries = [folder.entry(name)]
    except DataError as error:
        raise DataError(f"{folder.shown}/{name} cannot be read: {error}.") from None
    with suppress(DataError):  # no listing, nothing beside
        used = {f"{posixpath.splitext(name)[0]}.parquet", *CLASS_NAME_FILES} - {name}
        entries += [e for e in listing.inside() if e.path in used and not e.is_folder]
    read = read_remote_file(folder, entries, source, options)
    if isinstance(read, Dataset):
        return read
    _check_layout(name, options)
    return _of_rows(read, name, listing, source, options)


def _read_manifest(listing: Listing, name: str, source: Source, options: ReadOptions) -> Dataset:
    """Fetch a manifest and read its rows, whose pictures may lie anywhere."""
    return _of_rows(_fetch_rows(listing, name, source, options), name, listing, source, options)


def _of_rows(
    rows: pd.DataFrame, name: str, listing: Listing, source: Source, options: ReadOptions
) -> Dataset:
    folder = listing.folder
    with suppress(DataError):  # no listing, no descriptions
        _describe(listing, source)
    if isinstance(options.root, Path):
        raise UsageError(
            f"--root {options.root} is a folder of this machine, and {name} lies in {folder.shown}: fetch "
            "the manifest first."
        )
    return dataset_of_remote_rows(rows, source, options, listing)


def _fetch_rows(listing: Listing, name: str, source: Source, options: ReadOptions) -> pd.DataFrame:
    with tempfile.TemporaryDirectory(prefix="auditor-") as temporary:
        return read_rows(_fetch(listing, name, Path(temporary)), source, options)


def _fetch_metadata(
    listing: Listing, names: Sequence[str], source: Source, options: ReadOptions
) -> pd.DataFrame | None:
    with tempfile.TemporaryDirectory(prefix="auditor-") as temporary:
        files = [_fetch(listing, name, Path(temporary)) for name in names]
        return read_metadata(files, replace(source, root=Path(temporary)), options)


def _fetch(listing: Listing, name: str, into: Path) -> Path:
    """Write a file of a remote folder into a local one, under its name."""
    file = into / name
    file.parent.mkdir(exist_ok=True)
    try:
        file.write_bytes(listing.folder.read(name))
    except DataError as error:
        raise DataError(f"{listing.folder.shown}/{name} cannot be read: {error}.") from None
    return file


def _describe(listing: Listing, source: Source) -> None:
    """Read the classes' descriptions where the folder holds some."""
    if any(e.path == DESCRIPTIONS and not e.is_folder for e in listing.inside()):
        with tempfile.TemporaryDirectory(prefix="auditor-") as temporary:
            _fetch(listing, DESCRIPTIONS, Path(temporary))
            source.descriptions = read_descriptions((Path(temporary),), source)


def _of_class_folders(
    folder: RemoteFolder, entries: Sequence[Entry], tree: Tree, source: Source, options: ReadOptions
) -> Dataset:
    images = {"/".join((*parts, name)) for parts, names in tree.images.items() for name in names}
    pictures = [entry for entry in entries if not entry.is_folder and entry.path in images]
    source.held_by = RemotePictures(
        folder.address,
        {entry.path: entry.version for entry in pictures},
        Spelling({entry.path: entry.spelled for entry in pictures if entry.spelled}),
        options.cache,
    )
    source.notes += keeping_notes(folder.address, pictures, 0, options.cache)
    return dataset_of_tree(tree, source, options)


def plant_tree(entries: Iterable[Entry]) -> Tree:
    """Return the listed files and folders as the tree that class folders are read from."""
    tree, hidden, folders = Tree(), set[Parts](), dict[Parts, None]()
    for entry in sorted(entries, key=lambda e: e.path):
        parts = tuple(entry.path.split("/"))
        concealed = next((i for i, part in enumerate(parts) if _is_hidden(part)), None)
        if concealed is not None:
            hidden.add(parts[: concealed + 1])
            continue
        above = parts if entry.is_folder else parts[:-1]
        folders.update(dict.fromkeys(above[: i + 1] for i in range(len(above))))
        if entry.is_folder:
            continue
        kind = kind_of_name(parts[-1], top=len(parts) == 1)
        if kind == "image":
            tree.images.setdefault(parts[:-1], []).append(parts[-1])
        elif kind:
            tree.passed[kind] += 1
    tree.folders = list(folders)
    for parts in folders:
        tree.children[parts[:-1]].add(parts[-1])
    if hidden:
        tree.passed["hidden"] = len(hidden)
    return tree


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES
