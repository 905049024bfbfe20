"""What speaks for a clean-up and what against it.

    held-out split            probes trained on the labels before and after, on pictures that nobody touched
    the cleaned data itself   judged against the model null (`auditor.comparisons.model_null`)

People who did not know what was suspected are the third witness (`auditor.comparisons.reviews`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.arrays import Bools, Ints, Progress, no_progress
from auditor.comparisons.gains import (
    DOUBT,
    Z90,
    Array,
    Gain,
    Judge,
    log_chances,
    summarise_gain,
    upper_tail,
)
from auditor.comparisons.matching import Rows
from auditor.comparisons.model_null import (
    Clean,
    Contradictions,
    Pairs,
    count_contradictions,
    draw_null,
    draw_random,
    measure_circular,
    pair_gains,
    rank_p_value,
    score_left_out,
)

LEAST_GROUPS = 30
"""Independent held-out groups below which a split says nothing."""
MOST_TOUCHED = 0.2
"""Changed share of the held-out split, relative to the rest's, up to which it counts as untouched."""
LEAST_CHANCE = 1e-4
"""Probability below which a label's surprise does not grow any further."""


@dataclass(frozen=True)
class Held:
    """Held-out pictures that the clean-up did not touch.

    Attributes
    ----------
    name : the split.
    gain : mean of the gains of a linear probe and of the neighbours' vote, both of the memorising kind; every
        class counts alike.
    touched : held-out samples that the clean-up removed or relabelled: left aside.
    knn_accuracy, probe_accuracy : (before, after) shares of right answers on the held-out pictures.
    surprise : how much more the earlier labels of the training pictures surprise a probe than the held-out
        ones do, in standard errors: above 0 they contradict the pictures more than right labels would.
    surprise_p_value : one-sided; not-a-number where the held-out split was cleaned as well.
    by_class, by_pair : the gain among each class's, and each asked pair's, held-out pictures.
    """

    name: str
    gain: Gain
    touched: int
    knn_accuracy: tuple[float, float]
    probe_accuracy: tuple[float, float]
    surprise: float
    surprise_p_value: float
    by_class: tuple[Gain, ...]
    by_pair: tuple[Gain, ...]


@dataclass(frozen=True)
class Inner:
    """What the cleaned data says about itself, held against the model null.

    Attributes
    ----------
    gain : of the samples with one label in both versions, by the linear probe, out of sample.
    p_value : rank of that gain among the null's draws.
    contradictions_before, contradictions_after : see `model_null.Contradictions`.
    contradictions_p_value : rank of the former's ratio among the null's draws.
    less_data : 5 % quantile of the gain after as many random removals; not-a-number where not needed.
    by_class, by_pair : gains with p-values from the null's mean and spread.
    """

    gain: Gain
    p_value: float
    null_mean: float
    draws: int
    contradictions_before: Contradictions
    contradictions_after: Contradictions
    contradictions_p_value: float
    less_data: float
    by_class: tuple[Gain, ...]
    by_pair: tuple[Gain, ...]


def measure_held(judge: Judge, held: Bools, name: str, pairs: Pairs) -> Held | None:
    """Score held-out pictures by probes trained on the labels before and after; None with too few groups.

    Groups that reach into the held-out split take no part in the training.
    """
    frame = judge.frame
    outside = ~np.isin(frame.group, frame.group[held])
    rows = np.flatnonzero(held & frame.rest)
    memorising = Judge.memorising(frame)
    groups = len(np.unique(frame.group[rows]))
    if groups < LEAST_GROUPS:
        return None
    labels = frame.before[rows]
    scores = [
        tuple(part[rows] for part in memorising.trained_on(codes, outside))
        for codes in (frame.before, frame.after)
    ]
    logs = [[log_chances(part, labels) for part in side] for side in scores]
    own = np.arange(len(rows))
    both = zip(logs[0], logs[1], strict=True)
    gains = (
        sum((_doubted(a, own, labels) - _doubted(b, own, labels) for b, a in both), np.zeros(len(rows))) / 2
    )
    right = [[float((part.argmax(axis=1) == labels).mean()) for part in side] for side in scores]
    surprise, p_value = _surprise(judge, held)
    return Held(
        name=name,
        gain=summarise_gain(gains, frame.group[rows], _balanced(labels, frame.weight[rows])),
        touched=int((held & frame.touched).sum()),
        knn_accuracy=(right[0][1], right[1][1]),
        probe_accuracy=(right[0][0], right[1][0]),
        surprise=surprise,
        surprise_p_value=p_value,
        by_class=tuple(
            _gain_of(judge, rows[among], gains[among])
            for among in (labels == code for code in range(len(frame.classes)))
        ),
        by_pair=tuple(_pair_gain(judge, rows, logs, pair) for pair in pairs),
    )


