"""comparison.json of two versions, and the ledger as a table.

    versions_document(comparison) --> {kind: "versions", verdict, estimate, interval, p_value, evidence,
                                       before, after, ledger, unresolved, overall, per_class [..],
                                       per_pair [..], map, notes}
    ledger_frame(comparison)      --> one row per sample of either version

Names of classes and samples are always values, never keys.
"""

from __future__ import annotations

from dataclasses import asdict, fields

import pandas as pd

from auditor import __version__
from auditor.comparisons.evidence import Held, Inner
from auditor.comparisons.gains import Gain
from auditor.comparisons.ledger import LedgerEntry
from auditor.comparisons.model_null import Contradictions
from auditor.comparisons.reviews import ReviewEvidence
from auditor.comparisons.standing import ClassChange, Figures, PairChange, Two
from auditor.comparisons.versions import Support, VersionComparison
from auditor.documents import SCHEMA_VERSION, Json, count_findings, round_figures
from auditor.results import Audit

LEVEL = 0.90
"""Of every interval here."""


def versions_document(comparison: VersionComparison) -> Json:
    """Return the content of comparison.json."""
    gain = comparison.gain
    return round_figures(  # type: ignore[no-any-return]
        {
            "schema_version": SCHEMA_VERSION,
            "auditor_version": __version__,
            "kind": "versions",
            "verdict": comparison.verdict,
            "estimate": gain.estimate,
            "interval": [gain.low, gain.high],
            "level": LEVEL,
            "unit": "gain in log-probability of the right label, nats per picture",
            "p_value": comparison.p_value,
            "seed": comparison.options.seed,
            "evidence": _evidence_part(comparison),
            "before": _audit_part(comparison.before),
            "after": _audit_part(comparison.after),
            "ledger": comparison.ledger.counts(),
            "unresolved": [
                {"id_before": e.id_before, "id_after": e.id_after, "label": e.label_before or e.label_after}
                for e in comparison.ledger.entries
                if e.change == "unresolved"
            ],
            "overall": {
                "all": _figures_part(comparison.standing.all),
                "common": _figures_part(comparison.standing.common),
                "knn_accuracy_change": _gain_part(comparison.standing.knn_change),
            },
            "per_class": [_class_part(c) for c in comparison.standing.classes],
            "per_pair": [_pair_part(p) for p in comparison.standing.pairs],
            "map": {
                "method": comparison.after_map.method,
                "trustworthiness": comparison.after_map.trustworthiness,
            },
            "notes": comparison.notes,
        }
    )


def ledger_frame(comparison: VersionComparison) -> pd.DataFrame:
    """Return the ledger as a table; what one version lacks is empty."""
    columns = [field.name for field in fields(LedgerEntry)]
    rows = [[getattr(entry, name) for name in columns] for entry in comparison.ledger.entries]
    return pd.DataFrame(rows, columns=columns)


def _evidence_part(comparison: VersionComparison) -> Json:
    return {
        "held_out": _held_part(comparison.held),
        "inner": _inner_part(comparison.inner),
        "review": _review_part(comparison.review),
        "second_backbone": _support_part(comparison.support),
    }


def _held_part(held: Held | None) -> Json | None:
    if held is None:
        return None
    return {
        "split": held.name,
        "gain": _gain_part(held.gain),
        "touched": held.touched,
        "knn_accuracy": _two(held.knn_accuracy),
        "probe_accuracy": _two(held.probe_accuracy),
        "surprise": held.surprise,
        "surprise_p_value": held.surprise_p_value,
    }


def _inner_part(inner: Inner) -> Json:
    return {
        "gain": _gain_part(inner.gain),
        "null": {"draws": inner.draws, "mean": inner.null_mean, "p_value": inner.p_value},
        "contradictions": {
            "before": _contradictions_part(inner.contradictions_before),
            "after": _contradictions_part(inner.contradictions_after),
            "p_value": inner.contradictions_p_value,
        },
        "gain_of_random_removals": inner.less_data,
    }


def _contradictions_part(found: Contradictions) -> Json:
    return {"observed": found.observed, "expected": found.expected, "ratio": found.ratio}


def _review_part(review: ReviewEvidence | None) -> Json | None:
    return None if review is None else {**asdict(review), "verdict": review.verdict}


def _support_part(support: Support | None) -> Json | None:
    if support is None:
        return None
    return {
        "backbone": support.backbone,
        "verdict": support.verdict,
        "agrees": support.agrees,
        "held_out": _held_part(support.held),
        "inner": _inner_part(support.inner),
    }


def _audit_part(audit: Audit) -> Json:
    made = audit.provenance
    return {
        "name": audit.dataset.name,
        "report_id": made.report_id,
        "fingerprint": made.fingerprint,
        "auditor_version": made.auditor_version,
        "samples": len(audit.dataset),
        "embedded": len(audit.embeddings.ids),
        "backbone": asdict(audit.embeddings.backbone),
        "counts": count_findings(audit.findings),
        "map": {"method": audit.map.method, "trustworthiness": audit.map.trustworthiness},
    }


def _class_part(change: ClassChange) -> Json:
    return {
        "name": change.name,
        "all": _figures_part(change.all),
        "common": _figures_part(change.common),
        "gain": _gain_part(change.gain),
        "q_value": change.q_value,
        "change": change.word,
    }


def _pair_part(change: PairChange) -> Json:
    return {
        "a": change.a,
        "b": change.b,
        "score": _two(change.score),
        "a_as_b": _two(change.a_as_b),
        "b_as_a": _two(change.b_as_a),
        "flagged": _two(change.flagged),
        "gain": _gain_part(change.gain),
        "q_value": change.q_value,
        "change": change.word,
    }


def _figures_part(figures: Figures) -> Json:
    return {name: _two(value) for name, value in vars(figures).items()}


def _gain_part(gain: Gain) -> Json:
    return {
        "estimate": gain.estimate,
        "interval": [gain.low, gain.high],
        "z": gain.z,
        "p_value": gain.p_value,
        "samples": gain.samples,
        "groups": gain.groups,
    }


def _two(value: Two | tuple[int, int]) -> Json:
    return {"before": value[0], "after": value[1]}
