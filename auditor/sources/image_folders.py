"""Folders with pictures and a metadata file, as Hugging Face's imagefolder reads them.

    metadata.csv, .jsonl or .parquet    at the top, or one in each folder below (train, test)
    file_name,label                     paths from the metadata's own folder

Where there is no label, as for captions, the folders are read as class folders. The labels are the text that
stands there; features with class names are not part of such a folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from auditor.results import Dataset
from auditor.sources.containers import split_named
from auditor.sources.manifests import ALIASES
from auditor.sources.names import encode_name, examples
from auditor.sources.options import ReadOptions
from auditor.sources.placing import dataset_of_placed_rows
from auditor.sources.rows import Source, texts
from auditor.sources.tables import ColumnNames, read_table

METADATA_NAMES: tuple[str, ...] = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

_HINT = "; --label-column NAME says which one holds the label"


def choose_metadata(names: Sequence[str]) -> list[str]:
    """Return those of a folder's files, named from its top, that are its metadata, like `find_metadata`."""
    folders = sorted(
        {posixpath.dirname(name) for name in names if posixpath.basename(name) in METADATA_NAMES}
    )
    wanted = [f for f in folders if not f or ("/" not in f and split_named(f))]
    found = ([path for name in METADATA_NAMES if (path := posixpath.join(f, name)) in names] for f in wanted)
    return [files[0] for files in found]


def find_metadata(folder: Path) -> list[Path]:
    """Return the metadata files at the top of a folder and in those of its splits below, one of each."""
    try:
        below = sorted(entry for entry in folder.iterdir() if split_named(entry.name) and entry.is_dir())
    except OSError:  # it is told by who reads the folder then
        return []
    there = [f / name for f in (folder, *below) for name in METADATA_NAMES if (f / name).is_file()]
    chosen = choose_metadata([path.relative_to(folder).as_posix() for path in there])
    return [folder / name for name in chosen]


def read_image_folder(files: Sequence[Path], source: Source, options: ReadOptions) -> Dataset | None:
    """Return the dataset that the metadata files of a folder list, in order; None where none tells labels.

    Raises
    ------
    DataError
        If a file is damaged, a named column is missing, or there is no dataset in the rows.
    """
    rows = read_metadata(files, source, options)
    return None if rows is None else dataset_of_placed_rows(rows, source, options)


def read_metadata(files: Sequence[Path], source: Source, options: ReadOptions) -> pd.DataFrame | None:
    """Return the rows of metadata files below `source.root`, in order; None where none tells labels.

    Raises
    ------
    DataError
        If a file is damaged, or a named column is missing.
    """
    frames = []
    for file in files:
        frame = _read(file, source, options)
        if frame is not None:
            frames.append(frame)
    if not frames:
        return None
    rows: pd.DataFrame = pd.concat(frames, ignore_index=True).fillna("").astype("str")
    return rows


def _read(file: Path, source: Source, options: ReadOptions) -> pd.DataFrame | None:
    given = {"path": options.path_column or "file_name", "label": options.label_column}
    exact = {ours: name for ours, name in given.items() if name is not None}
    aliases = {**ALIASES, "path": ("file_name",)}
    looked, _ = read_table(file, ColumnNames({"path": (exact["path"],)}, ()))
    name = encode_name(posixpath.join(*file.relative_to(source.root).parts))
    if "path" not in looked:
        source.notes.append(f"{name} has no column {exact['path']} and is passed over.")
        return None
    frame, notes = read_table(
        file, ColumnNames(aliases, ("path",), exact, _HINT), every_row=not options.images
    )
    source.notes += notes
    if "label" not in frame:
        wanted = examples(ALIASES["label"], 4)
        source.notes.append(
            f"{name} has no label ({wanted}) and is passed over; --label-column NAME names one."
        )
        return None
    above = name.rpartition("/")[0]
    paths = texts(frame["path"])
    frame["path"] = [path if _is_whole(path) or not above else f"{above}/{path}" for path in paths]
    if "split" not in frame:
        frame["split"] = [split_named(posixpath.dirname(path)) for path in frame["path"]]
    return frame


def _is_whole(path: str) -> bool:
    return not path or path.startswith("/") or "://" in path
