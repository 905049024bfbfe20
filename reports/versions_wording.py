"""Before and after in words: the headline, the evidence, what would tell more."""

from __future__ import annotations

import math
from collections.abc import Iterator

from auditor.comparisons.evidence import Held, Inner
from auditor.comparisons.gains import Z90, Gain
from auditor.comparisons.reviews import LEAST_CONTROLS, ReviewEvidence
from auditor.comparisons.verdicts import (
    ALPHA,
    CONSISTENT,
    IMPROVED,
    NO_CHANGE,
    WORSE,
    is_natural,
    too_many,
    were_wrong,
)
from auditor.comparisons.versions import Support, VersionComparison
from reports.comparison_view import Tone
from reports.model_blocks import share
from reports.wording import isolate, number, plural

HEADLINES = {
    IMPROVED: "Improved",
    CONSISTENT: "Consistent with better labels",
    NO_CHANGE: "No change that can be told from chance",
    WORSE: "Worse",
}
NOT_PROVEN = "Not shown to be better labels"
TONES: dict[str, Tone] = {IMPROVED: "better", CONSISTENT: "better", NO_CHANGE: "even", WORSE: "worse"}


def headline(comparison: VersionComparison) -> str:
    """Return the verdict with the change that it rests on and its interval."""
    if comparison.verdict == NO_CHANGE and not comparison.inner.draws:
        return f"{HEADLINES[NO_CHANGE]}: {_nothing_to_judge(comparison)}."
    held = comparison.held
    where = "labels of held-out pictures are" if held else "labels that stayed the same are"
    told = f"{where} {likelihood(comparison.gain)} to probes that never saw them"
    if comparison.verdict == NO_CHANGE and comparison.gain.low > 0:
        return f"{NOT_PROVEN}: {told}, which removing or relabelling by score alone can do too."
    if by_review(comparison):
        return f"{HEADLINES[comparison.verdict]} by a blind review: {_review_told(comparison.review)}."
    return f"{HEADLINES[comparison.verdict]}: {told}."


def by_review(comparison: VersionComparison) -> bool:
    """Tell whether the verdict rests on the review rather than on held-out pictures."""
    review, held = comparison.review, comparison.held
    told_by_held = held is not None and abs(held.gain.z) > Z90
    return review is not None and review.verdict == comparison.verdict and not told_by_held


def _nothing_to_judge(comparison: VersionComparison) -> str:
    counts = comparison.ledger.counts()
    if counts["relabelled"] or counts["removed"]:
        return "what changed leaves no picture whose label both versions can be asked about"
    return "no sample of the earlier version was removed or relabelled"


def likelihood(gain: Gain) -> str:
    """Return a gain in log-probability as a change of the probability, with its 90 % interval."""
    low, high = (_change(value) for value in (gain.low, gain.high))
    word = "more" if gain.estimate >= 0 else "less"
    return f"{share(abs(math.expm1(gain.estimate)))} {word} likely (90 % interval {low} to {high})"


def short_likelihood(gain: Gain) -> str:
    """Return the same for a table's cell: "+5.0 % (+1.9 % to +8.2 %)"."""
    return f"{_change(gain.estimate)} ({_change(gain.low)} to {_change(gain.high)})"


def _change(value: float) -> str:
    return f"{100 * math.expm1(value):+.1f} %".replace("-", "−")


def lines(comparison: VersionComparison) -> Iterator[str]:
    """Yield what the verdict rests on, the independent evidence first."""
    if comparison.held:
        yield from _held_lines(comparison.held)
        yield from _why_not(comparison.held, comparison.inner)
    if comparison.review:
        yield _review_line(comparison.review)
    yield from _inner_lines(comparison.inner)
    if comparison.support:
        yield _support_line(comparison.support)
    proven = comparison.held or comparison.review
    if comparison.verdict in (CONSISTENT, NO_CHANGE) and comparison.inner.draws and not proven:
        yield (
            "The data that was cleaned cannot prove itself. Independent evidence could: a split that the "
            "clean-up left alone (--holdout test), or a blind review with controls (--controls FILE)."
        )


def _held_lines(held: Held) -> Iterator[str]:
    knn, probe = held.knn_accuracy, held.probe_accuracy
    left = (
        f"; {plural(held.touched, 'other was', 'others were')} changed and left aside" if held.touched else ""
    )
    yield (
        f"Held out: {number(held.gain.samples)} pictures of {isolate(held.name)}{left}. Trained on the "
        f"labels before and after, the 3 nearest neighbours get {share(knn[0])} and {share(knn[1])} of them "
        f"right, a linear probe {share(probe[0])} and {share(probe[1])}."
    )
    if math.isnan(held.surprise_p_value):
        yield "The held-out split was cleaned as well, so it cannot say how wrong the labels were before."
    elif held.surprise_p_value <= ALPHA:
        yield (
            "Before, the labels contradicted their pictures more often than the held-out ones do "
            f"({p_value(held.surprise_p_value)}): if both were drawn alike, they were worse than right "
            "labels."
        )


def _inner_lines(inner: Inner) -> Iterator[str]:
    if not inner.draws:
        yield "Nothing changed between the two versions."
        return
    if not inner.gain.samples:
        yield "No label stayed the same, so the data itself cannot be judged."
        return
    yield (
        f"On the cleaned data itself, labels that stayed the same became {likelihood(inner.gain)}. Tidying "
        f"by score alone, of labels without an error, wins as much in {100 * inner.p_value:.0f} % of "
        f"{inner.draws} draws."
    )
    if too_many(inner):
        yield (
            f"Labels that contradict their pictures were {inner.contradictions_before.ratio:.1f} "
            f"times as many before as mixed classes explain ({p_value(inner.contradictions_p_value)})."
        )


def _why_not(held: Held, inner: Inner) -> Iterator[str]:
    """Yield why a gain on held-out pictures is not called an improvement."""
    if held.gain.z <= Z90 or not inner.draws:
        return
    if not is_natural(inner):
        after = inner.contradictions_after
        yield (
            f"It does not show better labels: after the clean-up {number(after.observed)} labels contradict "
            f"their pictures, where mixed classes have about {after.expected:.0f}; doubtful labels were "
            "taken away, right or wrong."
        )
    elif not were_wrong(held, inner):
        yield "It does not show better labels: nothing says that labels before were worse than right ones."


def _review_line(review: ReviewEvidence) -> str:
    few = f"; {LEAST_CONTROLS} controls are needed to say more" if review.controls < LEAST_CONTROLS else ""
    return f"Blind review: {_review_told(review)}{few}."


def _review_told(review: ReviewEvidence | None) -> str:
    if review is None:
        return ""
    unseen = f", {review.unreviewed} changed without review" if review.unreviewed else ""
    return (
        f"{review.flagged_wrong} of {review.flagged} flagged labels and {review.controls_wrong} of "
        f"{review.controls} random ones were found wrong ({p_value(review.p_value)}); "
        f"{plural(review.mended, 'was', 'were')} mended, "
        f"{plural(review.broken, 'right one was', 'right ones were')} broken{unseen}"
    )


def _support_line(support: Support) -> str:
    word = {True: "agrees", False: "disagrees: worse", None: "cannot tell"}[support.agrees]
    gain = support.held.gain if support.held else support.inner.gain
    return f"A second backbone, {isolate(support.backbone)}, {word}: {likelihood(gain)}."


def p_value(value: float) -> str:
    """Return "p = 0.012"; never 0."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
