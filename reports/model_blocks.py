"""What the pages of several models and of several layers share: maps, tables, matrices, words for figures.

JudgedModel, CommonSamples --> ShownSample (p,), MapPanel, Matrix, Row
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.models import AlignedMap, Ranking
from auditor.comparisons.paired import LEAST_GROUPS, PairedDifference
from auditor.results import Audit, ClassSeparation
from reports.comparison_view import Cell, MapPanel, Matrix, Row, ShownSample, TableBlock
from reports.wording import isolate, number, plural

MATRIX_CLASSES = 20
"""Classes in a confusion matrix; of more, those that are confused most."""
NAMED_CLASSES = 6
"""Class names listed in a cell."""


def share(value: float) -> str:
    """Return a share in [0, 1] as a percentage with one decimal: two models often differ by less than one."""
    return f"{100 * value:.1f} %"


def points(difference: PairedDifference, signed: bool = True) -> str:
    """Return a difference of shares in percentage points with its interval: "+2.9 (2.1 to 3.8)"."""
    low, high = map(shown_points, difference.interval)
    estimate = shown_points(difference.estimate)
    plus = "+" if signed and estimate != "0.0" and difference.estimate > 0 else ""
    return f"{plus}{estimate} ({low} to {high})"


def shown_points(value: float) -> str:
    """Return a share in percentage points with one decimal, never "-0.0"."""
    shown = f"{100 * value:.1f}"
    return "0.0" if shown == "-0.0" else shown


def nats(difference: PairedDifference) -> str:
    """Return a difference of log losses in nats with its interval: "+0.012 (0.003 to 0.022)"."""
    low, high = (_thousandths(bound) for bound in difference.interval)
    estimate = _thousandths(difference.estimate)
    plus = "+" if estimate != "0.000" and difference.estimate > 0 else ""
    return f"{plus}{estimate} ({low} to {high})"


def _thousandths(value: float) -> str:
    return f"{value:.3f}".replace("-0.000", "0.000")


def hundredths(value: float) -> str:
    """Return a figure with two decimals, never "-0.00"."""
    return f"{value:.2f}".replace("-0.00", "0.00")


def joined(names: Sequence[str]) -> str:
    """Return names as they stand in a sentence: "a, b and c"."""
    shown = [isolate(name) for name in names]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def picture_audit(audits: Sequence[Audit]) -> int:
    """Return the position of the audit that has the pictures: the first that read them."""
    return next((n for n, audit in enumerate(audits) if audit.dataset.has_images), 0)


def shown_samples(common: CommonSamples, audits: Sequence[Audit]) -> tuple[ShownSample, ...]:
    """Return every common sample, in the order of its row."""
    audit = picture_audit(audits)
    return tuple(
        ShownSample(str(i), label, audit) for i, label in zip(common.ids, common.codes.tolist(), strict=True)
    )


def map_panel(model: JudgedModel, laid: AlignedMap, common: CommonSamples, reference: str) -> MapPanel:
    """Return one model's map, its misclassified samples marked."""
    rows = np.arange(len(common.ids), dtype=np.int32)
    same = model.name == reference
    likeness = (
        "the others are laid over this map" if same else f"likeness to the reference {laid.likeness:.2f}"
    )
    trust = "" if np.isnan(laid.trustworthiness) else f", trustworthiness {laid.trustworthiness:.2f}"
    return MapPanel(
        title=model.name,
        caption=f"{share(model.separation.knn_accuracy)} by neighbours{trust}; {likeness}",
        samples=rows,
        positions=laid.positions,
        codes=common.codes,
        marked=model.guesses != common.codes,
        marked_as="misclassified",
    )


def verdict_cell(found: ClassSeparation) -> Cell:
    """Return how one class stands under one model; it sorts by the accuracy of the neighbours."""
    if not found.samples:
        return Cell("no samples", None)
    words = found.verdict
    if found.mixed_with:
        named = ", ".join(isolate(name) for name in found.mixed_with[:NAMED_CLASSES])
        left = len(found.mixed_with) - NAMED_CLASSES
        words = f"mixed with {named}" + (f" and {left} more" if left > 0 else "")
    return Cell(f"{share(found.knn_accuracy)}, {words}", found.knn_accuracy)


