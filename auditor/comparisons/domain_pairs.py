"""What went wrong between two classes in the test domain, in figures and in one verdict.

    scores of both classes' test samples
      inside_auc           a probe trained inside the test domain, out of group
      neighbours_auc       the vote of the neighbours there, out of group
      carried_auc          along the direction carried over from the training domain
      carried_accuracy     .. and at the border carried over
      own_border           .. and at the middle between both classes' means in the test domain
      centred              .. and after the shift of the other classes is undone (domain_shift)
      centred_unlabelled   .. or that of all samples
    figures --domain_verdicts--> verdict and reason

Every accuracy counts both classes alike, every interval independent groups. Label noise inside the test
domain looks like overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats
from auditor.comparisons.domain_neighbours import InsideVotes
from auditor.comparisons.domain_probes import DomainScores
from auditor.comparisons.domain_shift import others_move, side_counts
from auditor.comparisons.domain_sides import Side, Sides
from auditor.comparisons.domain_verdicts import DomainBars, give_verdict
from auditor.comparisons.intervals import (
    UNKNOWN,
    Interval,
    auc,
    auc_interval,
    change_interval,
    effective_count,
    mean_interval,
    share_interval,
)

INSIDE_ROOM, CARRIED_ROOM = 1.25, 1.0
"""With an error of the form a + b/n, what more data could still win is this many times the gain so far:
from 1/2 to 9/10 of the groups inside the test domain, from 1/2 to all of them in the training domain."""

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class DomainPair:
    """Two classes in the test domain; AUCs and accuracies in [0, 1], high = apart.

    a, b : class codes, positions in `Sides.classes`.
    groups : independent groups of a and of b in the test domain.
    taken : samples of a taken for b and of b taken for a, among all classes, in the training domain (out of
        sample) and in the test domain: (a as b, b as a, a as b, b as a).
    train_auc : in the training domain, out of sample.
    inside_room, carried_room : how much more these AUCs may still grow with more samples.
    centred : unknown where the other classes cannot tell their shift; its interval, like that of
        `centred_loss`, counts how unsure their shift is.
    border_loss, centred_loss : own_border less carried_accuracy, and less centred.
    """

    a: int
    b: int
    groups: tuple[int, int]
    taken: tuple[int, int, int, int]
    train_auc: Interval
    inside_auc: Interval
    inside_room: float
    neighbours_auc: Interval
    carried_auc: Interval
    carried_room: float
    carried_accuracy: Interval
    own_border: Interval
    centred: Interval
    centred_unlabelled: Interval
    border_loss: Interval
    centred_loss: Interval
    verdict: str
    reason: str


@dataclass(frozen=True)
class _Cut:
    """Both classes' samples of one domain: positions in the side, which belong to a, independent counts."""

    rows: NDArray[np.int64]
    first: Bools
    counts: tuple[float, float]

    def accuracy(self, right: Bools) -> Interval:
        """Balanced accuracy."""
        parts = (self.first, ~self.first)
        return mean_interval(
            [share_interval(float(right[part].mean()), n) for part, n in zip(parts, self.counts, strict=True)]
        )

    def change(self, before: Bools, after: Bools) -> Interval:
        """Change of the balanced accuracy, paired by sample."""
        parts = (self.first, ~self.first)
        return mean_interval(
            [change_interval(before[p], after[p], n) for p, n in zip(parts, self.counts, strict=True)]
        )

    def auc(self, scores: Floats, a: int, b: int) -> Interval:
        """AUC of the difference of two columns of scores."""
        return auc_interval(auc(_margin(scores, self.rows, a, b), self.first), *self.counts)


@dataclass(frozen=True)
class PairInputs:
    """What the pairs are measured on; `confusions` of the training and the test domain are (k, k) counts,
    `groups` (k,) the independent groups of each class in the test domain, `counts` (k,) the independent
    samples that each class is worth in the training and in the test domain, `votes` those of neighbours."""

    sides: Sides
    scores: DomainScores
    confusions: tuple[Counts, Counts]
    groups: Counts
    counts: tuple[Array, Array]
    votes: InsideVotes


def measure_confusions(sides: Sides, scores: DomainScores, votes: InsideVotes) -> PairInputs:
    """Count, in both domains, given label against most probable class (a domain's own copies once)."""
    k = len(sides.classes)
    counts = []
    for side, values in ((sides.train, scores.left_out), (sides.test, scores.carried)):
        matrix = np.zeros((k, k), dtype=np.int64)
        np.add.at(matrix, (side.codes, values.argmax(axis=1)), 1)
        counts.append(matrix)
    worth = side_counts(sides.train, k), side_counts(sides.test, k)
    groups = sides.test.groups_of_classes(k)
    return PairInputs(sides, scores, (counts[0], counts[1]), groups, worth, votes)


