"""What `run` and `demo` share: read, audit, write the folder, print the summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from auditor.audit import run_audit
from auditor.dataset import ReadOptions
from auditor.errors import OutputError, UsageError
from auditor.machines import HERE
from auditor.results import Audit, Dataset
from auditor.settings import AuditSettings, check_settings
from auditor.stages import StageFolder
from auditor.storage import save
from cli.cluster import EngineChoice
from cli.data import data_name, local_data, read_data, shown_data
from cli.output import print_error, print_warning
from cli.progress import show_progress
from cli.summary import describe_command, print_summary, summarise
from cli.workspace import Workspace, check_target
from reports.options import PageOptions
from reports.page import write_page
from reports.thumbnails import add_thumbnails

PAGE = "report.html"


@dataclass(frozen=True)
class Request:
    """One audit that was asked for on the command line; `out` None means NAME-audit."""

    data: str
    reading: ReadOptions
    settings: AuditSettings
    out: Path | None = None
    overwrite: bool = False
    limit_report: int = 2000
    as_json: bool = False
    quiet: bool = False
    engine: EngineChoice = field(default_factory=EngineChoice)


def run_request(request: Request) -> None:
    """Audit, write the audit folder with its page, and print the summary."""
    check_settings(request.settings)
    out = request.out or Path(f"{data_name(request.data)}-audit")
    check_out(out, request.data)
    check_target(out, request.overwrite)
    dataset = read_data(request.data, request.reading, request.quiet)
    command = describe_command(dataset, request.reading, request.settings)
    settings = replace(request.settings, command=command)
    started = {"settings": asdict(settings), "data": [shown_data(request.data), len(dataset)]}
    with Workspace(out, request.overwrite, started) as workspace:
        try:
            audit = _audit_into(workspace, dataset, replace(request, settings=settings))
        except KeyboardInterrupt:
            print_error("interrupted; the same command goes on from what is finished.")
            raise
        workspace.finish()
    if not request.quiet or request.as_json:
        print_summary(summarise(audit, out / PAGE), request.as_json)


def _audit_into(workspace: Workspace, dataset: Dataset, request: Request) -> Audit:
    kept = StageFolder(workspace.stages, print_warning)
    with show_progress(request.quiet) as progress:
        with request.engine.open() as cluster:
            audit = run_audit(
                dataset,
                request.settings,
                progress=progress,
                warn=print_warning,
                checkpoints=kept,
                machines=cluster or HERE,
            )
        told = len(audit.provenance.warnings)
        audit = add_thumbnails(audit, request.limit_report, progress)
        for sentence in audit.provenance.warnings[told:]:
            print_warning(sentence)
        save(audit, workspace.folder, progress)
        page = workspace.folder / PAGE
        write_page(audit, page, PageOptions(limit=request.limit_report), progress=progress)
    return audit


def check_out(out: Path, data: str) -> None:
    """Raise `UsageError` for an output inside the dataset, where the next run would read it as a class."""
    here = local_data(data)
    if here is not None and here.is_dir() and out.resolve().is_relative_to(here.resolve()):
        raise UsageError(f"--out {str(out)!r} lies inside the dataset {str(here)!r}: choose another one.")
    if not out.name:
        raise OutputError(f"The output {str(out)!r} is no folder that can be made: choose another --out.")
