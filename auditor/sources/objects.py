"""Datasets that a Python program holds: pairs of (paths, labels), (pictures, labels), and torch datasets.

    (paths, labels)             rows, as of a manifest
    ImageFolder, DatasetFolder  their files, read directly and without their transforms; so rows as well
    any map-style dataset       its items, taken when they are read (object_contents.py)
    Subset, ConcatDataset       of these

An item is (picture, label), or a dict with an image and a label. A label is a whole number, named by the
classes of the dataset or of `ReadOptions`, or text. `auditor.sources.pictures` says what a picture may be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.errors import UsageError
from auditor.results import Dataset
from auditor.sources.addresses import address_name, is_address
from auditor.sources.items import Flat, Pairs, flatten, label_texts, labels_of, names_of, probe
from auditor.sources.names import encode_name, plural
from auditor.sources.object_contents import ObjectPictures
from auditor.sources.options import ReadOptions
from auditor.sources.placing import dataset_of_placed_rows
from auditor.sources.rows import Source, make_dataset


def read_objects(source: Any, options: ReadOptions) -> Dataset:
    """Return the dataset that a Python object holds.

    Raises
    ------
    UsageError
        If `source` is no such object, its paths and labels do not fit, a label is no class, or options are
        for folders and manifests.
    DataError
        If none of the pictures is there, or there is no dataset in them.
    """
    given = (*options.manifest_only[options.root is not None :], *["--layout"] * (options.layout != "auto"))
    if given:
        raise UsageError(
            f"{given[0]} is for folders and manifests, not for a {type(source).__name__} object."
        )
    if isinstance(source, (tuple, list)):
        return _read_pair(source, options)
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise UsageError(
            "A dataset from Python is a pair of (paths, labels) or has __len__ and __getitem__; this "
            f"{type(source).__name__} is neither. Text names a folder, a manifest or an address."
        )
    return _read_items(source, type(source).__name__, options)


def _read_pair(source: Sequence[Any], options: ReadOptions) -> Dataset:
    if len(source) != 2 or any(isinstance(part, (str, bytes, os.PathLike)) for part in source):
        raise UsageError(
            "Give (paths, labels) as a pair of two lists, one label for each path; this "
            f"{type(source).__name__} has {plural(len(source), 'part')}."
        )
    pictures, labels = (part if hasattr(part, "__getitem__") else list(part) for part in source)
    pairs = Pairs(pictures, labels)
    if len(pictures) != len(labels):
        raise UsageError(
            f"{plural(len(pictures), 'path')} and {plural(len(labels), 'label')}: one label for each path is "
            "needed."
        )
    if not all(isinstance(pairs[row][0], (str, os.PathLike)) for row in range(len(pairs))):
        return _read_items(pairs, "pictures", options)
    paths = [encode_name(os.fspath(pairs[row][0])) for row in range(len(pairs))]
    texts = label_texts([pairs[row][1] for row in range(len(pairs))], options.classes)
    folder = options.root if isinstance(options.root, Path) else Path.cwd()
    return _place(paths, texts, Source(_name_of(paths, folder), folder, images=options.images), options)


def _name_of(paths: Sequence[str], folder: Path) -> str:
    """Return the name of the deepest folder that all paths lie in."""
    if any(map(is_address, paths)):
        return address_name(next(filter(is_address, paths)).rpartition("/")[0])
    folders = {os.path.dirname(os.path.abspath(folder / p)) for p in paths if p and "\0" not in p}  # noqa: PTH100, PTH120
    return Path(os.path.commonpath(folders)).name or "pictures" if folders else "pictures"


def _read_items(dataset: Any, name: str, options: ReadOptions) -> Dataset:
    flat = flatten(dataset)
    if not len(flat):
        raise UsageError(f"The {name} has no items.")
    source = Source(name, Path(name), images=options.images)
    probes = probe(flat, source.notes)
    labels = [""] * len(flat)
    for number, leaf in enumerate(flat.leaves):
        rows = flat.rows_of(number)
        raw = labels_of(flat, number, probes, source.notes)
        for row, text in zip(rows, label_texts(raw, options.classes or names_of(leaf)), strict=True):
            labels[row] = text
    if flat.only_files:
        root = Path(os.path.commonpath({os.path.abspath(leaf.root) for leaf in flat.leaves}))  # noqa: PTH100
        source.name, source.root = encode_name(root.name) or name, root
        return _place([encode_name(flat.file(row)) for row in range(len(flat))], labels, source, options)
    return _of_objects(flat, labels, source)


def _place(paths: Sequence[str], labels: Sequence[str], source: Source, options: ReadOptions) -> Dataset:
    rows = pd.DataFrame({"path": list(paths), "label": list(labels)}, dtype="str")
    return dataset_of_placed_rows(rows, source, options)


def _of_objects(flat: Flat, labels: Sequence[str], source: Source) -> Dataset:
    width = max(5, len(str(len(flat))))
    paths = [f"{row:0{width}d}{flat.suffix(row)}" for row in range(len(flat))]
    source.held_by = ObjectPictures(source.name, flat, {path: row for row, path in enumerate(paths)})
    return make_dataset(pd.DataFrame({"path": paths, "label": list(labels)}, dtype="str"), source)
