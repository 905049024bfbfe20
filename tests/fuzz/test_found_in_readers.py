"""What fuzzing, and reading for it, found in the readers of what people give, each as one plain case."""

from __future__ import annotations

import io
import json
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import one_sentence
from handover import annotation, exported
from toy import toy_audit

from auditor import images
from auditor.dataset import ReadOptions, read_dataset
from auditor.decisions import SCHEMA
from auditor.errors import AuditError, DataError
from auditor.images import decode_rgb, read_image
from auditor.label_studio import make_tasks
from auditor.review_files import read_reviews
from auditor.user_arrays import read_features, read_ids, read_predictions

VECTORS = ReadOptions(images=False)
DEEP = 900
"""Levels that Python reads as JSON, and once could not write into its sentence."""

# Manifests


def manifest(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_a_header_of_any_length_keeps_its_values_text(tmp_path: Path) -> None:
    """Columns after 65,536 characters were not known: values became numbers, or no column was found."""
    others = ",".join(f"column {n:05d}" for n in range(6000))
    for header in (f"{others},label", f"label,{others}"):
        row = ["x"] * 6001
        row[header.split(",").index("label")] = "01"
        other = ["y" if cell == "x" else "02" for cell in row]
        text = "\n".join([header, ",".join(row), ",".join(other)])
        assert read_dataset(manifest(tmp_path, "m.csv", text), VECTORS).classes == ("01", "02")


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_what_ends_a_line_only_in_python_ends_no_header(odd: str, tmp_path: Path) -> None:
    text = f"a{odd}b,label\n1,01\n2,02\n"
    assert read_dataset(manifest(tmp_path, "m.csv", text), VECTORS).classes == ("01", "02")


@pytest.mark.parametrize(
    "text",
    ['la"bel,label\n1,01\n2,02\n', '"label\n1,2\n', "label,x\r1,2\r\n", '"' + "x" * 200_000 + "\n1,2\n"],
    ids=["quote inside", "open quote", "mixed ends", "long field"],
)
def test_quotes_that_are_not_closed_are_read_or_refused(text: str, tmp_path: Path) -> None:
    try:
        assert read_dataset(manifest(tmp_path, "m.csv", text), VECTORS).classes == ("01", "02")
    except DataError as error:
        one_sentence(lambda: read_dataset(tmp_path / "m.csv", VECTORS), "m.csv")
        assert "\n" not in str(error)


def test_a_path_with_a_nul_that_is_absolute(tmp_path: Path) -> None:
    rows = [{"path": "/no\0where/a.png", "label": "a"}, {"path": "/no\0where/b.png", "label": "b"}]
    text = "\n".join(map(json.dumps, rows))
    one_sentence(lambda: read_dataset(manifest(tmp_path, "m.jsonl", text)), "None of the 2 paths")


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "m.parquet")
    return folder / "m.parquet"


def invalid_text() -> pa.Array:
    """A column of texts that are no UTF-8: Parquet does not check."""
    return pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(struct.pack("<3i", 0, 1, 2)), pa.py_buffer(b"\xff\xfe")]
    )


def test_texts_of_a_parquet_file_that_are_no_utf8(tmp_path: Path) -> None:
    file = parquet(tmp_path, label=invalid_text())
    one_sentence(lambda: read_dataset(file, VECTORS), "m.parquet", "UTF8")


def test_a_sentence_of_pyarrow_is_one_line(tmp_path: Path) -> None:
    whole = parquet(tmp_path, label=["a", "b"]).read_bytes()
    for at in range(4, 40):
        file = manifest(tmp_path, "m.parquet", whole[:at] + b"\xff" + whole[at + 1 :])
        try:
            read_dataset(file, VECTORS)
        except AuditError as error:
            assert "\n" not in str(error)


