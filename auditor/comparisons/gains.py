"""How much better, or worse, samples are predicted with one version's labels than with the other's.

    Frame --Judge--> linear scores (u, c)   class means in whitened axes: ridge with one fixed covariance
                     vote scores (u, c)     log share of the nearest pictures' labels
    scores before, scores after --paired_gain--> log-probability of each sample's label, after less before

The covariance is that of all rows and knows no label, so refitting to other labels costs one product: that is
what makes the 99 draws of the model null (`auditor.comparisons.model_null`) cheap. Each side gets its own
temperature, fitted on the rows it is scored on: what is compared is how well the classes are told apart, not
how sure of itself a probe is after its doubtful labels were taken away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ints
from auditor.comparisons.frame import Frame, whiten
from auditor.comparisons.paired import adjust as adjust
from auditor.probes import combine, softmax

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Added to the variance of every axis, relative to the mean variance."""
VOTES = 10
MEMORISING_PENALTY, MEMORISING_VOTES = 0.03, 3
"""Of probes that take over wrong labels, as a network does that is trained until it knows its pictures by
heart. A well-regularised probe hardly notices 5 % wrong labels, so it cannot tell whether they are mended."""
DOUBT = 0.1
"""Share of every held-out probability that is spread evenly, so that one odd picture cannot decide."""
PRIOR_VOTES = 1.0
"""Shared out evenly over the classes, so that no share is 0."""
SCALE_ROWS = 5_000
"""Rows on which temperatures are fitted."""
Z90 = 1.6448536
"""Standard normal quantile of a two-sided 90 % interval, and of a one-sided test at 5 %."""

Array = NDArray[np.float64]
Scores = tuple[Floats, Floats]
"""Linear and vote scores, each (u, c)."""


@dataclass(frozen=True)
class Gain:
    """Mean gain in log-probability (nats) of a sample's label, with its 90 % interval.

    `z` is the mean in standard errors, `p_value` one-sided: how likely a gain this high is where there is
    none. Groups are the unit: the standard error is that of their sums.
    """

    estimate: float
    low: float
    high: float
    z: float
    p_value: float
    samples: int
    groups: int


@dataclass(frozen=True)
class Judge:
    """Probes over the rows of a frame; `features` (u, d) are whitened with `penalty`, `votes` are counted."""

    frame: Frame
    features: Floats
    penalty: float
    votes: int = VOTES

    @classmethod
    def of(cls, frame: Frame) -> Judge:
        """Choose the penalty with which the labels of both versions are predicted best out of sample."""
        axes = whiten(frame)
        return min((cls._with(frame, axes, penalty) for penalty in PENALTIES), key=cls._loss)

    @classmethod
    def memorising(cls, frame: Frame) -> Judge:
        """Return probes that take over wrong labels; see `MEMORISING_PENALTY`."""
        return cls._with(frame, whiten(frame), MEMORISING_PENALTY, MEMORISING_VOTES)

    @classmethod
    def _with(cls, frame: Frame, axes: Floats, penalty: float, votes: int = VOTES) -> Judge:
        variance = (axes.astype(np.float64) ** 2 * frame.weight[:, None]).sum(axis=0) / frame.weight.sum()
        length = np.sqrt(variance + penalty * variance.mean())
        return cls(frame, axes / np.maximum(length, 1e-12).astype(np.float32), penalty, votes)

    def _loss(self) -> float:
        total = 0.0
        for codes in (self.frame.before, self.frame.after):
            rows = np.flatnonzero(codes >= 0)
            total -= own_log_chance(self.linear_left_out(codes)[rows], codes[rows]).mean()
        return total

    def left_out(self, codes: Ints) -> Scores:
        """Scores of every row by probes that saw the labels `codes` (u,), -1 = none, of other groups only."""
        return self.linear_left_out(codes), self.vote(codes)

    def trained_on(self, codes: Ints, rows: Bools) -> Scores:
        """Scores of every row by probes that saw the labels of `rows` (u,) only."""
        seen = np.where(rows, codes, -1).astype(np.int32)
        sums, counts = self._sums(seen, np.zeros(len(seen), dtype=np.int32))
        return self._scores(self.features, sums[0], counts[0]), self.vote(seen)

    def linear_left_out(self, codes: Ints) -> Floats:
        """Linear scores (u, c) of every row without its fold."""
        fold = self.frame.fold
        sums, counts = self._sums(codes, fold)
        total, number = sums.sum(axis=0), counts.sum(axis=0)
        out = np.empty((len(fold), len(self.frame.classes)), dtype=np.float32)
        for f in range(len(sums)):
            rows = fold == f
            out[rows] = self._scores(self.features[rows], total - sums[f], number - counts[f])
        return out

    def vote(self, codes: Ints) -> Floats:
        """Log share (u, c) of each class among the `votes` nearest labelled pictures of other groups."""
        u, c = len(codes), len(self.frame.classes)
        labels = np.append(picture_codes(self.frame.picture, codes), np.int32(-1))[self.frame.voters]
        counted = labels >= 0
        counted &= np.cumsum(counted, axis=1) <= self.votes
        flat = (np.arange(u)[:, None] * c + labels)[counted]
        votes = np.bincount(flat, minlength=u * c).reshape(u, c) + PRIOR_VOTES / c
        return np.asarray(np.log(votes / votes.sum(axis=1, keepdims=True)), dtype=np.float32)

    def _sums(self, codes: Ints, fold: Ints) -> tuple[Floats, Array]:
        """Weighted sums (f, c, d) and weights (f, c) by fold and class."""
        from scipy.sparse import csr_matrix

        folds, c = int(fold.max(initial=0)) + 1, len(self.frame.classes)
        rows = np.flatnonzero(codes >= 0)
        cell = fold[rows] * c + codes[rows]
        weights = self.frame.weight[rows].astype(np.float32)
        onto = csr_matrix((weights, (cell, rows)), shape=(folds * c, len(codes)))
        sums = np.asarray(onto @ self.features, dtype=np.float32).reshape(folds, c, -1)
        counts = np.bincount(cell, weights, minlength=folds * c).reshape(folds, c)
        return sums, counts.astype(np.float64)

    @staticmethod
    def _scores(features: Floats, sums: Floats, counts: Array) -> Floats:
        """Scores of linear discriminants with one covariance and equal priors."""
        means = sums / np.maximum(counts, 1e-9)[:, None].astype(np.float32)
        scores = features @ means.T - 0.5 * np.einsum("cd,cd->c", means, means)
        # A class without a sample has no mean: it is never the likeliest.
        return np.asarray(np.where(counts > 1e-6, scores, scores.min(initial=0.0)), dtype=np.float32)


