"""Two audits of one dataset, before and after a clean-up: do the classes separate better?

before, after --matching--> ledger            what became of every sample
              --frame-----> held, inner       evidence, and the verdict that it carries
              ------------> figures           per class and pair, on all samples and on those in both
              --map-------> after-map         started from the before-map, so that both fit one frame
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from auditor.arrays import Progress, no_progress, rows_of
from auditor.comparisons.evidence import (
    LEAST_GROUPS,
    Held,
    Inner,
    measure_held,
    measure_inner,
)
from auditor.comparisons.frame import Frame, make_frame
from auditor.comparisons.gains import Gain, Judge
from auditor.comparisons.ledger import Ledger, write_ledger
from auditor.comparisons.matching import Listing, Matching, match_rows
from auditor.comparisons.model_null import Pairs
from auditor.comparisons.reviews import ReviewEvidence, measure_review
from auditor.comparisons.standing import ClassChange, PairChange, Standing, measure_standing
from auditor.comparisons.verdicts import CONSISTENT, IMPROVED, WORSE, judge_evidence
from auditor.decisions import DecisionFile
from auditor.errors import DataError, UsageError
from auditor.projection import continue_map
from auditor.results import Audit, Map

MOST_PAIRS = 25
"""Worst pairs of either version that are followed."""


@dataclass(frozen=True)
class CompareOptions:
    """What a comparison may use.

    Attributes
    ----------
    holdout : the split that the clean-up did not touch; "" for none.
    reviews : decisions files of a blind review with controls of the earlier audit.
    second : the same two versions through another backbone, not used for flagging.
    seed : of the folds, the null's draws and the map.
    """

    holdout: str = ""
    reviews: tuple[DecisionFile, ...] = ()
    second: tuple[Audit, Audit] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Support:
    """What another backbone says about the same change: supporting evidence, it does not make the verdict.

    `agrees` is True where that backbone alone would say improved or consistent, False where it says worse,
    None where it cannot tell.
    """

    backbone: str
    verdict: str
    held: Held | None
    inner: Inner
    agrees: bool | None


@dataclass(frozen=True)
class VersionComparison:
    """See the module docstring. `notes` are sentences about what was left out or replaced."""

    before: Audit
    after: Audit
    verdict: str
    matching: Matching
    ledger: Ledger
    held: Held | None
    inner: Inner
    review: ReviewEvidence | None
    support: Support | None
    standing: Standing
    after_map: Map
    options: CompareOptions
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of both versions, sorted; the order of every per-class figure."""
        return tuple(c.name for c in self.standing.classes)

    @property
    def gain(self) -> Gain:
        """The gain that the verdict rests on: of the held-out pictures where there are some, else inside."""
        return self.held.gain if self.held else self.inner.gain

    @property
    def p_value(self) -> float:
        """One-sided p-value of that gain; inside it is the rank among the model null's draws."""
        return self.held.gain.p_value if self.held else self.inner.p_value


def compare_versions(
    before: Audit, after: Audit, options: CompareOptions | None = None, progress: Progress = no_progress
) -> VersionComparison:
    """Compare two audits of one dataset.

    Parameters
    ----------
    options : evidence beside the two audits themselves.
    progress : called with (stage, done, total).

    Raises
    ------
    UsageError
        If the two cannot be compared, or the held-out split does not exist.
    DataError
        If they have no picture in common, or reviews do not belong to the earlier audit.
    """
    options = options or CompareOptions()
    check_comparable(before, after)
    matching = match_rows(Listing.of(before), Listing.of(after))
    if not len(matching.before):
        raise DataError(
            f"The two audits have no picture in common ({len(before.dataset)} and {len(after.dataset)} "
            "samples): compare takes two versions of one dataset."
        )
    ledger = write_ledger(before, after, matching)
    review = measure_review(before, options.reviews, ledger) if options.reviews else None
    frame = make_frame(before, after, matching, options.seed)
    pairs = _followed(before, after, frame)
    held, inner = _evidence(frame, options, pairs, progress)
    if options.holdout and held is None:
        raise UsageError(
            f"The split {options.holdout!r} has {_held_out(frame, options.holdout)} independent pictures "
            f"that both versions have under one label, and held-out evidence needs {LEAST_GROUPS}: leave "
            "out --holdout."
        )
    verdict = judge_evidence(held, inner, review.verdict if review else "")
    return VersionComparison(
        before=before,
        after=after,
        verdict=verdict,
        matching=matching,
        ledger=ledger,
        held=held,
        inner=inner,
        review=review,
        support=_support(before, after, options, progress) if options.second else None,
        standing=measure_standing(
            before, after, matching, (frame, pairs), (held, inner, verdict), options.seed
        ),
        after_map=_after_map(before, after, matching, options.seed, progress),
        options=options,
        notes=_notes((before, after), matching, frame, inner),
    )


def _held_out(frame: Frame, split: str) -> int:
    return len(np.unique(frame.group[(frame.split == split) & frame.rest]))


def check_comparable(before: Audit, after: Audit) -> None:
    """Raise `UsageError` unless the vectors of both audits are made alike."""
    one, other = before.embeddings.backbone, after.embeddings.backbone
    differing = [f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)]
    if not differing:
        return
    name = differing[0]
    values = [str(getattr(b, name)) or "none" for b in (one, other)]
    shown = [v[:12] if name == "weights_sha256" else v for v in values]
    if not one.weights_sha256 and not other.weights_sha256:
        raise UsageError(
            f"The audits cannot be compared, their features differ in {name.replace('_', ' ')} ({shown[0]} "
            f"before, {shown[1]} after): run the later one with features made the same way."
        )
    raise UsageError(
        f"The audits cannot be compared, their vectors differ in {name.replace('_', ' ')} ({shown[0]} "
        f"before, {shown[1]} after): run the later one with --like and the earlier audit."
    )


