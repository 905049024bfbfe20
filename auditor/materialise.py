"""A cleaned dataset as a tree of class folders, from names that may be anything.

    NEW / [domain/] [split/] class / file

    class "a/b"  -->  folder "a%2Fb"        ".hidden" --> "%2Ehidden"      "" --> "(no name)"
    two files of one name in a folder  -->  1.jpg, 1-2.jpg, 1-3.jpg, in order of their ids

The manifest beside the tree holds the classes' true names. No part of a path leads out of NEW: a name never
holds a slash and never is "." or "..". Originals are only ever opened for reading.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.arrays import Progress, no_progress
from auditor.contents import Contents
from auditor.errors import DataError, OutputError, UsageError
from auditor.images import byte_digest
from auditor.sources.class_folders import SYSTEM_NAMES
from auditor.sources.names import encode_name

MODES: tuple[str, ...] = ("copy", "hardlink", "symlink")
LONGEST_FOLDER = 200
"""Bytes of UTF-8; a longer name is cut and gets a hash."""
LONGEST_FILE = 255
"""What file systems take."""
NAMELESS = "(no name)"

_HASH = 8
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|%(?=[0-9A-Fa-f]{2})")
"""Also a per cent sign that would be taken for an encoding: different names stay different."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""

Parts = tuple[str, ...]


def check_mode(mode: str) -> None:
    """Raise `UsageError` for an unknown way to put pictures into a tree."""
    if mode not in MODES:
        raise UsageError(f"--materialize takes {', '.join(MODES)}, not {mode!r}.")


def folder_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a folder name for each name: safe, unique, and the name itself wherever that is possible.

    Parameters
    ----------
    names : class, split or domain names, any text.
    taken : names in the same folder that are not to be used, whatever their case.
    """
    reserved = {*SYSTEM_NAMES, *(name.lower() for name in taken)}
    wanted = {name: _safe_folder(name, reserved) for name in sorted(set(names))}
    used = {folder for name, folder in wanted.items() if folder == name}
    for name, folder in wanted.items():
        if folder == name:
            continue
        while folder in used:
            folder = _cut(folder, LONGEST_FOLDER - _HASH - 1) + "~" + _mark(folder + "\n" + name)
        used.add(folder)
        wanted[name] = folder
    return wanted


def _safe_folder(name: str, reserved: set[str]) -> str:
    text = _UNSAFE.sub(_encode, encode_name(name))
    if not text.strip():  # a reader takes blanks for no label
        return _encode_all(text) or NAMELESS
    if text.startswith(".") or text.lower() in reserved or _DEVICES.fullmatch(text):
        text = _encode_all(text[0]) + text[1:]
    if len(text.encode()) > LONGEST_FOLDER:
        text = _cut(text, LONGEST_FOLDER - _HASH - 1) + "~" + _mark(name)
    return text


def _encode(match: re.Match[str]) -> str:
    return _encode_all(match.group())


def _encode_all(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


def _cut(text: str, limit: int) -> str:
    """Return the start of `text`, at most `limit` bytes, no character torn apart."""
    return text.encode()[:limit].decode(errors="ignore")


def tree_paths(
    ids: Sequence[str], paths: Sequence[str], levels: Sequence[Sequence[str]], taken: Iterable[str]
) -> list[str]:
    """Return where each file goes in the tree, as text with slashes; no two at one place.

    Parameters
    ----------
    ids : (n,) decide who keeps the name where several files of one name meet.
    paths : (n,) of the originals; the last part is the file's name.
    levels : the folders above the file, outermost first, (n,) names each.
    taken : names at the top of the tree that are not to be used.
    """
    folders = [folder_names(level, taken if depth == 0 else ()) for depth, level in enumerate(levels)]
    above: list[Parts] = [
        tuple(folders[depth][name] for depth, name in enumerate(names)) for names in zip(*levels, strict=True)
    ]
    wanted = [_safe_file(path.rpartition("/")[2]) for path in paths]
    members: dict[Parts, list[int]] = {}
    for row, parts in enumerate(above):
        members.setdefault(parts, []).append(row)
    out = [""] * len(ids)
    for parts, rows in members.items():
        rows.sort(key=lambda row: ids[row])
        for row, name in zip(rows, _number([wanted[row] for row in rows]), strict=True):
            out[row] = "/".join((*parts, name))
    return out


def _safe_file(name: str) -> str:
    """Return a file's name as it is, or the closest that is seen as a picture and fits."""
    text = name.replace("\x00", "%00")
    if text.startswith(".") or text.lower() in SYSTEM_NAMES or _DEVICES.fullmatch(text):
        text = _encode_all(text[0]) + text[1:]
    if len(text.encode()) <= LONGEST_FILE:
        return text or NAMELESS
    stem, suffix = _split_suffix(text)
    return _cut(stem, LONGEST_FILE - _HASH - 1 - len(suffix.encode())) + "~" + _mark(name) + suffix


