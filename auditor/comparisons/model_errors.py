"""Misclassified samples divided into tagging errors and limits of the model.

    a sample that model M gets wrong
      what the OTHER models say out of sample, weighed --> own: probability of the given label
                                                           best: that of the best other class
                                                           near: share whose neighbours carry the label
      labels of its exact and near copies              --> another label on the same picture
    ==> "tagging error"     the evidence is against the label
        "model limitation"  the evidence supports the label: M alone is wrong
        "undecided"         neither, or nobody independent of M to ask

A model that errs where M errs is no second opinion. So each other model weighs 1 minus the agreement of its
errors with M's beyond chance (Cohen's kappa 1960), and another layer of the same network at most
`SAME_NETWORK_WEIGHT`. Wrong labels make independent models err alike, so the agreement is taken where the
models together do not speak against the label. Copies with one label count once: only the first is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ints
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel
from auditor.groups import copy_weights, groups_per_class
from auditor.results import Thresholds

VERDICTS: tuple[str, ...] = ("tagging error", "model limitation", "undecided")
TAGGING_ERROR, MODEL_LIMITATION, UNDECIDED = range(3)

SAME_NETWORK_WEIGHT = 0.5
"""Most that another layer of the same network weighs: it saw the picture through the same eyes."""
LEAST_WEIGHT = 0.25
"""Weight that the others need together before they decide anything."""
INDEPENDENT_WEIGHT = 0.5
"""Weight from which a model of another network counts as an independent opinion."""
SHRINK_SAMPLES = 10
"""So many misclassified samples with no agreement are added: two samples alone show no dependence."""
BLOCK_ROWS = 8_192

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
    is_independent : tells whether another network is among those that weigh.
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

    def count(self, verdict: int) -> int:
        """Number of samples with this verdict."""
        return int((self.verdicts == verdict).sum())


@dataclass(frozen=True)
class Opinion:
    """What some models say together about the labels of r samples.

    own, best : (r,) probability of the given label and of the best other class, whose code is `other`.
    fair : (r,) probability of the given label as if all classes were equally frequent.
    """

    own: Floats
    fair: Floats
    best: Floats
    other: Ints


@dataclass(frozen=True)
class Judge:
    """Holds probabilities against the given labels, with the bars of an audit's findings."""

    common: CommonSamples
    bars: Thresholds

    @cached_property
    def _groups(self) -> NDArray[np.int64]:
        return groups_per_class(self.common.groups, self.common.codes, len(self.common.dataset.classes))

    @cached_property
    def _sizes(self) -> Array:
        classes = len(self.common.dataset.classes)
        sizes = np.bincount(self.common.codes, copy_weights(self.common.duplicates), classes)
        return np.asarray(np.maximum(sizes, 1.0))

    def ask(self, models: Sequence[JudgedModel], weights: Array, rows: NDArray[np.int64]) -> Opinion:
        """Return what the models' out-of-sample probabilities say on (weighed) average in these rows."""
        parts = [
            self._ask_block(models, weights, rows[start : start + BLOCK_ROWS])
            for start in range(0, max(len(rows), 1), BLOCK_ROWS)
        ]
        return Opinion(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _ask_block(
        self, models: Sequence[JudgedModel], weights: Array, rows: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats, Ints]:
        chances = np.zeros((len(rows), len(self._sizes)))
        shares = weights / max(float(weights.sum()), 1e-12)
        # By name, so that the order of the audits does not change the last digit.
        for share, model in sorted(zip(shares, models, strict=True), key=lambda pair: pair[1].name):
            if share > 0:
                chances += share * model.probabilities.values[rows]
        each, codes = np.arange(len(rows)), self.common.codes[rows]
        balanced = chances / self._sizes
        fair = balanced[each, codes] / np.maximum(balanced.sum(axis=1), 1e-12)
        own = chances[each, codes].copy()
        chances[each, codes] = -1.0
        other = chances.argmax(axis=1)
        best = np.maximum(chances[each, other], 0.0)
        floats = (np.asarray(x, dtype=np.float32) for x in (own, fair, best))
        return (*floats, other.astype(np.int32))

    def against(self, opinion: Opinion, rows: NDArray[np.int64]) -> Bools:
        """Flags (r,): the label is most unlikely and another class clearly likelier, as in `mislabeled`."""
        codes = self.common.codes[rows]
        judged = self._groups > self.bars.judged_groups
        bar = self.bars.mislabeled_quality * np.minimum(1.0, self._groups / self.bars.sure_groups)[codes]
        wrong = (np.maximum(opinion.own, opinion.fair) < bar) & judged[codes]
        return np.asarray(wrong & (opinion.best >= self.bars.mislabeled_probability) & judged[opinion.other])

    def supporting(self, opinion: Opinion) -> Bools:
        """Flags (r,): the given label is clearly the likeliest."""
        return np.asarray(opinion.own >= self.bars.mislabeled_probability)


def divide_errors(
    models: Sequence[JudgedModel], common: CommonSamples, bars: Thresholds
) -> tuple[DividedErrors, ...]:
    """Divide each model's errors; see the module docstring.

    The bars are those of an audit's findings: the others speak against a label where its quality is below
    `mislabeled_quality` and another class reaches `mislabeled_probability`, and for it where it reaches
    `mislabeled_probability` itself. The majority of their neighbours must not contradict. A copy filed under
    the class that the others name makes it a tagging error without any bar: one of the two labels is wrong.
    """
    judge = Judge(common, bars)
    agreement = agreement_matrix(models, judge)
    copies = other_labels(common)
    weights = [weigh_others(m, models, agreement) for m in range(len(models))]
    return tuple(_divide(m, models, weights[m], judge, copies) for m in range(len(models)))


def _divide(
    m: int, models: Sequence[JudgedModel], weights: Array, judge: Judge, copies: Ints
) -> DividedErrors:
    common, guesses = judge.common, models[m].guesses
    rows = common.once[guesses[common.once] != common.codes[common.once]]
    opinion = judge.ask(models, weights, rows)
    near = _neighbours_for(models, weights, common.codes, rows)
    filed = (copies[rows] >= 0) & (copies[rows] == opinion.other) & (opinion.best > opinion.own)
    verdicts = np.full(len(rows), UNDECIDED, dtype=np.int32)
    verdicts[judge.supporting(opinion) & (near >= 0.5)] = MODEL_LIMITATION
    verdicts[(judge.against(opinion, rows) & (near <= 0.5)) | filed] = TAGGING_ERROR
    if weights.sum() < LEAST_WEIGHT:
        verdicts[:] = UNDECIDED
    others = [
        w >= INDEPENDENT_WEIGHT and not same_network(models[m], other)
        for w, other in zip(weights, models, strict=True)
    ]
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
        is_independent=any(others),
    )


