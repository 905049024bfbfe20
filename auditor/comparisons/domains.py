"""One class set in two domains: does what is learned in one hold in the other, and if not, why?

    audit, train, test --choose_sides--> Sides --probe_domains--> DomainScores
      confusion matrices, accuracy in both domains      and after the shift between them is undone
      DomainPair ..       figures and a verdict for each pair of classes, those that confuse most first
      NearPictures ..     training pictures of one class near the other, for the pairs that confuse most
      Advice ..           which class to collect more of, and which of its pictures to leave out
      FarSamples, ClassMove .., Leak ..
    ==>  DomainComparison, "holds", "does not hold" or "cannot tell"

"Accuracy" counts every class alike, so domains with other shares of the classes compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.arrays import Floats, Progress, no_progress
from auditor.audit import calm_blas
from auditor.comparisons.domain_moves import ClassMove, Leak, class_moves, find_leaks
from auditor.comparisons.domain_pairs import (
    Counts,
    DomainPair,
    PairInputs,
    judge_pair,
    measure_confusions,
    worst_pairs,
)
from auditor.comparisons.domain_pictures import (
    NEAR,
    FarSamples,
    NearPictures,
    far_samples,
    flag_samples,
    nearest_pictures,
    unit_rows,
)
from auditor.comparisons.domain_probes import comparable_vectors, probe_domains
from auditor.comparisons.domain_sides import Side, Sides, choose_sides
from auditor.comparisons.domain_verdicts import CHANGED, MISPLACED, OVERLAP, DomainBars
from auditor.comparisons.intervals import (
    Interval,
    difference_interval,
    effective_count,
    mean_interval,
    share_interval,
)
from auditor.results import Audit

ALL_PAIRS_CLASSES = 20
"""Up to this many classes every pair is judged, else the worst `MOST_PAIRS`."""
MOST_PAIRS = 200
PICTURED_PAIRS = 12
"""Pairs, those that confuse most, whose nearest training pictures are looked up."""
CLOSE, STANDS_OUT = 0.1, 0.25
"""A group of pictures stands out when its mean closeness is below the one (as near to the other class as to
its own) and at least the other below its class's median: only such groups are advised to be left out, or two
classes that are near as a whole would lose their pictures. In the kitchen set the avocados with a knife have
-.04 to .02, their class's median is .5."""
DROP, DROP_FINE = 0.05, 0.10
"""What was learned does not hold when accuracy surely falls by more than the one, and holds when it surely
falls by less than the other; where both are so, it does not hold."""
HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot tell"


@dataclass(frozen=True)
class DomainClass:
    """One class (`code`) in both domains.

    train_samples, test_samples : copies count once. `train_recall`, `test_recall` : shares found again.
    taken_for, taken : the class that most of its other test samples are taken for (-1: none), and how many.
    """

    code: int
    train_samples: int
    test_samples: int
    test_groups: int
    train_recall: Interval
    test_recall: Interval
    taken_for: int
    taken: int


@dataclass(frozen=True)
class Advice:
    """Collect more of class `of`: in the test domain `count` samples of class `to` are taken for it.

    verdict : of the pair.
    leave_out : training pictures of `of` that stand out as near to `to` as to their own class; may be empty.
    nearest : the first pictures of `of` nearest to `to` that belong together: what to collect is unlike them.
    """

    of: int
    to: int
    verdict: str
    count: int
    leave_out: tuple[str, ...]
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class DomainComparison:
    """See the module docstring. Class codes are positions in ``sides.classes``.

    confusion_train : (k, k) out of sample; confusion_test : (k, k) of the probe trained on all of the
        training domain but the groups that are in both.
    accuracy_train, accuracy_test : mean recall of the classes; `drop` is their difference.
    centred, centred_unlabelled : accuracy in the test domain after its classes' mean move is undone, and
        after the move of all its samples, whatever their class, is undone: that needs no labels.
    shift : length of the move that is common to the classes, in spreads of a class.
    """

    audit: Audit
    sides: Sides
    seed: int
    bars: DomainBars
    confusion_train: Counts
    confusion_test: Counts
    accuracy_train: Interval
    accuracy_test: Interval
    drop: Interval
    centred: Interval
    centred_unlabelled: Interval
    classes: tuple[DomainClass, ...]
    pairs: tuple[DomainPair, ...]
    near: tuple[NearPictures, ...]
    far: FarSamples
    shift: float
    moves: tuple[ClassMove, ...]
    leaks: tuple[Leak, ...]
    advice: tuple[Advice, ...]
    verdict: str


def compare_domains(
    audit: Audit,
    train: str,
    test: str,
    seed: int = 0,
    progress: Progress = no_progress,
    bars: DomainBars | None = None,
) -> DomainComparison:
    """Compare two domains (or two splits) of one audit.

    Parameters
    ----------
    train, test : names of the domain that is learned from and of the one that it is applied to.
    seed : of the folds.

    Raises
    ------
    UsageError, DataError
        See `choose_sides`.
    """
    sides = choose_sides(audit, train, test)
    bars = bars or DomainBars()
    with calm_blas(audit.embeddings):
        return _compare(audit, sides, seed, bars, progress)


