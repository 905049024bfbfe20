"""comparison.json of several models: every number that the page shows, as plain values.

    models_document(comparison) --> {kind: "models", verdict, estimate, interval, p_value, evidence,
                                     dataset, models [..], per_class [..], per_pair [..],
                                     error_overlap [..], missed_by [..], ensemble {..}, misclassified [..]}

Names of models, classes and samples are always values, never keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor import __version__
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.ensembles import Contribution
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.model_errors import (
    MODEL_LIMITATION,
    TAGGING_ERROR,
    UNDECIDED,
    VERDICTS,
    DividedErrors,
)
from auditor.comparisons.models import ModelComparison, Ranking
from auditor.comparisons.paired import PairedDifference
from auditor.documents import LISTED_PAIRS, SCHEMA_VERSION, Json, matrix_document, round_figures
from auditor.results import Audit

LISTED_ERRORS = 2_000
"""Misclassified samples listed for each model and verdict; the counts are of all."""
UNKNOWN_VERDICT = "cannot tell"


def models_document(comparison: ModelComparison) -> Json:
    """Return the content of comparison.json."""
    return round_figures(  # type: ignore[no-any-return]
        {
            **ranking_part("models", comparison.ranking, comparison.names),
            "evidence": _evidence_part(comparison),
            "dataset": dataset_part(comparison.audits, comparison.names, comparison.common),
            "seed": comparison.seed,
            "thresholds": asdict(comparison.thresholds),
            "models": [_model_part(comparison, m) for m in range(len(comparison.names))],
            "per_class": [
                {**part, "errors": _class_errors(comparison, code)}
                for code, part in enumerate(class_parts(comparison.models, comparison.common))
            ],
            "per_pair": pair_parts(comparison.models),
            "error_overlap": [
                {**asdict(o), "a": comparison.names[o.a], "b": comparison.names[o.b]}
                for o in comparison.overlaps
            ],
            "missed_by": [{"models": k, "samples": n} for k, n in enumerate(comparison.missed)],
            "ensemble": _ensemble_part(comparison),
            "misclassified": [part for m in range(len(comparison.names)) for part in _errors(comparison, m)],
        }
    )


def ranking_part(kind: str, ranking: Ranking, names: Sequence[str]) -> Json:
    """Return what stands first: kind, verdict and the lead of the first over the second in kNN accuracy."""
    return {
        "schema_version": SCHEMA_VERSION,
        "auditor_version": __version__,
        "kind": kind,
        "verdict": names[ranking.best] if ranking.is_clear else UNKNOWN_VERDICT,
        "first": names[ranking.best],
        "second": names[ranking.models[1].model],
        **asdict(ranking.lead_knn),
        "probe_lead": asdict(ranking.lead_probe),
    }


def dataset_part(audits: Sequence[Audit], names: Sequence[str], common: CommonSamples) -> Json:
    """Return what was compared on, and what each audit has beside it."""
    return {
        "name": common.dataset.name,
        "samples": len(common.ids),
        "counted": len(common.once),
        "groups": len(np.unique(common.groups)),
        "classes": list(common.dataset.classes),
        "left_out": [
            {"name": name, "fingerprint": audit.provenance.fingerprint, **asdict(left)}
            for name, audit, left in zip(names, audits, common.left_out, strict=True)
        ],
    }


def figures_part(model: JudgedModel, ranking: Ranking, m: int) -> Json:
    """Return name, backbone, place and figures of one model."""
    place = next(n for n, ranked in enumerate(ranking.models) if ranked.model == m)
    ranked, parts = ranking.models[place], model.separation
    return {
        "name": model.name,
        "rank": place + 1,
        "backbone": asdict(model.backbone),
        "knn_accuracy": parts.knn_accuracy,
        "probe_accuracy": parts.probe_accuracy,
        "silhouette": parts.silhouette,
        "knn_difference": asdict(ranked.knn_difference),
        "probe_difference": asdict(ranked.probe_difference),
        "separated": sum(c.verdict == "separated" for c in parts.classes),
        "mixed": sum(c.verdict == "mixed" for c in parts.classes),
    }


def class_parts(models: Sequence[JudgedModel], common: CommonSamples) -> list[Json]:
    """Return one entry for each class: how it separates under every model."""
    keys = ("knn_accuracy", "probe_accuracy", "silhouette", "verdict", "mixed_with")
    out = []
    for code, name in enumerate(common.dataset.classes):
        rows = [model.separation.classes[code] for model in models]
        parts = [
            {"model": model.name, **{key: getattr(row, key) for key in keys}}
            for model, row in zip(models, rows, strict=True)
        ]
        out.append({"name": name, "samples": rows[0].samples, "models": parts})
    return out


def pair_parts(models: Sequence[JudgedModel]) -> list[Json]:
    """Return the pairs that any model confuses, the worst under any of them first."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for m, model in enumerate(models):
        for pair in model.separation.pairs:
            found.setdefault((pair.a, pair.b), {})[m] = pair
    worst = sorted(found, key=lambda key: (-max(p.score for p in found[key].values()), key))[:LISTED_PAIRS]
    return [
        {"a": a, "b": b, "models": [_pair_part(model, found[a, b].get(m)) for m, model in enumerate(models)]}
        for a, b in worst
    ]


