"""Controls are a fair draw, care is counted as answered, and the estimate's interval holds the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from answers import decide, review
from scipy.stats import hypergeom
from toy import toy_audit

from auditor import controls
from auditor.controls import (
    AnswerCounts,
    draw_controls,
    estimate_label_errors,
    hypergeometric_interval,
    measure_care,
    with_estimate,
)
from auditor.decisions import LABEL_CHECK, Decision, DecisionFile
from auditor.errors import UsageError
from auditor.merging import CONTROL, Answer, merge_answers
from auditor.results import Audit


def named(audit: Audit) -> set[str]:
    return {i for f in audit.findings for i in f.ids}


def answer(sample: str, kind: str, decision: str, to: str = "") -> Answer:
    return Answer(sample, kind, decision, to, ())


@cache
def large(n: int, **findings: int) -> Audit:
    """A toy with pictures left out, which makes thousands of samples cheap."""
    return replace(toy_audit(n, findings=findings, images=False), thumbnails={})


def test_controls_are_unflagged_samples_with_a_vector() -> None:
    audit = toy_audit(80)
    drawn = draw_controls(audit, 1000, seed=3)
    assert set(drawn) == set(audit.embeddings.ids.tolist()) - named(audit)
    assert len(set(drawn)) == len(drawn)


def test_the_first_of_a_larger_draw_are_the_smaller_draw() -> None:
    audit = toy_audit(80)
    assert draw_controls(audit, 30, seed=1)[:12] == draw_controls(audit, 12, seed=1)
    assert draw_controls(audit, 0, seed=1) == ()
    assert draw_controls(audit, 12, seed=1) != draw_controls(audit, 12, seed=2)


def test_controls_do_not_depend_on_the_order_of_rows() -> None:
    audit = toy_audit(80)
    turned = replace(audit.embeddings, ids=audit.embeddings.ids[::-1], vectors=audit.embeddings.vectors[::-1])
    mirrored = replace(
        audit,
        embeddings=turned,
        **{
            name: replace(getattr(audit, name), ids=turned.ids)
            for name in ("neighbours", "duplicates", "probabilities", "scores", "map")
        },
    )
    assert draw_controls(mirrored, 20, seed=5) == draw_controls(audit, 20, seed=5)


def test_every_sample_is_drawn_equally_often() -> None:
    audit = toy_audit(60)
    pool = len(audit.embeddings.ids) - len(named(audit) & set(audit.embeddings.ids))
    drawn = Counter(i for seed in range(400) for i in draw_controls(audit, 10, seed))
    expected = 400 * 10 / pool
    spread = np.sqrt(expected * (1 - 10 / pool))
    assert len(drawn) == pool
    assert max(abs(count - expected) for count in drawn.values()) < 4 * spread


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (3, -1)])
def test_a_negative_draw_is_refused(count: int, seed: int) -> None:
    with pytest.raises(UsageError, match="from 0 on"):
        draw_controls(toy_audit(), count, seed)


def test_care_counts_answers_on_controls_beside_flagged_ones() -> None:
    audit = toy_audit(80)
    second = dict(zip(audit.scores.ids, np.array(audit.dataset.classes)[audit.scores.suggested], strict=True))
    one, two, three, four, five = draw_controls(audit, 5, seed=0)
    flagged = [f.ids[0] for f in audit.findings if f.kind == "mislabeled"]
    third = next(c for c in audit.dataset.classes if c not in (second[two], two.split("/")[0]))
    care = measure_care(
        audit,
        [
            answer(one, CONTROL, "relabel", second[one]),
            answer(two, CONTROL, "relabel", third),
            answer(three, CONTROL, "keep"),
            answer(four, CONTROL, "unsure"),
            answer(five, CONTROL, "conflict"),
            *(answer(i, "mislabeled", "relabel", second[i]) for i in flagged[:3]),
            answer(flagged[3], "mislabeled", "drop"),
        ],
    )
    assert care.controls == AnswerCounts(5, kept=1, relabelled=2, unsure=1, conflicts=1, to_second_best=1)
    assert care.controls.relabelled_share == pytest.approx(2 / 3)
    assert care.controls.second_best_share == pytest.approx(1 / 3)
    assert care.flagged == AnswerCounts(4, relabelled=3, dropped=1, to_second_best=3)
    assert care.flagged.second_best_share == 0.75
    assert AnswerCounts().relabelled_share is AnswerCounts().second_best_share is None


def test_care_counts_answers_that_changed_after_the_suggestion_was_shown() -> None:
    audit = toy_audit(80)
    ids = draw_controls(audit, 4, seed=0)
    second = {
        i: audit.dataset.classes[c] for i, c in zip(audit.scores.ids, audit.scores.suggested, strict=True)
    }
    file = review(
        audit,
        "a",
        [
            decide(audit, ids[0], LABEL_CHECK, "relabel", to=second[ids[0]], first_decision="keep"),
            decide(audit, ids[1], LABEL_CHECK, "keep", first_decision="keep"),
            decide(audit, ids[2], LABEL_CHECK, "drop", first_decision="unsure"),
            decide(audit, ids[3], LABEL_CHECK, "keep"),
        ],
    )
    care = measure_care(audit, merge_answers([file], audit))
    assert (care.first_answers, care.changed, care.changed_to_suggestion) == (3, 2, 1)
    assert care.controls.reviewed == 4


def test_without_reviewed_controls_there_is_no_estimate() -> None:
    audit = toy_audit()
    flagged = next(f.ids[0] for f in audit.findings if f.kind == "mislabeled")
    unsure = draw_controls(audit, 1, seed=0)[0]
    answers = [answer(flagged, "mislabeled", "keep"), answer(unsure, CONTROL, "unsure")]
    assert estimate_label_errors(audit, answers) is None
    assert with_estimate(audit, answers) is audit


def test_estimate_by_hand() -> None:
    audit = large(1000, mislabeled=20, ambiguous=10, duplicate=5)
    wrong = [f.ids[0] for f in audit.findings if f.kind == "mislabeled"]
    unclear = [f.ids[0] for f in audit.findings if f.kind == "ambiguous"]
    ids = draw_controls(audit, 101, seed=0)
    answers = [
        *(answer(i, "mislabeled", "relabel", "x") for i in wrong[:9]),
        *(answer(i, "mislabeled", "keep") for i in wrong[9:12]),
        answer(wrong[12], "mislabeled", "unsure"),
        answer(wrong[13], "mislabeled", "conflict"),
        answer(wrong[14], "mislabeled", "drop"),
        *(answer(i, "ambiguous", "keep") for i in unclear[:3]),
        answer(unclear[3], "ambiguous", "relabel", "x"),
        *(answer(i, CONTROL, "keep") for i in ids[:95]),
        *(answer(i, CONTROL, "relabel", "x") for i in ids[95:98]),
        *(answer(i, CONTROL, "drop") for i in ids[98:100]),
        answer(ids[100], CONTROL, "unsure"),
        answer(wrong[0], "low_quality", "drop"),
    ]
    found = estimate_label_errors(audit, answers)
    assert found is not None
    assert (found.samples, found.flagged, found.others) == (1000, 30, 970)
    assert (found.flagged_wrong, found.flagged_dropped, found.flagged_undecided) == (10, 1, 13)
    assert (found.controls, found.controls_wrong, found.controls_dropped, found.controls_undecided) == (
        100, 3, 2, 1,
    )  # fmt: skip
    assert found.estimate == pytest.approx(10 + 7 * 9 / 13 + 6 * 1 / 4 + 970 * 3 / 100)
    low, high = hypergeometric_interval(3, 100, 970)
    assert (found.low, found.high) == (10 + low, 10 + 13 + high)
    assert 0 <= found.low <= found.estimate <= found.high <= found.samples


def test_undecided_findings_count_as_their_kind_else_as_all_else_half() -> None:
    audit = large(1000, mislabeled=20, ambiguous=10, duplicate=5)
    wrong = [f.ids[0] for f in audit.findings if f.kind == "mislabeled"]
    kept = [answer(i, CONTROL, "keep") for i in draw_controls(audit, 50, seed=0)]
    nothing = estimate_label_errors(audit, kept)
    some = estimate_label_errors(audit, [*kept, answer(wrong[0], "mislabeled", "relabel", "x")])
    assert nothing is not None
    assert some is not None
    assert (nothing.estimate, nothing.flagged_undecided, nothing.low) == (15, 30, 0)
    assert some.estimate == 30


def test_a_copy_is_no_control_and_a_conflicting_copy_is_flagged() -> None:
    audit = toy_audit(80)
    copy = next(f.ids[0] for f in audit.findings if f.kind == "duplicate")
    pair = next(f.ids for f in audit.findings if f.kind == "conflicting_duplicate")
    control = draw_controls(audit, 1, seed=0)[0]
    found = estimate_label_errors(
        audit,
        [
            answer(control, CONTROL, "keep"),
            answer(copy, CONTROL, "relabel", "x"),
            answer(pair[0], "conflicting_duplicate", "relabel", "x"),
            answer(pair[1], "conflicting_duplicate", "keep"),
        ],
    )
    assert found is not None
    assert (found.controls, found.controls_wrong, found.flagged_wrong) == (1, 0, 1)
    assert measure_care(audit, [answer(copy, CONTROL, "keep")]).controls.reviewed == 0
    assert found.flagged == 2 + sum(f.kind in ("mislabeled", "ambiguous") for f in audit.findings)


def test_the_audit_gets_estimate_and_interval() -> None:
    audit = toy_audit(80)
    answers = [answer(i, CONTROL, "keep") for i in draw_controls(audit, 10, seed=0)]
    found, filled = estimate_label_errors(audit, answers), with_estimate(audit, answers)
    assert found is not None
    assert filled.label_errors.estimate == found.estimate
    assert filled.label_errors.interval == (found.low, found.high)
    assert filled.label_errors.flagged == audit.label_errors.flagged


# --- The interval


def test_the_interval_is_what_it_says_over_every_number() -> None:
    for found, drawn, population in [
        (0, 5, 40),
        (2, 17, 60),
        (17, 17, 60),
        (3, 60, 60),
        (0, 1, 1),
        (30, 45, 61),
    ]:
        numbers = np.arange(found, population - drawn + found + 1)
        chance = hypergeom(population, numbers, drawn)
        observed = controls.OBSERVED_WEIGHT * chance.pmf(found)
        fits = numbers[(chance.cdf(found - 1) + observed > 0.05) & (chance.sf(found) + observed > 0.05)]
        assert hypergeometric_interval(found, drawn, population) == (fits.min(), fits.max())


def test_who_reviewed_everything_knows() -> None:
    assert hypergeometric_interval(7, 300, 300) == (7, 7)


def test_found_and_not_found_mirror_each_other() -> None:
    low, high = hypergeometric_interval(4, 50, 700)
    assert hypergeometric_interval(46, 50, 700) == (700 - high, 700 - low)


def test_a_higher_level_is_wider() -> None:
    inner, outer = hypergeometric_interval(4, 50, 700), hypergeometric_interval(4, 50, 700, level=0.99)
    assert outer[0] < inner[0] < 56 < inner[1] < outer[1]


@pytest.mark.parametrize("numbers", [(3, 2, 9), (0, 0, 9), (1, 10, 9), (-1, 2, 9)])
def test_an_impossible_draw_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="found <= drawn <= population"):
        hypergeometric_interval(*numbers)


@cache
def intervals(drawn: int, population: int) -> np.ndarray:
    """Intervals (found, 2) for every count that 8 % wrong labels make at all likely."""
    most = int(hypergeom.ppf(1 - 1e-7, population, round(0.08 * population), drawn))
    return np.array([hypergeometric_interval(x, drawn, population) for x in range(most + 1)])


@pytest.mark.parametrize(
    ("drawn", "population"), [(50, 600), (500, 600), (200, 1_000), (100, 5_000), (200, 20_000)]
)
def test_exact_coverage_is_near_90_percent(drawn: int, population: int) -> None:
    ends = intervals(drawn, population)
    numbers = np.unique(np.linspace(0.005, 0.08, 40) * population // 1).astype(int)
    chance = hypergeom.pmf(np.arange(len(ends))[:, None], population, numbers, drawn)
    holds = (ends[:, :1] <= numbers) & (numbers <= ends[:, 1:])
    coverage = (chance * holds).sum(axis=0)
    assert coverage.min() > 0.855
    often = coverage[drawn * numbers / population >= 3]
    assert 0.88 < often.mean() < 0.94


# --- Simulated reviews with 10 % wrong labels


DESIGNS = [
    (1_000, 30, 50),
    (2_000, 100, 50),
    (1_000, 60, 100),
    (5_000, 300, 300),
    (20_000, 1_200, 100),
    (20_000, 1_500, 400),
]
"""Samples, wrong labels among the flagged ones, controls; one label in ten is wrong."""

cached_interval = cache(hypergeometric_interval)


def share_held(found: list[tuple[float, float]], truth: int) -> float:
    return float(np.mean([low <= truth <= high for low, high in found]))


@pytest.mark.parametrize("design", DESIGNS)
def test_interval_holds_the_truth_in_85_to_95_percent_of_200_draws(design: tuple[int, int, int]) -> None:
    n, known, drawn = design
    others, hidden = n - round(1.3 * known), n // 10 - known
    counts = np.random.default_rng(0).hypergeometric(hidden, others - hidden, drawn, size=200).tolist()
    ends = [cached_interval(x, drawn, others) for x in counts]
    assert 0.85 <= share_held([(known + low, known + high) for low, high in ends], n // 10) <= 0.95


def answer_truly(audit: Audit, drawn: tuple[str, ...], wrong: set[str]) -> DecisionFile:
    """The file of an annotator who sees every wrong label, on a blind page with controls."""
    label_of = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    flagged = [i for f in audit.findings if f.kind in ("mislabeled", "ambiguous") for i in f.ids]
    rows = [
        Decision(i, "", LABEL_CHECK, "relabel", label_of[i], "another")
        if i in wrong
        else Decision(i, "", LABEL_CHECK, "keep", label_of[i])
        for i in (*flagged, *drawn)
    ]
    return review(audit, "a", rows)


def test_files_of_200_simulated_reviews_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "hypergeometric_interval", cached_interval)
    audit = large(1000, mislabeled=50, ambiguous=30)
    rng = np.random.default_rng(1)
    flagged, rest = sorted(named(audit)), sorted(set(audit.dataset.ids.tolist()) - named(audit))
    ends, points = [], []
    for seed in range(200):
        wrong = {*rng.choice(flagged, 50, replace=False), *rng.choice(rest, 50, replace=False)}
        file = answer_truly(audit, draw_controls(audit, 80, seed), wrong)
        found = estimate_label_errors(audit, merge_answers([file], audit))
        assert found is not None
        assert (found.controls, found.flagged_wrong, found.flagged_undecided) == (80, 50, 0)
        ends.append((found.low, found.high))
        points.append(found.estimate)
    assert 0.85 <= share_held(ends, 100) <= 0.95
    # Without bias: the mean of 200 estimates lies within three of its standard errors.
    assert abs(np.mean(points) - 100) < 3 * np.std(points) / np.sqrt(200)