def _neighbours_for(
    models: Sequence[JudgedModel], weights: Array, codes: Ints, rows: NDArray[np.int64]
) -> Floats:
    agreeing = np.zeros(len(rows))
    for weight, model in zip(weights, models, strict=True):
        agreeing += weight * (model.neighbour_classes[rows] == codes[rows])
    return np.asarray(agreeing / max(float(weights.sum()), 1e-12), dtype=np.float32)


def weigh_others(m: int, models: Sequence[JudgedModel], agreement: Array) -> Array:
    """Return what each model's word about model m's errors weighs, (models,) in [0, 1]; m's own is 0."""
    weights = 1.0 - agreement[m]
    for other, model in enumerate(models):
        # A classifier whose predictions were given is not the network behind the vectors.
        if models[m].predictions is None and same_network(models[m], model):
            weights[other] = min(weights[other], SAME_NETWORK_WEIGHT)
    weights[m] = 0.0
    return np.asarray(weights)


def same_network(a: JudgedModel, b: JudgedModel) -> bool:
    """Tell whether two models are layers of one network: their weights have the same digest."""
    return a.backbone.weights_sha256 != "" and a.backbone.weights_sha256 == b.backbone.weights_sha256


def agreement_matrix(models: Sequence[JudgedModel], judge: Judge) -> Array:
    """Agreement (models, models) in [0, 1] beyond chance of the row's errors with the column's probe's.

    Over samples that count once and that the models together do not speak against; 1 where two models give
    the same probabilities.
    """
    common = judge.common
    equal = np.full(len(models), 1.0)
    rest = common.once[~judge.against(judge.ask(models, equal, common.once), common.once)]
    codes = common.codes[rest]
    probes = [m.probe_guesses[rest] != codes for m in models]
    own = [m.guesses[rest] != codes for m in models]
    out = np.eye(len(models))
    for a, first in enumerate(models):
        for b, second in enumerate(models):
            if a != b and first.predictions is None and _same_probabilities(first, second):
                out[a, b] = 1.0
            elif a != b:
                out[a, b] = max(0.0, shrunk_kappa(own[a], probes[b]))
    return out


def _same_probabilities(a: JudgedModel, b: JudgedModel) -> bool:
    return np.array_equal(a.probabilities.values, b.probabilities.values)


def kappa(a: Bools, b: Bools) -> float:
    """Cohen's kappa of two yes-no answers (n,): 1 = always alike, 0 = as by chance or nothing varies."""
    if not len(a):
        return 0.0
    p, q = float(a.mean()), float(b.mean())
    chance = p * q + (1 - p) * (1 - q)
    return (float((a == b).mean()) - chance) / (1 - chance) if chance < 1 else 0.0


def shrunk_kappa(a: Bools, b: Bools) -> float:
    """Kappa drawn towards 0 as by `SHRINK_SAMPLES` more errors without agreement: few errors show nothing."""
    either = int((a | b).sum())
    return kappa(a, b) * either / (either + SHRINK_SAMPLES)


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