def _pair_part(model: JudgedModel, pair: Any) -> Json:
    if pair is None:
        return {"model": model.name, "score": 0.0, "a_as_b": 0, "b_as_a": 0}
    return {"model": model.name, "score": pair.score, "a_as_b": pair.a_as_b, "b_as_a": pair.b_as_a}


def confusion_of(comparison: ModelComparison, m: int) -> NDArray[np.int64]:
    """Return the confusion matrix (c, c): of the classifier's predictions where given, else of the probe."""
    model, common = comparison.models[m], comparison.common
    counts = np.zeros((len(common.dataset.classes),) * 2, dtype=np.int64)
    np.add.at(counts, (common.codes[common.once], model.guesses[common.once]), 1)
    return counts


def listed_errors(errors: DividedErrors, verdict: int) -> NDArray[np.int64]:
    """Return the positions in `errors` with this verdict, the clearest first."""
    found = np.flatnonzero(errors.verdicts == verdict)
    sign = -1.0 if verdict == MODEL_LIMITATION else 1.0
    order = np.lexsort((errors.rows[found], sign * (errors.own_chance - errors.best_chance)[found]))
    return np.asarray(found[order], dtype=np.int64)


def _evidence_part(comparison: ModelComparison) -> Json:
    return {
        "judge_of_errors": "out-of-sample probabilities and neighbours of the other models",
        "independent": all(errors.is_independent for errors in comparison.errors),
        "weights": [
            {"of": name, "by": comparison.names[other], "weight": weight}
            for name, errors in zip(comparison.names, comparison.errors, strict=True)
            for other, weight in enumerate(errors.weights)
            if comparison.names[other] != name
        ],
    }


def _model_part(comparison: ModelComparison, m: int) -> Json:
    model, errors, laid = comparison.models[m], comparison.errors[m], comparison.maps[m]
    audit = comparison.audits[m]
    once, codes = comparison.common.once, comparison.common.codes
    right = (model.guesses == codes)[once]
    return {
        **figures_part(model, comparison.ranking, m),
        "report_id": audit.provenance.report_id,
        "probabilities": model.probabilities.method,
        "predictions": None if model.predictions is None else {"accuracy": float(right.mean())},
        "log_loss": float(model.log_losses(codes)[once].mean()),
        "misclassified": len(errors.rows),
        **_verdict_counts(errors, slice(None)),
        "independent_evidence": errors.is_independent,
        "evidence_accuracy": errors.evidence_accuracy if sum(errors.weights) > 0 else None,
        "confusion": matrix_document(confusion_of(comparison, m)),
        "map": {
            "likeness": laid.likeness,
            "method": laid.method,
            "trustworthiness": laid.trustworthiness,
        },
    }


def _verdict_counts(errors: DividedErrors, chosen: Any) -> Json:
    counts = np.bincount(errors.verdicts[chosen], minlength=len(VERDICTS))
    names = (
        (TAGGING_ERROR, "tagging_errors"),
        (MODEL_LIMITATION, "model_limitations"),
        (UNDECIDED, "undecided"),
    )
    return {name: int(counts[verdict]) for verdict, name in names}


def _class_errors(comparison: ModelComparison, code: int) -> list[Json]:
    out = []
    for name, errors in zip(comparison.names, comparison.errors, strict=True):
        chosen = comparison.common.codes[errors.rows] == code
        out.append({"model": name, "misclassified": int(chosen.sum()), **_verdict_counts(errors, chosen)})
    return out


def _ensemble_part(comparison: ModelComparison) -> Json:
    together, names = comparison.ensemble, comparison.names
    return {
        "accuracy": together.accuracy,
        "log_loss": together.log_loss,
        "kept_accuracy": together.kept_accuracy,
        "kept_log_loss": together.kept_log_loss,
        "best_single": names[together.best],
        "accuracy_gain": asdict(together.accuracy_gain),
        "log_loss_gain": asdict(together.log_loss_gain),
        "contributions": [_contribution_part(names, c) for c in together.contributions],
    }


def _contribution_part(names: Sequence[str], found: Contribution) -> Json:
    def figures(difference: PairedDifference | None) -> Json | None:
        return None if difference is None else asdict(difference)

    return {
        "model": names[found.model],
        "verdict": found.verdict,
        "left_at": found.left_at or None,
        "same_vectors_as": None if found.same_as is None else names[found.same_as],
        "accuracy": figures(found.accuracy),
        "log_loss": figures(found.log_loss),
    }


def _errors(comparison: ModelComparison, m: int) -> Iterator[Json]:
    errors, common = comparison.errors[m], comparison.common
    classes = common.dataset.classes
    for verdict, word in enumerate(VERDICTS):
        for k in listed_errors(errors, verdict)[:LISTED_ERRORS]:
            row, copy = errors.rows[k], int(errors.copy_label[k])
            yield {
                "model": comparison.names[m],
                "verdict": word,
                "id": common.ids[row],
                "label": classes[common.codes[row]],
                "said": classes[errors.said[k]],
                "others_for_label": errors.own_chance[k],
                "others_class": classes[errors.best[k]],
                "others_for_class": errors.best_chance[k],
                "neighbours_for_label": errors.neighbours_for[k],
                "copy_label": classes[copy] if copy >= 0 else None,
            }
