"""A table with a path and a label per image: CSV, Parquet or JSONL.

    table -> path, label, id, domain, split, group as text -> paths relative to the root -> files looked up

Files are looked up by listing each folder once: to ask for each would take minutes on a network drive.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from auditor.arrays import Bools
from auditor.errors import DataError
from auditor.faults import short
from auditor.results import Dataset
from auditor.sources.names import SHOWN_CHARACTERS, encode_entries, encode_name, examples, locate, plural
from auditor.sources.options import ReadOptions
from auditor.sources.rows import Source, make_dataset, texts
from auditor.sources.tables import ColumnNames, read_table

ALIASES: dict[str, tuple[str, ...]] = {
    "path": ("path", "file_name", "filename", "image", "image_path", "filepath", "file", "url", "image_url"),
    "label": ("label", "class", "category", "target"),
    "id": ("id",),
    "domain": ("domain",),
    "split": ("split",),
    "group": ("group",),
}

MANIFEST_NAMES: tuple[str, ...] = ("manifest.csv", "manifest.parquet", "manifest.jsonl")
"""A folder with one of these at its top is read through it."""

LISTED_FROM_ROWS = 8
"""A folder that fewer rows point into is asked for each file; it may hold millions of others."""


def read_rows(file: Path, source: Source, options: ReadOptions) -> pd.DataFrame:
    """Return the rows of a manifest, paths as they are written; notes go to `source`.

    Raises
    ------
    DataError
        If the file cannot be read, or a column is missing.
    """
    rows, notes = read_table(file, _wanted_columns(options), every_row=not options.images)
    source.notes += notes
    return rows


def dataset_of_rows(rows: pd.DataFrame, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of rows whose paths are files, relative to the source's root or absolute, in order.

    Raises
    ------
    DataError
        If no path exists, no row has a label, or fewer than two classes have samples.
    """
    if "path" in rows:
        rows = _settle_paths(rows, source, options)
    if options.images:
        rows = _drop_unknown(rows, source)
    return make_dataset(rows, source)


def _wanted_columns(options: ReadOptions) -> ColumnNames:
    given = {"path": options.path_column, "label": options.label_column}
    hint = "; --label-column NAME says which one holds the label"
    if options.images:
        hint = "; --path-column NAME and --label-column NAME say which ones to use"
    return ColumnNames(
        aliases=ALIASES,
        required=("path", "label") if options.images else ("label",),
        exact={ours: name for ours, name in given.items() if name is not None},
        hint=hint,
    )


def _settle_paths(rows: pd.DataFrame, source: Source, options: ReadOptions) -> pd.DataFrame:
    """Make paths relative to the root, moving the root where every path is absolute and outside of it."""
    raw = texts(rows["path"])
    paths = _relative_paths(raw, source.root)
    outside = all(p.startswith("../") for p in paths if p)
    absolute = [p for p in raw if p.startswith("/") and "\0" not in p]
    if options.root is None and outside and absolute and len(absolute) == sum(map(bool, raw)):
        source.root = Path(_common_folder(absolute))
        paths = _relative_paths(raw, source.root)
    return rows.assign(path=pd.Series(paths, index=rows.index, dtype="str"))


def _relative_paths(paths: Sequence[str], root: Path) -> list[str]:
    here = os.path.abspath(root)  # noqa: PTH100 - Path.absolute keeps "..", resolve follows links
    roots = tuple(dict.fromkeys(p.rstrip("/") + "/" for p in (here, os.path.realpath(root))))
    return [_relative_path(p, roots) if _is_untidy(p) else p for p in paths]


def _is_untidy(path: str) -> bool:
    """Cheap, and true for all that normpath would change but a slash at the end, which no file has."""
    return path[:1] == "/" or "./" in path or "//" in path or path[-1:] == "."


def _relative_path(path: str, roots: tuple[str, ...]) -> str:
    tidy = posixpath.normpath(path)
    if not tidy.startswith("/"):
        return tidy
    tidy = "/" + tidy.lstrip("/")  # POSIX lets "//" at the start stand
    for root in roots:
        if tidy.startswith(root):
            return tidy[len(root) :]
    return posixpath.relpath(tidy, encode_name(roots[0]))


def _common_folder(paths: Sequence[str]) -> str:
    return posixpath.commonpath({posixpath.dirname(posixpath.normpath(p)) for p in paths})


def _drop_unknown(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Set aside rows without a path or whose file does not exist; DataError when none is left."""
    if not len(rows):
        return rows
    paths = texts(rows["path"])
    known = _look_up(paths, source.root)
    if not known.any():
        first = next((p for p in rows["path"] if p), "")
        raise DataError(
            f"None of the {plural(len(paths), 'path')} in {source.name} exists under {source.root}, the first"
            f" is {short(first, SHOWN_CHARACTERS)}; --root FOLDER says where the images are."
        )
    rows = rows.assign(path=pd.Series(paths, index=rows.index, dtype="str"))
    if known.all():
        return rows
    source.notes.append(unknown_note([p for p, there in zip(paths, known, strict=True) if not there]))
    return rows[known]


def _look_up(paths: list[str], root: Path) -> Bools:
    """Tell which files exist, (n,); paths that lead nowhere are respelled in place where that helps."""
    known = find_files(root, paths)
    for respell in (_with_slashes, partial(_from_bytes, "cp1252"), partial(_from_bytes, "latin-1")):
        tried = [(row, respell(paths[row])) for row in np.flatnonzero(~known).tolist()]
        tried = [(row, other) for row, other in tried if other != paths[row]]
        others = _relative_paths([other for _, other in tried], root)
        for (row, _), other, there in zip(tried, others, find_files(root, others), strict=True):
            if there:
                paths[row], known[row] = other, True
    return known


def _with_slashes(path: str) -> str:
    return path.replace("\\", "/")


def _from_bytes(encoding: str, path: str) -> str:
    """Return the name whose raw bytes were written to a file that is not UTF-8."""
    try:
        return path if path.isascii() else encode_name(os.fsdecode(path.encode(encoding)))
    except UnicodeEncodeError:
        return path


def unknown_note(paths: Sequence[str]) -> str:
    """Return the sentence about rows that are set aside: their paths lead nowhere, "" where there is none."""
    named = [posixpath.basename(p) if p.startswith((".", "/")) else p for p in paths if p]
    blank = len(paths) - len(named)
    parts = [f"{plural(len(named), 'row')} whose file does not exist: {examples(named)}"] if named else []
    parts += [f"{plural(blank, 'row')} without a path"] if blank else []
    return f"Set aside {' and '.join(parts)}."


def find_files(root: Path, paths: Sequence[str]) -> Bools:
    """Tell for each path, relative to `root`, whether a file is there, (n,)."""
    by_folder: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        by_folder.setdefault(path[: path.rfind("/") + 1], []).append(row)
    known = np.zeros(len(paths), dtype=np.bool_)
    base = os.fspath(root)
    for folder, members in by_folder.items():
        if len(members) < LISTED_FROM_ROWS:
            known[members] = [bool(paths[row]) and _is_file(locate(base, paths[row])) for row in members]
            continue
        names = _file_names(locate(base, folder.rstrip("/") or folder))
        known[members] = [paths[row][len(folder) :] in names for row in members]
    return known


def _is_file(path: str) -> bool:
    """Tell whether something is there; what is no regular file says so when it is read."""
    return os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112 - names may hold a NUL


def _file_names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as listing:
            return set(encode_entries([entry.name for entry in listing if not entry.is_dir()]))
    except (OSError, ValueError):
        return set()
