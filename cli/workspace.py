"""The output folder of a run: an audit, whole or not there (`auditor.workspace`)."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from auditor import workspace
from auditor.workspace import FolderKind


class Workspace(workspace.Workspace):
    """Context of one run that writes an audit: see `auditor.workspace.Workspace`."""

    def __init__(self, out: Path, overwrite: bool, settings: Any) -> None:
        super().__init__(out, AUDIT, overwrite, settings)


def check_target(out: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless `out` is free, empty, or an audit that may be replaced."""
    workspace.check_target(out, AUDIT, overwrite)


def _is_audit(folder: Path) -> bool:
    from auditor.storage import is_audit

    return is_audit(folder)


def _own_names(folder: Path) -> Container[str]:
    from auditor.storage import AUDIT_FILES

    return AUDIT_FILES


AUDIT = FolderKind("an audit", _is_audit, _own_names, goes_on=True)
