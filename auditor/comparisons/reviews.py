"""What people say who looked at flagged and at random pictures without knowing which was which.

    blind answers on flagged samples  \
                                       >  are flagged labels wrong more often than random ones?
    blind answers on controls         /
    labels after the clean-up         -->  how many wrong labels were mended, how many right ones broken
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.comparisons.ledger import Ledger
from auditor.controls import SETTLED
from auditor.decisions import LABEL_CHECK, LABEL_KINDS, Decision, DecisionFile, check_decisions
from auditor.errors import DataError
from auditor.merging import CONTROL, Answer, merge_answers
from auditor.results import Audit

LEAST_CONTROLS = 30
"""Reviewed controls below which a review says nothing about the dataset."""
ALPHA = 0.05
LEAST_MENDED = 0.5
"""Share of the labels found wrong that a version must have mended to follow its review."""
BETTER, WORSE = "improved", "worse"


@dataclass(frozen=True)
class ReviewEvidence:
    """Reviewed flagged samples and controls, and what became of them.

    Attributes
    ----------
    flagged, flagged_wrong : flagged samples with a clear answer; those whose label was found wrong.
    controls, controls_wrong : the same of the randomly drawn samples that nothing flags.
    p_value : chance of flagged labels being wrong that much more often if they were like the controls
        (Fisher's exact test, one-sided).
    mended : labels found wrong that the later version has as they were decided, or without the sample.
    broken : labels found right that the later version has no more.
    unreviewed : samples that changed without any answer; they count as broken in the verdict.
    """

    flagged: int
    flagged_wrong: int
    controls: int
    controls_wrong: int
    p_value: float
    mended: int
    broken: int
    unreviewed: int

    @property
    def verdict(self) -> str:
        """ "improved" or "worse" where the review shows it, else ""."""
        if self.controls < LEAST_CONTROLS:
            return ""
        wrong = self.flagged_wrong + self.controls_wrong
        followed = self.mended >= LEAST_MENDED * wrong and self.mended > self.broken + self.unreviewed
        if self.p_value <= ALPHA and followed:
            return BETTER
        return WORSE if self.broken > self.mended and self._surely_broken() else ""

    def _surely_broken(self) -> bool:
        from scipy.stats import binom

        return bool(binom.sf(self.broken - 1, self.broken + self.mended, 0.5) <= ALPHA)


def measure_review(before: Audit, files: Sequence[DecisionFile], ledger: Ledger) -> ReviewEvidence:
    """Return what a blind review of the earlier audit says about the later version.

    Raises
    ------
    DataError
        If a file belongs to another dataset, no control was reviewed, or the answers were not given blind.
    """
    check_decisions(files, before)
    if any(_is_open(d) for file in files for d in file.decisions):
        raise DataError(
            "These answers were not given blind, so they say what the audit suggested: use the files of a "
            "page written with report --blind --controls 50."
        )
    answered = {d.id for file in files for d in file.decisions}
    asked = [
        a for a in merge_answers(map(_blind, files), before) if a.kind == CONTROL or a.kind in LABEL_KINDS
    ]
    settled = {a.id: a for a in asked if a.decision in SETTLED}
    controls = [a for a in settled.values() if a.kind == CONTROL]
    if not controls:
        raise DataError(
            "No control sample was reviewed in these files: a page written with report --blind --controls 50 "
            "asks about some."
        )
    flagged = [a for a in settled.values() if a.kind != CONTROL]
    wrong = [sum(a.decision == "relabel" for a in part) for part in (flagged, controls)]
    mended, broken, unreviewed = _what_became(settled, answered, ledger)
    return ReviewEvidence(
        len(flagged),
        wrong[0],
        len(controls),
        wrong[1],
        _fisher((wrong[0], len(flagged)), (wrong[1], len(controls))),
        mended,
        broken,
        unreviewed,
    )


def _is_open(d: Decision) -> bool:
    """Tell whether an answer about a label was given with the suggestion in sight."""
    return d.kind in LABEL_KINDS or (d.kind == LABEL_CHECK and not d.first_decision)


def _blind(file: DecisionFile) -> DecisionFile:
    """Return the file with what was answered before the suggestion was shown."""
    decisions = tuple(
        replace(d, decision=d.first_decision, to=d.first_to)
        for d in file.decisions
        if d.kind == LABEL_CHECK and d.first_decision
    )
    return replace(file, decisions=decisions)


def _what_became(
    settled: Mapping[str, Answer], answered: Container[str], ledger: Ledger
) -> tuple[int, int, int]:
    """Count labels mended, broken, and samples changed without any answer."""
    mended = broken = unreviewed = 0
    for entry in ledger.entries:
        if not entry.id_before:
            continue
        answer, changed = settled.get(entry.id_before), entry.change in ("relabelled", "removed")
        if answer is None:
            unreviewed += changed and entry.id_before not in answered
        elif answer.decision == "keep":
            broken += changed
        elif answer.decision == "relabel":
            mended += entry.change == "removed" or (changed and entry.label_after == answer.to)
    return mended, broken, unreviewed


def _fisher(flagged: tuple[int, int], controls: tuple[int, int]) -> float:
    from scipy.stats import fisher_exact

    table = [[wrong, total - wrong] for wrong, total in (flagged, controls)]
    return float(fisher_exact(table, alternative="greater").pvalue)
