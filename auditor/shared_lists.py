"""Inverted lists whose rows lie on many machines, searched block against block.

    lists of like rows (`auditor.lists`) --laid side by side--> blocks of whole lists, some 16,384 rows each
    block x block --> the best so far --> with the next block the better ones ==> (u, k)

No machine needs all rows in its memory, and what was found stays on the machines until it is complete. The
candidates are those that one machine looks at; only how their cosines are rounded may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.lists import TASK_ROWS, Done, Hits, Lists, merge_hits, nearest, without_self
from auditor.machines import Machines

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ListBlock:
    """Lists `first`, `first` + 1, ..: list j has the rows from ``starts[j - first]`` to the next start.

    Attributes
    ----------
    rows, vectors : (b,) numbers of the rows, and the rows (b, d) themselves.
    """

    first: int
    starts: Rows
    rows: Rows
    vectors: Floats

    def members(self, lists: Sequence[int]) -> Rows:
        """Return the places (c,) within the block of all rows of some lists."""
        parts = [np.arange(self.starts[j - self.first], self.starts[j - self.first + 1]) for j in lists]
        return np.concatenate(parts)


def search_shared_lists(
    vectors: Floats, lists: Lists, wanted: tuple[int, int], done: Done, machines: Machines
) -> tuple[Ints, Floats]:
    """Search unit rows (u, d) among themselves: rows (u, k) and cosines (u, k), the row itself left out.

    Parameters
    ----------
    wanted : lists that are looked through for each list, and k.
    """
    probes, k = wanted
    bounds = cut_lists(lists)
    blocks = [machines.share(_block(vectors, lists, *bound)) for bound in bounds]
    indices, similarities = np.empty((len(vectors), k), np.int32), np.empty((len(vectors), k), np.float32)
    together, searched = max(1, 2 * machines.size), 0
    for start in range(0, len(bounds), together):
        group = range(start, min(start + together, len(bounds)))
        visits = {q: _visits(lists, bounds, q, probes, k + 1) for q in group}
        best: dict[int, object] = dict.fromkeys(group)
        # Each starts with its own block, so that they do not all wait for the same one.
        for step in range(len(bounds)):
            pairs = [(q, (q + step) % len(bounds)) for q in group]
            busy = [(q, b) for q, b in pairs if any(len(seen) for seen in visits[q][b])]
            made = machines.start(
                search_block, ((blocks[q], blocks[b], visits[q][b], k + 1, best[q]) for q, b in busy)
            )
            best.update({q: handle for (q, _), handle in zip(busy, made, strict=True)})
        for q, hits in zip(group, machines.fetch(list(best.values())), strict=True):
            own = lists.order[lists.starts[bounds[q][0]] : lists.starts[bounds[q][1]]]
            indices[own], similarities[own] = without_self(own, *hits)
            searched += len(own)
            done(searched / len(vectors))
    return indices, similarities


def cut_lists(lists: Lists) -> list[tuple[int, int]]:
    """Return first and last list + 1 of each block: whole lists, `TASK_ROWS` rows or the next more."""
    rows = int(lists.starts[-1])
    ends = np.searchsorted(lists.starts, np.arange(TASK_ROWS, rows, TASK_ROWS))
    # Empty lists at the end would be a block without rows.
    edges = np.unique(np.r_[0, ends[lists.starts[ends] < rows], len(lists.starts) - 1])
    return list(pairwise(edges.tolist()))


def _block(vectors: Floats, lists: Lists, first: int, stop: int) -> ListBlock:
    starts = lists.starts[first : stop + 1]
    rows = lists.order[starts[0] : starts[-1]]
    return ListBlock(first, starts - starts[0], rows, vectors[rows])


def _visits(
    lists: Lists, bounds: Sequence[tuple[int, int]], own: int, probes: int, least: int
) -> list[list[Rows]]:
    """Return for each block, for each list of block `own`, its lists there that are to be looked through."""
    by_block: list[list[Rows]] = [[] for _ in bounds]
    edges = np.array([first for first, _ in bounds] + [bounds[-1][1]])
    for j in range(*bounds[own]):
        seen = np.sort(lists.visits[j, : lists.count(j, probes, least)]).astype(np.int64)
        cuts = np.searchsorted(seen, edges)
        for block, (a, b) in enumerate(pairwise(cuts)):
            by_block[block].append(seen[a:b])
    return by_block


def search_block(own: ListBlock, other: ListBlock, visits: Sequence[Rows], k: int, best: Hits | None) -> Hits:
    """Look for the rows of one block among lists of another: the k best (b, k), also of those before.

    Parameters
    ----------
    visits : for each list of `own` the lists of `other` that are looked through.
    best : what was found before, None at first; row -1 with a cosine of -inf stands for nothing.
    """
    if best is None:
        shape = (len(own.rows), k)
        best = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
    found, cosine = best[0].copy(), best[1].copy()
    for place, seen in enumerate(visits):
        part = slice(own.starts[place], own.starts[place + 1])
        if not len(seen) or part.start == part.stop:
            continue
        candidates = other.members(seen.tolist())
        if not len(candidates):
            continue
        near, close = nearest(own.vectors[part], other.vectors[candidates], k)
        found[part], cosine[part] = merge_hits(
            (found[part], cosine[part]), (other.rows[candidates][near], close), k
        )
    return found, cosine
