"""`auditor export`: hand the findings over to another annotation tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.errors import UsageError, plain
from cli import options as o
from cli.output import say
from cli.report import AuditFolder

if TYPE_CHECKING:
    from auditor.results import Audit

EXAMPLE = "Example: auditor export photos-audit --to label-studio --out photos-tasks"
LABEL_STUDIO, FOLDER = "label-studio", "folder"

To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="TOOL",
        help="label-studio: tasks with the suggestions and the labelling config; folder: class folders and a "
        "CSV, for FiftyOne and CVAT.",
        rich_help_panel=o.OUTPUT,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The folder to make.", rich_help_panel=o.OUTPUT)
]
ImagePrefix = Annotated[
    str | None,
    typer.Option(
        "--image-prefix",
        metavar="URL",
        help="label-studio: what stands before each picture's path: https://host/photos/, "
        "s3://bucket/photos/ or /data/local-files/?d=photos/.",
        show_default="the dataset's folder under local files",
        rich_help_panel=o.OUTPUT,
    ),
]
Link = Annotated[
    bool,
    typer.Option(
        "--link", help="folder: symbolic links to the originals, not copies.", rich_help_panel=o.OUTPUT
    ),
]
Zip = Annotated[
    bool,
    typer.Option(
        "--zip", help="folder: also imagenet.zip, CVAT's ImageNet 1.0 format.", rich_help_panel=o.OUTPUT
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Only findings of this kind; may be given several times.",
        show_default="all kinds",
        rich_help_panel=o.OUTPUT,
    ),
]


def export(
    audit: AuditFolder,
    to: To,
    out: Out,
    image_prefix: ImagePrefix = None,
    link: Link = False,
    archive: Zip = False,
    kind: Kinds = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Hand the findings over to Label Studio, FiftyOne or CVAT."""
    from auditor.storage import load
    from auditor.version_files import reads_folders
    from auditor.workspace import FolderKind, Workspace, check_target
    from cli.auditing import check_out

    kinds = tuple(kind or ())
    _check_options(to, {"--image-prefix": image_prefix is not None, "--link": link, "--zip": archive}, kinds)
    # An export is never replaced: people may have put their work beside it.
    contents = FolderKind("an export", lambda folder: False, lambda folder: ())
    check_target(out, contents, False)
    loaded = load(audit)
    if reads_folders(loaded, loaded.dataset.root):
        check_out(out, str(loaded.dataset.root))
    with Workspace(out, contents, False, {"audit": str(audit), "to": to}) as workspace:
        if to == LABEL_STUDIO:
            counts = _write_tasks(loaded, workspace.folder, image_prefix, kinds)
        else:
            counts = _write_folder(loaded, workspace.folder, (link, archive, kinds), quiet)
        workspace.finish()
    if as_json:
        say(json.dumps({"to": to, "out": str(out), **counts}, ensure_ascii=False))
    elif not quiet:
        say("\n".join(plain(line) for line in _lines(out, counts, archive)))


def _check_options(to: str, given: dict[str, bool], kinds: tuple[str, ...]) -> None:
    from auditor.results import KINDS

    if to not in (LABEL_STUDIO, FOLDER):
        raise UsageError(f"--to takes {LABEL_STUDIO} or {FOLDER}, not {to!r}.")
    foreign = ("--link", "--zip") if to == LABEL_STUDIO else ("--image-prefix",)
    for name in foreign:
        if given[name]:
            other = FOLDER if to == LABEL_STUDIO else LABEL_STUDIO
            raise UsageError(f"{name} belongs to --to {other}: leave it out with --to {to}.")
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"--kind takes {', '.join(KINDS)}, not {kind!r}.")


def _write_tasks(audit: Audit, folder: Path, prefix: str | None, kinds: tuple[str, ...]) -> dict[str, Any]:
    from auditor.label_studio import write_label_studio

    return asdict(write_label_studio(audit, folder, prefix, kinds))


def _write_folder(
    audit: Audit, folder: Path, how: tuple[bool, bool, tuple[str, ...]], quiet: bool
) -> dict[str, Any]:
    from auditor.findings_folder import FolderOptions, write_findings_folder
    from cli.progress import show_progress

    with show_progress(quiet) as progress:
        return asdict(write_findings_folder(audit, folder, FolderOptions(*how), progress))


def _lines(out: Path, counts: dict[str, Any], archive: bool) -> Iterator[str]:
    if "tasks" in counts:
        yield f"Tasks     {out / 'tasks.json'} ({counts['tasks']:,}, lowest score first)"
        yield f"Config    {out / 'labeling-config.xml'}"
    else:
        yield f"Pictures  {out / 'images'} ({counts['images']:,}, {counts['bytes'] / 1e6:,.1f} MB in all)"
        yield f"Labels    {out / 'labels.csv'}"
        if archive:
            yield f"Archive   {out / 'imagenet.zip'}"
    if counts["left_out"]:
        yield f"Left out  {counts['left_out']:,} that do not decode"
    if "tasks" in counts:
        yield "Next      label in Label Studio, export as JSON, and give that file to auditor clean"
