"""What becomes of every sample when a dataset is cleaned: decisions in, a plan out. Nothing is written here.

    Audit + Outcome .. + CleanOptions  --make_plan-->  VersionPlan
        rows     one for each sample of the audit, in dataset order:
                 kept | relabelled | dropped, its label after, what settled it, why, by whom
        counts   what the rows add up to
        digest   the same plan has the same digest, whoever makes it and wherever

`cause` of a row says in one word what settled it: the kind of the finding that was answered, one of `AUTO`,
or one of `CAUSES`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import TypeAlias

from auditor.errors import UsageError
from auditor.merging import ABOUT_COPIES, CONFLICT, LABEL_QUESTIONS, Answer, Outcome
from auditor.results import KINDS, Audit, Finding

ACTIONS: tuple[str, ...] = ("kept", "relabelled", "dropped")
AUTO: tuple[str, ...] = ("drop-duplicates", "drop-near-duplicates", "drop-unreadable")
"""What needs no judgement: of copies with one label in one place one stays; files that do not decode go."""
ON_CONFLICT: tuple[str, ...] = ("keep", "drop")
CAUSES: tuple[str, ...] = ("confirmed", "unsure", CONFLICT, "not decided", "not asked")
"""What settled a sample that no answer changes; a conflict may drop it too."""
FEW = 3
"""A class with fewer samples than this cannot be judged by an audit."""

_REFERENCE = "reference"

Asked: TypeAlias = AbstractSet[tuple[str, str]]
"""(id, kind) of all answers."""


@dataclass(frozen=True)
class CleanOptions:
    """How decisions become a version.

    Attributes
    ----------
    on_conflict : "keep" leaves a sample with contradicting answers as it is, "drop" takes it out.
    auto : any of `AUTO`, in any order.
    """

    on_conflict: str = "keep"
    auto: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.on_conflict not in ON_CONFLICT:
            raise UsageError(f"--on-conflict takes {' or '.join(ON_CONFLICT)}, not {self.on_conflict!r}.")
        unknown = [name for name in self.auto if name not in AUTO]
        if unknown:
            raise UsageError(f"--auto takes {', '.join(AUTO)}, not {unknown[0]!r}.")
        object.__setattr__(self, "auto", tuple(name for name in AUTO if name in self.auto))


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What becomes of one sample; `label_after` is "" for a dropped one."""

    id: str
    digest: str
    action: str
    label_before: str
    label_after: str
    cause: str
    why: str
    annotators: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class VersionPlan:
    """One row for each sample of an audit, in dataset order."""

    report_id: str
    fingerprint: str
    options: CleanOptions
    rows: tuple[PlanRow, ...]

    @cached_property
    def digest(self) -> str:
        """The sha256, hex, of everything that the plan says."""
        state = hashlib.sha256()
        head = [self.report_id, self.fingerprint, *astuple(self.options)]
        for line in (head, *(astuple(row) for row in self.rows)):
            state.update(json.dumps(line).encode() + b"\n")
        return state.hexdigest()

    def changed(self) -> bool:
        """Tell whether any sample changes."""
        return any(row.action != "kept" for row in self.rows)

    def counts(self) -> dict[str, int]:
        """Return samples, those of each action, what remains, and the kept ones by cause."""
        actions = Counter(row.action for row in self.rows)
        kept = Counter(row.cause for row in self.rows if row.action == "kept")
        conflicts = sum(row.cause == CONFLICT for row in self.rows)
        return {
            "samples": len(self.rows),
            **{name: actions[name] for name in ACTIONS},
            "remaining": len(self.rows) - actions["dropped"],
            **{name.replace(" ", "_"): kept[name] for name in CAUSES if name != CONFLICT},
            "conflicts": conflicts,
        }

    def relabelled(self) -> list[tuple[str, str, int]]:
        """Return (from, to, samples) of each pair, the largest first."""
        found = Counter((r.label_before, r.label_after) for r in self.rows if r.action == "relabelled")
        return sorted(((a, b, n) for (a, b), n in found.items()), key=lambda part: (-part[2], part))

    def dropped(self) -> list[tuple[str, int]]:
        """Return (cause, samples) of what is dropped: finding kinds in their order, then the others."""
        found = Counter(row.cause for row in self.rows if row.action == "dropped")
        order = [*KINDS, *sorted(found.keys() - set(KINDS))]
        return [(cause, found[cause]) for cause in order if found[cause]]

    def thinned(self) -> list[tuple[str, int, int]]:
        """Return (class, samples before, after) of the classes that fall under `FEW`, the emptiest first."""
        before = Counter(row.label_before for row in self.rows)
        after = Counter(row.label_after for row in self.rows if row.action != "dropped")
        thin = [(c, n, after[c]) for c, n in before.items() if after[c] < FEW and after[c] < n]
        return sorted(thin, key=lambda part: (part[2], part[0]))


