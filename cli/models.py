"""`auditor models`: one dataset, several feature extractors or classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options as o
from cli.comparing import Overwrite, Seed

EXAMPLE = "Example: auditor models resnet50-audit bundled-audit features-audit --out models"

Audits = Annotated[
    list[Path],
    typer.Argument(
        metavar="AUDIT...",
        help="Two or more folders that auditor run wrote, of one dataset: other backbones, layers, weights, "
        "--features or --predictions.",
    ),
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="The comparison's folder to make.", rich_help_panel=o.OUTPUT),
]


def models(
    audits: Audits,
    out: Out = Path("models"),
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Compare several models on one dataset: which separates best, who errs and why."""
    from auditor.comparisons.models import compare_models
    from auditor.comparisons.models_document import models_document
    from auditor.settings import AuditSettings, check_settings
    from auditor.storage import load
    from cli.comparing import Output
    from cli.models_summary import audit_names, check_distinct, models_lines, print_comparison
    from cli.progress import show_progress
    from reports.models_view import models_view

    check_settings(AuditSettings(seed=seed))
    check_distinct(audits)
    output = Output(out, overwrite)
    output.check()
    loaded = [load(folder) for folder in audits]
    names = audit_names(audits, loaded)
    with show_progress(quiet) as progress:
        comparison = compare_models(loaded, names, seed, progress)
        progress("page", 0, 0)
        document = models_document(comparison)
        command = " ".join(["auditor models", *(folder.resolve().name for folder in audits)])
        page = output.write(document, models_view(comparison, command), loaded)
    print_comparison(document, models_lines(document), page, as_json, quiet)