def class_table(models: Sequence[JudgedModel], common: CommonSamples, note: str) -> TableBlock:
    """Return per class and model: separated, or mixed with which; the least separated classes first."""
    rows = []
    for code, name in enumerate(common.dataset.classes):
        found = [model.separation.classes[code] for model in models]
        samples = found[0].samples
        if samples:
            cells = (Cell(name), Cell(number(samples), samples), *map(verdict_cell, found))
            rows.append((min(f.knn_accuracy for f in found), Row(cells, (code,))))
    rows.sort(key=lambda pair: pair[0])
    return TableBlock(
        title="Each class",
        columns=("Class", "Samples", *(model.name for model in models)),
        numeric=(False, True, *(True for _ in models)),
        rows=tuple(row for _, row in rows),
        note=note,
    )


def matrices(
    counts: Sequence[NDArray[np.int64]], titles: Sequence[str], notes: Sequence[str], common: CommonSamples
) -> tuple[tuple[Matrix, ...], str]:
    """Return confusion matrices of the classes that are confused most, and what they leave out."""
    total = np.sum(counts, axis=0)
    off = total.sum(axis=0) + total.sum(axis=1) - 2 * np.diag(total)
    present = np.flatnonzero(total.sum(axis=1) + total.sum(axis=0) > 0)
    worst = present[np.argsort(-off[present], kind="stable")[:MATRIX_CLASSES]]
    shown = np.sort(worst)
    names = tuple(common.dataset.classes[code] for code in shown)
    made = tuple(
        Matrix(title, names, matrix[np.ix_(shown, shown)], note)
        for title, matrix, note in zip(titles, counts, notes, strict=True)
    )
    left = len(present) - len(shown)
    said = (
        f"The {len(shown)} classes that are confused most; {left} more are in comparison.json."
        if left
        else ""
    )
    return made, said


def footer(
    audits: Sequence[Audit], names: Sequence[str], seed: int, command: str
) -> tuple[tuple[str, str], ...]:
    """Return where the figures come from."""
    lines = [("auditor", audits[0].provenance.auditor_version)]
    for name, audit in zip(names, audits, strict=True):
        backbone = audit.embeddings.backbone
        about = [f"{backbone.name} {backbone.layer}".strip(), f"{backbone.dimensions} dimensions"]
        about += [backbone.precision] * bool(backbone.precision)
        about += [f"weights {backbone.weights_sha256[:12]}"] * bool(backbone.weights_sha256)
        lines.append((name, ", ".join([*about, f"report {audit.provenance.report_id}"])))
    lines += [("Seed", str(seed)), ("Dataset fingerprint", audits[0].provenance.fingerprint)]
    lines += [("Command", command)] if command else []
    return tuple(lines)


def few_groups_notes(ranking: Ranking) -> list[str]:
    """Say where there are too few independent groups to name a winner."""
    groups = ranking.lead_knn.groups
    if groups >= LEAST_GROUPS:
        return []
    return [
        f"The samples come from only {plural(groups, 'independent group', 'independent groups')}: from fewer "
        f"than {LEAST_GROUPS} no difference is called clear, because other groups may differ as much."
    ]


def left_out_notes(common: CommonSamples, names: Sequence[str]) -> list[str]:
    """Say which samples were left out, and that copies count once."""
    notes = []
    for name, left in zip(names, common.left_out, strict=True):
        if left.samples:
            why = [
                (left.missing, "not in every audit"),
                (left.other_label, "with another label elsewhere"),
                (left.other_picture, "with another picture elsewhere"),
            ]
            told = ", ".join(f"{number(n)} {words}" for n, words in why if n)
            notes.append(f"{plural(left.samples, 'sample', 'samples')} of {isolate(name)} left out: {told}.")
    copies = len(common.ids) - len(common.once)
    if copies:
        notes.append(f"{plural(copies, 'copy counts', 'copies count')} with the first of their kind, once.")
    return notes
