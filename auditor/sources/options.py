"""What a user can say about a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from auditor.arrays import Progress, no_progress
from auditor.errors import UsageError
from auditor.sources.addresses import is_address, local_path

LAYOUTS: tuple[str, ...] = ("auto", "class", "split/class", "domain/class")


@dataclass(frozen=True)
class ReadOptions:
    """How to read a dataset.

    Attributes
    ----------
    layout : what the levels of folders mean, one of `LAYOUTS`; ``"auto"`` guesses only what the tree says.
    root : folder that a manifest's paths are relative to, or the address of one; the manifest's own folder
        when None.
    path_column, label_column : a manifest's columns; the usual names are recognised when None.
    follow_links : follow links that lead out of a folder of class folders, too.
    images : False when the rows are the user's own vectors: no file is looked for and every row with a
        label is kept, also the same row twice.
    cache : folder whose part `pictures` keeps what is fetched from remote stores for the next run; None keeps
        it as long as the dataset lives.
    offline : refuse remote stores.
    progress : called with ("download", bytes done, bytes) while files that hold pictures are fetched.
    classes : names of the classes that labels count, from 0, where a dataset from Python has no names itself.
    """

    layout: str = "auto"
    root: Path | str | None = None
    path_column: str | None = None
    label_column: str | None = None
    images: bool = True
    follow_links: bool = False
    cache: Path | None = None
    offline: bool = False
    classes: tuple[str, ...] | None = None
    progress: Progress = field(default=no_progress, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.root, str) and not is_address(self.root):
            object.__setattr__(self, "root", Path(local_path(self.root)))
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
