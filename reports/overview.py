"""Classes, confusion matrix and review plan as the page shows them: worst first, rounded, ready to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import as_ids
from auditor.results import Audit, ClassSeparation
from reports import wording

CONFUSION_CLASSES = 20
MIXED_NAMED = 3
PLAN_WIDTH, PLAN_HEIGHT = 320, 120


@dataclass(frozen=True)
class ClassView:
    """One row of the class table; `typical` holds sample numbers."""

    code: int
    name: str
    description: str
    samples: int
    flagged: int
    knn_accuracy: str
    verdict: str
    mixed_with: tuple[str, ...]
    mixed_more: int
    typical: tuple[int, ...]


@dataclass(frozen=True)
class ConfusionView:
    """Rows are given labels, columns the most probable class; a cell is (count, share of its row)."""

    names: tuple[str, ...]
    cells: tuple[tuple[tuple[int, float], ...], ...]
    total_classes: int


@dataclass(frozen=True)
class PlanView:
    """The review plan as a curve in a box of `PLAN_WIDTH` x `PLAN_HEIGHT`; empty without a plan."""

    curve: str
    diagonal: str
    reviewed: int
    expected: int
    sentence: str
    rest: str
    rows: tuple[tuple[str, str], ...]


def class_views(audit: Audit, typical: Sequence[tuple[int, ...]]) -> tuple[ClassView, ...]:
    """Return the classes, mixed ones first and among them the least accurate first."""
    named = as_ids([i for finding in audit.findings for i in finding.ids])
    flagged = Counter(audit.dataset.column_of("label", named))
    code_of = {name: code for code, name in enumerate(audit.dataset.classes)}
    order = {"mixed": 0, "separated": 1, "not judged": 2}

    def key(known: ClassSeparation) -> tuple[int, float, int]:
        return (order.get(known.verdict, 3), known.knn_accuracy, code_of[known.name])

    return tuple(
        ClassView(
            code=code_of[known.name],
            name=known.name,
            description=audit.dataset.descriptions.get(known.name, ""),
            samples=known.samples,
            flagged=flagged[known.name],
            knn_accuracy="–" if known.verdict == "not judged" else wording.percent(known.knn_accuracy),
            verdict=known.verdict,
            mixed_with=known.mixed_with[:MIXED_NAMED],
            mixed_more=max(0, len(known.mixed_with) - MIXED_NAMED),
            typical=typical[code_of[known.name]],
        )
        for known in sorted(audit.separation.classes, key=key)
    )


def confusion_view(confusion: NDArray[np.int64], names: Sequence[str]) -> ConfusionView:
    """Return the part of the confusion matrix with the classes that take part in most confusions."""
    wrong = confusion - np.diag(np.diag(confusion))
    share = wrong.sum(axis=1) / np.maximum(confusion.sum(axis=1), 1)
    share = share + wrong.sum(axis=0) / np.maximum(confusion.sum(axis=0), 1)
    worst = np.sort(np.argsort(-share, kind="stable")[:CONFUSION_CLASSES])
    part = confusion[np.ix_(worst, worst)]
    rows = np.maximum(confusion[worst].sum(axis=1), 1)
    return ConfusionView(
        tuple(names[i] for i in worst),
        tuple(
            tuple((int(n), round(float(n / size), 3)) for n in row)
            for row, size in zip(part, rows, strict=True)
        ),
        len(names),
    )


def plan_view(plan: Sequence[tuple[int, float]]) -> PlanView:
    """Return the review plan as a curve, with its first useful step in words."""
    if not plan or plan[-1][0] <= 0:
        return PlanView("", "", 0, 0, "", "", ())
    reviewed, expected = plan[-1][0], plan[-1][1]
    top = max(expected, 1e-9)
    points = [(0, 0.0), *plan] if plan[0][0] else list(plan)
    curve = " ".join(f"{PLAN_WIDTH * n / reviewed:.1f},{PLAN_HEIGHT * (1 - e / top):.1f}" for n, e in points)
    step = next((p for p in points if p[0] >= min(20, reviewed)), points[-1])
    flagged = f"The {wording.plural(reviewed, 'flagged label', 'flagged labels')}"
    some = f"The first {wording.plural(step[0], 'label', 'labels')}" if step[0] < reviewed else flagged
    sentence = f"{some} may hold up to {wording.plural(round(step[1]), 'error', 'errors')}"
    rest = (
        f"all {wording.number(reviewed)} up to {wording.number(round(expected))}"
        if step[0] < reviewed
        else ""
    )
    rows = tuple((wording.number(n), f"{e:.0f}") for n, e in points if n)
    return PlanView(curve, f"0,{PLAN_HEIGHT} {PLAN_WIDTH},0", reviewed, round(expected), sentence, rest, rows)
