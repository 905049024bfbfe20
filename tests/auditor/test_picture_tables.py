"""Parquet files with the pictures inside: columns, class names, row groups at random, pictures elsewhere."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import Command
from packed import audits_agree, goes_the_whole_way, pictures_below, plant, run
from toy import toy_audit

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.networks import available_cores
from auditor.results import Dataset
from auditor.sources import picture_groups
from auditor.sources.containers import Absent
from auditor.sources.picture_groups import PictureTables
from auditor.sources.reopen import open_contents
from reports.originals import encode_originals

STORED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(
    file: Path,
    images: Sequence[Any],
    labels: Sequence[Any],
    names: Sequence[str] | None = None,
    *,
    kind: pa.DataType = STORED,
    rows: int = 100,
    more: Mapping[str, Any] | None = None,
) -> Path:
    """Write a Parquet file like Hugging Face does, `rows` in a row group, with class names if there are."""
    table = pa.table({"image": pa.array(images, kind), "label": labels, **(more or {})})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=rows)
    return file


def stored(count: int, name: str | None = "{}.jpg") -> list[dict[str, Any]]:
    return [{"bytes": b"picture %d" % n, "path": name and name.format(n)} for n in range(count)]


def rows_of(dataset: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(dataset.table[n] for n in names), strict=True))


def contents_of(dataset: Dataset) -> list[bytes]:
    return [dataset.contents.read(path) for path in dataset.table["path"]]


def test_pictures_in_parquet_give_the_findings_of_class_folders(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = plant(tmp_path / "photos")
    pictures = pictures_below(folders)
    classes = sorted({name.split("/")[0] for name in pictures})
    images = [{"bytes": data, "path": name} for name, data in pictures.items()]
    labels = [classes.index(name.split("/")[0]) for name in pictures]
    data = tmp_path / "set" / "data"
    write(data / "photos-00000-of-00002.parquet", images[:15], labels[:15], classes, rows=4)
    write(data / "photos-00001-of-00002.parquet", images[15:], labels[15:], classes, rows=4)
    ids = {
        name: f"data/photos-0000{row // 15}-of-00002.parquet/{row % 15:07d}/{name.split('/')[1]}"
        for row, name in enumerate(pictures)
    }
    first = run(command, folders, tmp_path / "folders", tmp_path / "cache of folders")
    packed = run(command, tmp_path / "set", tmp_path / "packed", tmp_path / "cache")
    audits_agree(first, packed, ids)
    goes_the_whole_way(command, monkeypatch, tmp_path / "set", packed, tmp_path)


def test_class_names_come_from_the_features(tmp_path: Path) -> None:
    data = write(tmp_path / "train-00000-of-00002.parquet", stored(5), [0, 1, -1, 2, None], ["cat", "dog"])
    dataset = read_dataset(data)
    assert rows_of(dataset, "id", "label", "split") == [
        ("train-00000-of-00002.parquet/0000000/0.jpg", "cat", "train"),
        ("train-00000-of-00002.parquet/0000001/1.jpg", "dog", "train"),
        ("train-00000-of-00002.parquet/0000003/3.jpg", "2", "train"),
    ]
    assert dataset.notes == ("2 rows without a label set aside.",)
    assert [dataset.contents.read(path) for path in dataset.table["path"]] == [
        b"picture 0",
        b"picture 1",
        b"picture 3",
    ]


def test_features_that_make_no_sense_are_no_features(tmp_path: Path) -> None:
    for said in (
        b"{",
        b"[]",
        b"null",
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": 3}}}}',
    ):
        table = pa.table({"image": pa.array(stored(2), STORED), "label": [0, 1]})
        pq.write_table(table.replace_schema_metadata({"huggingface": said}), tmp_path / "a.parquet")
        assert read_dataset(tmp_path / "a.parquet").classes == ("0", "1")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_bytes_alone_are_pictures_too(tmp_path: Path, kind: pa.DataType) -> None:
    data = write(tmp_path / "a.parquet", [b"one", b"two", None], ["x", "y", "y"], kind=kind)
    dataset = read_dataset(data)
    assert list(dataset.table["path"]) == ["a.parquet/0000000", "a.parquet/0000001", "a.parquet/0000002"]
    assert dataset.contents.read("a.parquet/0000001") == b"two"
    with pytest.raises(DataError, match=r"the row holds no picture$"):
        dataset.contents.read("a.parquet/0000002")


def test_the_other_columns_are_those_of_a_manifest(tmp_path: Path) -> None:
    more = {"ID": ["a", "b"], "Domain": ["photo", "draw"], "split": ["test", "val"], "group": [1, 2]}
    data = write(tmp_path / "train.parquet", stored(2), ["x", "y"], more=more)
    assert rows_of(read_dataset(data), *read_dataset(data).table.columns) == [
        ("a", "train.parquet/0000000/0.jpg", "x", "photo", "test", "1"),
        ("b", "train.parquet/0000001/1.jpg", "y", "draw", "val", "2"),
    ]


def test_a_table_of_paths_stays_a_manifest(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(b"")
    table = {"path": ["1.jpg", "2.jpg"], "label": ["x", "y"], "embedding": [b"a", b"b"]}
    for file in ("m.parquet", "manifest.parquet"):
        pq.write_table(pa.table(table), tmp_path / file)
    assert list(read_dataset(tmp_path / "m.parquet").table["path"]) == ["1.jpg", "2.jpg"]
    assert list(read_dataset(tmp_path).table["path"]) == ["1.jpg", "2.jpg"]
    inside = read_dataset(tmp_path / "m.parquet", ReadOptions(path_column="embedding"))
    assert inside.contents.read(inside.table["path"][1]) == b"b"


def test_several_columns_of_pictures_need_a_word(tmp_path: Path) -> None:
    more = {"mask": pa.array([{"bytes": b"mask", "path": None}] * 2, STORED)}
    data = write(tmp_path / "a.parquet", stored(2), ["x", "y"], more=more)
    for source in (data, tmp_path):
        with pytest.raises(
            UsageError, match="2 columns with pictures, 'image', 'mask': say with --path-column"
        ):
            read_dataset(source)
        dataset = read_dataset(source, ReadOptions(path_column="mask"))
        assert dataset.contents.read("a.parquet/0000000") == b"mask"


def test_the_label_is_the_only_class_label_or_named(tmp_path: Path) -> None:
    features = {"fine": {"names": ["rose", "tulip"], "_type": "ClassLabel"}}
    table = pa.table({"image": pa.array(stored(2), STORED), "fine": [1, 0], "coarse": ["flower", "plant"]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, tmp_path / "a.parquet")
    assert list(read_dataset(tmp_path / "a.parquet").table["label"]) == ["tulip", "rose"]
    chosen = read_dataset(tmp_path, ReadOptions(label_column="coarse"))
    assert list(chosen.table["label"]) == ["flower", "plant"]
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet has no column label .*'fine', 'coarse'; --label-column"):
        read_dataset(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"root": Path()}, "--root is for manifests"), ({"layout": "class"}, "--layout class is for folders")],
)
def test_options_of_folders_and_manifests_are_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    write(tmp_path / "a.parquet", stored(2), ["x", "y"])
    with pytest.raises(UsageError, match=said):
        read_dataset(tmp_path, ReadOptions(**options))


def test_files_without_pictures_and_damaged_ones_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", stored(2), ["x", "y"])
    pq.write_table(pa.table({"caption": ["x"]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "README.md").write_text("words")
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 2
    assert dataset.notes[0] == "Passed over: 1 .md."
    assert dataset.notes[1].startswith("1 file passed over: c.parquet cannot be read as Parquet: ")
    assert dataset.notes[2] == "1 Parquet file without a column of pictures passed over."


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_groups, "BLOCK_ROWS", 8)
    monkeypatch.setattr(picture_groups, "KEPT_BYTES", 2_000)


@pytest.mark.parametrize("rows", [5, 7, 64, 1000])
def test_any_order_gives_the_same_bytes(tmp_path: Path, rows: int, small_blocks: None) -> None:
    for file in range(3):
        write(tmp_path / f"{file}.parquet", stored(100), ["x", "y"] * 50, rows=rows)
    dataset = read_dataset(tmp_path)
    paths = list(dataset.table["path"])
    for seed in range(3):
        random.Random(seed).shuffle(paths)
        assert [dataset.contents.read(p) for p in paths] == [
            b"picture %d" % int(p.split("/")[1]) for p in paths
        ]


def test_many_threads_read_what_one_does(tmp_path: Path, small_blocks: None) -> None:
    for file in range(3):
        write(tmp_path / f"{file}.parquet", stored(100), ["x", "y"] * 50, rows=30)
    dataset = read_dataset(tmp_path)
    paths = list(dataset.table["path"]) * 2
    random.Random(0).shuffle(paths)
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(dataset.contents.read, paths))
    assert read == [b"picture %d" % int(p.split("/")[1]) for p in paths]


def test_rows_in_order_are_read_once_and_what_is_kept_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_groups, "BLOCK_ROWS", 8)
    monkeypatch.setattr(picture_groups, "KEPT_BYTES", 20_000)
    images = [{"bytes": bytes(1000), "path": None} for _ in range(400)]
    data = write(tmp_path / "a.parquet", images, ["x", "y"] * 200, rows=200)
    contents = read_dataset(data).contents
    started = []
    start = picture_groups.PictureTables._start
    monkeypatch.setattr(
        picture_groups.PictureTables, "_start", lambda self, *a: (started.append(a[0]), start(self, *a))[1]
    )
    for row in range(400):
        assert contents.read(f"a.parquet/{row}") == bytes(1000)
        assert contents._blocks.total <= 20_000 + 9_000
        assert sum(b.nbytes for b in contents._blocks.kept.values()) == contents._blocks.total
    assert started == [("a.parquet", 0), ("a.parquet", 1)]


def test_a_large_row_group_is_never_in_memory_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_groups, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(picture_groups, "KEPT_BYTES", 4 << 20)
    monkeypatch.setattr(pq, "write_table", partial(pq.write_table, use_dictionary=False, write_batch_size=10))
    monkeypatch.setattr("auditor.sources.picture_tables.KEPT_BYTES", 4 << 20)
    random_bytes = random.Random(0).randbytes
    images = [{"bytes": random_bytes(100_000), "path": None} for _ in range(400)]
    data = write(tmp_path / "a.parquet", images, ["x", "y"] * 200, rows=1000)
    dataset = read_dataset(data)
    assert "1 file with row groups of up to 0.0 GB ('a.parquet')" in dataset.notes[0]
    before, most = pa.total_allocated_bytes(), 0
    for row, image in enumerate(images):
        assert dataset.contents.read(f"a.parquet/{row}") == image["bytes"]
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 12 << 20  # of 40 MB


def test_the_pictures_of_a_page_are_read_from_front_to_back() -> None:
    audit, asked = toy_audit(), []

    class Spy(Absent):
        def read(self, path: str) -> bytes:
            asked.append(path)
            return super().read(path)

    spied = replace(audit, dataset=replace(audit.dataset, held_by=Spy("here", "gone", {})))
    paths = list(audit.dataset.table["path"])
    ids = dict(zip(paths, audit.dataset.ids, strict=True))
    wanted = random.Random(0).sample(paths, 40)
    _, reasons = encode_originals(spied, {ids[path]: 50 for path in wanted})
    assert list(reasons) == [ids[path] for path in wanted] and set(reasons.values()) == {"gone"}
    in_order = sorted(wanted, key=paths.index)
    threads = available_cores()
    assert sorted(asked) == sorted(wanted)
    assert all(abs(asked.index(path) - place) <= 2 * threads for place, path in enumerate(in_order))


def test_a_picture_that_is_only_named_is_a_file_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.jpg").write_bytes(b"beside the file")
    (tmp_path / "set" / "b.jpg").write_bytes(b"at the top")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    names = [
        "images/a.jpg",
        "b.jpg",
        "../secret.jpg",
        str(tmp_path / "secret.jpg"),
        "no.jpg",
        "https://x/y.jpg",
        "",
    ]
    names += [str(tmp_path / "set" / "b.jpg"), None]
    images = [{"bytes": None, "path": name} for name in names] + [{"bytes": b"inside", "path": "b.jpg"}, None]
    write(tmp_path / "set" / "data" / "a.parquet", images, ["x", "y"] * 5 + ["x"])
    write(tmp_path / "set" / "a.parquet", images[:2], ["x", "y"])
    top = read_dataset(tmp_path / "set" / "a.parquet")
    assert contents_of(top) == [b"beside the file", b"at the top"]
    paths = list(read_dataset(tmp_path / "set" / "data" / "a.parquet").table["path"])
    whole = PictureTables(tmp_path / "set", {"data/a.parquet": "image"})
    paths = [f"data/{path}" for path in paths]
    read = whole.read
    assert [read(paths[row]) for row in (0, 1, 7)] == [b"beside the file", b"at the top", b"at the top"]
    assert read(paths[9]) == b"inside"
    for row, said in {
        2: "leads out of the dataset",
        3: "leads out of the dataset",
        4: "no such file exists",
        5: "only the address 'https://x/y.jpg'",
        6: "the row holds no picture$",
        8: "the row holds no picture$",
        10: "the row holds no picture$",
    }.items():
        with pytest.raises(DataError, match=said):
            read(paths[row])


def test_a_key_follows_the_file_that_a_row_names(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"first")
    images = [{"bytes": None, "path": "b.jpg"}, {"bytes": b"inside", "path": "c.jpg"}]
    write(tmp_path / "a.parquet", images, ["x", "y"])

    def keys() -> list[str]:
        dataset = read_dataset(tmp_path / "a.parquet")
        return [dataset.contents.key(path) for path in dataset.table["path"]]

    before = keys()
    assert len({*before, ""}) == 3 and keys() == before
    (tmp_path / "b.jpg").write_bytes(b"second one")
    after = keys()
    assert after[0] != before[0] and after[1] == before[1]
    os.utime(tmp_path / "a.parquet", ns=(1, 1))
    assert not set(keys()) & set(after)


def test_a_file_that_changes_is_never_read_as_the_old_one(tmp_path: Path) -> None:
    data = write(tmp_path / "a.parquet", stored(4), ["x", "y"] * 2)
    contents = read_dataset(data).contents
    os.utime(data, ns=(1, 1))
    with pytest.raises(DataError, match=r"a.parquet has changed since it was listed"):
        contents.read("a.parquet/0000000")
    data.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a.parquet, which holds it, cannot be read"):
        open_contents(contents.document()).read("a.parquet/0000000")
    data.unlink()
    with pytest.raises(DataError, match=r"a.parquet, which holds it, does not exist"):
        open_contents(contents.document()).read("a.parquet/0000000")
    assert open_contents(contents.document()).key("a.parquet/0000000") == ""


def test_pages_that_are_damaged_are_an_error_of_the_picture(tmp_path: Path) -> None:
    images = [{"bytes": random.Random(n).randbytes(20_000), "path": None} for n in range(20)]
    data = write(tmp_path / "a.parquet", images, ["x", "y"] * 10, rows=5)
    content = bytearray(data.read_bytes())
    place = content.index(images[11]["bytes"][:50])
    content[place - 400 : place] = b"\xff" * 400
    contents = read_dataset(data).contents
    data.write_bytes(content)
    contents = open_contents(contents.document())
    good, bad = [], []
    for row in range(20):
        try:
            good.append(contents.read(f"a.parquet/{row}") == images[row]["bytes"])
        except DataError as error:
            assert "a.parquet" in str(error)
            bad.append(row)
    assert len(good) >= 15 and set(bad) <= {10, 11, 12, 13, 14}


def test_contents_come_back_from_their_document(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.parquet", stored(4), ["x", "y"] * 2)
    contents = read_dataset(tmp_path / "x").contents
    for other in (
        open_contents(json.loads(json.dumps(contents.document()))),
        pickle.loads(pickle.dumps(contents)),
    ):
        assert other.read("a.parquet/0000003/3.jpg") == b"picture 3"
        assert other.key("a.parquet/0000003") == contents.key("a.parquet/0000003") != ""
        assert other.document() == contents.document() and other.place == contents.place
        assert other.file("a.parquet/0000003") is None
        for wrong in ("a.parquet/0000004", "a.parquet/x", "a.parquet/-1", "b.parquet/0000000", ""):
            with pytest.raises(DataError):
                other.read(wrong)


def test_hostile_picture_names_stay_below(tmp_path: Path) -> None:
    names = ["../../out.jpg", "/etc/passwd", "..", "a\\b.jpg", "n\nl.jpg", "nul\0.jpg", "😀.jpg", "."]
    images = [{"bytes": b"%d" % n, "path": name} for n, name in enumerate(names)]
    dataset = read_dataset(write(tmp_path / "a.parquet", images, ["x", "y"] * 4))
    last = ["out.jpg", "passwd", "%2E%2E", "b.jpg", "n\nl.jpg", "nul%00.jpg", "😀.jpg", ""]
    assert list(dataset.table["path"]) == [
        f"a.parquet/{n:07d}/{said}".rstrip("/") for n, said in enumerate(last)
    ]
    assert [dataset.contents.read(path) for path in dataset.table["path"]] == [b"%d" % n for n in range(8)]
