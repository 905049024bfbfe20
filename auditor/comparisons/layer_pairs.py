"""What becomes of the pairs of classes that some layer mixes: apart, together again, never apart.

    independent groups --drawn into two halves-->
        first half    which way a pair goes: the last layer mixes it and another one least, or
                      another one mixes it most and the last does not
        second half   confused at the last layer minus confused at that other one --> interval, p-value
    p-values of all pairs that the first half mixes --adjusted for their number--> `LayerPair`

The half that chooses the layer does not test it: the least of several equal figures lies below the others by
chance alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Ints
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.paired import MOST_CHANCE, PairedDifference, adjust, paired_difference
from auditor.results import Thresholds
from auditor.separation import LEAST_CONFUSED

COMES_APART, TOGETHER_AGAIN, NEVER_APART = "comes apart", "together again", "never apart"
UNCLEAR = "no clear change"
TESTED_PAIRS = 200
"""Pairs tested and listed, the most mixed ones first; few datasets have more."""

Array = NDArray[np.float64]
Key = tuple[int, int]


@dataclass(frozen=True)
class LayerPair:
    """Two classes that some layer mixes: ``scores`` (layers,) in [0, 1], high = mixed.

    story : `TOGETHER_AGAIN` mixed at the last layer and, beyond chance, less so at layer `against`, which
        does not mix it; `COMES_APART` the other way round; `NEVER_APART` mixed at every layer without such a
        change; `UNCLEAR` mixed at some layers, which may be chance.
    against : the layer that the last one is held against, chosen on half of the groups.
    change : confused samples of the two classes, share at the last layer minus share at `against`, on the
        other half; None where that half has neither class.
    p_adjusted : the change's p-value, adjusted for the number of pairs that were tested; 1 = not tested.
    """

    a: str
    b: str
    scores: tuple[float, ...]
    story: str
    against: int
    change: PairedDifference | None
    p_adjusted: float


@dataclass(frozen=True)
class _Halves:
    """What the layers take the samples for, and the half of each of them; (o,) rows that count.

    shares : (layers, c, c) mean of the two shares that the first half takes for one another.
    counts : (layers, c, c) samples of it that are taken for one another.
    """

    codes: Ints
    groups: Ints
    guesses: tuple[Ints, ...]
    is_first: Bools
    shares: Array
    counts: NDArray[np.int64]


def follow_pairs(
    models: Sequence[JudgedModel], common: CommonSamples, bars: Thresholds, seed: int = 0
) -> tuple[LayerPair, ...]:
    """Follow every pair that some layer mixes; those together again first, the most mixed first.

    Parameters
    ----------
    models : the layers, first to last.
    seed : of the halves and of the tests.
    """
    shown, halves = _mixed_pairs(models, common, bars), _halve(models, common, seed)
    family = _tested_pairs(halves, bars)
    tests = {key: _test(halves, key, bars.mixed_share, seed) for key in {*shown, *family}}
    p_values = np.array([1.0 if (change := tests[key][1]) is None else change.p_value for key in family])
    adjusted = dict(zip(family, adjust(p_values).tolist(), strict=True))
    names = common.dataset.classes
    pairs = []
    for key, scores in shown.items():
        (against, change), p = tests[key], adjusted.get(key, 1.0)
        story = _story(scores, against, change if p <= MOST_CHANCE else None, bars.mixed_share)
        pairs.append(LayerPair(names[key[0]], names[key[1]], scores, story, against, change, p))
    order = (TOGETHER_AGAIN, NEVER_APART, COMES_APART, UNCLEAR)
    return tuple(sorted(pairs, key=lambda p: (order.index(p.story), -p.scores[-1], -max(p.scores), p.a, p.b)))


def _mixed_pairs(
    models: Sequence[JudgedModel], common: CommonSamples, bars: Thresholds
) -> dict[Key, tuple[float, ...]]:
    """Return the scores at all layers of each pair that one of them mixes, the most mixed ones."""
    code = {name: number for number, name in enumerate(common.dataset.classes)}
    found = [{(code[p.a], code[p.b]): p for p in model.separation.pairs} for model in models]
    mixed: dict[Key, float] = {}
    for pairs in found:
        for key, pair in pairs.items():
            if pair.score >= bars.mixed_share and pair.a_as_b + pair.b_as_a >= LEAST_CONFUSED:
                mixed[key] = max(mixed.get(key, 0.0), pair.score)
    kept = sorted(mixed, key=lambda key: (-mixed[key], key))[:TESTED_PAIRS]
    return {key: tuple(pairs[key].score if key in pairs else 0.0 for pairs in found) for key in kept}


def _halve(models: Sequence[JudgedModel], common: CommonSamples, seed: int) -> _Halves:
    codes, groups = common.codes[common.once], common.groups[common.once]
    numbers, dense = np.unique(groups, return_inverse=True)
    first = (np.random.default_rng(seed).permutation(len(numbers)) % 2 == 0)[dense]
    guesses = tuple(model.probe_guesses[common.once] for model in models)
    c = len(common.dataset.classes)
    confused = np.stack([
        np.bincount(codes[first] * c + said[first], minlength=c * c).reshape(c, c) for said in guesses
    ])  # fmt: skip
    shares = confused / np.maximum(confused.sum(axis=2, keepdims=True), 1)
    both = (shares + shares.transpose(0, 2, 1)) / 2
    return _Halves(codes, groups, guesses, first, both, confused + confused.transpose(0, 2, 1))


def _tested_pairs(halves: _Halves, bars: Thresholds) -> list[Key]:
    """Return the pairs that the first half mixes at some layer, the most mixed ones."""
    mixed = (halves.shares >= bars.mixed_share) & (halves.counts >= LEAST_CONFUSED)
    worst = np.where(mixed, halves.shares, 0.0).max(axis=0)
    a, b = np.nonzero(np.triu(worst, 1))
    order = np.argsort(-worst[a, b], kind="stable")[:TESTED_PAIRS]
    return list(zip(a[order].tolist(), b[order].tolist(), strict=True))


def _test(halves: _Halves, key: Key, bar: float, seed: int) -> tuple[int, PairedDifference | None]:
    """Return the layer that the first half chooses, and how the last one differs from it on the second."""
    a, b = key
    path = halves.shares[:, a, b]
    against = int(np.argmin(path[:-1]) if path[-1] >= bar else np.argmax(path[:-1]))
    rows = np.flatnonzero(~halves.is_first & ((halves.codes == a) | (halves.codes == b)))
    if not len(rows):
        return against, None
    other = np.where(halves.codes[rows] == a, b, a)
    last, earlier = (
        np.asarray(halves.guesses[layer][rows] == other, dtype=np.float64) for layer in (-1, against)
    )
    return against, paired_difference(last, earlier, halves.groups[rows], seed)


def _story(scores: tuple[float, ...], against: int, change: PairedDifference | None, bar: float) -> str:
    """Return the pair's story; `change` is None where it is not beyond chance among all tested pairs."""
    if change is not None and change.is_above and scores[-1] >= bar > scores[against]:
        return TOGETHER_AGAIN
    if change is not None and change.is_below and scores[-1] < bar <= scores[against]:
        return COMES_APART
    return NEVER_APART if min(scores) >= bar else UNCLEAR
