"""Hugging Face: saved datasets, objects of `datasets`, and imagefolders against the library's own reader."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import types
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from command import Command
from packed import audits_agree, goes_the_whole_way, pictures_below, plant, run
from pictures import write_picture
from PIL import Image

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.hub_pictures import HubPictures
from auditor.sources.hugging_face import is_hub_object
from auditor.sources.reopen import open_contents
from auditor.storage import load

PIP_LINE = 'pip install "dataset-auditor[hf]"'


@pytest.fixture(autouse=True)
def own_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library keeps what it must keep in the test's own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    return tmp_path / "hub"


def encoded(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 10, 20)).save(out, "PNG")
    return out.getvalue()


def made(labels: Iterable[Any], names: list[str] | None = None, **more: Any) -> datasets.Dataset:
    """A dataset of one small picture a label; `names` make the label a ClassLabel."""
    labels = list(labels)
    label = datasets.ClassLabel(names=names) if names else datasets.Value("string")
    features = {"image": datasets.Image(), "label": label}
    images = [{"bytes": encoded(n), "path": f"{n}.png"} for n in range(len(labels))]
    plain = datasets.Dataset.from_dict(
        {"image": images, "label": labels}, features=datasets.Features(features)
    )
    for column, values in more.items():
        plain = plain.add_column(column, values)
    return plain


def rows_of(dataset: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(dataset.table[n] for n in names), strict=True))


def contents_of(dataset: Dataset) -> list[bytes]:
    return [dataset.contents.read(path) for path in dataset.table["path"]]


def test_a_saved_dataset_gives_the_findings_of_class_folders(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = plant(tmp_path / "photos")
    pictures = pictures_below(folders)
    classes = sorted({name.split("/")[0] for name in pictures})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=classes)})
    columns = {
        "image": [{"bytes": data, "path": name} for name, data in pictures.items()],
        "label": [name.split("/")[0] for name in pictures],
    }
    data = tmp_path / "saved"
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(data, num_shards=2)
    ids = {name: f"{row:07d}/{name.split('/')[1]}" for row, name in enumerate(pictures)}
    first = run(command, folders, tmp_path / "folders", tmp_path / "cache of folders")
    packed = run(command, data, tmp_path / "packed", tmp_path / "cache")
    audits_agree(first, packed, ids)
    goes_the_whole_way(command, monkeypatch, data, packed, tmp_path)


def test_the_splits_of_a_saved_dictionary_are_read_with_class_names(tmp_path: Path) -> None:
    parts = {"train": made([0, 1, -1], ["cat", "dog"]), "test": made([1, 0], ["cat", "dog"])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    dataset = read_dataset(tmp_path / "saved")
    assert rows_of(dataset, "id", "label", "split") == [
        ("train/0000000/0.png", "cat", "train"),
        ("train/0000001/1.png", "dog", "train"),
        ("test/0000000/0.png", "dog", "test"),
        ("test/0000001/1.png", "cat", "test"),
    ]
    assert dataset.name == "saved" and dataset.notes == ("1 row without a label set aside.",)
    assert contents_of(dataset) == [encoded(0), encoded(1), encoded(0), encoded(1)]


def test_columns_of_a_manifest_are_read(tmp_path: Path) -> None:
    made("xyx", id=["a", "b", "c"], domain=["p", "q", "p"], group=[1, 2, 2]).save_to_disk(tmp_path / "saved")
    assert rows_of(read_dataset(tmp_path / "saved"), "id", "path", "domain", "group") == [
        ("a", "0000000/0.png", "p", "1"),
        ("b", "0000001/1.png", "q", "2"),
        ("c", "0000002/2.png", "p", "2"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows,
        lambda rows: rows.with_format("numpy"),
        lambda rows: rows.with_format("torch"),
        lambda rows: rows.with_transform(lambda batch: {"image": [0] * len(batch["label"])}),
        lambda rows: rows.cast_column("image", datasets.Image(decode=False)),
    ],
    ids=["plain", "numpy", "torch", "transform", "undecoded"],
)
def test_an_object_is_read_whatever_its_format(change: Any) -> None:
    dataset = read_dataset(change(made([0, 1, 1], ["cat", "dog"])))
    assert rows_of(dataset, "path", "label") == [
        ("0000000/0.png", "cat"),
        ("0000001/1.png", "dog"),
        ("0000002/2.png", "dog"),
    ]
    assert contents_of(dataset) == [encoded(n) for n in range(3)]
    assert dataset.contents.file("0000000/0.png") is None and dataset.contents.place.startswith(
        "the Python object"
    )


def test_rows_that_were_picked_and_shuffled_are_those_that_are_read() -> None:
    given = made([n % 2 for n in range(20)], ["cat", "dog"]).shuffle(seed=1).select(range(3, 15))
    dataset = read_dataset(datasets.DatasetDict({"all": given}))
    assert list(dataset.table["label"]) == [["cat", "dog"][n] for n in given["label"]]
    wanted = [image["bytes"] for image in given.cast_column("image", datasets.Image(decode=False))["image"]]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(dataset.contents.read, dataset.table["path"])) == wanted


def test_an_object_may_name_pictures_anywhere(tmp_path: Path) -> None:
    for number in range(2):
        write_picture(tmp_path / "elsewhere" / f"{number}.png", number, 0)
    paths = [str(tmp_path / "elsewhere" / f"{number}.png") for number in range(2)]
    given = datasets.Dataset.from_dict({"image": paths, "label": ["x", "y"]})
    given = given.cast_column("image", datasets.Image())
    dataset = read_dataset(given)
    assert contents_of(dataset) == [Path(path).read_bytes() for path in paths]
    before = [dataset.contents.key(path) for path in dataset.table["path"]]
    Path(paths[0]).write_bytes(b"another picture")
    after = [read_dataset(given).contents.key(path) for path in dataset.table["path"]]
    assert before[0] != after[0] and before[1] == after[1] and "" not in before


def test_a_saved_folder_names_pictures_only_below_itself(tmp_path: Path) -> None:
    """save_to_disk packs the pictures in; folders of earlier versions hold their paths."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "a.png").write_bytes(b"below")
    (tmp_path / "b.png").write_bytes(b"outside")
    names = ["a.png", "../b.png", str(tmp_path / "b.png"), "https://x/a.png", "c.png"]
    images = [*({"bytes": None, "path": name} for name in names), None]
    features = datasets.Features({"image": datasets.Image(decode=False)})
    given = datasets.Dataset.from_dict({"image": images}, features=features)
    contents = HubPictures(tmp_path / "saved", "image", {"": given})
    assert contents.read("0000000/a.png") == b"below"
    said = ("leads out", "leads out", "only the address", "no such file exists", "the row holds no picture")
    for row, words in enumerate(said, 1):
        with pytest.raises(DataError, match=words):
            contents.read(f"{row}")
    assert "" not in [contents.key(str(row)) for row in range(6)]