def test_columns_with_long_names_are_not_all_told(tmp_path: Path) -> None:
    """Twenty names of a header without a label were a sentence of a thousand characters."""
    text = ",".join(f"{n:02d}{'x' * 70}" for n in range(30)) + "\n" + ",".join("y" * 30)
    with pytest.raises(DataError, match=r"and 2\d more") as caught:
        read_dataset(manifest(tmp_path, "m.csv", text), VECTORS)
    assert len(str(caught.value)) < 700


def named_pictures(folder: Path) -> Path:
    names = [f"a long enough name {row}.png" for row in range(40)]
    pictures = [{"bytes": b"x" * 9, "path": name} for name in names]
    return parquet(folder, image=pictures, label=["cat", "dog"] * 20)


def test_damaged_names_of_pictures_in_parquet(tmp_path: Path) -> None:
    """A damaged page of names was a traceback, and so were fewer names than rows."""
    file = named_pictures(tmp_path)
    valid = file.read_bytes()
    found, at = 0, valid.index(b"a long enough")
    for place in range(at - 60, at + 40):
        file.write_bytes(valid[:place] + bytes([valid[place] ^ 0xFF]) + valid[place + 1 :])
        try:
            read_dataset(file)
        except DataError as error:
            found += 1
            assert "\n" not in str(error)
    assert found > 5


