"""Sentences of the page: headline, questions, advice. Pure text, no HTML."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from auditor.decisions import LABEL_CHECK
from auditor.results import ClassPair

KIND_NAMES: Mapping[str, str] = {
    "unreadable": "Does not open",
    "conflicting_duplicate": "Two labels",
    "leak": "In two places",
    "mislabeled": "Wrong label",
    "ambiguous": "Ambiguous",
    LABEL_CHECK: "Label to check",
    "off_topic": "Off-topic",
    "low_quality": "Poor picture",
    "duplicate": "Copies",
}
"""Short name of each finding kind, for chips and cards."""

_IN_SENTENCE: Mapping[str, tuple[str, str]] = {
    "unreadable": ("1 file that does not open", "{} files that do not open"),
    "conflicting_duplicate": ("1 picture filed under two classes", "{} pictures filed under two classes"),
    "leak": ("1 picture in two splits, domains or groups", "{} pictures in two splits, domains or groups"),
    "mislabeled": ("1 wrong label", "{} wrong labels"),
    "ambiguous": ("1 that could be either of two classes", "{} that could be either of two classes"),
    "off_topic": ("1 that fits no class", "{} that fit no class"),
    "low_quality": ("1 poor picture", "{} poor pictures"),
    "duplicate": ("1 set of copies", "{} sets of copies"),
}

_SCORE_NAMES: Mapping[str, str] = {
    "mislabeled": "label quality",
    "ambiguous": "clarity",
    LABEL_CHECK: "label quality",
    "off_topic": "typicality",
    "low_quality": "picture quality",
}
"""What the score of a finding measures; kinds that are certain show none."""

_COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

NAME_LENGTH = 48
"""Characters of a class name inside a sentence; labels and tables have it whole."""

RARELY_MIXED, OFTEN_MIXED = 0.05, 0.25
"""Rarely: neither class has this share taken for the other. Often: the mean share of a real overlap."""
FEW_MIXED = 5
"""Samples; fewer than this are cases, no pattern to write a rule from."""
ONE_WAY_RATIO = 2.0
"""A pair counts as one-way when one direction's share is at least this many times the other's."""
SMALL_CLASS_RATIO = 5.0
OWN_CLUSTER_SHARE = 0.5
"""Share of a confused group's neighbours that lie in the group itself; from here on it is a cluster."""


def number(value: int) -> str:
    """Return a count with thousands separated: 1,004."""
    return f"{value:,}"


def plural(value: int, one: str, many: str) -> str:
    """Return "1 class" or "1,004 classes"."""
    return f"{number(value)} {one if value == 1 else many}"


def count_word(value: int) -> str:
    """Return a small count as a word."""
    return _COUNT_WORDS[value] if 0 <= value < len(_COUNT_WORDS) else number(value)


def percent(share: float) -> str:
    """Return a share in [0, 1] as a percentage, with one decimal under 10 %."""
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def isolate(name: str) -> str:
    """Return the name as it stands in a sentence.

    Long names are cut in the middle, and right-to-left text cannot turn the sentence around it.
    """
    if len(name) > NAME_LENGTH:
        name = f"{name[: NAME_LENGTH - 13].rstrip()}…{name[-12:]}"
    return isolate_whole(name)


def isolate_whole(name: str) -> str:
    """Return the whole name, kept from turning what stands around it."""
    turning = any(unicodedata.bidirectional(c) in ("R", "AL", "RLE", "RLO", "RLI", "LRO") for c in name)
    return f"\u2068{name}\u2069" if turning else name


