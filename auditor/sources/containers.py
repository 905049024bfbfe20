"""What the readers of pictures inside other files share.

folder --find_containers--> tars and Parquet files by name, unless it is a folder of class folders

A name inside a container is made safe before it becomes part of a `path`: it stays one relative name below
the container's, whatever was written there.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from auditor.errors import DataError
from auditor.sources.class_folders import SPLIT_NAMES, SYSTEM_NAMES
from auditor.sources.links import LinkRule
from auditor.sources.names import IMAGE_SUFFIXES, encode_entries, examples, locate, plural

TAR_SUFFIXES: frozenset[str] = frozenset({".tar"})
PARQUET_SUFFIXES: frozenset[str] = frozenset({".parquet", ".pq"})
COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
"""Become a plain .tar when they are unpacked once; pictures are read from those at random."""
READING_THREADS = 8
"""Containers whose headers are read at once: a drive across a network answers several as fast as one."""

NO_PICTURE = "the row holds no picture"

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Containers:
    """What lies under a folder: tars and Parquet files, our name -> the name that `open` takes.

    `passed` counts other files by suffix; `compressed` names tars that are packed once more, `outside` links
    that lead out and were not followed.
    `pictures` is True as soon as a folder below holds one: then the rest was not looked at.
    """

    tars: dict[str, str] = field(default_factory=dict)
    parquets: dict[str, str] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    compressed: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    pictures: bool = False


def find_containers(root: Path, follow_links: bool = False) -> Containers:
    """List the tars and Parquet files under `root`, sorted by name; linked folders are not entered."""
    found, links = Containers(), LinkRule(root, follow_links)
    waiting: list[tuple[str, str]] = [(os.fspath(root), "")]
    while waiting and not found.pictures:
        folder, prefix = waiting.pop(0)
        waiting += _list_folder(folder, prefix, found, links)
    found.tars, found.parquets = dict(sorted(found.tars.items())), dict(sorted(found.parquets.items()))
    return found


def _list_folder(folder: str, prefix: str, found: Containers, links: LinkRule) -> list[tuple[str, str]]:
    try:
        with os.scandir(folder) as listing:
            entries = list(_until_picture(listing, found, bool(prefix)))
    except OSError as error:
        found.passed[f"folder not read ({error.strerror})"] += 1
        return []
    entries.sort(key=lambda entry: entry.name)
    below = []
    for entry, name in zip(entries, encode_entries([e.name for e in entries]), strict=True):
        path = prefix + name
        if entry.is_dir(follow_symlinks=False):
            below.append((entry.path, f"{path}/"))
        elif entry.is_file():
            held = suffix_of(path) in TAR_SUFFIXES | PARQUET_SUFFIXES
            if held and entry.is_symlink() and not links.follows(entry.path, path):
                found.outside.append(path)
            else:
                _enter_file(entry.path, path, found)
        else:
            found.passed["broken link" if entry.is_symlink() else "not a file"] += 1
    return below


def _until_picture(
    listing: Iterable[os.DirEntry[str]], found: Containers, below: bool
) -> Iterator[os.DirEntry[str]]:
    """Yield the entries that are not hidden, up to the first picture in a folder below the top."""
    for entry in listing:
        if is_hidden(entry.name):
            found.passed["hidden"] += 1
            continue
        if below and suffix_of(entry.name) in IMAGE_SUFFIXES:
            found.pictures = True
            return
        yield entry


def _enter_file(file: str, path: str, found: Containers) -> None:
    suffix = suffix_of(path)
    if suffix in TAR_SUFFIXES:
        found.tars[path] = file
    elif suffix in PARQUET_SUFFIXES:
        found.parquets[path] = file
    else:
        found.passed[suffix or "without suffix"] += 1
        if path.lower().endswith(COMPRESSED_TARS):
            found.compressed.append(path)


def only_compressed(name: str, tars: Sequence[str]) -> DataError:
    """Return the error of a folder that holds no other tars than these, which are packed once more."""
    packed, first = plural(len(tars), "compressed tar"), examples([min(tars)])
    return DataError(
        f"{name} holds {packed}, {first}: make a plain .tar of each, as pictures are read at random."
    )


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is the system's own, or hidden."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def suffix_of(name: str) -> str:
    """Return the last suffix of a name's last part, lower case with its dot; "" where there is none."""
    stem, dot, ending = name[name.rfind("/") + 1 :].rpartition(".")
    return f".{ending.lower()}" if stem and dot else ""


