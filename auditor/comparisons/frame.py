"""The samples of two versions on one sheet, so that both are judged by the same vectors and neighbours.

    audit before (m_b rows)  \
                              >  Frame: u rows, each with its label before and after, -1 = not there
    audit after (m_a rows)   /

Only samples of the earlier version are here, and only of classes that both versions have: new pictures,
or two classes merged into one, make a task easier or harder and say nothing about the labels.

    vectors (u, d)      unit vectors; `whiten` turns them into axes that know no label
    voters (u, k)       nearest pictures of other groups, by `picture`
    picture (u,)        copies of one picture are one; they share a vote, a weight of 1 and one drawn label
    group (u,)          independent groups of both versions joined: left out, drawn and counted as a whole

Rows that are in both versions have one vector: that of the earlier audit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ids, Ints, as_ids, rows_of
from auditor.comparisons.matching import Matching, Rows
from auditor.errors import DataError
from auditor.groups import FOLDS, assign_folds, independent_groups
from auditor.probes import stabilise
from auditor.results import Audit

VOTERS = 30
"""Neighbours kept for each row; votes take the first ten that are there."""
SAME_VECTOR = 0.999
"""Cosine from which two vectors of one picture count as made by the same network."""
MOST_CELLS = 1_000_000_000
"""Rows x dimensions x classes above which a random part of the groups stands for all."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """See the module docstring.

    `before` and `after` (u,) hold class codes into `classes`, -1 where the sample is not in that version.
    `weight` (u,): all copies of a picture together weigh 1. `fold` (u,): groups stay whole.
    `split` (u,): the sample's split, that of the earlier version where it has both. `share` in (0, 1]:
    of the samples with a vector, the part that is here.
    """

    ids_before: Ids
    ids_after: Ids
    classes: tuple[str, ...]
    before: Ints
    after: Ints
    vectors: Floats
    voters: Ints
    picture: Ints
    group: Ints
    weight: Array
    fold: Ints
    split: Ids
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.before)

    @property
    def rest(self) -> Bools:
        """Rows (u,) that both versions have under one label."""
        return np.asarray((self.before >= 0) & (self.before == self.after))

    @property
    def touched(self) -> Bools:
        """Rows (u,) that the clean-up removed or relabelled."""
        return np.asarray((self.before >= 0) & (self.before != self.after))


def make_frame(before: Audit, after: Audit, matching: Matching, seed: int = 0) -> Frame:
    """Lay the samples with a vector of both audits on one sheet.

    Raises
    ------
    DataError
        When the two audits have different vectors of the same picture.
    """
    rows_b, rows_a = pair_rows(before, after, matching)
    _check_vectors(before, after, rows_b, rows_a)
    classes = tuple(sorted({*before.dataset.classes, *after.dataset.classes}))
    picture = _joined(_components(before, rows_b, copies=True), _components(after, rows_a, copies=True))
    group = _joined(_components(before, rows_b), _components(after, rows_a), picture.astype(np.int64))
    code_b, code_a = _codes(before, rows_b, classes), _codes(after, rows_a, classes)
    asked = _comparable(code_b, code_a)
    vectors = _pick(before.embeddings.vectors, after.embeddings.vectors, rows_b, rows_a)
    ids_b, ids_a = _names(before.embeddings.ids, rows_b), _names(after.embeddings.ids, rows_a)
    # Named by the file that is certain to exist; a copy of the other version may carry the same name.
    names = as_ids([f"b{b}" if b else f"a{a}" for b, a in zip(ids_b, ids_a, strict=True)])
    frame = Frame(
        ids_before=ids_b,
        ids_after=ids_a,
        classes=classes,
        before=code_b,
        after=code_a,
        vectors=vectors,
        voters=_voters(before, after, rows_b, rows_a, (picture, group)),
        picture=picture,
        group=group,
        weight=1.0 / np.bincount(picture)[picture],
        fold=assign_folds(names, group, np.where(code_b >= 0, code_b, code_a), seed, FOLDS),
        split=_splits(before, after, ids_b, ids_a),
    )
    return _part(_subset(frame, np.flatnonzero(asked)), seed)


def whiten(frame: Frame) -> Floats:
    """Return the rows centred and rotated into the axes of their covariance, (u, d), largest first.

    The eigenvalue of axis j is the mean square of column j: a probe divides by it as it needs.
    """
    z = stabilise(frame.vectors, frame.weight)
    gram = np.zeros((z.shape[1], z.shape[1]))
    for start in range(0, len(z), 65_536):
        block = z[start : start + 65_536].astype(np.float64)
        gram += block.T @ (block * frame.weight[start : start + 65_536, None])
    basis = np.linalg.eigh(gram)[1][:, ::-1]
    return np.asarray(z @ basis.astype(np.float32), dtype=np.float32)


def pair_rows(before: Audit, after: Audit, matching: Matching) -> tuple[Rows, Rows]:
    """Embedding rows (u,) of both audits, -1 = not there: pairs first, then those of one side."""
    row_b, row_a = _embedding_rows(before), _embedding_rows(after)
    gone = np.concatenate([matching.removed, matching.unresolved_before])
    came = np.concatenate([matching.added, matching.unresolved_after])
    rows_b = np.concatenate([row_b[matching.before], row_b[gone], np.full(len(came), -1)])
    rows_a = np.concatenate([row_a[matching.after], np.full(len(gone), -1), row_a[came]])
    there = (rows_b >= 0) | (rows_a >= 0)
    return rows_b[there], rows_a[there]


def _embedding_rows(audit: Audit) -> Rows:
    rows = np.full(len(audit.dataset), -1, dtype=np.int64)
    rows[rows_of(audit.dataset.ids, audit.embeddings.ids)] = np.arange(len(audit.embeddings.ids))
    return rows


def _check_vectors(before: Audit, after: Audit, rows_b: Rows, rows_a: Rows) -> None:
    both = (rows_b >= 0) & (rows_a >= 0)
    cosine = np.einsum(
        "ij,ij->i", before.embeddings.vectors[rows_b[both]], after.embeddings.vectors[rows_a[both]]
    )
    if (cosine < SAME_VECTOR).any():
        raise DataError(
            f"The two audits have different vectors for {int((cosine < SAME_VECTOR).sum())} of "
            f"{int(both.sum())} pictures that both contain: run the later one with --like."
        )


def _comparable(before: Ints, after: Ints) -> Bools:
    """Rows (u,) of the earlier version whose classes, before and after, are in both versions."""
    shared = np.intersect1d(before[before >= 0], after[after >= 0])
    kept = np.isin(before, shared) & ((after < 0) | np.isin(after, shared))
    if not kept.any():
        raise DataError(
            "The two versions have no class in common, so nothing can be compared: give the classes the "
            "names that they had before."
        )
    return np.asarray(kept)


def _components(audit: Audit, rows: Rows, copies: bool = False) -> Rows:
    """Number (u,) of each row's group of copies, or of its independent group; -1 where it is not there."""
    if copies:
        alone = audit.duplicates.group < 0
        number = np.where(alone, np.arange(len(alone)) + audit.duplicates.group.max(initial=-1) + 1, 0)
        number = np.where(alone, number, audit.duplicates.group)
    else:
        number = independent_groups(audit.dataset, audit.duplicates)
    return np.where(rows >= 0, number[rows], -1).astype(np.int64)


