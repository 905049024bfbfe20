"""The engine of auditor: a labelled image dataset in, findings out.

dataset = auditor.read_dataset("photos")
audit = auditor.run_audit(dataset)
audit.findings_frame()
auditor.save(audit, "photos-audit")

version = auditor.plan_version(audit, auditor.read_reviews(["first.json", "second.json"]))
auditor.write_version(version, "photos-2")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.audit import run_audit
    from auditor.cleaning import CleanOptions, Version, WriteOptions, plan_version, write_version
    from auditor.comparisons.domains import compare_domains
    from auditor.comparisons.layers import compare_layers, run_layers
    from auditor.comparisons.models import compare_models
    from auditor.comparisons.versions import CompareOptions, compare_versions
    from auditor.dataset import ReadOptions, read_dataset
    from auditor.errors import AuditError
    from auditor.gate import check_gate
    from auditor.results import Audit, Dataset, Finding, Thresholds
    from auditor.review_files import read_reviews
    from auditor.settings import AuditSettings
    from auditor.storage import load, save

__version__ = "0.3.0"

_HOMES = {
    "Audit": "results",
    "AuditError": "errors",
    "AuditSettings": "settings",
    "CleanOptions": "cleaning",
    "CompareOptions": "comparisons.versions",
    "Dataset": "results",
    "Finding": "results",
    "ReadOptions": "dataset",
    "Thresholds": "results",
    "Version": "cleaning",
    "WriteOptions": "cleaning",
    "check_gate": "gate",
    "compare_domains": "comparisons.domains",
    "compare_layers": "comparisons.layers",
    "compare_models": "comparisons.models",
    "compare_versions": "comparisons.versions",
    "load": "storage",
    "plan_version": "cleaning",
    "read_dataset": "dataset",
    "read_reviews": "review_files",
    "run_audit": "audit",
    "run_layers": "comparisons.layers",
    "save": "storage",
    "write_version": "cleaning",
}
"""Where each public name lives: imported when first used, so that `import auditor` stays instant."""

__all__ = [
    "Audit",
    "AuditError",
    "AuditSettings",
    "CleanOptions",
    "CompareOptions",
    "Dataset",
    "Finding",
    "ReadOptions",
    "Thresholds",
    "Version",
    "WriteOptions",
    "check_gate",
    "compare_domains",
    "compare_layers",
    "compare_models",
    "compare_versions",
    "load",
    "plan_version",
    "read_dataset",
    "read_reviews",
    "run_audit",
    "run_layers",
    "save",
    "write_version",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"auditor.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
