"""Whatever servers, manifests of addresses and datasets of programs give: a dataset or one sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from fuzzing import ODD_TEXTS, ODD_VALUES, Fuzz, spoiled
from hypothesis import strategies as st
from PIL import Image

from auditor.dataset import Dataset, ReadOptions, read_dataset
from auditor.errors import AuditError
from auditor.images import read_image
from auditor.results import TABLE_COLUMNS
from auditor.sources import listings
from auditor.sources.addresses import shown_address, without_secrets
from auditor.sources.reopen import open_contents
from auditor.sources.stores import NotFoundError, RemoteFolder

SENTENCE_CHARACTERS = 2000
SECRET = "s3cretpassword"
ADDRESS = f"https://me:{SECRET}@host.example/photos?token={SECRET}"
PAGES = (
    b"<!DOCTYPE HTML>\n<html><title>Directory listing for /photos/</title><ul>\n"
    b'<li><a href="cat/">cat/</a></li>\n'
    b'<li><a href="dog/">dog/</a></li>\n<li><a href="1%20%26.png">1 &amp;.png</a></li>\n</ul></html>',
    b'<html><h1>Index of /photos/</h1><pre><a href="../">../</a>\n'
    b'<a href="cat/">cat/</a>  28-Nov-2026 10:00   -\n'
    b'<a href="1.png">1.png</a>  28-Nov-2026 10:00   1234\n<a href="caf%E9.jpg">x</a>\n</pre></html>',
    b'<table><tr><th><a href="?C=N;O=D">Name</a></th></tr><tr><td><a href="/photos/cat/">up</a></td></tr>'
    b'<tr><td><a href="http://host.example/photos/2.jpg">2</a></td></tr><a href="//[x"><a href="dog">'
    b"&#xD800;</table>",
    b'{"not": "a page"}',
)


def hold(read: Callable[[], Dataset]) -> None:
    try:
        dataset = read()
    except AuditError as error:
        assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error), str(error)
        assert SECRET not in str(error)
        return
    assert tuple(dataset.table.columns) == TABLE_COLUMNS and len(dataset) >= len(dataset.classes) >= 2
    assert SECRET not in f"{dataset.table.to_csv()} {dataset.contents.document()} {dataset.notes} {dataset!r}"
    again = open_contents(dataset.contents.document())
    for path in dataset.table["path"]:
        assert path.encode().decode() == path
        for contents in (dataset.contents, again):
            assert isinstance(contents.key(path), str)
            with pytest.raises(AuditError) as caught:  # there is no such server
                contents.read(path)
            assert SECRET not in str(caught.value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    """Pages by the depth of a folder, the deepest one for all that are deeper; pictures are never there."""
    pages: dict[int, bytes] = {}

    def read(self: RemoteFolder, path: str, spelled: str = "", query: str = "") -> bytes:
        self.locate(path, spelled, query)
        if path and not path.endswith("/"):
            raise NotFoundError("the store has nothing there")
        return pages[min(path.count("/"), len(pages) - 1)]

    monkeypatch.setattr(RemoteFolder, "read", read)
    monkeypatch.setattr(listings, "MOST_FOLDERS", 60)
    return pages


def test_pages_of_servers(fuzz: Fuzz, server: dict[int, bytes]) -> None:
    def check(top: bytes, below: bytes, deepest: bytes) -> None:
        server.update({0: top, 1: below, 2: deepest})
        hold(lambda: read_dataset(ADDRESS))

    page = spoiled(PAGES)
    fuzz("pages of servers", check, top=page, below=page, deepest=page)


WRITTEN = st.one_of(
    st.sampled_from(
        (
            *ODD_TEXTS,
            "cat/1.png",
            "../x/1.png",
            f"https://me:{SECRET}@host.example/photos/1%20.png?sig={SECRET}",
            f"https://host.example/photos/2.png?id=7&token={SECRET}",
            "https://host.example/a/%2e%2e/../b/%2F.png#x",
            "https://other.example/1.png",
            "http://[::1",
            "https://",
            "s3://box/1.png",
            "file:///etc/passwd",
        )
    ),
    st.text(max_size=20),
    st.text(max_size=20).map(lambda text: f"https://host.example/photos/{text}"),
)


def test_manifests_of_addresses(fuzz: Fuzz, server: dict[int, bytes], tmp_path: Path) -> None:
    server[0] = PAGES[0]
    file = tmp_path / "list.jsonl"

    def check(paths: list[str], root: str | None) -> None:
        rows = [{"path": path, "label": "ab"[i % 2]} for i, path in enumerate(paths)]
        file.write_text("\n".join(map(json.dumps, rows)))
        hold(lambda: read_dataset(file, ReadOptions(root=root)))

    fuzz(
        "manifests of addresses",
        check,
        paths=st.lists(WRITTEN, min_size=1, max_size=6),
        root=st.sampled_from((None, ADDRESS, "https://host.example")),
    )


def test_addresses(fuzz: Fuzz) -> None:
    def check(user: str, text: str) -> None:
        address = f"https://{user}:{SECRET}@host.example/{text}?sig={SECRET}"
        assert SECRET not in shown_address(address).partition("?")[0] or SECRET in text
        assert SECRET not in without_secrets(f"GET {address} failed", address)

    letters = st.text(st.characters(exclude_characters="/?#@:"), max_size=8)
    fuzz("addresses", check, user=letters, text=letters)


def test_items_of_programs(fuzz: Fuzz) -> None:
    class Odd:
        def __init__(self, items: list[Any]) -> None:
            self.items = items

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, index: int) -> Any:
            return self.items[index]

    pixels = np.zeros((4, 5, 3), np.uint8)
    shapes = st.lists(st.integers(0, 5), max_size=4).map(lambda shape: np.zeros(shape))
    value = (
        st.sampled_from((*ODD_VALUES, pixels, pixels / 255, Image.fromarray(pixels), b"x", 1 + 2j)) | shapes
    )
    item = st.tuples(value, value) | value | st.fixed_dictionaries({"image": value, "label": value})

    def check(items: list[Any]) -> None:
        try:
            dataset = read_dataset(Odd(items))
        except AuditError as error:
            assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error), str(error)
            return
        for path in dataset.table["path"]:
            try:
                assert isinstance(dataset.contents.read(path), bytes)
            except AuditError as error:
                assert "\n" not in str(error)

    fuzz("items of programs", check, items=st.lists(item, max_size=5))


def heics() -> tuple[bytes, ...]:
    made = []
    for mode, chroma in (("RGB", 444), ("RGB", 420), ("RGBA", 420), ("L", 420)):
        out = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
        file = pillow_heif.from_pillow(Image.fromarray(noise).convert(mode))
        file.save(out, quality=50, chroma=chroma)
        made.append(out.getvalue())
    return tuple(made)


def test_heic_pictures(fuzz: Fuzz) -> None:
    def check(data: bytes) -> None:
        rgb, facts = read_image(data, "a.heic")
        assert (rgb is None) == bool(facts.error)
        assert "\n" not in facts.error and len(facts.error) <= 300

    fuzz("HEIC pictures", check, data=spoiled(heics()))
