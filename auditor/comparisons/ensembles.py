"""Several models together: whose errors overlap, what averaging gains, who adds nothing.

    errors of each model (o,)              --> overlap of each pair, held against independent errors
                                           --> samples that 0, 1, .. all models get wrong
    mean of out-of-sample probabilities    --> accuracy and log loss of the ensemble, gain over the best model
    the ensemble without one model         --> what each adds; those that add nothing leave, one by one

All figures count copies with one label once (o rows). Averages use the probes' probabilities: those of a
user's classifier may have been trained on these very samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel, log_losses
from auditor.comparisons.model_agreement import kappa
from auditor.comparisons.paired import PairedDifference

ADDS, ADDS_NOTHING, CANNOT_TELL = "adds", "adds nothing", "cannot tell"
NEGLIGIBLE_ACCURACY = 0.01
"""Accuracy whose loss would not matter: an interval that reaches further cannot say "adds nothing"."""

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
    """What one model adds to the others, `left_at` the step at which it left (from 1), 0 = it stayed.

    accuracy : accuracy with the model minus without it, above 0 = it helps.
    log_loss : log loss without the model minus with it in nats, above 0 = it helps.
    Both are None for the last model that is left, which has no others to add to.
    """

    model: int
    verdict: str
    left_at: int
    accuracy: PairedDifference | None
    log_loss: PairedDifference | None


@dataclass(frozen=True)
class Ensemble:
    """The mean of all models' out-of-sample probabilities.

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
    everyone = frozenset(range(len(models)))
    singles = [members.judge(frozenset({m})) for m in everyone]
    order = sorted(everyone, key=lambda m: (singles[m].mean_log_loss, models[m].name))
    best, together = singles[order[0]], members.judge(everyone)
    contributions = _contributions(members)
    kept = members.judge(frozenset(c.model for c in contributions if not c.left_at))
    return Ensemble(
        accuracy=float(together.right.mean()),
        log_loss=together.mean_log_loss,
        kept_accuracy=float(kept.right.mean()),
        kept_log_loss=kept.mean_log_loss,
        best=order[0],
        accuracy_gain=members.gain(together.right, best.right),
        log_loss_gain=members.gain(best.log_loss, together.log_loss),
        contributions=contributions,
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

    def gain(self, better: Array, worse: Array) -> PairedDifference:
        return self._common.compare(better, worse, self._seed)


def _contributions(members: _Members) -> tuple[Contribution, ...]:
    """Let the models leave that add nothing, the least useful first; each is held against the full ensemble.

    Held against the full one, because many small losses would add up unseen.
    """
    kept = frozenset(range(len(members.names)))
    full = members.judge(kept)
    found: list[Contribution] = []
    while len(kept) > 1:
        without = {m: members.judge(kept - {m}) for m in kept}
        least = min(sorted(kept, key=members.names.__getitem__, reverse=True),
                    key=lambda m: without[m].mean_log_loss)  # fmt: skip
        judged = _contribution(members, least, full, without[least], len(found) + 1)
        if judged.verdict != ADDS_NOTHING:
            now = members.judge(kept)
            found += [_contribution(members, m, now, without[m], 0) for m in sorted(kept)]
            break
        found.append(judged)
        kept -= {least}
    else:
        found += [Contribution(m, ADDS, 0, None, None) for m in kept]
    return tuple(sorted(found, key=lambda c: c.model))


def _contribution(
    members: _Members, model: int, full: _Judged, without: _Judged, left_at: int
) -> Contribution:
    accuracy = members.gain(full.right, without.right)
    log_loss = members.gain(without.log_loss, full.log_loss)
    return Contribution(model, _verdict(accuracy, log_loss), left_at, accuracy, log_loss)


def _verdict(accuracy: PairedDifference, log_loss: PairedDifference) -> str:
    if accuracy.is_above or log_loss.is_above:
        return ADDS
    negligible = accuracy.interval[1] <= NEGLIGIBLE_ACCURACY or log_loss.interval[1] <= 0
    return ADDS_NOTHING if negligible else CANNOT_TELL
