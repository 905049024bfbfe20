"""Decisions become a new version of a dataset; the originals are only ever read.

    Audit + DecisionFile ..  --plan_version-->  Version  --write_version-->  NEW/   (version_files.py)

NEW appears whole, by one rename, or not at all. Written again, nothing changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from auditor import __version__
from auditor.agreement import Agreement, measure_agreement
from auditor.arrays import Progress, no_progress
from auditor.controls import Care, LabelErrorEstimate, estimate_label_errors, measure_care
from auditor.decisions import DecisionFile, check_decisions
from auditor.merging import Answer, keep_one_copy, merge_answers, merge_outcomes
from auditor.results import Audit
from auditor.version_files import VERSION, VersionFiles, WriteOptions
from auditor.version_plan import CleanOptions, VersionPlan, contested, make_plan
from auditor.workspace import Workspace

__all__ = ["CleanOptions", "Version", "WriteOptions", "plan_version", "version_document", "write_version"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """A planned version, and how far the review behind it can be trusted: nothing is written yet.

    Attributes
    ----------
    answers : one for each (sample, question) that was answered.
    conflicts : of these, the ones on which annotators, or answers about one sample, disagree.
    estimate : how many labels of the audited dataset are wrong; None unless controls were reviewed.
    """

    audit: Audit
    answers: tuple[Answer, ...]
    conflicts: tuple[Answer, ...]
    plan: VersionPlan
    agreement: Agreement
    care: Care
    estimate: LabelErrorEstimate | None


def plan_version(
    audit: Audit, files: Iterable[DecisionFile] = (), options: CleanOptions | None = None
) -> Version:
    """Return what becomes of every sample of `audit`.

    Raises
    ------
    DataError
        If a decision is about another dataset, an unknown sample or an unknown class.
    """
    files = tuple(files)
    check_decisions(files, audit)
    answers = merge_answers(files, audit)
    outcomes = keep_one_copy(merge_outcomes(answers), audit)
    plan = make_plan(audit, outcomes, options or CleanOptions())
    return Version(
        audit=audit,
        answers=answers,
        conflicts=contested(outcomes),
        plan=plan,
        agreement=measure_agreement(files),
        care=measure_care(audit, answers),
        estimate=estimate_label_errors(audit, answers),
    )


def write_version(
    version: Version,
    folder: Path,
    options: WriteOptions | None = None,
    add: Callable[[Path], None] | None = None,
    progress: Progress = no_progress,
) -> bool:
    """Write a version as `folder`, whole or not at all; return False when it is there already.

    Parameters
    ----------
    version : from `plan_version`.
    folder : made; may be there when it is empty, holds this very version, or may be overwritten.
    options : how.
    add : called with the folder in the making, to put more files beside the manifest.
    progress : called with ("files", done, total) while a tree is made.

    Raises
    ------
    UsageError
        If a tree is asked for and there are no pictures.
    DataError
        If an original is gone; with copies also if one has changed since the audit.
    OutputError
        If `folder` is taken, or lies where it would become part of the dataset.
    """
    folder, options = Path(folder), options or WriteOptions()
    files = VersionFiles(version.audit, version.plan, folder, options)
    if files.is_there():
        return False
    files.check()
    started = {"plan": version.plan.digest, "materialize": options.materialize}
    with Workspace(folder, VERSION, options.overwrite, started) as workspace:
        files.write(workspace.folder, progress)
        if add is not None:
            add(workspace.folder)
        files.write_record(workspace.folder, version_document(version))
        workspace.finish()
    return True


def version_document(version: Version) -> Json:
    """Return the numbers of a version: those of version.json, and of what `clean` prints."""
    plan, audit = version.plan, version.audit
    return {
        "auditor_version": __version__,
        "dataset": audit.dataset.name,
        "report_id": plan.report_id,
        "fingerprint": plan.fingerprint,
        "plan": plan.digest,
        "options": {"on_conflict": plan.options.on_conflict, "auto": list(plan.options.auto)},
        "annotators": list(version.agreement.annotators),
        "counts": plan.counts(),
        "relabelled": [{"from": a, "to": b, "samples": n} for a, b, n in plan.relabelled()],
        "dropped": [{"cause": cause, "samples": n} for cause, n in plan.dropped()],
        "thinned": [{"class": c, "before": n, "after": m} for c, n, m in plan.thinned()],
        "listed_twice": _listed_twice(version),
        "agreement": asdict(version.agreement),
        "care": asdict(version.care),
        "estimate": None if version.estimate is None else asdict(version.estimate),
    }


def _listed_twice(version: Version) -> int:
    """Return how many files would be listed more than once under one label, their two labels made one."""
    rows = zip(version.audit.dataset.table["path"], version.plan.rows, strict=True)
    listed = Counter((path, row.label_after) for path, row in rows if path and row.action != "dropped")
    return sum(count > 1 for count in listed.values()) if version.audit.dataset.has_images else 0