def measure_inner(
    judge: Judge, held: Bools, pairs: Pairs, seed: int = 0, progress: Progress = no_progress
) -> Inner:
    """Hold what the samples with an untouched label gain against the model null.

    Parameters
    ----------
    held : (u,) rows of the held-out split; they are not judged here and the null does not clean them.
    """
    frame = judge.frame
    clean = Clean.of(frame, held)
    found = measure_circular(judge, (frame.before, frame.after), ~held, pairs)
    rest = frame.rest
    gain = _gain_of(judge, np.flatnonzero(rest), found.gains[rest])
    if not (frame.before != frame.after).any() or not rest.any():
        return _unchanged(gain, found.contradictions, len(frame.classes), len(pairs))
    null = draw_null(judge, clean, pairs, seed, progress=progress)
    worse = gain.z < -Z90 and clean.removed.any()
    return Inner(
        gain=gain,
        p_value=rank_p_value(gain.estimate, null.gains),
        null_mean=float(null.gains.mean()),
        draws=len(null.gains),
        contradictions_before=found.contradictions,
        contradictions_after=count_contradictions(score_left_out(judge, frame.after)[1], frame.after, ~held),
        contradictions_p_value=rank_p_value(found.contradictions.ratio, null.contradictions),
        less_data=float(np.quantile(draw_random(judge, clean, seed), 0.05)) if worse else float("nan"),
        by_class=_against(
            [
                _gain_of(judge, (among := np.flatnonzero(rest & (frame.before == code))), found.gains[among])
                for code in range(len(frame.classes))
            ],
            null.by_class,
        ),
        by_pair=_against(
            [
                _gain_of(judge, (among := np.flatnonzero(rest & np.isin(frame.before, pair))), values[among])
                for pair, values in zip(pairs, found.by_pair.T, strict=True)
            ],
            null.by_pair,
        ),
    )


def _balanced(labels: Ints, weights: Array) -> Array:
    """Weights (r,) with which every class counts alike, whatever the held-out split has most of."""
    return np.asarray(weights / np.bincount(labels, weights)[labels])


def _doubted(logs: Array, rows: Rows, labels: Ints) -> Array:
    """Log probability (r,) of each label with `DOUBT` spread over all classes."""
    return np.asarray(np.log((1 - DOUBT) * np.exp(logs[rows, labels]) + DOUBT / logs.shape[1]))


def _surprise(judge: Judge, held: Bools) -> tuple[float, float]:
    """Compare the surprise of training labels before with that of the held-out ones, in standard errors.

    Surprise is the log-probability that was expected at a picture less that of its label, out of sample by
    probes that saw both parts, so that a harder picture is not told as a worse label.
    """
    frame = judge.frame
    there = frame.before >= 0
    # A held-out copy of a training picture goes because it is a leak, not because its label was doubted.
    own = held & ~np.isin(frame.group, frame.group[there & ~held])
    touched = [(frame.touched & part).sum() / max((there & part).sum(), 1) for part in (own, ~held)]
    if touched[0] > touched[1] * MOST_TOUCHED:
        return 0.0, float("nan")
    p = score_left_out(judge, frame.before)[1]
    logs = np.log(np.maximum(p, LEAST_CHANCE))
    surprise = (p * logs).sum(axis=1) - logs[np.arange(len(p)), np.maximum(frame.before, 0)]
    sides = [np.flatnonzero(there & part) for part in (own, ~held)]
    means = [_gain_of(judge, rows, surprise[rows]) for rows in sides]
    spread = float(np.hypot(means[0].high - means[0].estimate, means[1].high - means[1].estimate)) / Z90
    z = (means[1].estimate - means[0].estimate) / spread if spread > 0 else 0.0
    return z, upper_tail(z)


def _gain_of(judge: Judge, rows: Rows, gains: Array) -> Gain:
    return summarise_gain(gains, judge.frame.group[rows], judge.frame.weight[rows])


def _pair_gain(judge: Judge, rows: Rows, logs: list[list[Array]], pair: Rows) -> Gain:
    labels = judge.frame.before[rows]
    among = np.flatnonzero(np.isin(labels, pair))
    parts = [
        pair_gains(before[among], after[among], labels[among], pair)
        for before, after in zip(logs[0], logs[1], strict=True)
    ]
    return _gain_of(judge, rows[among], (parts[0] + parts[1]) / 2)


def _against(gains: list[Gain], null: Array) -> tuple[Gain, ...]:
    """Return the gains with z and p-value taken from the null's mean and spread (b, t)."""
    out = []
    for gain, draws in zip(gains, null.T, strict=True):
        spread = float(draws.std(ddof=1))
        z = (gain.estimate - float(draws.mean())) / spread if spread > 0 else 0.0
        # Worse needs no null: a loss that is larger than chance among the samples themselves is one.
        z = min(z, gain.z) if gain.estimate > 0 else gain.z
        out.append(Gain(gain.estimate, gain.low, gain.high, z, upper_tail(z), gain.samples, gain.groups))
    return tuple(out)


def _unchanged(gain: Gain, found: Contradictions, classes: int, pairs: int) -> Inner:
    """Return what two equal versions say: nothing."""
    none = Gain(0.0, 0.0, 0.0, 0.0, 1.0, 0, 0)
    return Inner(
        gain=gain,
        p_value=1.0,
        null_mean=0.0,
        draws=0,
        contradictions_before=found,
        contradictions_after=found,
        contradictions_p_value=1.0,
        less_data=float("nan"),
        by_class=(none,) * classes,
        by_pair=(none,) * pairs,
    )
