"""Scores and evidence become ranked findings, each a question with a reason in plain words.

    facts       --> unreadable, low_quality
    duplicates  --> conflicting_duplicate, leak, duplicate      one finding a group
    scores      --> mislabeled | ambiguous | off_topic          one a sample, or a sample's copies

A sample gets at most one of the last three. Pictures too dark, blurred or empty to judge, members of a
group with two labels and classes too small to judge get none of them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ints, Progress, no_progress, rows_of
from auditor.finding_evidence import explain
from auditor.finding_inputs import FAULTS, FindingInputs, flooding_faults, quality_faults
from auditor.groups import copy_weights, groups_per_class
from auditor.results import KINDS, Duplicates, Evidence, Finding
from auditor.scores import balanced_quality, rate_surprise

__all__ = [
    "FAULTS",
    "FindingInputs",
    "ask_about_label",
    "find_findings",
    "flooding_faults",
    "quality_faults",
    "sort_into_bins",
]

TOO_POOR_TO_JUDGE = ("dark", "blurry", "low_information")
TOLD_EVERY = 500
"""Findings from one call of `progress` to the next."""


def find_findings(inputs: FindingInputs, progress: Progress = no_progress) -> tuple[Finding, ...]:
    """Return all findings, by kind in the order of `KINDS`, then worst first.

    `progress` is called with ("findings", samples asked about, at most so many).
    """
    bins = sort_into_bins(inputs)
    expected = sum(int(flags.sum()) for flags in bins.values()) + int((inputs.duplicates.group >= 0).sum())
    made = itertools.chain(_unreadable(inputs), _groups(inputs), _judged(inputs, bins), _low_quality(inputs))
    by_kind: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
    for finding in _counted(made, progress, expected):
        by_kind[finding.kind].append(finding)
    out: list[Finding] = []
    for found in by_kind.values():
        found.sort(key=lambda f: (f.score, f.ids))
        out += [replace(f, rank=n) for n, f in enumerate(found, start=1)]
    return tuple(out)


def _counted(made: Iterable[Finding], progress: Progress, expected: int) -> Iterator[Finding]:
    done = 0
    for number, finding in enumerate(made):
        done += len(finding.ids)
        if number % TOLD_EVERY == 0:
            progress("findings", min(done, expected), expected)
        yield finding


def _finding(kind: str, ids: tuple[str, ...], score: float, reason: str, **more: object) -> Finding:
    mark = hashlib.sha256("\n".join([kind, *ids]).encode()).hexdigest()[:10]
    score = float(min(max(score, 0.0), 1.0))
    return Finding(f"{kind}-{mark}", kind, 0, ids, score, reason, **more)  # type: ignore[arg-type]


def _unreadable(inputs: FindingInputs) -> Iterator[Finding]:
    facts = inputs.facts
    if facts.checked:
        for row in np.flatnonzero(~facts.readable):
            yield _finding(
                "unreadable", (facts.ids[row],), 0.0, f"The file does not decode: {facts.error[row]}."
            )


def _groups(inputs: FindingInputs) -> Iterator[Finding]:
    """One finding for each thing to decide about a group of copies."""
    copies = inputs.duplicates
    places_of = {c: inputs.dataset.column_of(c, copies.ids) for c in ("split", "domain", "group")}
    order = np.argsort(copies.group, kind="stable")
    order = order[copies.group[order] >= 0]
    for part in np.split(order, np.flatnonzero(np.diff(copies.group[order])) + 1):
        rows = part.astype(np.int32)
        if len(rows) < 2:
            continue
        ids = tuple(copies.ids[rows])
        evidence = Evidence(members=_ties(copies, rows))
        identical = bool(copies.identical[rows].all())
        same = "The same picture" if identical else "Nearly the same picture"
        labels = sorted({inputs.dataset.classes[c] for c in inputs.codes[rows]})
        score = 0.0 if identical else 0.1
        if len(labels) > 1:
            reason = f"{same} is filed under {_listed(labels)}."
            yield _finding("conflicting_duplicate", ids, score, reason, evidence=evidence)
        places = [
            f"{_listed(values)} ({column})"
            for column, where in places_of.items()
            if len(values := sorted(set(where[rows]) - {""})) > 1
        ]
        if places:
            reason = f"{same} is in {' and in '.join(places)}."
            yield _finding("leak", ids, score, reason, evidence=evidence)
        if len(labels) == 1 and not places:
            reason = f"{same} is there {len(rows)} times, always as {labels[0]}."
            yield _finding("duplicate", ids, score, reason, evidence=evidence)


def _ties(copies: Duplicates, rows: Ints) -> tuple[tuple[str, str], ...]:
    """Say for each member of a group how it is tied to it."""
    return tuple(
        (
            copies.ids[row],
            "reference"
            if copies.representative[row] == row
            else ("identical" if copies.identical[row] else "nearly identical"),
        )
        for row in rows
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _judged(inputs: FindingInputs, bins: Mapping[str, Bools]) -> Iterator[Finding]:
    """Wrong, ambiguous and off-topic samples; copies with the same label share a finding."""
    scores = {
        "mislabeled": inputs.scores.label_quality,
        "ambiguous": inputs.scores.clarity,
        "off_topic": inputs.scores.typicality,
    }
    for kind, flagged in bins.items():
        yield from _label_questions(inputs, kind, scores[kind], np.flatnonzero(flagged))


def _label_questions(
    inputs: FindingInputs, kind: str, scores: Floats, rows: NDArray[np.int64]
) -> Iterator[Finding]:
    """Ask about these rows, copies with one label together: the one with the lowest score stands for them."""
    together: dict[tuple[int, int], list[int]] = {}
    groups, codes = inputs.duplicates.group[rows].tolist(), inputs.codes[rows].tolist()
    for row, group, code in zip(rows.tolist(), groups, codes, strict=True):
        together.setdefault((group, code) if group >= 0 else (-1, -row - 1), []).append(row)
    worst = [min(members, key=lambda r: (scores[r], r)) for members in together.values()]
    explained = explain(inputs, kind, np.array(worst, dtype=np.int64))
    for members, row, (reason, evidence) in zip(together.values(), worst, explained, strict=True):
        suggestion = "" if kind == "off_topic" else inputs.dataset.classes[inputs.scores.suggested[row]]
        ids = tuple(inputs.embeddings.ids[members])
        score = float(scores[row])
        yield _finding(kind, ids, score, reason, suggested_label=suggestion, evidence=evidence)


def ask_about_label(inputs: FindingInputs, row: int) -> Finding:
    """Return the question whether one sample's label is right, whatever its scores; asked of controls."""
    return next(_label_questions(inputs, "mislabeled", inputs.scores.label_quality, np.array([row])))


