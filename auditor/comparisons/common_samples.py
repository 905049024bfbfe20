"""The samples that several audits share, and what they may be judged on together.

    audits --same id, label and picture--> p common samples, sorted by id
    copies and user groups of all audits, joined --> one set of groups for all
    ==> CommonSamples(dataset, duplicates, pictures), and per audit how many of its samples are left out

Two audits of pictures must show the same picture under an id; given features have no picture to check, so
there the id and the label decide. Copies come from the audits that read pictures: equal vectors alone (a
saturated output, say) are no proof of a copy. Where no audit read pictures, equal vectors count as copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Bools, Ids, Ints, as_ids, rows_of
from auditor.comparisons.paired import PairedDifference, paired_difference
from auditor.errors import DataError, UsageError
from auditor.groups import groups_per_class, independent_groups
from auditor.results import Audit, Dataset, Duplicates
from auditor.separation import count_once

LEAST_SHARED = 0.5
"""Share of the smallest audit's samples below which the audits are of different datasets."""
LEAST_GROUPS = 2
"""Independent groups that a class needs so that one can be left out and another is still there."""


@dataclass(frozen=True)
class LeftOut:
    """Samples with a vector that one audit has and the comparison does not use.

    other_label, other_picture : the id is there in every audit, but with another label or picture.
    missing : the id is not there in every audit.
    """

    samples: int
    other_label: int
    other_picture: int
    missing: int


@dataclass(frozen=True)
class CommonSamples:
    """p samples that every audit has, sorted by id.

    dataset : their rows; `classes` are those of all audits together, `group` the joined user groups.
    duplicates : joined groups of copies; a group's representative is its first row.
    pictures : (p,) a number for each distinct picture: equal for exact copies.
    left_out : one for each audit, in the audits' order.
    """

    dataset: Dataset
    duplicates: Duplicates
    pictures: Ints
    left_out: tuple[LeftOut, ...]

    @property
    def ids(self) -> Ids:
        """Ids (p,), sorted."""
        return self.duplicates.ids

    @cached_property
    def codes(self) -> Ints:
        """Class codes (p,) of the given labels."""
        return self.dataset.codes_of(self.ids)

    @cached_property
    def groups(self) -> Ints:
        """Independent groups (p,): left out and drawn again as a whole."""
        return independent_groups(self.dataset, self.duplicates)

    @cached_property
    def once(self) -> NDArray[np.int64]:
        """Rows that count: of a group's copies with one label only the first."""
        return count_once(self.duplicates, self.codes)

    def right(self, guesses: Ints) -> NDArray[np.float64]:
        """Return 1 where a guess (p,) is the given label and 0 where not, for the rows that count (o,)."""
        return np.asarray((guesses == self.codes)[self.once], dtype=np.float64)

    def compare(self, a: NDArray[np.float64], b: NDArray[np.float64], seed: int) -> PairedDifference:
        """Compare two values of the rows that count (o,), drawn by independent groups."""
        return paired_difference(a, b, self.groups[self.once], seed)


def find_common(audits: Sequence[Audit]) -> CommonSamples:
    """Match the samples of two or more audits.

    Raises
    ------
    UsageError
        If there are fewer than two audits.
    DataError
        If the audits are of different datasets, or too little is common to compare classes on.
    """
    if len(audits) < 2:
        raise UsageError(f"A comparison of models needs at least two audits, got {len(audits)}.")
    shared = _shared_ids(audits)
    labels = [_labels(audit, shared) for audit in audits]
    same_label = reduce(np.logical_and, [row == labels[0] for row in labels])
    same_picture = _same_picture(audits, shared)
    kept = same_label & same_picture
    left_out = tuple(_left_out(audit, len(shared), same_label, same_picture) for audit in audits)
    _check_same_dataset(audits, kept)
    ids = shared[kept]
    readers = [audit for audit in audits if audit.facts.checked] or list(audits)
    pictures = join_groups([_restricted(a.neighbours.representative, a, ids) for a in readers])
    copies = join_groups([_restricted(a.duplicates.group, a, ids) for a in readers])
    common = CommonSamples(
        _common_dataset(audits, readers[0], ids),
        _common_duplicates(ids, copies, _numbered(pictures)),
        _numbered(pictures),
        left_out,
    )
    _check_groups(common)
    return common


