"""Which findings, typical pictures and pair examples the page shows.

Pure; the same audit gives the same choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from auditor.arrays import Floats, Ints
from auditor.decisions import LABEL_CHECK
from auditor.results import Audit, ClassPair, Evidence, Finding
from reports.options import DEFAULT_LIMIT

PAGE_ORDER: tuple[str, ...] = (
    "conflicting_duplicate",
    "leak",
    "mislabeled",
    "ambiguous",
    LABEL_CHECK,
    "off_topic",
    "low_quality",
    "duplicate",
    "unreadable",
)
"""Kinds as the page asks about them: certain errors first, files without a picture last."""
NEIGHBOURS_SHOWN = 5
MEMBERS_SHOWN = 12
TYPICAL_SHOWN = 6
TYPICAL_TOTAL = 1800
"""At most this many typical pictures on a page, so that 1,000 classes do not crowd out the findings."""
PAIRS_LISTED = 20
"""Pairs with pictures of their own; all others stand in the table."""
PAIR_EXAMPLES = 6
CLUSTER_MINIMUM = 8
"""Fewer confused samples than this are no cluster, however close they lie."""


def share_limit(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share `limit` out over the kinds: small kinds are shown whole, the large ones get equal parts."""
    shares: dict[str, int] = {}
    left, kinds_left = limit, len(counts)
    for kind in sorted(counts, key=lambda k: (counts[k], PAGE_ORDER.index(k))):
        shares[kind] = min(counts[kind], left // max(kinds_left, 1))
        left -= shares[kind]
        kinds_left -= 1
    return {kind: shares[kind] for kind in PAGE_ORDER if kind in shares}


def count_kinds(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings of each kind that occurs, in the page's order."""
    counts = dict.fromkeys(PAGE_ORDER, 0)
    for finding in findings:
        counts[finding.kind] += 1
    return {kind: n for kind, n in counts.items() if n}


def choose_findings(findings: Sequence[Finding], limit: int = DEFAULT_LIMIT) -> tuple[Finding, ...]:
    """Return the worst findings of each kind, at most `limit` in all, in the page's order."""
    left = share_limit(count_kinds(findings), limit)
    chosen = []
    for finding in findings:
        if left[finding.kind] > 0:
            left[finding.kind] -= 1
            chosen.append(finding)
    return tuple(sorted(chosen, key=lambda finding: PAGE_ORDER.index(finding.kind)))


def group_index(audit: Audit) -> dict[str, int]:
    """Return the duplicate group of every sample with a vector, -1 = alone."""
    return dict(zip(audit.duplicates.ids.tolist(), audit.duplicates.group.tolist(), strict=True))


def distinct_neighbours(evidence: Evidence, group_of: Mapping[str, int]) -> tuple[tuple[str, float], ...]:
    """Return the nearest samples as (id, similarity); of several copies only the nearest."""
    seen: set[int] = set()
    kept: list[tuple[str, float]] = []
    for sample_id, _, similarity in evidence.neighbours:
        group = group_of.get(sample_id, -1)
        if group in seen:
            continue
        if group >= 0:
            seen.add(group)
        kept.append((sample_id, similarity))
        if len(kept) == NEIGHBOURS_SHOWN:
            break
    return tuple(kept)


def typical_ids(audit: Audit, asked: Iterable[str] = ()) -> tuple[tuple[str, ...], ...]:
    """Return for each class the ids of its most typical samples, best first: unflagged, no copies.

    What is `asked` about is left out too, or a control sample shown as typical would give itself away.
    """
    flagged = {i for finding in audit.findings for i in finding.ids} | set(asked)
    each = max(1, min(TYPICAL_SHOWN, TYPICAL_TOTAL // max(len(audit.dataset.classes), 1)))
    ids = audit.embeddings.ids
    codes = audit.dataset.codes_of(ids)
    free = np.array([i not in flagged for i in ids], dtype=bool)
    free &= audit.duplicates.representative == np.arange(len(ids))
    rows = np.flatnonzero(free)
    worth = audit.scores.label_quality * audit.scores.typicality
    rows = rows[np.lexsort((rows, -worth[rows], codes[rows]))]
    starts = np.searchsorted(codes[rows], np.arange(len(audit.dataset.classes) + 1))
    return tuple(
        tuple(str(ids[r]) for r in rows[start : min(start + each, end)])
        for start, end in itertools.pairwise(starts.tolist())
    )


class Confusions:
    """Samples labelled one class that look like another out of sample, most convincing first."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._code_of = {name: code for code, name in enumerate(audit.dataset.classes)}
        self._given: Ints = audit.dataset.codes_of(audit.embeddings.ids)
        self._values: Floats = audit.probabilities.values
        self._likely = self._values.argmax(axis=1) if len(self._values) else np.zeros(0, dtype=np.int64)

    def rows(self, given: str, looks_like: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return rows of the embeddings labelled `given` whose most probable class is `looks_like`."""
        a, b = self._code_of[given], self._code_of[looks_like]
        rows = np.flatnonzero((self._given == a) & (self._likely == b))
        return rows[np.lexsort((rows, -self._values[rows, b]))]

    def examples(self, given: str, looks_like: str) -> tuple[str, ...]:
        """Return ids of the clearest of them, at most `PAIR_EXAMPLES`."""
        return tuple(str(i) for i in self._audit.embeddings.ids[self.rows(given, looks_like)[:PAIR_EXAMPLES]])

    def own_cluster(self, pair: ClassPair, share: float) -> str:
        """Return the class of the pair whose confused samples are mostly each other's neighbours, else ""."""
        for given, other in ((pair.a, pair.b), (pair.b, pair.a)):
            rows = self.rows(given, other)
            if len(rows) < CLUSTER_MINIMUM:
                continue
            near = self._audit.neighbours.indices[rows, :10]
            inside = np.isin(near, rows) & (near >= 0)
            if inside.sum() >= share * max(int((near >= 0).sum()), 1):
                return given
        return ""
