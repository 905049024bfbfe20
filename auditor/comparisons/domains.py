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
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress, no_progress
from auditor.comparisons.domain_advice import Advice, advise
from auditor.comparisons.domain_moves import ClassMove, Leak, class_moves, find_leaks
from auditor.comparisons.domain_neighbours import inside_votes
from auditor.comparisons.domain_pairs import (
    Counts,
    DomainPair,
    PairInputs,
    judge_pair,
    measure_confusions,
    worst_pairs,
)
from auditor.comparisons.domain_pictures import (
    FarSamples,
    NearPictures,
    far_samples,
    flag_samples,
    nearest_pictures,
    unit_rows,
)
from auditor.comparisons.domain_probes import comparable_vectors, probe_domains
from auditor.comparisons.domain_sides import Side, Sides, choose_sides
from auditor.comparisons.domain_verdicts import DomainBars
from auditor.comparisons.intervals import (
    Interval,
    difference_interval,
    effective_count,
    mean_interval,
    share_interval,
)
from auditor.machines import calm_blas
from auditor.results import Audit

ALL_PAIRS_CLASSES = 20
"""Up to this many classes every pair is judged, else the worst `MOST_PAIRS`."""
MOST_PAIRS = 200
PICTURED_PAIRS = 6
"""Pairs, those that confuse most, whose nearest training pictures are looked up."""
DROP, DROP_FINE = 0.05, 0.10
"""What was learned does not hold when accuracy surely falls by more than the one, and holds when it surely
falls by less than the other, unless a loss is sure (`SURE_LOSS`); where both are so, it does not hold."""
SURE_LOSS = 0.02
"""A loss of accuracy that is surely larger than this is never called "holds", however small."""
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
class DomainComparison:
    """See the module docstring. Class codes are positions in ``sides.classes``.

    guess_train, guess_test : (n,) most probable class of every sample of a side.
    confusion_train : (k, k) out of sample; confusion_test : (k, k) of the probe trained on all of the
        training domain but the sample's own group.
    accuracy_train, accuracy_test : mean recall of the classes; `drop` is their difference.
    centred, centred_unlabelled : accuracy in the test domain after its classes' mean move is undone, and
        after the move of all its samples, whatever their class, is undone: that needs no labels.
    shift : length of the move that is common to the classes, in spreads of a class.
    verdict, reason : the answer, and what decided it in one sentence.
    """

    audit: Audit
    sides: Sides
    seed: int
    bars: DomainBars
    guess_train: Ints
    guess_test: Ints
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
    reason: str


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
    inputs = measure_confusions(sides, scores, inside_votes(audit, sides.test))
    pairs = _judge_pairs(inputs, bars, progress)
    shift, moves = class_moves(z_train, z_test, sides)
    unit_train, unit_test = unit_rows(z_train), unit_rows(z_test)
    near = _near_pictures(audit, sides, unit_train, pairs)
    left_out, carried = _accuracy(sides.train, scores.left_out), _accuracy(sides.test, scores.carried)
    undone = scores.carried - scores.moves.mean(axis=0).astype(np.float32)
    undone_unlabelled = scores.carried - scores.unlabelled.astype(np.float32)
    progress("pictures", 0, 0)
    drop = difference_interval(left_out, carried)
    verdict, reason = judge_whole(left_out, drop, len(sides.classes))
    return DomainComparison(
        audit=audit,
        sides=sides,
        seed=seed,
        bars=bars,
        guess_train=scores.left_out.argmax(axis=1).astype(np.int32),
        guess_test=scores.carried.argmax(axis=1).astype(np.int32),
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
        advice=advise(pairs, near),
        verdict=verdict,
        reason=reason,
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
    """Both directions of the pairs that confuse most, in their order."""
    flags = flag_samples(sides.train.ids, audit.findings)
    ways = [way for pair in pairs[:PICTURED_PAIRS] for way in ((pair.a, pair.b), (pair.b, pair.a))]
    return tuple(nearest_pictures(z, sides.train, flags, of, to) for of, to in ways)


def _accuracy(side: Side, scores: Floats) -> Interval:
    """Mean recall of the classes, by independent groups."""
    right = scores.argmax(axis=1) == side.codes
    return mean_interval([_recall(side, right, code) for code in range(scores.shape[1])])


def _recall(side: Side, right: NDArray[np.bool_], code: int) -> Interval:
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


def judge_whole(learned: Interval, drop: Interval, classes: int) -> tuple[str, str]:
    """Return the verdict and its reason; `learned` is the accuracy in the training domain."""
    chance = 1 / classes
    if learned.low <= chance:
        return UNTOLD, (
            "Nothing is learned in the training domain that could hold: accuracy there is not surely above "
            f"chance ({100 * chance:.3g} %)."
        )
    if drop.surely_above(DROP):
        return FAILS, f"Accuracy surely falls by more than {100 * DROP:.0f} points."
    if drop.surely_above(SURE_LOSS):
        return UNTOLD, (
            f"Accuracy surely falls by more than {100 * SURE_LOSS:.0f} points; whether by more than "
            f"{100 * DROP:.0f} is open."
        )
    if drop.surely_below(DROP_FINE):
        return HOLDS, f"Accuracy surely falls by less than {100 * DROP_FINE:.0f} points."
    return UNTOLD, f"The change is too uncertain: it may be a fall of {100 * DROP_FINE:.0f} points or more."
