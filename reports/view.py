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
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditor.results import Audit, ClassPair
from reports import selection, wording
from reports.options import PageOptions
from reports.overview import ClassView, ConfusionView, PlanView, class_views, confusion_view, plan_view
from reports.points import PointsView, points_view
from reports.provenance import ProvenanceView, provenance_view
from reports.questions import Asked, Question, ask, part_sentence
from reports.review import ReviewView, review_view
from reports.samples import Samples, SampleView


@dataclass(frozen=True)
class NeighbourView:
    """One of the most alike samples; `copies` counts it and its copies."""

    sample: int
    similarity: float
    copies: int


@dataclass(frozen=True)
class CardView:
    """One question to the annotator; `suggested` is a class code or -1.

    `members` are all samples it is about, the first `selection.MEMBERS_SHOWN` with their pictures.
    """

    finding_id: str
    kind: str
    rank: int
    question: str
    reason: str
    score: float
    members: tuple[tuple[int, str], ...]
    suggested: int
    neighbours: tuple[NeighbourView, ...]
    probabilities: tuple[tuple[int, float], ...]
    facts: tuple[tuple[str, float], ...]
    votes: tuple[tuple[str, str], ...]


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
    about: tuple[str, ...]
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
    review: ReviewView


def make_view(audit: Audit, options: PageOptions | None = None, asked: Asked | None = None) -> PageView:
    """Return everything that the page of this audit says.

    Parameters
    ----------
    asked : the questions of this page when it is one part of several; all that `options` ask for when None.
    """
    options = options or PageOptions()
    asked = asked or ask(audit, options)
    dataset, samples = audit.dataset, Samples(audit)
    code_of = {name: code for code, name in enumerate(dataset.classes)}
    cards = tuple(_card(q, samples, code_of, options.votes) for q in asked.questions)
    pairs = _pair_views(audit, samples, code_of, 0 if options.blind else selection.PAIRS_LISTED)
    typical = [tuple(samples.add(i) for i in ids) for ids in selection.typical_ids(audit, options.controls)]
    headline, rest = _headline(audit, asked, options)
    return PageView(
        name=dataset.name,
        facts=_facts(audit),
        headline=headline,
        rest=rest,
        class_names=dataset.classes,
        has_images=dataset.has_images,
        about=_about(asked, options),
        not_shown=_not_shown(asked),
        kinds=_kind_views(asked),
        cards=cards,
        samples=tuple(samples.views),
        points=points_view(audit, asked.questions),
        pairs=pairs,
        classes=class_views(audit, typical),
        confusion=confusion_view(audit.separation.confusion, dataset.classes),
        plan=plan_view(audit.review_plan),
        explained=provenance_view(audit),
        review=review_view(audit, asked, options),
    )


def _headline(audit: Audit, asked: Asked, options: PageOptions) -> tuple[str, str]:
    if options.only is not None:
        return wording.conflict_headline(len(asked.questions))
    counts = selection.count_kinds(audit.findings)
    return wording.headline(counts, len(audit.dataset)), wording.rest_sentence(counts)


def _about(asked: Asked, options: PageOptions) -> tuple[str, ...]:
    """Return what an annotator should know about this very page."""
    lines = [part_sentence(asked)]
    mixed_in = sum(q.ids[0] in options.controls for q in asked.questions) if options.blind else 0
    if mixed_in:
        count = wording.plural(mixed_in, "picture", "pictures")
        be = "is" if mixed_in == 1 else "are"
        lines.append(f"{count} drawn at random {be} mixed in, to tell how many labels are wrong in all.")
    return tuple(line for line in lines if line)


def _not_shown(asked: Asked) -> str:
    total = sum(asked.found.values())
    if len(asked.questions) == total:
        return ""
    return (
        f"{wording.number(len(asked.questions))} of {wording.plural(total, 'finding', 'findings')} are shown "
        f"here, the worst of each kind; all of them stand in findings.csv."
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


def _kind_views(asked: Asked) -> tuple[KindView, ...]:
    here = Counter(question.kind for question in asked.questions)
    return tuple(KindView(kind, wording.KIND_NAMES[kind], n, here[kind]) for kind, n in asked.found.items())


def _card(
    asked: Question,
    samples: Samples,
    code_of: Mapping[str, int],
    votes: Mapping[str, tuple[tuple[str, str], ...]],
) -> CardView:
    ties, evidence = dict(asked.evidence.members), asked.evidence
    members = tuple(
        (samples.member(i, n < selection.MEMBERS_SHOWN), ties.get(i, "")) for n, i in enumerate(asked.ids)
    )
    views = [samples.views[number] for number, _ in members]
    names = tuple(code_of)
    labels = list(dict.fromkeys(names[view.label] for view in views))
    places = list(dict.fromkeys(view.place for view in views if view.place))
    identical = "nearly identical" not in ties.values()
    return CardView(
        finding_id=asked.question_id,
        kind=asked.kind,
        rank=asked.rank,
        question=wording.question(asked.kind, labels, asked.suggested_label, places, identical),
        reason=asked.reason,
        score=round(asked.score, 3),
        members=members,
        suggested=code_of.get(asked.suggested_label, -1),
        neighbours=tuple(
            NeighbourView(samples.add(i), round(float(similarity), 3), samples.copies(i))
            for i, similarity in selection.distinct_neighbours(evidence, samples.group_of)
        ),
        probabilities=tuple((code_of[name], round(float(p), 3)) for name, p in evidence.probabilities),
        facts=tuple((name, round(float(value), 3)) for name, value in evidence.facts.items()),
        votes=votes.get(asked.question_id, ()),
    )


def _pair_views(
    audit: Audit, samples: Samples, code_of: Mapping[str, int], pictured: int
) -> tuple[PairView, ...]:
    """Return the pairs, the first `pictured` with examples; on a blind page they would tell."""
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

    return tuple(view(pair, i < pictured) for i, pair in enumerate(audit.separation.pairs))