def _compare(audit: Audit, sides: Sides, seed: int, bars: DomainBars, progress: Progress) -> DomainComparison:
    z_train, z_test = comparable_vectors(audit, sides)
    scores = probe_domains(z_train, z_test, sides, seed, progress)
    inputs = measure_confusions(sides, scores)
    pairs = _judge_pairs(inputs, bars, progress)
    shift, moves = class_moves(z_train, z_test, sides)
    unit_train, unit_test = unit_rows(z_train), unit_rows(z_test)
    near = _near_pictures(audit, sides, unit_train, pairs)
    left_out, carried = _accuracy(sides.train, scores.left_out), _accuracy(sides.test, scores.carried)
    undone = scores.carried - scores.moves.mean(axis=0).astype(np.float32)
    undone_unlabelled = scores.carried - scores.unlabelled.astype(np.float32)
    progress("pictures", 0, 0)
    drop = difference_interval(left_out, carried)
    return DomainComparison(
        audit=audit,
        sides=sides,
        seed=seed,
        bars=bars,
        confusion_train=inputs.confusions[0],
        confusion_test=inputs.confusions[1],
        accuracy_train=left_out,
        accuracy_test=carried,
        drop=drop,
        centred=_accuracy(sides.test, undone),
        centred_unlabelled=_accuracy(sides.test, undone_unlabelled),
        classes=_classes(inputs),
        pairs=pairs,
        near=near,
        far=far_samples(unit_train, sides.train, unit_test, sides.test),
        shift=shift,
        moves=moves,
        leaks=find_leaks(audit, sides),
        advice=_advise(pairs, near),
        verdict=_overall(drop),
    )


def _judge_pairs(inputs: PairInputs, bars: DomainBars, progress: Progress) -> tuple[DomainPair, ...]:
    chosen = worst_pairs(*inputs.confusions, ALL_PAIRS_CLASSES, MOST_PAIRS)
    pairs = []
    for done, pair in enumerate(chosen):
        progress("pairs", done, len(chosen))
        pairs.append(judge_pair(inputs, pair, bars))
    progress("pairs", len(chosen), len(chosen))
    return tuple(pairs)


def _near_pictures(
    audit: Audit, sides: Sides, z: Floats, pairs: tuple[DomainPair, ...]
) -> tuple[NearPictures, ...]:
    """Both directions of the pairs that confuse most, in their order; pairs that never confuse have none."""
    flags = flag_samples(sides.train.ids, audit.findings)
    worst = [pair for pair in pairs if any(pair.taken)][:PICTURED_PAIRS]
    ways = [way for pair in worst for way in ((pair.a, pair.b), (pair.b, pair.a))]
    return tuple(nearest_pictures(z, sides.train, flags, of, to) for of, to in ways)


def _accuracy(side: Side, scores: Floats) -> Interval:
    """Mean recall of the classes, by independent groups."""
    right = scores.argmax(axis=1) == side.codes
    return mean_interval([_recall(side, right, code) for code in range(scores.shape[1])])


def _recall(side: Side, right: np.ndarray[tuple[int], np.dtype[np.bool_]], code: int) -> Interval:
    rows = side.of_class(code)
    return share_interval(float(right[rows].mean()), effective_count(side.groups[rows]))


def _classes(inputs: PairInputs) -> tuple[DomainClass, ...]:
    sides, scores = inputs.sides, inputs.scores
    right_train = scores.left_out.argmax(axis=1) == sides.train.codes
    right_test = scores.carried.argmax(axis=1) == sides.test.codes
    out = []
    for code in range(len(sides.classes)):
        others = inputs.confusions[1][code].copy()
        others[code] = 0
        most = int(others.argmax())
        out.append(
            DomainClass(
                code,
                len(sides.train.of_class(code)),
                len(sides.test.of_class(code)),
                int(inputs.groups[code]),
                _recall(sides.train, right_train, code),
                _recall(sides.test, right_test, code),
                most if others[most] else -1,
                int(others[most]),
            )
        )
    return tuple(out)


def _advise(pairs: tuple[DomainPair, ...], near: tuple[NearPictures, ...]) -> tuple[Advice, ...]:
    """Advise about the pictured pairs, both ways.

    A way is worth advice when the pair has a problem and most of its confusion goes this way, or when
    pictures of the one class stand out as near to the other, whatever the verdict.
    """
    pictured = {(one.of, one.to): one for one in near}
    out = []
    for pair in pairs:
        for of, to, count, back in (
            (pair.a, pair.b, pair.taken[3], pair.taken[2]),
            (pair.b, pair.a, pair.taken[2], pair.taken[3]),
        ):
            pictures = pictured.get((of, to))
            if pictures is None:
                continue
            standing = _standing_out(pictures)
            if standing or (pair.verdict in (OVERLAP, CHANGED, MISPLACED) and count > back):
                nearest = pictures.clusters[0].ids if pictures.clusters else ()
                out.append(Advice(of, to, pair.verdict, count, standing, nearest))
    return tuple(out)


def _standing_out(pictures: NearPictures) -> tuple[str, ...]:
    bar = min(CLOSE, pictures.usual - STANDS_OUT)
    groups = [c for c in pictures.clusters if c.kind == NEAR and np.mean(c.closeness) < bar]
    return tuple(one for cluster in groups for one in cluster.ids)


def _overall(drop: Interval) -> str:
    if drop.surely_above(DROP):
        return FAILS
    return HOLDS if drop.surely_below(DROP_FINE) else UNTOLD
