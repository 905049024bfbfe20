"""The tables of an audit folder.

    samples.parquet     one row per sample, in dataset order: the file to join with
    details.parquet     what samples.parquet has no column for: byte digests, hashes, quality, representatives
    thumbnails.parquet  id, width, height, data (WebP)
    findings.csv        one row per finding and member, for people and spreadsheets

n samples, m of them with a vector: a column of the m spreads over the n through `embedding_row`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ids, Ints, as_ids
from auditor.errors import DataError
from auditor.results import QUALITY_FACTS, SIGNATURE_SIDE, TABLE_COLUMNS, Audit, ImageFacts, Thumbnail
from auditor.sources.parquet import read_parquet

Rows: TypeAlias = NDArray[np.int64]
Columns: TypeAlias = Mapping[str, tuple[Any, str]]
"""Column name to its values and their arrow type."""

DANGEROUS_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that starts with one of these for a formula."""
_CSV_SPECIAL = re.compile(r'[",\r\n]')


def _neutralise(text: str) -> str:
    # Also where quotes stand in front already, or taking one away on reading would change another name.
    return "'" + text if text.lstrip("'").startswith(DANGEROUS_STARTS) else text


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: texts neutralised, figures with six significant digits.

    Python's csv module, and pandas with it, leaves a carriage return unquoted: it would end the row.
    """
    rows = zip(*(_csv_column(frame[name]) for name in frame.columns), strict=True)
    header = ",".join(_csv_cell(str(name)) for name in frame.columns)
    return "\n".join([header, *map(",".join, rows)]) + "\n"


def _csv_column(column: pd.Series) -> list[str]:
    # As objects: iterating over pandas' Arrow strings takes 5 times as long.
    values = column.to_numpy(dtype=object).tolist()
    if pd.api.types.is_float_dtype(column):
        return [f"{value:.6g}" for value in values]
    if pd.api.types.is_numeric_dtype(column):
        return [str(value) for value in values]
    return [_csv_cell(_neutralise(text)) for text in values]


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _CSV_SPECIAL.search(text) else text


def samples_table(audit: Audit) -> Columns:
    """Columns of samples.parquet as (values, arrow type)."""
    dataset, facts, scores = audit.dataset, audit.facts, audit.scores
    row = _embedding_rows(audit)
    names = np.array([*dataset.classes, ""], dtype=object)
    suggested = names[_spread(row, scores.suggested, len(dataset.classes))]
    return {
        **{name: (dataset.table[name].tolist(), "string") for name in TABLE_COLUMNS},
        "readable": (facts.readable.tolist() if facts.checked else [None] * len(dataset), "bool"),
        "error": (facts.error.tolist(), "string"),
        "width": (facts.width, "int32"),
        "height": (facts.height, "int32"),
        "digest": (facts.digest.tolist(), "string"),
        "embedding_row": (row.astype(np.int32), "int32"),
        "label_quality": (_spread_figures(row, scores.label_quality), "float"),
        "clarity": (_spread_figures(row, scores.clarity), "float"),
        "typicality": (_spread_figures(row, scores.typicality), "float"),
        "suggested_label": (suggested.tolist(), "string"),
        "suggested_probability": (_spread_figures(row, scores.suggested_probability), "float"),
        "duplicate_group": (_spread(row, audit.duplicates.group, -1).astype(np.int32), "int32"),
        "finding": (_first_kinds(audit), "string"),
        "map_x": (_spread_figures(row, audit.map.positions[:, 0]), "float"),
        "map_y": (_spread_figures(row, audit.map.positions[:, 1]), "float"),
    }


def details_table(audit: Audit) -> Columns:
    """Columns of details.parquet; `searched_as` and `duplicate_of` are embedding rows, -1 = no vector."""
    facts, row = audit.facts, _embedding_rows(audit)
    quality = {name: (facts.quality[name], "float") for name in QUALITY_FACTS if name in facts.quality}
    return {
        "id": (facts.ids.tolist(), "string"),
        "readable": (facts.readable.tolist(), "bool"),
        "byte_digest": (facts.byte_digest.tolist(), "string"),
        "perceptual_hash": (facts.perceptual_hash, "uint64"),
        **quality,
        "neighbour_vote": (_spread_figures(row, audit.scores.neighbour_vote), "float"),
        "searched_as": (_spread(row, audit.neighbours.representative, -1), "int32"),
        "duplicate_of": (_spread(row, audit.duplicates.representative, -1), "int32"),
        "identical": (_spread(row, audit.duplicates.identical, False), "bool"),
    }


def thumbnails_table(thumbnails: Mapping[str, Thumbnail]) -> Columns:
    """Columns of thumbnails.parquet, sorted by id."""
    ids = sorted(thumbnails)
    return {
        "id": (ids, "string"),
        "width": ([thumbnails[i].width for i in ids], "int32"),
        "height": ([thumbnails[i].height for i in ids], "int32"),
        "data": ([thumbnails[i].data for i in ids], "binary"),
    }


def _embedding_rows(audit: Audit) -> Rows:
    """Row of each sample's vector, (n,), -1 = none."""
    rows = pd.Index(audit.embeddings.ids).get_indexer(pd.Index(audit.dataset.ids))
    return np.asarray(rows, dtype=np.int64)


