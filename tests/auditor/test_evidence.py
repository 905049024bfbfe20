"""What a comparison of two versions may claim: rates of the verdicts on versions whose truth is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from versions import HARMS, NULLS, REPAIRS, Case, frame_of, make_versions, mixture

from auditor.comparisons.evidence import measure_held, measure_inner
from auditor.comparisons.gains import Judge, adjust, picture_codes, summarise_gain
from auditor.comparisons.model_null import (
    Clean,
    count_contradictions,
    draw_null,
    rank_p_value,
    score_left_out,
)
from auditor.comparisons.verdicts import CONSISTENT, IMPROVED, NO_CHANGE, WORSE, judge_evidence

NO_PAIRS = np.zeros((0, 2), dtype=np.int64)
CLAIMS = (IMPROVED, CONSISTENT)
SHAPES = ((1500, 10, 64, 2.2), (1200, 5, 32, 1.6))
"""Samples, classes, dimensions and distance of the classes of two overlapping mixtures."""


def case_of(seed: int) -> Case:
    return mixture(seed, *SHAPES[seed % len(SHAPES)])


def verdict(case: Case, kind: str, seed: int, holdout: bool) -> str:
    frame = frame_of(case, *make_versions(kind, case, seed), seed)
    judge = Judge.of(frame)
    rows = case.held if holdout else np.zeros(len(case.held), dtype=bool)
    held = measure_held(judge, rows, "test", NO_PAIRS) if holdout else None
    return judge_evidence(held, measure_inner(judge, rows, NO_PAIRS, seed))


def rates(kinds: tuple[str, ...], runs: int, holdout: bool) -> dict[str, Counter[str]]:
    """Verdicts of `runs` comparisons shared out over `kinds`."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    for number in range(runs):
        kind, seed = kinds[number % len(kinds)], number // len(kinds)
        found[kind][verdict(case_of(seed), kind, seed, holdout)] += 1
    return found


def claims(found: dict[str, Counter[str]]) -> int:
    return sum(counts[word] for counts in found.values() for word in CLAIMS)


def print_rates(title: str, found: dict[str, Counter[str]]) -> None:
    print(f"\n{title}")
    for kind, counts in found.items():
        told = [f"{word} {counts[word]}" for word in (IMPROVED, CONSISTENT, NO_CHANGE, WORSE) if counts[word]]
        print(f"  {kind:24}{sum(counts.values()):4}  {', '.join(told)}")


@pytest.mark.slow
def test_a_few_nulls_and_repairs() -> None:
    assert claims(rates(NULLS, 8, holdout=True)) <= 1
    repaired = rates(REPAIRS, 6, holdout=True)
    assert sum(counts[IMPROVED] for counts in repaired.values()) >= 4
    assert claims(rates(HARMS, 2, holdout=True)) == 0


@pytest.mark.nightly
@pytest.mark.parametrize("holdout", [True, False])
def test_at_most_15_of_200_nulls_claim_anything(holdout: bool) -> None:
    found = rates(NULLS, 200, holdout)
    print_rates(f"200 nulls, {'with' if holdout else 'without'} a holdout", found)
    assert claims(found) <= 15


@pytest.mark.nightly
def test_at_least_40_of_50_true_repairs_are_called_improved() -> None:
    found = rates(REPAIRS, 50, holdout=True)
    print_rates("50 true repairs with a holdout", found)
    assert sum(counts[IMPROVED] for counts in found.values()) >= 40


@pytest.mark.nightly
@pytest.mark.parametrize("holdout", [True, False])
def test_random_relabelling_is_never_called_better(holdout: bool) -> None:
    found = rates(HARMS, 50, holdout)
    print_rates(f"50 random relabellings, {'with' if holdout else 'without'} a holdout", found)
    assert claims(found) == 0


