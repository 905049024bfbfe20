"""Runs on addresses: the same findings as here, no picture fetched twice, no secret written anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Command
from web_store import WebStore

from auditor.dataset import ReadOptions, read_dataset
from auditor.sources import stores

SAME = ("samples.parquet", "findings.csv", "embeddings.npy", "neighbours.npy")


def test_offline_asks_for_nothing(photos: Path, web: WebStore, tmp_path: Path, command: Command) -> None:
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    here.write_text("path,label\nrings/0.png,rings\nwaves/0.png,waves\n")
    there.write_text(f"path,label\n{web.url}/photos/rings/0.png,a\n{web.url}/photos/waves/0.png,b\n")
    for data in ([f"{web.url}/photos"], [here, "--root", f"{web.url}/photos"], [there]):
        done = command("run", *data, "--offline", "--backbone", "bundled", "--out", tmp_path / "out")
        assert done.code == 2
        assert "which --offline forbids" in done.err and done.err.count("\n") == 1
    assert not web.asked


def test_a_run_on_an_address_finds_what_it_finds_here(
    photos: Path, web: WebStore, tmp_path: Path, command: Command, memory: Callable[[Path], str]
) -> None:
    web.login = "me:s3cret"
    (photos / "waves" / "copy.png").write_bytes((photos / "rings" / "0.png").read_bytes())
    (photos / "waves" / "broken.png").write_bytes(b"no picture")
    address = f"http://me:s3cret@{web.host}/photos?token=t0psecret"
    folders = {"here": str(photos), "web": address, "memory": memory(photos)}
    said = ""
    for name, data in folders.items():
        more = ["--backbone", "bundled", "--cache", tmp_path / f"cache {name}", "--out", tmp_path / name]
        done = command("run", data, *more)
        assert done.code == 0, done.err
        said += done.out + done.err
    for name in SAME:
        here = (tmp_path / "here" / name).read_bytes()
        assert (tmp_path / "web" / name).read_bytes() == here == (tmp_path / "memory" / name).read_bytes(), (
            name
        )
    assert set(web.asked.values()) == {1}
    assert set(web.pictures_asked) == {f"/photos/{p}" for p in read_dataset(photos).ids} | {
        "/photos/classes.csv"
    }

    web.forget()
    done = command(
        "run", address, "--backbone", "bundled", "--cache", tmp_path / "cache web", "--out", tmp_path / "2"
    )
    assert done.code == 0, done.err
    assert set(web.folders_asked) == {f"/photos/{f}" for f in ("", "rings/", "steps/", "waves/")}
    assert set(web.pictures_asked) == {"/photos/classes.csv"}
    for name in SAME:
        assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name
    pages = [(tmp_path / name / "thumbnails.parquet").read_bytes() for name in ("here", "web", "2")]
    assert pages[0] == pages[1] == pages[2]

    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()).decode("latin-1")
    assert not any(
        secret in text for secret in ("s3cret", "t0psecret") for text in (written, said + done.err)
    )
    assert "--out" not in json.loads((tmp_path / "web" / "audit.json").read_text())["command"]


def test_a_run_whose_store_goes_away_goes_on_later(
    photos: Path, web: WebStore, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LOST_AFTER", 2)
    monkeypatch.setattr(stores, "ATTEMPTS", 1)
    for number in range(4):
        web.faults[f"/photos/waves/{number}.png"] = [503]
    arguments = [
        "run",
        f"{web.url}/photos",
        "--backbone",
        "bundled",
        "--out",
        tmp_path / "out",
        "--workers",
        1,
    ]
    done = command(*arguments)
    assert done.code == 2 and "answers no more" in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out").exists()
    asked = set(web.pictures_asked)
    web.forget()
    web.faults.clear()
    assert command(*arguments).code == 0
    assert not any(n in asked for n in web.pictures_asked if "/rings/" in n)


def test_the_cache_command_covers_pictures(web: WebStore, tmp_path: Path, command: Command) -> None:
    cache = tmp_path / "cache"
    found = read_dataset(f"{web.url}/photos", ReadOptions(cache=cache))
    size = sum(len(found.contents.read(path)) for path in found.table["path"])
    told = json.loads(command("cache", "info", "--json", "--cache", cache).out)
    assert told["pictures"] == 12 and told["picture_bytes"] >= size
    assert "12 pictures fetched" in command("cache", "info", "--cache", cache).out
    (cache / "pictures" / "mine.txt").write_text("not auditor's")
    assert json.loads(command("cache", "clear", "--json", "--cache", cache).out)["bytes_freed"] >= size
    assert [p.name for p in (cache / "pictures").rglob("*") if p.is_file()] == ["mine.txt"]
    assert json.loads(command("cache", "info", "--json", "--cache", cache).out)["pictures"] == 0
