"""What fails a dataset, read from text.

    mislabeled>2%, knn_accuracy["cat, dog"]<0.7, probe_accuracy<baseline-0.01, leak

    list       conditions, separated by commas
    condition  NAME [CLASS] OP LIMIT     what fails the gate
               NAME [CLASS]              fails when worse than in the baseline
    CLASS      in square brackets; in single or double quotes where the name holds a bracket or starts with
               a quote, a quote inside then written twice
    OP         > >= < <= == !=
    LIMIT      0.8   2%   baseline   baseline+0.5%   baseline-0.01

Limits are exact fractions: 2 of 100 samples are not more than 2 %, whatever floats make of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from auditor.errors import UsageError
from auditor.results import KINDS

SAMPLES, COUNT, SHARE, SCORE = "a count of samples", "a count", "a share", "a score"
"""What a figure is: a count of samples, which can also be given as their share; another count; a share in
[0, 1]; a score in [-1, 1]."""


@dataclass(frozen=True)
class Figure:
    """A figure of an audit that a condition can name.

    unit : `SAMPLES`, `COUNT`, `SHARE` or `SCORE`.
    worse : ">" or "<", the direction in which the figure gets worse.
    by_class : there is one for each class too.
    vectors, thresholds : it depends on the backbone's vectors, on the audit's thresholds.
    """

    unit: str
    worse: str
    by_class: bool = False
    vectors: bool = True
    thresholds: bool = True


_OF_FILES = {"unreadable": (False, False), "low_quality": (False, True)}
"""Kinds that need no vectors: whether they depend on (vectors, thresholds)."""

FIGURES: dict[str, Figure] = {
    **{kind: Figure(SAMPLES, ">", True, *_OF_FILES.get(kind, (True, True))) for kind in KINDS},
    "flagged": Figure(SAMPLES, ">", True),
    "knn_accuracy": Figure(SHARE, "<", True),
    "probe_accuracy": Figure(SHARE, "<", True),
    "silhouette": Figure(SCORE, "<", True),
    "trustworthiness": Figure(SHARE, "<", thresholds=False),
    "samples": Figure(COUNT, "<", vectors=False, thresholds=False),
    "classes": Figure(COUNT, "<", vectors=False, thresholds=False),
    "class_samples": Figure(COUNT, "<", True, vectors=False, thresholds=False),
    "mixed_pairs": Figure(COUNT, ">"),
    "not_judged": Figure(COUNT, ">"),
    "upper_indication": Figure(SAMPLES, ">"),
    **{f"{kind}.findings": Figure(COUNT, ">", False, *_OF_FILES.get(kind, (True, True))) for kind in KINDS},
}
"""The figures by name."""

NO_WORSE: tuple[str, ...] = (
    "mislabeled",
    "conflicting_duplicate",
    "leak",
    "unreadable",
    "knn_accuracy",
    "probe_accuracy",
)
"""What must be no worse than in a baseline when nothing else is said."""

OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
"""The operators, each with the one that says the contrary."""

_CONDITION = re.compile(
    r"""\s* (?P<name> [^\[\],<>=!]*+)
    (?P<brackets> \[ \s* (?: "(?P<double> (?:[^"]|"")*)" | '(?P<single> (?:[^']|'')*)' | (?P<bare> .*?) )
      \s* \] (?= \s* (?: [<>=!,] | $)) )? \s*
    (?P<op> >= | <= | == | != | [<>=!] )? \s*
    (?P<limit> [^,]*?) \s* (?: , | $)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})\s*(?P<percent>%?)"
_PLAIN = re.compile(rf"(?P<sign>[+-]?)\s*{_NUMBER}")
_RELATIVE = re.compile(rf"baseline\s*(?:(?P<sign>[+-])\s*{_NUMBER})?", re.IGNORECASE)


@dataclass(frozen=True)
class Condition:
    """One thing that fails the gate.

    name : of `FIGURES`.
    class_name : of which class; None is the whole dataset.
    op : of `OPPOSITE`; found OP limit fails.
    limit : what is compared with; added to the baseline's figure when `relative`. 2 % is 1/50.
    share : a count of samples is taken as the share of all samples (of the class).
    relative : the limit counts from the baseline.
    """

    name: str
    class_name: str | None
    op: str
    limit: Fraction
    share: bool = False
    relative: bool = False

    @property
    def figure(self) -> Figure:
        """What is known about the figure."""
        return FIGURES[self.name]

    @property
    def subject(self) -> str:
        """The figure as it is asked for: ``knn_accuracy["a, b"]``."""
        return self.name if self.class_name is None else f"{self.name}[{_quote(self.class_name)}]"

    def __str__(self) -> str:
        return f"{self.subject} {self.op} {self._limit()}"

    def _limit(self) -> str:
        size = abs(self.limit)
        # A share of samples reads as a percentage; an accuracy stays the number that the audit prints.
        text = f"{_decimal(size * 100)}%" if self.share else _decimal(size)
        if not self.relative:
            return ("-" if self.limit < 0 else "") + text
        return "baseline" + (f" {'-' if self.limit < 0 else '+'} {text}" if size else "")


