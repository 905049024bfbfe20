"""The view of several models on one dataset: which separates best, who errs and why, what an ensemble gains.

models_view(ModelComparison) --> ComparisonView
"""

from __future__ import annotations

from auditor.comparisons.models import ModelComparison, RankedModel
from auditor.comparisons.models_document import confusion_of, pair_parts
from auditor.comparisons.paired import LEAST_GROUPS
from reports import model_blocks as b
from reports.comparison_view import (
    Block,
    Cell,
    ComparisonView,
    MatrixBlock,
    Row,
    TableBlock,
    Tone,
    WordsBlock,
)
from reports.model_ensemble_blocks import (
    averaged_names,
    averaging_advice,
    contribution_table,
    ensemble_figures,
    overlap_table,
)
from reports.model_errors_blocks import error_blocks, suspects, weak_evidence
from reports.wording import isolate, number, plural

LISTED_PAIRS = 200
"""Pairs in the table; comparison.json has up to 1,000."""
MOST_PAIRS_NAMED = 3


def models_view(comparison: ModelComparison, command: str = "") -> ComparisonView:
    """Return what the page of several models says."""
    common, names = comparison.common, comparison.names
    present = sum(c.samples > 0 for c in comparison.models[0].separation.classes)
    return ComparisonView(
        kind="models",
        name=common.dataset.name,
        facts=(
            plural(len(common.ids), "sample", "samples"),
            plural(present, "class", "classes"),
            plural(len(names), "model", "models"),
        ),
        headline=headline(comparison),
        tone="plain",
        lines=tuple(lines(comparison)),
        class_names=common.dataset.classes,
        samples=b.shown_samples(common, comparison.audits),
        maps=tuple(
            b.map_panel(model, laid, common, names[0])
            for model, laid in zip(comparison.models, comparison.maps, strict=True)
        ),
        map_note="Each model's own map, turned, mirrored and resized to lie over the first; misclassified "
        "samples are diamonds.",
        blocks=_blocks(comparison),
        notes=tuple(_notes(comparison)),
        footer=b.footer(comparison.audits, names, comparison.seed, command),
        has_images=any(audit.dataset.has_images for audit in comparison.audits),
    )


def headline(comparison: ModelComparison) -> str:
    """Return the first sentence: which model separates the classes best, or that it cannot be told."""
    ranking, names = comparison.ranking, comparison.names
    first, second = isolate(names[ranking.best]), isolate(names[ranking.models[1].model])
    accuracy = b.share(comparison.models[ranking.best].separation.knn_accuracy)
    low, high = map(b.shown_points, ranking.lead_knn.interval)
    lead = b.shown_points(ranking.lead_knn.estimate)
    if ranking.is_clear:
        return (
            f"{first} separates the classes best: {accuracy} of the samples lie among their own class, "
            f"{lead} points more than with {second} ({low} to {high})."
        )
    if ranking.lead_knn.is_above:
        return (
            f"Which model separates the classes best cannot be told: by neighbours it is {first}, by the "
            f"probe {second}."
        )
    if b.shown_points(ranking.lead_knn.estimate) == "0.0":
        return (
            f"{first} and {second} separate the classes equally well: under both {accuracy} of the samples "
            f"lie among their own class (difference {low} to {high} points)."
        )
    few = (
        ""
        if ranking.lead_knn.groups >= LEAST_GROUPS
        else f" from {ranking.lead_knn.groups} independent groups"
    )
    return (
        f"Which model separates the classes best cannot be told{few}: {first} leads {second} by {lead} "
        f"points ({low} to {high})."
    )


def lines(comparison: ModelComparison) -> list[str]:
    """Return what else stands in the header: wrong labels, the ensemble, who adds nothing."""
    tagged, together = len(suspects(comparison)), comparison.ensemble
    said = [
        f"{plural(tagged, 'misclassified sample looks', 'misclassified samples look')} wrongly labelled to "
        "the other models: check them first."
        if tagged
        else "No misclassified sample looks wrongly labelled to the other models."
    ]
    if tagged and (weak := weak_evidence(comparison)):
        said[0] = f"{said[0].partition(':')[0]}, but {weak}."
    said.append(_averaging(comparison))
    useless = [comparison.names[c.model] for c in together.contributions if c.left_at]
    if useless:
        said.append(f"{b.joined(useless)} {'adds' if len(useless) == 1 else 'add'} nothing to the others.")
    return said


def _averaging(comparison: ModelComparison) -> str:
    together, who = comparison.ensemble, averaged_names(comparison)
    if not who:
        return "All models have the same vectors: there is nothing to average."
    best, more = isolate(comparison.names[together.best]), b.points(together.accuracy_gain)
    return f"Averaging {who} gets {b.share(together.accuracy)} right, {more} points against {best} alone."


def _blocks(comparison: ModelComparison) -> tuple[Block, ...]:
    return (
        _ranking_table(comparison),
        b.class_table(
            comparison.models,
            comparison.common,
            "Share of the samples whose class most of their neighbours carry, and the classes that a class "
            "is mixed with out of sample. Choose a row to see the class on the maps.",
        ),
        *error_blocks(comparison),
        overlap_table(comparison),
        ensemble_figures(comparison),
        contribution_table(comparison),
        _pair_table(comparison),
        _matrix_block(comparison),
        WordsBlock("What to do", tuple(advice(comparison)), numbered=True),
    )


