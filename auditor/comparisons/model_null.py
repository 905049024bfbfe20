"""What tidying up alone would have won: the same clean-up done by a machine, on labels without an error.

    p (u, c)      class probabilities that the labels after the clean-up suggest, out of sample
    y* ~ p        one label a picture: right by construction, and as mixed as the model says the classes are
    clean y*      as many removals and relabels a class as were really made, the lowest scores first
    gain*         what the samples with an untouched label gain by that, 99 times

Deleting the 5 % lowest-scored samples of clean, overlapping classes raises the log-probability of the rest
as much as a true repair does. So a gain on the data that the clean-up saw counts only as far as it is larger
than these; random removals would be the wrong null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ints, Progress, no_progress
from auditor.comparisons.frame import Frame
from auditor.comparisons.gains import Array, Judge, chances, fit_scale, log_softmax

DRAWS = 99
RARE = 0.02
"""A label with a lower out-of-sample probability contradicts its picture."""
STAGE = "null"

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Clean:
    """A clean-up as the null repeats it.

    `removed` and `relabelled` (c,) count the samples that left and changed, by their class before.
    `open` (u,) rows may be changed: those of the earlier version outside the held-out split.
    """

    removed: Ints
    relabelled: Ints
    open: Bools

    @classmethod
    def of(cls, frame: Frame, held_out: Bools) -> Clean:
        """Count what was done to the rows of a frame."""
        open_rows = (frame.before >= 0) & ~held_out
        gone = open_rows & (frame.after < 0)
        changed = open_rows & (frame.after >= 0) & (frame.after != frame.before)
        c = len(frame.classes)
        return cls(
            np.bincount(frame.before[gone], minlength=c).astype(np.int32),
            np.bincount(frame.before[changed], minlength=c).astype(np.int32),
            open_rows,
        )


@dataclass(frozen=True)
class Contradictions:
    """Labels with a probability below `RARE`, out of sample, and how many the probabilities expect."""

    observed: int
    expected: float

    @property
    def ratio(self) -> float:
        """Observed over expected: 1 = as many as mixed classes explain.

        One more is expected, so that where hardly any are none is not told as all of them.
        """
        return self.observed / (self.expected + 1.0)


@dataclass(frozen=True)
class Circular:
    """What the cleaned data says about itself.

    gains : (u,) gain in log-probability of the rows with one label in both versions, else 0.
    by_pair : (u, t) the same between the two classes of each asked pair, else 0.
    contradictions : of the labels of the earlier version.
    """

    gains: Array
    by_pair: Array
    contradictions: Contradictions


@dataclass(frozen=True)
class Null:
    """Draws (b,) of the mean gain, (b, c) of each class's, (b, t) of each pair's, and of contradictions."""

    gains: Array
    by_class: Array
    by_pair: Array
    contradictions: Array


def measure_circular(
    judge: Judge,
    labels: tuple[Ints, Ints],
    among: Bools,
    pairs: Pairs,
    scored: tuple[Floats, Array] | None = None,
) -> Circular:
    """Measure what rows with an unchanged label gain, scored out of sample by the linear probe.

    The neighbours' vote is left out here: the neighbours of a sample profit from any tidying of each other.
    `among` (u,) are the rows whose contradictions count; `scored` the linear scores and the probabilities
    under the earlier labels, where they are known already.
    """
    before, after = labels
    linear, p = scored or score_left_out(judge, before)
    rest = np.flatnonzero((before >= 0) & (before == after))
    given = before[rest]
    if not len(rest):
        nothing = np.zeros((len(before), len(pairs)))
        return Circular(np.zeros(len(before)), nothing, count_contradictions(p, before, among))
    logs = [
        log_softmax(fit_scale(s[rest], given) * s[rest].astype(np.float64))
        for s in (linear, judge.linear_left_out(after))
    ]
    gains = np.zeros(len(before))
    own = np.arange(len(rest))
    gains[rest] = logs[1][own, given] - logs[0][own, given]
    by_pair = np.zeros((len(before), len(pairs)))
    for t, pair in enumerate(pairs):
        two = np.isin(given, pair)
        by_pair[rest[two], t] = pair_gains(logs[0][two], logs[1][two], given[two], pair)
    return Circular(gains, by_pair, count_contradictions(p, before, among))


def score_left_out(judge: Judge, codes: Ints) -> tuple[Floats, Array]:
    """Linear scores and class probabilities (u, c) by probes that saw the labels `codes` of other groups."""
    scores = judge.left_out(codes)
    return scores[0], chances(scores, codes)


def pair_gains(before: Array, after: Array, labels: Ints, pair: NDArray[np.int64]) -> Array:
    """Gain (r,) in log-probability of each label when only the two classes of `pair` come into question."""
    own = (labels == pair[1]).astype(np.int64)
    out = np.zeros(len(labels))
    for sign, logs in ((-1.0, before), (1.0, after)):
        two = log_softmax(logs[:, pair])
        out += sign * two[np.arange(len(labels)), own]
    return out


def count_contradictions(p: Array, codes: Ints, among: Bools) -> Contradictions:
    """Count the labels of the rows `among` (u,) that `p` (u, c) gives less than `RARE`."""
    rows = np.flatnonzero((codes >= 0) & among)
    p = p[rows]
    observed = (p[np.arange(len(rows)), codes[rows]] < RARE).sum()
    return Contradictions(int(observed), float(np.where(p < RARE, p, 0.0).sum()))


def draw_null(
    judge: Judge,
    clean: Clean,
    pairs: Pairs,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Progress = no_progress,
) -> Null:
    """Repeat a clean-up on labels that are right by construction.

    Parameters
    ----------
    clean : how much was changed, by class.
    pairs : (t, 2) class codes of the pairs to follow.
    draws : how many times; the p-value's smallest step is 1 / (draws + 1).
    """
    frame = judge.frame
    rng = np.random.default_rng(seed)
    p = np.cumsum(score_left_out(judge, frame.after)[1], axis=1)
    parts: list[tuple[float, Array, Array, float]] = []
    for number in range(draws):
        drawn = _draw_labels(p, frame.picture, rng)
        before = np.where(frame.before >= 0, drawn, -1).astype(np.int32)
        scored = score_left_out(judge, before)
        after = _cleaned(before, clean, scored[1].copy(), rng)
        found = measure_circular(judge, (before, after), clean.open, pairs, scored)
        rest = (before >= 0) & (before == after)
        parts.append((*_means(found, frame.weight, before, rest, (len(frame.classes), pairs)),))
        progress(STAGE, number + 1, draws)
    gains, by_class, by_pair, odd = zip(*parts, strict=True)
    return Null(np.array(gains), np.array(by_class), np.array(by_pair), np.array(odd))


def draw_random(judge: Judge, clean: Clean, seed: int = 0, draws: int = 39) -> Array:
    """Mean gains (b,) after as many removals a class at random: what having fewer pictures costs."""
    frame = judge.frame
    rng = np.random.default_rng(seed)
    out = np.empty(draws)
    for number in range(draws):
        after = frame.before.copy()
        for code, count in enumerate(clean.removed.tolist()):
            rows = np.flatnonzero(clean.open & (frame.before == code))
            after[rng.permutation(rows)[:count]] = -1
        found = measure_circular(judge, (frame.before, after), clean.open, np.zeros((0, 2), dtype=np.int64))
        rest = (frame.before >= 0) & (frame.before == after)
        out[number] = np.average(found.gains[rest], weights=frame.weight[rest])
    return out


def rank_p_value(observed: float, null: Array) -> float:
    """Share of draws at least as high as what was observed, the observation counted as one of them."""
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


def _draw_labels(cumulated: Array, picture: Ints, rng: np.random.Generator) -> Ints:
    """One label (u,) a row from its class probabilities; copies of a picture draw together."""
    dice = rng.random(int(picture.max(initial=-1)) + 1)[picture]
    first = np.unique(picture, return_index=True)[1]
    codes = (cumulated[first] < dice[first, None]).sum(axis=1)
    return np.asarray(np.minimum(codes, cumulated.shape[1] - 1)[picture], dtype=np.int32)


def _cleaned(before: Ints, clean: Clean, p: Array, rng: np.random.Generator) -> Ints:
    """Remove and relabel the lowest-scored rows of each class."""
    rows = np.arange(len(before))
    own = p[rows, np.maximum(before, 0)]
    p[rows, np.maximum(before, 0)] = -1.0
    other = p.argmax(axis=1).astype(np.int32)
    after = before.copy()
    for code in np.flatnonzero(clean.removed + clean.relabelled):
        lowest = np.flatnonzero(clean.open & (before == code))
        count = int(clean.removed[code] + clean.relabelled[code])
        lowest = rng.permutation(lowest[np.argsort(own[lowest], kind="stable")][:count])
        removed = lowest[: clean.removed[code]]
        changed = lowest[clean.removed[code] :]
        after[removed] = -1
        after[changed] = other[changed]
    return after


def _means(
    found: Circular, weight: Array, codes: Ints, rest: Bools, shape: tuple[int, Pairs]
) -> tuple[float, Array, Array, float]:
    """Mean gain of all rest rows, of each class's, and of each pair's."""
    classes, pairs = shape
    used = weight * rest
    labels = np.maximum(codes, 0)
    sizes = np.bincount(labels, used, minlength=classes)
    by_class = np.bincount(labels, used * found.gains, minlength=classes) / np.maximum(sizes, 1e-12)
    by_pair = np.array(
        [
            np.average(found.by_pair[among, t], weights=used[among])
            if (among := rest & np.isin(codes, pair)).any()
            else 0.0
            for t, pair in enumerate(pairs)
        ]
    )
    total = float((used * found.gains).sum() / max(used.sum(), 1e-12))
    return total, by_class, by_pair, found.contradictions.ratio
