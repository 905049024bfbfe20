"""Labelled image datasets: read from class folders or manifests; nothing is decoded here.

    source --read_dataset--> Dataset(table: id path label domain split group)

    a folder, a manifest file      class_folders.py, manifests.py
    tars, Parquet with pictures    holders.py; saved Hugging Face datasets and imagefolders too
    an address: s3://, https:// .. remote.py
    objects of a Python program    objects.py

A folder with ``manifest.csv``, ``.parquet`` or ``.jsonl`` at its top is read through it. An optional
``classes.csv`` (class, description) at the top of the dataset describes the classes to annotators.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ids
from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.addresses import is_address, local_path
from auditor.sources.class_folders import read_class_folders
from auditor.sources.containers import COMPRESSED_TARS
from auditor.sources.descriptions import read_descriptions
from auditor.sources.holders import is_holder, read_holder, read_holders
from auditor.sources.hugging_face import is_hub_object, read_hub_object
from auditor.sources.manifests import MANIFEST_NAMES, read_rows
from auditor.sources.names import ARCHIVE_SUFFIXES, encode_name, plural
from auditor.sources.objects import read_objects
from auditor.sources.options import LAYOUTS, ReadOptions
from auditor.sources.placing import dataset_of_placed_rows
from auditor.sources.remote import read_remote
from auditor.sources.rows import Source
from auditor.sources.tables import TABLE_SUFFIXES

__all__ = [
    "LAYOUTS",
    "MANIFEST_NAMES",
    "Dataset",
    "ReadOptions",
    "fingerprint",
    "read_dataset",
    "take",
    "vector_rows",
]


def read_dataset(source: object, options: ReadOptions | None = None) -> Dataset:
    """Read a labelled dataset without opening an image.

    Parameters
    ----------
    source : a folder with one folder per class (optionally under splits or domains), a folder with a
        manifest at its top, or a manifest file (.csv, .tsv, .parquet, .jsonl); a tar or a folder of tars,
        Parquet files with the pictures inside, a folder that datasets.save_to_disk wrote, an imagefolder with
        metadata (`auditor.sources.holders`); the address, as text, of any of these in a store that fsspec
        reads; a pair of (paths, labels), a map-style torch dataset (`auditor.sources.objects` says what its
        items may be), or a datasets.Dataset or DatasetDict.
    options : how to read it.

    Returns
    -------
    Dataset
        Sorted by id for class folders, in the manifest's order for manifests. `notes` says what was
        passed over, set aside or collapsed.

    Raises
    ------
    UsageError
        If the options do not fit the source.
    DataError
        If there is no such source, it holds no labelled images, or fewer than two classes have samples.
    """
    options = options or ReadOptions()
    if is_hub_object(source):
        return read_hub_object(source, options)
    if not isinstance(source, (str, os.PathLike)):
        return read_objects(source, options)
    if is_address(source):
        return read_remote(str(source), options)
    path = Path(local_path(os.fspath(source)))
    try:
        manifest = _find_manifest(path, options)
    except OSError as error:
        raise DataError(f"{encode_name(str(path))!r} cannot be opened: {error.strerror}.") from error
    about = Source(name=encode_name((path.resolve() if path.is_dir() else path).name), root=path)
    about.images = options.images
    if manifest is None:
        held = _read_held(path, about, options)
        if held is not None:
            return held
        if options.manifest_only:
            raise UsageError(f"{options.manifest_only[0]} is for manifests, and {about.name} holds none.")
        about.descriptions = read_descriptions((path,), about)
        return read_class_folders(path, about, options)
    others = [name for name in MANIFEST_NAMES if path.is_dir() and (path / name).is_file()]
    about.notes += [f"{manifest.name} read, {name} beside it passed over." for name in others[1:]]
    rows = read_rows(manifest, about, options)
    about.root = manifest.parent
    return dataset_of_placed_rows(rows, about, options)


def _find_manifest(path: Path, options: ReadOptions) -> Path | None:
    """Return the manifest to read, None for class folders; raise for what is neither."""
    if path.is_dir():
        found = [path / name for name in MANIFEST_NAMES if (path / name).is_file()]
        return found[0] if found and options.layout == "auto" else None
    if not path.exists():
        # Path("s3://box/photos") is this.
        hint = (
            "an address is given as text, not as a Path" if re.match(r"[A-Za-z0-9+.-]+:/", str(path)) else ""
        )
        raise DataError(
            f"There is no {encode_name(str(path))!r}; "
            f"{hint or 'give a folder of class folders or a manifest file'}."
        )
    name = encode_name(path.name)
    suffix = path.suffix.lower()
    if is_holder(path, options):
        return None
    if name.lower().endswith(COMPRESSED_TARS):
        raise UsageError(
            f"{name} is an archive; unpack it and give the folder. A compressed tar can also become a plain "
            ".tar, from which pictures are read at random."
        )
    if suffix in ARCHIVE_SUFFIXES:
        raise UsageError(f"{name} is an archive; unpack it and give the folder.")
    if suffix not in TABLE_SUFFIXES:
        raise UsageError(
            f"{name} is neither a folder nor a manifest; manifests end with {', '.join(TABLE_SUFFIXES)}, and "
            "files of pictures with .tar or .parquet."
        )
    if options.layout != "auto":
        raise UsageError(f"--layout {options.layout} is for folders, and {name} is a manifest.")
    return path


def _read_held(path: Path, about: Source, options: ReadOptions) -> Dataset | None:
    """Return the dataset of a file that holds pictures, or a folder of such files; None for class folders."""
    return read_holders(path, about, options) if path.is_dir() else read_holder(path, about, options)


def take(dataset: Dataset, rows: NDArray[Any]) -> Dataset:
    """Return the samples of these rows (indices or a mask), in that order, and the classes that occur."""
    wanted = np.asarray(rows)
    picked = np.flatnonzero(wanted) if wanted.dtype.kind == "b" else wanted.astype(np.int64)
    table = dataset.table.iloc[picked].reset_index(drop=True)
    kept = set(table["label"].unique())
    classes = tuple(c for c in dataset.classes if c in kept)
    return replace(
        dataset,
        table=table,
        classes=classes,
        descriptions={c: d for c, d in dataset.descriptions.items() if c in kept},
        source_rows=None if dataset.source_rows is None else dataset.source_rows[picked],
    )


def vector_rows(dataset: Dataset, count: int) -> NDArray[np.int64]:
    """Return for each sample the row of the user's array with `count` rows that belongs to it, (n,).

    The array has a row per row of the manifest, or a row per sample where some were set aside.

    Raises
    ------
    DataError
        If `count` is neither.
    """
    if dataset.source_rows is not None and count == dataset.source_count:
        return dataset.source_rows
    if count == len(dataset):
        return np.arange(count, dtype=np.int64)
    rows = plural(dataset.source_count or len(dataset), "row")
    raise DataError(
        f"{dataset.name} has {rows}, the array has {count:,}; one each is needed, or a file of ids."
    )


def fingerprint(ids: Ids, digests: Ids, labels: Ids) -> str:
    """Return the sha256, hex, of the sorted (id, digest, label) triples: the order of rows does not count."""
    triples = sorted(zip(map(str, ids), map(str, digests), map(str, labels), strict=True))
    # Lengths in front, so that no choice of names makes two datasets look the same.
    text = "".join(f"{len(i)}:{i}{len(d)}:{d}{len(c)}:{c}" for i, d, c in triples)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
