"""`auditor clean`: decisions become a new version of the dataset."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import OutputError, UsageError
from cli import options as o

if TYPE_CHECKING:
    from auditor.cleaning import Version, WriteOptions
    from auditor.merging import Answer
    from auditor.results import Audit

EXAMPLE = "Example: auditor clean photos-audit first.json second.json --out photos-2 --apply"
CHANGES = "Changes"

AuditFolder = Annotated[Path, typer.Argument(metavar="AUDIT", help="A folder that auditor run wrote.")]
DecisionFiles = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DECISIONS",
        help="What annotators saved from the page, one file or many; may be left out with --auto.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="NEW", help="The folder of the new version.", rich_help_panel=o.OUTPUT),
]
Apply = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Write the new version. Without it nothing is written: you see what would change.",
        rich_help_panel=o.OUTPUT,
    ),
]
OnConflict = Annotated[
    str,
    typer.Option(
        "--on-conflict",
        metavar="keep|drop",
        help="A sample that annotators disagree about stays as it is, or is dropped.",
        rich_help_panel=CHANGES,
    ),
]
Auto = Annotated[
    str | None,
    typer.Option(
        "--auto",
        metavar="LIST",
        help="What needs no judgement, separated by commas: drop-duplicates, drop-near-duplicates (of copies "
        "with one label in one place one stays), drop-unreadable. What somebody decided on is left alone.",
        rich_help_panel=CHANGES,
    ),
]
Materialize = Annotated[
    str | None,
    typer.Option(
        "--materialize",
        metavar="MODE",
        help="Also make class folders inside NEW: copy, hardlink or symlink the pictures. A hard link is the "
        "original under a second name: editing one edits both.",
        rich_help_panel=o.OUTPUT,
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The folder of the pictures, when it is not where the audit found them.",
        rich_help_panel=o.DATA,
    ),
]
Conflicts = Annotated[
    Path | None,
    typer.Option(
        "--conflicts",
        metavar="FILE",
        help="Write a page with nothing but what annotators disagree about.",
        rich_help_panel=o.OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace another version that clean wrote there.", rich_help_panel=o.OUTPUT
    ),
]


def clean(
    audit: AuditFolder,
    decisions: DecisionFiles = None,
    out: Out = None,
    apply: Apply = False,
    on_conflict: OnConflict = "keep",
    auto: Auto = None,
    materialize: Materialize = None,
    root: Root = None,
    conflicts: Conflicts = None,
    overwrite: Overwrite = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Say what decisions change in a dataset, and write the changed version; the originals stay untouched."""
    files = decisions or []
    chosen = tuple(name.strip() for name in (auto or "").split(",") if name.strip())
    _check_request(files, chosen, out, apply, conflicts)

    from auditor.cleaning import CleanOptions, WriteOptions, plan_version
    from auditor.review_files import read_reviews
    from auditor.storage import load
    from cli.clean_summary import Result, print_result

    options, writing = CleanOptions(on_conflict, chosen), WriteOptions(materialize, root, overwrite)
    version = plan_version(load(audit), read_reviews(files), options)
    written = _write(version, out, writing, quiet) if apply and out is not None else None
    page = conflicts if version.conflicts else None
    if page is not None:
        _write_conflicts(version.audit, version.conflicts, page)
    target = out or Path(f"{version.audit.dataset.name}-clean")
    given = [*files, "--out", target, *_given(on_conflict, auto, materialize, root, overwrite), "--apply"]
    command = shlex.join(["auditor", "clean", str(audit), *map(str, given)])
    if as_json or not quiet:
        print_result(Result(version, audit, tuple(files), target, written, page, command), as_json)


def _check_request(
    files: Sequence[Path], auto: Sequence[str], out: Path | None, apply: bool, conflicts: Path | None
) -> None:
    """Refuse what cannot be meant before anything heavy is loaded."""
    if not files and not auto:
        raise UsageError(
            "There is nothing to do: name the annotators' files, or say what needs none, such as --auto "
            "drop-duplicates,drop-unreadable."
        )
    if apply and out is None:
        raise UsageError("--apply writes a new version: say with --out NEW where.")
    if conflicts is not None and (conflicts.is_dir() or not conflicts.parent.is_dir()):
        raise OutputError(
            f"--conflicts {str(conflicts)!r} cannot be written: name a file in a folder that exists."
        )


def _given(
    on_conflict: str, auto: str | None, materialize: str | None, root: Path | None, overwrite: bool
) -> list[str]:
    """Return the options that decide what is written, as they were given."""
    values = {
        "--on-conflict": None if on_conflict == "keep" else on_conflict,
        "--auto": auto,
        "--materialize": materialize,
        "--root": root,
    }
    said = [part for name, value in values.items() if value is not None for part in (name, str(value))]
    return said + ["--overwrite"] * overwrite


def _write(version: Version, out: Path, writing: WriteOptions, quiet: bool) -> bool:
    from auditor.cleaning import write_version
    from auditor.version_files import CONFLICTS_PAGE
    from cli.progress import show_progress

    def add(folder: Path) -> None:
        _write_conflicts(version.audit, version.conflicts, folder / CONFLICTS_PAGE)

    extra: Callable[[Path], None] | None = add if version.conflicts else None
    with show_progress(quiet) as progress:
        return write_version(version, out, writing, extra, progress)


def _write_conflicts(audit: Audit, answers: Sequence[Answer], path: Path) -> None:
    from reports.conflicts import write_conflicts_page

    write_conflicts_page(audit, answers, path)
