"""What the comparing commands share: comparison.json and report.html, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.workspace import Contents, Workspace, check_target

if TYPE_CHECKING:
    from auditor.results import Audit
    from reports.comparison_view import ComparisonView

DOCUMENT, PAGE, LEDGER = "comparison.json", "report.html", "ledger.csv"


def is_comparison(folder: Path) -> bool:
    """Tell whether `folder` holds a complete comparison."""
    return (folder / DOCUMENT).is_file()


def _own_names(folder: Path) -> Container[str]:
    return (DOCUMENT, PAGE, LEDGER)


COMPARISON = Contents("a comparison", is_comparison, _own_names)


@dataclass(frozen=True)
class Output:
    """Where a comparison goes, checked before the work starts."""

    out: Path
    overwrite: bool

    def check(self) -> None:
        """Raise `OutputError` unless `out` is free, empty, or a comparison that may be replaced."""
        check_target(self.out, COMPARISON, self.overwrite)

    def write(
        self,
        document: dict[str, Any],
        view: ComparisonView,
        audits: Sequence[Audit],
        ledger: str | None = None,
    ) -> Path:
        """Write comparison.json, report.html and a ledger.csv where there is one; return the page's path."""
        from reports.comparison_page import write_comparison_page

        with Workspace(self.out, COMPARISON, self.overwrite, [document["kind"]]) as workspace:
            text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
            (workspace.folder / DOCUMENT).write_text(text + "\n", "utf-8", "surrogatepass")
            if ledger is not None:
                (workspace.folder / LEDGER).write_text(ledger, "utf-8", "surrogatepass", newline="")
            write_comparison_page(view, audits, workspace.folder / PAGE)
            workspace.finish()
        return self.out / PAGE
