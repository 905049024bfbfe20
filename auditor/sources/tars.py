"""Tars of pictures: WebDataset shards, the output of img2dataset, or class folders packed into tars.

    photos.tar                      a tar, or a folder with any number of them
    train-0000.tar/cat/1.jpg        no labels inside: class folders, as if unpacked
    train-0000.tar/000042.jpg       .cls or .json beside: a sample of WebDataset

tars --headers, once--> Shard .. --> rows (path = tar/member) + Tars, which reads pictures from their place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from auditor.errors import AuditError, DataError, UsageError
from auditor.results import Dataset
from auditor.sources.containers import Containers, in_threads, split_named
from auditor.sources.names import count_phrase, encode_name, examples, plural
from auditor.sources.options import ReadOptions
from auditor.sources.rows import Source, make_dataset, texts
from auditor.sources.tables import ColumnNames, read_table
from auditor.sources.tar_contents import Tars
from auditor.sources.tar_folders import folder_rows, full_paths, note_passed, summed
from auditor.sources.tar_index import OpenFiles, read_at
from auditor.sources.tar_samples import LabelRule, Shard, read_shard

CLASS_NAME_FILES: tuple[str, ...] = ("classes.txt", "classnames.txt", "classes.csv")
"""Files beside the tars that tell the classes in the order of their indices."""

_NAME_COLUMNS = ColumnNames(
    aliases={"class": ("class", "label", "name"), "index": ("index", "id", "number")}, required=("class",)
)


def read_tars(found: Containers, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of some tars, in their order.

    `source.root` is the folder that the names of `found.tars` are relative to.

    Raises
    ------
    UsageError
        If an option is given that is not for tars.
    DataError
        If no tar can be read, there are no pictures or labels, or fewer than two classes.
    """
    _check_options(source, options)
    names = options.classes or _class_names(source)
    shards = _read_shards(found, names, source, options)
    total = sum(len(shard.places) for shard in shards.values())
    if not total:
        inside = count_phrase(summed(shards, "passed", "label_files").items()) or "nothing"
        raise DataError(f"No pictures in {source.name}: found {inside} inside.")
    labelled = _note_labels(shards, names, source)
    if options.label_column is not None and not labelled:
        raise DataError(_no_label(options.label_column, shards, source))
    if labelled and options.layout == "auto":
        rows = _sample_rows(shards, source)
    else:
        rows = folder_rows(shards, source, options)
    source.held_by = Tars(source.root, tuple(shards), {tar: shard.places for tar, shard in shards.items()})
    return make_dataset(rows, source)


def _check_options(source: Source, options: ReadOptions) -> None:
    if options.root is not None:
        raise UsageError(f"--root is for manifests, and {source.name} is read from tars.")
    for name, value in (("label", options.label_column), ("path", options.path_column)):
        if value is not None and options.layout != "auto":
            raise UsageError(
                f"--layout {options.layout} reads the folders inside {source.name}, and --{name}-column "
                f"{value} the files of its samples: give one of them."
            )


def _note_labels(shards: Mapping[str, Shard], names: tuple[str, ...], source: Source) -> bool:
    """Tell whether any sample has a label, and note those that are no index of a class."""
    import pyarrow as pa
    from pyarrow import compute

    labels = pa.chunked_array([shard.labels for shard in shards.values()], pa.large_string())
    said = compute.unique(labels).to_pylist()
    beyond = [label for label in said if label.isdigit() and label not in names] if names else []
    if beyond:
        source.notes.append(
            f"Labels that stay numbers, as only {plural(len(names), 'class')} are named beside the tars: "
            f"{examples(sorted(beyond))}."
        )
    return any(said)


def _read_shards(
    found: Containers, names: tuple[str, ...], source: Source, options: ReadOptions
) -> dict[str, Shard]:
    """Return what each readable tar holds, and note what is wrong with them."""
    rule = LabelRule(options.label_column, options.path_column, names)
    work = partial(_read_one, found=found, rule=rule)
    shards: dict[str, Shard] = {}
    faults: list[str] = []
    for tar, (shard, fault) in zip(found.tars, in_threads(work, list(found.tars.items())), strict=True):
        if shard is not None:
            shards[tar] = shard
        faults += [
            f"{tar} {said}" for said in ([fault] if fault else []) + list(shard.faults if shard else ())
        ]
    if not any(len(shard.places) for shard in shards.values()) and faults:
        raise DataError(f"No picture of {source.name} can be read: {faults[0]}.")
    source.notes += [f"Tars that are not whole: {examples_of(faults)}."] if faults else []
    return shards


