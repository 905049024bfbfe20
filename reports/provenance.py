"""How the audit was made: the lines of "How this was found", of the notes and of the footer."""

from __future__ import annotations

from dataclasses import dataclass, fields

from auditor.results import Audit
from reports import wording


@dataclass(frozen=True)
class ProvenanceView:
    """Plain lines; `footer` and `thresholds` are (name, value)."""

    backbone: str
    layer: str
    dimensions: int
    neighbours: int
    recall: str
    probability_method: str
    map_method: str
    trustworthiness: str
    trust_rows: str
    knn_accuracy: str
    probe_accuracy: str
    silhouette: str
    upper_indication: str
    estimate: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    thresholds: tuple[tuple[str, str], ...]
    footer: tuple[tuple[str, str], ...]


def provenance_view(audit: Audit) -> ProvenanceView:
    """Return where the numbers come from."""
    backbone, separation = audit.embeddings.backbone, audit.separation
    return ProvenanceView(
        backbone=backbone.name,
        layer=backbone.layer,
        dimensions=backbone.dimensions,
        neighbours=audit.neighbours.indices.shape[1],
        recall="" if audit.neighbours.recall is None else wording.percent(audit.neighbours.recall),
        probability_method=audit.probabilities.method,
        map_method=audit.map.method,
        trustworthiness=f"{audit.map.trustworthiness:.2f}",
        trust_rows=wording.number(audit.map.trust_rows),
        knn_accuracy=wording.percent(separation.knn_accuracy),
        probe_accuracy=wording.percent(separation.probe_accuracy),
        silhouette=f"{separation.silhouette:.2f}",
        upper_indication=wording.number(audit.label_errors.upper_indication),
        estimate=_estimate(audit),
        warnings=audit.provenance.warnings,
        notes=audit.dataset.notes,
        thresholds=tuple(
            (f.name.replace("_", " "), f"{getattr(audit.thresholds, f.name):g}")
            for f in fields(audit.thresholds)
        ),
        footer=_footer(audit),
    )


def _estimate(audit: Audit) -> str:
    errors = audit.label_errors
    if errors.estimate is None or errors.interval is None:
        return ""
    low, high = errors.interval
    return f"Reviewed controls put the wrong labels at {errors.estimate:.0f} ({low:.0f} to {high:.0f})."


def _footer(audit: Audit) -> tuple[tuple[str, str], ...]:
    made, backbone = audit.provenance, audit.embeddings.backbone
    return (
        ("auditor", made.auditor_version),
        ("Backbone", f"{backbone.name}, layer {backbone.layer}, {backbone.precision}"),
        ("Weights sha256", backbone.weights_sha256),
        ("Seed", str(made.seed)),
        ("Dataset fingerprint", made.fingerprint),
        ("Report id", made.report_id),
        ("Command", made.command),
    )
