"""`auditor check`: a gate for CI; exit code 1 when an audit fails it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import plain
from cli import options as o
from cli.output import say
from cli.report import AuditFolder

EXAMPLE = 'Example: auditor check photos-audit --fail-on "mislabeled>2%,leak>0,knn_accuracy<0.8"'
EXIT_FAILED = 1
GATE = "Gate"

FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="LIST",
        help="What fails, separated by commas; can be repeated. A name, one of > >= < <= == != and a limit: "
        "mislabeled>2%, leak>0, knn_accuracy<0.8, knn_accuracy\\[dog]<0.7, knn_accuracy<baseline-0.01. A "
        "name alone: worse than in the baseline. Names: every kind of finding, flagged, knn_accuracy, "
        "probe_accuracy, silhouette, trustworthiness, samples, classes, class_samples, mixed_pairs, "
        "not_judged, upper_indication.",
        rich_help_panel=GATE,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="AUDIT",
        help="An earlier audit that this one must not be worse than. Unless --fail-on says what is held "
        "against it: the shares of mislabeled, conflicting_duplicate, leak and unreadable samples, "
        "knn_accuracy and probe_accuracy.",
        rich_help_panel=GATE,
    ),
]
Summary = Annotated[
    str | None,
    typer.Option(
        "--summary",
        metavar="FILE",
        help="Also write the result as Markdown, with the worst samples of what failed. github: add it to "
        "the job's summary on GitHub.",
        rich_help_panel=o.OUTPUT,
    ),
]


def check(
    audit: AuditFolder,
    fail_on: FailOn = None,
    baseline: Baseline = None,
    summary: Summary = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Hold an audit against limits, or against an earlier audit: exit code 0 all hold, 1 something fails."""
    from auditor.gate import check_gate, gate_document
    from cli.check_summary import SummaryFile, result_lines

    target = None if summary is None else SummaryFile.find(summary)
    result = check_gate(audit, fail_on or (), baseline)
    if target is not None:
        target.write(result)
    if as_json:
        say(json.dumps(gate_document(result), ensure_ascii=False, allow_nan=False, indent=1))
    elif not quiet:
        lines = [*result_lines(result), *([f"Summary   {target.path}"] if target else [])]
        say("\n".join(plain(line) for line in lines))
    if not result.passed:
        raise typer.Exit(EXIT_FAILED)
