"""The two sides of a domain comparison: which samples of one audit lie where.

    audit, "photo", "drawing"  -->  Sides
      classes (k,)      the classes compared: in both domains
      train, test       Side: rows of the audit's vectors, class codes (n,), independent groups (n,)
      shared_groups     independent groups with members in both
      notes             what was left out, and why

Copies of a picture under one label count once: only the first of them is a row of a `Side`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ids, Ints
from auditor.errors import DataError, UsageError
from auditor.groups import groups_per_class, independent_groups
from auditor.results import Audit

LEAST_TRAINING_GROUPS = 2
"""Independent pictures that a class needs in the training domain: one left out, another to learn from."""
NAMED = 20
"""Names listed in a sentence."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """One domain: n samples with a vector, of the classes compared.

    ids (n,); `rows` (n,) of the audit's vectors; `codes` (n,) positions in `Sides.classes`; `groups` (n,)
    independent groups, numbered alike on both sides.
    """

    name: str
    ids: Ids
    rows: Rows
    codes: Ints
    groups: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def groups_of_classes(self, classes: int) -> NDArray[np.int64]:
        """Count the independent groups (k,) in which each class occurs."""
        return groups_per_class(self.groups, self.codes, classes)

    def of_class(self, code: int) -> NDArray[np.int64]:
        """Positions within this side of the samples of one class."""
        return np.flatnonzero(self.codes == code)


@dataclass(frozen=True)
class Sides:
    """Both domains of one audit; `column` says where their names come from, "domain" or "split".

    shared_groups : independent groups with members in both: views of one object, copies of one picture.
    """

    column: str
    classes: tuple[str, ...]
    train: Side
    test: Side
    shared_groups: int
    notes: tuple[str, ...]


def choose_sides(audit: Audit, train: str, test: str) -> Sides:
    """Return the samples of both domains and the classes they share.

    Names that are no domains of the dataset may be its splits.

    Raises
    ------
    UsageError
        If a name is unknown or both are the same.
    DataError
        If fewer than two classes can be compared.
    """
    column = _column(audit, train, test)
    ids = audit.embeddings.ids
    places = audit.dataset.column_of(column, ids)
    codes = audit.dataset.codes_of(ids)
    groups = independent_groups(audit.dataset, audit.duplicates)
    parts = []
    for name in (train, test):
        inside = np.flatnonzero(places == name)
        parts.append(inside[_first_copies(audit, codes, inside)])
    names = audit.dataset.classes
    counts = [groups_per_class(groups[rows], codes[rows], len(names)) for rows in parts]
    shared = np.flatnonzero((counts[0] >= LEAST_TRAINING_GROUPS) & (counts[1] > 0))
    if len(shared) < 2:
        raise DataError(
            f"Two domains are compared by the classes that they share, and {train!r} and {test!r} share "
            f"{len(shared)} with at least {LEAST_TRAINING_GROUPS} independent pictures of {train!r} to learn "
            "from: at least two such classes are needed."
        )
    sides = [
        _side(name, ids, rows, codes, groups, shared) for name, rows in zip((train, test), parts, strict=True)
    ]
    both = len(np.intersect1d(sides[0].groups, sides[1].groups))
    notes = _notes(column, (train, test), names, counts) + _shared_note(both, train, test)
    return Sides(column, tuple(names[code] for code in shared), sides[0], sides[1], both, notes)


def _first_copies(audit: Audit, codes: Ints, rows: Rows) -> NDArray[np.int64]:
    """Positions in `rows` that count: of the copies with one label inside this domain only the first."""
    group = audit.duplicates.group[rows]
    group = np.where(group >= 0, group, -1 - np.arange(len(rows)))
    pairs = np.stack([group, codes[rows]], axis=1)
    return np.sort(np.unique(pairs, axis=0, return_index=True)[1])


def _side(name: str, ids: Ids, rows: Rows, codes: Ints, groups: Ints, shared: NDArray[np.int64]) -> Side:
    rows = rows[np.isin(codes[rows], shared)]
    dense = np.searchsorted(shared, codes[rows]).astype(np.int32)
    return Side(name, ids[rows], rows, dense, groups[rows])


def _column(audit: Audit, train: str, test: str) -> str:
    """Return the column of the dataset that has both names."""
    if train == test:
        raise UsageError(f"Two domains are compared, and {train!r} was given twice: give another one.")
    table = audit.dataset.table
    known = {column: sorted(set(table[column]) - {""}) for column in ("domain", "split")}
    for column, names in known.items():
        if train in names and test in names:
            return column
    has = f"{_listed('domains', known['domain'])} and {_listed('splits', known['split'])}"
    raise UsageError(
        f"{train!r} and {test!r} must be two domains, or two splits: {audit.dataset.name!r} has {has}."
    )


def _listed(noun: str, names: Sequence[str]) -> str:
    if not names:
        return f"no {noun}"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"the {noun} {', '.join(repr(name) for name in names[:NAMED])}{more}"


def _notes(
    column: str, sides: tuple[str, str], names: Sequence[str], counts: list[NDArray[np.int64]]
) -> tuple[str, ...]:
    train, test = sides
    notes = []
    if column == "split":
        notes.append(
            f"The dataset has no domains {train!r} and {test!r}: its splits of these names are compared."
        )
    only = {
        f"Only in {train!r}": (counts[0] > 0) & (counts[1] == 0),
        f"Only in {test!r}": (counts[0] == 0) & (counts[1] > 0),
        f"With fewer than {LEAST_TRAINING_GROUPS} independent pictures in {train!r} to learn from": (
            (counts[0] > 0) & (counts[1] > 0) & (counts[0] < LEAST_TRAINING_GROUPS)
        ),
    }
    for what, flags in only.items():
        if flags.any():
            listed = ", ".join(repr(names[code]) for code in np.flatnonzero(flags)[:NAMED])
            more = f" and {flags.sum() - NAMED} more" if flags.sum() > NAMED else ""
            notes.append(f"{what}, and so left out of every figure: {listed}{more}.")
    return tuple(notes)


def _shared_note(both: int, train: str, test: str) -> tuple[str, ...]:
    if not both:
        return ()
    have = "independent group has" if both == 1 else "independent groups have"
    return (
        f"{both:,} {have} pictures in both {train!r} and {test!r}: what judges a picture of {test!r} learned "
        "nothing from its own group.",
    )
