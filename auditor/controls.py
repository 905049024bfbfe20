"""Control samples: what a random draw of samples that nobody suspects says about the review and the labels.

    Audit            --draw_controls-->          ids that no finding names, in random order
    Audit + Answers  --measure_care-->           Care: what was answered there, beside flagged samples
    Audit + Answers  --estimate_label_errors-->  LabelErrorEstimate: wrong labels in the whole dataset

The samples (n) fall into two strata: `flagged`, whose label a finding asks about, and `others`, from which
the controls were drawn. Reviewing the first and a random draw of the second is what an estimate needs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.errors import UsageError
from auditor.merging import CONFLICT, CONTROL, LABEL_QUESTIONS, Answer, merge_outcomes
from auditor.results import Audit

LEVEL = 0.90
"""Chance that the interval holds the truth, over repeated draws."""
OBSERVED_WEIGHT = 0.6
"""How much of the probability of the very count that was found belongs to either tail of the interval.

0.5 is the mid-P interval, 1 the exact one. Over 500 to 20,000 samples, 50 to 1,000 controls and 0.5 to 8 %
wrong labels mid-P's coverage falls to 83 %, the exact one's is 94 % in the mean; 0.6 stays from 86 % up.
"""
LABEL_KINDS: tuple[str, ...] = tuple(kind for kind in LABEL_QUESTIONS if kind != CONTROL)
"""Finding kinds that ask which label is right."""
SETTLED: tuple[str, ...] = ("keep", "relabel", "drop")

_DRAW = 0x636F6E74
"""Keeps this draw apart from others that are made with the same seed."""


@dataclass(frozen=True)
class AnswerCounts:
    """How many samples got which answer; `conflicts` are those on which annotators disagree.

    `to_second_best` counts the relabelled ones that went to the class which the audit held second best.
    """

    reviewed: int = 0
    kept: int = 0
    relabelled: int = 0
    dropped: int = 0
    unsure: int = 0
    conflicts: int = 0
    to_second_best: int = 0

    @property
    def settled(self) -> int:
        """Number of those kept, relabelled or dropped."""
        return self.kept + self.relabelled + self.dropped

    @property
    def relabelled_share(self) -> float | None:
        """Share of the settled ones that were relabelled, in [0, 1]; None when there are none."""
        return self.relabelled / self.settled if self.settled else None

    @property
    def second_best_share(self) -> float | None:
        """Share of the settled ones that went to the class held second best; None when there are none."""
        return self.to_second_best / self.settled if self.settled else None


@dataclass(frozen=True)
class Care:
    """How careful a review was.

    Most labels of controls are right: who follows every hint relabels them as readily as flagged ones.

    Attributes
    ----------
    controls : the answers on control samples.
    flagged : those on samples that a mislabeled finding names.
    first_answers : answers of single annotators that were given before the suggestion was shown.
    changed : how many of these became another answer afterwards.
    changed_to_suggestion : how many of the changed ones took over the class held second best.
    """

    controls: AnswerCounts
    flagged: AnswerCounts
    first_answers: int
    changed: int
    changed_to_suggestion: int


@dataclass(frozen=True)
class LabelErrorEstimate:
    """How many labels of the whole dataset are wrong, and what that rests on.

    Attributes
    ----------
    estimate, low, high : number of wrong labels in [0, samples], and its interval at `level`.
    samples : size of the dataset: `flagged` samples whose label a finding asks about, and `others`.
    flagged_wrong, flagged_undecided : of the flagged, those relabelled, and those without a clear answer.
    flagged_dropped : of the flagged, those dropped; not counted as wrong labels.
    controls : reviewed controls with a clear answer, a simple random sample of the others.
    controls_wrong, controls_dropped : of the controls, those relabelled, and those dropped (not wrong).
    controls_undecided : further controls answered unsure, or on which annotators disagree; left out.
    """

    estimate: float
    low: float
    high: float
    level: float
    samples: int
    flagged: int
    flagged_wrong: int
    flagged_dropped: int
    flagged_undecided: int
    others: int
    controls: int
    controls_wrong: int
    controls_dropped: int
    controls_undecided: int


def draw_controls(audit: Audit, count: int, seed: int) -> tuple[str, ...]:
    """Return the ids of `count` random samples that no finding names and that have a vector.

    A simple random sample without replacement. It depends on the ids and the seed alone, not on the order of
    the rows; the first of a larger draw are the smaller draw. Fewer come back where fewer exist.

    Raises
    ------
    UsageError
        If `count` or `seed` is negative.
    """
    if count < 0 or seed < 0:
        raise UsageError(f"Controls are drawn with a count and a seed from 0 on, got {count} and {seed}.")
    ids = sorted(_eligible(audit))
    order = np.random.default_rng([seed, _DRAW]).permutation(len(ids))
    return tuple(ids[row] for row in order[:count].tolist())


def measure_care(audit: Audit, answers: Iterable[Answer]) -> Care:
    """Return how careful the review was, from the answers of `auditor.merging.merge_answers`."""
    answers = tuple(answers)
    second = _second_best(audit)
    blind = [
        (answer.id, vote.decision)
        for answer in answers
        for vote in answer.votes
        if vote.decision.first_decision
    ]
    changed = [(i, d) for i, d in blind if (d.first_decision, d.first_to) != (d.decision, d.to)]
    return Care(
        controls=_count(_on_controls(audit, answers), second),
        flagged=_count([a for a in answers if a.kind == "mislabeled"], second),
        first_answers=len(blind),
        changed=len(changed),
        changed_to_suggestion=sum(d.to != "" and d.to == second.get(i) for i, d in changed),
    )


def estimate_label_errors(audit: Audit, answers: Iterable[Answer]) -> LabelErrorEstimate | None:
    """Estimate how many labels of the dataset are wrong; None unless controls were reviewed.

    A label is wrong where it was relabelled; flagged samples count as they were answered. Those without a
    clear answer are no random sample: the interval takes them from none wrong to all wrong, the estimate at
    the share of their kind (else of all flagged ones, else one half). The others are estimated from the
    controls: their number times the share of relabelled controls (Horvitz and Thompson 1952), with
    `hypergeometric_interval`. Samples flagged for another reason than their label, such as copies, were never
    drawn: they are taken to be like the rest.
    """
    answers = tuple(answers)
    controls = _count(_on_controls(audit, answers), {})
    if not controls.settled:
        return None
    kind_of = _label_kinds(audit)
    said = _answered(kind_of, answers)
    wrong, dropped = (sum(word == name for word in said.values()) for name in ("relabel", "drop"))
    undecided, others = len(kind_of) - len(said), len(audit.dataset) - len(kind_of)
    low, high = hypergeometric_interval(controls.relabelled, controls.settled, others)
    among_others = others * controls.relabelled / controls.settled
    return LabelErrorEstimate(
        estimate=wrong + _expect_undecided(kind_of, said) + among_others,
        low=float(wrong + low),
        high=float(wrong + undecided + high),
        level=LEVEL,
        samples=len(audit.dataset),
        flagged=len(kind_of),
        flagged_wrong=wrong,
        flagged_dropped=dropped,
        flagged_undecided=undecided,
        others=others,
        controls=controls.settled,
        controls_wrong=controls.relabelled,
        controls_dropped=controls.dropped,
        controls_undecided=controls.unsure + controls.conflicts,
    )


def with_estimate(audit: Audit, answers: Iterable[Answer]) -> Audit:
    """Return the audit with its label errors estimated; the same audit where no controls were reviewed."""
    found = estimate_label_errors(audit, answers)
    if found is None:
        return audit
    errors = replace(audit.label_errors, estimate=found.estimate, interval=(found.low, found.high))
    return replace(audit, label_errors=errors)


def hypergeometric_interval(found: int, drawn: int, population: int, level: float = LEVEL) -> tuple[int, int]:
    """Return the least and the largest number in the population that fit what a random draw found.

    Numbers stay in as long as neither tail of their hypergeometric distribution falls to (1 - level) / 2, the
    count that was found taking part with `OBSERVED_WEIGHT` (Lancaster 1961 for the mid-P weight of 0.5).

    Parameters
    ----------
    found : of the draw, 0 to `drawn`.
    drawn : size of the draw without replacement, 1 to `population`.
    population : all there are.
    level : the chance aimed at, in (0, 1).
    """
    if not (0 <= found <= drawn <= population and drawn and 0 < level < 1):
        raise UsageError(
            f"An interval needs 0 <= found <= drawn <= population, got {found}, {drawn} and {population} "
            f"at a level of {level}."
        )
    from scipy.stats import hypergeom

    def fits(number: int, lower_tail: bool) -> bool:
        chance = hypergeom.cdf if lower_tail else hypergeom.sf
        below, upto = chance([found - 1, found], population, number, drawn)
        beyond, with_found = (below, upto) if lower_tail else (upto, below)
        return bool((1 - OBSERVED_WEIGHT) * beyond + OBSERVED_WEIGHT * with_found > (1 - level) / 2)

    # Both tails are monotone in the number, so each end is found by halving.
    least, most = found, population - drawn + found
    low = bisect_left(range(least, most), True, key=lambda number: fits(number, lower_tail=False))
    high = bisect_left(range(least + 1, most + 1), True, key=lambda number: not fits(number, lower_tail=True))
    return least + low, least + high


def _eligible(audit: Audit) -> set[str]:
    named = {i for finding in audit.findings for i in finding.ids}
    return set(audit.embeddings.ids.tolist()) - named


def _on_controls(audit: Audit, answers: Iterable[Answer]) -> list[Answer]:
    drawn = _eligible(audit)
    return [answer for answer in answers if answer.kind == CONTROL and answer.id in drawn]


def _second_best(audit: Audit) -> dict[str, str]:
    """Return the best class other than the given one for each sample with a vector."""
    classes = audit.dataset.classes
    return {i: classes[c] for i, c in zip(audit.scores.ids, audit.scores.suggested.tolist(), strict=True)}


def _count(answers: Sequence[Answer], second: Mapping[str, str]) -> AnswerCounts:
    said = Counter(answer.decision for answer in answers)
    return AnswerCounts(
        reviewed=len(answers),
        kept=said["keep"],
        relabelled=said["relabel"],
        dropped=said["drop"],
        unsure=said["unsure"],
        conflicts=said[CONFLICT],
        to_second_best=sum(a.decision == "relabel" and a.to == second.get(a.id) for a in answers),
    )


def _label_kinds(audit: Audit) -> dict[str, str]:
    """Return for each sample whose label a finding asks about the kind that comes first in `LABEL_KINDS`."""
    kinds: dict[str, str] = {}
    for kind in LABEL_KINDS:
        for finding in audit.findings:
            if finding.kind == kind:
                kinds |= {i: kind for i in finding.ids if i not in kinds}
    return kinds


def _answered(kind_of: Mapping[str, str], answers: Sequence[Answer]) -> dict[str, str]:
    """Return keep, relabel or drop for each flagged sample that has a clear answer about its label."""
    asked = [answer for answer in answers if answer.kind in LABEL_KINDS and answer.id in kind_of]
    return {o.id: o.decision for o in merge_outcomes(asked) if o.decision in SETTLED}


def _expect_undecided(kind_of: Mapping[str, str], said: Mapping[str, str]) -> float:
    """Return how many flagged samples without a clear answer are expected to be wrong."""
    shares = {kind: _wrong_share([w for i, w in said.items() if kind_of[i] == kind]) for kind in LABEL_KINDS}
    of_all = _wrong_share(list(said.values()))
    fallback = 0.5 if of_all is None else of_all
    open_ones = Counter(kind for i, kind in kind_of.items() if i not in said)
    return sum(
        count * (fallback if (share := shares[kind]) is None else share) for kind, count in open_ones.items()
    )


def _wrong_share(said: Sequence[str]) -> float | None:
    return sum(word == "relabel" for word in said) / len(said) if said else None
