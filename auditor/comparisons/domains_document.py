"""comparison.json of two domains: every number that its page shows.

    kind, verdict, estimate, interval, p_value, evidence         the answer: accuracy in the test domain
    train, test, accuracy, confusion, per_class, per_pair        the figures behind it
    near, collect, far, leaks                                    samples by id

Class names and ids are values, never keys. Intervals are [low, high], null where nothing can be measured.
"""

from __future__ import annotations

from dataclasses import asdict

from auditor.comparisons.domain_pairs import DomainPair
from auditor.comparisons.domain_sides import Side
from auditor.comparisons.domains import DROP, DROP_FINE, SURE_LOSS, DomainComparison
from auditor.comparisons.intervals import Interval
from auditor.documents import Json, matrix_document, round_figures

SCHEMA_VERSION = 1
EVIDENCE = (
    "A linear probe on the audit's vectors, trained in the training domain and applied to the test domain, "
    "which it never saw; where a group has members in both, its test samples are judged by a probe trained "
    "without that group."
)
PAIR_FIGURES = (
    "train_auc",
    "inside_auc",
    "neighbours_auc",
    "carried_auc",
    "carried_accuracy",
    "own_border",
    "centred",
    "centred_unlabelled",
    "border_loss",
    "centred_loss",
)


def domains_document(comparison: DomainComparison) -> Json:
    """Return the content of comparison.json."""
    c = comparison
    return round_figures(  # type: ignore[no-any-return]
        {
            "schema_version": SCHEMA_VERSION,
            "auditor_version": c.audit.provenance.auditor_version,
            "kind": "domains",
            "verdict": c.verdict,
            "reason": c.reason,
            "estimate": c.accuracy_test.estimate,
            "interval": [c.accuracy_test.low, c.accuracy_test.high],
            "p_value": None,
            "evidence": EVIDENCE,
            "audit": _audit(c),
            "seed": c.seed,
            "bars": {**asdict(c.bars), "drop": DROP, "drop_fine": DROP_FINE, "sure_loss": SURE_LOSS},
            "column": c.sides.column,
            "classes": list(c.sides.classes),
            "train": _side(c.sides.train),
            "test": _side(c.sides.test),
            "shared_groups": c.sides.shared_groups,
            "accuracy": _accuracy(c),
            "confusion": {
                "train": matrix_document(c.confusion_train),
                "test": matrix_document(c.confusion_test),
            },
            "global_shift": c.shift,
            "per_class": _per_class(c),
            "per_pair": [_pair(c, pair) for pair in c.pairs],
            "near": _near(c),
            "collect": _collect(c),
            "far": _far(c),
            "leaks": [asdict(leak) for leak in c.leaks],
            "notes": list(c.sides.notes),
        }
    )


def _audit(c: DomainComparison) -> Json:
    made = c.audit.provenance
    return {
        "report_id": made.report_id,
        "dataset": c.audit.dataset.name,
        "fingerprint": made.fingerprint,
        "backbone": asdict(c.audit.embeddings.backbone),
    }


def _accuracy(c: DomainComparison) -> Json:
    return {
        "train": _interval(c.accuracy_train),
        "test": _interval(c.accuracy_test),
        "drop": _interval(c.drop),
        "test_centred": _interval(c.centred),
        "test_centred_without_labels": _interval(c.centred_unlabelled),
    }


def _interval(value: Interval) -> Json:
    return {"estimate": value.estimate, "interval": [value.low, value.high]}


def _side(side: Side) -> Json:
    return {"name": side.name, "samples": len(side), "groups": len(set(side.groups.tolist()))}


def _per_class(c: DomainComparison) -> list[Json]:
    moves = {move.code: move for move in c.moves}
    return [
        {
            "name": c.sides.classes[one.code],
            "train_samples": one.train_samples,
            "test_samples": one.test_samples,
            "test_groups": one.test_groups,
            "train_recall": _interval(one.train_recall),
            "test_recall": _interval(one.test_recall),
            "taken_for": c.sides.classes[one.taken_for] if one.taken else None,
            "taken": one.taken,
            "moved": moves[one.code].whole,
            "moved_beside_the_shift": moves[one.code].own,
        }
        for one in c.classes
    ]


def _pair(c: DomainComparison, pair: DomainPair) -> Json:
    a_train, b_train, a_test, b_test = pair.taken
    return {
        "a": c.sides.classes[pair.a],
        "b": c.sides.classes[pair.b],
        "verdict": pair.verdict,
        "reason": pair.reason,
        "groups": list(pair.groups),
        "train": {"a_as_b": a_train, "b_as_a": b_train},
        "test": {"a_as_b": a_test, "b_as_a": b_test},
        **{name: _interval(getattr(pair, name)) for name in PAIR_FIGURES},
        "inside_room": pair.inside_room,
        "carried_room": pair.carried_room,
    }


def _near(c: DomainComparison) -> list[Json]:
    return [
        {
            "of": c.sides.classes[one.of],
            "to": c.sides.classes[one.to],
            "usual_closeness": one.usual,
            "groups": [asdict(cluster) for cluster in one.clusters],
        }
        for one in c.near
    ]


def _collect(c: DomainComparison) -> list[Json]:
    return [{**asdict(one), "of": c.sides.classes[one.of], "to": c.sides.classes[one.to]} for one in c.advice]


def _far(c: DomainComparison) -> Json:
    listed = zip(c.far.ids, c.far.distances, c.far.nearest, strict=True)
    return {
        "usual_distance": c.far.usual,
        "count": c.far.count,
        "samples": [{"id": i, "distance": d, "nearest": n} for i, d, n in listed],
    }
