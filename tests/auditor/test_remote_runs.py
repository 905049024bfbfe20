"""Runs on addresses: the same findings as here, no picture fetched twice, no secret written anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from command import Command
from web_store import WebStore

from auditor.dataset import ReadOptions, read_dataset
from auditor.sources import stores
from auditor.storage import load

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


def test_a_version_of_an_address_is_a_manifest_of_addresses(
    photos: Path, web: WebStore, tmp_path: Path, command: Command
) -> None:
    odd = photos / "rings" / "a b%20#.png"
    odd.write_bytes((photos / "rings" / "0.png").read_bytes())
    web.login = "me:s3cret"
    address = f"http://me:s3cret@{web.host}/photos"
    backbone = ["--backbone", "bundled"]
    assert command("run", address, *backbone, "--out", tmp_path / "audit").code == 0
    web.forget()
    for more in (["--out", tmp_path / "links"], ["--out", tmp_path / "copies", "--materialize", "copy"]):
        done = command("clean", tmp_path / "audit", "--auto", "drop-duplicates", "--apply", *more)
        assert done.code == 0, done.err
    assert not web.asked  # the copies come from the cache
    rows = pd.read_csv(tmp_path / "links" / "manifest.csv")
    assert len(rows) == 12
    assert set(rows["path"]) <= {f"{web.url}/photos/{quote(i)}" for i in read_dataset(photos).ids}
    copies = {p.read_bytes() for p in (tmp_path / "copies").rglob("*.png")}
    assert copies == {p.read_bytes() for p in photos.rglob("[!.]*.png")}
    root = ["--root", f"http://me:s3cret@{web.host}/photos"]
    done = command(
        "run", tmp_path / "links", *root, "--like", tmp_path / "audit", "--out", tmp_path / "again"
    )
    assert done.code == 0, done.err
    assert not web.pictures_asked
    ids = [set(load(tmp_path / name).dataset.ids) for name in ("audit", "again")]
    assert ids[1] < ids[0] and len(ids[1]) == 12
    tasks = command("export", tmp_path / "audit", "--to", "label-studio", "--out", tmp_path / "tasks")
    assert tasks.code == 0, tasks.err
    images = [task["data"]["image"] for task in json.loads((tmp_path / "tasks" / "tasks.json").read_text())]
    assert images and all(image.startswith(f"{web.url}/photos/") for image in images)


def test_vectors_of_an_address(web: WebStore, tmp_path: Path, command: Command) -> None:
    address, cache = f"{web.url}/photos?token=s3cret", ["--cache", tmp_path / "cache"]
    done = command("embed", address, "--backbone", "bundled", "--out", tmp_path / "vectors", *cache)
    assert done.code == 0 and "12 of 12 samples" in done.out and "s3cret" not in done.out + done.err
    assert set(web.asked.values()) == {1}
    web.forget()
    more = ["--backbone", "bundled", "--store", tmp_path / "vectors", "--out", tmp_path / "out", *cache]
    assert command("run", address, *more).code == 0
    assert not [path for path in web.pictures_asked if path.endswith(".png")]
