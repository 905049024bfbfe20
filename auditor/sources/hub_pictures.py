"""Pictures in datasets of Hugging Face's library `datasets`, read by split and row.

    folder --load_saved--> {split: Dataset}; one without splits is called ""
    path = [split/]row[/name] --> the row's bytes, or the file that it names

The library is an extra and is imported when it is needed, without telemetry and off the network.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from auditor.contents import file_key
from auditor.errors import AuditError, DataError, UsageError
from auditor.files import MAX_FILE_BYTES, read_file
from auditor.reading import clock_stopped
from auditor.sources.containers import NO_PICTURE, find_beside, last_part, row_path, stamp_text
from auditor.sources.names import encode_name, locate
from auditor.sources.object_contents import KIND as OBJECTS
from auditor.sources.parquet import first_line

KIND = "huggingface"
PIP_LINE = 'pip install "dataset-auditor[hf]"'
SAVED_ONE, SAVED_MANY = ("state.json", "dataset_info.json"), "dataset_dict.json"

CHECK_SECONDS = 1.0
"""So long files that were found unchanged are read without a look at them."""

_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def is_saved(folder: Path) -> bool:
    """Tell whether save_to_disk wrote this folder."""
    return (folder / SAVED_MANY).is_file() or all((folder / name).is_file() for name in SAVED_ONE)


def library(why: str) -> ModuleType:
    """Return `datasets`; `why` begins the sentence when it is missing.

    The first import in a process that has not imported it yet is for reading alone: it stays off the network.

    Raises
    ------
    UsageError
        If it is not installed, with the line that installs it.
    """
    found = sys.modules.get("datasets") or _import(why)
    if not hasattr(found, "load_from_disk"):
        where = encode_name(str(getattr(found, "__file__", None) or "another place"))
        raise UsageError(f"{why} needs the library datasets, and another module of its name is in {where!r}.")
    return found


def _import(why: str) -> ModuleType:
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(_OFFLINE)
    try:
        import datasets
    except ImportError as error:
        raise UsageError(f"{why} needs the library datasets ({error}): {PIP_LINE}") from None
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return datasets  # type: ignore[no-any-return]


@contextmanager
def _without_bars(datasets: Any) -> Iterator[None]:
    shown = datasets.are_progress_bars_disabled() is False
    if shown:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def load_saved(folder: Path) -> dict[str, Any]:
    """Return the splits of a folder that save_to_disk wrote.

    Raises
    ------
    UsageError
        If the library is not installed.
    DataError
        If the folder is not whole.
    """
    name = encode_name(folder.name)
    datasets = library(f"{name}, a saved Hugging Face dataset,")
    try:
        with _without_bars(datasets):
            loaded = datasets.load_from_disk(os.path.abspath(folder))  # noqa: PTH100 - no link is followed
            loaded = loaded.with_format(None)  # whatever it says of its format
            for rows in splits_of(loaded).values():
                rows.data.table.validate(full=True)  # arrow trusts what a file says, wherever it points to
    except Exception as error:  # the library and arrow raise nearly every type on damaged folders
        raise DataError(
            f"{name} cannot be read as a saved Hugging Face dataset: {first_line(error)}."
        ) from None
    return splits_of(loaded)


def splits_of(loaded: Any) -> dict[str, Any]:
    """Return the datasets of a `Dataset` or `DatasetDict` by split."""
    return dict(loaded) if isinstance(loaded, dict) else {"": loaded}


@dataclass(frozen=True)
class Split:
    """One open dataset: its pictures as they are stored, and the path that each row names beside (rows,)."""

    rows: Any
    paths: Any
    fingerprint: str

    def stamp(self) -> str:
        """Return what tells a change of the dataset, by its fingerprint and files; "" when one is gone."""
        files = [file["filename"] for file in self.rows.cache_files]
        stamps = [stamp_text(file) for file in files]
        return "" if not all(stamps) else "".join([self.fingerprint, *stamps])

    def path(self, row: int) -> str:
        said = None if self.paths is None else self.paths[row].as_py()
        return "" if said is None else encode_name(said.decode("utf-8", "surrogateescape"))


def open_split(rows: Any, column: str) -> Split:
    """Open a `datasets.Dataset`, whatever its format and transforms are: they do not count.

    Raises
    ------
    DataError
        If it has no such column.
    """
    datasets = library("This")
    if column not in rows.features:
        raise DataError(f"there is no column {column!r}")
    alone = rows.with_format(None).select_columns([column])
    paths = None
    if isinstance(rows.features[column], datasets.Image):
        alone = alone.cast_column(column, datasets.Image(decode=False))
        named = alone.flatten().select_columns([f"{column}.path"]).with_format("arrow")[:]
        paths = named.column(0).cast("binary")
    return Split(alone, paths, str(getattr(rows, "_fingerprint", "")))


class HubPictures:
    """Contents (`auditor.contents.Contents`) of datasets of the library `datasets`.

    Parameters
    ----------
    root : folder that save_to_disk wrote, which pictures in files of their own must lie below; None for
        objects, whose pictures may lie anywhere.
    column : holds the pictures.
    splits : `datasets.Dataset` by name; None loads them from `root` when a picture is asked for.
    name : of an object, for people.
    """

    def __init__(
        self, root: Path | None, column: str, splits: Mapping[str, Any] | None = None, name: str = ""
    ) -> None:
        self._root, self._column, self._given, self._name = root, column, splits, name
        self._lock = threading.Lock()
        self._open: dict[str, Split] = {}
        self._stamps: dict[str, str] = {}
        self._next_check: dict[str, float] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._root, self._column, None if self._root else self._given, self._name)

    @property
    def place(self) -> str:
        return f"the Python object {self._name}" if self._root is None else str(self._root)

    def splits(self) -> Mapping[str, Split]:
        """Return the open datasets by name.

        Raises
        ------
        DataError
            If the folder is gone or not whole, or the library is missing.
        """
        with clock_stopped(), self._lock:
            if not self._open:
                try:
                    given = self._given if self._given is not None else load_saved(self._root or Path())
                    opened = {name: open_split(rows, self._column) for name, rows in given.items()}
                except AuditError as error:
                    raise DataError(f"{self.place}: {error}") from None
                self._stamps = {name: split.stamp() for name, split in opened.items()}
                self._open = opened
        return self._open

    def paths_of(self, split: str) -> list[str]:
        """Return the `path` of each row of a split, (rows,)."""
        found = self.splits()[split]
        return [row_path(split, row, last_part(found.path(row))) for row in range(len(found.rows))]

    def read(self, path: str) -> bytes:
        split, row, name = self._find(path)
        self._check(split, name)
        try:
            value = split.rows[row][self._column]
        except Exception as error:  # arrow and the library raise nearly every type on damaged files
            raise DataError(f"row {row:,} cannot be read: {first_line(error)}") from None
        data = value.get("bytes") if isinstance(value, dict) else value
        if data is None:
            return read_file(self._beside(split.path(row)))
        if len(data) > MAX_FILE_BYTES:
            raise DataError(
                f"it has {len(data):,} bytes, more than the limit of {MAX_FILE_BYTES:,} for one picture"
            )
        return bytes(data)

    def key(self, path: str) -> str:
        try:
            split, row, name = self._find(path)
        except DataError:
            return ""
        stamp, beside = self._stamps[name], split.path(row)
        if not stamp:
            return ""
        try:
            there = stamp_text(self._beside(beside)) if beside else ""
        except DataError:
            there = ""
        return file_key(self._root or "/", 0, 0, f"{stamp}\0{name}\0{self._column}\0{row}\0{there}")

    def file(self, path: str) -> None:
        return None

    def document(self) -> dict[str, Any]:
        if self._root is None:
            return {"kind": OBJECTS, "root": self._name}
        root = os.path.abspath(self._root)  # noqa: PTH100 - resolve would follow links
        return {"kind": KIND, "root": root, "column": self._column}

    def _find(self, path: str) -> tuple[Split, int, str]:
        """Return the split and row that a path names, and the split's name."""
        splits = self.splits()
        name = "" if "" in splits else next((n for n in splits if path.startswith(f"{n}/")), None)
        number = path[len(name) + 1 if name else 0 :].partition("/")[0] if name is not None else ""
        known = number.isascii() and number.isdigit()
        if name is None or not known or int(number) >= len(splits[name].rows):
            raise DataError(f"{self.place} has no row {path!r}")
        return splits[name], int(number), name

    def _check(self, split: Split, name: str) -> None:
        """Hold now and then that the files are those that were opened: mapped ones, and maybe thousands."""
        now = time.monotonic()
        if now >= self._next_check.get(name, 0.0):
            if split.stamp() != self._stamps[name]:
                raise DataError(f"{self.place} has changed since it was opened")
            self._next_check[name] = now + CHECK_SECONDS

    def _beside(self, path: str) -> str:
        if self._root is not None:
            return find_beside(self._root, ("",), path)
        if not path or "://" in path:
            raise DataError(f"the row holds no picture, only the address {path!r}" if path else NO_PICTURE)
        return locate(os.getcwd(), path)  # noqa: PTH109 - what the object's own reader would open


def open_hub_pictures(document: Mapping[str, Any]) -> HubPictures:
    """Return the contents that `HubPictures.document` described of a folder; nothing is loaded yet."""
    return HubPictures(Path(document["root"]), str(document["column"]))
