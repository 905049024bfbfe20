"""Groups of copies and near copies: candidates from the neighbours, confirmed on the pixels.

    pixel digests      equal                        ==> exact copies
    neighbours         cosine high enough           --> candidate pairs of distinct pictures
    signatures 64x64   one fits into the other      ==> near copies (recompressed, resized, cropped)
    links              strongest picture first      ==> groups around a representative, no chains

Two pictures match when the edges of one's grey thumbnail, cut to one of a few windows, correlate with those
of the other's whole thumbnail. The bars are absolute: one relative to the data would move when it is cleaned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints, Progress, no_progress, rows_of
from auditor.results import Dataset, Duplicates, Embeddings, ImageFacts, Neighbours, Thresholds

CANDIDATES = 20
"""Nearest distinct pictures looked at for near copies."""
COMPARE_SIDE = 24
"""Side in pixels at which windows are compared: coarse enough for recompression and a shift by a pixel."""
WINDOWS = tuple(
    (share, 0.5 + top * (1 - share) / 2, 0.5 + left * (1 - share) / 2)
    for share, steps in (
        (1.0, (0,)),
        (0.95, (-1, 0, 1)),
        (0.9, (-1, 0, 1)),
        (0.85, (-1, 0, 1)),
        (0.8, (-1, 0, 1)),
    )
    for top in steps
    for left in steps
)
"""Windows tried first: side and centre (down, right), as shares of the picture."""
REFINEMENTS = (0.024, 0.012, 0.006, 0.003)
"""Steps by which the best window is then moved and resized."""
MOVES = tuple((0, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right) + tuple(
    (size, down, right) for size in (-2, 2) for down in (-1, 0, 1) for right in (-1, 0, 1)
)
"""Directions of a step (side, down, right): also joint ones, or a slanting edge holds the window."""
ROUNDS = 2
WORTH_REFINING = 0.35
"""Correlation at one of the first windows that a pair needs; near copies have 0.45 and more."""
EVERYTHING = np.array([[1.0, 0.5, 0.5]])
SMALLEST_WINDOW = 0.75
COARSE_SIZE, COARSE_SIDE, COARSE_BAR = 16, 12, 0.85
"""Grey correlation at 12 px below which a pair is not compared closely; near copies have 0.92 and more."""
LEAST_CONTRAST = 4.0
"""Standard deviation in grey levels (0..255) below which a picture is too empty to compare."""
DETAIL_SIZE = 32
LEAST_DETAIL = 0.04
"""Share of a picture's variance finer than 8 x 8 below which different pictures look alike (tiny or empty
ones: scikit-learn's 8 x 8 digits have 0.02, photographs 0.05 to 0.4); such pairs need `near_copy_plain`."""
PAIR_BLOCK = 512
STEPS, FIRST_LOOK = 1_000, 300
"""Steps of the whole stage, and those of the coarse look at all pairs."""

Greys = NDArray[np.uint8] | Floats
"""Thumbnails (m, s, s), grey levels 0..255; a million of them are converted to floats block by block."""
Pairs = NDArray[np.int64]
Array = NDArray[np.float64]
Look = Callable[[Floats], Floats]


def find_duplicates(
    dataset: Dataset,
    facts: ImageFacts,
    embeddings: Embeddings,
    neighbours: Neighbours,
    thresholds: Thresholds,
    progress: Progress = no_progress,
) -> Duplicates:
    """Group copies and near copies.

    Without pictures (`facts.checked` is False) only equal vectors are copies: nothing else can be confirmed.
    """
    exact = neighbours.representative
    links = np.empty((0, 2), int)
    if facts.checked:
        tell = partial(progress, "duplicates")
        links = _near_copies(facts, embeddings, neighbours, thresholds, tell)
    centre = _link(len(embeddings.ids), links)
    representative = centre[exact].astype(np.int32)
    shared = np.bincount(representative, minlength=len(exact)) > 1
    group = np.full(len(exact), -1, dtype=np.int32)
    members = shared[representative]
    group[members] = np.unique(representative[members], return_inverse=True)[1]
    return Duplicates(embeddings.ids, group, representative, exact == exact[representative])