def examples_of(sentences: Sequence[str], limit: int = 5) -> str:
    """Return the first few, and how many more there are."""
    more = f"; and {len(sentences) - limit:,} more" if len(sentences) > limit else ""
    return "; ".join(sentences[:limit]) + more


def _read_one(item: tuple[str, str], found: Containers, rule: LabelRule) -> tuple[Shard | None, str]:
    tar, file = item
    beside: Mapping[str, str] = {}
    table = found.parquets.get(f"{tar[: tar.rfind('.')]}.parquet")
    try:
        if rule.column is not None and table is not None:
            beside = _labels_beside(Path(table), rule.column)
        files = OpenFiles(limit=1)

        def read(offset: int, size: int) -> bytes:
            with files.opened(file) as (fd, _):
                return read_at(fd, offset, size)

        return read_shard(file, rule, read, beside), ""
    except (DataError, OSError) as error:
        return None, str(error)


def _labels_beside(table: Path, column: str) -> Mapping[str, str]:
    """Return key -> label of img2dataset's table beside a tar; empty when it has no such column."""
    columns = ColumnNames({"key": ("key",), "label": (column,)}, ("key", "label"), {"label": column})
    try:
        rows, _ = read_table(table, columns)
    except DataError:
        return {}
    return dict(zip(texts(rows["key"]), texts(rows["label"]), strict=True))


def _class_names(source: Source) -> tuple[str, ...]:
    """Return the class names by index from a file beside the tars, () where there is none."""
    file = next((source.root / name for name in CLASS_NAME_FILES if (source.root / name).is_file()), None)
    if file is None:
        return ()
    try:
        if file.suffix == ".txt":
            lines = file.read_text("utf-8-sig", errors="surrogateescape").splitlines()
            return tuple(encode_name(line.strip()) for line in lines if line.strip())
        table, _ = read_table(file, _NAME_COLUMNS)
    except (AuditError, OSError) as error:
        source.notes.append(f"No class names from {file.name}: {error}")
        return ()
    names = texts(table["class"])
    if "index" not in table:
        return tuple(names)
    indexed = {i: n for i, n in zip(texts(table["index"]), names, strict=True) if i.isdigit()}
    return tuple(indexed.get(str(i), str(i)) for i in range(1 + max(map(int, indexed), default=-1)))


def _sample_rows(shards: Mapping[str, Shard], source: Source) -> pd.DataFrame:
    """Return a row per sample, and note what was passed over."""
    import pyarrow as pa

    parts = []
    for tar, shard in shards.items():
        paths = full_paths(tar, shard.names.take(pa.array(shard.chosen)))
        split = pa.array([split_named(tar)] * len(paths), pa.large_string())
        parts.append(pa.table({"path": paths, "label": shard.labels, "split": split}))
    several, pictureless = (
        sum(getattr(s, name) for s in shards.values()) for name in ("several", "pictureless")
    )
    others = summed(shards, "others")
    if others:
        source.notes.append(
            f"{plural(several, 'sample')} with several pictures, one of each is read and these are not: "
            f"{count_phrase(others.items())}; --path-column SUFFIX chooses."
        )
    repeated = sum(shard.repeated for shard in shards.values())
    if repeated:
        source.notes.append(
            f"{plural(repeated, 'sample')} with the key of another in the same tar, told apart by #2, #3 .."
        )
    if pictureless:
        source.notes.append(f"{plural(pictureless, 'sample')} without a picture set aside.")
    loose = sum(len(s.places) - len(s.chosen) for s in shards.values()) - sum(others.values())
    note_passed(summed(shards, "passed"), {"picture without a stem": loose}, source)
    rows: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    return rows


def _no_label(column: str, shards: Mapping[str, Shard], source: Source) -> str:
    found = summed(shards, "passed", "label_files", "others")
    beside = examples([what for what, _ in found.most_common()]) or "no files"
    suffix = column.lstrip(".")
    return (
        f"No sample of {source.name} has a label {column!r}: neither a file .{suffix}, nor a field of .json, "
        f"nor a column of a .parquet beside its tar; beside the pictures are {beside}."
    )