def _spread(row: Rows, values: NDArray[Any], missing: float) -> NDArray[Any]:
    """Values of the m embedded samples laid out for all n, `missing` where there is no vector."""
    return np.append(values, np.array([missing], dtype=values.dtype))[row]


def _spread_figures(row: Rows, values: Floats) -> Any:
    """The same as an arrow array with nulls: a parquet reader then tells "no vector" from a number."""
    import pyarrow as pa

    return pa.array(_spread(row, values, np.nan), type=pa.float32(), mask=row < 0)


def _first_kinds(audit: Audit) -> list[str]:
    """Kind of highest precedence for each sample; findings stand in that order, so the first one counts."""
    kinds: dict[str, str] = {}
    for finding in audit.findings:
        for i in finding.ids:
            kinds.setdefault(i, finding.kind)
    return [kinds.get(i, "") for i in audit.dataset.ids]


def write_table(columns: Columns, file: Path) -> None:
    """Write `columns` as parquet, without pandas' metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        name: values if isinstance(values, pa.Array) else pa.array(values, type=pa.type_for_alias(kind))
        for name, (values, kind) in columns.items()
    }
    pq.write_table(pa.table(arrays), file, compression="zstd")


def read_table(file: Path, *columns: str) -> pd.DataFrame:
    """Read a Parquet file, or these columns of it; texts stay texts.

    Raises
    ------
    DataError
        If it is no whole Parquet file or lacks a column.
    """
    table = read_parquet(file, (lambda found: columns) if columns else list)
    return cast(pd.DataFrame, table.to_pandas(ignore_metadata=True))


def texts_of(table: pd.DataFrame, name: str) -> Ids:
    """Return a column of texts; DataError where it is missing or holds anything else."""
    column = _column(table, name)
    if not pd.api.types.is_string_dtype(column) or column.isna().any():
        raise DataError(f"the column {name!r} needs texts, it holds {column.dtype} or gaps")
    return as_ids(column)


def figures_of(table: pd.DataFrame, name: str) -> Floats:
    """Return a column of figures, not-a-number where there is none."""
    with np.errstate(over="ignore"):  # infinite then, which no figure of ours may be
        return _numbers(table, name, "f").astype(np.float32)


def integers_of(table: pd.DataFrame, name: str) -> Ints:
    """Return a column of whole numbers of 32 bits."""
    values = _numbers(table, name, "iu")
    bounds = np.iinfo(np.int32)
    if len(values) and (values.min() < bounds.min or values.max() > bounds.max):
        raise DataError(f"the column {name!r} holds numbers of more than 32 bits")
    return np.asarray(values, dtype=np.int32)


def flags_of(table: pd.DataFrame, name: str) -> Bools:
    """Return a column of yes and no."""
    return np.asarray(_numbers(table, name, "b"), dtype=bool)


def _numbers(table: pd.DataFrame, name: str, kinds: str) -> NDArray[Any]:
    column = _column(table, name)
    if column.dtype.kind not in kinds:  # with a gap whole numbers become floats, and flags objects
        raise DataError(
            f"the column {name!r} needs values of kind {kinds!r} without gaps, not {column.dtype}"
        )
    return column.to_numpy()


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table.columns:
        raise DataError(f"there is no column {name!r}")
    return table[name]


class EmbeddedColumns:
    """Columns of samples.parquet and details.parquet, for the rows with a vector in embedding order."""

    def __init__(self, samples: pd.DataFrame, details: pd.DataFrame, order: Rows) -> None:
        own = details.columns.difference(samples.columns)
        self.table = pd.concat([samples, details[own]], axis=1).iloc[order]

    def figures(self, name: str) -> Floats:
        return figures_of(self.table, name)

    def integers(self, name: str) -> Ints:
        return integers_of(self.table, name)

    def flags(self, name: str) -> Bools:
        return flags_of(self.table, name)

    def texts(self, name: str) -> Ids:
        return texts_of(self.table, name)


def read_facts(samples: pd.DataFrame, details: pd.DataFrame, checked: bool) -> ImageFacts:
    """Put the image facts together again; the signatures are zeros."""
    side = SIGNATURE_SIDE if checked else 0
    hashes = _numbers(details, "perceptual_hash", "u").astype(np.uint64)
    return ImageFacts(
        ids=texts_of(samples, "id"),
        readable=flags_of(details, "readable"),
        error=texts_of(samples, "error"),
        width=integers_of(samples, "width"),
        height=integers_of(samples, "height"),
        byte_digest=texts_of(details, "byte_digest"),
        digest=texts_of(samples, "digest"),
        perceptual_hash=hashes,
        signature=np.zeros((len(samples), side, side), dtype=np.uint8),
        quality={n: figures_of(details, n) for n in QUALITY_FACTS if n in details},
        checked=checked,
    )


def read_thumbnails(file: Path) -> dict[str, Thumbnail]:
    """Return the stored pictures by sample id."""
    table = read_table(file)
    data = _column(table, "data").tolist()
    if not all(isinstance(picture, bytes) for picture in data):
        raise DataError(f"the column 'data' of {file.name} needs pictures")
    sizes = (integers_of(table, name).tolist() for name in ("width", "height"))
    rows = zip(texts_of(table, "id"), *sizes, data, strict=True)
    return {i: Thumbnail(width, height, picture) for i, width, height, picture in rows}
