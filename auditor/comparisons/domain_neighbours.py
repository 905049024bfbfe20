"""Whether the neighbours inside the test domain tell two classes apart where no straight border does.

    audit.neighbours (m, k)  --those of the test domain, of another group-->  voters (n, v), weights (n, v)
    share of the votes for a among those for a or b                           ==>  score (n_pair,) in [0, 1]

A linear probe cannot follow a class that lies on two sides of another; a vote can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.comparisons.domain_sides import Side
from auditor.neighbours import group_votes
from auditor.results import Audit, Neighbours

VOTERS = 20
"""Neighbours of the test domain that vote, fewer where the audit knows fewer."""
NO_VOTE = 0.5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InsideVotes:
    """Class codes of each test sample's voters (n, v), -1 for none, and their weights (n, v)."""

    codes: Ints
    weights: Floats

    def share(self, rows: NDArray[np.int64], a: int, b: int) -> Array:
        """Share (p,) of the votes for a or b that are for a; `NO_VOTE` where neither has one."""
        codes, weights = self.codes[rows], self.weights[rows].astype(np.float64)
        first, second = ((weights * (codes == code)).sum(axis=1) for code in (a, b))
        total = first + second
        return np.asarray(np.where(total > 0, first / np.where(total > 0, total, 1.0), NO_VOTE))


def inside_votes(audit: Audit, test: Side) -> InsideVotes:
    """Return the votes of each test sample's neighbours in its own domain; its own group does not vote."""
    known = audit.neighbours
    # A neighbour stands for all its exact copies, so one of them in the test domain is enough.
    place = np.full(len(known.ids) + 1, -1, dtype=np.int32)
    of_side = known.representative[test.rows]
    place[of_side[::-1]] = np.arange(len(test), dtype=np.int32)[::-1]
    indices = place[known.indices[test.rows]]
    inside = Neighbours(
        test.ids, indices, known.similarities[test.rows], np.arange(len(test), dtype=np.int32)
    )
    voters, weights = group_votes(inside, test.groups, VOTERS)
    return InsideVotes(np.where(voters >= 0, test.codes[voters], -1).astype(np.int32), weights)
