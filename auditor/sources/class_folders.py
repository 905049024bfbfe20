"""One folder per class, optionally under splits or domains.

root/rose/1.jpg                 class
root/train/rose/1.jpg           split/class
root/photo/rose/1.jpg           domain/class
root/rose/any/depth/1.jpg       belongs to rose

scan_tree -> Tree: images by folder, the folders, what was passed over -> rows
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from auditor.errors import DataError
from auditor.results import Dataset
from auditor.sources.links import LinkRule
from auditor.sources.names import IMAGE_SUFFIXES, count_phrase, encode_entries, examples, plural
from auditor.sources.options import ReadOptions
from auditor.sources.rows import Source, make_dataset

SPLIT_NAMES = frozenset(["train", "training", "val", "valid", "validation", "test", "testing", "dev"])
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
USED_AT_TOP = frozenset({"classes.csv"})

Parts = tuple[str, ...]


@dataclass
class Tree:
    """What lies under a folder: image names by folder, the folders, and counts of what was passed over.

    `outside` names the links that lead out of the folder and were not followed.
    """

    images: dict[Parts, list[str]] = field(default_factory=dict)
    folders: list[Parts] = field(default_factory=list)
    children: defaultdict[Parts, set[str]] = field(default_factory=lambda: defaultdict(set))
    passed: Counter[str] = field(default_factory=Counter)
    outside: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Stop:
    """A folder still to be read; `above` are the (device, inode) of it and the folders around it."""

    path: str
    parts: Parts
    above: frozenset[tuple[int, int]]


def read_class_folders(folder: Path, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of a folder of class folders, sorted by id.

    Raises
    ------
    DataError
        If there are no images, no class folders, fewer than two classes, or if the tree is nested and
        neither it nor `options.layout` says what the levels mean.
    """
    return dataset_of_tree(scan_tree(folder, options.follow_links), source, options)


def dataset_of_tree(tree: Tree, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of what lies in a folder, wherever that is; raises like `read_class_folders`."""
    if not tree.images:
        raise DataError(_no_images(source.name, tree))
    layout = options.layout if options.layout != "auto" else guess_layout(tree, source.name)
    rows = _make_rows(tree, layout)
    if not len(rows):
        raise DataError(
            f"{source.name} has {plural(_total(tree), 'image')}, none of them in a folder that layout"
            f" {layout} reads as a class; give one folder per class, or a manifest with path and label."
        )
    source.notes.extend(_describe_passed(tree, layout))
    return make_dataset(rows, source)


@dataclass(frozen=True)
class _Walk:
    """What one walk through a tree gathers, and how it treats links; `followed` holds (device, inode)."""

    tree: Tree
    links: LinkRule
    followed: set[tuple[int, int]] = field(default_factory=set)


def scan_tree(root: Path, follow_links: bool = False) -> Tree:
    """List the images under `root` without opening any; links are followed, never twice or in a loop.

    Links out of `root` are followed if `follow_links` says so, or `auditor clean` wrote them.
    """
    walk = _Walk(Tree(), LinkRule(root, follow_links))
    stack = [_Stop(os.fspath(root), (), frozenset({_inode(os.fspath(root))}))]
    while stack:
        stop = stack.pop()
        stack.extend(_read_folder(stop, walk))
    return walk.tree


def _inode(path: str) -> tuple[int, int]:
    facts = os.stat(path)  # noqa: PTH116 - names may hold bytes that are not UTF-8; no Path needed
    return facts.st_dev, facts.st_ino


def _read_folder(stop: _Stop, walk: _Walk) -> list[_Stop]:
    """Enter one folder's images into the tree and return its subfolders, last name first."""
    tree = walk.tree
    try:
        with os.scandir(stop.path) as listing:
            entries = sorted(listing, key=lambda e: e.name)
    except OSError as error:
        tree.passed[f"folder not read ({error.strerror})"] += 1
        return []
    images, below = [], []
    for entry, name in zip(entries, encode_entries([e.name for e in entries]), strict=True):
        kind = _kind_of(entry, top=not stop.parts)
        if kind in ("folder", "image") and entry.is_symlink() and not _follows(entry, name, stop, walk):
            tree.outside.append("/".join((*stop.parts, name)))
        elif kind == "folder":
            below += _enter(entry, name, stop, walk)
        elif kind == "image":
            images.append(name)
        elif kind:
            tree.passed[kind] += 1
    if images:
        tree.images[stop.parts] = images
    return below[::-1]


def _kind_of(entry: os.DirEntry[str], top: bool) -> str:
    """Return "image", "folder", "" for a file that is used otherwise, or why the entry is passed over."""
    name = entry.name
    if name.startswith(".") or name.lower() in SYSTEM_NAMES:
        return "hidden"
    try:
        if entry.is_dir():
            return "folder"
        if not entry.is_file():
            return "not a file" if os.path.exists(entry.path) else "broken link"  # noqa: PTH110 - no Path needed
    except OSError:
        return "broken link"
    return kind_of_name(name, top)


def kind_of_name(name: str, top: bool) -> str:
    """Return what a file is by its name: "image", "" where it is used otherwise, or why it is passed over."""
    if top and name.lower() in USED_AT_TOP:
        return ""
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending.lower()}" if stem and dot else ""
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return suffix.encode("utf-8", "replace").decode() or "without suffix"


