"""Tars, Parquet files and saved datasets in remote stores: fetched whole, once, and read as they are here."""

from __future__ import annotations

import errno
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import Command
from packed import goes_the_whole_way, make_tar, pictures_below, plant, run
from web_store import WebStore

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources import kept_pictures, stores
from auditor.sources.reopen import open_contents


def pictures_of(photos: Path) -> dict[str, bytes]:
    found = pictures_below(photos)
    return {name: data for name, data in found.items() if name[-5:-4].isdigit()}


@pytest.fixture
def shards(photos: Path) -> Path:
    """Two tars of samples beside the photographs, and a table beside one."""
    folder = photos.parent / "shards"
    for number, start in enumerate((0, 6)):
        members: list[tuple[str, object]] = []
        for row, data in enumerate(list(pictures_of(photos).values())[start : start + 6]):
            members += [(f"{row:04d}.png", data), (f"{row:04d}.cls", row % 2)]
        make_tar(folder / f"train-{number}.tar", members)
    (folder / "classes.txt").write_text("even\nodd\n")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.tar").write_bytes(b"")
    return folder


def write_pictures(file: Path, photos: Path) -> Path:
    pictures = pictures_of(photos)
    images = [{"bytes": data, "path": name} for name, data in pictures.items()]
    labels = [name.split("/")[0] for name in pictures]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": labels}), file)
    return file


def bytes_of(dataset: Dataset) -> list[bytes]:
    return [dataset.contents.read(path) for path in dataset.table["path"]]


def same(found: Dataset, here: Dataset) -> None:
    assert found.table.equals(here.table) and found.classes == here.classes and found.name == here.name
    assert bytes_of(found) == bytes_of(here)