def judge_pair(inputs: PairInputs, pair: tuple[int, int], bars: DomainBars) -> DomainPair:
    """Measure two classes and give the verdict."""
    a, b = pair
    scores = inputs.scores
    train, test = _cut(inputs.sides.train, a, b), _cut(inputs.sides.test, a, b)
    figures = _figures(inputs, train, test, pair)
    groups = (int(inputs.groups[a]), int(inputs.groups[b]))
    if min(groups) < 2:
        figures["inside_auc"] = UNKNOWN
    inside_room = INSIDE_ROOM * max(0.0, figures["inside_auc"].estimate - _half_auc(scores, test, a, b))
    halves = [auc(_margin(half, test.rows, a, b), test.first) for half in scores.carried_halves]
    carried_room = CARRIED_ROOM * max(0.0, figures["carried_auc"].estimate - sum(halves) / 2)
    rooms = inside_room, carried_room
    verdict, reason = give_verdict(figures, rooms, groups, len(inputs.groups) - 2, bars)
    (a_train, b_train), (a_test, b_test) = ((int(m[a, b]), int(m[b, a])) for m in inputs.confusions)
    taken = (a_train, b_train, a_test, b_test)
    return DomainPair(
        a,
        b,
        groups,
        taken,
        **figures,
        inside_room=inside_room,
        carried_room=carried_room,
        verdict=verdict,
        reason=reason,
    )


def _figures(inputs: PairInputs, train: _Cut, test: _Cut, pair: tuple[int, int]) -> dict[str, Interval]:
    a, b = pair
    scores = inputs.scores
    margin = _margin(scores.carried, test.rows, a, b)
    own = (margin > (margin[test.first].mean() + margin[~test.first].mean()) / 2) == test.first
    carried = (margin > 0.0) == test.first
    unlabelled = (margin > float(scores.unlabelled[a] - scores.unlabelled[b])) == test.first
    move = others_move(scores, inputs.sides, inputs.counts, pair)
    centred = [(margin > border) == test.first for border in (move.estimate, move.low, move.high)]
    known = not math.isnan(move.estimate)
    return {
        "train_auc": train.auc(scores.left_out, a, b),
        "inside_auc": test.auc(scores.inside, a, b),
        "neighbours_auc": auc_interval(auc(inputs.votes.share(test.rows, a, b), test.first), *test.counts),
        "carried_auc": test.auc(scores.carried, a, b),
        "carried_accuracy": test.accuracy(carried),
        "own_border": test.accuracy(own),
        "centred": _widened([test.accuracy(right) for right in centred]) if known else UNKNOWN,
        "centred_unlabelled": test.accuracy(unlabelled),
        "border_loss": test.change(carried, own),
        "centred_loss": _widened([test.change(right, own) for right in centred]) if known else UNKNOWN,
    }


def _widened(parts: list[Interval]) -> Interval:
    """The first interval, wider by how far the other estimates lie from its own: two independent doubts."""
    middle = parts[0]
    below = middle.estimate - min(p.estimate for p in parts)
    above = max(p.estimate for p in parts) - middle.estimate
    return Interval(
        middle.estimate,
        middle.estimate - math.hypot(middle.estimate - middle.low, below),
        middle.estimate + math.hypot(middle.high - middle.estimate, above),
    )


def worst_pairs(left_out: Counts, carried: Counts, all_up_to: int, most: int) -> list[tuple[int, int]]:
    """Return the pairs (a, b), a < b, to look at, those that confuse most in either domain first.

    Parameters
    ----------
    left_out, carried : (k, k) confusion counts in the training and in the test domain.
    all_up_to : classes up to which every pair is returned; with more the `most` worst.
    """
    shares = [m / np.maximum(m.sum(axis=1, keepdims=True), 1) for m in (carried, left_out)]
    both = [(s + s.T) / 2 for s in shares]
    k = len(left_out)
    first, second = np.triu_indices(k, 1)
    order = np.lexsort((second, first, -both[1][first, second], -np.maximum(*both)[first, second]))
    kept = order if k <= all_up_to else order[:most]
    return [(int(first[i]), int(second[i])) for i in kept]


def _cut(side: Side, a: int, b: int) -> _Cut:
    rows = np.flatnonzero((side.codes == a) | (side.codes == b))
    first = side.codes[rows] == a
    counts = effective_count(side.groups[rows[first]]), effective_count(side.groups[rows[~first]])
    return _Cut(rows, first, counts)


def _margin(scores: Floats, rows: NDArray[np.int64], a: int, b: int) -> Array:
    return np.asarray(scores[rows, a] - scores[rows, b], dtype=np.float64)


def _half_auc(scores: DomainScores, test: _Cut, a: int, b: int) -> float:
    """Mean AUC of both probes trained on half of the test domain; not-a-number when one has none."""
    margin, half = _margin(scores.inside_half, test.rows, a, b), scores.half[test.rows]
    return float(np.mean([auc(margin[half == one], test.first[half == one]) for one in (0, 1)]))
