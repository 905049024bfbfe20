"""The view of one backbone at several depths: how the classes come apart from layer to layer.

layers_view(LayerComparison) --> ComparisonView
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.layer_pairs import COMES_APART, NEVER_APART, TOGETHER_AGAIN, UNCLEAR, LayerPair
from auditor.comparisons.layers import LayerComparison
from auditor.comparisons.paired import PairedDifference
from reports import model_blocks as b
from reports.comparison_view import (
    Block,
    Cell,
    ComparisonView,
    Curve,
    CurveBlock,
    MatrixBlock,
    Row,
    TableBlock,
    Tone,
    WordsBlock,
)
from reports.wording import isolate, plural

CURVES = 12
"""Classes drawn as curves; of more, those whose neighbours are least of their class at the last layer."""
LISTED_PAIRS = 200
NAMED_PAIRS = 3
STORIES: dict[str, tuple[str, Tone]] = {
    COMES_APART: ("comes apart", "better"),
    TOGETHER_AGAIN: ("together again", "worse"),
    NEVER_APART: ("never apart", "even"),
    UNCLEAR: ("no clear change", "plain"),
}
"""What happens to a pair, in words and in colour."""


def layers_view(comparison: LayerComparison, command: str = "") -> ComparisonView:
    """Return what the page of several layers says."""
    common, layers, models = comparison.common, comparison.layers, comparison.models
    present = sum(c.samples > 0 for c in models[0].separation.classes)
    return ComparisonView(
        kind="layers",
        name=common.dataset.name,
        facts=(
            plural(len(common.ids), "sample", "samples"),
            plural(present, "class", "classes"),
            f"{plural(len(layers), 'layer', 'layers')} of {comparison.audits[-1].embeddings.backbone.name}",
        ),
        headline=headline(comparison),
        tone=_tone(comparison.rise_knn),
        lines=tuple(lines(comparison)),
        class_names=common.dataset.classes,
        samples=b.shown_samples(common, comparison.audits),
        maps=tuple(
            b.map_panel(model, laid, common, layers[-1])
            for model, laid in zip(models, comparison.maps, strict=True)
        ),
        map_note="Each layer's own map, turned, mirrored and resized to lie over that of the last layer; "
        "misclassified samples are diamonds.",
        blocks=_blocks(comparison),
        notes=(*b.left_out_notes(common, layers), *b.few_groups_notes(comparison.ranking)),
        footer=b.footer(comparison.audits, layers, comparison.seed, command),
        has_images=any(audit.dataset.has_images for audit in comparison.audits),
    )


def _tone(rise: PairedDifference) -> Tone:
    return "better" if rise.is_above else "worse" if rise.is_below else "even"


def headline(comparison: LayerComparison) -> str:
    """Return the first sentence: how far the classes come apart between the first and the last layer."""
    first, last = (isolate(comparison.layers[m]) for m in (0, -1))
    before, after = (b.share(comparison.models[m].separation.knn_accuracy) for m in (0, -1))
    change = f"{b.points(comparison.rise_knn)} points"
    if not comparison.rise_knn.is_clear:
        return (
            f"From {first} to {last} the classes do not clearly come apart: {before} of the samples lie "
            f"among their own class at first, {after} at last, {change}."
        )
    verb = "come apart" if comparison.rise_knn.estimate > 0 else "draw together"
    return (
        f"From {first} to {last} the classes {verb}: {before} of the samples lie among their own class at "
        f"first, {after} at last, {change}."
    )


def lines(comparison: LayerComparison) -> list[str]:
    """Return what else stands in the header: the best layer, and the pairs that draw together again."""
    ranking, layers = comparison.ranking, comparison.layers
    first, second = isolate(layers[ranking.best]), isolate(layers[ranking.models[1].model])
    lead = b.points(ranking.lead_knn, signed=False)
    if ranking.is_clear:
        said = [f"{first} separates the classes best, {lead} points before {second}."]
    elif lead.startswith("0.0 "):
        said = [f"{first} and {second} separate the classes equally well ({lead} points)."]
    else:
        said = [f"Whether {first} or {second} separates the classes better cannot be told ({lead} points)."]
    lost = [pair for pair in comparison.pairs if pair.story == TOGETHER_AGAIN]
    if lost:
        named = "; ".join(_pair_name(pair) for pair in lost[:NAMED_PAIRS])
        left = len(lost) - NAMED_PAIRS
        more = f" and {plural(left, 'more pair', 'more pairs')}" if left > 0 else ""
        said.append(f"Apart earlier and mixed again at the last layer: {named}{more}.")
    return said


def _pair_name(pair: LayerPair) -> str:
    return f"{isolate(pair.a)} and {isolate(pair.b)}"


def _blocks(comparison: LayerComparison) -> tuple[Block, ...]:
    return (
        CurveBlock(
            "How the classes come apart",
            comparison.layers,
            (
                Curve("neighbours", tuple(m.separation.knn_accuracy for m in comparison.models)),
                Curve("probe", tuple(m.separation.probe_accuracy for m in comparison.models)),
            ),
            note="Share of the samples whose class most of their 10 nearest neighbours carry, and share that "
            "the probe gets right; both leave a sample's copies and group out.",
        ),
        _class_curves(comparison),
        _layer_table(comparison),
        _pair_table(comparison),
        b.class_table(
            comparison.models,
            comparison.common,
            "Share of the samples whose class most of their neighbours carry, and the classes that a class "
            "is mixed with out of sample. Choose a row to see the class on the maps.",
        ),
        _matrix_block(comparison),
        WordsBlock("What to do", tuple(advice(comparison)), numbered=True),
    )


def _class_curves(comparison: LayerComparison) -> CurveBlock:
    present = [code for code, c in enumerate(comparison.models[0].separation.classes) if c.samples]
    last = comparison.models[-1].separation.classes
    worst = sorted(present, key=lambda code: (last[code].knn_accuracy, code))[:CURVES]
    left = len(present) - len(worst)
    return CurveBlock(
        "Each class from layer to layer",
        comparison.layers,
        tuple(Curve(last[code].name, _class_path(comparison.models, code)) for code in worst),
        note="Share of a class's samples whose neighbours are mostly of that class."
        + (f" The {len(worst)} least separated ones; the table has all." if left else ""),
    )


def _class_path(models: Sequence[JudgedModel], code: int) -> tuple[float | None, ...]:
    return tuple(float(model.separation.classes[code].knn_accuracy) for model in models)


def _layer_table(comparison: LayerComparison) -> TableBlock:
    differences = {ranked.model: ranked for ranked in comparison.ranking.models}
    rows = []
    for m, layer in enumerate(comparison.layers):
        found, ranked = comparison.models[m].separation, differences[m]
        best = m == comparison.ranking.best
        mixed = sum(c.verdict == "mixed" for c in found.classes)
        told: Tone = "worse" if ranked.knn_difference.is_below else "plain"
        cells = (
            Cell(layer),
            Cell(b.share(found.knn_accuracy), found.knn_accuracy),
            Cell("best" if best else b.points(ranked.knn_difference), ranked.knn_difference.estimate, told),
            Cell(b.share(found.probe_accuracy), found.probe_accuracy),
            Cell(b.hundredths(found.silhouette), found.silhouette),
            Cell(str(mixed), mixed),
            Cell(str(comparison.models[m].backbone.dimensions), comparison.models[m].backbone.dimensions),
        )
        rows.append(Row(cells))
    return TableBlock(
        title="Which layer separates best",
        columns=("Layer", "Neighbours", "Points to the best", "Probe", "Silhouette", "Mixed classes",
                 "Dimensions"),
        numeric=(False, *(True,) * 6),
        rows=tuple(rows),
        note="In brackets the 95 % interval of the paired difference. Silhouettes of different spaces "
        "compare only roughly.",
    )  # fmt: skip


def _pair_table(comparison: LayerComparison) -> TableBlock:
    index = {name: code for code, name in enumerate(comparison.common.dataset.classes)}
    rows = []
    for pair in comparison.pairs[:LISTED_PAIRS]:
        words, tone = STORIES[pair.story]
        against = isolate(comparison.layers[pair.against])
        since = "" if pair.change is None else f"{b.points(pair.change)} points since {against}"
        cells = (
            Cell(_pair_name(pair)),
            *(Cell(b.share(score), score) for score in pair.scores),
            Cell(words, None, tone),
            Cell(since),
        )
        rows.append(Row(cells, (index[pair.a], index[pair.b])))
    bar = b.share(comparison.thresholds.mixed_share)
    left = len(comparison.pairs) - len(rows)
    return TableBlock(
        title="Pairs of classes from layer to layer",
        columns=("Pair", *comparison.layers, "From layer to layer", "Confused at the last layer"),
        numeric=(False, *(True for _ in comparison.layers), False, False),
        rows=tuple(rows),
        note=f"Mean share of the two classes that is taken for the other out of sample; from {bar} the two "
        "are called mixed. Together again: mixed at the last layer and apart before; comes apart: the other "
        "way round. Both must hold beyond chance among all pairs: half of the independent groups choose the "
        "layer that the last one is held against, the other half test it. Never apart: mixed at every layer."
        + (f" {plural(left, 'more pair is', 'more pairs are')} in comparison.json." if left else ""),
        empty="No layer mixes any two classes.",
    )


def _matrix_block(comparison: LayerComparison) -> MatrixBlock:
    chosen = (0, len(comparison.models) - 1)
    counts = [np.asarray(comparison.models[m].separation.confusion) for m in chosen]
    names = [comparison.layers[m] for m in chosen]
    made, left = b.matrices(counts, names, ["of the probe, out of sample"] * 2, comparison.common)
    return MatrixBlock("Who is taken for whom, at the first and the last layer", made, left)


def advice(comparison: LayerComparison) -> list[str]:
    """Return what to do next, the most useful first."""
    said = _which_layer(comparison)
    stories = {story: [p for p in comparison.pairs if p.story == story] for story in STORIES}
    if lost := stories[TOGETHER_AGAIN]:
        pair = lost[0]
        layer = isolate(comparison.layers[pair.against])
        said.append(
            f"{_pair_name(pair)} are told apart at {layer} and mixed at the end: what tells them apart is in "
            "the pictures. Join that layer to the last one with +, or train the last layers."
        )
    if never := stories[NEVER_APART]:
        named = "; ".join(_pair_name(pair) for pair in never[:NAMED_PAIRS])
        said.append(f"No layer tells these apart: {named}. Look at their pictures and labels first.")
    return said


def _which_layer(comparison: LayerComparison) -> list[str]:
    """Name the layer to take: the best one, or a smaller one that cannot be told from it."""
    best = comparison.ranking.best
    sizes = [model.backbone.dimensions for model in comparison.models]
    as_good = [r.model for r in comparison.ranking.models if not r.knn_difference.is_below]
    small = min(as_good, key=lambda m: (sizes[m], m))
    name, smaller = isolate(comparison.layers[best]), isolate(comparison.layers[small])
    said = f"Take the vectors after {name}: auditor run DATA --layer {name}."
    if small != best:
        said += f" {smaller} cannot be told from it and has {sizes[small]} numbers in place of {sizes[best]}."
    return [said]
