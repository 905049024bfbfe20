"""Sentences of the page about two domains: headline, what each verdict means, what to do. Pure text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from auditor.comparisons.domain_advice import Advice
from auditor.comparisons.domain_pairs import DomainPair
from auditor.comparisons.domain_verdicts import (
    CHANGED,
    EITHER_BORDER,
    MISPLACED,
    OVERLAP,
    SEPARATED,
    SHIFTED,
    UNTOLD,
    VERDICTS,
)
from auditor.comparisons.domains import DROP, DROP_FINE, FAILS, HOLDS, SURE_LOSS, DomainComparison
from auditor.comparisons.intervals import Interval
from reports.comparison_view import Tone
from reports.wording import isolate, isolate_whole, number, percent, plural

WORTH_TELLING = 0.02
"""Accuracy that centring must win back before the header tells it."""
NAMED_CONFUSIONS, NAMED_PAIRS = 3, 6

VERDICT_TONES: Mapping[str, Tone] = {
    OVERLAP: "worse",
    CHANGED: "worse",
    MISPLACED: "worse",
    SHIFTED: "worse",
    UNTOLD: "plain",
    SEPARATED: "even",
}


def headline(c: DomainComparison) -> str:
    """Return the page's first sentence."""
    train, test = names(c)
    before, after = percent(c.accuracy_train.estimate), percent(c.accuracy_test.estimate)
    if c.verdict == FAILS:
        return f"What is learned on {train} does not hold on {test}: accuracy falls from {before} to {after}."
    if c.verdict == HOLDS:
        return f"What is learned on {train} holds on {test}: accuracy is {after} there, {before} on {train}."
    return (
        f"Whether what is learned on {train} holds on {test} cannot be told: accuracy is {after} there, "
        f"{before} on {train}."
    )


def lines(c: DomainComparison) -> tuple[str, ...]:
    """Return what stands under the headline."""
    out = [f"The change is {points(c)}. Every class counts alike."]
    if c.verdict == UNTOLD:
        out.append(c.reason)
    worst = _confusions(c)
    if worst:
        out.append(f"On {names(c)[1]} {'; '.join(worst)}.")
    out.append(pair_counts(c.pairs))
    won = c.centred.estimate - c.accuracy_test.estimate
    if c.verdict == FAILS and won > WORTH_TELLING and len(c.sides.classes) > 2:
        out.append(
            f"With the shift between the domains taken off, accuracy is {percent(c.centred.estimate)}: the "
            f"shift alone costs {100 * won:.0f} of the {100 * c.drop.estimate:.0f} points."
        )
    return tuple(out)


def points(c: DomainComparison) -> str:
    """Return the change of the accuracy in points with its interval."""
    low, middle, high = (signed(-100 * v) for v in (c.drop.high, c.drop.estimate, c.drop.low))
    return f"{middle} points ({low} to {high} at 95 % confidence)"


def signed(value: float) -> str:
    """Return a whole number with its sign; what rounds to nothing has none."""
    return f"{round(value):+d}".replace("-", "−") if round(value) else "0"


def names(c: DomainComparison) -> tuple[str, str]:
    """Return the names of both domains as they stand in a sentence."""
    return isolate(c.sides.train.name), isolate(c.sides.test.name)


def quoted(name: str) -> str:
    """Return the name of a class as it stands beside words and numbers."""
    return f"“{isolate(name)}”"


def pair_counts(pairs: Sequence[DomainPair]) -> str:
    """Return how many pairs got which verdict."""
    counts = Counter(pair.verdict for pair in pairs)
    parts = [f"{number(counts[verdict])} {verdict}" for verdict in VERDICTS if counts[verdict]]
    return f"Of {plural(len(pairs), 'pair', 'pairs')} of classes: {', '.join(parts)}."


def interval(value: Interval, share: bool = True) -> str:
    """Return an estimate with its interval, as percentages or as plain numbers; "unknown" where there is "
    "none."""
    if value.estimate != value.estimate:
        return "unknown"
    if share:
        return f"{percent(value.estimate)} ({100 * value.low:.0f}–{100 * value.high:.0f})"
    return f"{value.estimate:.2f} ({value.low:.2f}–{value.high:.2f})"


def _confusions(c: DomainComparison) -> list[str]:
    found = sorted((one for one in c.classes if one.taken), key=lambda one: (-one.taken, one.code))
    return [
        f"{number(one.taken)} of {plural(one.test_samples, 'picture', 'pictures')} of "
        f"{quoted(c.sides.classes[one.code])} {'is' if one.taken == 1 else 'are'} taken for "
        f"{quoted(c.sides.classes[one.taken_for])}"
        for one in found[:NAMED_CONFUSIONS]
    ]


