"""The JSON documents of an audit folder: every number that the page shows, without the arrays.

    audit.json      settings, counts, classes, pairs, confusion, separation, timings, warnings
    findings.json   {"findings": [{finding_id, kind, rank, ids, score, reason, evidence}]}

Strict JSON: a figure that does not exist is null, never NaN. Class and file names are always values of
`name`, never keys, so a class called ``__proto__`` or ``01`` stays text. Figures have six significant digits.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.faults import short
from auditor.results import (
    KINDS,
    Audit,
    Backbone,
    ClassPair,
    ClassSeparation,
    Evidence,
    Finding,
    LabelErrors,
    Probabilities,
    Provenance,
    Reviewed,
    Separation,
    Thresholds,
)

Json: TypeAlias = dict[str, Any]

SCHEMA_VERSION = 1
DENSE_CLASSES = 50
"""A matrix of more classes than this is written as its non-zero cells."""
LISTED_PAIRS = 1000


def round_figures(value: Any) -> Any:
    """Return `value` as strict JSON: floats to six significant digits, not-a-number and infinity as null."""
    if isinstance(value, Mapping):
        return {str(k): round_figures(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [round_figures(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return _six_digits(float(value))
    return value if value is None else str(value)


def audit_document(audit: Audit) -> Json:
    """Return the content of audit.json (the keys are explained in the README, "The audit folder")."""
    made, parts = audit.provenance, audit.separation
    return round_figures(  # type: ignore[no-any-return]
        {
            "schema_version": SCHEMA_VERSION,
            "auditor_version": made.auditor_version,
            "report_id": made.report_id,
            "command": made.command,
            "seed": made.seed,
            "dataset": _dataset_part(audit),
            "backbone": asdict(audit.embeddings.backbone),
            "settings": made.settings,
            "thresholds": asdict(audit.thresholds),
            "counts": count_findings(audit.findings),
            "label_errors": asdict(audit.label_errors),
            "classes": [asdict(c) for c in parts.classes],
            "class_pairs": [asdict(p) for p in parts.pairs[:LISTED_PAIRS]],
            "confusion": matrix_document(parts.confusion),
            "confident_joint": matrix_document(audit.scores.confident_joint),
            "separation": {
                "knn_accuracy": parts.knn_accuracy,
                "probe_accuracy": parts.probe_accuracy,
                "silhouette": parts.silhouette,
            },
            "neighbours": {
                "k": audit.neighbours.indices.shape[1],
                "method": audit.neighbours.method,
                "recall": audit.neighbours.recall,
            },
            "probabilities": _probabilities_part(audit.probabilities),
            "predictions": _predictions_part(audit),
            "map": {
                "method": audit.map.method,
                "trustworthiness": audit.map.trustworthiness,
                "trust_rows": audit.map.trust_rows,
            },
            "reviewed": None if made.reviewed is None else asdict(made.reviewed),
            "review_plan": [{"reviewed": n, "errors_expected": e} for n, e in audit.review_plan],
            "timings": {stage: round(seconds, 3) for stage, seconds in made.timings.items()},
            "warnings": made.warnings,
        }
    )


def count_findings(findings: Sequence[Finding]) -> Json:
    """Return ``{kind: {findings, samples}}`` for every kind, in order of precedence."""
    found = Counter(f.kind for f in findings)
    samples = {kind: len({i for f in findings if f.kind == kind for i in f.ids}) for kind in KINDS}
    return {kind: {"findings": found[kind], "samples": samples[kind]} for kind in KINDS}


def matrix_document(counts: NDArray[np.int64]) -> Json:
    """Return a (c, c) matrix of counts: all rows up to `DENSE_CLASSES` classes, else the non-zero cells."""
    if len(counts) <= DENSE_CLASSES:
        return {"form": "rows", "classes": len(counts), "values": counts.tolist()}
    rows, columns = np.nonzero(counts)
    cells = np.stack([rows, columns, counts[rows, columns]], axis=1)
    return {"form": "cells", "classes": len(counts), "values": cells.tolist()}


def read_matrix(document: Json) -> NDArray[np.int64]:
    """Return the (c, c) matrix that `matrix_document` wrote."""
    if document["form"] == "rows":
        return np.array(document["values"], dtype=np.int64).reshape(document["classes"], document["classes"])
    counts = np.zeros((document["classes"], document["classes"]), dtype=np.int64)
    for row, column, count in document["values"]:
        counts[row, column] = count
    return counts


def write_findings(findings: Sequence[Finding], file: Path) -> None:
    """Write findings.json: every finding with its evidence, in the audit's order, one a line."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write(f'{{"schema_version": {SCHEMA_VERSION}, "findings": [')
        for number, finding in enumerate(findings):
            out.write(",\n" if number else "\n")
            out.write(encode(finding_part(finding, _six_digits)))
        out.write("\n]}\n")


def read_findings(document: Json) -> tuple[Finding, ...]:
    """Return the findings that `write_findings` wrote."""
    return tuple(read_finding(part) for part in document["findings"])


def read_separation(document: Json) -> Separation:
    """Return the class separation from audit.json; null figures become not-a-number."""
    figures = _figures(document["separation"], "knn_accuracy", "probe_accuracy", "silhouette")
    classes = tuple(
        ClassSeparation(**{**_known(ClassSeparation, part), **_figures(part, *figures)})
        for part in ({**c, "mixed_with": tuple(c["mixed_with"])} for c in document["classes"])
    )
    pairs = tuple(
        ClassPair(**{**_known(ClassPair, p), **_figures(p, "score")}) for p in document["class_pairs"]
    )
    return Separation(**figures, classes=classes, pairs=pairs, confusion=read_matrix(document["confusion"]))


def read_thresholds(document: Json) -> Thresholds:
    """Return the thresholds from audit.json."""
    known = {f.name for f in fields(Thresholds)}
    unknown = sorted(set(document["thresholds"]) - known)
    if unknown:
        raise DataError(
            f"The audit has the thresholds {short(', '.join(unknown))} that this version of auditor does not "
            f"know; it was written by version {short(document['auditor_version'])}."
        )
    return Thresholds(**document["thresholds"])


def read_label_errors(document: Json) -> LabelErrors:
    """Return the label error figures from audit.json."""
    part = document["label_errors"]
    interval = None if part["interval"] is None else tuple(part["interval"])
    return LabelErrors(**{**_known(LabelErrors, part), "interval": interval})


def read_search(document: Json) -> Json:
    """Return how the neighbours were found: `method` and `recall`; earlier audits searched exactly."""
    part = document.get("neighbours", {"method": "exact", "recall": None})
    return {name: part[name] for name in ("method", "recall")}


def read_provenance(document: Json) -> Provenance:
    """Return where the audit came from."""
    return Provenance(
        auditor_version=document["auditor_version"],
        report_id=document["report_id"],
        fingerprint=document["dataset"]["fingerprint"],
        command=document["command"],
        seed=document["seed"],
        settings=document["settings"],
        timings=document["timings"],
        warnings=tuple(document["warnings"]),
        reviewed=_read_reviewed(document.get("reviewed")),
    )


def _read_reviewed(part: Json | None) -> Reviewed | None:
    if part is None:
        return None
    lists = {name: tuple(part[name]) for name in ("files", "sha256")}
    return Reviewed(**{**_known(Reviewed, part), **lists})


def read_backbone(document: Json) -> Backbone:
    """Return the backbone that made the audit's vectors."""
    return Backbone(**_known(Backbone, document["backbone"]))


def read_review_plan(document: Json) -> tuple[tuple[int, float], ...]:
    """Return (findings reviewed, errors expected among them)."""
    return tuple((step["reviewed"], float(step["errors_expected"])) for step in document["review_plan"])


def _known(kind: type[Any], part: Json) -> Json:
    """Return what a dataclass has fields for; a later version may say more."""
    return {f.name: part[f.name] for f in fields(kind) if f.name in part}


def _dataset_part(audit: Audit) -> Json:
    dataset = audit.dataset
    return {
        "name": dataset.name,
        "fingerprint": audit.provenance.fingerprint,
        "samples": len(dataset),
        "embedded": len(audit.embeddings.ids),
        "classes": list(dataset.classes),
        "domains": sorted(set(dataset.table["domain"]) - {""}),
        "splits": sorted(set(dataset.table["split"]) - {""}),
        "has_images": dataset.has_images,
        "descriptions": [{"name": n, "text": t} for n, t in sorted(dataset.descriptions.items())],
        "notes": list(dataset.notes),
    }


def _probabilities_part(probabilities: Probabilities) -> Json:
    return {"method": probabilities.method, "judged": probabilities.judged.tolist()}


def _predictions_part(audit: Audit) -> Json | None:
    """Accuracy against the given labels of the user's own classifier, in all and by class."""
    if audit.predictions is None:
        return None
    given = audit.dataset.codes_of(audit.predictions.ids)
    right = audit.predictions.values.argmax(axis=1) == given
    classes = []
    for code, name in enumerate(audit.dataset.classes):
        hits = right[given == code]
        accuracy = float(hits.mean()) if len(hits) else math.nan
        classes.append({"name": name, "samples": len(hits), "accuracy": accuracy})
    overall = float(right.mean()) if len(right) else math.nan
    return {**_probabilities_part(audit.predictions), "accuracy": overall, "classes": classes}


def finding_part(finding: Finding, figure: Callable[[float], float | None] = float) -> Json:
    """Return a finding as JSON says it; `figure` rounds its numbers, which stay as they are without."""
    evidence = finding.evidence
    return {
        "finding_id": finding.finding_id,
        "kind": finding.kind,
        "rank": finding.rank,
        "ids": list(finding.ids),
        "score": figure(finding.score),
        "reason": finding.reason,
        "suggested_label": finding.suggested_label,
        "neighbours": [{"id": i, "label": n, "similarity": figure(s)} for i, n, s in evidence.neighbours],
        "probabilities": [{"name": n, "probability": figure(p)} for n, p in evidence.probabilities],
        "members": [{"id": i, "tie": tie} for i, tie in evidence.members],
        "facts": [{"name": n, "value": figure(v)} for n, v in evidence.facts.items()],
    }


def _six_digits(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def read_finding(part: Json) -> Finding:
    """Return the finding that `finding_part` wrote."""
    evidence = Evidence(
        neighbours=tuple((n["id"], n["label"], float(n["similarity"])) for n in part["neighbours"]),
        probabilities=tuple((p["name"], float(p["probability"])) for p in part["probabilities"]),
        members=tuple((m["id"], m["tie"]) for m in part["members"]),
        facts={f["name"]: _figure(f["value"]) for f in part["facts"]},
    )
    plain = {name: part[name] for name in ("finding_id", "kind", "rank", "reason", "suggested_label")}
    return Finding(**plain, ids=tuple(part["ids"]), score=float(part["score"]), evidence=evidence)


def _figure(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _figures(part: Json, *names: str) -> dict[str, float]:
    return {name: _figure(part[name]) for name in names}
