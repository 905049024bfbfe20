"""Pictures of remote stores: fetched once, with patience, and kept as long as they are the same."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from web_store import WebStore

from auditor.contents import reading_threads
from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError
from auditor.images import read_image_at
from auditor.results import Dataset
from auditor.sources import kept_pictures, stores
from auditor.sources.kept_pictures import KeptPictures
from auditor.sources.remote_contents import RemotePictures, open_remote
from auditor.sources.stores import StoreLostError

SAME = ("samples.parquet", "findings.csv", "embeddings.npy", "neighbours.npy")


def first_of(dataset: Dataset) -> str:
    return str(dataset.table["path"].iat[0])


def kept(cache: Path) -> list[Path]:
    return [p for p in cache.rglob("*") if p.is_file()]


@pytest.mark.parametrize("faults", [[503, 500], ["reset", 502], ["short", "short"], [429, "reset"]])
def test_what_fails_for_the_moment_is_tried_again(
    photos: Path, web: WebStore, faults: list[int | str]
) -> None:
    found = read_dataset(f"{web.url}/photos")
    web.faults["/photos/rings/0.png"] = list(faults)
    assert found.contents.read("rings/0.png") == (photos / "rings" / "0.png").read_bytes()
    assert web.asked["/photos/rings/0.png"] == 3


@pytest.mark.parametrize(
    ("faults", "asked", "reason"),
    [
        ([503, 503, 503], 3, "the server answers 503 Service Unavailable (3 tries)"),
        ([404], 1, "the store has nothing there"),
        ([403], 1, "the server answers 403 Forbidden"),
        ([418], 1, "the server answers 418 I'm a Teapot"),
        ([799], 1, "the server answers 799"),
    ],
)
def test_what_keeps_failing_is_unreadable_with_the_reason(
    web: WebStore, faults: list[int | str], asked: int, reason: str
) -> None:
    found = read_dataset(f"{web.url}/photos")
    web.faults["/photos/rings/0.png"] = list(faults)
    rgb, facts = read_image_at(found.contents, "rings/0.png")
    assert rgb is None and facts.error == reason and facts.byte_digest == ""
    assert web.asked["/photos/rings/0.png"] == asked
    assert read_image_at(found.contents, "rings/0.png")[1].readable


def test_a_server_that_says_nothing_is_given_up(web: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "SILENCE_S", 0.2)
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    found = read_dataset(f"{web.url}/photos")
    web.faults["/photos/rings/0.png"] = ["hang", "hang"]
    with pytest.raises(DataError, match=r"no answer came in time \(2 tries\)"):
        found.contents.read("rings/0.png")


def test_an_endless_answer_is_cut_off(web: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_dataset(f"{web.url}/photos")
    monkeypatch.setattr(stores, "MAX_FILE_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes"):
        found.contents.read("rings/0.png")


def test_a_store_that_is_gone_ends_the_run(web: WebStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "LOST_AFTER", 4)
    found = read_dataset(f"{web.url}/photos")
    paths = list(found.table["path"])
    for path in paths[:3] + paths[4:]:
        web.faults[f"/photos/{path}"] = [503] * 3
    for path in paths[:3]:
        assert not read_image_at(found.contents, path)[1].readable
    assert read_image_at(found.contents, paths[3])[1].readable  # one that comes: it is not gone
    for path in paths[4:7]:
        assert not read_image_at(found.contents, path)[1].readable
    with pytest.raises(StoreLostError, match=r"answers no more: 4 pictures in a row.*503.*goes on"):
        found.contents.read(paths[7])


def test_pictures_are_fetched_once_whoever_asks(web: WebStore) -> None:
    found = read_dataset(f"{web.url}/photos")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(found.contents.read, [*found.table["path"]] * 4))
    assert set(web.pictures_asked.values()) == {1}
    assert (
        reading_threads(found.contents, 2)
        == 16
        > reading_threads(read_dataset(web.folder / "photos").contents, 2)
    )


def test_pictures_kept_only_for_the_program_are_gone_with_the_dataset(web: WebStore) -> None:
    found = read_dataset(f"{web.url}/photos")
    contents = found.contents
    assert isinstance(contents, RemotePictures)
    contents.read(first_of(found))
    folder = contents._pictures().folder
    assert kept(folder)
    del contents, found
    assert not folder.exists()


def test_a_new_version_is_fetched_again(photos: Path, memory: Callable[[Path], str], tmp_path: Path) -> None:
    address, options = memory(photos), ReadOptions(cache=tmp_path / "cache")
    before = read_dataset(address, options)
    path = first_of(before)
    old = before.contents.read(path)
    other = (photos / "waves" / "0.png").read_bytes()
    fsspec.filesystem("memory").pipe(f"/data/photos/{path}", other)
    after = read_dataset(address, options)
    assert after.contents.key(path) != before.contents.key(path)
    assert after.contents.read(path) == other != old
    assert len(kept(tmp_path / "cache")) == 1


def test_dates_beside_the_links_are_versions(photos: Path, web: WebStore, tmp_path: Path) -> None:
    options = ReadOptions(cache=tmp_path / "cache")
    page = (
        '<pre><a href="0.png">0.png</a>  {}  1.2K\n<a href="1.png">1.png</a>  01-Jan-2026 10:00  2K\n</pre>'
    )
    for name in ("rings", "steps", "waves"):
        web.pages[f"/photos/{name}/"] = page.format("01-Jan-2026 10:00")
    first = read_dataset(f"{web.url}/photos", options)
    web.pages["/photos/rings/"] = page.format("02-Jan-2026 10:00")
    second = read_dataset(f"{web.url}/photos", options)
    for found in (first, second):
        assert not any("does not tell" in note for note in found.notes)
        for path in found.table["path"]:
            found.contents.read(path)
    changed = [p for p in first.table["path"] if first.contents.key(p) != second.contents.key(p)]
    assert changed == ["rings/0.png"]
    assert {p for p, n in web.pictures_asked.items() if n == 2} == {
        "/photos/rings/0.png",
        "/photos/classes.csv",
    }


def test_what_the_listing_does_not_tell_is_said(web: WebStore, tmp_path: Path) -> None:
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache"))
    assert found.notes[0] == (
        "The store does not tell when 12 pictures change: what was fetched before is not fetched again; "
        "auditor cache clear forgets it."
    )


def test_the_cache_is_bounded_and_says_so(
    web: WebStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    size = (web.folder / "photos" / "rings" / "0.png").stat().st_size
    monkeypatch.setattr(kept_pictures, "MOST_BYTES", 3 * size)
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache"))
    for _ in range(2):
        for path in found.table["path"]:
            assert found.contents.read(path) == (web.folder / "photos" / path).read_bytes()
    assert sum(p.stat().st_size for p in kept(tmp_path / "cache")) <= 3 * size
    assert set(web.pictures_asked.values()) == {1, 2}
    assert [r.message for r in caplog.records if "cache clear makes room" in r.message] == [
        r.message for r in caplog.records
    ]
    assert len(caplog.records) == 1


def test_too_little_room_is_said_before(
    photos: Path, memory: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, options = memory(photos), ReadOptions(cache=tmp_path / "cache")
    found = read_dataset(address, options)
    assert not any("has room" in note for note in found.notes)
    for path in found.table["path"]:
        found.contents.read(path)
    monkeypatch.setattr(kept_pictures, "MOST_BYTES", 10)
    assert not any("has room" in note for note in read_dataset(address, options).notes)  # all are there
    KeptPictures(tmp_path / "cache" / "pictures").clear()
    assert "the cache has room for 0.0 GB" in read_dataset(address, options).notes[0]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_picture_in_the_cache_is_fetched_again(web: WebStore, tmp_path: Path, damage: str) -> None:
    options = ReadOptions(cache=tmp_path / "cache")
    path = "rings/0.png"
    data = read_dataset(f"{web.url}/photos", options).contents.read(path)
    (file,) = kept(tmp_path / "cache")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes({"flip": bytes(content), "cut": content[:-5], "empty": b""}[damage])
    assert read_dataset(f"{web.url}/photos", options).contents.read(path) == data
    assert web.asked["/photos/rings/0.png"] == 2


def test_a_cache_that_cannot_be_written_costs_only_fetching(
    web: WebStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache"))
    for _ in range(2):
        assert found.contents.read("rings/0.png") == (web.folder / "photos" / "rings" / "0.png").read_bytes()
    assert len(caplog.records) == 1 and "cannot be written" in caplog.records[0].message


def test_a_cache_may_be_cleared_under_a_run(web: WebStore, tmp_path: Path) -> None:
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache"))
    for path in [*found.table["path"]] * 3:
        assert found.contents.read(path) == (web.folder / "photos" / path).read_bytes()
        KeptPictures(tmp_path / "cache" / "pictures").clear()
    assert not (tmp_path / "cache" / "pictures").exists()


def test_two_readers_of_one_cache_do_no_harm(web: WebStore, tmp_path: Path) -> None:
    readers = [read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache")) for _ in range(4)]

    def read(reader: Dataset) -> list[bytes]:
        return [reader.contents.read(path) for path in reader.table["path"]]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, readers))
    expected = [(web.folder / "photos" / path).read_bytes() for path in readers[0].table["path"]]
    assert all(read_by_one == expected for read_by_one in found)
    assert len(kept(tmp_path / "cache")) == len(expected)


def test_contents_come_back_from_their_document(web: WebStore, tmp_path: Path) -> None:
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=tmp_path / "cache"))
    data = found.contents.read("rings/0.png")
    again = open_remote(json.loads(json.dumps(found.contents.document())))
    assert again.place == found.contents.place and again.key("rings/0.png") == ""
    web.forget()
    assert again.read("rings/0.png") == data and not web.asked
    assert again.read("rings/1.png") == found.contents.read("rings/1.png")
    assert web.asked["/photos/rings/1.png"] == 1
    moved = pickle.loads(pickle.dumps(found.contents))
    assert moved.key("rings/2.png") == found.contents.key("rings/2.png")
    assert moved.read("rings/2.png") == found.contents.read("rings/2.png")


def test_a_loaded_audit_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    again = open_remote({"kind": "remote", "root": "s3://bucket/photos", "cache": None, "spelled": {}})
    with pytest.raises(DataError, match="pip install"):
        again.read("a.png")
