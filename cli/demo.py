"""`auditor demo`: audit the sample dataset that comes with auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options as o

EXAMPLE = "Example: auditor demo --out demo-audit"

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The audit folder to make.", rich_help_panel=o.OUTPUT)
]


def demo(
    out: Out = Path("demo-audit"),
    overwrite: o.Overwrite = False,
    limit_report: o.LimitReport = 2000,
    seed: o.Seed = 0,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    workers: o.Workers = 0,
    cache: o.Cache = None,
) -> None:
    """Audit the pictures that come with auditor; needs no network."""
    from auditor.dataset import ReadOptions
    from auditor.settings import AuditSettings
    from cli.auditing import Request, run_request
    from cli.cache import store_folder

    settings = AuditSettings(
        backbone="bundled", device="cpu", offline=True, workers=workers, store=store_folder(cache), seed=seed
    )
    request = Request(
        str(sample_data("kitchen")), ReadOptions(), settings, out, overwrite, limit_report, as_json, quiet
    )
    run_request(request)


def sample_data(name: str) -> Path:
    """Return the folder of a sample dataset: in the wheel inside `auditor`, in a checkout beside it."""
    import auditor
    from auditor.errors import DataError

    package = Path(auditor.__file__).parent
    for folder in (package / "sample_data" / name, package.parent / "sample_data" / name):
        if folder.is_dir():
            return folder
    raise DataError(f"The sample dataset {name!r} is missing from this installation: install auditor again.")
