"""What a user is told about pictures that are fetched more often than once, or less often than wished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.sources.kept_pictures import FOLDER_NAME, KeptPictures
from auditor.sources.names import plural
from auditor.sources.remote_contents import RemotePictures, Spelling
from auditor.sources.stores import Entry


def keeping_notes(address: str, entries: Sequence[Entry], unlisted: int, cache: Path | None) -> list[str]:
    """Return a sentence for each thing to know about a dataset's pictures below `address`.

    `unlisted` counts those that no entry of a listing stands for.
    """
    if cache is None:
        return []
    return [note for note in (_room_note(address, entries, cache), _version_note(entries, unlisted)) if note]


def _room_note(address: str, entries: Sequence[Entry], cache: Path) -> str:
    kept = KeptPictures(cache / FOLDER_NAME)
    room = kept.room()
    if sum(entry.size or 0 for entry in entries) <= room:
        return ""
    pictures = RemotePictures(address, spelling=Spelling({e.path: e.spelled for e in entries if e.spelled}))
    lacking = sum(entry.size or 0 for entry in entries if not kept.has(pictures.name(entry.path)))
    if lacking <= room:
        return ""
    return (
        f"The pictures take {lacking / 1e9:,.1f} GB and the cache has room for {room / 1e9:,.1f} GB: what "
        "does not fit is fetched again for the page; auditor cache clear makes room."
    )


def _version_note(entries: Sequence[Entry], unlisted: int) -> str:
    untold = unlisted + sum(not entry.version for entry in entries)
    if not untold:
        return ""
    return (
        f"The store does not tell when {plural(untold, 'picture')} change: what was fetched before is not "
        "fetched again; auditor cache clear forgets it."
    )