@pytest.mark.parametrize("levels", [400, 450, DEEP])
def test_a_saved_dataset_that_tells_a_nested_format(levels: int, tmp_path: Path) -> None:
    """The library copies what state.json tells, level by level, and once did after the errors were caught."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]))
    columns = {"image": [{"bytes": b"x", "path": "x.jpg"}] * 4, "label": [0, 1, 0, 1]}
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "saved")
    state = tmp_path / "saved" / "state.json"
    told = json.dumps({**json.loads(state.read_text()), "_output_all_columns": "DEEP"})
    state.write_text(told.replace('"DEEP"', "[" * levels + "]" * levels))
    try:
        assert len(read_dataset(tmp_path / "saved")) == 4
    except DataError as error:
        assert "saved Hugging Face dataset" in str(error)


def test_a_label_as_long_as_a_book_is_not_quoted_whole(tmp_path: Path) -> None:
    text = f"label\n{'x' * 10_000}\n{'x' * 10_000}\n"
    one_sentence(lambda: read_dataset(manifest(tmp_path, "m.csv", text), VECTORS), "one class only")


# Decisions


def decisions(folder: Path, **changes: Any) -> Path:
    row = {
        "id": "a",
        "digest": "d",
        "kind": "leak",
        "decision": "drop",
        "from": "cat",
        **changes.pop("row", {}),
    }
    document = {
        "schema": SCHEMA, "report_id": "r", "dataset_fingerprint": "f", "annotator": "ann",
        "exported_at": "", "counts": {}, "decisions": [row], **changes,
    }  # fmt: skip
    return manifest(folder, "ann.json", json.dumps(document).replace('"DEEP"', "[" * DEEP + "]" * DEEP))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "DEEP"},
        {"note": "DEEP", "report_id": "DEEP"},
        {"row": {"kind": "DEEP"}},
        {"row": {"from": ""}},
        {"counts": {"x" * 9999: "y"}},
        {"counts": {"\n": None}},
    ],
    ids=["schema", "report", "kind", "from", "counts", "line break"],
)
def test_a_value_of_decisions_that_none_can_be(changes: dict[str, Any], tmp_path: Path) -> None:
    one_sentence(lambda: read_reviews([decisions(tmp_path, **changes)]), "ann.json")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_has_none_in_utc(time: str, tmp_path: Path) -> None:
    one_sentence(lambda: read_reviews([decisions(tmp_path, row={"t": time})]), "ann.json", "1 to 9999")
    tasks = make_tasks(toy_audit())[0]
    answers = exported(tasks, lambda _: [annotation({"decision": "drop"}, at=time)])
    file = manifest(tmp_path, "project.json", json.dumps(answers))
    one_sentence(lambda: read_reviews([file]), "project.json", "no time in ISO 8601")


def test_a_rank_of_thousands_of_digits_in_a_csv(tmp_path: Path) -> None:
    header = "dataset_fingerprint,annotator,id,digest,kind,decision,from,to,rank"
    file = manifest(tmp_path, "ann.csv", f"{header}\nf,ann,a,d,leak,drop,cat,,{'9' * 5000}\n")
    one_sentence(lambda: read_reviews([file]), "rank", "not a number")


def test_a_lone_surrogate_or_a_nested_id_from_label_studio(tmp_path: Path) -> None:
    tasks = make_tasks(toy_audit())[0]

    def answered(change: Callable[[Any], None]) -> Path:
        found = exported(tasks, lambda _: [annotation({"chosen_class": "cat"})])
        change(found[0])
        text = json.dumps(found).replace('"DEEP"', "[" * DEEP + "]" * DEEP)
        return manifest(tmp_path, "project.json", text)

    def lone(task: Any) -> None:
        task["annotations"][0]["result"][0]["value"]["choices"] = ["\ud800%41"]

    def deep(task: Any) -> None:
        task["id"] = "DEEP"
        task["data"]["schema"] = "other"

    for change in (lone, deep):
        one_sentence(lambda c=change: read_reviews([answered(c)]), "project.json")  # type: ignore[misc]


# The user's own arrays


def npy_file(kind: str, data: bytes, behind: str = "") -> bytes:
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': (6, 1), }}{behind}".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00\x06\x00'''{  ",
        b"\x93NUMPY\x01\x00\x40\x00" + b"{'a'".ljust(64),
        b"\x93NUMPY\x03\x00\x02\x00\x00\x00{}",
        b"\x93NUMPY\x09\x00",
        npy_file("('<f4',)", b"\0" * 24),
        npy_file("'<M8[D/0]'", b"\0" * 48),  # numpy divides by it, and the process ended
        npy_file("'<U1'", b"\xff" * 24),
        npy_file("'<f4'", b"\0" * 24, behind="\0" * 5000),  # told as a sentence of 5,000 characters
    ],
    ids=["zip", "quotes", "open", "version 3", "version 9", "tuple", "times", "no characters", "long"],
)
def test_headers_on_which_numpys_parser_fails(data: bytes, tmp_path: Path) -> None:
    file = manifest(tmp_path, "v.npy", data)
    for read in (read_features, read_ids):
        one_sentence(lambda r=read: r(file), "v.npy")  # type: ignore[misc]


def test_ids_that_are_no_list_of_texts(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.zeros((2, 2)))
    one_sentence(lambda: read_ids(tmp_path / "i.npy"), "(2, 2)")
    one_sentence(lambda: read_ids(manifest(tmp_path, "i.txt", b"a\n\xff\n")), "UTF-8")


def test_predictions_whose_rows_are_longer_than_the_header(tmp_path: Path) -> None:
    """pandas took the first column for names of rows, and each probability for that of another class."""
    dataset = replace(toy_audit().dataset)
    text = "id,bird,cat,dog\n" + "".join(f"x,{i},.2,.3,.5\n" for i in dataset.ids)
    one_sentence(lambda: read_predictions(manifest(tmp_path, "p.csv", text), dataset), "more fields")


# Pictures


def test_a_not_a_number_that_signals_is_decoded_in_silence() -> None:
    values = np.array([[0x7FA00001, 0x3F000000, 0xFF800001]], dtype=np.uint32).view(np.float32)
    out = io.BytesIO()
    images.Image.frombytes("F", (3, 1), values.tobytes()).save(out, "TIFF")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_rgb(out.getvalue())[0, :, 0].tolist() == [0, 128, 0]


def test_a_picture_whose_facts_do_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    images.Image.new("RGB", (8, 8)).save(out, "PNG")

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "pixel_facts", full)
    assert "memory" in read_image(out.getvalue())[1].error
    monkeypatch.setattr(images.np, "asarray", full)
    with pytest.raises(DataError, match="memory"):
        decode_rgb(out.getvalue())
