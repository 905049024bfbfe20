"""How far annotators agree on what several of them decided.

    files  --newest-->  (sample id, kind) x annotator  -->  answer (decision, class of a relabel)
    items that two or more decided  -->  Agreement(answers: Figures, decisions: Figures, pairwise)

Chance makes annotators agree too, the more so the fewer answers are in use: kappa and alpha take that off.
1 is full agreement, 0 what chance would give, below 0 less than chance.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from auditor.decisions import DecisionFile, newest, question_of

Item: TypeAlias = tuple[str, str]
"""(sample id, kind): one question about one sample."""
Answers: TypeAlias = Mapping[Item, Mapping[str, Hashable]]
"""Item to annotator to answer."""


@dataclass(frozen=True)
class Figures:
    """Agreement on the shared items; a figure that is not defined or not called for is None.

    Attributes
    ----------
    raw : share of equal answers in [0, 1]: of each item the share of its pairs of annotators, then the mean.
    kappa : Cohen's kappa in [-1, 1], of exactly two annotators, on the items that both decided
        (Cohen 1960). Not defined where both gave one and the same answer throughout.
    alpha : Krippendorff's alpha for nominal data, at most 1, of more than two annotators, or of two with
        gaps, items that only one decided (Krippendorff 2004). Not defined with a single answer in use.
    """

    raw: float | None
    kappa: float | None
    alpha: float | None


@dataclass(frozen=True)
class PairAgreement:
    """Agreement of two annotators on the items that both decided, by the whole answer; see `Figures`."""

    annotators: tuple[str, str]
    items: int
    raw: float | None
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree.

    Attributes
    ----------
    annotators : who decided anything, in the order of the files.
    items : questions that at least one of them decided.
    shared : those that at least two decided; all figures are about these.
    answers : the primary figures: an answer is the decision together with the class of a relabel.
    decisions : the same for the decision alone: two who relabel to different classes agree here.
    pairwise : one entry for each pair of annotators.
    """

    annotators: tuple[str, ...]
    items: int
    shared: int
    answers: Figures
    decisions: Figures
    pairwise: tuple[PairAgreement, ...]


def measure_agreement(files: Iterable[DecisionFile]) -> Agreement:
    """Return how far the annotators of these files agree.

    Of each annotator the latest decision about a question counts. ``unsure`` is an answer like the others.
    """
    latest = newest(files)
    names = dict.fromkeys(file.annotator for file, _ in latest)
    given: dict[Item, dict[str, tuple[str, str]]] = {}
    # In order of time: somebody may have answered one question on a blind page and on an open one.
    for file, d in sorted(latest, key=lambda cast: cast[1].time):
        given.setdefault((d.id, question_of(d.kind)), {})[file.annotator] = (d.decision, d.to)
    annotators = tuple(names)
    return Agreement(
        annotators=annotators,
        items=len(given),
        shared=sum(len(said) > 1 for said in given.values()),
        answers=_figures(given, annotators),
        decisions=_figures(
            {item: {who: said[0] for who, said in of.items()} for item, of in given.items()}, annotators
        ),
        pairwise=tuple(_compare(given, pair) for pair in combinations(annotators, 2)),
    )


def _figures(given: Answers, annotators: Sequence[str]) -> Figures:
    shared = [tuple(said.values()) for said in given.values() if len(said) > 1]
    gaps = any(len(said) < len(annotators) for said in given.values())
    raw = float(np.mean([_equal_share(said) for said in shared])) if shared else None
    kappa = _compare(given, (annotators[0], annotators[1])).kappa if len(annotators) == 2 else None
    return Figures(raw, kappa, _alpha(shared) if len(annotators) > 2 or gaps else None)


def _compare(given: Answers, pair: tuple[str, str]) -> PairAgreement:
    both = [(said[pair[0]], said[pair[1]]) for said in given.values() if pair[0] in said and pair[1] in said]
    raw = float(np.mean([a == b for a, b in both])) if both else None
    return PairAgreement(pair, len(both), raw, _kappa(both))


def _equal_share(said: Sequence[Hashable]) -> float:
    pairs = list(combinations(said, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


def _kappa(both: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    if len({answer for pair in both for answer in pair}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    code: dict[Hashable, int] = {}
    first, second = ([code.setdefault(pair[side], len(code)) for pair in both] for side in (0, 1))
    return float(cohen_kappa_score(first, second))


def _alpha(shared: Sequence[Sequence[Hashable]]) -> float | None:
    """Return alpha over units (n items) that two or more annotators answered.

    One answer against all the others at a time, weighted by the disagreement that chance would give: the
    same figure as for all v answers at once, without the library's (n, v, v) array, which a dataset of a
    thousand classes would blow up.
    """
    import krippendorff

    counts = _count_answers(shared)
    total = counts.sum(axis=0)
    if len(total) < 2:
        return None
    weights = total * (total.sum() - total)
    sizes = counts.sum(axis=1)
    alphas = [
        krippendorff.alpha(
            value_counts=np.stack([column, sizes - column], axis=1), level_of_measurement="nominal"
        )
        for column in counts.T
    ]
    return float(np.average(alphas, weights=weights))


def _count_answers(shared: Sequence[Sequence[Hashable]]) -> NDArray[np.int64]:
    """Return how many annotators gave each answer to each item, (n, v)."""
    code: dict[Hashable, int] = {}
    units = [[code.setdefault(answer, len(code)) for answer in said] for said in shared]
    counts = np.zeros((len(units), len(code)), dtype=np.int64)
    for row, columns in enumerate(units):
        np.add.at(counts[row], columns, 1)
    return counts
