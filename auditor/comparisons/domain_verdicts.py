"""What the figures of two classes in the test domain mean: one verdict, one reason.

    fewer than 30 groups a class                     "cannot tell"
    no probe tells them apart, inside or carried     "overlap", unless the neighbours inside do
    apart inside, not along the carried direction    "direction changed"
    apart along it, the border costs too much        "global shift" when the other classes' shift restores it,
                                                     "misplaced border" when it does not
    apart, border in its place                       "separated"
    .. and no other class says which of the two      "cannot tell"
    an interval straddles a bar                      "cannot tell"

What the border costs is measured against
the border in the middle of both classes along the same direction, so that a direction that tells them apart
only partly is not taken for a wrong border. Label noise inside the test domain looks like overlap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from auditor.comparisons.intervals import Interval

SEPARATED = "separated"
OVERLAP = "overlap"
MISPLACED = "misplaced border"
CHANGED = "direction changed"
SHIFTED = "global shift"
UNTOLD = "cannot tell"
VERDICTS = (OVERLAP, CHANGED, MISPLACED, SHIFTED, UNTOLD, SEPARATED)
"""Every verdict, the hardest to repair first."""
TWO_CLASSES = (
    "The classes are apart, but the border lies in the wrong place. With two classes nothing tells whether "
    "it is misplaced between them or the whole domain moved."
)
FEW_OTHERS = (
    "The classes are apart, but the border lies in the wrong place. The other classes have too few pictures "
    "to tell whether it is misplaced between these two or the whole domain moved."
)
UNSURE_SHIFT = (
    "The classes are apart, but the border lies in the wrong place. Whether it is misplaced between these "
    "two or the whole domain moved is too uncertain."
)
NOT_STRAIGHT = (
    "The classes are told apart by their neighbours in the test domain, but not by a straight border: the "
    "linear probe cannot say what the training domain teaches about them."
)
EITHER_BORDER = (TWO_CLASSES, FEW_OTHERS, UNSURE_SHIFT)
"""Reasons that leave open which of `MISPLACED` and `SHIFTED` it is."""


@dataclass(frozen=True)
class DomainBars:
    """Bars of the verdicts: chosen on planted cases (tests/auditor/test_domains.py), absolute.

    Attributes
    ----------
    apart_auc : classes are apart from here on. At .90 a perfect separation seen in 30 groups a class is told
        (its interval ends at .92); at .95 it would not be. Normal classes then confuse 18 %.
    kept_auc : the direction carried over is good enough to ask where the border lies; a little lower than
        `apart_auc`, or a border that is plainly wrong would go untold with few groups.
    right_share : balanced accuracy that separated classes surely have; that of normal classes at `apart_auc`
        is .82.
    border_loss : a border is misplaced when it surely costs more than this share of right answers ..
    border_fine : .. and in place when it surely costs less than this. Two bars instead of one, so that a
        border is judged with few groups too; where both hold, it is misplaced.
    least_groups : independent groups of each class in the test domain, below which nothing is told.
    """

    apart_auc: float = 0.90
    kept_auc: float = 0.85
    right_share: float = 0.80
    border_loss: float = 0.05
    border_fine: float = 0.10
    least_groups: int = 30


def give_verdict(
    figures: Mapping[str, Interval],
    rooms: tuple[float, float],
    groups: tuple[int, int],
    others: int,
    bars: DomainBars,
) -> tuple[str, str]:
    """Return the verdict and its reason in one sentence.

    Parameters
    ----------
    figures : intervals by their names in `domain_pairs.DomainPair`.
    rooms : how much the AUC inside the test domain, and the carried one, may still grow with more samples.
    groups : independent groups of both classes in the test domain.
    others : classes compared beside these two.
    """
    inside, carried = figures["inside_auc"], figures["carried_auc"]
    if min(groups) < bars.least_groups:
        noun = "picture" if min(groups) == 1 else "pictures"
        return UNTOLD, (
            f"Only {min(groups)} independent {noun} of one class in the test domain; "
            f"{bars.least_groups} of each are needed."
        )
    if max(inside.low, carried.low) >= bars.apart_auc:
        return _judge_direction(figures, rooms[1], others, bars)
    neighbours = figures["neighbours_auc"]
    if neighbours.estimate >= bars.apart_auc and max(inside.high, carried.high) < bars.apart_auc:
        return UNTOLD, NOT_STRAIGHT
    if max(inside.high + rooms[0], carried.high, neighbours.high) < bars.apart_auc:
        return (
            OVERLAP,
            "Neither a probe trained inside the test domain nor the neighbours there tell the classes apart.",
        )
    if max(inside.high, carried.high, neighbours.high) < bars.apart_auc:
        return UNTOLD, "The test domain has too few pictures: a probe inside it still gets better with more."
    return UNTOLD, "Whether the classes are apart in the test domain lies too close to the bar."


def _judge_direction(
    figures: Mapping[str, Interval], room: float, others: int, bars: DomainBars
) -> tuple[str, str]:
    """Both classes are apart in the test domain: does the direction carried over tell them apart?"""
    inside, carried = figures["inside_auc"], figures["carried_auc"]
    best = carried.high + room
    if best < bars.apart_auc or (carried.low < bars.apart_auc and best < inside.low):
        return CHANGED, "The classes are apart, but not along the direction learned in the training domain."
    if carried.high < bars.apart_auc:
        return (
            UNTOLD,
            "The training domain has too few pictures: what it teaches still gets better with more.",
        )
    if carried.low < bars.kept_auc:
        return UNTOLD, "The classes are apart; how well the direction carries over lies too close to the bar."
    return _judge_border(figures, others, bars)


def _judge_border(figures: Mapping[str, Interval], others: int, bars: DomainBars) -> tuple[str, str]:
    """Both classes are apart along the carried direction: is the border in its place?"""
    loss, centred = figures["border_loss"], figures["centred_loss"]
    if not loss.surely_above(bars.border_loss):
        if not figures["carried_accuracy"].surely_above(bars.right_share):
            return UNTOLD, "The classes are apart; how many are told apart lies too close to the bar."
        if loss.surely_below(bars.border_fine):
            return SEPARATED, "The classes are apart and the border carried over lies between them."
        return UNTOLD, "The classes are apart; what the border's place costs is too uncertain."
    if math.isnan(centred.estimate):
        return UNTOLD, FEW_OTHERS if others else TWO_CLASSES
    if centred.surely_above(bars.border_loss):
        return MISPLACED, (
            "The classes are apart along the direction carried over, but the border lies in the wrong place, "
            "and the other classes did not move alike."
        )
    if centred.surely_below(bars.border_fine):
        return (
            SHIFTED,
            "The whole domain moved: with the other classes' shift undone the border is in its place.",
        )
    return UNTOLD, UNSURE_SHIFT
