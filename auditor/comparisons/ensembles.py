"""Several models together: whose errors overlap, what averaging gains, who adds nothing.

    errors of each model (o,)              --> overlap of each pair, held against independent errors
                                           --> samples that 0, 1, .. all models get wrong
    mean of out-of-sample probabilities    --> accuracy and log loss of the ensemble, gain over the best model
    the ensemble without one model         --> what each adds; those that add nothing leave, one by one

Audits with equal vectors are one member: their probes are the same, whatever predictions are beside them. All
figures count copies with one label once (o rows). Averages use the probes' probabilities: those of a
user's classifier may have been trained on these very samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.intervals import change_interval, effective_count
from auditor.comparisons.judged import JudgedModel, log_losses, same_vectors
from auditor.comparisons.model_agreement import kappa
from auditor.comparisons.paired import PairedDifference

ADDS, ADDS_NOTHING, CANNOT_TELL = "adds", "adds nothing", "cannot tell"
LAST_LEFT, SAME_VECTORS = "last one left", "same vectors"
NEGLIGIBLE_ACCURACY = 0.01
"""Accuracy whose loss would not matter: an interval that reaches further cannot say "adds nothing"."""
LEAST_GROUPS = 30
"""Independent groups below which nothing can be said to add nothing."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorOverlap:
    """Samples that two models get wrong, of `counted`.

    expected_both, expected_jaccard : if the errors of the two were independent.
    jaccard : both / either, in [0, 1]; 1 where neither errs. kappa : agreement beyond chance.
    """

    a: int
    b: int
    counted: int
    both: int
    only_a: int
    only_b: int
    expected_both: float
    jaccard: float
    expected_jaccard: float
    kappa: float


@dataclass(frozen=True)
class Contribution:
    """What one model adds to the others.

    left_at : the step at which it left, from 1; 0 = it stayed. Exactly those with `ADDS_NOTHING` left.
    same_as : the model with equal vectors that is averaged in its place, None where it has its own.
    accuracy : accuracy of the best ensemble on the way minus that of those left without the model, above 0 =
        it helps; the wider of the bootstrap's interval and Agresti and Min's, which has a width also where
        no sample changes.
    log_loss : log loss without the model minus with it in nats, above 0 = it helps.
    Both are None for the last model that is left, which has no others to add to, and for `SAME_VECTORS`.
    """

    model: int
    verdict: str
    left_at: int
    same_as: int | None
    accuracy: PairedDifference | None
    log_loss: PairedDifference | None


@dataclass(frozen=True)
class Ensemble:
    """The mean of the out-of-sample probabilities of all models with vectors of their own.

    best : the single model with the lowest log loss. accuracy_gain : ensemble minus best; log_loss_gain :
    best minus ensemble, in nats; above 0 = the ensemble is better. kept_accuracy, kept_log_loss : of the
    ensemble without the models that add nothing.
    """

    accuracy: float
    log_loss: float
    kept_accuracy: float
    kept_log_loss: float
    best: int
    accuracy_gain: PairedDifference
    log_loss_gain: PairedDifference
    contributions: tuple[Contribution, ...]


def overlap_errors(models: Sequence[JudgedModel], common: CommonSamples) -> tuple[ErrorOverlap, ...]:
    """Compare the errors of each pair of models."""
    once = common.once
    wrong = [model.guesses[once] != common.codes[once] for model in models]
    out = []
    for a, b in combinations(range(len(models)), 2):
        both, either = int((wrong[a] & wrong[b]).sum()), int((wrong[a] | wrong[b]).sum())
        n_a, n_b = int(wrong[a].sum()), int(wrong[b].sum())
        expected = n_a * n_b / len(once)
        out.append(
            ErrorOverlap(
                a=a,
                b=b,
                counted=len(once),
                both=both,
                only_a=n_a - both,
                only_b=n_b - both,
                expected_both=expected,
                jaccard=both / either if either else 1.0,
                expected_jaccard=expected / (n_a + n_b - expected) if n_a + n_b else 1.0,
                kappa=kappa(wrong[a], wrong[b]),
            )
        )
    return tuple(out)


def count_missed(models: Sequence[JudgedModel], common: CommonSamples) -> tuple[int, ...]:
    """Return how many samples exactly 0, 1, .. all models get wrong, (models + 1,)."""
    once = common.once
    times = np.sum([model.guesses[once] != common.codes[once] for model in models], axis=0)
    return tuple(np.bincount(times, minlength=len(models) + 1).tolist())