def join_groups(partitions: Sequence[Ints]) -> Ints:
    """Join groupings (p,) of the same rows: who shares a number in any of them is in one group.

    -1 means alone, before and after; groups are numbered by their first row.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    p = len(partitions[0])
    rows, nodes, offset = [], [], p
    for partition in partitions:
        members = np.flatnonzero(partition >= 0)
        _, dense = np.unique(partition[members], return_inverse=True)
        rows.append(members)
        nodes.append(offset + dense)
        offset += int(dense.max(initial=-1)) + 1
    row, node = np.concatenate(rows), np.concatenate(nodes)
    graph = coo_matrix((np.ones(len(row), bool), (row, node)), shape=(offset, offset))
    component = connected_components(graph, directed=False)[1][:p]
    _, first, inverse, counts = np.unique(
        component, return_index=True, return_inverse=True, return_counts=True
    )
    several = np.flatnonzero(counts > 1)
    number = np.full(len(counts), -1, dtype=np.int32)
    number[several[np.argsort(first[several])]] = np.arange(len(several))
    return np.asarray(number[inverse], dtype=np.int32)


def _numbered(groups: Ints) -> Ints:
    """Give samples that are alone (-1) a number of their own too: the row of the group's first member."""
    own = np.arange(len(groups), dtype=np.int32)
    members = groups >= 0
    _, first, inverse = np.unique(groups[members], return_index=True, return_inverse=True)
    own[members] = np.flatnonzero(members)[first][inverse]
    return own


def _shared_ids(audits: Sequence[Audit]) -> Ids:
    shared = reduce(lambda a, b: a.intersection(b), [pd.Index(a.embeddings.ids) for a in audits])
    return as_ids(sorted(shared))


def _labels(audit: Audit, ids: Ids) -> Ids:
    return audit.dataset.column_of("label", ids)


def _restricted(partition: Ints, audit: Audit, ids: Ids) -> Ints:
    return np.asarray(partition[rows_of(audit.embeddings.ids, ids)], dtype=np.int32)


def _same_picture(audits: Sequence[Audit], ids: Ids) -> Bools:
    """Flags (p,): every audit that read the file saw the same pixels, or at least the same bytes."""
    facts = [audit.facts for audit in audits if audit.facts.checked]
    same = np.ones(len(ids), dtype=bool)
    if facts:
        first = facts[0]
        own = rows_of(first.ids, ids)
        for other in facts[1:]:
            rows = rows_of(other.ids, ids)
            # Another Pillow may decode the same bytes to slightly other pixels.
            equal_bytes = (other.byte_digest[rows] == first.byte_digest[own]) & (first.byte_digest[own] != "")
            same &= (other.digest[rows] == first.digest[own]) | equal_bytes
    return same


def _left_out(audit: Audit, shared: int, same_label: Bools, same_picture: Bools) -> LeftOut:
    return LeftOut(
        samples=len(audit.embeddings.ids) - int((same_label & same_picture).sum()),
        other_label=int((~same_label & same_picture).sum()),
        other_picture=int((~same_picture).sum()),
        missing=len(audit.embeddings.ids) - shared,
    )


def _check_same_dataset(audits: Sequence[Audit], kept: Bools) -> None:
    smallest = min(audits, key=lambda audit: len(audit.embeddings.ids))
    if kept.sum() < LEAST_SHARED * len(smallest.embeddings.ids):
        sizes = ", ".join(f"{a.dataset.name!r} with {len(a.embeddings.ids):,}" for a in audits)
        raise DataError(
            f"These audits are not of the same dataset: of their samples ({sizes}) {kept.sum():,} have the "
            "same id, label and picture in all; name audits of one folder or manifest (two versions of a "
            "dataset: auditor compare)."
        )


def _check_groups(common: CommonSamples) -> None:
    counts = groups_per_class(common.groups, common.codes, len(common.dataset.classes))
    if (counts >= LEAST_GROUPS).sum() < 2:
        raise DataError(
            f"A comparison of models needs two classes with {LEAST_GROUPS} independent pictures each, the "
            f"{len(common.ids):,} samples that all audits share have {(counts >= LEAST_GROUPS).sum()}."
        )


def _common_dataset(audits: Sequence[Audit], reader: Audit, ids: Ids) -> Dataset:
    """Rows of the common samples; the path is that of an audit that read pictures, if any did."""
    table = reader.dataset.table.iloc[rows_of(reader.dataset.ids, ids)].reset_index(drop=True)
    users = join_groups([_user_groups(audit, ids) for audit in audits])
    table = table.assign(group=as_ids([f"group {g}" if g >= 0 else "" for g in users.tolist()]))
    classes = tuple(sorted({name for audit in audits for name in audit.dataset.classes}))
    return replace(
        reader.dataset,
        classes=classes,
        table=table,
        has_images=reader.facts.checked,
        notes=(),
        descriptions={},
        source_rows=None,
        source_count=0,
    )


def _user_groups(audit: Audit, ids: Ids) -> Ints:
    given = audit.dataset.column_of("group", ids).astype(str)
    codes = np.unique(given, return_inverse=True)[1]
    return np.where(given != "", codes, -1).astype(np.int32)


def _common_duplicates(ids: Ids, copies: Ints, pictures: Ints) -> Duplicates:
    representative = _numbered(copies)
    return Duplicates(ids, copies, representative, pictures == pictures[representative])
