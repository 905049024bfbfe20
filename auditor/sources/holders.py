"""Sources whose pictures lie inside other files, or beside a metadata file: who reads what was given.

photos.tar, a folder of tars                                    tars.py
photos.parquet, a folder of them, with the pictures inside      picture_tables.py
a folder that datasets.save_to_disk wrote                       hugging_face.py
a folder with metadata.csv, .jsonl or .parquet                  image_folders.py
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from auditor.errors import DataError
from auditor.results import Dataset
from auditor.sources.containers import (
    PARQUET_SUFFIXES,
    TAR_SUFFIXES,
    Containers,
    find_containers,
    only_compressed,
    suffix_of,
)
from auditor.sources.descriptions import read_descriptions
from auditor.sources.hub_pictures import is_saved
from auditor.sources.hugging_face import read_saved
from auditor.sources.image_folders import find_metadata, read_image_folder
from auditor.sources.names import count_phrase, encode_name, examples, plural
from auditor.sources.options import ReadOptions
from auditor.sources.picture_tables import holds_pictures, read_picture_tables
from auditor.sources.rows import Source
from auditor.sources.tars import CLASS_NAME_FILES, read_tars


def is_holder(file: Path, options: ReadOptions) -> bool:
    """Tell whether a file holds pictures: a tar, or a Parquet file with a column of them."""
    suffix = suffix_of(file.name)
    if not file.is_file():
        return False
    if suffix in PARQUET_SUFFIXES:
        return holds_pictures(os.fspath(file), options.path_column)
    return suffix in TAR_SUFFIXES


def read_holder(file: Path, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of a file of which `is_holder` is true."""
    source.root = file.parent
    name = encode_name(file.name)
    if suffix_of(name) in PARQUET_SUFFIXES:
        return read_picture_tables({name: os.fspath(file)}, source, options)
    table = file.with_suffix(".parquet")
    beside = {encode_name(table.name): os.fspath(table)} if table.is_file() else {}
    return read_tars(Containers(tars={name: os.fspath(file)}, parquets=beside), source, options)


def read_holders(folder: Path, source: Source, options: ReadOptions) -> Dataset | None:
    """Return the dataset of a folder whose pictures lie inside files, or are listed in metadata files.

    None for a folder of neither, or one that holds class folders.

    Raises
    ------
    UsageError
        If an option does not fit, or a library is missing.
    DataError
        If there is nothing to audit in these files.
    """
    if is_saved(folder):
        return read_saved(folder, source, options)
    metadata = find_metadata(folder) if options.layout == "auto" else []
    listed = read_image_folder(metadata, source, options) if metadata else None
    if listed is not None:
        return listed
    found = find_containers(folder, options.follow_links)
    if found.pictures:
        return None
    if found.tars:
        _note_others(found, source)
        source.descriptions = _descriptions(source)
        return read_tars(found, source, options)
    if any(holds_pictures(file, options.path_column) for file in found.parquets.values()):
        _note_others(found, source)
        source.descriptions = _descriptions(source)
        return read_picture_tables(found.parquets, source, options)
    if found.outside:
        raise DataError(f"{source.name} holds no pictures. {_outside_note(found)}")
    if found.compressed:
        raise only_compressed(source.name, found.compressed)
    return None


def _descriptions(source: Source) -> Mapping[str, str]:
    """Return the descriptions of classes.csv, which may as well be a mere list of the classes here."""
    return read_descriptions((source.root,), replace(source, notes=[]))


def _note_others(found: Containers, source: Source) -> None:
    """Say which files beside those with the pictures are not read."""
    passed = found.passed.copy()
    for name in CLASS_NAME_FILES:
        passed[suffix_of(name)] -= (source.root / name).is_file()
    if found.tars:
        tables = {f"{tar[: tar.rfind('.')]}.parquet" for tar in found.tars}
        passed[".parquet"] += sum(name not in tables for name in found.parquets)
    if passed := +passed:
        source.notes.append(f"Passed over: {count_phrase(passed.items())}.")
    if found.outside:
        source.notes.append(_outside_note(found))


def _outside_note(found: Containers) -> str:
    links, first = plural(len(found.outside), "link"), examples([min(found.outside)])
    return f"Not followed: {links} out of the dataset, the first is {first}; --follow-links follows them."