def _evidence(
    frame: Frame, options: CompareOptions, pairs: Pairs, progress: Progress
) -> tuple[Held | None, Inner]:
    judge = Judge.of(frame)
    rows = (frame.split == options.holdout) & bool(options.holdout)
    if options.holdout and not rows.any():
        known = sorted({s for s in frame.split if s})
        raise UsageError(
            f"There is no split {options.holdout!r} to hold out; the audits have "
            f"{', '.join(map(repr, known)) if known else 'no splits'}."
        )
    held = measure_held(judge, rows, options.holdout, pairs) if options.holdout else None
    return held, measure_inner(judge, rows, pairs, options.seed, progress)


def _followed(before: Audit, after: Audit, frame: Frame) -> Pairs:
    """Pairs (t, 2) of class codes: the worst of both versions, in the earlier one's order."""
    worst = [p for audit in (before, after) for p in audit.separation.pairs[:MOST_PAIRS]]
    both = set(before.dataset.classes) & set(after.dataset.classes)
    code = {name: number for number, name in enumerate(frame.classes)}
    named = dict.fromkeys((p.a, p.b) for p in worst if p.a in both and p.b in both)
    return np.array([(code[a], code[b]) for a, b in named], dtype=np.int64).reshape(-1, 2)


def _support(before: Audit, after: Audit, options: CompareOptions, progress: Progress) -> Support:
    """Judge the same two versions through the second backbone."""
    assert options.second is not None
    first, second = options.second
    for audit, other, name in ((before, first, "earlier"), (after, second, "later")):
        if _labels(audit) != _labels(other):
            raise UsageError(
                f"The second backbone's {name} audit is of another version: it needs the same "
                f"{len(audit.dataset)} samples with the same labels."
            )
    if _same_vectors(first, before):
        raise UsageError("The second pair of audits was made by the same backbone: it is no second opinion.")
    check_comparable(first, second)
    frame = make_frame(first, second, match_rows(Listing.of(first), Listing.of(second)), options.seed)
    held, inner = _evidence(frame, options, np.zeros((0, 2), dtype=np.int64), progress)
    verdict = judge_evidence(held, inner)
    backbone = first.embeddings.backbone
    name = f"{backbone.name} at {backbone.layer}" if backbone.layer else backbone.name
    agrees = {WORSE: False, IMPROVED: True, CONSISTENT: True}.get(verdict)
    return Support(name, verdict, held, inner, agrees)


def _same_vectors(audit: Audit, other: Audit) -> bool:
    """Tell whether two audits of the same samples have the same vectors: own features have no hash."""
    one, two = audit.embeddings, other.embeddings
    if one.backbone != two.backbone or one.backbone.weights_sha256:
        return one.backbone == two.backbone
    return bool(np.array_equal(one.vectors, two.vectors[rows_of(two.ids, one.ids)]))


def _labels(audit: Audit) -> dict[str, str]:
    table = audit.dataset.table
    return dict(zip(table["id"], table["label"], strict=True))


def _after_map(before: Audit, after: Audit, matching: Matching, seed: int, progress: Progress) -> Map:
    """Lay the later version out from where the earlier map left off."""
    to_before = np.full(len(after.dataset), -1, dtype=np.int64)
    to_before[matching.after] = matching.before
    place_before = _places(before)
    place_after = _places(after)
    rows = np.full(len(after.embeddings.ids), -1, dtype=np.int64)
    known = np.flatnonzero((place_after >= 0) & (to_before >= 0))
    rows[place_after[known]] = place_before[to_before[known]]
    return continue_map(before.map, rows, after.embeddings, after.neighbours, seed, progress)


def _places(audit: Audit) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row of each sample (n,) among those with a vector, -1 without one."""
    place = {i: row for row, i in enumerate(audit.embeddings.ids)}
    return np.array([place.get(i, -1) for i in audit.dataset.ids], dtype=np.int64)


def _notes(audits: tuple[Audit, Audit], matching: Matching, frame: Frame, inner: Inner) -> tuple[str, ...]:
    before, after = audits
    lines = []
    if before.thresholds != after.thresholds:
        lines.append(
            "The later audit had other thresholds: it was judged by those of the earlier one. Copies are "
            "those that each audit found."
        )
    if frame.share < 1:
        lines.append(
            f"The evidence was measured on a random {frame.share:.0%} of the pictures ({len(frame):,}), so "
            "that it takes minutes."
        )
    if before.dataset.classes != after.dataset.classes:
        gone = sorted(set(before.dataset.classes) - set(after.dataset.classes))
        new = sorted(set(after.dataset.classes) - set(before.dataset.classes))
        lines += [f"Classes that are gone, and no part of the evidence: {_listed(gone)}."] * bool(gone)
        lines += [f"New classes, and no part of the evidence: {_listed(new)}."] * bool(new)
    if len(matching.added):
        lines.append(
            "New samples are counted and shown, but are no evidence: more pictures help, right or wrong."
        )
    if inner.draws and before.provenance.seed != after.provenance.seed:
        lines.append("The two audits had different seeds: small differences in their figures are chance.")
    return tuple(lines)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:10]) + (", .." if len(names) > 10 else "")


__all__ = [
    "ClassChange",
    "CompareOptions",
    "PairChange",
    "Standing",
    "Support",
    "VersionComparison",
    "check_comparable",
    "compare_versions",
]
