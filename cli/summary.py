"""The summary at the end of a run, as text or as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.dataset import ReadOptions
from auditor.documents import audit_document
from auditor.errors import plain
from auditor.results import Audit, Dataset
from auditor.settings import AuditSettings
from auditor.sources.addresses import address_name
from cli.output import say
from reports.wording import headline

SHOWN_PAIRS = 5
SHOWN_CLASSES = 10
SHOWN_MIXED = 3


def summarise(audit: Audit, page: Path) -> dict[str, Any]:
    """Return the audit's headline, the numbers of audit.json that fit a screen, and where the page is."""
    document = audit_document(audit)
    parts = ("report_id", "dataset", "backbone", "counts", "label_errors", "separation", "classes")
    counts = {kind: part["findings"] for kind, part in document["counts"].items()}
    return {
        "headline": headline(counts, len(audit.dataset)),
        **{name: document[name] for name in parts},
        "class_pairs": document["class_pairs"][:SHOWN_PAIRS],
        "predictions": document["predictions"],
        "reviewed": document["reviewed"],
        "timings": document["timings"],
        "warnings": document["warnings"],
        "audit": str(page.parent),
        "page": str(page),
    }


def print_summary(summary: dict[str, Any], as_json: bool) -> None:
    """Print the summary on stdout."""
    if as_json:
        say(json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=1))
    else:
        say("\n".join(plain(line) for line in _lines(summary)))


def describe_command(dataset: Dataset, reading: ReadOptions, settings: AuditSettings) -> str:
    """Return the command that made an audit: what decides the result, with paths reduced to names."""
    choices = {
        "path-column": reading.path_column,
        "label-column": reading.label_column,
        "root": _root_name(reading.root),
        "layout": None if reading.layout == "auto" else reading.layout,
        **{name.replace("_", "-"): value for name, value in settings.document().items()},
        "seed": settings.seed or None,
    }
    each = ((name, said if isinstance(said, list) else [said]) for name, said in choices.items())
    given = [f"--{name} {value}" for name, many in each for value in many if value not in (None, "auto")]
    flags = ["--follow-links"] if reading.follow_links else []
    return " ".join(["auditor run", dataset.name, *given, *flags])


def _root_name(root: Path | str | None) -> str | None:
    if root is None:
        return None
    return address_name(root) if isinstance(root, str) else root.resolve().name


def _lines(summary: dict[str, Any]) -> Iterator[str]:
    dataset, backbone = summary["dataset"], summary["backbone"]
    yield summary["headline"]
    layer = f" at {backbone['layer']}" if backbone["layer"] else ""
    yield (
        f"{dataset['name']}: {dataset['samples']:,} samples, {len(dataset['classes'])} classes, "
        f"vectors from {backbone['name']}{layer}"
    )
    yield ""
    yield from _finding_lines(summary["counts"])
    yield from _pair_lines(summary["class_pairs"])
    yield from _separation_lines(summary)
    if summary["warnings"]:
        yield "Warnings"
        yield from (f"  - {warning}" for warning in summary["warnings"])
        yield ""
    yield f"Page      {summary['page']}"
    yield f"Audit     {summary['audit']} (findings.csv lists every finding, samples.parquet every sample)"
    yield "Next      open the page in a browser; it needs no network"


def _finding_lines(counts: dict[str, Any]) -> Iterator[str]:
    yield "Findings"
    for kind, part in counts.items():
        if part["findings"]:
            samples = f"  ({part['samples']:,} samples)" if part["samples"] != part["findings"] else ""
            yield f"  {kind.replace('_', ' '):22}{part['findings']:>7,}{samples}"
    if not any(part["findings"] for part in counts.values()):
        yield "  none"
    yield ""


def _pair_lines(pairs: list[dict[str, Any]]) -> Iterator[str]:
    if not pairs:
        return
    yield "Classes that confuse most"
    for pair in pairs:
        yield (
            f"  {pair['a']} as {pair['b']}: {pair['a_as_b']:,}, {pair['b']} as {pair['a']}: "
            f"{pair['b_as_a']:,}, flagged {pair['flagged']:,}"
        )
    yield ""


def _separation_lines(summary: dict[str, Any]) -> Iterator[str]:
    parts = summary["separation"]
    names = {"knn_accuracy": "nearest neighbours", "probe_accuracy": "linear probe"}
    figures = [f"{names[n]} {parts[n]:.1%}" for n in names if parts[n] is not None]
    yield f"Separation (out of sample): {', '.join(figures)}"
    for verdict in ("separated", "mixed", "not judged"):
        found = [c for c in summary["classes"] if c["verdict"] == verdict]
        if found:
            yield f"  {verdict:12}{_class_names(found)}"
    yield ""


def _class_names(classes: list[dict[str, Any]]) -> str:
    """Name classes of one verdict; of very many only the worst, and those that stand apart not at all."""
    if len(classes) <= SHOWN_CLASSES:
        return "; ".join(map(_class_name, classes))
    count = f"{len(classes):,} classes"
    if classes[0]["verdict"] == "separated":
        return count
    worst = sorted(classes, key=lambda c: c["knn_accuracy"] or 0.0)[:SHOWN_CLASSES]
    return f"{count}, the worst: {'; '.join(map(_class_name, worst))}"


def _class_name(known: dict[str, Any]) -> str:
    name: str = known["name"]
    others = known["mixed_with"]
    more = f" and {len(others) - SHOWN_MIXED} more" if len(others) > SHOWN_MIXED else ""
    return name + (f" (with {', '.join(others[:SHOWN_MIXED])}{more})" if others else "")
