"""What the page says, as plain frozen dataclasses: sorted, rounded and worded. Pure, no HTML, no pictures.

    PageView
      headline, rest, facts        the header
      kinds, cards                 findings by kind; a card is one question
      samples                      every sample that some part of the page names; cards point into it
      points                       the map
      pairs, classes, confusion    where classes mix
      plan                         the review plan
      explained                    how it was found, warnings, notes, provenance

Classes are named by their code, the position in `class_names`; samples by their position in `samples`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auditor.results import Audit, ClassPair, Finding
from reports import selection, wording
from reports.overview import ClassView, ConfusionView, PlanView, class_views, confusion_view, plan_view
from reports.points import PointsView, points_view
from reports.provenance import ProvenanceView, provenance_view


@dataclass(frozen=True)
class SampleView:
    """One sample that the page names; `label` is a class code."""

    id: str
    path: str
    label: int
    place: str


@dataclass(frozen=True)
class NeighbourView:
    """One of the most alike samples; `copies` counts it and its copies."""

    sample: int
    similarity: float
    copies: int


@dataclass(frozen=True)
class CardView:
    """One question to the annotator; `suggested` is a class code or -1."""

    finding_id: str
    kind: str
    rank: int
    question: str
    reason: str
    score: float
    members: tuple[tuple[int, str], ...]
    members_left_out: int
    suggested: int
    neighbours: tuple[NeighbourView, ...]
    probabilities: tuple[tuple[int, float], ...]
    facts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class KindView:
    """How many findings of one kind there are, and how many of them the page shows."""

    kind: str
    name: str
    findings: int
    shown: int


@dataclass(frozen=True)
class PairView:
    """Two classes that confuse; `share` is the mean share of both classes that is taken for the other."""

    a: int
    b: int
    a_as_b: int
    b_as_a: int
    flagged: int
    share: str
    direction: str
    shape: str
    advice: str
    a_near_b: tuple[int, ...]
    b_near_a: tuple[int, ...]


@dataclass(frozen=True)
class PageView:
    """All that one page shows; see the module docstring."""

    name: str
    facts: tuple[str, ...]
    headline: str
    rest: str
    class_names: tuple[str, ...]
    has_images: bool
    total_findings: int
    not_shown: str
    kinds: tuple[KindView, ...]
    cards: tuple[CardView, ...]
    samples: tuple[SampleView, ...]
    points: PointsView
    pairs: tuple[PairView, ...]
    classes: tuple[ClassView, ...]
    confusion: ConfusionView
    plan: PlanView
    explained: ProvenanceView


class _Samples:
    """Collects the samples that are named, each once, and knows their rows in the dataset."""

    def __init__(self, audit: Audit) -> None:
        table = audit.dataset.table
        self._index = pd.Index(table["id"])
        self._path, self._label = table["path"].to_numpy(), audit.dataset.codes
        self._split, self._domain = table["split"].to_numpy(), table["domain"].to_numpy()
        self._number: dict[str, int] = {}
        self.views: list[SampleView] = []
        groups = audit.duplicates.group
        sizes = np.bincount(groups[groups >= 0], minlength=1)
        self.group_of = selection.group_index(audit)
        self._size = sizes.tolist()

    def add(self, sample_id: str) -> int:
        """Return the number of this sample on the page."""
        if sample_id not in self._number:
            row = int(self._index.get_loc(sample_id))
            place = " ".join(p for p in (self._domain[row], self._split[row]) if p)
            self._number[sample_id] = len(self.views)
            self.views.append(SampleView(sample_id, str(self._path[row]), int(self._label[row]), place))
        return self._number[sample_id]

    def copies(self, sample_id: str) -> int:
        """Return how many copies of this sample there are, itself included."""
        group = self.group_of.get(sample_id, -1)
        return 1 if group < 0 else int(self._size[group])


def make_view(audit: Audit, limit: int = selection.DEFAULT_LIMIT) -> PageView:
    """Return everything that the page of this audit says.

    Parameters
    ----------
    limit : findings on the page, shared out by kind; the rest is counted and said.
    """
    dataset, samples = audit.dataset, _Samples(audit)
    code_of = {name: code for code, name in enumerate(dataset.classes)}
    counts = selection.count_kinds(audit.findings)
    shown = selection.choose_findings(audit.findings, limit)
    cards = tuple(_card(finding, samples, code_of) for finding in shown)
    pairs = _pair_views(audit, samples, code_of)
    typical = [tuple(samples.add(i) for i in ids) for ids in selection.typical_ids(audit)]
    return PageView(
        name=dataset.name,
        facts=_facts(audit),
        headline=wording.headline(counts, len(dataset)),
        rest=wording.rest_sentence(counts),
        class_names=dataset.classes,
        has_images=dataset.has_images,
        total_findings=len(audit.findings),
        not_shown=_not_shown(len(audit.findings), len(shown)),
        kinds=_kind_views(counts, shown),
        cards=cards,
        samples=tuple(samples.views),
        points=points_view(audit, shown),
        pairs=pairs,
        classes=class_views(audit, typical),
        confusion=confusion_view(audit.separation.confusion, dataset.classes),
        plan=plan_view(audit.review_plan),
        explained=provenance_view(audit),
    )


def _facts(audit: Audit) -> tuple[str, ...]:
    thing = ("picture", "pictures") if audit.dataset.has_images else ("sample", "samples")
    mixed = sum(c.verdict == "mixed" for c in audit.separation.classes)
    classes = wording.plural(len(audit.dataset.classes), "class", "classes")
    facts = [wording.plural(len(audit.dataset), *thing), classes]
    if mixed:
        facts.append(
            "all mixed" if mixed == len(audit.dataset.classes) else f"{wording.number(mixed)} of them mixed"
        )
    return tuple(facts)


def _not_shown(total: int, shown: int) -> str:
    if shown == total:
        return ""
    return (
        f"{wording.number(shown)} of {wording.plural(total, 'finding', 'findings')} are shown here, "
        f"the worst of each kind; all of them stand in findings.csv."
    )


def _kind_views(counts: Mapping[str, int], shown: Sequence[Finding]) -> tuple[KindView, ...]:
    here = Counter(finding.kind for finding in shown)
    return tuple(KindView(kind, wording.KIND_NAMES[kind], n, here[kind]) for kind, n in counts.items())


def _card(finding: Finding, samples: _Samples, code_of: Mapping[str, int]) -> CardView:
    ties = dict(finding.evidence.members)
    members = tuple((samples.add(i), ties.get(i, "")) for i in finding.ids[: selection.MEMBERS_SHOWN])
    views = [samples.views[number] for number, _ in members]
    names = tuple(code_of)
    labels = list(dict.fromkeys(names[view.label] for view in views))
    places = list(dict.fromkeys(view.place for view in views if view.place))
    identical = "nearly identical" not in ties.values()
    facts = tuple((name, round(float(value), 3)) for name, value in finding.evidence.facts.items())
    return CardView(
        finding_id=finding.finding_id,
        kind=finding.kind,
        rank=finding.rank,
        question=wording.question(finding.kind, labels, finding.suggested_label, places, identical),
        reason=finding.reason,
        score=round(finding.score, 3),
        members=members,
        members_left_out=len(finding.ids) - len(members),
        suggested=code_of.get(finding.suggested_label, -1),
        neighbours=_neighbours(finding, samples),
        probabilities=tuple(
            (code_of[name], round(float(p), 3)) for name, p in finding.evidence.probabilities
        ),
        facts=facts,
    )


def _neighbours(finding: Finding, samples: _Samples) -> tuple[NeighbourView, ...]:
    return tuple(
        NeighbourView(samples.add(i), round(float(similarity), 3), samples.copies(i))
        for i, similarity in selection.distinct_neighbours(finding, samples.group_of)
    )


def _pair_views(audit: Audit, samples: _Samples, code_of: Mapping[str, int]) -> tuple[PairView, ...]:
    confusions = selection.Confusions(audit)
    sizes = dict(zip(audit.dataset.classes, np.bincount(audit.dataset.codes).tolist(), strict=True))

    def view(pair: ClassPair, listed: bool) -> PairView:
        cluster = confusions.own_cluster(pair, wording.OWN_CLUSTER_SHARE) if listed else ""
        shape, advice = wording.advice(pair, sizes[pair.a], sizes[pair.b], cluster)
        sides = ((pair.a, pair.b), (pair.b, pair.a)) if listed else ()
        examples = [tuple(samples.add(i) for i in confusions.examples(*side)) for side in sides] or [(), ()]
        return PairView(
            a=code_of[pair.a],
            b=code_of[pair.b],
            a_as_b=pair.a_as_b,
            b_as_a=pair.b_as_a,
            flagged=pair.flagged,
            share=wording.percent(pair.score),
            direction=wording.direction(pair),
            shape=shape,
            advice=advice,
            a_near_b=examples[0],
            b_near_a=examples[1],
        )

    return tuple(view(pair, i < selection.PAIRS_LISTED) for i, pair in enumerate(audit.separation.pairs))