def _split_suffix(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem and len(ending.encode()) <= 20 else (name, "")


def _number(names: Sequence[str]) -> list[str]:
    """Return the names of one folder's files, the second of a name with -2, the third with -3, ..."""
    used, first = set(names), set[str]()
    counts: dict[str, int] = {}
    out = []
    for name in names:
        if name not in first:
            first.add(name)
            out.append(name)
            continue
        stem, suffix = _split_suffix(name)
        number = counts.get(name, 2)
        while (other := _numbered(stem, number, suffix)) in used:
            number += 1
        counts[name] = number + 1
        used.add(other)
        out.append(other)
    return out


def _numbered(stem: str, number: int, suffix: str) -> str:
    ending = f"-{number}{suffix}"
    return _cut(stem, LONGEST_FILE - len(ending.encode())) + ending


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One picture of the tree: `path` is the original's in its contents, `place` comes from `tree_paths`."""

    id: str
    path: str
    byte_digest: str
    place: str


def place_files(
    files: Sequence[TreeFile], contents: Contents, folder: Path, mode: str, progress: Progress = no_progress
) -> None:
    """Put each original into `folder`, which holds no tree yet, at its place; `mode` is one of `MODES`.

    Raises
    ------
    DataError
        If an original cannot be read, or has changed since.
    UsageError
        If links are asked for and the originals are no files.
    OutputError
        If links cannot be made here, or two names are one to this file system.
    """
    made: set[str] = set()
    here = os.path.realpath(folder)
    for done, file in enumerate(files, start=1):
        parent = file.place.rpartition("/")[0]
        if parent not in made:
            _make_folder(folder, parent, made)
        try:
            if mode == "copy":
                _copy(file, contents, folder / file.place)
            else:
                _link(_linkable(file, contents), f"{here}/{file.place}", mode)
        except FileExistsError as error:
            raise OutputError(_one_name(file.place)) from error
        progress("files", done, len(files))


def _make_folder(folder: Path, place: str, made: set[str]) -> None:
    parts = place.split("/")
    for depth in range(1, len(parts) + 1):
        step = "/".join(parts[:depth])
        if step not in made:
            try:
                (folder / step).mkdir()
            except FileExistsError as error:
                raise OutputError(_one_name(step)) from error
            made.add(step)


def _one_name(place: str) -> str:
    return (
        f"{place!r} and another name are one and the same to the file system of the output, which takes "
        "upper and lower case for equal: leave out --materialize, or choose another --out."
    )


def _copy(file: TreeFile, contents: Contents, target: Path) -> None:
    try:
        data = contents.read(file.path)
    except DataError as error:
        raise DataError(f"The original of {file.id!r} cannot be copied: {error}.") from None
    if byte_digest(data) != file.byte_digest:
        raise DataError(
            f"The file of {file.id!r} has changed since the audit: run the audit again on what is there now."
        )
    with target.open("xb") as copy:
        copy.write(data)
    if (original := contents.file(file.path)) is not None:
        facts = os.stat(original)  # noqa: PTH116 - the name need not be UTF-8
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _linkable(file: TreeFile, contents: Contents) -> str:
    name = contents.file(file.path)
    if name is None:
        raise UsageError(
            f"The pictures lie inside {contents.place!r}, where no link can point: use copies "
            "(--materialize copy)."
        )
    return name


def _link(source: str, target: str, mode: str) -> None:
    original = os.path.realpath(source)
    try:
        if mode == "hardlink":
            Path(target).hardlink_to(original)
        else:
            Path(target).symlink_to(os.path.relpath(original, os.path.dirname(target)))  # noqa: PTH120 - fast
    except FileExistsError:
        raise
    except OSError as error:
        name = {"hardlink": "Hard links", "symlink": "Symbolic links"}[mode]
        raise OutputError(
            f"{name} to the originals cannot be made here ({error.strerror}): use --materialize copy."
        ) from error
