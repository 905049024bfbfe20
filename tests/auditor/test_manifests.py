"""Manifests: columns, encodings, values that stay text, identity, files that are not there."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import file_path

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.results import Dataset

ODD_CLASSES = [
    "01",
    "true",
    "None",
    "NA",
    "1.0",
    "nan",
    "null",
    "2020-01-01",
    "1e3",
    "#N/A",
    "-",
    "__proto__",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with images/00.jpg to images/19.jpg."""
    (tmp_path / "images").mkdir()
    for i in range(20):
        (tmp_path / f"images/{i:02d}.jpg").write_bytes(b"")
    return tmp_path


def write(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([header, *rows])
    elif file.suffix == ".parquet":
        pd.DataFrame(rows, columns=list(header)).to_parquet(file)
    else:
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
        file.write_text("\n".join(lines), encoding="utf-8")
    return file


def rows_of(dataset: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(dataset.table[n] for n in names), strict=True))


SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])


@SUFFIXES
def test_manifest_order_and_every_column(root: Path, suffix: str) -> None:
    header = ["ID", "File_Name", "Class", "domain", "Split", "group", "other"]
    rows = [
        ["s2", "images/02.jpg", "b", "photo", "train", "p1", "x"],
        ["s1", "images/01.jpg", "a", "draw", "test", "", "y"],
    ]
    dataset = read_dataset(write(root / f"m{suffix}", header, rows))
    assert rows_of(dataset, *dataset.table.columns) == [
        ("s2", "images/02.jpg", "b", "photo", "train", "p1"),
        ("s1", "images/01.jpg", "a", "draw", "test", ""),
    ]
    assert dataset.root == root and dataset.name == f"m{suffix}" and dataset.notes == ()
    assert Path(file_path(dataset, 1)) == root / "images/01.jpg"


@SUFFIXES
def test_values_stay_the_text_they_are(root: Path, suffix: str) -> None:
    rows = [[f"images/{i:02d}.jpg", name] for i, name in enumerate(ODD_CLASSES)]
    dataset = read_dataset(write(root / f"m{suffix}", ["path", "label"], rows))
    assert list(dataset.table["label"]) == ODD_CLASSES
    assert dataset.classes == tuple(sorted(ODD_CLASSES))


def test_numbers_in_jsonl_keep_their_spelling_and_null_is_missing(root: Path) -> None:
    values = ["1.0", "1", "1e3", "true", '"x"', "null", '""']
    lines = [f'{{"path": "images/{i:02d}.jpg", "label": {v}}}' for i, v in enumerate(values)]
    (root / "m.jsonl").write_text("\n\n".join([*lines, '{"path": "images/09.jpg"}']) + "\n")
    dataset = read_dataset(root / "m.jsonl")
    assert list(dataset.table["label"]) == ["1.0", "1", "1e3", "true", "x"]
    assert dataset.notes == ("3 rows without a label set aside.",)


