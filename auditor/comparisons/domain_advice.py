"""Which class to collect more pictures of, and which of its training pictures to leave out.

DomainPair .., NearPictures ..  ==>  Advice ..
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.comparisons.domain_pairs import DomainPair
from auditor.comparisons.domain_pictures import NEAR, NearPictures
from auditor.comparisons.domain_verdicts import CHANGED, MISPLACED, OVERLAP

CLOSE, STANDS_OUT = 0.0, 0.5
"""A group of pictures stands out when its mean closeness is below the one (nearer to the other class than to
its own) and at least the other below its class's median: only such groups are advised to be left out, or two
classes that are near as a whole would lose their pictures. The avocados with a knife in the kitchen set lie
.8 to 1.1 below their class's median; in PACS, which holds no such pictures, no group lies .5 below."""
LEAST_STANDING = 3
"""Fewer pictures than this are cases, not something that a class's pictures share."""


@dataclass(frozen=True)
class Advice:
    """Collect more of class `of`: in the test domain `count` samples of class `to` are taken for it.

    verdict : of the pair.
    leave_out : training pictures of `of` that stand out nearer to `to` than to their own class; may be empty.
    nearest : the first pictures of `of` nearest to `to` that belong together: what to collect is unlike them.
    """

    of: int
    to: int
    verdict: str
    count: int
    leave_out: tuple[str, ...]
    nearest: tuple[str, ...]


def advise(pairs: tuple[DomainPair, ...], near: tuple[NearPictures, ...]) -> tuple[Advice, ...]:
    """Advise about the pictured pairs, both ways.

    A way is worth advice when the pair has a problem and most of its confusion goes this way, or when
    pictures of the one class stand out as nearer to the other, whatever the verdict. Pictures that stand out
    for several classes are named for the one that the class confuses with most.
    """
    of_pair = {(pair.a, pair.b): pair for pair in pairs}
    standing = _standing_out(near)
    out = []
    for pictures, left in zip(near, standing, strict=True):
        of, to = pictures.of, pictures.to
        pair = of_pair[(min(of, to), max(of, to))]
        a_as_b, b_as_a = pair.taken[2:]
        count, back = (b_as_a, a_as_b) if of == pair.a else (a_as_b, b_as_a)
        if left or (pair.verdict in (OVERLAP, CHANGED, MISPLACED) and count > back):
            nearest = pictures.clusters[0].ids if pictures.clusters else ()
            out.append(Advice(of, to, pair.verdict, count, left, nearest))
    return tuple(out)


def _standing_out(near: tuple[NearPictures, ...]) -> list[tuple[str, ...]]:
    """Pictures that stand out, for each of `near`; each picture once, where the classes confuse most."""
    named: set[str] = set()
    out = []
    for pictures in near:
        bar = min(CLOSE, pictures.usual - STANDS_OUT)
        groups = [c.ids for c in pictures.clusters if c.kind == NEAR and np.mean(c.closeness) < bar]
        new = [[one for one in ids if one not in named] for ids in groups]
        standing = tuple(one for ids in new if len(ids) >= LEAST_STANDING for one in ids)
        named.update(standing)
        out.append(standing)
    return out