def sort_into_bins(inputs: FindingInputs) -> dict[str, Bools]:
    """Sort samples (m,) into mislabeled, ambiguous and off-topic by the thresholds; the bins are disjoint."""
    bars, scores, codes = inputs.thresholds, inputs.scores, inputs.codes
    judged = inputs.probabilities.judged[codes] & ~_settled(inputs)
    other = scores.suggested_probability
    fair = balanced_quality(inputs.probabilities.values, codes, copy_weights(inputs.duplicates))
    sizes = groups_per_class(inputs.groups, codes, len(inputs.dataset.classes))
    sure = np.minimum(1.0, sizes / bars.sure_groups)[codes]
    wrong = np.maximum(scores.label_quality, fair) < bars.mislabeled_quality * sure
    wrong &= other > 1.0 - (1.0 - bars.mislabeled_probability) * sure
    wrong &= inputs.probabilities.judged[scores.suggested]
    own = inputs.probabilities.values[np.arange(len(codes)), codes]
    both = (np.minimum(own, other) >= bars.ambiguous_second) & (own + other >= bars.ambiguous_sum)
    both &= rate_surprise(inputs.probabilities.values, codes, scores.suggested) >= bars.ambiguous_surprise
    strange = scores.typicality < bars.off_topic_typicality
    strange &= inputs.probabilities.values.max(axis=1) < bars.off_topic_probability
    return {
        "mislabeled": judged & wrong & ~strange,
        "ambiguous": judged & both & ~wrong & ~strange,
        "off_topic": ~_settled(inputs) & strange,
    }


def _settled(inputs: FindingInputs) -> Bools:
    """Samples (m,) about which a surer finding already asks: poor pictures, copies with two labels."""
    copies = inputs.duplicates
    settled = np.zeros(len(copies.ids), dtype=np.bool_)
    member = np.flatnonzero(copies.group >= 0)
    if len(member):
        pairs = np.unique(np.stack([copies.group[member], inputs.codes[member]], axis=1), axis=0)
        divided = np.bincount(pairs[:, 0]) > 1
        settled[member] = divided[copies.group[member]]
    rows = rows_of(inputs.facts.ids, copies.ids)
    for name in TOO_POOR_TO_JUDGE:
        if name in inputs.faults:
            settled |= inputs.faults[name][rows]
    return settled


def _low_quality(inputs: FindingInputs) -> Iterator[Finding]:
    """One finding a picture that names all its faults, worst value as the score."""
    facts = inputs.facts
    names = list(inputs.faults)
    flags = np.stack([inputs.faults[n] for n in names]) if names else np.zeros((0, len(facts.ids)), np.bool_)
    side = np.minimum(facts.width, facts.height)
    for row in np.flatnonzero(flags.any(axis=0)):
        faulty = [n for n, flag in zip(names, flags[:, row], strict=True) if flag]
        values = {n: float(facts.quality[n][row]) for n in faulty if n != "tiny"}
        words = [f"{FAULTS[n]} ({side[row]} px)" if n == "tiny" else FAULTS[n] for n in faulty]
        reason = f"The picture is {_listed(words)}."
        score = min(values.values(), default=float(side[row]) / 100)
        yield _finding("low_quality", (facts.ids[row],), score, reason, evidence=Evidence(facts=values))
