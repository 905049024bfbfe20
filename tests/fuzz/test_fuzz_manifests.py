"""Whatever a manifest holds, reading it gives a dataset or one sentence: CSV, TSV, JSONL, Parquet."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import ODD_TEXTS, Fuzz, spoiled, spoiled_json
from hypothesis import strategies as st
from pictures import file_path

from auditor.dataset import Dataset, ReadOptions, read_dataset
from auditor.errors import AuditError
from auditor.results import TABLE_COLUMNS
from auditor.user_arrays import read_ids, read_predictions

SENTENCE_CHARACTERS = 4000
NAMES = ("1.png", "2.png", "sub/3.png", "caf\xe9.png", "new\nline.png", "quo\"te,'.png", "\u2028.png")
PATHS = (*NAMES, "./1.png", "sub/../2.png", "sub\\3.png", "/nowhere/a.png", "/no\0where/b.png", "no/such.png")
HEADERS = (
    "path",
    "label",
    "id",
    "split",
    "domain",
    "group",
    "file_name",
    "Label",
    " label ",
    "class",
    "x",
    "",
)
TEXTS = st.sampled_from((*PATHS, *ODD_TEXTS, "cat", "dog", "cat", "dog")) | st.text(max_size=8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def hold(file: Path, options: ReadOptions) -> None:
    """Read a manifest: a dataset that is sound, or an `AuditError` of one sentence."""
    try:
        dataset = read_dataset(file, options)
    except AuditError as error:
        assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error)
        return
    assert_sound(dataset)


def assert_sound(dataset: Dataset) -> None:
    assert tuple(dataset.table.columns) == TABLE_COLUMNS and len(dataset) >= len(dataset.classes) >= 2
    for name in TABLE_COLUMNS:
        for text in dataset.table[name]:
            assert isinstance(text, str) and text.encode().decode() == text
    assert set(dataset.table["label"]) == set(dataset.classes)
    if dataset.has_images:
        assert all(Path(file_path(dataset, row)).exists() for row in range(len(dataset)))
    assert all(len(note) <= SENTENCE_CHARACTERS for note in dataset.notes)


OPTIONS = st.sampled_from(
    (
        ReadOptions(),
        ReadOptions(images=False),
        ReadOptions(path_column="x"),
        ReadOptions(label_column="label"),
    )
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """A header and rows that are mostly sound: a path and a label, other columns, odd cells among them."""
    header = ["path", "label", *draw(st.lists(st.sampled_from(HEADERS), max_size=4))]
    header = draw(st.permutations(header)) if draw(st.booleans()) else header
    rows = [[name, "cat" if n % 2 else "dog", *["x"] * (len(header) - 2)] for n, name in enumerate(NAMES)]
    for _ in range(draw(st.integers(0, 6))):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(TEXTS)
    return header, rows + draw(st.lists(st.lists(TEXTS, max_size=6), max_size=3))


@st.composite
def delimited(draw: st.DrawFn) -> bytes:
    header, rows = draw(tables())
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=draw(st.sampled_from(",;\t|")),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows([header, *rows])
    text = out.getvalue()
    if not draw(st.integers(0, 7)):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(['"', '""', "\0", "\r", "\n\n", "\x0b", "\x1c", ","]))
            + text[at:]
        )
    encoding = draw(
        st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "utf-16-be", "cp1252", "latin-1"])
    )
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


LONG = (
    ("path,label," + ",".join(f"c{n}" for n in range(50_000)) + "\n1.png,cat\n").encode(),
    b"path,label\n" + b'"' + b"x" * 300_000,
    b'"path' + b"x" * 200_000 + b"\nlabel\n",
    b"path,label\n" + b"\n" * 10_000 + b"1.png,cat\n2.png,dog\n",
    b"path,label\n1.png,cat\n2.png,dog\n" + b"1.png\n" * 5000,
    b"," * 100_000,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\0" * 5000,
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_any_delimited_text_is_a_dataset_or_one_sentence(fuzz: Fuzz, suffix: str, root: Path) -> None:
    file = root / f"m{suffix}"

    def check(data: bytes, spoil: st.DataObject, options: ReadOptions) -> None:
        file.write_bytes(spoil.draw(spoiled([data], most=2)))
        hold(file, options)

    fuzz("manifests", check, data=delimited() | st.sampled_from(LONG), spoil=st.data(), options=OPTIONS)


def test_any_lines_of_json_are_a_dataset_or_one_sentence(fuzz: Fuzz, root: Path) -> None:
    rows = [
        {"path": name, "label": "cat" if n % 2 else "dog", "id": f"s{n}", "split": None, "n": 1.5}
        for n, name in enumerate(NAMES)
    ]
    fixed = [json.dumps(row).encode() for row in rows]

    def check(odd: list[bytes], start: int, glue: bytes, options: ReadOptions) -> None:
        (root / "m.jsonl").write_bytes(glue.join([*fixed[start:], *odd]))
        hold(root / "m.jsonl", options)

    lines = st.lists(spoiled_json(rows) | st.binary(max_size=20), max_size=4)
    glues = st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r", b" "])
    fuzz("manifests", check, odd=lines, start=st.integers(0, 3), glue=glues, options=OPTIONS)


def column(kind: str, texts: Sequence[str], n: int) -> Any:
    """An arrow column of `n` rows: texts in one of the forms that hold texts, or something else."""
    strings = pa.array([texts[i % len(texts)] for i in range(n)], pa.string())
    plain: dict[str, Any] = {
        "dictionary": lambda: strings.dictionary_encode(),
        "large": lambda: strings.cast(pa.large_string()),
        "binary": lambda: strings.cast(pa.binary()),
        "bytes": lambda: pa.array([b"\xff\xfe", b"ok"] * n, pa.binary())[:n],
        "gaps": lambda: pa.array([None if i % 3 else texts[0] for i in range(n)], pa.string()),
        "null": lambda: pa.nulls(n),
        "integer": lambda: pa.array(range(n), pa.int64()),
        "unsigned": lambda: pa.array([2**64 - 1] * n, pa.uint64()),
        "float": lambda: pa.array([float("nan"), 1e308] * n, pa.float64())[:n],
        "half": lambda: pa.array([1.5] * n, pa.float16()),
        "bool": lambda: pa.array([True, None] * n, pa.bool_())[:n],
        "decimal": lambda: pa.array([Decimal("1.50")] * n, pa.decimal128(10, 2)),
        "date": lambda: pa.array([datetime.date(1, 1, 1)] * n, pa.date32()),
        "time": lambda: pa.array([datetime.datetime(9999, 1, 1)] * n, pa.timestamp("us", "UTC")),
        "duration": lambda: pa.array([2**40] * n, pa.duration("us")),
        "list": lambda: pa.array([["a"], []] * n, pa.list_(pa.string()))[:n],
        "struct": lambda: pa.array([{"label": "a"}] * n, pa.struct([("label", pa.string())])),
        "map": lambda: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        "fixed": lambda: pa.array([b"abc"] * n, pa.binary(3)),
        "empty": lambda: pa.array([{}] * n, pa.struct([])),
    }
    return plain[kind]() if kind in plain else strings


KINDS = (
    "text", "text", "text", "dictionary", "large", "binary", "bytes", "gaps", "null", "integer", "unsigned",
    "float", "half", "bool", "decimal", "date", "time", "duration", "list", "struct", "map", "fixed",
)  # fmt: skip


@st.composite
def parquets(draw: st.DrawFn) -> bytes:
    n = draw(st.integers(0, 20))
    names = [
        "path",
        "label",
        *draw(st.lists(st.sampled_from((*HEADERS, "a.b", "\0", "x" * 500)), max_size=3)),
    ]
    odd = draw(st.integers(0, 2))
    columns = [
        column(draw(st.sampled_from(KINDS)) if i < odd else "text", NAMES, n) for i in range(len(names))
    ]
    if odd != 1:
        columns[1] = column("text", ["cat", "dog"], n)
    meta = draw(st.sampled_from([{}, {"pandas": "{}"}, {"pandas": "["}, {"ARROW:schema": "AAAA"}]))
    table = pa.Table.from_arrays(columns, names=names).replace_schema_metadata(meta)
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        row_group_size=draw(st.sampled_from([1, 7, 100])),
        compression=draw(st.sampled_from(["none", "zstd", "snappy", "gzip"])),
        use_dictionary=draw(st.booleans()),
        data_page_version=draw(st.sampled_from(["1.0", "2.0"])),
    )
    return out.getvalue()


def test_any_parquet_file_is_a_dataset_or_one_sentence(fuzz: Fuzz, root: Path) -> None:
    file = root / "m.parquet"

    def check(data: bytes, spoil: st.DataObject, options: ReadOptions) -> None:
        file.write_bytes(data if spoil.draw(st.booleans()) else spoil.draw(spoiled([data])))
        hold(file, options)

    fuzz("manifests", check, data=parquets(), spoil=st.data(), options=OPTIONS)


def test_any_descriptions_of_classes_leave_the_dataset_readable(fuzz: Fuzz, root: Path) -> None:
    rows = "\n".join(f"{name},{'ab'[n % 2]}" for n, name in enumerate(NAMES[:3]))
    (root / "m.csv").write_text(f"path,label\n{rows}\n")
    plain = read_dataset(root / "m.csv")

    def check(data: bytes) -> None:
        (root / "classes.csv").write_bytes(data)
        dataset = read_dataset(root / "m.csv")
        assert dataset.table.equals(plain.table) and set(dataset.descriptions) <= {"a", "b"}
        assert_sound(dataset)

    valid = [b"class,description\na,What counts as a.\nb,The rest.\n", b"name;line\na;x\n"]
    fuzz("manifests", check, data=spoiled(valid))


def test_any_tables_of_predictions_and_ids_are_read_or_refused(fuzz: Fuzz, root: Path) -> None:
    (root / "m.csv").write_text("path,label\n1.png,cat\n2.png,dog\n")
    dataset = read_dataset(root / "m.csv")
    frame = pa.table({"id": ["1.png", "2.png"], "cat": [0.5, 0.25], "dog": [0.5, 0.75]})
    packed = io.BytesIO()
    pq.write_table(frame, packed)
    text = b"id,cat,dog\n1.png,.5,.5\n2.png,.25,.75\n"
    wider = b"id,cat,dog\n1.png,2.png,.5,.5\n"
    ids = b"1.png\n2.png\n"

    def check(data: bytes, suffix: str) -> None:
        file = root / f"odd{suffix}"
        file.write_bytes(data)
        try:
            found = read_predictions(file, dataset)
            assert found.values.shape == (len(found.ids), 2)
        except AuditError as error:
            assert "\n" not in str(error)
        try:
            assert all(isinstance(i, str) for i in read_ids(file))
        except AuditError as error:
            assert "\n" not in str(error)

    drawn = spoiled([text, wider, ids, packed.getvalue()])
    fuzz("manifests", check, data=drawn, suffix=st.sampled_from([".csv", ".parquet", ".txt"]))
