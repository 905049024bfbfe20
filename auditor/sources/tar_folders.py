"""Class folders packed into tars: what the folders around each picture say.

train-0000.tar/photos/cat/1.jpg     class cat: the folder photos is around everything and says nothing
set.tar/train/cat/1.jpg             split train, class cat
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from auditor.errors import DataError
from auditor.sources.class_folders import SPLIT_NAMES, Parts, Tree, guess_layout
from auditor.sources.containers import split_named
from auditor.sources.names import count_phrase, plural
from auditor.sources.options import ReadOptions
from auditor.sources.rows import Source
from auditor.sources.tar_samples import LABEL_FIELDS, Shard


def folder_rows(shards: Mapping[str, Shard], source: Source, options: ReadOptions) -> pd.DataFrame:
    """Return a row per picture whose folders inside the tars say class, and split or domain."""
    import pyarrow as pa

    folders = {tar: _folders(tar, shard.names.to_pylist()) for tar, shard in shards.items()}
    every = {parts for many in folders.values() for parts in many}
    depth = 0 if options.layout == "auto" else options.layout.count("/") + 1
    skipped = _common_depth(every, depth)
    layout = options.layout
    if layout == "auto":
        layout = guess_layout(_tree({parts[skipped:] for parts in every}), source.name)
    level, outer = skipped + layout.count("/"), layout.split("/")[0]
    tables, outside = [], 0
    for tar, shard in shards.items():
        inside = [len(parts) > level for parts in folders[tar]]
        outside += inside.count(False)
        kept = [parts for parts in folders[tar] if len(parts) > level]
        columns = {
            "path": full_paths(tar, shard.names.filter(pa.array(inside))),
            "label": [p[level] for p in kept],
        }
        columns["split"] = [split_named(tar)] * len(kept)
        if "/" in layout:
            columns[outer] = [p[skipped] for p in kept]
        tables.append(pa.table({n: pa.array(c, pa.large_string()) for n, c in columns.items()}))
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    if not len(rows):
        raise DataError(
            f"{source.name} has {plural(outside, 'picture')} and no labels: there are no .cls files, no .json"
            f" with {', '.join(LABEL_FIELDS[:3])} and no class folders inside; --label-column NAME says which"
            " file or field holds the label."
        )
    note_passed(summed(shards, "passed", "label_files"), {"not in a class folder": outside}, source)
    return rows


def _folders(tar: str, names: Sequence[str]) -> list[Parts]:
    """Return the folders around each picture (p,): those of its tar, and those inside; equal ones are one."""
    above = tuple(tar.split("/")[:-1])
    inside = [name[: name.rfind("/") + 1] for name in names]
    parts = {folder: above + tuple(folder.split("/")[:-1]) for folder in set(inside)}
    return [parts[folder] for folder in inside]


def _common_depth(folders: set[Parts], depth: int) -> int:
    """Return how many folders around everything say nothing, because all pictures share them.

    `depth` is that of the asked layout; 0 lets a folder that is named like a split stand.
    """
    shortest = min(map(len, folders), default=0)
    first = next(iter(folders), ())
    skipped = 0
    while skipped + max(depth, 1) < shortest and len({parts[skipped] for parts in folders}) == 1:
        if not depth and first[skipped].lower() in SPLIT_NAMES:
            break
        skipped += 1
    return skipped


def _tree(folders: set[Parts]) -> Tree:
    """Return the tree of these folders as `guess_layout` reads it: names of pictures do not matter to it."""
    tree = Tree()
    for parts in sorted(folders):
        tree.images[parts] = [""]
        for depth, name in enumerate(parts):
            tree.children[parts[:depth]].add(name)
    return tree


def full_paths(tar: str, names: Any) -> Any:
    """Return the `path` of pictures (p,) of one tar."""
    import pyarrow as pa
    from pyarrow import compute

    prefix = pa.scalar(f"{tar}/", pa.large_string())
    return compute.binary_join_element_wise(prefix, names, pa.scalar("", pa.large_string()))


def summed(shards: Mapping[str, Shard], *fields: str) -> Counter[str]:
    """Return the sum of some counts of the tars."""
    total = Counter[str]()
    for shard in shards.values():
        for name in fields:
            total.update(getattr(shard, name))
    return total


def note_passed(passed: Counter[str], more: Mapping[str, int], source: Source) -> None:
    """Say what was passed over inside the tars."""
    passed.update({what: count for what, count in more.items() if count})
    if passed:
        source.notes.append(f"Passed over inside the tars: {count_phrase(passed.items())}.")