def _joined(parts: Sequence[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def headline(counts: Mapping[str, int], samples: int) -> str:
    """Return the page's first sentence: how many labels look wrong."""
    wrong = counts.get("mislabeled", 0)
    if wrong == 0:
        return f"None of {number(samples)} labels looks wrong."
    return f"{number(wrong)} of {number(samples)} labels {'looks' if wrong == 1 else 'look'} wrong."


def rest_sentence(counts: Mapping[str, int]) -> str:
    """Return the sentence that accounts for all findings beside the wrong labels, so that totals add up."""
    total, wrong = sum(counts.values()), counts.get("mislabeled", 0)
    if total == 0:
        return "Nothing else was found either."
    parts = [
        _IN_SENTENCE[kind][n > 1].format(number(n))
        for kind, n in counts.items()
        if n and kind != "mislabeled"
    ]
    if not parts:
        return "Nothing else was found."
    lead = f"{plural(total, 'finding', 'findings')} in all"
    if wrong:
        those = "this label" if wrong == 1 else f"these {number(wrong)}"
        return f"{lead}: {those}, {_joined(parts)}."
    return f"{lead}: {_joined(parts)}."


def conflict_headline(conflicts: int) -> tuple[str, str]:
    """Return both sentences of a page that holds only what annotators disagree about."""
    if not conflicts:
        return "The annotators disagree about nothing.", ""
    return (
        f"The annotators disagree about {plural(conflicts, 'question', 'questions')}.",
        "Each one says who answered what; your answer is one more vote.",
    )


def naming(name: str) -> str:
    """Return a class name as it stands in a question: "a tulip", or the bare name in quotes."""
    if re.fullmatch(r"[a-z]{2,}(?:[ -][a-z]+)*", name) and len(name) <= 40 and not name.endswith("s"):
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"“{isolate(name)}”"


def question(kind: str, labels: Sequence[str], suggested: str, places: Sequence[str], identical: bool) -> str:
    """Return the question of one finding.

    Parameters
    ----------
    labels : the distinct given labels of its members, `suggested` "" where there is none.
    places : the distinct splits (or domains) of its members.
    identical : all members have the same pixels.
    """
    picture = "same picture" if identical else "nearly the same picture"
    if kind in ("mislabeled", LABEL_CHECK):
        return f"Is this {naming(labels[0])}?"
    if kind == "ambiguous" and suggested:
        return f"{isolate(labels[0])} or {isolate(suggested)}?"
    if kind == "conflicting_duplicate":
        return f"{picture.capitalize()}, {count_word(len(labels))} labels: which one is right?"
    if kind == "leak":
        where = _joined([isolate(p) for p in places]) if len(places) > 1 else "parts that must be apart"
        return (
            f"{'The same' if identical else 'Nearly the same'} picture is in {where}: where should it stay?"
        )
    if kind == "duplicate":
        return f"{picture.capitalize()} more than once: keep one or all?"
    return {
        "off_topic": "Does this belong to the dataset?",
        "low_quality": "Is this picture good enough to keep?",
        "unreadable": "This file does not open: drop it or repair it?",
    }.get(kind, "What is this?")


def score_name(kind: str) -> str:
    """Return what the score of this kind measures, "" where the finding is certain."""
    return _SCORE_NAMES.get(kind, "")


def direction(pair: ClassPair) -> str:
    """Return both directions in words: "21 rose look like tulip, 17 the other way"."""
    a, b = isolate(pair.a), isolate(pair.b)
    if pair.a_as_b >= pair.b_as_a:
        first, second, x, y = pair.a_as_b, pair.b_as_a, a, b
    else:
        first, second, x, y = pair.b_as_a, pair.a_as_b, b, a
    verb = "looks" if first == 1 else "look"
    back = "none" if second == 0 else number(second)
    return f"{number(first)} labelled {x} {verb} like {y}, {back} the other way"


def advice(pair: ClassPair, size_a: int, size_b: int, own_cluster: str = "") -> tuple[str, str]:
    """Return (shape, advice) for two classes that confuse.

    Shape is "rare", "symmetric", "one-way" or "cluster". `own_cluster` names the class whose confused
    samples lie together as a group of their own, "" when none does.
    """
    a, b = isolate(pair.a), isolate(pair.b)
    if pair.b_as_a / max(size_b, 1) > pair.a_as_b / max(size_a, 1):
        a, b, size_a, size_b = b, a, size_b, size_a
    shares = sorted(((pair.a_as_b / max(size_a, 1)), pair.b_as_a / max(size_b, 1)))
    if own_cluster:
        own = isolate(own_cluster)
        other = isolate(pair.b if own_cluster == pair.a else pair.a)
        return "cluster", (
            f"The {own} that look like {other} lie together as a group of their own: look at them as one, "
            f"then move them or split {own} in two."
        )
    if shares[1] < RARELY_MIXED or pair.a_as_b + pair.b_as_a < FEW_MIXED:
        return "rare", "Only a few at the border: decide the flagged ones, no rule is needed."
    if shares[1] >= ONE_WAY_RATIO * shares[0]:
        return "one-way", _one_way(a, b, size_a, size_b)
    if pair.score >= OFTEN_MIXED:
        return (
            "symmetric",
            f"They overlap both ways: merge {a} and {b}, or write a rule that tells them apart.",
        )
    return (
        "symmetric",
        f"Mixed both ways: write a rule for the border between {a} and {b}, then relabel by it.",
    )


def _one_way(a: str, b: str, size_a: int, size_b: int) -> str:
    lead = f"{a} is taken for {b}, hardly the other way"
    if size_a * SMALL_CLASS_RATIO <= size_b:
        return f"{lead}, and has only {plural(size_a, 'sample', 'samples')}: collect more {a}."
    return (
        f"{lead}: write a rule for pictures that show both or could be {b}, leave such pictures out of {a}, "
        f"and collect plain {a}."
    )