def what_to_do(c: DomainComparison) -> tuple[str, ...]:
    """Return what to do for each verdict that occurs, and who it is about."""
    train, test = names(c)
    told = {
        OVERLAP: f"overlap on {test} itself: no picture from {train} can repair that. Check the labels on "
        f"{test} "
        "first, because label noise there looks like overlap; then write a rule for the two, or merge them.",
        CHANGED: f"are told apart on {test} by other features than on {train}: add pictures of both classes "
        "from "
        f"{test} to the training.",
        MISPLACED: "are apart, but the border lies in the wrong place: see what to leave out and what to "
        f"collect below, or set the border anew with a few labelled pictures from {test}.",
        SHIFTED: f"are apart, but all of {test} is moved: take each domain's own mean off before classifying "
        f"(that needs no labels), or add pictures of any class from {test} to the training.",
    }
    by_verdict = {verdict: [p for p in c.pairs if p.verdict == verdict] for verdict in told}
    out = [f"{_listed(c, pairs)} {told[verdict]}" for verdict, pairs in by_verdict.items() if pairs]
    unsure = [pair for pair in c.pairs if pair.verdict == UNTOLD]
    out += [
        f"No verdict for {_listed(c, [p for p in unsure if p.reason == reason])}. {reason}"
        + (f" {_either_border(c)}" if reason in EITHER_BORDER else "")
        for reason in dict.fromkeys(pair.reason for pair in unsure)
    ]
    if c.leaks:
        out.append(
            f"Remove {plural(len(c.leaks), 'picture that is', 'pictures that are')} in both domains from one "
            "of "
            "them: whoever trains on it has seen the answer."
        )
    return tuple(out) or (f"Nothing: the classes of {test} are told apart by what {train} teaches.",)


def _either_border(c: DomainComparison) -> str:
    test = names(c)[1]
    return (
        f"Setting the border anew with a few labelled pictures from {test} helps either way; taking each "
        f"domain's own mean off helps only if all of {test} moved."
    )


def _listed(c: DomainComparison, pairs: Sequence[DomainPair]) -> str:
    named = [
        f"{quoted(c.sides.classes[p.a])} and {quoted(c.sides.classes[p.b])}" for p in pairs[:NAMED_PAIRS]
    ]
    rest = len(pairs) - len(named)
    return "; ".join(named) + (f"; and {plural(rest, 'more pair', 'more pairs')}" if rest else "")


def advice(c: DomainComparison, one: Advice) -> str:
    """Return what to collect, and what to leave out, for one direction of a pair."""
    train, test = names(c)
    of, to = quoted(c.sides.classes[one.of]), quoted(c.sides.classes[one.to])
    taken = ""
    if one.count:
        pictures = plural(one.count, "picture", "pictures")
        taken = f" On {test} {pictures} of {to} {'is' if one.count == 1 else 'are'} taken for {of}."
    if one.leave_out:
        return (
            f"Collect more pictures of {of} unlike these, and leave these {number(len(one.leave_out))} out "
            f"of {of} on {train}, or see whether they belong there: they look more like {to} than like the "
            f"others of {of}.{taken}"
        )
    where = f", best from {test}" if one.verdict == CHANGED else ""
    return (
        f"Collect more pictures of {of} unlike these{where}: they are its nearest to {to} on {train}. None "
        f"stands out, so none needs to be left out.{taken}"
    )


def meanings(c: DomainComparison) -> tuple[str, ...]:
    """Return what every verdict means."""
    train, test = names(c)
    bars = c.bars
    return (
        f"Does it hold? No when accuracy surely falls by more than {100 * DROP:.0f} points. Yes when it "
        f"surely falls by less than {100 * DROP_FINE:.0f} and no fall of more than {100 * SURE_LOSS:.0f} is "
        f"sure. Otherwise, or when accuracy on {train} is not surely above chance, it cannot be told.",
        f"Separated: on {test} the two classes are apart, and the border learned on {train} lies between "
        "them.",
        f"Overlap: on {test} no probe tells them apart (AUC surely below {bars.apart_auc:.2f}), not even one "
        f"that is trained there, and neither do the neighbours. Label noise inside {test} looks the same.",
        f"Direction changed: a probe trained on {test} tells them apart, the direction learned on {train} "
        "does "
        "not.",
        "Misplaced border: the classes are apart along the learned direction, but the border surely costs "
        "more "
        f"than {100 * bars.border_loss:.0f} points of accuracy, and undoing the shift of the other classes "
        "does "
        "not repair it.",
        "Global shift: the same, and undoing the shift of the other classes does repair it.",
        f"Cannot tell: fewer than {bars.least_groups} independent pictures of one class on {test}, an "
        "interval that lies across a bar, no straight border though the neighbours agree, or a wrong border "
        "and no other class with enough pictures to tell whether all of it moved.",
    )


def notes(c: DomainComparison) -> tuple[str, ...]:
    """Return what to know beside."""
    known = (c.sides.train.name, c.sides.test.name, *c.audit.dataset.classes)
    out = [
        *(_keep_straight(note, known) for note in c.sides.notes),
        "Label noise inside the test domain looks like overlap.",
    ]
    if len(c.sides.classes) == 2:
        out.append(
            'With two classes a global shift and a misplaced border cannot be told apart: either is "cannot '
            'tell".'
        )
    out.append(
        "The probe is linear discriminant analysis on the audit's vectors, not your network. Intervals are "
        "at "
        "95 % and count independent pictures: copies once, and the members of a group together."
    )
    return tuple(out)


def _keep_straight(note: str, known: Sequence[str]) -> str:
    """Keep right-to-left names, which a note quotes, from turning the numbers and names after them."""
    for name in known:
        note = note.replace(repr(name), isolate_whole(repr(name)))
    return note
