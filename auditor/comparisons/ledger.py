"""What became of every sample between two versions, and of what was said about it.

    Matching + findings of both  -->  LedgerEntry per sample
      change    "", relabelled, removed, added, unresolved
      finding   "", fixed, still flagged, newly flagged, checked

`checked`: the method still flags it, a person found it right (`run --reviewed`). Both audits are judged by
the bars of the earlier one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.comparisons.matching import Listing, Matching
from auditor.findings import FindingInputs, find_findings
from auditor.results import KINDS, Audit, Finding, Thresholds

CHANGES: tuple[str, ...] = ("relabelled", "removed", "added", "unresolved")
FATES: tuple[str, ...] = ("fixed", "still flagged", "newly flagged", "checked")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One sample; what one side lacks is "". `kind_before` and `kind_after` are its findings' first kinds."""

    id_before: str
    id_after: str
    label_before: str
    label_after: str
    change: str
    finding: str
    kind_before: str
    kind_after: str

    @property
    def is_change(self) -> bool:
        """Tell whether anything about the sample differs between the versions, its file's name included."""
        return (
            bool(self.change) or self.finding in ("fixed", "newly flagged") or self.id_before != self.id_after
        )


@dataclass(frozen=True)
class Ledger:
    """All samples of both versions: those before in their order, then those that came."""

    entries: tuple[LedgerEntry, ...]

    def counts(self) -> dict[str, int]:
        """Return how many samples had each change and each fate; `unchanged` have none."""
        found = Counter(e.change for e in self.entries) + Counter(e.finding for e in self.entries)
        plain = sum(not e.change and not e.finding for e in self.entries)
        return {**{name: found[name] for name in (*CHANGES, *FATES)}, "unchanged": plain}

    def changes(self) -> tuple[LedgerEntry, ...]:
        """Return the samples that differ between the versions; none when the versions are the same."""
        return tuple(e for e in self.entries if e.is_change)


def findings_under(audit: Audit, bars: Thresholds) -> tuple[Finding, ...]:
    """Return what an audit flags under `bars`, with what earlier reviews had left out.

    Copies stay those that the audit found: the pictures they were confirmed on are not stored.
    """
    if audit.thresholds == bars and audit.provenance.reviewed is None:
        return audit.findings
    return find_findings(
        FindingInputs(
            audit.dataset,
            audit.facts,
            audit.embeddings,
            audit.neighbours,
            audit.duplicates,
            audit.probabilities,
            audit.scores,
            bars,
        )
    )


def write_ledger(before: Audit, after: Audit, matching: Matching) -> Ledger:
    """Return the ledger of two audits whose samples were matched."""
    sides = (Listing.of(before), Listing.of(after))
    flagged = first_kinds(findings_under(before, before.thresholds))
    flagged_after = first_kinds(findings_under(after, before.thresholds))
    open_after = {i for finding in after.findings for i in finding.ids}
    checked = set(flagged_after) - open_after if after.provenance.reviewed is not None else set()
    entries: dict[int, LedgerEntry] = {}
    for row, other in zip(matching.before.tolist(), matching.after.tolist(), strict=True):
        entry = _entry(sides, row, other, flagged, flagged_after)
        entries[row] = replace(entry, finding="checked") if entry.id_after in checked else entry
    for row in matching.removed.tolist():
        entries[row] = replace(_entry(sides, row, -1, flagged, flagged_after), change="removed")
    for row in matching.unresolved_before.tolist():
        entries[row] = replace(_entry(sides, row, -1, flagged, flagged_after), change="unresolved")
    came = [(row, "added") for row in matching.added.tolist()]
    came += [(row, "unresolved") for row in matching.unresolved_after.tolist()]
    new = [replace(_entry(sides, -1, row, flagged, flagged_after), change=c) for row, c in sorted(came)]
    return Ledger((*(entries[row] for row in sorted(entries)), *new))


def first_kinds(findings: Sequence[Finding]) -> dict[str, str]:
    """Return each flagged sample's kind of highest precedence."""
    kinds: dict[str, str] = {}
    for finding in sorted(findings, key=lambda f: KINDS.index(f.kind)):
        for i in finding.ids:
            kinds.setdefault(i, finding.kind)
    return kinds


def _entry(
    sides: tuple[Listing, Listing],
    row: int,
    other: int,
    flagged: Mapping[str, str],
    flagged_after: Mapping[str, str],
) -> LedgerEntry:
    """Return the entry of row `row` before and row `other` after, -1 = not there."""
    id_before, label_before = _sample(sides[0], row)
    id_after, label_after = _sample(sides[1], other)
    kinds = (flagged.get(id_before, ""), flagged_after.get(id_after, ""))
    both = row >= 0 and other >= 0
    fates = {(True, False): "fixed", (True, True): "still flagged", (False, True): "newly flagged"}
    return LedgerEntry(
        id_before,
        id_after,
        label_before,
        label_after,
        change="relabelled" if both and label_before != label_after else "",
        finding=fates.get((bool(kinds[0]), bool(kinds[1])), "") if both else "",
        kind_before=kinds[0],
        kind_after=kinds[1],
    )


def _sample(side: Listing, row: int) -> tuple[str, str]:
    return (side.ids[row], side.labels[row]) if row >= 0 else ("", "")