def _near_copies(
    facts: ImageFacts,
    embeddings: Embeddings,
    neighbours: Neighbours,
    thresholds: Thresholds,
    tell: Callable[[int, int], None],
) -> Pairs:
    """Confirmed pairs (p, 2) of distinct pictures, each once, the stronger match first."""
    rows = rows_of(facts.ids, embeddings.ids)
    signatures = facts.signature if len(rows) == len(facts.ids) else facts.signature[rows]
    distinct = np.flatnonzero(neighbours.representative == np.arange(len(rows)))
    near = neighbours.indices[distinct, :CANDIDATES]
    alike = (neighbours.similarities[distinct, :CANDIDATES] >= thresholds.near_copy_cosine) & (near >= 0)
    left = np.repeat(distinct, alike.sum(axis=1))
    both = np.sort(np.stack([left, near[alike]], axis=1), axis=1).astype(np.int64)
    pairs = np.stack(np.divmod(np.unique(both[:, 0] * len(rows) + both[:, 1]), len(rows)), axis=1)
    pairs = pairs[(_contrast(signatures)[pairs] >= LEAST_CONTRAST).all(axis=1)]
    plain = (detail(signatures)[pairs] < LEAST_DETAIL).any(axis=1)
    bars = np.where(plain, thresholds.near_copy_plain, thresholds.near_copy_pixels)
    coarse = match_pixels(
        signatures,
        pairs,
        COARSE_SIDE,
        greys,
        COARSE_SIZE,
        lambda share: tell(round(FIRST_LOOK * share), STEPS),
    )
    close = coarse >= np.where(plain, thresholds.near_copy_plain, COARSE_BAR)
    pairs, bars = pairs[close], bars[close]
    rest = STEPS - FIRST_LOOK
    match = match_pixels(signatures, pairs, done=lambda share: tell(FIRST_LOOK + round(rest * share), STEPS))
    order = np.argsort(-match, kind="stable")
    return np.asarray(pairs[order][(match >= bars)[order]])


def _contrast(signatures: Greys) -> Floats:
    """Standard deviation (m,) of each thumbnail in grey levels."""
    out = np.empty(len(signatures), dtype=np.float32)
    for start in range(0, len(signatures), PAIR_BLOCK):
        part = slice(start, start + PAIR_BLOCK)
        out[part] = signatures[part].astype(np.float32).std(axis=(1, 2))
    return out


def detail(signatures: Greys) -> Floats:
    """Share (m,) of each thumbnail's variance that its 8 x 8 lowest cosine frequencies do not hold."""
    from scipy.fft import dctn

    out = np.empty(len(signatures), dtype=np.float32)
    for start in range(0, len(signatures), PAIR_BLOCK):
        part = slice(start, start + PAIR_BLOCK)
        power = dctn(_shrink(signatures[part], DETAIL_SIZE), axes=(1, 2), norm="ortho") ** 2
        power[:, 0, 0] = 0.0
        out[part] = 1.0 - power[:, :8, :8].sum(axis=(1, 2)) / np.maximum(power.sum(axis=(1, 2)), 1e-6)
    return out


def _shrink(signatures: Greys, size: int) -> Floats:
    """Average thumbnails (m, s, s) to (m, size, size)."""
    m, step = len(signatures), signatures.shape[1] // size
    cells = signatures.astype(np.float32).reshape(m, size, step, size, step)
    return np.asarray(cells.mean(axis=(2, 4)), dtype=np.float32)


def match_pixels(
    signatures: Greys,
    pairs: Pairs,
    side: int = COMPARE_SIDE,
    look: Look | None = None,
    size: int | None = None,
    done: Callable[[float], None] = lambda share: None,
) -> Floats:
    """Correlation (p,) in [-1, 1] of the best window of one picture with the whole of the other.

    A few windows are tried first; the best of them is then moved and resized in shrinking steps.

    Parameters
    ----------
    signatures : (m, s, s) grey thumbnails.
    pairs : (p, 2) rows.
    side : side in pixels at which windows are compared.
    look : what is compared, `edges` (the default) or `greys`.
    size : side to which thumbnails are averaged first; None leaves them as they are.
    done : called with the share of the pairs that are compared, in [0, 1].
    """
    look = look or edges
    best = np.full(len(pairs), -1.0, dtype=np.float32)
    for start in range(0, len(pairs), PAIR_BLOCK):
        part = slice(start, start + PAIR_BLOCK)
        a, b = (_shrink(signatures[pairs[part, end]], size or signatures.shape[1]) for end in (0, 1))
        best[part] = np.maximum(_fit(a, b, side, look), _fit(b, a, side, look))
        done((start + len(a)) / len(pairs))
    return best


