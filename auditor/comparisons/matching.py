"""Which sample of one version is which sample of the other.

    (id, digest) equal on both sides              --> the same sample
    the rest: digest unique on both sides         --> the same sample under another name
              within a digest, by label           --> copies of one picture, each its own
    left on one side only                         --> removed, or added
    left on both sides within one digest          --> unresolved: which is which cannot be told

A file moved to another class folder is therefore relabelled, not deleted and added, and two copies of one
picture under two labels stay two samples. Swapping the versions swaps removed and added and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ids, as_ids, rows_of
from auditor.results import Audit

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Matching:
    """Rows of two datasets: `before` and `after` (p,) belong together, pair by pair, in order of `before`.

    `removed` and `added` exist on one side only; `unresolved_before` and `unresolved_after` cannot be told
    apart from each other.
    """

    before: Rows
    after: Rows
    removed: Rows
    added: Rows
    unresolved_before: Rows
    unresolved_after: Rows


@dataclass(frozen=True)
class Listing:
    """What identifies the samples (n,) of one version; an empty digest is that of an unreadable file."""

    ids: Ids
    digests: Ids
    labels: Ids

    @classmethod
    def of(cls, audit: Audit) -> Listing:
        """Return the listing of an audit's dataset, in its order."""
        dataset = audit.dataset
        digests = audit.facts.digest[rows_of(audit.facts.ids, dataset.ids)]
        return cls(dataset.ids, digests, as_ids(dataset.table["label"]))


@dataclass
class _Found:
    pairs: list[tuple[int, int]] = field(default_factory=list)
    unresolved: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))


def match_rows(before: Listing, after: Listing) -> Matching:
    """Match the samples of two versions of a dataset; see the module docstring."""
    found = _Found(_same_names(before, after))
    left = (
        _without(len(before.ids), (b for b, _ in found.pairs)),
        _without(len(after.ids), (a for _, a in found.pairs)),
    )
    by_digest = (_by(before.digests, left[0]), _by(after.digests, left[1]))
    for digest in by_digest[0].keys() & by_digest[1].keys() - {""}:
        _resolve(found, (before.labels, after.labels), (by_digest[0][digest], by_digest[1][digest]))
    pairs = np.array(sorted(found.pairs), dtype=np.int64).reshape(-1, 2)
    lost, gained = (np.array(sorted(rows), dtype=np.int64) for rows in found.unresolved)
    return Matching(
        before=pairs[:, 0],
        after=pairs[:, 1],
        removed=_rest(len(before.ids), pairs[:, 0], lost),
        added=_rest(len(after.ids), pairs[:, 1], gained),
        unresolved_before=lost,
        unresolved_after=gained,
    )


def _same_names(before: Listing, after: Listing) -> list[tuple[int, int]]:
    """Pair equal ids with equal digests; a file that opens on one side only is still the same file."""
    row_after = {i: row for row, i in enumerate(after.ids)}
    named = ((row, row_after[i]) for row, i in enumerate(before.ids) if i in row_after)
    return [
        (b, a)
        for b, a in named
        if before.digests[b] == after.digests[a] or "" in (before.digests[b], after.digests[a])
    ]


def _resolve(found: _Found, labels: tuple[Ids, Ids], rows: tuple[list[int], list[int]]) -> None:
    """Match the rows of one digest: copies with one label are interchangeable and pair in order."""
    if len(rows[0]) == len(rows[1]) == 1:
        found.pairs.append((rows[0][0], rows[1][0]))
        return
    sides = (_by(labels[0], rows[0]), _by(labels[1], rows[1]))
    left: tuple[list[int], list[int]] = ([], [])
    for label in sides[0].keys() | sides[1].keys():
        here, there = sides[0].get(label, []), sides[1].get(label, [])
        found.pairs += zip(here, there, strict=False)
        count = min(len(here), len(there))
        left[0].extend(here[count:])
        left[1].extend(there[count:])
    if len(left[0]) == len(left[1]) == 1:
        found.pairs.append((left[0][0], left[1][0]))
    elif left[0] and left[1]:
        found.unresolved[0].extend(left[0])
        found.unresolved[1].extend(left[1])


def _by(values: Ids, rows: Sequence[int]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[values[row]].append(row)
    return groups


def _without(count: int, taken: Iterable[int]) -> list[int]:
    gone = set(taken)
    return [row for row in range(count) if row not in gone]


def _rest(count: int, *taken: Rows) -> Rows:
    return np.setdiff1d(np.arange(count), np.concatenate(taken))
