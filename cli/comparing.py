"""What the comparing commands share: comparison.json and report.html, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.workspace import FolderKind, Workspace, check_target
from cli import options as o

if TYPE_CHECKING:
    from auditor.results import Audit
    from reports.comparison_view import ComparisonView

Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        envvar="AUDITOR_SEED",
        metavar="N",
        help="Seed of the folds and of everything drawn.",
        rich_help_panel=o.OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a comparison that is there already.", rich_help_panel=o.OUTPUT),
]

DOCUMENT, PAGE, LEDGER = "comparison.json", "report.html", "ledger.csv"


KINDS = ("versions", "domains", "models", "layers")
HEAD = 65_536
"""Bytes of comparison.json that are read to know it; its version and kind stand first."""


def is_comparison(folder: Path) -> bool:
    """Tell whether `folder` holds a comparison that this program wrote: what else is there stays there."""
    try:
        if not (folder / DOCUMENT).is_file():
            return False
        with (folder / DOCUMENT).open("rb") as file:
            head = file.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    found = _first_values(head, ("schema_version", "kind"))
    return type(found.get("schema_version")) is int and found.get("kind") in KINDS


def _first_values(head: str, wanted: Sequence[str]) -> dict[str, Any]:
    """Values of a JSON object's keys, read from its beginning until all are found or nothing can be read."""
    found: dict[str, Any] = {}
    scan = json.JSONDecoder().raw_decode
    at, opening = 0, "{"
    try:
        while len(found) < len(wanted):
            at = _after(head, at, opening)
            key, at = scan(head, at)
            at = _after(head, at, ":")
            value, at = scan(head, at)
            if isinstance(key, str) and key in wanted:
                found[key] = value
            opening = ","
    except (ValueError, RecursionError):
        return found
    return found


def _after(text: str, at: int, sign: str) -> int:
    """Position of what follows `sign`, which is next, blanks apart."""
    rest = text[at:].lstrip()
    if not rest.startswith(sign):
        raise ValueError(sign)
    return len(text) - len(rest[1:].lstrip())


def _own_names(folder: Path) -> Container[str]:
    return (DOCUMENT, PAGE, LEDGER)


COMPARISON = FolderKind("a comparison", is_comparison, _own_names)


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