def parse_conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions of one or several lists, in their order.

    Raises
    ------
    UsageError
        If there is none, a name or a limit is unknown, or a limit makes no sense for its figure.
    """
    found = [condition for text in texts for condition in _parse_list(text)]
    if not found:
        raise UsageError(
            'There is nothing to check: say what fails (--fail-on "mislabeled>2%,leak>0"), or which audit '
            "this one must not be worse than (--baseline AUDIT)."
        )
    return tuple(found)


def no_worse(name: str, class_name: str | None = None) -> Condition:
    """Return the condition that fails when a figure is worse than in the baseline."""
    figure = FIGURES[name]
    share = figure.unit == SAMPLES
    return Condition(name, class_name, figure.worse, Fraction(0), share, relative=True)


def _parse_list(text: str) -> list[Condition]:
    found, start = [], 0
    while start < len(text):
        match = _CONDITION.match(text, start)
        if match is None:
            raise _unreadable(text[start:].strip())
        start = match.end()
        said = match.group().strip().removesuffix(",").rstrip()
        if said:
            found.append(_parse(match, said))
    return found


def _parse(match: re.Match[str], said: str) -> Condition:
    name = re.sub(r"[ -]", "_", match["name"].strip().lower())
    if name not in FIGURES:
        digits = ": write numbers without a comma" if name.isdigit() else f": {_known_names()}"
        raise UsageError(f"{match['name'].strip()!r} in {said!r} is no figure of an audit{digits}.")
    class_name = _class_name(match)
    if class_name is not None and not FIGURES[name].by_class:
        able = ", ".join(n for n, figure in FIGURES.items() if figure.by_class)
        raise UsageError(f"{said!r}: {name} has no figure for each class; these have: {able}.")
    if match["op"] is None and not match["limit"]:
        return no_worse(name, class_name)
    if match["op"] not in OPPOSITE:
        raise _unreadable(said)
    return _with_limit(name, class_name, match["op"], match["limit"], said)


def _class_name(match: re.Match[str]) -> str | None:
    if match["double"] is not None:
        return match["double"].replace('""', '"')
    if match["single"] is not None:
        return match["single"].replace("''", "'")
    return match["bare"]


def _with_limit(name: str, class_name: str | None, op: str, text: str, said: str) -> Condition:
    plain, relative = _PLAIN.fullmatch(text), _RELATIVE.fullmatch(text)
    match = plain or relative
    if match is None:
        raise UsageError(
            f"{said!r} compares with {text!r}: give a number (0.8), a percentage (2%) or the baseline "
            "(baseline+0.5%)."
        )
    number = Fraction(match["number"] or "0")
    percent = bool(match["percent"])
    limit = (number / 100 if percent else number) * (-1 if match["sign"] == "-" else 1)
    figure = FIGURES[name]
    share = figure.unit == SAMPLES and (percent or match["number"] is None)
    condition = Condition(name, class_name, op, limit, share, relative is not None)
    _check_limit(condition, percent, said)
    return condition


def _check_limit(condition: Condition, percent: bool, said: str) -> None:
    figure, name, limit = condition.figure, condition.name, condition.limit
    if percent and figure.unit in (COUNT, SCORE):
        raise UsageError(f"{said!r}: {name} is {figure.unit} and takes no percentage, only a number.")
    if figure.unit in (COUNT, SAMPLES) and not condition.share and limit.denominator != 1:
        other = (
            f"; for a share of the samples write {_decimal(limit * 100)}%"
            if figure.unit == SAMPLES and 0 < limit < 1
            else ""
        )
        raise UsageError(f"{said!r}: {name} is {figure.unit} and takes a whole number{other}.")
    if condition.relative:
        _check_direction(condition, said)
        return
    low = -1 if figure.unit == SCORE else 0
    high = 1 if condition.share or figure.unit in (SHARE, SCORE) else None
    if limit < low or (high is not None and limit > high):
        bounds = f"from {low} up" if high is None else f"from {low} to {high}"
        bounds = "from 0% to 100%" if percent else bounds
        raise UsageError(f"{said!r} can never tell anything: {name} takes a limit {bounds}.")


def _check_direction(condition: Condition, said: str) -> None:
    if condition.op[0] in "<>" and condition.op[0] != condition.figure.worse:
        right = str(replace(condition, op=OPPOSITE[condition.op]))
        raise UsageError(
            f"{said!r} would fail a dataset that got better: conditions say what fails, so write {right!r}."
        )


def _unreadable(said: str) -> UsageError:
    return UsageError(
        f"{said!r} is no condition: write a name, one of {' '.join(OPPOSITE)} and a limit, such as "
        "mislabeled>2%."
    )


def _known_names() -> str:
    return f"known are {', '.join(n for n in FIGURES if '.' not in n)}, and KIND.findings for each kind"


def _quote(class_name: str) -> str:
    """Return a class name as a condition can be given: in quotes unless it is plain."""
    if re.fullmatch(r"[\w. -]*\w", class_name) and class_name == class_name.strip():
        return class_name
    return '"' + class_name.replace('"', '""') + '"'


def _decimal(value: Fraction) -> str:
    """Return a limit as digits; it was read from digits, so it has an end."""
    text = f"{value.numerator * 10**17 // value.denominator:018d}"
    return f"{text[:-17]}.{text[-17:]}".rstrip("0").rstrip(".")