def make_plan(audit: Audit, outcomes: Iterable[Outcome], options: CleanOptions) -> VersionPlan:
    """Return what becomes of every sample.

    Parameters
    ----------
    audit : the audit whose samples they are.
    outcomes : at most one a sample, from `merge_outcomes`, checked to be about this audit.
    options : conflicts and what needs no judgement.
    """
    settled = {outcome.id: outcome for outcome in outcomes}
    asked = {(i, answer.kind) for i, outcome in settled.items() for answer in outcome.answers}
    flagged = _flagged(audit.findings, asked)
    columns = (audit.dataset.ids, audit.facts.digest, audit.dataset.table["label"])
    rows = [
        _decided(i, digest, label, settled[i], options.on_conflict)
        if i in settled
        else _undecided(i, digest, label, flagged.get(i))
        for i, digest, label in zip(*columns, strict=True)
    ]
    place = {row.id: n for n, row in enumerate(rows)}
    for sample, cause, why in _automatic(audit, asked, {r.id: r for r in rows}, options.auto):
        rows[place[sample]] = _drop(rows[place[sample]], cause, why)
    mark = audit.provenance
    return VersionPlan(mark.report_id, mark.fingerprint, options, tuple(rows))


def contested(outcomes: Iterable[Outcome]) -> tuple[Answer, ...]:
    """Return the answers that put samples in conflict, each with the decision `CONFLICT`.

    They are ties of annotators, else answers to different questions that contradict each other.
    """
    found: list[Answer] = []
    for outcome in outcomes:
        if outcome.decision == CONFLICT:
            ties = [a for a in outcome.answers if a.decision == CONFLICT]
            about_label = [a for a in outcome.answers if a.kind in LABEL_QUESTIONS or a.decision == "relabel"]
            if any(a.decision == "drop" for a in outcome.answers):  # see merging.keep_one_copy
                about_label = [a for a in outcome.answers if a.kind in ABOUT_COPIES]
            found += ties or [
                replace(a, decision=CONFLICT, to="") for a in about_label if a.decision != "unsure"
            ]
    return tuple(found)


def describe_answer(answer: Answer) -> str:
    """Say in plain words what was asked and who answered what."""
    said: dict[tuple[str, str], list[str]] = {}
    for vote in answer.votes:
        said.setdefault((vote.decision.decision, vote.decision.to), []).append(vote.annotator)
    parts = [
        f"{decision} to {to} ({', '.join(who)})" if to else f"{decision} ({', '.join(who)})"
        for (decision, to), who in said.items()
    ]
    return f"{answer.kind.replace('_', ' ')}: {', '.join(parts)}"


def _flagged(findings: Sequence[Finding], asked: Asked) -> dict[str, str]:
    """Return in plain words the kinds that are still open about each flagged sample, "" where none is.

    A finding about copies is one question: an answer about any of them closes it.
    """
    kinds: dict[str, list[str]] = {}
    for finding in findings:
        answered = finding.kind in ABOUT_COPIES and any((i, finding.kind) in asked for i in finding.ids)
        for i in finding.ids:
            names = kinds.setdefault(i, [])
            if not answered and finding.kind not in names:
                names.append(finding.kind)
    return {i: ", ".join(names).replace("_", " ") for i, names in kinds.items()}