@pytest.mark.parametrize("seed", range(3))
def test_spoiling_one_class_for_a_lopsided_split_is_no_improvement(seed: int) -> None:
    """Right labels of other classes are called the class that most held-out pictures have."""
    case = mixture(seed, 900, 5, 32, 1.6)
    rng = np.random.default_rng(seed)
    held = case.held & ((case.labels == 0) | (rng.random(900) < 0.06))
    case = replace(case, held=held)
    after = case.labels.copy()
    open_rows = np.flatnonzero(~held & (case.labels > 0))
    after[rng.permutation(open_rows)[: len(open_rows) // 8]] = 0
    judge = Judge.of(frame_of(case, case.labels, after, seed))
    found = measure_held(judge, held, "test", NO_PAIRS)
    assert judge_evidence(found, measure_inner(judge, held, NO_PAIRS, seed)) not in CLAIMS


def test_equal_versions_show_nothing() -> None:
    case = mixture(0, 300, 4, 8, 2.0)
    judge = Judge.of(frame_of(case, case.labels, case.labels))
    held, inner = (
        measure_held(judge, case.held, "test", NO_PAIRS),
        measure_inner(judge, case.held, NO_PAIRS),
    )
    assert held is not None
    assert (held.gain.estimate, held.gain.low, held.gain.high) == (0.0, 0.0, 0.0)
    assert (inner.gain.estimate, inner.p_value, inner.draws) == (0.0, 1.0, 0)
    assert judge_evidence(held, inner) == NO_CHANGE


def test_swapping_the_versions_turns_the_gain_around() -> None:
    case = mixture(3, 600, 4, 16, 2.0)
    before, after = make_versions("repair", case, 3)
    there = measure_held(Judge.of(frame_of(case, before, after)), case.held, "test", NO_PAIRS)
    back = measure_held(Judge.of(frame_of(case, after, before)), case.held, "test", NO_PAIRS)
    assert there is not None and back is not None
    assert there.gain.estimate == pytest.approx(-back.gain.estimate, rel=1e-6)
    assert there.probe_accuracy == back.probe_accuracy[::-1]


def test_too_few_held_out_groups_say_nothing() -> None:
    case = mixture(0, 300, 3, 8, 2.0)
    judge = Judge.of(frame_of(case, case.labels, case.labels))
    few = np.zeros(300, dtype=bool)
    few[:29] = True
    assert measure_held(judge, few, "test", NO_PAIRS) is None


def test_held_out_pictures_take_no_part_in_the_training() -> None:
    case = mixture(1, 400, 4, 8, 2.0)
    other = case.labels.copy()
    other[case.held] = (other[case.held] + 1) % 4
    judge = Judge.of(frame_of(case, case.labels, other))
    scores = [judge.trained_on(codes.astype(np.int32), ~case.held) for codes in (case.labels, other)]
    for one, two in zip(*scores, strict=True):
        assert np.array_equal(one, two)


def test_linear_scores_left_out_do_not_know_their_own_label() -> None:
    case = mixture(2, 300, 3, 8, 2.0)
    frame = frame_of(case, case.labels, case.labels)
    judge = Judge.of(frame)
    changed = case.labels.copy()
    changed[7] = (changed[7] + 1) % 3
    one, two = (judge.left_out(codes.astype(np.int32)) for codes in (case.labels, changed))
    fold = frame.fold == frame.fold[7]
    assert np.allclose(one[0][fold], two[0][fold], atol=1e-5)
    assert np.array_equal(one[1][7], two[1][7])


def test_the_null_does_as_much_as_was_done() -> None:
    case = mixture(5, 600, 5, 16, 2.0)
    before, after = make_versions("repair", case, 5)
    frame = frame_of(case, before, after)
    clean = Clean.of(frame, case.held)
    assert clean.relabelled.sum() == (before != after).sum()
    assert clean.removed.sum() == 0
    null = draw_null(Judge.of(frame), clean, NO_PAIRS, seed=5, draws=9)
    again = draw_null(Judge.of(frame), clean, NO_PAIRS, seed=5, draws=9)
    assert np.array_equal(null.gains, again.gains)
    # Tidying right labels wins on the labels that it left: that is why it is the null.
    assert null.gains.mean() > 0


def test_contradictions_tell_wrong_labels_from_mixed_classes() -> None:
    case = mixture(4, 1500, 10, 64, 2.2)
    everyone = np.ones(len(case.labels), dtype=bool)
    ratios = {}
    for kind in ("repair", "automatic removal"):
        before, after = make_versions(kind, case, 4, everywhere=True)
        judge = Judge.of(frame_of(case, before, after))
        ratios[kind] = [
            count_contradictions(score_left_out(judge, codes.astype(np.int32))[1], codes, everyone).ratio
            for codes in (before, after)
        ]
    assert ratios["repair"][0] > 1.3 > 1.2 > ratios["repair"][1] > 0.6
    assert ratios["automatic removal"][1] < 0.5


def test_copies_of_a_picture_are_one_sample() -> None:
    gains = np.array([1.0, 1.0, 1.0, -0.5])
    groups, weights = np.array([0, 0, 0, 1]), np.array([1, 1, 1, 3]) / 3
    found = summarise_gain(gains, groups, weights)
    assert (found.groups, found.samples) == (2, 4)
    assert found.estimate == pytest.approx(0.25)


def test_a_picture_votes_with_most_of_its_copies() -> None:
    picture = np.array([0, 0, 0, 1, 1, 2, 3], dtype=np.int32)
    codes = np.array([4, 4, 1, 2, 3, -1, 5], dtype=np.int32)
    assert picture_codes(picture, codes).tolist() == [4, -1, -1, 5]


def test_adjusted_p_values_are_benjamini_and_hochbergs() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    assert adjust(p)[[4, 0, 3, 1]] == pytest.approx([0.02, 0.02, 0.04, 0.04])
    assert np.isnan(adjust(p)[2])


def test_the_rank_counts_the_observation_itself() -> None:
    assert rank_p_value(5.0, np.arange(99) / 99) == 0.01
    assert rank_p_value(-1.0, np.arange(99) / 99) == 1.0