def split_named(name: str) -> str:
    """Return the split that the name of a file says, "" when it says none or several.

    ``train-00000-of-00002.parquet`` and ``test/0.tar`` do; the name counts before the folders around it.
    """
    for part in reversed(name.split("/")):
        words = [word for word in re.split(r"[^A-Za-z]+", part) if word.lower() in SPLIT_NAMES]
        if words:
            return words[0] if len(words) == 1 else ""
    return ""


def safe_names(names: Sequence[str]) -> list[str]:
    """Return names (n,) found inside a container as valid text that stays below it, unique like they are.

    ``.`` at the start and doubled slashes go, ``..`` and a NUL become ``%2E%2E`` and ``%00``. Who stands
    again becomes ``name#2``.
    """
    tidy = encode_entries([_tidy(name) for name in names])
    literal, taken = set(tidy), set[str]()
    numbers: dict[str, int] = {}
    unique = []
    for name in tidy:
        candidate = name
        while candidate in taken or (candidate != name and candidate in literal):
            numbers[name] = numbers.get(name, 1) + 1
            candidate = f"{name}#{numbers[name]}"
        taken.add(candidate)
        unique.append(candidate)
    return unique


def _tidy(name: str) -> str:
    if "\0" in name:
        name = name.replace("\0", "%00")
    if name[:1] not in (".", "/") and "//" not in name and "/." not in name:
        return name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join("%2E%2E" if part == ".." else part for part in parts)


def last_part(name: str) -> str:
    """Return the name of a picture without its folders, safe like `safe_names`; "" where it has none."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return safe_names([last])[0] if last else ""


def row_path(holder: str, row: int, name: str) -> str:
    """Return the `path` of a row's picture; padded, so that paths sort like rows."""
    return "/".join(filter(None, (holder, f"{row:07d}", name)))


def split_path(path: str, containers: Collection[str]) -> tuple[str, str]:
    """Return the container that a `path` names, and the rest.

    Raises
    ------
    DataError
        If none of `containers` stands at its start.
    """
    end = path.find("/")
    while end >= 0:
        if path[:end] in containers:
            return path[:end], path[end + 1 :]
        end = path.find("/", end + 1)
    raise DataError(f"none of the files that hold pictures is named in {path!r}")


@dataclass(frozen=True)
class Stamp:
    """A file's size in bytes and its time of change in ns: another one means another file."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, facts: os.stat_result) -> Stamp:
        return cls(facts.st_size, facts.st_mtime_ns)


class Absent:
    """Contents that cannot be read here, with the reason.

    Parameters
    ----------
    place : where they were, for people.
    reason : what each reading says, in plain words.
    document : what source.json says, and goes on to say.
    """

    def __init__(self, place: str, reason: str, document: dict[str, Any]) -> None:
        self.place = place
        self._reason, self._document = reason, document

    def read(self, path: str) -> bytes:
        raise DataError(self._reason)

    def key(self, path: str) -> str:
        return ""

    def file(self, path: str) -> str | None:
        return None

    def document(self) -> dict[str, Any]:
        return self._document


def in_threads(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return the results in the order of the items."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(READING_THREADS, len(items)), thread_name_prefix="index") as pool:
        return list(pool.map(work, items))


def find_beside(root: Path, folders: Iterable[str], path: str) -> str:
    """Return the name that `open` takes of a picture that a row only names.

    Parameters
    ----------
    root : the dataset's folder, which `path` may not lead out of.
    folders : folders below `root` that `path` may be relative to.
    path : what the row says.

    Raises
    ------
    DataError
        If it says nothing, an address, a place outside of `root`, or a file that does not exist.
    """
    if not path:
        raise DataError(NO_PICTURE)
    if "://" in path:
        raise DataError(f"the row holds no picture, only the address {path!r}")
    top = os.path.abspath(root).rstrip("/") + "/"  # noqa: PTH100 - resolve would follow links
    for folder in dict.fromkeys(folders):
        place = posixpath.normpath(posixpath.join(top, folder, path))
        if not place.startswith(top):
            raise DataError(
                f"the row holds no picture, only the path {path!r}, which leads out of the dataset"
            )
        name = locate(top, place[len(top) :])
        if os.path.lexists(name):
            return name
    raise DataError(f"the row holds no picture, only the path {path!r}, and no such file exists")


def stamp_text(file: str) -> str:
    """Return what tells a change of a file, as part of a key; "" when it cannot be told."""
    try:
        facts = os.stat(file)  # noqa: PTH116 - the name need not be UTF-8
    except (OSError, ValueError):
        return ""
    return f"\0{facts.st_size}\0{facts.st_mtime_ns}"
