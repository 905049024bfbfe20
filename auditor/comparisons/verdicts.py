"""The verdict that the evidence carries.

independent evidence is for it                 --> improved
it beats the null                              --> consistent with better labels
neither                                        --> no change that can be told from chance
held-out pictures, or the rest, are told apart worse   --> worse
"""

from __future__ import annotations

from auditor.comparisons.evidence import Held, Inner
from auditor.comparisons.gains import Z90

IMPROVED = "improved"
CONSISTENT = "consistent with better labels"
NO_CHANGE = "no change that can be told from chance"
WORSE = "worse"
VERDICTS: tuple[str, ...] = (IMPROVED, CONSISTENT, NO_CHANGE, WORSE)

ALPHA = 0.05
NATURAL, FEW = 0.5, 5.0
"""Contradictions after the clean-up, as a share of those expected, from which on the doubtful labels of mixed
classes are still there; with fewer than `FEW` expected nothing can be said. Real overlapping classes keep 0.6
to 1.0; removing or relabelling the 5 % lowest-scored leaves 0.0 to 0.4."""
MANY, FALLEN = 1.1, 0.8
"""Contradictions before from which on they are more than mixed classes explain; what part may be left."""
FALSE_DISCOVERIES = 0.10
"""Share of false ones accepted among the classes, and among the pairs, that are called better or worse."""


def judge_evidence(held: Held | None, inner: Inner, review: str = "") -> str:
    """Return the verdict.

    Parameters
    ----------
    held : what the held-out split says, None without one.
    review : "improved" or "worse" where reviewed controls say so, else "".
    """
    if WORSE in (review, _held_verdict(held, inner)):
        return WORSE
    if IMPROVED in (review, _held_verdict(held, inner)):
        return IMPROVED
    if inner.gain.z > Z90 and (inner.p_value <= ALPHA or too_many(inner)):
        return CONSISTENT
    if held is None and inner.gain.z < -Z90 and not inner.gain.estimate >= inner.less_data:
        return WORSE
    return NO_CHANGE


def _held_verdict(held: Held | None, inner: Inner) -> str:
    """Tell what held-out pictures alone say.

    A gain there is needed but not enough: removing or relabelling whatever a model doubts makes the next
    model smoother and can help it on held-out pictures although every label was right. So the labels before
    must have been worse than right ones, and those of mixed classes must still be there.
    """
    if held is None:
        return ""
    if held.gain.z < -Z90:
        return WORSE
    proven = held.gain.z > Z90 and is_natural(inner) and were_wrong(held, inner)
    return IMPROVED if proven else ""


def were_wrong(held: Held, inner: Inner) -> bool:
    """Tell whether the labels before were worse than right ones.

    They surprise a probe more than the held-out labels do; or they contradict their pictures more often than
    labels that the model draws itself; or more often than mixed classes explain, and much less often after.
    """
    before, after = inner.contradictions_before.ratio, inner.contradictions_after.ratio
    fell = before >= MANY and after <= FALLEN * before
    return held.surprise_p_value <= ALPHA or too_many(inner) or fell


def too_many(inner: Inner) -> bool:
    """Tell whether labels before contradicted their pictures more often than mixed classes explain."""
    return inner.contradictions_before.ratio > 1 and inner.contradictions_p_value <= ALPHA


def is_natural(inner: Inner) -> bool:
    """Tell whether the doubtful labels that mixed classes have are still there after the clean-up."""
    after = inner.contradictions_after
    return after.expected < FEW or after.ratio >= NATURAL
