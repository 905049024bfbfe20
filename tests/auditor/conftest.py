"""Pictures in remote stores, for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from pictures import make_folders
from web_store import WebStore, serving

from auditor.sources import stores


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures in three classes, and what is passed over or read beside them."""
    root = make_folders(tmp_path / "served" / "photos", each=4)
    (root / "rings" / "notes.txt").write_text("no picture")
    (root / "rings" / ".hidden.png").write_bytes(b"")
    (root / "classes.csv").write_text("class,description\nrings,round ones\n")
    return root


@pytest.fixture
def web(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebStore]:
    """A server of `photos`, asked again at once when it fails."""
    monkeypatch.setattr(stores, "WAITS_S", (0.0, 0.0))
    with serving(photos.parent) as store:
        yield store


@pytest.fixture
def memory() -> Iterator[Callable[[Path], str]]:
    """Copy a folder into fsspec's store in memory and return its address."""
    system = fsspec.filesystem("memory")

    def fill(folder: Path) -> str:
        for file in folder.rglob("*"):
            if file.is_file():
                system.pipe(f"/data/{folder.name}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        return f"memory://data/{folder.name}"

    yield fill
    system.store.clear()
    system.pseudo_dirs[:] = [""]
