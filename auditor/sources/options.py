"""What a user can say about a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.errors import UsageError

LAYOUTS: tuple[str, ...] = ("auto", "class", "split/class", "domain/class")


@dataclass(frozen=True)
class ReadOptions:
    """How to read a dataset.

    Attributes
    ----------
    layout : what the levels of folders mean, one of `LAYOUTS`; ``"auto"`` guesses only what the tree says.
    root : folder that a manifest's paths are relative to; the manifest's own folder when None.
    path_column, label_column : a manifest's columns; the usual names are recognised when None.
    follow_links : follow links that lead out of a folder of class folders, too.
    images : False when the rows are the user's own vectors: no file is looked for and every row with a
        label is kept, also the same row twice.
    """

    layout: str = "auto"
    root: Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    images: bool = True
    follow_links: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UsageError(f"Unknown layout {self.layout!r}; --layout takes {', '.join(LAYOUTS)}.")

    @property
    def manifest_only(self) -> tuple[str, ...]:
        """Names of the options given that make sense for manifests alone."""
        given = {
            "--root": self.root,
            "--path-column": self.path_column,
            "--label-column": self.label_column,
        }
        return tuple(name for name, value in given.items() if value is not None)
