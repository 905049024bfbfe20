"""comparison.json of one backbone's layers: every number that the page shows, as plain values.

layers_document(comparison) --> {kind: "layers", verdict, estimate, interval, p_value, evidence, dataset,
                                 layers [..], rise {..}, per_class [..], per_pair [..]}
"""

from __future__ import annotations

from dataclasses import asdict

from auditor.comparisons.layer_pairs import LayerPair
from auditor.comparisons.layers import LayerComparison
from auditor.comparisons.models_document import class_parts, dataset_part, figures_part, ranking_part
from auditor.documents import Json, matrix_document, round_figures


def layers_document(comparison: LayerComparison) -> Json:
    """Return the content of comparison.json."""
    return round_figures(  # type: ignore[no-any-return]
        {
            **ranking_part("layers", comparison.ranking, comparison.layers),
            "evidence": {
                "judge": "neighbours and probes that leave a sample's own group out",
                "rise": {
                    "from": comparison.layers[0],
                    "to": comparison.layers[-1],
                    "knn_accuracy": asdict(comparison.rise_knn),
                    "probe_accuracy": asdict(comparison.rise_probe),
                },
            },
            "dataset": dataset_part(comparison.audits, comparison.layers, comparison.common),
            "seed": comparison.seed,
            "thresholds": asdict(comparison.thresholds),
            "layers": [_layer_part(comparison, m) for m in range(len(comparison.layers))],
            "per_class": class_parts(comparison.models, comparison.common),
            "per_pair": [_pair_part(comparison, pair) for pair in comparison.pairs],
        }
    )


def _layer_part(comparison: LayerComparison, m: int) -> Json:
    model, laid = comparison.models[m], comparison.maps[m]
    return {
        **figures_part(model, comparison.ranking, m),
        "report_id": comparison.audits[m].provenance.report_id,
        "probabilities": model.probabilities.method,
        "confusion": matrix_document(model.separation.confusion),
        "map": {
            "likeness": laid.likeness,
            "method": laid.method,
            "trustworthiness": laid.trustworthiness,
        },
    }


def _pair_part(comparison: LayerComparison, pair: LayerPair) -> Json:
    return {
        "a": pair.a,
        "b": pair.b,
        "story": pair.story,
        "against": comparison.layers[pair.against],
        "change": None if pair.change is None else asdict(pair.change),
        "p_adjusted": pair.p_adjusted,
        "layers": [
            {"layer": layer, "score": score}
            for layer, score in zip(comparison.layers, pair.scores, strict=True)
        ],
    }
