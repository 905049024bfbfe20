"""Symbolic links among class folders: which of them are followed.

    link --> a place inside the dataset                              followed
             outside, and `auditor clean` wrote the link             followed
             outside                                                 reported; followed if asked

A link may lead anywhere, into somebody else's pictures or a whole disk, so it takes a word of the user's.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from auditor.errors import AuditError
from auditor.sources.rows import texts
from auditor.sources.tables import ColumnNames, read_table
from auditor.version_record import read_record

MANIFEST = "manifest.csv"
"""Lists the files of a version, those that are links to the originals among them."""


class LinkRule:
    """Tells which links below a folder are followed.

    Parameters
    ----------
    root : the dataset's folder; may be a link itself.
    everywhere : follow all of them.
    """

    def __init__(self, root: Path, everywhere: bool) -> None:
        self._root, self._everywhere = root, everywhere
        self._inside = os.path.realpath(root).rstrip("/") + "/"

    def follows(self, link: str, path: str) -> bool:
        """Tell it of one link: `link` is its name on disk, `path` the one in the dataset."""
        return (
            self._everywhere
            or (os.path.realpath(link) + "/").startswith(self._inside)
            or path in self._written_by_clean
        )

    @cached_property
    def _written_by_clean(self) -> frozenset[str]:
        """Paths of the links to originals in a version that was made with --materialize symlink."""
        record = read_record(self._root)
        if record is None or record["options"].get("materialize") != "symlink":
            return frozenset()
        try:
            table, _ = read_table(self._root / MANIFEST, ColumnNames({"path": ("path",)}, ("path",)))
        except AuditError:  # people may have put another one there; then the links are not known as clean's
            return frozenset()
        return frozenset(texts(table["path"]))