def picture_codes(picture: Ints, codes: Ints) -> Ints:
    """Label of each picture (p,): that of most of its copies, -1 where it has none or they are divided."""
    out = np.full(int(picture.max(initial=-1)) + 1, -1, dtype=np.int32)
    rows = np.flatnonzero(codes >= 0)
    out[picture[rows]] = codes[rows]
    many = np.bincount(picture[rows], minlength=len(out))[picture[rows]] > 1
    shared = rows[many]
    if not len(shared):
        return out
    pairs, counts = np.unique(np.stack([picture[shared], codes[shared]], axis=1), axis=0, return_counts=True)
    order = np.lexsort((-counts, pairs[:, 0]))
    pairs, counts = pairs[order], counts[order]
    owner, first = np.unique(pairs[:, 0], return_index=True)
    runner = np.minimum(first + 1, len(pairs) - 1)
    divided = (runner > first) & (pairs[runner, 0] == owner) & (counts[runner] == counts[first])
    out[owner] = np.where(divided, -1, pairs[first, 1])
    return out


def fit_scale(scores: Floats, codes: Ints) -> float:
    """Inverse temperature in [e^-6, e^6] under which a softmax of `scores` fits the labels best."""
    from scipy.optimize import minimize_scalar

    rows = np.unique(np.linspace(0, len(codes) - 1, min(len(codes), SCALE_ROWS)).astype(np.int64))
    some, labels = scores[rows].astype(np.float64), codes[rows]

    def loss(log_scale: float) -> float:
        return -float(log_softmax(np.exp(log_scale) * some)[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(-6.0, 6.0), method="bounded", options={"xatol": 0.02})
    return float(np.exp(found.x))


def log_chances(scores: Floats, codes: Ints) -> Array:
    """Log probabilities (r, c) at the temperature that fits `codes` (r,) best."""
    return log_softmax(fit_scale(scores, codes) * scores.astype(np.float64))


def own_log_chance(scores: Floats, codes: Ints) -> Array:
    """Log probability (r,) of each row's own label."""
    return np.asarray(log_chances(scores, codes)[np.arange(len(codes)), codes])


def log_softmax(scores: Array) -> Array:
    """Log softmax over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def chances(scores: Scores, codes: Ints) -> Array:
    """Class probabilities (u, c) of both probes together, fitted to the rows that have a label."""
    rows = np.flatnonzero(codes >= 0)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SCALE_ROWS)).astype(np.int64))]
    parts = [part[rows].astype(np.float64) for part in scores]
    scales, _ = combine(parts, codes[rows], np.ones(len(rows)))
    return softmax(scales[0] * scores[0].astype(np.float64) + scales[1] * scores[1].astype(np.float64))


def summarise_gain(gains: Array, groups: Ints, weights: Array) -> Gain:
    """Return the weighted mean of per-sample gains (r,), its interval, and how far it is from 0."""
    if not len(gains):
        return Gain(0.0, 0.0, 0.0, 0.0, 1.0, 0, 0)
    mean = float(np.average(gains, weights=weights))
    dense = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(dense, weights * (gains - mean))
    count = len(sums)
    spread = float(np.sqrt((sums**2).sum() * count / max(count - 1, 1)) / weights.sum())
    z = mean / spread if spread > 1e-12 else 0.0
    reach = Z90 * spread
    return Gain(mean, mean - reach, mean + reach, z, upper_tail(z), len(gains), count)


def upper_tail(z: float) -> float:
    """Return the chance of a standard normal value above `z`."""
    return math.erfc(z / math.sqrt(2)) / 2
