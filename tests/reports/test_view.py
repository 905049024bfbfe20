"""What the page says equals the audit."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from toy import toy_audit

from auditor.results import KINDS, ClassPair
from reports import points, selection, wording
from reports.options import PageOptions
from reports.overview import CONFUSION_CLASSES, confusion_view
from reports.view import make_view


def test_every_finding_is_one_card_with_its_own_numbers() -> None:
    audit = toy_audit(120, seed=3)
    view = make_view(audit)
    by_id = {f.finding_id: f for f in audit.findings}
    assert sorted(by_id) == sorted(card.finding_id for card in view.cards)
    for card in view.cards:
        finding = by_id[card.finding_id]
        assert tuple(view.samples[number].id for number, _ in card.members) == finding.ids
        assert card.reason == finding.reason
        assert card.score == round(finding.score, 3)
        suggested = view.class_names[card.suggested] if card.suggested >= 0 else ""
        assert suggested == finding.suggested_label
        listed = [n[0] for n in finding.evidence.neighbours]
        assert [view.samples[n.sample].id for n in card.neighbours] == listed[: len(card.neighbours)]


def test_samples_carry_the_label_of_the_dataset() -> None:
    audit = toy_audit(120, seed=3)
    view = make_view(audit)
    label = dict(zip(audit.dataset.table["id"], audit.dataset.table["label"], strict=True))
    assert all(view.class_names[s.label] == label[s.id] for s in view.samples)
    assert len({s.id for s in view.samples}) == len(view.samples)


def test_pairs_classes_and_confusion_equal_the_separation() -> None:
    audit = toy_audit(160, seed=2)
    view = make_view(audit)
    names = view.class_names
    shown = [(names[p.a], names[p.b], p.a_as_b, p.b_as_a, p.flagged) for p in view.pairs]
    assert shown == [(p.a, p.b, p.a_as_b, p.b_as_a, p.flagged) for p in audit.separation.pairs]
    rows = {row.name: row for row in view.classes}
    assert {c.name: (c.samples, c.verdict) for c in audit.separation.classes} == {
        name: (row.samples, row.verdict) for name, row in rows.items()
    }
    cells = [[count for count, _ in row] for row in view.confusion.cells]
    assert np.array_equal(cells, audit.separation.confusion)


def test_examples_of_a_pair_look_like_the_other_class() -> None:
    audit = toy_audit(160, seed=2)
    view = make_view(audit)
    likely = dict(zip(audit.probabilities.ids, audit.probabilities.values.argmax(axis=1), strict=True))
    pair = view.pairs[0]
    assert len(pair.a_near_b) == min(pair.a_as_b, selection.PAIR_EXAMPLES)
    for side, own, other in ((pair.a_near_b, pair.a, pair.b), (pair.b_near_a, pair.b, pair.a)):
        for number in side:
            assert view.samples[number].label == own
            assert likely[view.samples[number].id] == other


def test_the_two_sentences_add_up_to_all_findings() -> None:
    for seed in range(4):
        counts = {
            kind: int(n)
            for kind, n in zip(KINDS, np.random.default_rng(seed).integers(1, 50, 8), strict=True)
        }
        rest = wording.rest_sentence(counts)
        numbers = [int(n) for n in re.findall(r"\d+", rest)]
        assert numbers[0] == sum(counts.values())
        assert numbers[0] == sum(numbers[1:])
        assert wording.headline(counts, 1004).startswith(f"{counts['mislabeled']} of 1,004 ")


@pytest.mark.parametrize(
    ("counts", "first", "second"),
    [
        ({}, "None of 60 labels looks wrong.", "Nothing else was found either."),
        ({"mislabeled": 1}, "1 of 60 labels looks wrong.", "Nothing else was found."),
        (
            {"leak": 1},
            "None of 60 labels looks wrong.",
            "1 finding in all: 1 picture in two splits, domains or groups.",
        ),
    ],
)
def test_small_counts_read_well(counts: dict[str, int], first: str, second: str) -> None:
    assert wording.headline(counts, 60) == first
    assert wording.rest_sentence(counts) == second


def test_the_limit_is_shared_out_by_kind_and_the_worst_stay() -> None:
    counts = {"mislabeled": 900, "ambiguous": 300, "leak": 3}
    assert selection.share_limit(counts, 203) == {"mislabeled": 100, "ambiguous": 100, "leak": 3}
    assert selection.share_limit(counts, 5000) == counts
    audit = toy_audit(300, findings={"mislabeled": 60, "ambiguous": 30, "leak": 2})
    shown = selection.choose_findings(audit.findings, 42)
    kinds = Counter(f.kind for f in shown)
    assert kinds == {"mislabeled": 20, "ambiguous": 20, "leak": 2}
    assert all(f.rank <= kinds[f.kind] for f in shown)
    view = make_view(audit, PageOptions(limit=42))
    assert view.not_shown.startswith("42 of 92 findings are shown here")
    assert {k.kind: (k.findings, k.shown) for k in view.kinds} == {
        "mislabeled": (60, 20), "ambiguous": (30, 20), "leak": (2, 2),
    }  # fmt: skip


def test_every_flagged_sample_is_on_the_map_even_when_the_rest_is_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(points, "DRAWN_LIMIT", 50)
    audit = toy_audit(400, findings={"mislabeled": 30, "ambiguous": 10})
    view = make_view(audit, PageOptions(limit=10)).points
    flagged = {i for f in audit.findings for i in f.ids}
    assert set(view.flagged_ids) == flagged
    assert len(view.plain_ids) == 50
    assert view.density is not None
    assert "50 of 360" in view.left_out
    labels = Counter(i.split("/")[0] for i in view.plain_ids)
    assert max(labels.values()) - min(labels.values()) <= 3


def test_of_very_many_flagged_samples_those_with_a_card_are_drawn_and_a_fair_share_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(points, "FLAGGED_LIMIT", 60)
    audit = toy_audit(400, findings={"mislabeled": 150, "ambiguous": 10})
    asked = {i for card in make_view(audit, PageOptions(limit=24)).cards for i, _ in card.members}
    view = make_view(audit, PageOptions(limit=24)).points
    with_card = {i for i, cards in zip(view.flagged_ids, view.cards, strict=True) if cards}
    assert len(with_card) == len(asked) == 24
    assert len(view.flagged_ids) == 60
    assert set(view.flagged_ids) <= {i for f in audit.findings for i in f.ids}
    assert view.density is not None
    assert view.left_out == (
        "60 of 160 flagged samples (all that have a card here) are drawn; "
        "the grey cloud under them counts all."
    )
    others = Counter(i.split("/")[0] for i in set(view.flagged_ids) - with_card)
    rest = Counter(i.split("/")[0] for f in audit.findings for i in f.ids if i not in with_card)
    assert all(abs(others[name] - rest[name] * 36 / 136) <= 1 for name in rest)
    whole = make_view(audit, PageOptions(limit=100)).points
    assert len(whole.flagged_ids) == 100
    assert all(whole.cards)


def test_points_keep_their_place_and_the_maps_shape() -> None:
    audit = toy_audit(100, findings={})
    view = make_view(audit).points
    position = dict(zip(audit.map.ids, audit.map.positions, strict=True))
    low = audit.map.positions.min(axis=0)
    scale = points.GRID / (audit.map.positions.max(axis=0) - low).max()
    for i, x, y in zip(view.plain_ids, view.plain_x, view.plain_y, strict=True):
        assert np.allclose((position[i] - low) * scale, (x, y), atol=1)


def test_copies_among_the_neighbours_are_collapsed() -> None:
    audit = toy_audit(120, seed=3)
    finding = next(f for f in audit.findings if f.kind == "mislabeled")
    first = finding.evidence.neighbours[0][0]
    groups = {i: 5 for i, _, _ in finding.evidence.neighbours[:4]}
    kept = selection.distinct_neighbours(finding.evidence, groups)
    assert kept[0][0] == first
    assert not {i for i, _ in kept[1:]} & set(groups)


def test_typical_samples_are_unflagged_and_of_their_class() -> None:
    audit = toy_audit(200, seed=1)
    flagged = {i for f in audit.findings for i in f.ids}
    label = dict(zip(audit.dataset.table["id"], audit.dataset.table["label"], strict=True))
    for name, ids in zip(audit.dataset.classes, selection.typical_ids(audit), strict=True):
        assert len(ids) == selection.TYPICAL_SHOWN
        assert not flagged & set(ids)
        assert {label[i] for i in ids} == {name}


def test_the_largest_confusions_are_kept() -> None:
    confusion = np.diag(np.full(40, 100))
    confusion[3, 37] = 60
    view = confusion_view(confusion, [f"c{i}" for i in range(40)])
    assert len(view.names) == CONFUSION_CLASSES
    assert {"c3", "c37"} <= set(view.names)


@pytest.mark.parametrize(
    ("pair", "sizes", "cluster", "shape", "words"),
    [
        (ClassPair("a", "b", 0.3, 30, 30, 0), (100, 100), "", "symmetric", "merge a and b"),
        (ClassPair("a", "b", 0.1, 10, 10, 0), (100, 100), "", "symmetric", "write a rule"),
        (ClassPair("a", "b", 0.1, 2, 18, 0), (100, 100), "", "one-way", "b is taken for a"),
        (ClassPair("a", "b", 0.2, 8, 2, 0), (20, 200), "", "one-way", "collect more a"),
        (ClassPair("a", "b", 0.01, 1, 1, 0), (100, 100), "", "rare", "no rule"),
        (ClassPair("a", "b", 0.3, 30, 5, 0), (100, 100), "a", "cluster", "split a in two"),
    ],
)
def test_advice_follows_the_numbers(
    pair: ClassPair, sizes: tuple[int, int], cluster: str, shape: str, words: str
) -> None:
    found, sentence = wording.advice(pair, *sizes, cluster)
    assert found == shape
    assert words in sentence


@pytest.mark.parametrize(
    ("kind", "labels", "suggested", "places", "expected"),
    [
        ("mislabeled", ["tulip"], "rose", [], "Is this a tulip?"),
        ("mislabeled", ["avocado"], "pear", [], "Is this an avocado?"),
        ("mislabeled", ["01"], "7", [], "Is this “01”?"),
        ("ambiguous", ["rose"], "tulip", [], "rose or tulip?"),
        ("off_topic", ["rose"], "", [], "Does this belong to the dataset?"),
        ("conflicting_duplicate", ["rose", "tulip"], "", [], "Same picture, two labels: which one is right?"),
        (
            "leak",
            ["rose"],
            "",
            ["train", "test"],
            "The same picture is in train and test: where should it stay?",
        ),
        ("unreadable", ["rose"], "", [], "This file does not open: drop it or repair it?"),
    ],
)
def test_the_question_fits_the_kind(
    kind: str, labels: list[str], suggested: str, places: list[str], expected: str
) -> None:
    assert wording.question(kind, labels, suggested, places, identical=True) == expected


def test_long_and_turning_names_stay_in_their_sentence() -> None:
    assert len(wording.isolate("n" * 300)) < 60
    assert wording.isolate("עברית") == "\u2068עברית\u2069"


def test_unreadable_samples_have_no_point_but_a_card() -> None:
    audit = toy_audit(60, findings={"unreadable": 2})
    view = make_view(audit)
    assert len(view.cards) == 2
    assert len(view.points.flagged_ids) == 0
    assert len(view.points.plain_ids) == 58


def test_an_audit_without_a_review_plan_has_no_curve() -> None:
    view = make_view(replace(toy_audit(findings={}), review_plan=()))
    assert view.plan.curve == ""
