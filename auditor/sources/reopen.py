"""Contents of a loaded audit, made again from what its source.json says; nothing is opened before it is read.

{"root": folder}                   files below a folder
{"kind": .., "root": .., ..}       what the reader of another source wrote there
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from auditor.contents import Contents, Folder
from auditor.sources import hub_pictures, object_contents, remote_contents, remote_files
from auditor.sources.containers import Absent
from auditor.sources.picture_groups import open_picture_tables
from auditor.sources.tar_contents import open_tars


def _open_remote_files(document: Mapping[str, Any]) -> Contents:
    return remote_files.RemoteFiles(str(document["root"]), open_contents(document["inside"]))


_KINDS: dict[str, Callable[[Mapping[str, Any]], Contents]] = {
    "tars": open_tars,
    "parquet": open_picture_tables,
    hub_pictures.KIND: hub_pictures.open_hub_pictures,
    object_contents.KIND: object_contents.open_objects,
    remote_contents.KIND: remote_contents.open_remote,
    remote_files.KIND: _open_remote_files,
}


def open_contents(document: Mapping[str, Any]) -> Contents:
    """Return the contents that a `Contents.document` describes; an unknown one gives the reason when read."""
    kind = document.get("kind")
    try:
        if kind is None:
            return Folder(Path(document["root"]))
        return _KINDS[str(kind)](document)
    except (KeyError, TypeError, ValueError, AttributeError):
        reason = f"source.json of the audit tells a source that this version does not know ({kind!r})"
        return Absent(str(document.get("root", "")), reason, dict(document))