def _follows(entry: os.DirEntry[str], name: str, stop: _Stop, walk: _Walk) -> bool:
    return walk.links.follows(entry.path, "/".join((*stop.parts, name)))


def _enter(entry: os.DirEntry[str], name: str, stop: _Stop, walk: _Walk) -> list[_Stop]:
    tree = walk.tree
    try:
        inode = _inode(entry.path)
    except OSError as error:  # it went away since its folder was listed
        tree.passed[f"folder not read ({error.strerror})"] += 1
        return []
    if inode in stop.above:
        tree.passed["link to a folder around it"] += 1
        return []
    if entry.is_symlink():
        if inode in walk.followed:
            tree.passed["link to a folder read before"] += 1
            return []
        walk.followed.add(inode)
    parts = (*stop.parts, name)
    tree.folders.append(parts)
    tree.children[stop.parts].add(name)
    return [_Stop(entry.path, parts, stop.above | {inode})]


def guess_layout(tree: Tree, name: str) -> str:
    """Return the layout that the tree itself says, else raise DataError naming the choices.

    Folders named like splits, or others, hold classes when each has the same subfolders. Where every top
    folder holds images itself, it is a class.
    """
    tops = sorted({parts[0] for parts in tree.images if parts})
    if not tops:
        return "class"
    below = [tree.children[(top,)] for top in tops]
    direct = [(top,) in tree.images for top in tops]
    splits = [top.lower() in SPLIT_NAMES for top in tops]
    nested = any(len(parts) > 1 for parts in tree.images)
    agree = bool(below[0]) and all(b == below[0] for b in below) and not _deeper_levels(tree, tops, below[0])
    if all(splits) and agree:
        return "split/class"
    several = agree and len(below[0]) > 1
    if not all(splits) and (not nested or (all(direct) and not several)):
        return "class"
    if several and len(tops) > 1 and not any(direct) and not all(b.lower() in SPLIT_NAMES for b in below[0]):
        return "domain/class"
    raise DataError(
        f"{name} holds the folders {examples(tops)}, and from their subfolders it is not clear which level"
        " names the class: say --layout class, --layout split/class or --layout domain/class"
        " (or point at the folder that holds the class folders)."
    )


def _deeper_levels(tree: Tree, tops: list[str], classes: Iterable[str]) -> bool:
    """Tell whether the second level has equal subfolders with images too, e.g. domain/split/class."""
    seconds = [(top, c) for top in tops for c in classes]
    if any(parts in tree.images for parts in seconds):
        return False
    thirds = [tree.children[parts] for parts in seconds]
    return len(thirds[0]) > 1 and all(t == thirds[0] for t in thirds)


def _make_rows(tree: Tree, layout: str) -> pd.DataFrame:
    """Return path, label and split or domain of every image deep enough for the layout, sorted by path."""
    first, nested = layout.split("/")[0], "/" in layout
    depth = 2 if nested else 1
    paths: list[str] = []
    labels: list[str] = []
    outer: list[str] = []
    for parts, names in tree.images.items():
        if len(parts) < depth:
            continue
        prefix = "/".join(parts)
        paths += [f"{prefix}/{name}" for name in names]
        labels += [parts[depth - 1]] * len(names)
        outer += [parts[0]] * len(names)
    rows = pd.DataFrame({"path": paths, "label": labels, first if nested else "label": outer}, dtype="str")
    return rows.sort_values("path", ignore_index=True)


def _total(tree: Tree) -> int:
    return sum(map(len, tree.images.values()))


def _describe_passed(tree: Tree, layout: str) -> list[str]:
    depth = layout.count("/") + 1
    passed = Counter(tree.passed)
    outside = sum(len(names) for parts, names in tree.images.items() if len(parts) < depth)
    if outside:
        passed["not in a class folder"] = outside
    notes = []
    if passed:
        notes.append(f"Passed over: {count_phrase(passed.items())}.")
    notes += _describe_outside(tree)
    filled = {parts[:depth] for parts in tree.images}
    empty = sorted("/".join(f) for f in tree.folders if len(f) == depth and f not in filled)
    if empty:
        notes.append(f"{plural(len(empty), 'folder')} without images: {examples(empty)}.")
    return notes


def _describe_outside(tree: Tree) -> list[str]:
    if not tree.outside:
        return []
    links, first = plural(len(tree.outside), "link"), min(tree.outside)
    return [f"Not followed: {links} out of the dataset, the first is {first!r}; --follow-links follows them."]


def _no_images(name: str, tree: Tree) -> str:
    found = count_phrase(tree.passed.items()) or "nothing else"
    folders = plural(len(tree.folders), "folder")
    return (
        f"No images in {name}: found {folders} and {found}; auditor reads one folder per class with"
        " .jpg, .png, .webp and the like, or a manifest (.csv, .parquet, .jsonl)."
        + "".join(f" {note}" for note in _describe_outside(tree))
    )