def test_keys_are_told_without_reading_and_stay_the_same(tmp_path: Path) -> None:
    parts = {name: made([0, 1], ["cat", "dog"]) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")

    def keys(source: Any) -> list[str]:
        dataset = read_dataset(source)
        return [dataset.contents.key(path) for path in dataset.table["path"]]

    saved = keys(tmp_path / "saved")
    assert len({*saved, ""}) == 5 and keys(tmp_path / "saved") == saved
    objects = keys(datasets.DatasetDict(parts))
    assert len({*objects, ""}) >= 3 and keys(datasets.DatasetDict(parts)) == objects
    shutil.rmtree(tmp_path / "saved")
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    assert not set(keys(tmp_path / "saved")) & set(saved)


def test_a_saved_dataset_that_changes_is_never_read_as_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.sources.hub_pictures.CHECK_SECONDS", 0.0)
    made([0, 1], ["cat", "dog"]).save_to_disk(tmp_path / "saved")
    dataset = read_dataset(tmp_path / "saved")
    os.utime(next((tmp_path / "saved").glob("*.arrow")), ns=(1, 1))
    with pytest.raises(DataError, match="saved has changed since it was opened"):
        dataset.contents.read("0000000/0.png")
    shutil.rmtree(tmp_path / "saved")
    with pytest.raises(DataError, match="has changed"):
        dataset.contents.read("0000000/0.png")
    again = open_contents(dataset.contents.document())
    with pytest.raises(DataError, match="cannot be read as a saved Hugging Face dataset"):
        again.read("0000000/0.png")
    assert again.key("0000000/0.png") == ""


@pytest.mark.parametrize("damage", ["arrow", "state.json", "dataset_info.json", "no arrow"])
def test_a_damaged_folder_is_an_error_in_words(tmp_path: Path, damage: str) -> None:
    made([0, 1], ["cat", "dog"]).save_to_disk(tmp_path / "saved")
    arrow = next((tmp_path / "saved").glob("*.arrow"))
    file = arrow if "arrow" in damage else tmp_path / "saved" / damage
    file.write_bytes(b"no such thing")
    if damage == "no arrow":
        file.unlink()
    with pytest.raises(DataError, match="saved cannot be read as a saved Hugging Face dataset: "):
        read_dataset(tmp_path / "saved")


def test_contents_come_back_from_their_document(tmp_path: Path) -> None:
    datasets.DatasetDict({"a": made([0, 1], ["x", "y"])}).save_to_disk(tmp_path / "saved")
    contents = read_dataset(tmp_path / "saved").contents
    for other in (
        open_contents(json.loads(json.dumps(contents.document()))),
        pickle.loads(pickle.dumps(contents)),
    ):
        assert other.read("a/0000001/1.png") == encoded(1)
        assert other.key("a/0000001/1.png") == contents.key("a/0000001/1.png") != ""
        assert other.document() == contents.document() and other.place == contents.place
        for wrong in ("a/2", "b/0", "0", "a/x", "a", ""):
            with pytest.raises(DataError):
                other.read(wrong)
    gone = open_contents(read_dataset(made([0, 1], ["x", "y"])).contents.document())
    with pytest.raises(DataError, match="Python object"):
        gone.read("0000000/0.png")


def test_without_the_library_the_error_is_the_line_that_installs_it(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = plant(tmp_path / "photos")
    pictures = pictures_below(folders)
    images = [{"bytes": data, "path": name} for name, data in pictures.items()]
    given = datasets.Dataset.from_dict({"image": images, "label": [name.split("/")[0] for name in pictures]})
    given.cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    out = run(command, tmp_path / "saved", tmp_path / "out", tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError) as raised:
        read_dataset(tmp_path / "saved")
    assert str(raised.value).endswith(f": {PIP_LINE}") and "saved" in str(raised.value)
    done = command("run", tmp_path / "saved", "--out", tmp_path / "other")
    assert done.code == 2 and PIP_LINE in " ".join(done.err.split())
    assert command("report", out).code == 0
    audit = load(out)
    with pytest.raises(DataError) as unread:
        audit.dataset.contents.read(audit.dataset.table["path"][0])
    assert str(unread.value).endswith(PIP_LINE)


def test_a_package_of_the_same_name_is_not_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made([0, 1], ["cat", "dog"]).save_to_disk(tmp_path / "saved")
    own = types.ModuleType("datasets")
    own.__file__ = "/mine/datasets/__init__.py"
    monkeypatch.setitem(sys.modules, "datasets", own)
    with pytest.raises(UsageError, match="another module of its name is in '/mine/datasets"):
        read_dataset(tmp_path / "saved")
    kind = type("Birds", (), {"__module__": "datasets.birds", "__len__": lambda self: 2})
    assert not is_hub_object(kind())


def test_nothing_goes_over_the_network_or_into_the_users_cache(tmp_path: Path) -> None:
    made([0, 1], ["cat", "dog"]).save_to_disk(tmp_path / "saved")
    code = (
        "import os, socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from auditor.dataset import read_dataset\n"
        "dataset = read_dataset(sys.argv[1])\n"
        "assert len(dataset.contents.read(dataset.table['path'][0]))\n"
        "import datasets, huggingface_hub\n"
        "assert datasets.config.HF_HUB_OFFLINE and huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY\n"
        "assert not [name for name in os.environ if name.startswith('HF_') and name != 'HF_HOME']\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**plain, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path / "saved")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("given", "options", "error", "said"),
    [
        (
            lambda: made([0, 1], ["a", "b"]).remove_columns("image"),
            {},
            DataError,
            "no column of pictures; it has 'label'",
        ),
        (
            lambda: made("ab").rename_column("label", "kind"),
            {},
            DataError,
            "no column label .*--label-column",
        ),
        (lambda: made("ab"), {"path_column": "label"}, DataError, "no pictures in 'label'.*'image'"),
        (lambda: made("ab"), {"label_column": "kind"}, DataError, "no column kind"),
        (lambda: made("ab"), {"layout": "class"}, UsageError, "--layout class is for folders"),
        (lambda: made("ab"), {"root": Path()}, UsageError, "--root is for manifests"),
        (lambda: made("ab").to_iterable_dataset(), {}, UsageError, "is a stream"),
        (
            lambda: made("ab", label2=[[1], [2]]),
            {"label_column": "label2"},
            DataError,
            "where text should be",
        ),
        (
            lambda: datasets.concatenate_datasets(
                [made("ab"), made("ab").rename_column("image", "mask").remove_columns("label")], axis=1
            ),
            {},
            UsageError,
            "2 columns with pictures, 'image', 'mask': say with --path-column",
        ),
    ],
)
def test_what_cannot_be_read_says_why(given: Any, options: dict[str, Any], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        read_dataset(given(), ReadOptions(**options))


def write_metadata(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif file.suffix == ".jsonl":
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        pd.DataFrame(rows).to_parquet(file)


def image_folder(root: Path, suffix: str, splits: tuple[str, ...]) -> Path:
    """An imagefolder with a metadata file in each split, or at the top where there is none."""
    number = 0
    for split in splits:
        rows = []
        for label in ("cat", "dog", "cat"):
            number += 1
            write_picture(root / split / "images" / f"{number}.png", number, 0)
            rows.append({"file_name": f"images/{number}.png", "label": label, "age": number})
        write_metadata(root / split / f"metadata{suffix}", rows)
    return root


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("splits", [("train", "test"), ("",)], ids=["splits", "one"])
def test_an_imagefolder_with_metadata_is_what_datasets_makes_of_it(
    tmp_path: Path, suffix: str, splits: tuple[str, ...]
) -> None:
    root = image_folder(tmp_path / "set", suffix, splits)
    dataset = read_dataset(root)
    oracle = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "hub"))
    theirs = set()
    for split, rows in oracle.items():
        for row in rows.cast_column("image", datasets.Image(decode=False)):
            data = row["image"]["bytes"] or Path(row["image"]["path"]).read_bytes()
            theirs.add((split if len(splits) > 1 else "", row["label"], data))
    columns = zip(rows_of(dataset, "split", "label"), contents_of(dataset), strict=True)
    ours = {(*row, data) for row, data in columns}
    assert ours == theirs and len(ours) == 3 * len(splits)
    assert dataset.notes == ()
    assert dataset.contents.file(dataset.table["path"][0]) == str(root / dataset.table["path"][0])


def test_metadata_at_the_top_tells_the_split_by_the_folders(tmp_path: Path) -> None:
    rows = []
    for number, split in enumerate(("train", "val", "train")):
        write_picture(tmp_path / "set" / split / f"{number}.png", number, 0)
        rows.append({"file_name": f"{split}/{number}.png", "label": "cat" if number else "dog"})
    write_metadata(tmp_path / "set" / "metadata.csv", rows)
    assert rows_of(read_dataset(tmp_path / "set"), "path", "label", "split") == [
        ("train/0.png", "dog", "train"),
        ("val/1.png", "cat", "val"),
        ("train/2.png", "cat", "train"),
    ]


def test_metadata_without_labels_leaves_the_class_folders(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        write_picture(tmp_path / "set" / label / "1.png", 0, 0)
    rows = [{"file_name": f"{label}/1.png", "caption": "words"} for label in ("cat", "dog")]
    write_metadata(tmp_path / "set" / "metadata.csv", rows)
    dataset = read_dataset(tmp_path / "set")
    assert dataset.classes == ("cat", "dog")
    assert dataset.notes[0].startswith("metadata.csv has no label ('label', 'class', 'category', 'target')")
    assert read_dataset(tmp_path / "set", ReadOptions(layout="class")).notes == ("Passed over: 1 .csv.",)
    write_metadata(tmp_path / "set" / "metadata.csv", [{"name": "x"}])
    assert "metadata.csv has no column file_name and is passed over." in read_dataset(tmp_path / "set").notes


def test_an_imagefolder_gives_the_findings_of_class_folders(tmp_path: Path, command: Command) -> None:
    folders = plant(tmp_path / "photos")
    pictures = pictures_below(folders)
    shutil.copytree(folders, tmp_path / "set" / "all")
    rows = [{"file_name": f"all/{name}", "label": name.split("/")[0]} for name in pictures]
    write_metadata(tmp_path / "set" / "metadata.jsonl", rows)
    first = run(command, folders, tmp_path / "folders", tmp_path / "cache of folders")
    packed = run(command, tmp_path / "set", tmp_path / "packed", tmp_path / "cache")
    audits_agree(first, packed, {name: f"all/{name}" for name in pictures})
