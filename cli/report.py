"""`auditor report`: write the page again, or one page for each of several annotators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options as o
from cli.output import print_warning, say

if TYPE_CHECKING:
    from auditor.decisions import DecisionFile
    from auditor.results import Audit
    from reports.page import PageSummary

EXAMPLE = "Example: auditor report photos-audit --parts 3 --overlap 10%"
REVIEW = "Review"

AuditFolder = Annotated[Path, typer.Argument(metavar="AUDIT", help="A folder that auditor run wrote.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="The page to write; parts are numbered after it.",
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
Decisions = Annotated[
    list[Path] | None,
    typer.Option(
        "--decisions",
        metavar="FILE",
        help="Start the page with earlier decisions; once for each file. Reviewed controls become an "
        "estimate of the number of wrong labels.",
        rich_help_panel=REVIEW,
    ),
]
Parts = Annotated[
    int,
    typer.Option(
        "--parts", metavar="N", min=1, help="One page each for N annotators.", rich_help_panel=REVIEW
    ),
]
Overlap = Annotated[
    str,
    typer.Option(
        "--overlap",
        metavar="P",
        help="Share of the questions that all parts ask, to see whether the annotators agree: 10%.",
        rich_help_panel=REVIEW,
    ),
]
Blind = Annotated[
    bool,
    typer.Option(
        "--blind",
        help="Hide what the audit thinks of a label until the annotator has answered once; both answers "
        "are kept.",
        rich_help_panel=REVIEW,
    ),
]
Controls = Annotated[
    str | None,
    typer.Option(
        "--controls",
        metavar="P",
        help="Mix in unflagged samples drawn at random, so many (50) or such a share of the findings (20%); "
        "needs --blind and the pictures.",
        rich_help_panel=REVIEW,
    ),
]


def report(
    audit: AuditFolder,
    out: Out = None,
    limit_report: o.LimitReport = 2000,
    image_root: ImageRoot = None,
    decisions: Decisions = None,
    parts: Parts = 1,
    overlap: Overlap = "0%",
    blind: Blind = False,
    controls: Controls = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the page of an audit again."""
    from auditor.errors import UsageError
    from auditor.review_files import read_reviews
    from auditor.storage import load
    from reports.options import PageOptions
    from reports.page import write_page, write_parts

    if parts == 1 and parse_share(overlap, "--overlap"):
        raise UsageError(
            "--overlap is the share of questions that several parts have in common: give --parts too."
        )
    page = _checked_page(out or audit / "report.html")
    files = read_reviews(decisions or [])
    loaded = _with_reviews(load(audit), files)
    drawn, loaded = _with_controls(loaded, controls, blind, limit_report)
    options = PageOptions(limit_report, image_root, blind=blind, controls=drawn, decisions=files)
    if parts == 1:
        made: Sequence[PageSummary] = [write_page(loaded, page, options)]
    else:
        made = write_parts(loaded, page, options, parts, parse_share(overlap, "--overlap"))
    _tell(audit, made, loaded, as_json, quiet)


def _checked_page(page: Path) -> Path:
    from auditor.errors import OutputError

    if page.is_dir():
        raise OutputError(f"The page {str(page)!r} is a folder: name a file, such as page.html.")
    if not page.parent.is_dir():
        raise OutputError(f"There is no folder {str(page.parent)!r} to write the page into.")
    return page


def _with_reviews(audit: Audit, files: Sequence[DecisionFile]) -> Audit:
    """Check earlier decisions against the audit; with reviewed controls its estimate is filled in."""
    from auditor.controls import with_estimate
    from auditor.decisions import check_decisions
    from auditor.merging import merge_answers

    check_decisions(files, audit)
    return with_estimate(audit, merge_answers(files, audit))


def _with_controls(
    audit: Audit, controls: str | None, blind: bool, limit: int
) -> tuple[tuple[str, ...], Audit]:
    """Draw control samples and add their pictures."""
    from auditor.controls import draw_controls
    from auditor.errors import UsageError
    from reports.thumbnails import add_control_pictures

    if controls is None:
        return (), audit
    if not blind:
        raise UsageError(
            "--controls needs --blind: the evidence on an open page would tell the controls apart."
        )
    count = _count_controls(controls, min(len(audit.findings), limit))
    drawn = draw_controls(audit, count, audit.provenance.seed)
    if len(drawn) < count:
        print_warning(f"Only {len(drawn):,} samples are unflagged: all of them are controls.")
    return drawn, add_control_pictures(audit, drawn)


def _count_controls(text: str, findings: int) -> int:
    if text.strip().isdecimal():
        return int(text)
    return max(
        1, round(parse_share(text, "--controls", "a number such as 50, or a share such as 20%") * findings)
    )


def parse_share(text: str, option: str, takes: str = "a share such as 10% or 0.1") -> float:
    """Return "10%" or "0.1" as 0.1.

    Raises
    ------
    UsageError
        If it is neither, or not from 0 to 100 %.
    """
    from auditor.errors import UsageError

    try:
        share = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"{option} takes {takes}, got {text!r}.")
    return share


def _tell(audit: Path, made: Sequence[PageSummary], loaded: Audit, as_json: bool, quiet: bool) -> None:
    if as_json:
        errors = loaded.label_errors
        pages = [{"page": str(m.path), "bytes": m.bytes, "questions": m.findings_shown} for m in made]
        document: dict[str, Any] = {"audit": str(audit), **pages[0], "pages": pages}
        document |= {"estimate": errors.estimate, "interval": errors.interval}
        say(json.dumps(document))
    elif not quiet:
        for m in made:
            say(f"Page      {m.path} ({m.bytes / 1e6:.1f} MB, {m.findings_shown:,} questions)")
