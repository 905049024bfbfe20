"""Figures of both versions side by side: overall, per class, per pair.

all       each version's own figures, as its audit gives them
common    the same, counted only over the samples that both versions have
change    better, worse, no clear change: by the evidence, adjusted for the number of classes or pairs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.comparisons.evidence import Held, Inner
from auditor.comparisons.frame import Frame, pair_rows
from auditor.comparisons.gains import Gain, adjust, summarise_gain, upper_tail
from auditor.comparisons.matching import Matching, Rows
from auditor.comparisons.model_null import Pairs
from auditor.comparisons.verdicts import FALSE_DISCOVERIES, NO_CHANGE
from auditor.groups import copy_weights, independent_groups
from auditor.results import Audit, ClassPair
from auditor.separation import knn_classes, silhouette_by_class

BETTER, WORSE, UNCLEAR = "better", "worse", "no clear change"
LEAST_GROUPS = 10
"""Independent samples below which a class or pair gets no word."""

Two = tuple[float, float]
"""A figure before and after; not-a-number where there is none."""


@dataclass(frozen=True)
class Figures:
    """Shares of right answers out of sample and mean silhouette, each before and after."""

    samples: tuple[int, int]
    knn_accuracy: Two
    probe_accuracy: Two
    silhouette: Two


@dataclass(frozen=True)
class ClassChange:
    """One class. `q_value` is adjusted for the number of classes; `word` is better, worse or neither."""

    name: str
    all: Figures
    common: Figures
    gain: Gain
    q_value: float
    word: str


@dataclass(frozen=True)
class PairChange:
    """Two classes; score and counts as in `auditor.results.ClassPair`, before and after."""

    a: str
    b: str
    score: Two
    a_as_b: tuple[int, int]
    b_as_a: tuple[int, int]
    flagged: tuple[int, int]
    gain: Gain
    q_value: float
    word: str


@dataclass(frozen=True)
class Standing:
    """Everything side by side; `knn_change` is the change of kNN accuracy on the common samples."""

    all: Figures
    common: Figures
    knn_change: Gain
    classes: tuple[ClassChange, ...]
    pairs: tuple[PairChange, ...]


@dataclass(frozen=True)
class _Common:
    """Rows (r,) that both versions have: right or wrong on each side, labels, weights, groups."""

    codes: tuple[Ints, Ints]
    knn: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    probe: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    silhouettes: tuple[NDArray[np.float64], NDArray[np.float64]]
    weight: NDArray[np.float64]
    group: Ints


def measure_standing(
    before: Audit,
    after: Audit,
    matching: Matching,
    followed: tuple[Frame, Pairs],
    evidence: tuple[Held | None, Inner, str],
    seed: int = 0,
) -> Standing:
    """Put both versions' figures side by side.

    Parameters
    ----------
    followed : the frame with the shared class names, and the pairs (t, 2) to tell about.
    evidence : gains by class and pair come from the held-out pictures where there are some; a class or pair
        is called better or worse only where the verdict on the whole says that something has changed.
    """
    frame, pairs = followed
    held, inner, verdict = evidence
    common = _common(before, after, matching, frame.classes, seed)
    source = held or inner
    changes = [_as_float(knn) for knn in common.knn]
    class_words = _words(source.by_class, verdict)
    pair_words = _words(source.by_pair, verdict)
    return Standing(
        all=_overall(before, after),
        common=_figures(common, None),
        knn_change=summarise_gain(changes[1] - changes[0], common.group, common.weight),
        classes=tuple(
            ClassChange(name, _of_class(before, after, name), _figures(common, code), gain, q, word)
            for code, (name, gain, (q, word)) in enumerate(
                zip(frame.classes, source.by_class, class_words, strict=True)
            )
        ),
        pairs=tuple(
            _pair(before, after, (frame.classes[a], frame.classes[b]), gain, words)
            for (a, b), gain, words in zip(pairs.tolist(), source.by_pair, pair_words, strict=True)
        ),
    )


def _common(before: Audit, after: Audit, matching: Matching, classes: tuple[str, ...], seed: int) -> _Common:
    rows_b, rows_a = pair_rows(before, after, matching)
    both = (rows_b >= 0) & (rows_a >= 0)
    rows = (rows_b[both], rows_a[both])
    sides = [_side(audit, some, classes) for audit, some in ((before, rows[0]), (after, rows[1]))]
    vectors = before.embeddings.vectors[rows[0]]
    silhouettes = [silhouette_by_class(vectors, codes, len(classes), seed) for codes, _, _ in sides]
    return _Common(
        codes=(sides[0][0], sides[1][0]),
        knn=(sides[0][1], sides[1][1]),
        probe=(sides[0][2], sides[1][2]),
        silhouettes=(silhouettes[0], silhouettes[1]),
        weight=copy_weights(before.duplicates)[rows[0]],
        group=independent_groups(before.dataset, before.duplicates)[rows[0]],
    )


def _side(
    audit: Audit, rows: Rows, classes: tuple[str, ...]
) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """Shared class codes of some rows, and whether neighbours and probe name their label."""
    own = audit.dataset.codes_of(audit.embeddings.ids)
    shared = np.array([classes.index(name) for name in audit.dataset.classes], dtype=np.int32)
    groups = independent_groups(audit.dataset, audit.duplicates)
    voted = knn_classes(audit.neighbours, groups, own, len(audit.dataset.classes)) == own
    guessed = audit.probabilities.values.argmax(axis=1) == own
    return shared[own][rows], voted[rows], guessed[rows]


def _figures(common: _Common, code: int | None) -> Figures:
    """Figures over the common samples, of one class where `code` is given."""
    among = [np.ones(len(c), bool) if code is None else c == code for c in common.codes]
    sizes = [
        np.bincount(c, common.weight, len(s)).astype(np.float64)
        for c, s in zip(common.codes, common.silhouettes, strict=True)
    ]
    silhouettes = [
        _mean(s, n) if code is None else (float(s[code]) if n[code] > 0 else float("nan"))
        for s, n in zip(common.silhouettes, sizes, strict=True)
    ]
    return Figures(
        samples=(int(among[0].sum()), int(among[1].sum())),
        knn_accuracy=_two(common.knn, among, common.weight),
        probe_accuracy=_two(common.probe, among, common.weight),
        silhouette=(silhouettes[0], silhouettes[1]),
    )


def _two(
    right: Sequence[NDArray[np.bool_]], among: Sequence[NDArray[np.bool_]], weight: NDArray[np.float64]
) -> Two:
    values = [_mean(_as_float(r)[a], weight[a]) for r, a in zip(right, among, strict=True)]
    return values[0], values[1]


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else float("nan")


def _as_float(values: NDArray[np.bool_] | Floats) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _overall(before: Audit, after: Audit) -> Figures:
    parts = (before.separation, after.separation)
    return Figures(
        (len(before.dataset), len(after.dataset)),
        (parts[0].knn_accuracy, parts[1].knn_accuracy),
        (parts[0].probe_accuracy, parts[1].probe_accuracy),
        (parts[0].silhouette, parts[1].silhouette),
    )


def _of_class(before: Audit, after: Audit, name: str) -> Figures:
    found = [next((c for c in a.separation.classes if c.name == name), None) for a in (before, after)]

    def two(field: str) -> Two:
        values = [float(getattr(c, field)) if c else float("nan") for c in found]
        return values[0], values[1]

    sizes = [c.samples if c else 0 for c in found]
    return Figures((sizes[0], sizes[1]), two("knn_accuracy"), two("probe_accuracy"), two("silhouette"))


def _pair(
    before: Audit, after: Audit, names: tuple[str, str], gain: Gain, words: tuple[float, str]
) -> PairChange:
    found = [_find_pair(audit, names) for audit in (before, after)]
    return PairChange(
        *names,
        score=(found[0].score, found[1].score),
        a_as_b=(found[0].a_as_b, found[1].a_as_b),
        b_as_a=(found[0].b_as_a, found[1].b_as_a),
        flagged=(found[0].flagged, found[1].flagged),
        gain=gain,
        q_value=words[0],
        word=words[1],
    )


def _find_pair(audit: Audit, names: tuple[str, str]) -> ClassPair:
    """Return the pair as `names` order it; pairs that nothing confuses are not listed and count 0."""
    for p in audit.separation.pairs:
        if (p.a, p.b) == names:
            return p
        if (p.b, p.a) == names:
            return replace(p, a=p.b, b=p.a, a_as_b=p.b_as_a, b_as_a=p.a_as_b)
    return ClassPair(*names, score=0.0, a_as_b=0, b_as_a=0, flagged=0)


def _words(gains: Sequence[Gain], verdict: str) -> list[tuple[float, str]]:
    """Adjusted two-sided p-values (Benjamini and Hochberg 1995), and the word that follows for each."""
    two_sided = [
        2 * min(gain.p_value, upper_tail(-gain.z)) if gain.groups >= LEAST_GROUPS else float("nan")
        for gain in gains
    ]
    adjusted = adjust(np.array(two_sided))
    told = verdict != NO_CHANGE
    return [
        (float(q), (BETTER if gain.z > 0 else WORSE) if told and q <= FALSE_DISCOVERIES else UNCLEAR)
        for q, gain in zip(adjusted, gains, strict=True)
    ]
