"""The blocks about misclassified samples: counts by model and class, and the pictures.

error_blocks(ModelComparison) --> tables and galleries: tagging errors, limits of a model, undecided
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from auditor.comparisons.model_errors import MODEL_LIMITATION, TAGGING_ERROR, UNDECIDED, VERDICTS
from auditor.comparisons.models import ModelComparison
from auditor.comparisons.models_document import listed_errors
from reports.comparison_view import Block, Cell, GalleryBlock, Picture, PictureGroup, Row, TableBlock
from reports.model_blocks import share
from reports.wording import isolate, number, plural

SHOWN_TAGGING, SHOWN_EACH, SHOWN_UNDECIDED = 60, 12, 8
"""Pictures shown: of all tagging errors, and of each model's other errors."""
SOUND_EVIDENCE = 0.9
"""Accuracy of the judging models below which overlapping classes are easily taken for wrong labels."""
LEAST_SIBLINGS = 3
"""Tagging errors between two classes that get a heading of their own."""


def suspects(comparison: ModelComparison) -> dict[int, list[int]]:
    """Return the rows that are a tagging error of any model, the clearest first, with those models."""
    chances: dict[int, float] = {}
    models: dict[int, list[int]] = {}
    for m, errors in enumerate(comparison.errors):
        for k in listed_errors(errors, TAGGING_ERROR):
            row = int(errors.rows[k])
            models.setdefault(row, []).append(m)
            lead = float(errors.best_chance[k] - errors.own_chance[k])
            chances[row] = max(chances.get(row, -1.0), lead)
    order = sorted(models, key=lambda row: (-len(models[row]), -chances[row], row))
    return {row: models[row] for row in order}


def weak_evidence(comparison: ModelComparison) -> str:
    """Return why the tagging errors are only questions, "" where the judging models are mostly right."""
    judging = [e.evidence_accuracy for e in comparison.errors if sum(e.weights) > 0]
    if not judging or min(judging) >= SOUND_EVIDENCE:
        return ""
    return (
        f"models that judge them get only {share(min(judging))} right, and where classes overlap that much a "
        "right label can look wrong too"
    )


def error_blocks(comparison: ModelComparison) -> tuple[Block, ...]:
    """Return the tables and galleries in reading order."""
    return (
        _count_table(comparison),
        _tagging_gallery(comparison),
        _own_gallery(
            comparison,
            MODEL_LIMITATION,
            SHOWN_EACH,
            "Limits of a model",
            "The label fits, say the other models: this model alone is wrong.",
        ),
        _own_gallery(
            comparison,
            UNDECIDED,
            SHOWN_UNDECIDED,
            "Undecided",
            "The other models are split or unsure, or nobody independent is there to ask: look yourself.",
        ),
        _class_table(comparison),
    )


def _count_table(comparison: ModelComparison) -> TableBlock:
    rows = []
    for name, errors in zip(comparison.names, comparison.errors, strict=True):
        counts = [errors.count(verdict) for verdict in range(len(VERDICTS))]
        cells = tuple(Cell(number(n), n) for n in (len(errors.rows), *counts))
        weighed = [
            f"{isolate(other)} {weight:.2f}"
            for other, weight in zip(comparison.names, errors.weights, strict=True)
            if other != name
        ]
        ask = "yes" if errors.is_independent else "no"
        rows.append(Row((Cell(name), *cells, Cell(ask), Cell(", ".join(weighed)))))
    return TableBlock(
        title="Why samples are misclassified",
        columns=("Model", "Misclassified", "Tagging errors", "Limits of the model", "Undecided",
                 "Independent evidence", "What the others weigh"),
        numeric=(False, True, True, True, True, False, False),
        rows=tuple(rows),
        note="What the other models say about a sample decides, never the model itself: clearly against the "
        "label and for the class that this model says, and it is a tagging error; clearly for the label, and "
        "it is a limit of the model. A model that errs where this one errs weighs less, another layer of the "
        "same network at most 0.5, and one that gets little right next to nothing.",
    )  # fmt: skip


def _tagging_gallery(comparison: ModelComparison) -> GalleryBlock:
    found = suspects(comparison)
    shown = dict(list(found.items())[:SHOWN_TAGGING])
    left = len(found) - len(shown)
    return GalleryBlock(
        title="Tagging errors",
        groups=tuple(_tagging_groups(comparison, shown)),
        note=(_tagging_note(comparison) if found else "")
        + (f" {number(left)} more are in comparison.json." if left else ""),
        empty="No misclassified sample has the evidence against its label.",
    )


