"""The engine of auditor: a labelled image dataset in, findings out.

dataset = auditor.read_dataset("photos")
audit = auditor.run_audit(dataset)
audit.findings_frame()
auditor.save(audit, "photos-audit")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.audit import run_audit
    from auditor.dataset import ReadOptions, read_dataset
    from auditor.errors import AuditError
    from auditor.results import Audit, Dataset, Finding, Thresholds
    from auditor.settings import AuditSettings
    from auditor.storage import load, save

__version__ = "0.1.0"

_HOMES = {
    "Audit": "results",
    "AuditError": "errors",
    "AuditSettings": "settings",
    "Dataset": "results",
    "Finding": "results",
    "ReadOptions": "dataset",
    "Thresholds": "results",
    "load": "storage",
    "read_dataset": "dataset",
    "run_audit": "audit",
    "save": "storage",
}
"""Where each public name lives: imported when first used, so that `import auditor` stays instant."""

__all__ = [
    "Audit",
    "AuditError",
    "AuditSettings",
    "Dataset",
    "Finding",
    "ReadOptions",
    "Thresholds",
    "load",
    "read_dataset",
    "run_audit",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"auditor.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