def _undecided(sample: str, digest: str, label: str, kinds: str | None) -> PlanRow:
    if kinds:
        return PlanRow(sample, digest, "kept", label, label, "not decided", f"not decided ({kinds})")
    why = "not asked" if kinds is None else "not asked, a copy of it was"
    return PlanRow(sample, digest, "kept", label, label, "not asked", why)


def _decided(sample: str, digest: str, label: str, outcome: Outcome, on_conflict: str) -> PlanRow:
    votes = [vote for answer in outcome.answers for vote in answer.votes]
    who = tuple(sorted({vote.annotator for vote in votes}))
    note = "; ".join(dict.fromkeys(v.decision.note for v in votes if v.decision.note))
    why = "; ".join(map(describe_answer, outcome.answers))
    action, after, cause = "kept", label, {"keep": "confirmed"}.get(outcome.decision, outcome.decision)
    if outcome.decision == "relabel":
        action, after, cause = "relabelled", outcome.to, _cause(outcome)
    elif outcome.decision == "drop":
        action, after, cause = "dropped", "", _cause(outcome)
    elif outcome.decision == CONFLICT:
        why = f"conflict, {'kept as it is' if on_conflict == 'keep' else 'dropped'}; {why}"
        action, after = ("kept", label) if on_conflict == "keep" else ("dropped", "")
    return PlanRow(sample, digest, action, label, after, cause, why, who, note)


def _cause(outcome: Outcome) -> str:
    """Return the kind, of highest precedence, whose answer settled the outcome."""
    kinds = [answer.kind for answer in outcome.answers if answer.decision == outcome.decision]
    return min(kinds, key=lambda kind: KINDS.index(kind) if kind in KINDS else len(KINDS))


def _drop(row: PlanRow, cause: str, why: str) -> PlanRow:
    why = why if row.cause in ("not asked", "not decided") else f"{why}; {row.why}"
    return PlanRow(
        row.id, row.digest, "dropped", row.label_before, "", cause, why, row.annotators, row.note
    )  # fmt: skip


def _automatic(
    audit: Audit, asked: Asked, rows: Mapping[str, PlanRow], auto: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return (id, cause, why) of what is dropped without judgement; findings somebody decided on are left."""
    found: list[tuple[str, str, str]] = []
    for finding in audit.findings:
        if any((i, finding.kind) in asked for i in finding.ids):
            continue
        if finding.kind == "unreadable" and "drop-unreadable" in auto:
            found += [
                (i, "drop-unreadable", "the file does not decode")
                for i in finding.ids
                if rows[i].action != "dropped"
            ]
        near = "drop-near-duplicates" in auto
        if finding.kind == "duplicate" and (near or "drop-duplicates" in auto):
            found += _copies(finding, rows, near)
    return found


def _copies(finding: Finding, rows: Mapping[str, PlanRow], near: bool) -> list[tuple[str, str, str]]:
    """Return what to drop of a finding about copies: all but one of those alike that carry one label after.

    Samples in conflict stay, as was promised; a copy that somebody relabelled is no copy of the others.
    """
    alike: dict[tuple[str, str], list[PlanRow]] = {}
    for row in (rows[i] for i in finding.ids):
        if row.action != "dropped":
            alike.setdefault(("" if near else row.digest, row.label_after), []).append(row)
    ties = dict(finding.evidence.members)
    cause = "drop-near-duplicates" if near else "drop-duplicates"
    what = "the same or nearly the same picture as" if near else "the same picture as"
    found = []
    for members in alike.values():
        stays = next((r for r in members if ties.get(r.id) == _REFERENCE), members[0])
        found += [
            (r.id, cause, f"{what} {stays.id}") for r in members if r is not stays and r.cause != CONFLICT
        ]
    return found
