"""The review plan: sums along the list, and as many errors as were planted."""

from __future__ import annotations

import numpy as np
from stages import Stages, make_dataset, run_stages

from auditor.review_plan import add_up, plan_review


def test_the_plan_adds_up_along_the_list() -> None:
    assert add_up(1 - np.arange(1, 26) / 100) == ((10, 9.4), (20, 17.9), (25, 21.8))
    assert add_up(np.array([0.5])) == ((1, 0.5),)


def overlapping(rate: float) -> tuple[Stages, np.ndarray]:
    """Three overlapping classes, a share of the labels wrong: stages and flags of the wrong ones."""
    rng = np.random.default_rng(0)
    truth = np.arange(1500) % 3
    vectors = 3.2 * np.eye(3, 12)[truth] + rng.normal(size=(1500, 12))
    wrong = rng.random(1500) < rate
    given = np.where(wrong, (truth + rng.integers(1, 3, 1500)) % 3, truth)
    return run_stages(make_dataset(given), vectors), wrong


def test_about_as_many_are_expected_as_are_wrong() -> None:
    stages, wrong = overlapping(0.08)
    flagged = stages.flagged("mislabeled")
    length, expected = plan_review(stages.findings(), stages)[-1]
    assert length == flagged.sum() > 30
    assert 0.8 < expected / (flagged & wrong).sum() < 1.25


def test_right_labels_of_overlapping_classes_are_not_expected_to_be_wrong() -> None:
    stages, _ = overlapping(0.0)
    flagged = stages.flagged("mislabeled").sum()
    assert flagged >= 5
    assert plan_review(stages.findings(), stages)[-1][1] < 0.7 * flagged
    assert plan_review((), stages) == ()