def _joined(*parts: Rows) -> Ints:
    """Number (u,) of the connected sets of rows that share a number in any of `parts`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    u = len(parts[0])
    rows, nodes, size = [], [], u
    for part in parts:
        there = np.flatnonzero(part >= 0)
        rows.append(there)
        nodes.append(size + part[there])
        size += int(part.max(initial=-1)) + 1
    ends = (np.concatenate(rows), np.concatenate(nodes))
    graph = coo_matrix((np.ones(len(ends[0]), bool), ends), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:u]
    return np.unique(component, return_inverse=True)[1].astype(np.int32)


def _codes(audit: Audit, rows: Rows, classes: tuple[str, ...]) -> Ints:
    to_shared = np.array([classes.index(name) for name in audit.dataset.classes], dtype=np.int32)
    codes = to_shared[audit.dataset.codes_of(audit.embeddings.ids)]
    return np.where(rows >= 0, codes[rows], -1).astype(np.int32)


def _pick(first: Floats, second: Floats, rows_b: Rows, rows_a: Rows) -> Floats:
    out = np.empty((len(rows_b), first.shape[1]), dtype=np.float32)
    out[rows_b >= 0] = first[rows_b[rows_b >= 0]]
    only = rows_b < 0
    out[only] = second[rows_a[only]]
    return out


def _names(ids: Ids, rows: Rows) -> Ids:
    return np.where(rows >= 0, ids[rows], "")


def _splits(before: Audit, after: Audit, ids_b: Ids, ids_a: Ids) -> Ids:
    out = as_ids([""] * len(ids_b))
    for audit, ids in ((after, ids_a), (before, ids_b)):
        there = ids != ""
        out[there] = audit.dataset.column_of("split", ids[there])
    return out


def _voters(before: Audit, after: Audit, rows_b: Rows, rows_a: Rows, sets: tuple[Ints, Ints]) -> Ints:
    """Nearest pictures (u, `VOTERS`) of other groups in both versions together, -1 where there are fewer.

    A row's nearest among all are among its nearest in either version, so no new search is needed.
    """
    picture, group = sets
    found, near = [], []
    for audit, rows in ((before, rows_b), (after, rows_a)):
        lists, similar = _lists(audit, rows)
        found.append(lists)
        near.append(similar)
    indices, similarities = np.concatenate(found, axis=1), np.concatenate(near, axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")
    indices = np.take_along_axis(indices, order, 1)
    pictures = np.where(indices >= 0, picture[indices], -1)
    allowed = (indices >= 0) & (group[indices] != group[:, None]) & _first_of_its_kind(pictures)
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :VOTERS]
    taken = np.take_along_axis(allowed, order, 1)
    return np.where(taken, np.take_along_axis(pictures, order, 1), -1).astype(np.int32)


def _lists(audit: Audit, rows: Rows) -> tuple[Rows, Floats]:
    """A row's stored neighbours as rows of the frame (u, k), -1 = none, and their similarities."""
    k = min(audit.neighbours.indices.shape[1], 2 * VOTERS)
    to_frame = np.full(len(audit.embeddings.ids) + 1, -1, dtype=np.int64)
    there = rows >= 0
    to_frame[rows[there]] = np.flatnonzero(there)
    indices = np.full((len(rows), k), -1, dtype=np.int64)
    similarities = np.full((len(rows), k), -2.0, dtype=np.float32)
    indices[there] = to_frame[audit.neighbours.indices[rows[there], :k]]
    similarities[there] = np.where(
        indices[there] >= 0, audit.neighbours.similarities[rows[there], :k], np.float32(-2.0)
    )
    return indices, similarities


