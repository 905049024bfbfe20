"""Datasets in remote stores: as on this machine, each folder listed once, whatever the names."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hostile import HOSTILE
from pictures import make_folders
from web_store import WebStore, serving

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.images import read_image_at
from auditor.results import Dataset
from auditor.sources.addresses import shown_address, without_secrets
from auditor.sources.remote_contents import open_remote

SAME = ("samples.parquet", "findings.csv", "embeddings.npy", "neighbours.npy")


def first_of(dataset: Dataset) -> str:
    return str(dataset.table["path"].iat[0])


def assert_same(found: Dataset, expected: Dataset) -> None:
    assert found.table.equals(expected.table)
    assert (found.name, found.classes) == (expected.name, expected.classes)
    assert (found.notes, found.descriptions) == (expected.notes, expected.descriptions)
    for path in expected.table["path"]:
        assert found.contents.read(path) == expected.contents.read(path)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_on_a_server_is_what_it_is_here(photos: Path, web: WebStore, slash: str) -> None:
    assert_same(read_dataset(f"{web.url}/photos{slash}"), read_dataset(photos))


def test_a_folder_in_another_store_is_what_it_is_here(
    photos: Path, memory: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = memory(photos)
    found: list[str] = []
    system = fsspec.filesystem("memory")
    real = type(system).find
    monkeypatch.setattr(
        type(system), "find", lambda self, *a, **k: (found.append(a[0]), real(self, *a, **k))[1]
    )
    assert_same(read_dataset(address), read_dataset(photos))
    assert len(found) == 1


@pytest.mark.parametrize("layout", ["split/class", "domain/class"])
def test_layouts_are_read_as_here(tmp_path: Path, layout: str) -> None:
    first, second = ("train", "test") if layout == "split/class" else ("photo", "sketch")
    for name in (first, second):
        make_folders(tmp_path / "served" / "deep" / name, each=2)
    with serving(tmp_path / "served") as web:
        for asked in ("auto", layout):
            options = ReadOptions(layout=asked)
            assert_same(
                read_dataset(f"{web.url}/deep", options), read_dataset(tmp_path / "served" / "deep", options)
            )


def test_a_file_address_is_a_path(photos: Path) -> None:
    assert_same(read_dataset(f"file://{photos}"), read_dataset(photos))


def test_hostile_names_come_as_text(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "served" / "odd", each=1)
    data = (root / "rings" / "0.png").read_bytes()
    names = [n for n in HOSTILE if "/" not in n and len(n) < 200]
    for name in [*names, "100%.png", "a%20b.png", "a#b?c.png", "käse & brot.png", ".png.png"]:
        folder = root / "rings" / f"{name} folder"
        folder.mkdir()
        (folder / f"{name}.png").write_bytes(data)
    (root / "rings" / "caf\udce9.png").write_bytes(data)
    with serving(tmp_path / "served") as web:
        assert_same(read_dataset(f"{web.url}/odd"), read_dataset(root))


def test_links_that_lead_elsewhere_are_no_entries(photos: Path, web: WebStore) -> None:
    web.pages["/photos/"] = """<html><a href="../">up</a><a href="?C=M;O=D">by date</a><a href="/">top</a>
        <a href="https://elsewhere.example/photos/x.png">x</a><a href="javascript:alert(1)">y</a>
        <a href="./">here</a>
        <a href="rings/deep/z.png">deep</a><a name="here">-</a><a href="//[bad/x.png">bad</a>
        <a href="/photos/rings/">rings</a><a href="waves/#top">waves</a><A HREF='steps/'>steps</A></html>"""
    here = read_dataset(photos)
    assert read_dataset(f"{web.url}/photos").table.equals(here.table)


def test_a_circle_of_folders_ends(photos: Path, web: WebStore) -> None:
    class Endless(dict[str, str]):
        def get(self, path: str, default: object = None) -> object:  # type: ignore[override]
            return '<a href="again/">again</a>' if "again" in path else default

    (photos / "again").mkdir()
    web.pages = Endless()
    with pytest.raises(DataError, match=r"leads in a circle: .*again/again"):
        read_dataset(f"{web.url}/photos")


def test_nothing_there_is_one_sentence(web: WebStore, memory: Callable[[Path], str]) -> None:
    with pytest.raises(DataError, match=r"/nowhere cannot be listed: the store has nothing there\.$"):
        read_dataset(f"{web.url}/nowhere")
    with pytest.raises(DataError, match="memory://nowhere"):
        read_dataset("memory://nowhere")
    web.listing = False
    with pytest.raises(DataError, match="403 Forbidden"):
        read_dataset(f"{web.url}/photos")
    web.close()
    with pytest.raises(DataError, match=r"the connection failed .*3 tries"):
        read_dataset(f"{web.url}/photos")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("photos.zip", ReadOptions(), "archive"),
        ("photos.csv", ReadOptions(layout="class"), "for folders"),
        ("photos", ReadOptions(path_column="file"), "is for manifests"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    web: WebStore, name: str, options: ReadOptions, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        read_dataset(f"{web.url}/{name}", options)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("s3://bucket/photos", 's3fs: pip install "dataset-auditor[remote]" s3fs.'),
        ("gs://bucket/photos", 'gcsfs: pip install "dataset-auditor[remote]" gcsfs.'),
        ("abfs://me@account/photos", 'adlfs: pip install "dataset-auditor[remote]" adlfs.'),
    ],
)
def test_a_missing_library_is_named_with_its_line(
    address: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError) as caught:
        read_dataset(address)
    assert str(caught.value) == f"{address} cannot be opened without {line}"


def test_without_the_extra_its_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(UsageError, match=r'without aiohttp: pip install "dataset-auditor\[remote\]"\.$'):
        read_dataset("https://host.example/photos")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r'pip install "dataset-auditor\[remote\]"'):
        read_dataset("memory://photos")


def test_an_unknown_store_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="nostore"):
        read_dataset("nostore://photos")


ROWS = (("rings/0.png", "rings"), ("waves/0.png", "waves"), ("waves/1.png", "waves"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_manifest_on_a_server_is_what_it_is_here(photos: Path, web: WebStore, suffix: str) -> None:
    import pandas as pd

    rows = pd.DataFrame([*ROWS, ("rings/gone.png", "rings")], columns=["path", "label"])
    for file in (photos / f"list{suffix}", photos / f"manifest{suffix}"):
        if suffix == ".csv":
            rows.to_csv(file, index=False)
        elif suffix == ".jsonl":
            rows.to_json(file, orient="records", lines=True)
        else:
            rows.to_parquet(file)
    assert_same(read_dataset(f"{web.url}/photos/list{suffix}"), read_dataset(photos / f"list{suffix}"))
    assert_same(read_dataset(f"{web.url}/photos"), read_dataset(photos))


@pytest.mark.parametrize("where", ["beside", "above", "here", "root"])
def test_rows_may_be_addresses(photos: Path, web: WebStore, tmp_path: Path, where: str) -> None:
    base = f"{web.url}/photos/"
    lines = [f"{'' if where == 'root' else base}{path},{label}" for path, label in ROWS]
    file = {"beside": photos, "above": photos.parent, "here": tmp_path, "root": tmp_path}[where] / "list.csv"
    file.write_text("\n".join(["url,label", *lines]))
    address = (
        str(file) if where in ("here", "root") else f"{web.url}/{file.relative_to(photos.parent).as_posix()}"
    )
    found = read_dataset(address, ReadOptions(root=base if where == "root" else None))
    inside = "photos/" if where == "above" else ""
    assert list(found.table["path"]) == [inside + path for path, _ in ROWS]
    assert list(found.table["label"]) == [label for _, label in ROWS]
    for path, _ in ROWS:
        assert found.contents.read(inside + path) == (photos / path).read_bytes()
    assert set(web.folders_asked.values()) <= {1}


def test_rows_of_several_stores_are_refused(web: WebStore, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"path,label\n{web.url}/a.png,a\nhttps://other.example/b.png,b\n")
    with pytest.raises(DataError, match="2 stores"):
        read_dataset(file)
    file.write_text(f"path,label\n{web.url}/a.png,a\nb.png,b\n")
    with pytest.raises(DataError, match="side by side"):
        read_dataset(file)
    with pytest.raises(DataError, match=r"start from https://other\.example/x"):
        read_dataset(file, ReadOptions(root="https://other.example/x"))
    assert not web.asked


def test_rows_that_lead_nowhere_are_one_sentence(photos: Path, memory: Callable[[Path], str]) -> None:
    rows = ("path,label", "../../../x.png,a", "/etc/passwd,b", "rings/gone.png,c", "rings/9.png,c")
    (photos / "list.csv").write_text("\n".join(rows))
    with pytest.raises(
        DataError, match=r"None of the 4 paths in list\.csv exists under memory://data/photos,"
    ):
        read_dataset(f"{memory(photos)}/list.csv")


def test_without_a_listing_pictures_that_are_gone_show_when_they_are_read(
    photos: Path, web: WebStore
) -> None:
    web.listing = False
    (photos / "list.csv").write_text("path,label\nrings/0.png,rings\nwaves/gone.png,waves\n")
    found = read_dataset(f"{web.url}/photos/list.csv")
    assert len(found) == 2
    assert "2 pictures in folders that the store gives no listing of" in found.notes[0]
    assert read_image_at(found.contents, "rings/0.png")[1].readable
    assert read_image_at(found.contents, "waves/gone.png")[1].error == "the store has nothing there"


def test_queries_of_pictures_are_used_and_shown_nowhere(web: WebStore, tmp_path: Path) -> None:
    base, cache = f"{web.url}/photos", tmp_path / "cache"

    def rows(signature: str) -> Dataset:
        names = ("rings/0.png?", "waves/0.png?id=s3cret1&", "waves/0.png?id=s3cret2&")
        lines = [f"{base}/{name}X-Amz-Signature={signature},{name[:5]}" for name in names]
        (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
        return read_dataset(tmp_path / "list.csv", ReadOptions(cache=cache))

    found, later = rows("s3cret3"), rows("s3cret4")
    assert found.table.equals(later.table) and found.table["path"].is_unique
    assert [re.sub("~[0-9a-f]{8}", "", p) for p in found.table["path"]] == [
        "rings/0.png",
        "waves/0.png",
        "waves/0.png",
    ]
    for path in found.table["path"]:
        assert found.contents.read(path) == (web.folder / "photos" / re.sub("~.{8}", "", path)).read_bytes()
        assert later.contents.key(path) == found.contents.key(path)
        later.contents.read(path)  # signed anew it is the same picture
    assert {"X-Amz-Signature=s3cret3", "id=s3cret1&X-Amz-Signature=s3cret3"} <= web.queries
    assert web.pictures_asked == {"/photos/rings/0.png": 1, "/photos/waves/0.png": 2}
    shown = f"{found.table.to_csv()} {found.contents.document()} {found.notes} {found.contents!r} {found!r}"
    assert "s3cret" not in shown
    with pytest.raises(UsageError, match="--materialize copy"):
        found.contents.address(first_of(found))  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="--materialize copy"):
        open_remote(found.contents.document()).address(first_of(found))


def test_secrets_are_not_shown() -> None:
    address = "https://me:s3%2Fcret@host.example:8443/photos/?sig=abc%3D&se=2026"
    assert shown_address(address) == "https://host.example:8443/photos"
    assert shown_address("abfs://box@account.example/p") == "abfs://box@account.example/p"
    assert shown_address("sftp://me:pw@host/p/") == "sftp://host/p"
    said = without_secrets("no https://me:s3%2Fcret@host/x?sig=abc%3D nor s3/cret nor abc= is me", address)
    assert not any(secret in said for secret in ("s3%2Fcret", "s3/cret", "abc%3D", "abc="))


def test_rows_for_vectors_need_no_pictures(photos: Path, web: WebStore) -> None:
    (photos / "list.csv").write_text("path,label\nrings/0.png,a\nnowhere/x.png,b\nrings/0.png,a\n")
    found = read_dataset(f"{web.url}/photos/list.csv", ReadOptions(images=False))
    assert len(found) == 3 and not found.has_images
    (photos / "list.csv").write_text("label\na\nb\n")
    assert len(read_dataset(f"{web.url}/photos/list.csv", ReadOptions(images=False))) == 2


@pytest.mark.parametrize("split", ["", "train"])
def test_an_imagefolder_at_an_address_is_what_it_is_here(
    photos: Path, web: WebStore, memory: Callable[[Path], str], tmp_path: Path, split: str
) -> None:
    folder = photos.parent / "captioned"
    inside = folder / split
    inside.mkdir(parents=True)
    lines = ["file_name,label,caption"]
    for number, picture in enumerate(sorted(photos.glob("*/?.png"))):
        (inside / f"{number}.png").write_bytes(picture.read_bytes())
        lines.append(f"{number}.png,{picture.parent.name},words")
    (inside / "metadata.csv").write_text("\n".join(lines))
    here = read_dataset(folder)
    assert here.classes == ("rings", "steps", "waves") and set(here.table["split"]) == {split}
    for number, address in enumerate((f"{web.url}/captioned", memory(folder))):
        found = read_dataset(address, ReadOptions(cache=tmp_path / str(number)))
        assert found.table.equals(here.table) and found.name == here.name
        assert [found.contents.read(p) for p in found.table["path"]] == [
            here.contents.read(p) for p in here.table["path"]
        ]


@pytest.mark.parametrize("section", ["<![DOCTYPE HTML>", "<![CDATA[x]]>", "<![if IE]>", "<!x>"])
def test_odd_sections_of_a_servers_page_are_passed_over(web: WebStore, section: str) -> None:
    page = f'{section}<a href="0.png">0.png</a> <a href="1.png">1.png</a>'
    web.pages.update({f"/photos/{name}/": page for name in ("rings", "steps", "waves")})
    assert len(read_dataset(f"{web.url}/photos")) == 6
