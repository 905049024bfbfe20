"""`auditor cache info|clear`: the facts, vectors and fetched pictures kept for the next run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options as o
from cli.output import say

if TYPE_CHECKING:
    from auditor.sources.kept_files import KeptFiles
    from auditor.sources.kept_pictures import KeptPictures

app = typer.Typer(
    help="Show or clear the facts, vectors and fetched pictures kept for the next run.",
    epilog="Example: auditor cache info",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def cache_folder(cache: Path | None) -> Path:
    """Return the cache folder: the one given, else the user's."""
    from platformdirs import user_cache_dir

    return cache or Path(user_cache_dir("auditor"))


def store_folder(cache: Path | None) -> Path:
    """Return the store inside the cache folder."""
    return cache_folder(cache) / "store"


def _fetched(cache: Path | None) -> tuple[KeptPictures, KeptFiles]:
    """Return the pictures, and the files with pictures inside, that were fetched from remote stores."""
    from auditor.sources import kept_files, kept_pictures

    folder = cache_folder(cache)
    return (
        kept_pictures.KeptPictures(folder / kept_pictures.FOLDER_NAME),
        kept_files.KeptFiles(folder / kept_files.FOLDER_NAME),
    )


@app.command("info", epilog="Example: auditor cache info --json")
def info(cache: o.Cache = None, as_json: AsJson = False) -> None:
    """Say where the cache is and how much it holds."""
    from auditor.store import Store

    folder = store_folder(cache)
    empty = {"files": 0, "bytes": 0, "facts": 0, "vectors": 0}
    found: dict[str, Any] = {"folder": str(folder), **(Store(folder).info() if folder.is_dir() else empty)}
    for kept in _fetched(cache):
        found |= kept.info()
    if as_json:
        say(json.dumps(found))
        return
    say(
        f"{found['folder']}\n{found['bytes'] / 1e6:,.1f} MB in {found['files']:,} files: facts of "
        f"{found['facts']:,} pictures and {found['vectors']:,} vectors"
    )
    if found["pictures"]:
        say(f"{found['picture_bytes'] / 1e6:,.1f} MB in {found['pictures']:,} pictures fetched from stores")
    if found["remote_files"]:
        say(f"{found['file_bytes'] / 1e6:,.1f} MB in {found['remote_files']:,} files fetched from stores")


@app.command("clear", epilog="Example: auditor cache clear")
def clear(cache: o.Cache = None, as_json: AsJson = False) -> None:
    """Delete what was kept: the next run makes it again, and fetches pictures again from their stores."""
    from auditor.store import Store

    folder = store_folder(cache)
    freed = (Store(folder).clear() if folder.is_dir() else 0) + sum(k.clear() for k in _fetched(cache))
    if as_json:
        say(json.dumps({"folder": str(folder), "bytes_freed": freed}))
    else:
        say(f"Freed {freed / 1e6:,.1f} MB in {folder}")
