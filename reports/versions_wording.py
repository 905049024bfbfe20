"""Before and after in words: the headline, the evidence, what would tell more."""

from __future__ import annotations

import math
from collections.abc import Iterator

from auditor.comparisons.evidence import ALPHA, CONSISTENT, IMPROVED, NO_CHANGE, WORSE, Held, Inner
from auditor.comparisons.gains import Gain
from auditor.comparisons.reviews import LEAST_CONTROLS, ReviewEvidence
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
TONES: dict[str, Tone] = {IMPROVED: "better", CONSISTENT: "better", NO_CHANGE: "even", WORSE: "worse"}


def headline(comparison: VersionComparison) -> str:
    """Return the verdict with the change that it rests on and its interval."""
    verdict = HEADLINES[comparison.verdict]
    if comparison.verdict == NO_CHANGE and not comparison.inner.draws:
        return f"{verdict}: both versions have the same samples and labels."
    where = "labels of held-out pictures are" if comparison.held else "labels that stayed the same are"
    return f"{verdict}: {where} {likelihood(comparison.gain)} to probes that never saw them."


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
            f"Before, the labels contradicted their pictures more often than the held-out ones do "
            f"({p_value(held.surprise_p_value)}): they were worse than right labels."
        )


def _inner_lines(inner: Inner) -> Iterator[str]:
    if not inner.draws:
        yield "Nothing changed between the two versions."
        return
    yield (
        f"On the cleaned data itself, labels that stayed the same became {likelihood(inner.gain)}. Tidying "
        f"by score alone, of labels without an error, wins as much in {100 * inner.p_value:.0f} % of "
        f"{inner.draws} draws."
    )
    odd = inner.contradictions_p_value
    if odd <= ALPHA:
        yield (
            f"Labels that contradict their pictures were {inner.contradictions_before:.1f} times as many "
            f"before as mixed classes explain ({p_value(odd)})."
        )


def _review_line(review: ReviewEvidence) -> str:
    told = (
        f"Blind review: {review.flagged_wrong} of {review.flagged} flagged labels and "
        f"{review.controls_wrong} of {review.controls} random ones were found wrong (p = "
        f"{p_value(review.p_value)}); {review.mended} were mended, {review.broken} right ones broken"
    )
    unseen = f", {review.unreviewed} changed without review" if review.unreviewed else ""
    few = f"; {LEAST_CONTROLS} controls are needed to say more" if review.controls < LEAST_CONTROLS else ""
    return f"{told}{unseen}{few}."


def _support_line(support: Support) -> str:
    word = {True: "agrees", False: "disagrees: worse", None: "cannot tell"}[support.agrees]
    gain = support.held.gain if support.held else support.inner.gain
    return f"A second backbone, {isolate(support.backbone)}, {word}: {likelihood(gain)}."


def p_value(value: float) -> str:
    """Return "p = 0.012"; never 0."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
