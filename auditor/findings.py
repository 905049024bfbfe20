"""Scores and evidence become ranked findings, each a question with a reason in plain words.

    facts       --> unreadable, low_quality
    duplicates  --> conflicting_duplicate, leak, duplicate      one finding a group
    scores      --> mislabeled | ambiguous | off_topic          one a sample, or a sample's copies

A sample gets at most one of the last three. Pictures too dark, blurred or empty to judge, members of a
group with two labels and classes too small to judge get none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from auditor.arrays import Bools, Ints, Progress, no_progress, rows_of
from auditor.groups import copy_weights, groups_per_class, independent_groups
from auditor.neighbours import group_votes
from auditor.results import (
    KINDS,
    Dataset,
    Duplicates,
    Embeddings,
    Evidence,
    Finding,
    ImageFacts,
    Neighbours,
    Probabilities,
    Scores,
    Thresholds,
)
from auditor.scores import balanced_quality, rate_surprise

SHOWN_NEIGHBOURS = 10
SHOWN_PROBABILITIES = 3
FLOOD = 0.5
"""A quality fault that this share of the pictures has is a property of the dataset, not a finding."""
TOO_POOR_TO_JUDGE = ("dark", "blurry", "low_information")
FAULTS = {
    "dark": "too dark",
    "bright": "too bright",
    "blurry": "blurred",
    "low_information": "nearly empty",
    "odd_shape": "oddly long or wide",
    "tiny": "tiny",
}


@dataclass(frozen=True)
class FindingInputs:
    """What the findings are made of; all parts belong to one audit."""

    dataset: Dataset
    facts: ImageFacts
    embeddings: Embeddings
    neighbours: Neighbours
    duplicates: Duplicates
    probabilities: Probabilities
    scores: Scores
    thresholds: Thresholds

    @cached_property
    def codes(self) -> Ints:
        """Class codes (m,) of the given labels."""
        return self.dataset.codes_of(self.embeddings.ids)

    @cached_property
    def voters(self) -> Ints:
        """Nearest pictures (m, 10) of other groups, -1 where there are fewer."""
        return group_votes(self.neighbours, self.groups, SHOWN_NEIGHBOURS)[0]

    @cached_property
    def groups(self) -> Ints:
        """Independent groups (m,): copies and user groups are left out as a whole."""
        return independent_groups(self.dataset, self.duplicates)

    @cached_property
    def faults(self) -> dict[str, Bools]:
        """Quality faults: name to (n,) flags in dataset order; floods are left out."""
        return {
            name: flags
            for name, flags in quality_faults(self).items()
            if flags.mean() <= FLOOD or name == "tiny"
        }


def find_findings(inputs: FindingInputs, progress: Progress = no_progress) -> tuple[Finding, ...]:
    """Return all findings, by kind in the order of `KINDS`, then worst first."""
    found = [*_unreadable(inputs), *_groups(inputs), *_judged(inputs), *_low_quality(inputs)]
    out: list[Finding] = []
    for kind in KINDS:
        worst = sorted((f for f in found if f.kind == kind), key=lambda f: (f.score, f.ids))
        out += [replace(f, rank=n) for n, f in enumerate(worst, start=1)]
    return tuple(out)


def quality_faults(inputs: FindingInputs) -> dict[str, Bools]:
    """Flag each quality fault: name of `FAULTS` to (n,) in dataset order."""
    facts, bars = inputs.facts, inputs.thresholds
    if not facts.checked:
        return {}
    flags = {name: facts.readable & (facts.quality[name] < getattr(bars, name)) for name in facts.quality}
    side = np.minimum(facts.width, facts.height)
    return {**flags, "tiny": facts.readable & (side < bars.tiny_side_px)}


def flooding_faults(inputs: FindingInputs) -> dict[str, int]:
    """Faults that most pictures have, with their number: worth one warning instead of a finding each."""
    kept = inputs.faults
    return {name: int(flags.sum()) for name, flags in quality_faults(inputs).items() if name not in kept}


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
            for column in ("split", "domain", "group")
            if len(values := sorted(set(inputs.dataset.column_of(column, copies.ids[rows])) - {""})) > 1
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


def _judged(inputs: FindingInputs) -> Iterator[Finding]:
    """Wrong, ambiguous and off-topic samples; copies with the same label share a finding."""
    flags = sort_into_bins(inputs)
    scores = {
        "mislabeled": inputs.scores.label_quality,
        "ambiguous": inputs.scores.clarity,
        "off_topic": inputs.scores.typicality,
    }
    reasons = {"mislabeled": _why_mislabeled, "ambiguous": _why_ambiguous, "off_topic": _why_off_topic}
    for kind, flagged in flags.items():
        seen: dict[tuple[int, int], list[int]] = {}
        for row in np.flatnonzero(flagged).tolist():
            group = int(inputs.duplicates.group[row])
            seen.setdefault((group, int(inputs.codes[row])) if group >= 0 else (-1, -row - 1), []).append(row)
        for rows in seen.values():
            worst = min(rows, key=lambda r: (scores[kind][r], r))
            suggestion = "" if kind == "off_topic" else inputs.dataset.classes[inputs.scores.suggested[worst]]
            yield _finding(
                kind,
                tuple(inputs.embeddings.ids[rows]),
                float(scores[kind][worst]),
                reasons[kind](inputs, worst),
                suggested_label=suggestion,
                evidence=_evidence(inputs, worst),
            )


def ask_about_label(inputs: FindingInputs, row: int) -> Finding:
    """Return the question whether one sample's label is right, whatever its scores; asked of controls."""
    return _finding(
        "mislabeled",
        (str(inputs.embeddings.ids[row]),),
        float(inputs.scores.label_quality[row]),
        _why_mislabeled(inputs, row),
        suggested_label=inputs.dataset.classes[inputs.scores.suggested[row]],
        evidence=_evidence(inputs, row),
    )