def _fit(whole: Floats, other: Floats, side: int, look: Look) -> Floats:
    """Best correlation (p,) of `whole` with the windows of `other`."""
    best = np.full(len(whole), -1.0, dtype=np.float32)
    place = np.repeat(EVERYTHING, len(whole), axis=0)
    score = _scorer(whole, other, side, look)
    for window in WINDOWS:
        _keep_better(best, place, score, np.array([window]))
    worth = np.flatnonzero(best >= WORTH_REFINING)
    if look is greys or not len(worth):
        return best
    closer, where = best[worth], place[worth]
    score = _scorer(whole[worth], other[worth], side, look)
    for step, move in ((step, move) for step in REFINEMENTS for _ in range(ROUNDS) for move in MOVES):
        _keep_better(closer, where, score, _inside(where + step * np.asarray(move)))
    best[worth] = closer
    return best


def _scorer(whole: Floats, other: Floats, side: int, look: Look) -> Callable[[Array], Floats]:
    """Return a function that correlates `whole` with given windows of `other`."""
    target = look(_cut(whole, EVERYTHING, side))

    def score(windows: Array) -> Floats:
        return np.asarray(np.einsum("pi,pi->p", target, look(_cut(other, windows, side))), np.float32)

    return score


def _inside(windows: Array) -> Array:
    """Keep windows (p, 3) within the picture."""
    share = np.clip(windows[:, :1], SMALLEST_WINDOW, 1.0)
    return np.hstack([share, np.clip(windows[:, 1:], share / 2, 1.0 - share / 2)])


def _keep_better(best: Floats, place: Array, score: Callable[[Array], Floats], windows: Array) -> None:
    """Update `best` (p,) and `place` (p, 3) where `windows`, (p, 3) or one for all, match better."""
    found = score(windows)
    better = found > best
    best[better] = found[better]
    place[better] = np.broadcast_to(windows, place.shape)[better]


def _cut(pictures: Floats, windows: Array, side: int) -> Floats:
    """Cut a window out of each picture (p, s, s) and resample it by area to (p, side, side).

    A window is its side and its centre (down, right), as shares of the picture.
    """
    rows = _resampling(windows[:, 0], windows[:, 1], pictures.shape[1], side)
    columns = _resampling(windows[:, 0], windows[:, 2], pictures.shape[1], side)
    return np.asarray(rows @ pictures @ columns.transpose(0, 2, 1))


def _resampling(share: Array, centre: Array, size: int, side: int) -> Floats:
    """Matrices (p, side, size) that cut windows along one axis and resample them by area."""
    width = size * share
    start = size * centre - width / 2
    bounds = start[:, None] + width[:, None] * np.linspace(0.0, 1.0, side + 1)
    cells = np.arange(size)
    overlap = np.minimum(bounds[:, 1:, None], cells + 1) - np.maximum(bounds[:, :-1, None], cells)
    overlap = np.maximum(overlap, 0.0)
    return np.asarray(overlap / overlap.sum(axis=2, keepdims=True), dtype=np.float32)


def greys(pictures: Floats) -> Floats:
    """Grey values of each picture (p, s, s), centred, as a unit row."""
    flat = pictures.reshape(len(pictures), -1)
    return _unit(flat - flat.mean(axis=1, keepdims=True))


def edges(pictures: Floats) -> Floats:
    """Differences to the right and downwards of each picture (p, s, s), as a unit row.

    They tell two pictures of one kind apart, which grey values do not.
    """
    corner = pictures[:, :-1, :-1]
    right, down = pictures[:, :-1, 1:] - corner, pictures[:, 1:, :-1] - corner
    return _unit(np.concatenate([right, down], axis=1).reshape(len(pictures), -1))


def _unit(rows: Floats) -> Floats:
    length = np.sqrt(np.einsum("pi,pi->p", rows, rows))
    return np.asarray(rows / np.maximum(length, 1e-6)[:, None], dtype=np.float32)


def _link(m: int, links: Pairs) -> Ints:
    """Representative (m,) of each row: the picture with most links first takes all that are still free."""
    centre = np.arange(m, dtype=np.int32)
    if not len(links):
        return centre
    partners: dict[int, list[int]] = {}
    for a, b in links.tolist():
        partners.setdefault(a, []).append(b)
        partners.setdefault(b, []).append(a)
    taken: set[int] = set()
    for row in sorted(partners, key=lambda r: (-len(partners[r]), r)):
        if row in taken:
            continue
        free = [other for other in partners[row] if other not in taken]
        if free:
            taken.update([row, *free])
            centre[free] = row
    return centre
