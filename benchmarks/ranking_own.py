"""What the audit makes of one case, held against the right labels.

Case --judge_vectors--> Judged --hold--> Own(AP, precision, recall in groups, suggestions, counts)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from label_noise import average_precision, precision_at_errors
from pipeline import Judged, judge_vectors
from ranking_cases import Case

from auditor.arrays import Bools
from auditor.audit import count_label_errors
from auditor.features import from_features
from auditor.review_plan import plan_review


@dataclass(frozen=True)
class Own:
    """Figures of one case, or their means over seeds; NaN where there is nothing to measure.

    ap, precision : of `label_quality`; precision among as many samples as there are wrong labels.
    in_groups, alone : share of the wrong labels within that budget, of those in groups and of the others.
    suggested : of the wrong labels within the budget, the share whose suggestion is the right label.
    accuracy : share of all samples for which the probabilities' first class is the right label.
    wrong, upper, flagged, hits, planned : wrong labels, the upper indication of their number, samples flagged
        as mislabeled, those of them that are wrong, and the number that the review plan expects among them.
    """

    ap: float
    precision: float
    in_groups: float
    alone: float
    suggested: float
    accuracy: float
    wrong: float
    upper: float
    flagged: float
    hits: float
    planned: float


def judge_case(case: Case, seed: int) -> Own:
    """Run the audit's stages on a case and measure them."""
    dataset = case.dataset()
    return hold(case, judge_vectors(dataset, *from_features(dataset, case.vectors), seed))


def hold(case: Case, judged: Judged) -> Own:
    """Hold an audit of a case against its right labels."""
    wrong, quality = case.wrong, judged.scores.label_quality
    present = np.unique(case.given)
    budget = np.zeros(len(wrong), dtype=np.bool_)
    budget[np.argsort(quality, kind="stable")[: int(wrong.sum())]] = True
    flagged, grouped = judged.flagged("mislabeled"), case.group >= 0
    plan = plan_review(judged.findings, judged.inputs)
    return Own(
        ap=average_precision(wrong, quality),
        precision=precision_at_errors(wrong, quality),
        in_groups=share(budget, wrong & grouped),
        alone=share(budget, wrong & ~grouped),
        suggested=share(present[judged.scores.suggested] == case.right, wrong & budget),
        accuracy=float((present[judged.probabilities.values.argmax(axis=1)] == case.right).mean()),
        wrong=float(wrong.sum()),
        upper=float(count_label_errors(judged.findings, judged.scores).upper_indication),
        flagged=float(flagged.sum()),
        hits=float((flagged & wrong).sum()),
        planned=plan[-1][1] if plan else 0.0,
    )


def share(flags: Bools, among: Bools) -> float:
    """Share of the rows `among` that are flagged."""
    return float(flags[among].mean()) if among.any() else math.nan


def mean_of(runs: list[Own]) -> Own:
    """Mean of every figure over seeds."""
    names = [field.name for field in fields(Own)]
    return Own(**{name: float(np.mean([getattr(run, name) for run in runs])) for name in names})