def sort_into_bins(inputs: FindingInputs) -> dict[str, Bools]:
    """Sort samples (m,) into mislabeled, ambiguous and off-topic by the thresholds; the bins are disjoint."""
    bars, scores, codes = inputs.thresholds, inputs.scores, inputs.codes
    judged = inputs.probabilities.judged[codes] & ~_settled(inputs)
    other = scores.suggested_probability
    fair = balanced_quality(inputs.probabilities.values, codes, copy_weights(inputs.duplicates))
    sizes = groups_per_class(inputs.groups, codes, len(inputs.dataset.classes))
    sure = np.minimum(1.0, sizes / bars.sure_groups)[codes]
    wrong = np.maximum(scores.label_quality, fair) < bars.mislabeled_quality * sure
    wrong &= other > bars.mislabeled_probability
    wrong &= inputs.probabilities.judged[scores.suggested]
    second = np.minimum(scores.label_quality, other)
    both = (second >= bars.ambiguous_second) & (scores.label_quality + other >= bars.ambiguous_sum)
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


def _evidence(inputs: FindingInputs, row: int) -> Evidence:
    ids, classes = inputs.embeddings.ids, inputs.dataset.classes
    cosine = dict(
        zip(
            inputs.neighbours.indices[row].tolist(), inputs.neighbours.similarities[row].tolist(), strict=True
        )
    )
    chances = inputs.probabilities.values[row]
    top = np.argsort(-chances, kind="stable")[:SHOWN_PROBABILITIES]
    return Evidence(
        neighbours=tuple(
            (ids[j], classes[inputs.codes[j]], round(cosine[j], 4))
            for j in inputs.voters[row].tolist()
            if j >= 0
        ),
        probabilities=tuple((classes[j], round(float(chances[j]), 4)) for j in top),
    )


def _alike(inputs: FindingInputs, row: int, code: int) -> str:
    """Say how many of the most alike pictures carry a label."""
    voters = inputs.voters[row]
    voters = voters[voters >= 0]
    count = int((inputs.codes[voters] == code).sum())
    return f"{count} of the {len(voters)} most alike pictures are {inputs.dataset.classes[code]}"


def _why_mislabeled(inputs: FindingInputs, row: int) -> str:
    given, other = int(inputs.codes[row]), int(inputs.scores.suggested[row])
    chances, classes = inputs.probabilities.values[row], inputs.dataset.classes
    return (
        f"{_alike(inputs, row, other)}. The model gives {classes[other]} {chances[other]:.2f}, "
        f"{classes[given]} {chances[given]:.2f}."
    )


def _why_ambiguous(inputs: FindingInputs, row: int) -> str:
    given, other = int(inputs.codes[row]), int(inputs.scores.suggested[row])
    chances, classes = inputs.probabilities.values[row], inputs.dataset.classes
    return (
        f"Both {classes[given]} ({chances[given]:.2f}) and {classes[other]} ({chances[other]:.2f}) fit; "
        f"{_alike(inputs, row, other)}."
    )


def _why_off_topic(inputs: FindingInputs, row: int) -> str:
    ratio = 1.0 / max(float(inputs.scores.typicality[row]), 1e-3)
    return f"No picture is close: its most alike pictures are {ratio:.1f} times as far away as usual."


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
