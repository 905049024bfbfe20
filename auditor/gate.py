"""A gate for an audit: does anything that must not be, stand in it?

    audit folder, ("mislabeled>2%", "leak>0"), baseline folder or None
        --> Condition ..          what fails            (gate_conditions)
        --> Measure ..            what the audit says   (gate_figures)
        ==> GateResult(checks)    one Check(condition, value, limit, passed, reason) each

A figure that does not exist never passes. Figures are compared with a baseline only where both audits were
made alike: other vectors or other thresholds give other figures for the same dataset.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from auditor.documents import Json, round_figures
from auditor.errors import DataError, UsageError
from auditor.gate_conditions import (
    FIGURES,
    NO_WORSE,
    SCORE,
    SHARE,
    Condition,
    no_worse,
    parse_conditions,
)
from auditor.gate_figures import AuditFigures, Measure, differing

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORDS = {
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
    "==": "equal to",
    "!=": "not equal to",
}
LISTED_CLASSES = 10


@dataclass(frozen=True)
class Check:
    """One condition held against an audit.

    value, baseline : the figure in the audit and in the baseline; None where there is none.
    limit : what the value was compared with, the baseline's figure counted in; None where there is none.
    passed : the condition, which says what fails, is not met.
    reason : why it failed, "" where it passed.
    """

    condition: Condition
    value: Measure | None
    baseline: Measure | None
    limit: Fraction | None
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateResult:
    """All checks of an audit, in the order in which they were asked for.

    baseline : the figures of the audit that it was held against, None without one.
    """

    audit: AuditFigures
    baseline: AuditFigures | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """All checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed_first(self) -> tuple[Check, ...]:
        """The checks, those that failed before those that passed."""
        return tuple(sorted(self.checks, key=lambda check: check.passed))


def check_gate(audit: Path, fail_on: Sequence[str] = (), baseline: Path | None = None) -> GateResult:
    """Hold an audit against conditions that say what fails.

    Parameters
    ----------
    audit : folder that `auditor run` wrote.
    fail_on : lists of conditions ("mislabeled>2%,leak>0"), see `auditor.gate_conditions`.
    baseline : folder of an earlier audit. Where no condition mentions the baseline, the figures of
        `NO_WORSE` must be no worse than in it.

    Raises
    ------
    UsageError
        If a condition cannot be read, names an unknown class, or needs a baseline that is not given.
    DataError
        If a folder is no audit, or figures cannot be compared because the audits were made differently.
    """
    conditions = parse_conditions(fail_on) if fail_on or baseline is None else ()
    if baseline is None and any(condition.relative for condition in conditions):
        first = next(condition.subject for condition in conditions if condition.relative)
        raise UsageError(
            f"{first} is held against a baseline: name an earlier audit (--baseline AUDIT) or give a limit."
        )
    found = AuditFigures.read(audit)
    before = None if baseline is None else AuditFigures.read(baseline)
    if before is not None:
        conditions += _defaults(conditions, found)
        _check_alike(conditions, found, before)
    _check_classes(conditions, found, before)
    return GateResult(found, before, tuple(_check(c, found, before) for c in conditions))


def gate_document(result: GateResult) -> Json:
    """Return a result as JSON: ``{passed, checks: [{name, class, op, limit, value, baseline, ..}]}``.

    `limit`, `value` and `baseline` are shares in [0, 1] where a percentage was asked for. `limit` has the
    baseline counted in; a figure that does not exist is null.
    """
    return round_figures(  # type: ignore[no-any-return]
        {
            "passed": result.passed,
            "checks": [
                {
                    "name": check.condition.name,
                    "class": check.condition.class_name,
                    "op": check.condition.op,
                    "limit": _number(check.limit),
                    "value": _number(None if check.value is None else check.value.number),
                    "baseline": _number(None if check.baseline is None else check.baseline.number),
                    "passed": check.passed,
                    "reason": check.reason,
                }
                for check in result.checks
            ],
        }
    )


def show_figure(condition: Condition, value: Fraction) -> str:
    """Return a figure in the unit of its condition: "2.5%", "1,200" or "0.8"."""
    if condition.share:
        return f"{float(value * 100):.6g}%"
    return f"{float(value):.6g}" if condition.figure.unit in (SHARE, SCORE) else f"{int(value):,}"


def _defaults(conditions: Sequence[Condition], audit: AuditFigures) -> tuple[Condition, ...]:
    """What is held against a baseline that no condition mentions; files are no matter of given vectors."""
    if any(condition.relative for condition in conditions):
        return ()
    pictures = audit.document["dataset"]["has_images"]
    return tuple(no_worse(name) for name in NO_WORSE if pictures or name != "unreadable")


def _check_alike(conditions: Sequence[Condition], audit: AuditFigures, baseline: AuditFigures) -> None:
    """Refuse to compare figures that depend on what the two audits do not have in common."""
    other = list(differing(audit, baseline))
    held = [c for c in conditions if c.relative and any(getattr(c.figure, part) for part in other)]
    if held:
        names = ", ".join(dict.fromkeys(c.subject for c in held))
        free = [n for n, f in FIGURES.items() if not any(getattr(f, part) for part in other) and "." not in n]
        what = " and ".join(
            {"vectors": "another backbone", "thresholds": "other thresholds"}[part] for part in other
        )
        raise DataError(
            f"{names} cannot be held against the baseline, made with {what}: make this audit "
            f"with run --like BASELINE, or ask only for {', '.join(free)}."
        )


def _check_classes(
    conditions: Sequence[Condition], audit: AuditFigures, baseline: AuditFigures | None
) -> None:
    """A class of the baseline that is gone fails its check; a class that nobody knows is a mistake."""
    known = set(audit.classes) | set(baseline.classes if baseline else ())
    for condition in conditions:
        if condition.class_name is not None and condition.class_name not in known:
            names = ", ".join(repr(name) for name in audit.classes[:LISTED_CLASSES])
            more = len(audit.classes) - LISTED_CLASSES
            left_out = f" and {more:,} more" if more > 0 else ""
            raise UsageError(
                f"{condition.subject}: the audit has no class {condition.class_name!r}, it has "
                f"{names}{left_out}."
            )


def _check(condition: Condition, audit: AuditFigures, baseline: AuditFigures | None) -> Check:
    value = audit.measure(condition)
    before = baseline.measure(condition) if baseline and condition.relative else None
    if value is None:
        return Check(condition, None, before, None, False, "no figure")
    if not condition.relative:
        limit = condition.limit
    elif before is None:
        return Check(condition, value, None, None, False, "no figure in the baseline")
    else:
        limit = before.number + condition.limit
    failed = _COMPARE[condition.op](value.number, limit)
    reason = _reason(condition, value, limit) if failed else ""
    return Check(condition, value, before, limit, not failed, reason)


def _reason(condition: Condition, value: Measure, limit: Fraction) -> str:
    found, bar = show_figure(condition, value.number), show_figure(condition, limit)
    return f"{found} is {_WORDS[condition.op]} {bar}"


def _number(value: Fraction | None) -> float | int | None:
    if value is None:
        return None
    return value.numerator if value.denominator == 1 else float(value)