def _tagging_note(comparison: ModelComparison) -> str:
    weak = weak_evidence(comparison)
    if weak:
        return f"Questions rather than findings: {weak}."
    return "The label does not fit, says the model that is blamed and say those that do not depend on it."


def _tagging_groups(comparison: ModelComparison, shown: Mapping[int, list[int]]) -> Iterator[PictureGroup]:
    """Yield the pictures of each pair of classes that comes several times, then all others together."""
    classes, codes = comparison.common.dataset.classes, comparison.common.codes
    pairs: dict[tuple[int, int], list[Picture]] = {}
    for row, models in shown.items():
        errors = comparison.errors[models[0]]
        k = int(np.flatnonzero(errors.rows == row)[0])
        key = (int(codes[row]), int(errors.best[k]))
        pairs.setdefault(key, []).append(_suspect(comparison, row, k, models))
    rest: list[Picture] = []
    for (a, b), pictures in sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(pictures) < LEAST_SIBLINGS:
            rest += pictures
        else:
            title = f"Labelled {isolate(classes[a])}, looks like {isolate(classes[b])}"
            yield PictureGroup(title, tuple(pictures), classes=(a, b))
    if rest:
        yield PictureGroup("Other pairs of classes" if len(rest) < len(shown) else "By how clear they are",
                           tuple(rest))  # fmt: skip


def _suspect(comparison: ModelComparison, row: int, k: int, models: list[int]) -> Picture:
    errors, common = comparison.errors[models[0]], comparison.common
    classes, copy = common.dataset.classes, int(errors.copy_label[k])
    label, best = isolate(classes[common.codes[row]]), isolate(classes[errors.best[k]])
    said = f"{label}? The others say {best} at {errors.best_chance[k]:.2f}"
    if copy >= 0:
        said += f", and a copy is filed under {isolate(classes[copy])}"
    who = "all models" if len(models) == len(comparison.names) else ", ".join(
        isolate(comparison.names[m]) for m in models
    )  # fmt: skip
    return Picture(row, said, f"misclassified by {who}")


def _own_gallery(
    comparison: ModelComparison, verdict: int, shown: int, title: str, note: str
) -> GalleryBlock:
    groups = []
    for m, name in enumerate(comparison.names):
        found = listed_errors(comparison.errors[m], verdict)
        if len(found):
            pictures = tuple(_pictures(comparison, m, found[:shown].tolist()))
            left = len(found) - len(pictures)
            what = plural(len(found), "sample", "samples")
            groups.append(PictureGroup(f"{isolate(name)}: {what}", pictures, f"{number(left)} more are in "
                                       "comparison.json." if left else ""))  # fmt: skip
    return GalleryBlock(title=title, groups=tuple(groups), note=note, empty="There are none.")


def _pictures(comparison: ModelComparison, m: int, positions: list[int]) -> Iterator[Picture]:
    errors, common = comparison.errors[m], comparison.common
    classes = common.dataset.classes
    for k in positions:
        row = int(errors.rows[k])
        label, said = isolate(classes[common.codes[row]]), isolate(classes[errors.said[k]])
        best = isolate(classes[errors.best[k]])
        others = f"the others: {label} {errors.own_chance[k]:.2f}, {best} {errors.best_chance[k]:.2f}"
        asked = sum(errors.weights) > 0
        yield Picture(row, f"labelled {label}, it says {said}", others if asked else "nobody to ask")


def _class_table(comparison: ModelComparison) -> TableBlock:
    rows = []
    for code, name in enumerate(comparison.common.dataset.classes):
        counts = []
        for errors in comparison.errors:
            own = errors.verdicts[comparison.common.codes[errors.rows] == code]
            counts.append(np.bincount(own, minlength=len(VERDICTS)))
        total = int(sum(count.sum() for count in counts))
        if total:
            cells = tuple(Cell(_told(count), float(count.sum())) for count in counts)
            rows.append((total, Row((Cell(name), *cells), (code,))))
    rows.sort(key=lambda pair: -pair[0])
    return TableBlock(
        title="Misclassified samples of each class",
        columns=("Class", *comparison.names),
        numeric=(False, *(True for _ in comparison.names)),
        rows=tuple(row for _, row in rows),
        note="In brackets: tagging errors, limits of the model, undecided.",
        empty="No sample is misclassified.",
    )


def _told(count: np.ndarray) -> str:
    parts = ", ".join(str(int(count[v])) for v in (TAGGING_ERROR, MODEL_LIMITATION, UNDECIDED))
    return f"{number(int(count.sum()))} ({parts})" if count.sum() else "0"