def _ranking_table(comparison: ModelComparison) -> TableBlock:
    given = any(model.predictions is not None for model in comparison.models)
    own = ("Own classifier",) if given else ()
    about_own = " Own classifier: the predictions that were given with the audit." if given else ""
    return TableBlock(
        title="Which model separates the classes best",
        columns=("Model", "Neighbours", "Points to the first", "Probe", "Points to the first", "Silhouette",
                 "Mixed classes", *own),
        numeric=(False, *(True,) * (6 + len(own))),
        rows=tuple(
            Row((*_ranking_cells(comparison, ranked, place), *_own_cell(comparison, ranked.model, given)))
            for place, ranked in enumerate(comparison.ranking.models)
        ),
        note="Neighbours: share of the samples whose class most of their 10 nearest carry. Probe: share that "
        "linear probes and neighbours together get right. Both leave a sample's copies and group out. In "
        "brackets the 95 % interval of the paired difference. Silhouettes of different spaces compare only "
        f"roughly.{about_own}",
    )  # fmt: skip


def _ranking_cells(comparison: ModelComparison, ranked: RankedModel, place: int) -> tuple[Cell, ...]:
    model = comparison.models[ranked.model]
    found, near, probe = model.separation, ranked.knn_difference, ranked.probe_difference
    told: Tone = "worse" if near.is_below else "plain"
    mixed = sum(c.verdict == "mixed" for c in found.classes)
    return (
        Cell(model.name),
        Cell(b.share(found.knn_accuracy), found.knn_accuracy),
        Cell(b.points(near) if place else "first", near.estimate, told),
        Cell(b.share(found.probe_accuracy), found.probe_accuracy),
        Cell(b.points(probe) if place else "", probe.estimate),
        Cell(b.hundredths(found.silhouette), found.silhouette),
        Cell(number(mixed), mixed),
    )


def _own_cell(comparison: ModelComparison, m: int, shown: bool) -> tuple[Cell, ...]:
    model = comparison.models[m]
    if not shown:
        return ()
    if model.predictions is None:
        return (Cell("none given"),)
    accuracy = float(comparison.common.right(model.guesses).mean())
    return (Cell(b.share(accuracy), accuracy),)


def _pair_table(comparison: ModelComparison) -> TableBlock:
    index = {name: code for code, name in enumerate(comparison.common.dataset.classes)}
    bar = comparison.thresholds.mixed_share
    rows = []
    for pair in pair_parts(comparison.models)[:LISTED_PAIRS]:
        scores = [part["score"] for part in pair["models"]]
        mixed = [isolate(part["model"]) for part in pair["models"] if part["score"] >= bar]
        who = "all models" if len(mixed) == len(scores) else ", ".join(mixed) or "none"
        cells = tuple(Cell(b.share(score), score) for score in scores)
        name = Cell(b.joined([pair["a"], pair["b"]]))
        rows.append(Row((name, *cells, Cell(who)), (index[pair["a"]], index[pair["b"]])))
    return TableBlock(
        title="Pairs of classes",
        columns=("Pair", *comparison.names, "Mixed under"),
        numeric=(False, *(True for _ in comparison.names), False),
        rows=tuple(rows),
        note="Mean share of the two classes that is taken for the other out of sample; from "
        f"{b.share(bar)} the two are called mixed. A pair that all models mix is a matter of the data, one "
        "that a single model mixes is a matter of that model.",
        empty="No model confuses any two classes.",
    )


def _matrix_block(comparison: ModelComparison) -> MatrixBlock:
    given = [model.predictions is not None for model in comparison.models]
    notes = ["of the predictions that were given" if g else "of the probe, out of sample" for g in given]
    counts = [confusion_of(comparison, m) for m in range(len(given))]
    made, left = b.matrices(counts, comparison.names, notes, comparison.common)
    return MatrixBlock("Who is taken for whom", made, left)


def advice(comparison: ModelComparison) -> list[str]:
    """Return what to do next, the most useful first."""
    said = []
    tagged = len(suspects(comparison))
    if tagged:
        weak = weak_evidence(comparison)
        said.append(
            f"Add an audit with a stronger backbone before you check labels: {weak}."
            if weak
            else f"Check the {plural(tagged, 'label', 'labels')} under “Tagging errors” and run the audits "
            "again: until then every model is blamed for them."
        )
    bar = comparison.thresholds.mixed_share
    pairs = [p for p in pair_parts(comparison.models) if min(m["score"] for m in p["models"]) >= bar]
    if pairs:
        named = "; ".join(f"{isolate(p['a'])} and {isolate(p['b'])}" for p in pairs[:MOST_PAIRS_NAMED])
        left = len(pairs) - MOST_PAIRS_NAMED
        more = f" and {plural(left, 'more pair', 'more pairs')}" if left > 0 else ""
        said.append(f"No model tells these apart: {named}{more}. Look at their pictures and labels first.")
    useless = [c.model for c in comparison.ensemble.contributions if c.left_at]
    said += [f"Leave {isolate(comparison.names[m])} out: the others do as well without it." for m in useless]
    said += averaging_advice(comparison)
    return said or ["Nothing: the models tell the classes apart equally well."]


def _notes(comparison: ModelComparison) -> list[str]:
    notes = b.left_out_notes(comparison.common, comparison.names) + b.few_groups_notes(comparison.ranking)
    if not all(errors.is_independent for errors in comparison.errors):
        named = [n for n, e in zip(comparison.names, comparison.errors, strict=True) if not e.is_independent]
        notes.append(
            f"For {b.joined(named)} no independent model is there to ask: the others are layers of the same "
            "network or err where it errs. Tagging errors and limits found so are weaker evidence; add an "
            "audit with another backbone."
        )
    if any(model.predictions is not None for model in comparison.models):
        notes.append(
            "Whether a classifier was trained on these samples is not known here. If it was, it has learned "
            "wrong labels by heart too: its accuracy is too high and its errors are too few."
        )
    if any(audit.thresholds != comparison.thresholds for audit in comparison.audits):
        notes.append("The audits have different thresholds: all models were judged by the default ones.")
    return notes