def _first_of_its_kind(pictures: Rows) -> Bools:
    """Mark (u, k) the first place at which each picture stands in its row."""
    order = np.argsort(pictures, axis=1, kind="stable")
    ordered = np.take_along_axis(pictures, order, 1)
    first = np.ones(pictures.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    out = np.empty_like(first)
    np.put_along_axis(out, order, first, 1)
    return out


def _part(frame: Frame, seed: int) -> Frame:
    """Return the frame, or a random part of its groups where judging all would take too long."""
    cells = len(frame) * frame.vectors.shape[1] * len(frame.classes)
    if cells <= MOST_CELLS:
        return frame
    order = np.random.default_rng(seed).permutation(int(frame.group.max()) + 1)
    sizes = np.cumsum(np.bincount(frame.group)[order])
    kept_groups = order[: np.searchsorted(sizes, len(frame) * MOST_CELLS / cells) + 1]
    kept = np.flatnonzero(np.isin(frame.group, kept_groups))
    return replace(_subset(frame, kept), share=len(kept) / len(frame))


def _subset(frame: Frame, kept: Rows) -> Frame:
    """Return the frame with some of its rows; pictures and groups are numbered anew."""
    picture_of = np.full(int(frame.picture.max(initial=-1)) + 2, -1, dtype=np.int32)
    picture = np.unique(frame.picture[kept], return_inverse=True)[1].astype(np.int32)
    picture_of[frame.picture[kept]] = picture
    return replace(
        frame,
        ids_before=frame.ids_before[kept],
        ids_after=frame.ids_after[kept],
        before=frame.before[kept],
        after=frame.after[kept],
        vectors=frame.vectors[kept],
        # The last place of `picture_of` is -1, so that "no voter" stays that.
        voters=picture_of[frame.voters[kept]],
        picture=picture,
        group=np.unique(frame.group[kept], return_inverse=True)[1].astype(np.int32),
        weight=1.0 / np.bincount(picture)[picture],
        fold=frame.fold[kept],
        split=frame.split[kept],
    )
