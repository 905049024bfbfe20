"""`auditor report`: write the page again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli import options as o
from cli.output import say

EXAMPLE = "Example: auditor report photos-audit --limit-report 500"

AuditFolder = Annotated[Path, typer.Argument(metavar="AUDIT", help="A folder that auditor run wrote.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="The page to write.",
        show_default="AUDIT/report.html",
        rich_help_panel=o.OUTPUT,
    ),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(
        "--image-root",
        metavar="URL",
        help="Link each picture to its original under this address.",
        rich_help_panel=o.OUTPUT,
    ),
]


def report(
    audit: AuditFolder,
    out: Out = None,
    limit_report: o.LimitReport = 2000,
    image_root: ImageRoot = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the page of an audit again."""
    from auditor.errors import OutputError
    from auditor.storage import load
    from reports.page import PageOptions, write_page

    loaded = load(audit)
    page = out or audit / "report.html"
    if page.is_dir():
        raise OutputError(f"The page {str(page)!r} is a folder: name a file, such as page.html.")
    if not page.parent.is_dir():
        raise OutputError(f"There is no folder {str(page.parent)!r} to write the page into.")
    write_page(loaded, page, PageOptions(limit=limit_report, image_root=image_root))
    if as_json:
        say(json.dumps({"audit": str(audit), "page": str(page), "bytes": page.stat().st_size}))
    elif not quiet:
        say(f"Page      {page} ({page.stat().st_size / 1e6:.1f} MB)")