def test_numbers_and_categories_in_parquet_become_text(root: Path) -> None:
    frame = pd.DataFrame({"path": [f"images/{i:02d}.jpg" for i in range(4)], "label": [0, 1, 1, 0]})
    frame["split"] = pd.Categorical(["train", None, "test", "train"])
    frame.to_parquet(root / "m.parquet")
    dataset = read_dataset(root / "m.parquet")
    assert list(dataset.table["label"]) == ["0", "1", "1", "0"]
    assert list(dataset.table["split"]) == ["train", "", "test", "train"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(root: Path, encoding: str, separator: str) -> None:
    text = f"path{separator}label\r\nimages/01.jpg{separator}café\r\nimages/02.jpg{separator}thé\r\n"
    (root / "m.csv").write_bytes(text.encode(encoding))
    dataset = read_dataset(root / "m.csv")
    assert list(dataset.table["label"]) == ["café", "thé"]
    assert [n for n in dataset.notes if "cp1252" in n] == list(dataset.notes)
    assert bool(dataset.notes) == (encoding == "cp1252")


def test_a_folder_is_read_through_its_manifest_unless_a_layout_is_asked(root: Path) -> None:
    for folder in ("a", "b"):
        (root / folder).mkdir()
        (root / folder / "1.jpg").write_bytes(b"")
    write(root / "manifest.csv", ["path", "label"], [["images/01.jpg", "x"], ["images/02.jpg", "y"]])
    write(root / "manifest.jsonl", ["path", "label"], [["images/01.jpg", "z"], ["images/02.jpg", "y"]])
    dataset = read_dataset(root)
    assert dataset.classes == ("x", "y") and dataset.name == root.name and dataset.root == root
    assert dataset.notes == ("manifest.csv read, manifest.jsonl beside it passed over.",)
    assert read_dataset(root, ReadOptions(layout="class")).classes == ("a", "b", "images")
    with pytest.raises(UsageError, match="is for folders"):
        read_dataset(root / "manifest.csv", ReadOptions(layout="class"))


def test_root_and_column_options(root: Path) -> None:
    (root / "lists").mkdir()
    file = write(
        root / "lists/m.csv", ["where", "what", "label"], [["01.jpg", "a", "-"], ["02.jpg", "b", "-"]]
    )
    options = ReadOptions(root=root / "images", path_column="where", label_column="What")
    dataset = read_dataset(file, options)
    assert rows_of(dataset, "id", "label") == [("01.jpg", "a"), ("02.jpg", "b")]
    with pytest.raises(DataError, match="no column nope; it has 'where', 'what', 'label'"):
        read_dataset(file, ReadOptions(path_column="nope"))
    with pytest.raises(DataError, match=r"--root .* is not a folder"):
        read_dataset(file, ReadOptions(root=root / "nowhere", path_column="where"))


@SUFFIXES
def test_missing_columns_are_named_with_what_was_found(root: Path, suffix: str) -> None:
    file = write(root / f"m{suffix}", ["img", "kind"], [["images/01.jpg", "a"]])
    with pytest.raises(DataError, match=r"no column path .*it has 'img', 'kind'; --path-column NAME"):
        read_dataset(file)
    with pytest.raises(DataError, match=r"no column label .*--label-column NAME"):
        read_dataset(file, ReadOptions(path_column="img"))


def test_rows_without_files_are_counted_named_and_set_aside(root: Path) -> None:
    rows = [[f"images/{i:02d}.jpg", "ab"[i % 2]] for i in range(24)] + [["", "a"], ["/no/where/x.jpg", "a"]]
    dataset = read_dataset(write(root / "m.csv", ["path", "label"], rows))
    assert len(dataset) == 20
    assert dataset.notes == (
        "Set aside 5 rows whose file does not exist: 'images/20.jpg', 'images/21.jpg', 'images/22.jpg'"
        " and 2 more and 1 row without a path.",
    )
    file = write(root / "n.csv", ["path", "label"], rows[20:])
    with pytest.raises(DataError, match=r"None of the 6 paths .* first is 'images/20.jpg'; --root FOLDER"):
        read_dataset(file)


def test_folders_and_odd_paths_are_no_files(root: Path) -> None:
    odd = ["images", "images/", "images/01.jpg/", "im\0ages/01.jpg", "x" * 5000, "."]
    rows = [[p, "a"] for p in odd] + [["images/01.jpg", "a"], ["images/02.jpg", "b"]]
    dataset = read_dataset(write(root / "m.jsonl", ["path", "label"], rows))
    assert list(dataset.ids) == ["images/01.jpg", "images/02.jpg"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("path,label\n", "has no rows"),
        ("path,label\nimages/01.jpg,\nimages/02.jpg, \n", "None of the 2 rows .* has a label"),
        ("path,label\nimages/01.jpg,a\nimages/02.jpg,a\n", "one class only, 'a'"),
        ("path,label,Label,label\nimages/01.jpg,a,b,c\n", "2 columns called 'label'"),
    ],
)
def test_unusable_csv_gets_one_sentence(root: Path, text: str, sentence: str) -> None:
    (root / "m.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_dataset(root / "m.csv")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("m.jsonl", b'{"path": "a", "label": "b"}\n{"path": ', "line 2 is not JSON"),
        ("m.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
        ("m.jsonl", b'{"path": "images/01.jpg", "label": ["a"]}', "holds \\['a'\\]"),
        ("m.parquet", b"not parquet at all", "cannot be read as Parquet"),
        ("m.csv", b"\xff\xfea\x00b", "starts like utf-16"),
    ],
)
def test_broken_files_get_one_sentence(root: Path, name: str, content: bytes, sentence: str) -> None:
    (root / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_dataset(root / name)


def test_rows_with_another_number_of_fields_are_counted(root: Path) -> None:
    text = "path,label\nimages/01.jpg,a\nimages/02,jpg,b\nimages/03.jpg,b\n"
    (root / "m.csv").write_text(text)
    dataset = read_dataset(root / "m.csv")
    assert len(dataset) == 2
    assert dataset.notes == (
        "1 row of m.csv passed over, not 2 fields each; the first is 'images/02,jpg,b'.",
    )
    with pytest.raises(DataError, match="every row is needed"):
        read_dataset(root / "m.csv", ReadOptions(images=False))


def test_repeated_rows_collapse_and_two_labels_stay_two_samples(root: Path) -> None:
    rows = [
        ["images/01.jpg", "b", "train"],
        ["images/02.jpg", "a", "train"],
        ["images/01.jpg", "a", "train"],
        ["./images//02.jpg", "a", "train"],
        ["images/01.jpg", "b", "test"],
        ["images/01.jpg", "b", "train"],
    ]
    dataset = read_dataset(write(root / "m.csv", ["path", "label", "split"], rows))
    assert rows_of(dataset, "id", "path", "label", "split") == [
        ("images/01.jpg#3", "images/01.jpg", "b", "train"),
        ("images/02.jpg", "images/02.jpg", "a", "train"),
        ("images/01.jpg", "images/01.jpg", "a", "train"),
        ("images/01.jpg#2", "images/01.jpg", "b", "test"),
    ]
    assert dataset.notes == ("2 repeated rows collapsed into one each.",)
    assert dataset.source_rows is not None and dataset.source_rows.tolist() == [0, 1, 2, 4]


def test_a_suffix_never_takes_the_id_of_another_file(root: Path) -> None:
    (root / "images/01.jpg#2").write_bytes(b"")
    rows = [["images/01.jpg", "a"], ["images/01.jpg", "b"], ["images/01.jpg#2", "b"]]
    dataset = read_dataset(write(root / "m.csv", ["path", "label"], rows))
    assert list(dataset.ids) == ["images/01.jpg", "images/01.jpg#3", "images/01.jpg#2"]


def test_permuting_the_rows_permutes_the_table(root: Path) -> None:
    rows = [[f"images/{i % 13:02d}.jpg", "abc"[i % 3], f"g{i % 2}"] for i in range(60)]
    plain = read_dataset(write(root / "m.csv", ["path", "label", "group"], rows))
    rng = np.random.default_rng(3)
    mixed = read_dataset(
        write(root / "n.csv", ["path", "label", "group"], [rows[i] for i in rng.permutation(len(rows))])
    )
    assert not plain.table.equals(mixed.table)
    ordered = [d.table.sort_values("id", ignore_index=True) for d in (plain, mixed)]
    assert ordered[0].equals(ordered[1])


def test_one_id_for_two_paths_is_refused_and_for_two_labels_is_told_apart(root: Path) -> None:
    header = ["id", "path", "label"]
    rows = [["p1", "images/01.jpg", "a"], ["p1", "images/02.jpg", "b"]]
    with pytest.raises(DataError, match=r"id 'p1' stands for 'images/01.jpg', 'images/02.jpg'.*called group"):
        read_dataset(write(root / "m.csv", header, rows))
    rows = [["p1", "images/01.jpg", "a"], ["p1", "images/01.jpg", "b"], ["", "images/03.jpg", "b"]]
    assert list(read_dataset(write(root / "n.csv", header, rows)).ids) == ["p1", "p1#2", "images/03.jpg"]


def test_absolute_and_windows_paths_become_relative_ids(root: Path) -> None:
    (root / "link").symlink_to(root / "images")
    rows = [
        [f"{root}/images/01.jpg", "a"],
        ["images\\02.jpg", "b"],
        ["images/../images/03.jpg", "b"],
        [f"{root.resolve()}//images/04.jpg", "b"],
    ]
    dataset = read_dataset(write(root / "m.csv", ["path", "label"], rows))
    assert list(dataset.ids) == [f"images/{i:02d}.jpg" for i in (1, 2, 3, 4)]
    assert dataset.root == root


def test_absolute_paths_elsewhere_move_the_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = tmp_path_factory.mktemp("lists")
    rows = [[f"{root}/images/{i:02d}.jpg", "ab"[i % 2]] for i in range(4)]
    dataset = read_dataset(write(here / "m.csv", ["path", "label"], rows))
    assert list(dataset.ids) == [f"{i:02d}.jpg" for i in range(4)] and dataset.root == root / "images"
    (here / "own.jpg").write_bytes(b"")
    mixed = read_dataset(write(here / "n.csv", ["path", "label"], [*rows, ["own.jpg", "a"]]))
    assert not any(i.startswith("/") for i in mixed.ids) and len(mixed) == 5
    assert all(Path(file_path(mixed, row)).is_file() for row in range(5))


def test_neutralised_cells_are_restored_in_csv(root: Path) -> None:
    for name in ("=1+1.jpg", "@x.jpg", "'quoted.jpg"):
        (root / name).write_bytes(b"")
    rows = [["'=1+1.jpg", "'-a"], ["'@x.jpg", "'+b"], ["'quoted.jpg", "'c"]]
    dataset = read_dataset(write(root / "m.csv", ["path", "label"], rows))
    assert rows_of(dataset, "id", "label") == [("=1+1.jpg", "-a"), ("@x.jpg", "+b"), ("'quoted.jpg", "'c")]


@SUFFIXES
def test_hostile_names_survive(tmp_path: Path, suffix: str) -> None:
    names = ["new\nline.jpg", "🥑\u202e.jpg", "<script>.jpg", "__proto__", '5" nail,.jpg', "n" * 251 + ".jpg"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    rows = [[name, f"class\n{name}"] for name in names]
    dataset = read_dataset(write(tmp_path / f"m{suffix}", ["path", "label"], rows))
    assert list(dataset.ids) == names
    assert list(dataset.table["label"]) == [f"class\n{name}" for name in names]
    assert all(Path(file_path(dataset, row)).is_file() for row in range(len(names)))


@pytest.mark.parametrize("written", [b"caf\xe9.jpg", b"caf%E9.jpg"])
@pytest.mark.parametrize("count", [1, 10])
def test_names_that_are_not_utf8_are_found(tmp_path: Path, written: bytes, count: int) -> None:
    folder = os.fsencode(tmp_path) + b"/d\xe9"
    Path(os.fsdecode(folder)).mkdir()
    lines = [b"path,label"]
    for i in range(count):
        Path(os.fsdecode(folder + b"/%d caf\xe9.jpg" % i)).write_bytes(b"here")
        lines.append((b"d%E9" if b"%" in written else b"d\xe9") + b"/%d " % i + written + b",a")
    (tmp_path / "ok.jpg").write_bytes(b"")
    (tmp_path / "m.csv").write_bytes(b"\n".join([*lines, b"ok.jpg,b"]))
    dataset = read_dataset(tmp_path / "m.csv")
    assert list(dataset.ids)[:-1] == [f"d%E9/{i} caf%E9.jpg" for i in range(count)]
    assert Path(file_path(dataset, 0)).read_bytes() == b"here"


def test_lone_surrogates_in_jsonl_become_valid_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    for file in (tmp_path / name, tmp_path / "b.jpg"):
        file.write_bytes(b"")
    file = write(tmp_path / "m.jsonl", ["path", "label"], [[name, "a\ud800"], ["b.jpg", "b"]])
    assert rows_of(read_dataset(file), "id", "label") == [("caf%E9.jpg", "a%ED%A0%80"), ("b.jpg", "b")]
