"""The files of a version of a dataset: what stands in them, and where they may lie.

    audit + VersionPlan + folder + WriteOptions  ==>  VersionFiles

    NEW / manifest.csv     path, label, id, domain, split, group of what remains; paths resolve from NEW
          journal.csv      one row for every sample of the audit: what happened to it, and why
          classes.csv      class, description, where the dataset has descriptions
          version.json     where it comes from, the plan's digest, options and counts; written last
          [domain/][split/]class/file   with `WriteOptions.materialize`

The manifest's bytes are known before anything is written, so the same version is known when it is met again.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.arrays import Progress, as_ids
from auditor.contents import Addressed, Folder
from auditor.dataset import MANIFEST_NAMES, fingerprint
from auditor.errors import DataError, OutputError, UsageError
from auditor.materialise import TreeFile, check_mode, place_files, tree_paths
from auditor.results import Audit
from auditor.sources.names import encode_name, plural
from auditor.tables import csv_text
from auditor.version_plan import PlanRow, VersionPlan
from auditor.version_record import RECORD, SCHEMA, read_record
from auditor.workspace import LOCK, STARTED, FolderKind

MANIFEST, JOURNAL, CLASSES = "manifest.csv", "journal.csv", "classes.csv"
CONFLICTS_PAGE = "conflicts.html"
TAKEN: tuple[str, ...] = (MANIFEST, JOURNAL, CLASSES, RECORD, CONFLICTS_PAGE, *MANIFEST_NAMES, STARTED, LOCK)
"""Names at the top of a version that no class folder may have."""
NO_DOMAIN, NO_SPLIT = "(no domain)", "(no split)"

Json = dict[str, Any]


@dataclass(frozen=True)
class WriteOptions:
    """How a version is written.

    Attributes
    ----------
    materialize : copy, hardlink or symlink the pictures into class folders; None leaves them where they are.
    root : where the pictures lie, when not where the audit found them.
    overwrite : replace another version that is there.
    """

    materialize: str | None = None
    root: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.materialize is not None:
            check_mode(self.materialize)


class VersionFiles:
    """Where everything of one version lies: which files remain, and their paths from its folder."""

    def __init__(self, audit: Audit, plan: VersionPlan, folder: Path, options: WriteOptions) -> None:
        self.audit, self.plan, self.folder, self.options = audit, plan, Path(folder), options
        if options.materialize is not None and not audit.dataset.has_images:
            raise UsageError("This audit was made from vectors without pictures: leave out --materialize.")
        self.root = Path(options.root or audit.dataset.root)
        self.contents = audit.dataset.contents if options.root is None else Folder(self.root)
        keep = [row.action != "dropped" for row in plan.rows]
        self.table = audit.dataset.table[keep].reset_index(drop=True)
        self.rows: list[PlanRow] = [r for r, kept in zip(plan.rows, keep, strict=True) if kept]
        self.byte_digests: list[str] = audit.facts.byte_digest[keep].tolist()

    @cached_property
    def originals(self) -> list[str | None]:
        """Names under which `open` finds the originals, "" where a row names none, None inside others."""
        return [self.contents.file(path) if path else "" for path in self.table["path"]]

    @cached_property
    def paths(self) -> list[str]:
        """What the manifest says: paths that resolve from the folder."""
        if self.options.materialize is not None:
            return self._tree_paths()
        if isinstance(self.contents, Addressed):
            return [self.contents.address(path) for path in self.table["path"]]
        if None in self.originals:
            raise UsageError(
                f"The pictures lie inside {self.contents.place!r}, where a manifest cannot point: add "
                "--materialize copy."
            )
        above = os.path.relpath(os.path.realpath(self.root), os.path.realpath(self.folder))
        prefix = "/".join(map(encode_name, Path(above).parts))
        paths = self.table["path"].tolist()
        resolved = [posixpath.normpath(posixpath.join(prefix, path)) for path in paths]
        if self.audit.dataset.has_images:
            return resolved
        # A path that leads nowhere is a name, and stays what it was.
        there = map(_is_file, self.originals)
        return [new if found else old for old, new, found in zip(paths, resolved, there, strict=True)]

    def _tree_paths(self) -> list[str]:
        levels: list[Sequence[str]] = []
        for column, empty in (("domain", NO_DOMAIN), ("split", NO_SPLIT)):
            names = self.table[column].tolist()
            if any(names):
                levels.append([name or empty for name in names])
        levels.append([row.label_after for row in self.rows])
        return tree_paths([r.id for r in self.rows], self.table["path"].tolist(), levels, TAKEN)

    @cached_property
    def manifest(self) -> bytes:
        """The bytes of manifest.csv."""
        frame = pd.DataFrame({"path": self.paths, "label": [row.label_after for row in self.rows]})
        for column in ("id", "domain", "split", "group"):
            frame[column] = self.table[column].tolist()
        return csv_text(frame).encode()

    def is_there(self) -> bool:
        """Tell whether the folder holds this very version, complete."""
        record = read_record(self.folder)
        if record is None or not (self.folder / MANIFEST).is_file():
            return False
        same = record["plan"] == self.plan.digest
        same &= record["options"]["materialize"] == self.options.materialize
        same = same and (self.folder / MANIFEST).read_bytes() == self.manifest
        same = same and all((self.folder / name).exists() for name in record["entries"])
        if self.options.materialize is None:
            return same
        return same and all(_is_file(str(self.folder / path)) for path in self.paths)

    def check(self) -> None:
        """Raise when an original is gone, or the folder lies where it would do harm."""
        dataset = self.audit.dataset
        if self.options.overwrite:
            self._check_replaceable()
        here, root = Path(os.path.realpath(self.folder)), Path(os.path.realpath(self.root))
        if root.is_relative_to(here) or _reaches_into(self.originals, here):
            raise OutputError(f"--out {str(self.folder)!r} holds the audited dataset itself: choose another.")
        if not self.rows:
            raise UsageError("Every sample would be dropped: nothing is left to write.")
        if not dataset.has_images:
            return
        gone = [row.id for row, file in zip(self.rows, self.originals, strict=True) if not _is_file(file)]
        if gone:
            raise DataError(
                f"{len(gone):,} of {plural(len(self.rows), 'picture')} not found under "
                f"{self.contents.place!r}, the first is {gone[0]!r}: say with --root where the pictures lie, "
                "or drop what is gone."
            )
        if here.is_relative_to(root) and reads_folders(self.audit, root):
            raise OutputError(
                f"--out {str(self.folder)!r} lies inside the dataset {dataset.name!r}, whose next audit "
                "would read it: choose a folder outside."
            )

    def _check_replaceable(self) -> None:
        """Raise when people put files into the earlier version that cannot be carried over to this one."""
        record = read_record(self.folder)
        if record is None:
            return
        own = set(record["entries"])
        trees = [self.folder / name for name in own if (self.folder / name).is_dir()]
        found = sum(len(names) for tree in trees for _, _, names in os.walk(tree))
        made = {*TAKEN, *(path.split("/")[0] for path in self.paths)}
        theirs = [p.name for p in self.folder.iterdir() if p.name not in own and p.name in made]
        if theirs or found != record["pictures"]:
            where = repr(theirs[0]) if theirs else "its class folders"
            raise OutputError(
                f"{str(self.folder)!r} holds files that clean did not write, at {where}: move them away, or "
                "choose another --out."
            )

    def write(self, folder: Path, progress: Progress) -> None:
        """Write everything but the record into `folder`."""
        if self.options.materialize is not None:
            columns = ([r.id for r in self.rows], self.table["path"], self.byte_digests, self.paths)
            files = [TreeFile(*values) for values in zip(*columns, strict=True)]
            place_files(files, self.contents, folder, self.options.materialize, progress)
        (folder / MANIFEST).write_bytes(self.manifest)
        (folder / JOURNAL).write_bytes(csv_text(self.journal()).encode())
        left = {row.label_after for row in self.rows}
        described = {c: d for c, d in self.audit.dataset.descriptions.items() if c in left}
        if described:
            frame = pd.DataFrame({"class": list(described), "description": list(described.values())})
            (folder / CLASSES).write_bytes(csv_text(frame).encode())

    def journal(self) -> pd.DataFrame:
        """Return what happened to every sample of the audit, in its order."""
        rows = self.plan.rows
        after = dict(zip((row.id for row in self.rows), self.paths, strict=True))
        columns = ("id", "digest", "action", "label_before", "label_after")
        frame = pd.DataFrame({name: [getattr(row, name) for row in rows] for name in columns}, dtype=object)
        frame["path_before"] = self.audit.dataset.table["path"].tolist()
        frame["path_after"] = [after.get(row.id, "") for row in rows]
        frame["why"] = [row.why for row in rows]
        frame["annotators"] = ["; ".join(row.annotators) for row in rows]
        frame["note"] = [row.note for row in rows]
        return frame

    def write_record(self, folder: Path, about: Json) -> None:
        """Write version.json, which says that the rest is complete: `about` and what only the files tell."""
        document = {
            "schema": SCHEMA,
            **about,
            "options": {**about["options"], "materialize": self.options.materialize},
            "fingerprint_after": self._fingerprint(),
            "pictures": 0 if self.options.materialize is None else len(self.rows),
            "entries": sorted({p.name for p in folder.iterdir()} - {STARTED, LOCK} | {RECORD}),
        }
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")

    def _fingerprint(self) -> str:
        columns = zip(*((r.id, r.digest, r.label_after) for r in self.rows), strict=True)
        return fingerprint(*(as_ids(column) for column in columns)) if self.rows else ""


def reads_folders(audit: Audit, root: Path) -> bool:
    """Tell whether a dataset is its folders: no manifest at `root`, and each label is a folder's name."""
    layout_given = "--layout" in audit.provenance.command.split()
    if not layout_given and any((root / name).is_file() for name in MANIFEST_NAMES):
        return False
    table = audit.dataset.table
    for path, label, domain, split in table[["path", "label", "domain", "split"]].itertuples(index=False):
        parts = path.split("/")
        nested = len(parts) > 2 and parts[1] == label and parts[0] in (domain, split)
        if not nested and not (len(parts) > 1 and parts[0] == label):
            return False
    return True


def _is_file(path: str | None) -> bool:
    """Tell whether a file is there; what lies inside another one shows when it is read."""
    return path is None or os.path.isfile(path)  # noqa: PTH113 - takes a NUL in the name without an error


def _reaches_into(sources: Iterable[str | None], folder: Path) -> bool:
    """Tell whether any original lies in `folder`."""
    parents = {os.path.dirname(source) for source in sources if source}  # noqa: PTH120 - fast for many
    return folder.is_dir() and any(Path(os.path.realpath(p)).is_relative_to(folder) for p in parents)


def _own_names(folder: Path) -> set[str]:
    record = read_record(folder)
    return set() if record is None else set(record["entries"])


VERSION = FolderKind("a dataset version", lambda folder: read_record(folder) is not None, _own_names)