def test_tars_on_a_server_give_the_findings_of_tars_here(
    web: WebStore, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = pictures_below(plant(tmp_path / "photos"))
    for number in range(2):
        part = [(name, data) for row, (name, data) in enumerate(pictures.items()) if row % 2 == number]
        make_tar(web.folder / "packed" / f"{number}.tar", part)
    here = run(command, web.folder / "packed", tmp_path / "here", tmp_path / "cache here")
    there = run(command, f"{web.url}/packed", tmp_path / "there", tmp_path / "cache")
    for name in ("samples.parquet", "findings.csv", "embeddings.npy", "thumbnails.parquet"):
        assert (here / name).read_bytes() == (there / name).read_bytes(), name
    goes_the_whole_way(command, monkeypatch, f"{web.url}/packed", there, tmp_path)
    assert dict(web.pictures_asked) == {"/packed/0.tar": 1, "/packed/1.tar": 1}
    assert json.loads((there / "source.json").read_text())["root"] == f"{web.url}/packed"


def test_a_folder_of_shards_is_what_it_is_here(
    shards: Path, web: WebStore, memory: Callable[[Path], str], tmp_path: Path
) -> None:
    here = read_dataset(shards)
    assert here.classes == ("even", "odd") and len(here) == 12
    for number, address in enumerate((f"{web.url}/shards", memory(shards))):
        options = ReadOptions(cache=tmp_path / f"cache {number}")
        same(read_dataset(address, options), here)
        same(read_dataset(address, options), here)
    assert set(web.pictures_asked.values()) == {1}
    assert set(web.pictures_asked) == {f"/shards/{n}" for n in ("train-0.tar", "train-1.tar", "classes.txt")}


def test_one_tar_is_what_it_is_here(shards: Path, web: WebStore, tmp_path: Path) -> None:
    options = ReadOptions(cache=tmp_path / "cache")
    for _ in range(2):
        same(read_dataset(f"{web.url}/shards/train-1.tar", options), read_dataset(shards / "train-1.tar"))
    assert web.asked["/shards/train-1.tar"] == 1, "its date is asked for, it is not"
    assert "/shards/train-0.tar" not in web.asked


def test_pictures_in_parquet_at_an_address(
    photos: Path, web: WebStore, memory: Callable[[Path], str], tmp_path: Path
) -> None:
    file = write_pictures(photos.parent / "tables" / "train.parquet", photos)
    for number, root in enumerate((f"{web.url}/tables", memory(file.parent))):
        options = ReadOptions(cache=tmp_path / f"cache {number}")
        same(read_dataset(root, options), read_dataset(file.parent))
        same(read_dataset(f"{root}/train.parquet", options), read_dataset(file))
    with pytest.raises(UsageError, match="--layout class"):
        pq.write_table(pa.table({"path": ["a", "b"], "label": ["x", "y"]}), file)
        read_dataset(f"{web.url}/tables/train.parquet", ReadOptions("class", cache=tmp_path / "cache 3"))


def test_a_saved_dataset_at_an_address(
    photos: Path, web: WebStore, memory: Callable[[Path], str], tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = pictures_of(photos)
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    columns = {"image": [{"bytes": d, "path": n} for n, d in pictures.items()], "label": [0, 1] * 6}
    rows = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict(train=rows, test=rows).save_to_disk(photos.parent / "saved")
    here = read_dataset(photos.parent / "saved")
    same(read_dataset(f"{web.url}/saved", ReadOptions(cache=tmp_path / "cache")), here)
    same(read_dataset(memory(photos.parent / "saved")), here)


def test_without_a_cache_files_are_kept_as_long_as_the_dataset(shards: Path, web: WebStore) -> None:
    found = read_dataset(f"{web.url}/shards")
    folder = Path(found.contents._inside.place)  # type: ignore[attr-defined]
    assert bytes_of(found) and folder.is_dir()
    del found
    assert not folder.exists()


def test_what_changed_in_the_store_is_fetched_again(
    shards: Path, photos: Path, memory: Callable[[Path], str], tmp_path: Path
) -> None:
    address, options = memory(shards), ReadOptions(cache=tmp_path / "cache")
    assert len(read_dataset(address, options)) == 12
    system = fsspec.filesystem("memory")
    make_tar(shards / "train-1.tar", [("0.png", b"new"), ("0.cls", 1)])
    system.pipe("/data/shards/train-1.tar", (shards / "train-1.tar").read_bytes())
    same(read_dataset(address, options), read_dataset(shards))
    system.rm("/data/shards/train-0.tar")
    system.pipe(
        "/data/shards/train-2.tar", make_tar(shards / "x", [("0.png", b"2"), ("0.cls", 0)]).read_bytes()
    )
    found = read_dataset(address, options)
    assert [path.split("/")[0] for path in found.table["path"]] == ["train-1.tar", "train-2.tar"]


def test_what_the_listing_does_not_tell_is_said(shards: Path, web: WebStore, tmp_path: Path) -> None:
    notes = read_dataset(f"{web.url}/shards", ReadOptions(cache=tmp_path / "cache")).notes
    assert notes[0].startswith("The store does not tell when 3 files change: what was fetched before")
    assert notes[1] == "Passed over: 1 .txt."


@pytest.mark.parametrize("damage", ["cut off", "gone", "another time", "nothing told"])
def test_a_damaged_file_in_the_cache_is_fetched_again(
    shards: Path, web: WebStore, tmp_path: Path, damage: str
) -> None:
    options = ReadOptions(cache=tmp_path / "cache")
    read_dataset(f"{web.url}/shards", options)
    (file,) = (tmp_path / "cache" / "files").glob("*/data/train-0.tar")
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "gone":
        file.unlink()
    elif damage == "another time":
        file.touch()
    else:
        for told in (tmp_path / "cache" / "files").glob("*/told/*"):
            told.write_text("{")
    same(read_dataset(f"{web.url}/shards", options), read_dataset(shards))
    assert web.asked["/shards/train-0.tar"] == 2


def test_what_fails_for_the_moment_is_tried_again(shards: Path, web: WebStore, tmp_path: Path) -> None:
    web.faults["/shards/train-0.tar"] = [503, "short"]
    found = read_dataset(f"{web.url}/shards", ReadOptions(cache=tmp_path / "cache"))
    same(found, read_dataset(shards))
    assert web.asked["/shards/train-0.tar"] == 3


def test_what_cannot_be_fetched_ends_the_run_and_the_rest_is_kept(
    shards: Path, web: WebStore, tmp_path: Path, command: Command
) -> None:
    web.faults["/shards/train-1.tar"] = [503, 503, "short"]
    more = ("--backbone", "bundled", "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    done = command("run", f"{web.url}/shards", *more)
    assert done.code == 2 and done.err.count("\n") == 1
    assert f"{web.url}/shards/train-1.tar cannot be fetched: " in done.err and "(3 tries)" in done.err
    files = [p.name for p in (tmp_path / "cache" / "files").rglob("*") if p.is_file()]
    assert "train-1.tar" not in files and not any(name.endswith(".tmp") for name in files)
    web.forget()
    assert command("run", f"{web.url}/shards", *more).code == 0
    assert "/shards/train-0.tar" not in web.asked and web.asked["/shards/train-1.tar"] == 1


@pytest.mark.parametrize("told", [True, False])
def test_what_does_not_fit_is_refused(
    shards: Path, web: WebStore, memory: Callable[[Path], str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, told: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(kept_pictures, "MOST_BYTES", 12_000)
    address = memory(shards) if told else f"{web.url}/shards"
    said = "of 0.0 GB to fetch, and the cache has room for 0.0 GB" if told else "has room for 0.0 GB more"
    with pytest.raises(DataError, match=said):
        read_dataset(address, ReadOptions(cache=tmp_path / "cache"))
    kept = sum(p.stat().st_size for p in (tmp_path / "cache").rglob("*.tar"))
    assert kept <= 12_000 and not list((tmp_path / "cache").rglob("*.tmp"))


def test_a_full_disk_is_told_and_the_store_not_asked_again(
    shards: Path, web: WebStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, mode: str = "r", **more: Any) -> Any:
        return Full() if path.suffix == ".tmp" else opened(path, mode, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(DataError, match=r"fetched: the cache cannot be written \(No space left"):
            read_dataset(f"{web.url}/shards/train-0.tar", ReadOptions(cache=tmp_path / "cache"))
    assert web.asked["/shards/train-0.tar"] == 1
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_progress_counts_bytes(shards: Path, memory: Callable[[Path], str], tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    read_dataset(memory(shards), ReadOptions(cache=tmp_path, progress=lambda *step: told.append(step)))
    total = sum((shards / n).stat().st_size for n in ("train-0.tar", "train-1.tar", "classes.txt"))
    assert told[-1] == ("download", total, total)


def test_compressed_tars_and_other_archives_are_refused(photos: Path, web: WebStore) -> None:
    folder = photos.parent / "packed"
    folder.mkdir()
    (folder / "a.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 compressed tar, 'a\.tar\.gz': make a plain \.tar"):
        read_dataset(f"{web.url}/packed")
    with pytest.raises(UsageError, match="archive"):
        read_dataset(f"{web.url}/packed/a.tar.gz")
    with pytest.raises(DataError, match=r"none\.tar cannot be read: the store has nothing there"):
        read_dataset(f"{web.url}/packed/none.tar")


@pytest.mark.parametrize("name", ["../out.tar", "a/../../out.tar", "a//b.tar"])
def test_a_name_that_leads_out_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Callable[[Path], str], shards: Path
) -> None:
    address = memory(shards)
    listed: Any = {"name": f"/data/shards/{name}", "type": "file", "size": 3}
    monkeypatch.setattr(stores.RemoteFolder, "find", lambda self: [listed])
    with pytest.raises(DataError, match=r"which is no name of one|1 hidden"):
        read_dataset(address, ReadOptions(cache=tmp_path / "cache"))
    assert not list(tmp_path.rglob("out.tar"))


def test_contents_come_back_from_their_document(shards: Path, web: WebStore, tmp_path: Path) -> None:
    found = read_dataset(f"{web.url}/shards", ReadOptions(cache=tmp_path / "cache"))
    document = json.loads(json.dumps(found.contents.document()))
    for back in (open_contents(document), pickle.loads(pickle.dumps(found.contents))):
        path = found.table["path"].iloc[3]
        assert back.place == f"{web.url}/shards" and back.document() == document
        assert back.read(path) == found.contents.read(path) and back.key(path) == found.contents.key(path)


def test_a_cache_that_was_cleared_is_said(
    shards: Path, web: WebStore, tmp_path: Path, command: Command
) -> None:
    found = read_dataset(f"{web.url}/shards", ReadOptions(cache=tmp_path / "cache"))
    said = command("cache", "info", "--cache", tmp_path / "cache").out
    size = sum(p.stat().st_size for p in (tmp_path / "cache").glob("files/*/data/*")) / 1e6
    assert f"{size:,.1f} MB in 3 files fetched from stores" in said
    assert command("cache", "clear", "--cache", tmp_path / "cache").code == 0
    assert not (tmp_path / "cache" / "files").exists()
    back = open_contents(found.contents.document())
    with pytest.raises(DataError, match=f"fetched from {web.url}/shards is no longer in the cache"):
        back.read(found.table["path"].iloc[0])
    same(read_dataset(f"{web.url}/shards", ReadOptions(cache=tmp_path / "cache")), read_dataset(shards))


def test_secrets_are_written_nowhere(shards: Path, web: WebStore, tmp_path: Path, command: Command) -> None:
    web.login = "me:s3cret"
    address = f"http://me:s3cret@{web.host}/shards?token=t0psecret"
    more = ("--backbone", "bundled", "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    done = command("run", address, *more)
    assert done.code == 0, done.err
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()).decode("latin-1")
    assert not any(secret in written + done.out + done.err for secret in ("s3cret", "t0psecret"))