def measure_ensemble(models: Sequence[JudgedModel], common: CommonSamples, seed: int = 0) -> Ensemble:
    """Measure the ensemble of all models, and what each of them adds."""
    members = _Members(models, common, seed)
    leaders = _stands_for(models)
    everyone = frozenset(leaders)
    singles = {m: members.judge(frozenset({m})) for m in everyone}
    order = sorted(everyone, key=lambda m: (singles[m].mean_log_loss, models[m].name))
    best, together = singles[order[0]], members.judge(everyone)
    found = _contributions(members, everyone)
    kept = members.judge(frozenset(c.model for c in found if not c.left_at))
    found += [
        Contribution(m, SAME_VECTORS, 0, leader, None, None)
        for m, leader in enumerate(leaders)
        if m != leader
    ]
    return Ensemble(
        accuracy=float(together.right.mean()),
        log_loss=together.mean_log_loss,
        kept_accuracy=float(kept.right.mean()),
        kept_log_loss=kept.mean_log_loss,
        best=order[0],
        accuracy_gain=members.gain(together.right, best.right),
        log_loss_gain=members.gain(best.log_loss, together.log_loss),
        contributions=tuple(sorted(found, key=lambda c: c.model)),
    )


@dataclass(frozen=True)
class _Judged:
    """Right or wrong, and log loss, of each counted sample (o,)."""

    right: Array
    log_loss: Array

    @property
    def mean_log_loss(self) -> float:
        return float(self.log_loss.mean())


class _Members:
    """Averages over any subset of the models."""

    def __init__(self, models: Sequence[JudgedModel], common: CommonSamples, seed: int) -> None:
        self.names = [model.name for model in models]
        self._rows = common.once
        self._codes = common.codes[common.once]
        self._common, self._models, self._seed = common, models, seed

    def judge(self, subset: frozenset[int]) -> _Judged:
        first, *rest = (
            self._models[m].probabilities.values for m in sorted(subset, key=self.names.__getitem__)
        )
        mean = first[self._rows]
        for values in rest:
            mean += values[self._rows]
        mean /= len(subset)
        right = (mean.argmax(axis=1) == self._codes).astype(np.float64)
        return _Judged(right, log_losses(mean, self._codes))

    def accuracy_change(self, first: Array, second: Array) -> PairedDifference:
        found = self.gain(first, second)
        closed = change_interval(second > 0, first > 0, effective_count(self._common.groups[self._rows]))
        low, high = found.interval
        return replace(found, interval=(min(low, closed.low), max(high, closed.high)))

    def gain(self, better: Array, worse: Array) -> PairedDifference:
        return self._common.compare(better, worse, self._seed)


def _stands_for(models: Sequence[JudgedModel]) -> tuple[int, ...]:
    """Return for each model the one that is averaged in its place: of equal vectors those of one audit."""
    order = sorted(range(len(models)), key=lambda m: (models[m].predictions is not None, models[m].name))
    return tuple(next(leader for leader in order if same_vectors(models[leader], model)) for model in models)


def _contributions(members: _Members, everyone: frozenset[int]) -> list[Contribution]:
    """Let the models leave that add nothing, one by one, the least useful first.

    Each is held against the best ensemble on the way: many small losses would add up unseen if it were the
    one just left, and a harmful model would make all others look needless if it were the first.
    """
    kept = reference = everyone
    found: list[Contribution] = []
    while len(kept) > 1:
        by_name = sorted(kept, key=members.names.__getitem__, reverse=True)
        order = sorted(by_name, key=lambda m: members.judge(kept - {m}).mean_log_loss)
        stay: list[Contribution] = []
        for m in order:
            stay.append(_contribution(members, m, reference, kept - {m}))
            if stay[-1].verdict == ADDS_NOTHING:
                break
        else:
            return found + stay
        found.append(replace(stay[-1], left_at=len(found) + 1))
        kept -= {found[-1].model}
        reference = min(reference, kept, key=lambda subset: members.judge(subset).mean_log_loss)
    return found + [Contribution(m, LAST_LEFT, 0, None, None, None) for m in kept]


def _contribution(
    members: _Members, model: int, reference: frozenset[int], without: frozenset[int]
) -> Contribution:
    one, other = members.judge(reference), members.judge(without)
    accuracy = members.accuracy_change(one.right, other.right)
    log_loss = members.gain(other.log_loss, one.log_loss)
    return Contribution(model, _verdict(accuracy, log_loss), 0, None, accuracy, log_loss)


def _verdict(accuracy: PairedDifference, log_loss: PairedDifference) -> str:
    if accuracy.is_above or log_loss.is_above:
        return ADDS
    if max(accuracy.interval[0], log_loss.interval[0]) > 0 or accuracy.groups < LEAST_GROUPS:
        return CANNOT_TELL
    return ADDS_NOTHING if accuracy.interval[1] <= NEGLIGIBLE_ACCURACY else CANNOT_TELL
