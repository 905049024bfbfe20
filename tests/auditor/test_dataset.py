"""What all sources share: subsets, rows of the user's vectors, the fingerprint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from auditor.arrays import as_ids
from auditor.dataset import ReadOptions, fingerprint, read_dataset, take, vector_rows
from auditor.errors import DataError

NO_IMAGES = ReadOptions(images=False)


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_vectors_need_a_label_column_alone(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "m.csv", "label\na\nb\na\n"), NO_IMAGES)
    assert list(dataset.ids) == ["row-0000001", "row-0000002", "row-0000003"]
    assert not dataset.has_images and (dataset.table["path"] == "").all()
    assert vector_rows(dataset, 3).tolist() == [0, 1, 2]


def test_vectors_keep_every_labelled_row_and_know_their_place(tmp_path: Path) -> None:
    text = "path,label\nx.jpg,a\nx.jpg,a\ny.jpg,\nno/where.jpg,b\n"
    dataset = read_dataset(write(tmp_path / "m.csv", text), NO_IMAGES)
    assert list(dataset.ids) == ["x.jpg", "x.jpg#2", "no/where.jpg"]
    assert dataset.notes == ("1 row without a label set aside.",)
    assert vector_rows(dataset, 4).tolist() == [0, 1, 3]
    assert vector_rows(dataset, 3).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"m.csv has 4 rows, the array has 5"):
        vector_rows(dataset, 5)


def test_vectors_need_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column label .*it has 'path'; --label-column"):
        read_dataset(write(tmp_path / "m.csv", "path\nx.jpg\n"), NO_IMAGES)


def test_take_keeps_the_classes_that_still_occur(tmp_path: Path) -> None:
    write(tmp_path / "classes.csv", "class,description\na,first\nb,second\n")
    dataset = read_dataset(write(tmp_path / "m.csv", "id,label\n1,a\n2,b\n3,\n4,c\n5,a\n"), NO_IMAGES)
    part = take(dataset, np.array([3, 2]))
    assert list(part.ids) == ["5", "4"] and part.classes == ("a", "c")
    assert part.descriptions == {"a": "first"}
    assert vector_rows(part, 5).tolist() == [4, 3]
    same = take(dataset, np.array([False, False, True, True]))
    assert list(same.ids) == ["4", "5"]
    assert take(dataset, np.arange(len(dataset))).table.equals(dataset.table)


def test_fingerprint_ignores_order_and_nothing_else() -> None:
    ids, digests, labels = (as_ids(v) for v in (["x", "y", "z"], ["1", "2", "2"], ["a", "b", "a"]))
    known = fingerprint(ids, digests, labels)
    order = [2, 0, 1]
    assert fingerprint(ids[order], digests[order], labels[order]) == known
    assert len(known) == 64 and known == fingerprint(ids, digests, labels)
    assert fingerprint(ids, digests, labels[::-1].copy()) == known  # a, b, a both ways
    assert fingerprint(ids, digests[order], labels) != known
    assert fingerprint(ids, digests, labels[order]) != known
    assert fingerprint(as_ids(["x1", "2"]), as_ids(["", ""]), as_ids(["a", "b"])) != fingerprint(
        as_ids(["x", "2"]), as_ids(["1", ""]), as_ids(["a", "b"])
    )


def test_the_reader_imports_no_heavy_library() -> None:
    code = "import sys, auditor.dataset; print(*sorted({'pyarrow', 'torch', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"pyarrow"}  # pandas may import it by itself
