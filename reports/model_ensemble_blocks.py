"""The blocks about several models together: overlap of errors, gain of the ensemble, what each model adds.

ModelComparison --> overlap_table, ensemble_figures, contribution_table
"""

from __future__ import annotations

from dataclasses import replace

from auditor.comparisons.ensembles import ADDS, ADDS_NOTHING, CANNOT_TELL, Contribution
from auditor.comparisons.models import ModelComparison
from auditor.comparisons.paired import PairedDifference
from reports import model_blocks as b
from reports.comparison_view import Cell, Figure, FigureBlock, Row, TableBlock, Tone
from reports.wording import isolate, number, plural


def overlap_table(comparison: ModelComparison) -> TableBlock:
    """Return whose errors are the same, held against independent errors."""
    rows = tuple(
        Row(
            (
                Cell(b.joined([comparison.names[o.a], comparison.names[o.b]])),
                Cell(number(o.both), o.both),
                Cell(f"{o.expected_both:.1f}", o.expected_both),
                Cell(number(o.only_a), o.only_a),
                Cell(number(o.only_b), o.only_b),
                Cell(f"{o.jaccard:.2f}", o.jaccard),
                Cell(f"{o.expected_jaccard:.2f}", o.expected_jaccard),
                Cell(f"{o.kappa:.2f}", o.kappa),
            )
        )
        for o in comparison.overlaps
    )
    everyone = comparison.missed[-1]
    return TableBlock(
        title="Whose errors are the same",
        columns=("Models", "Both wrong", "Expected by chance", "Only the first", "Only the second", "Jaccard",
                 "Expected Jaccard", "Agreement (kappa)"),
        numeric=(False, *(True,) * 7),
        rows=rows,
        note=f"{plural(everyone, 'sample is', 'samples are')} misclassified by all models. Expected: if the "
        "errors of the two were independent. Wrong labels make all models err alike, so some agreement is no "
        "sign that two models are the same.",
    )  # fmt: skip


def ensemble_figures(comparison: ModelComparison) -> FigureBlock:
    """Return what averaging all models gains over the best one."""
    together, best = comparison.ensemble, comparison.models[comparison.ensemble.best]
    codes, once = comparison.common.codes, comparison.common.once
    single = float(comparison.common.right(best.probe_guesses).mean())
    loss = float(best.log_losses(codes)[once].mean())
    right = [b.share(single), b.share(together.accuracy)]
    losses = [f"{loss:.3f}", f"{together.log_loss:.3f}"]
    columns = [best.name, f"{averaged_names(comparison) or 'all models'} averaged"]
    if any(c.left_at for c in together.contributions):
        right.append(b.share(together.kept_accuracy))
        losses.append(f"{together.kept_log_loss:.3f}")
        columns.append("without those that add nothing")
    accuracy, log_loss = together.accuracy_gain, together.log_loss_gain
    change = f"{b.points(accuracy)} points, {averaged_names(comparison) or 'all models'}"
    return FigureBlock(
        title="What averaging gains",
        columns=tuple(columns),
        figures=(
            Figure("Right out of sample", tuple(right), change, _tone(accuracy)),
            Figure("Log loss, low is good", tuple(losses), b.nats(_turned(log_loss)), _tone(log_loss)),
        ),
        note="The mean of the probes' out-of-sample probabilities against the single model with the lowest "
        "log loss. In brackets the 95 % interval of the paired difference.",
    )


def _turned(gain: PairedDifference) -> PairedDifference:
    """A gain in log loss as the change that a reader sees: down is good."""
    low, high = gain.interval
    return replace(gain, estimate=-gain.estimate, interval=(-high, -low))


def _tone(gain: PairedDifference) -> Tone:
    return "better" if gain.is_above else "worse" if gain.is_below else "even"


def contribution_table(comparison: ModelComparison) -> TableBlock:
    """Return what each model adds to the others."""
    rows = []
    for c in comparison.ensemble.contributions:
        words, tone = _contribution_words(comparison, c)
        right, saved = c.accuracy, c.log_loss
        place = (
            f"left as number {c.left_at}" if c.left_at else "stays" if c.same_as is None else "not averaged"
        )
        cells = (
            Cell(comparison.names[c.model]),
            Cell(words, None, tone),
            Cell("", None) if right is None else Cell(b.points(right), right.estimate, _tone(right)),
            Cell("", None) if saved is None else Cell(b.nats(_turned(saved)), -saved.estimate, _tone(saved)),
            Cell(place, c.left_at),
        )
        rows.append(Row(cells))
    return TableBlock(
        title="What each model adds to the others",
        columns=("Model", "Verdict", "Accuracy, points", "Log loss, low is good", "In the ensemble"),
        numeric=(False, False, True, True, True),
        rows=tuple(rows),
        note="The ensemble with the model less the ensemble without it: more accuracy and less log loss are "
        "better. A model adds nothing when it clearly betters neither and when losing more than 1 point "
        "without it is ruled out. Such models leave one by one, the least useful first, each held against "
        "the best ensemble so far.",
    )


def _contribution_words(comparison: ModelComparison, found: Contribution) -> tuple[str, Tone]:
    """Return the verdict in words and in colour."""
    if found.same_as is None:
        tones: dict[str, Tone] = {ADDS: "better", ADDS_NOTHING: "even", CANNOT_TELL: "even"}
        return found.verdict, tones.get(found.verdict, "plain")
    same = f"same vectors as {isolate(comparison.names[found.same_as])}"
    if comparison.models[found.model].predictions is not None:
        same += ": its predictions are not part of the average"
    return same, "plain"


def averaged_names(comparison: ModelComparison) -> str:
    """Return what is averaged, "" where there is only one set of vectors."""
    own = sum(c.same_as is None for c in comparison.ensemble.contributions)
    if own < 2:
        return ""
    return "all models" if own == len(comparison.names) else f"the {own} models with vectors of their own"


def averaging_advice(comparison: ModelComparison) -> list[str]:
    """Return whether to average the models."""
    right, loss = comparison.ensemble.accuracy_gain, comparison.ensemble.log_loss_gain
    best = isolate(comparison.names[comparison.ensemble.best])
    if not averaged_names(comparison):
        return []
    if right.is_above:
        return ["Averaging the models is worth its cost: its gain is beyond chance."]
    if right.is_below:
        return [f"Do not average all models: {best} alone gets more right, beyond chance."]
    if loss.is_above:
        return [
            "Average the models where probabilities matter: they fit the labels better, though whether more "
            "samples are right cannot be told."
        ]
    if loss.is_below:
        return [f"Do not average all models where probabilities matter: those of {best} alone fit better."]
    return ["Whether averaging helps cannot be told."]
