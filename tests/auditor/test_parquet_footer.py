"""Footers of Parquet files: what they say is what pyarrow reads, and none of them ends the process."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import auditor
from auditor.errors import DataError
from auditor.sources.parquet_footer import read_groups

PICTURES = pa.table(
    {
        "image": [{"bytes": bytes([i]) * 30, "path": f"picture {i}.png"} for i in range(30)],
        "label": [f"class {i % 2}" for i in range(30)],
    }
)


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


def wide() -> pa.Table:
    """Every kind of column, with gaps, and more columns than a short list holds."""
    plain = {f"column {i}": [i, None, 3] for i in range(40)}
    kinds = {
        "text": ["a", None, "ü" * 300],
        "flag": [True, False, None],
        "list": [[1, 2], [], None],
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "deep": [{"a": {"b": [{"c": 1.5}]}}] * 3,
        "time": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
        "decimal": pa.array([1, 2, None]).cast(pa.decimal128(30, 2)),
    }
    return pa.table({**plain, **kinds})


@pytest.mark.parametrize("table", [PICTURES, wide(), PICTURES.slice(0, 0), pa.table({})])
@pytest.mark.parametrize(
    "options", [{}, {"row_group_size": 1}, {"write_statistics": False, "version": "1.0"}]
)
def test_groups_are_those_that_pyarrow_reads(table: pa.Table, options: dict[str, Any]) -> None:
    data = written(table, **options)
    about = parquet.ParquetFile(io.BytesIO(data)).metadata
    groups = read_groups(io.BytesIO(data))
    assert [group.rows for group in groups] == [
        about.row_group(i).num_rows for i in range(about.num_row_groups)
    ]
    for i, group in enumerate(groups):
        theirs = [about.row_group(i).column(j) for j in range(about.num_columns)]
        assert [c.path for c in group.chunks] == [c.path_in_schema for c in theirs]
        assert [c.unpacked_bytes for c in group.chunks] == [c.total_uncompressed_size for c in theirs]
        said = [c.statistics for c in theirs]
        counts = [s.null_count if s is not None and s.has_null_count else None for s in said]
        assert [c.nulls for c in group.chunks] == counts


def test_a_struct_has_several_chunks() -> None:
    (group,) = read_groups(io.BytesIO(written(PICTURES)))
    assert [c.path for c in group.below("image")] == ["image.bytes", "image.path"]
    assert [c.path for c in group.below("label")] == ["label"]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\xff\xff\xff\x7fPAR1", b"\x00\x00\x00\x00PARE", b"\0" * 40])
def test_what_has_no_footer_is_an_error_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="footer"):
        read_groups(io.BytesIO(data))


def test_columns_that_are_encrypted_are_an_error_in_words() -> None:
    # FileMetaData with one row group of one column chunk that holds no ColumnMetaData
    footer = bytes([0x49, 0x1C, 0x19, 0x1C, 0x26, 0x08, 0x00, 0x26, 0x00, 0x16, 0x02, 0x00, 0x00])
    with pytest.raises(ValueError, match="encrypted"):
        read_groups(io.BytesIO(footer + len(footer).to_bytes(4, "little") + b"PAR1"))


@pytest.mark.parametrize("change", [0x10, 0x01, 0xFF])
def test_no_byte_of_a_footer_ends_the_process(tmp_path: Path, change: int) -> None:
    """Asked for its columns, pyarrow aborts on five of these changes of one byte."""
    valid = written(PICTURES)
    start = len(valid) - 8 - int.from_bytes(valid[-8:-4], "little")
    file, read = tmp_path / "pictures.parquet", 0
    for at in range(start, len(valid) - 8):
        data = bytearray(valid)
        data[at] ^= change
        file.write_bytes(data)
        try:
            read += len(auditor.read_dataset(file)) > 0
        except DataError as error:
            assert "\n" not in str(error)
    assert read > 100
