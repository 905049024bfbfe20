"""Misclassified samples divided into tagging errors and limits of the model.

    a sample that model M gets wrong
      what the OTHER models say out of sample, weighed --> own: probability of the given label
                                                           best: that of the best other class
                                                           near: share whose neighbours carry the label
      labels of its exact and near copies              --> another label on the same picture
    ==> "tagging error"     the evidence is against the label and for the class that M says
        "model limitation"  the evidence supports the label: M alone is wrong
        "undecided"         neither, or nobody independent of M to ask

What the others weigh: `auditor.comparisons.model_agreement`. Of copies with one label the first is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.model_agreement import agreement_matrix, same_network, skill_of, weigh_others
from auditor.comparisons.model_opinions import Judge
from auditor.results import Thresholds

VERDICTS: tuple[str, ...] = ("tagging error", "model limitation", "undecided")
TAGGING_ERROR, MODEL_LIMITATION, UNDECIDED = range(3)

LEAST_WEIGHT = 0.25
"""Weight that the others need together before they decide anything."""
MOST_AGREEMENT = 0.5
"""Agreement of errors up to which a model of another network counts as an independent opinion."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DividedErrors:
    """What one model gets wrong, e samples, and why.

    rows : (e,) rows of the common samples.
    said : (e,) class that the model says.
    verdicts : (e,) positions in `VERDICTS`.
    own_chance, best_chance, best : (e,) what the others say: probability of the given label, of the best
        other class, and that class.
    neighbours_for : (e,) weighed share of the others whose neighbours carry the given label, in [0, 1].
    copy_label : (e,) another class under which a copy of the sample is filed, -1 when there is none.
    weights : (models,) what each model's word weighs, 0 for this model.
    is_independent : tells whether a model of another network that errs elsewhere is among those that weigh.
    evidence_accuracy : weighed share of the samples that the probes of the others get right; where it is low,
        classes that overlap look like wrong labels.
    """

    rows: NDArray[np.int64]
    said: Ints
    verdicts: Ints
    own_chance: Floats
    best_chance: Floats
    best: Ints
    neighbours_for: Floats
    copy_label: Ints
    weights: tuple[float, ...]
    is_independent: bool
    evidence_accuracy: float

    def count(self, verdict: int) -> int:
        """Number of samples with this verdict."""
        return int((self.verdicts == verdict).sum())


def divide_errors(
    models: Sequence[JudgedModel], common: CommonSamples, bars: Thresholds
) -> tuple[DividedErrors, ...]:
    """Divide each model's errors; see the module docstring.

    The bars are those of an audit's findings: the others speak against a label where its quality is below
    `mislabeled_quality` and another class reaches `mislabeled_probability`, and for it where it reaches
    `mislabeled_probability` itself. The majority of their neighbours must not contradict, and for a tagging
    error the model must say the same class: two opinions that differ name no right label. A copy filed under
    the class that the others name makes it a tagging error without any bar: one of the two labels is wrong.
    """
    judge = Judge(common, bars)
    agreement = agreement_matrix(models, judge)
    copies = other_labels(common)
    skills = np.asarray([skill_of(model, common) for model in models])
    out = []
    for m, model in enumerate(models):
        weights = weigh_others(m, models, agreement) * skills
        others = [
            weight > 0 and shared <= MOST_AGREEMENT and not same_network(model, other)
            for weight, shared, other in zip(weights, agreement[m], models, strict=True)
        ]
        out.append(_divide(model, models, weights, judge, copies, any(others)))
    return tuple(out)


def _divide(
    model: JudgedModel,
    models: Sequence[JudgedModel],
    weights: Array,
    judge: Judge,
    copies: Ints,
    is_independent: bool,
) -> DividedErrors:
    common, guesses = judge.common, model.guesses
    rows = common.once[guesses[common.once] != common.codes[common.once]]
    opinion = judge.ask(models, weights, rows)
    near = _neighbours_for(models, weights, common.codes, rows)
    filed = (copies[rows] >= 0) & (copies[rows] == opinion.other) & (opinion.best > opinion.own)
    verdicts = np.full(len(rows), UNDECIDED, dtype=np.int32)
    verdicts[judge.supporting(opinion) & (near >= 0.5)] = MODEL_LIMITATION
    agreed = opinion.other == guesses[rows]
    verdicts[(judge.against(opinion, rows) & agreed & (near <= 0.5)) | filed] = TAGGING_ERROR
    if weights.sum() < LEAST_WEIGHT:
        verdicts[:] = UNDECIDED
    right = [float(common.right(other.probe_guesses).mean()) for other in models]
    return DividedErrors(
        rows=rows,
        said=guesses[rows],
        verdicts=verdicts,
        own_chance=opinion.own,
        best_chance=opinion.best,
        best=opinion.other,
        neighbours_for=near,
        copy_label=copies[rows],
        weights=tuple(float(w) for w in weights),
        is_independent=is_independent,
        evidence_accuracy=float(weights @ right / max(float(weights.sum()), 1e-12)),
    )


def _neighbours_for(
    models: Sequence[JudgedModel], weights: Array, codes: Ints, rows: NDArray[np.int64]
) -> Floats:
    agreeing = np.zeros(len(rows))
    for weight, model in zip(weights, models, strict=True):
        agreeing += weight * (model.neighbour_classes[rows] == codes[rows])
    return np.asarray(agreeing / max(float(weights.sum()), 1e-12), dtype=np.float32)


def other_labels(common: CommonSamples) -> Ints:
    """Return for each sample (p,) the other class under which most of its copies are filed, -1 for none."""
    out = np.full(len(common.ids), -1, dtype=np.int32)
    group, codes = common.duplicates.group, common.codes
    members = np.flatnonzero(group >= 0)
    pairs, counts = np.unique(np.stack([group[members], codes[members]], axis=1), axis=0, return_counts=True)
    filed: dict[int, list[tuple[int, int]]] = {}
    for (number, code), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        filed.setdefault(number, []).append((-count, code))
    for row in members.tolist():
        others = [entry for entry in sorted(filed[int(group[row])]) if entry[1] != codes[row]]
        if others:
            out[row] = others[0][1]
    return out
