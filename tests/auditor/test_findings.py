"""From scores and facts to findings: bins, precedence, groups, reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from stages import make_dataset, make_embeddings, run_stages

from auditor.arrays import as_ids
from auditor.findings import FindingInputs, find_findings, flooding_faults, sort_into_bins
from auditor.neighbours import find_neighbours
from auditor.results import (
    KINDS,
    QUALITY_FACTS,
    SIGNATURE_SIDE,
    Duplicates,
    Finding,
    ImageFacts,
    Probabilities,
    Scores,
    Thresholds,
)

CLEAR = (0.96, 0.02, 0.02)
WRONG = (0.02, 0.96, 0.02)
BETWEEN = (0.55, 0.42, 0.03)
NOTHING = (0.4, 0.3, 0.3)


def make_facts(count: int, **changes: dict[int, float]) -> ImageFacts:
    """Facts of sound pictures; `changes` maps a quality fact, `width` or `readable` to {row: value}."""
    size = np.full(count, 100, np.int32)
    quality = {name: np.ones(count, np.float32) for name in QUALITY_FACTS}
    readable = np.ones(count, np.bool_)
    for name, values in changes.items():
        target = {"width": size, "readable": readable}.get(name, quality.get(name))
        assert target is not None
        for row, value in values.items():
            target[row] = value
    ids = as_ids([f"r{row:05d}" for row in range(count)])
    digests = as_ids([f"digest {row}" for row in range(count)])
    errors = as_ids(["" if ok else "it is empty" for ok in readable])
    signature = np.zeros((count, SIGNATURE_SIDE, SIGNATURE_SIDE), np.uint8)
    hashes = np.zeros(count, np.uint64)
    height = np.full(count, 100, np.int32)
    return ImageFacts(ids, readable, errors, size, height, digests, digests, hashes, signature, quality)


def craft(
    chances: list[tuple[float, float, float]],
    labels: str | None = None,
    strange: tuple[int, ...] = (),
    groups: dict[int, tuple[int, ...]] | None = None,
    facts: ImageFacts | None = None,
    **columns: list[str],
) -> FindingInputs:
    """Inputs with given probabilities (a, b, c), labels "a" unless given; thirty sound rows follow."""
    m, labels = len(chances), labels or "a" * len(chances)
    values = np.array([*chances, *[CLEAR] * 10, *[CLEAR[1::-1] + CLEAR[2:]] * 10, *[CLEAR[::-1]] * 10])
    dataset = make_dataset(
        [*labels, *"a" * 10, *"b" * 10, *"c" * 10],
        **{name: [*column, *[""] * 30] for name, column in columns.items()},
    )
    ids, codes, n = dataset.ids, dataset.codes, m + 30
    values = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    others = np.where(np.arange(3) == codes[:, None], -1, values)
    top = np.sort(values, axis=1)
    typicality = np.where(np.isin(np.arange(n), strange), 0.2, 1.0).astype(np.float32)
    scores = Scores(
        ids,
        values[np.arange(n), codes],
        top[:, -1] - top[:, -2],
        typicality,
        np.ones(n, np.float32),
        others.argmax(axis=1).astype(np.int32),
        others.max(axis=1),
        np.zeros((3, 3), np.int64),
    )
    group, representative = np.full(n, -1, np.int32), np.arange(n, dtype=np.int32)
    for number, rows in (groups or {}).items():
        group[list(rows)], representative[list(rows)] = number, rows[0]
    embeddings = make_embeddings(np.random.default_rng(0).normal(size=(n, 6)))
    copies = Duplicates(ids, group, representative, np.ones(n, np.bool_))
    probabilities = Probabilities(ids, values, np.ones(3, np.bool_), "by hand")
    near = find_neighbours(embeddings, as_ids([str(row) for row in range(n)]), k=20)
    facts = facts or make_facts(n)
    return FindingInputs(dataset, facts, embeddings, near, copies, probabilities, scores, Thresholds())


def named(findings: tuple[Finding, ...]) -> list[tuple[str, list[int]]]:
    """Kinds with the rows that they name."""
    return [(f.kind, [int(i[1:]) for i in f.ids]) for f in findings]


def test_each_bin_takes_its_own() -> None:
    findings = find_findings(craft([CLEAR, WRONG, BETWEEN, NOTHING], strange=(3,)))
    assert named(findings) == [("mislabeled", [1]), ("ambiguous", [2]), ("off_topic", [3])]
    assert [f.suggested_label for f in findings] == ["b", "b", ""]
    assert [f.score for f in findings] == pytest.approx([0.02, 0.13, 0.2], abs=1e-6)


def test_a_handful_of_pictures_needs_surer_signs() -> None:
    """Both bars move towards certainty with a class's size: .08 and .56 are .04 and .78 at half of it."""
    chances = [(0.02, 0.70, 0.28), (0.06, 0.92, 0.02), (0.02, 0.96, 0.02)]
    inputs = craft(chances)
    size = int((inputs.codes == 0).sum())
    for sure_groups, flagged in ((size, [0, 1, 2]), (2 * size, [2])):
        bars = replace(inputs.thresholds, sure_groups=sure_groups)
        bins = sort_into_bins(replace(inputs, thresholds=bars))
        assert np.flatnonzero(bins["mislabeled"]).tolist() == flagged


def test_bins_are_disjoint_whatever_the_scores() -> None:
    rng = np.random.default_rng(1)
    kinds = np.repeat([CLEAR, WRONG, BETWEEN, NOTHING], [200, 40, 40, 40], axis=0)
    chances = [tuple(row) for row in kinds * rng.lognormal(0, 0.3, kinds.shape)]
    strange = tuple(np.flatnonzero(rng.random(320) < 0.3).tolist())
    inputs = craft(chances, strange=strange)
    bins = sort_into_bins(inputs)
    assert all(flags.any() for flags in bins.values())
    assert np.stack(list(bins.values())).sum(axis=0).max() == 1
    findings = find_findings(inputs)
    assert Counter(f.kind for f in findings) == {kind: flags.sum() for kind, flags in bins.items()}


def test_findings_stand_by_precedence_then_worst_first() -> None:
    facts = make_facts(38, readable={7: 0}, dark={6: 0.01})
    chances = [WRONG, (0.001, 0.98, 0.019), BETWEEN, NOTHING, CLEAR, CLEAR, CLEAR, CLEAR]
    inputs = craft(chances, strange=(3,), groups={0: (4, 5)}, facts=facts)
    findings = find_findings(inputs)
    assert named(findings) == [
        ("unreadable", [7]),
        ("mislabeled", [1]),
        ("mislabeled", [0]),
        ("ambiguous", [2]),
        ("off_topic", [3]),
        ("low_quality", [6]),
        ("duplicate", [4, 5]),
    ]
    assert [f.rank for f in findings] == [1, 1, 2, 1, 1, 1, 1]
    assert [KINDS.index(f.kind) for f in findings] == sorted(KINDS.index(f.kind) for f in findings)
    assert len({f.finding_id for f in findings}) == len(findings)


def test_ids_stay_when_other_findings_come() -> None:
    few = {f.ids: f.finding_id for f in find_findings(craft([CLEAR, WRONG, CLEAR]))}
    more = {f.ids: f.finding_id for f in find_findings(craft([WRONG, WRONG, BETWEEN]))}
    assert few.items() <= more.items()


def test_copies_with_one_wrong_label_share_a_finding() -> None:
    findings = find_findings(craft([WRONG] * 4, groups={0: (0, 1, 2, 3)}))
    assert named(findings) == [("mislabeled", [0, 1, 2, 3]), ("duplicate", [0, 1, 2, 3])]


def test_copies_under_two_labels_are_one_question() -> None:
    findings = find_findings(craft([WRONG, WRONG, CLEAR], "aba", groups={0: (0, 1)}))
    assert named(findings) == [("conflicting_duplicate", [0, 1])]
    assert findings[0].reason == "The same picture is filed under a and b."
    assert findings[0].evidence.members == (("r00000", "reference"), ("r00001", "identical"))


def test_copies_in_two_splits_leak() -> None:
    split = ["train", "test", "train", "train"]
    inputs = craft([CLEAR] * 4, groups={0: (0, 1), 1: (2, 3)}, split=split)
    findings = find_findings(inputs)
    assert named(findings) == [("leak", [0, 1]), ("duplicate", [2, 3])]
    assert findings[0].reason == "The same picture is in test and train (split)."
    assert findings[1].reason == "The same picture is there 2 times, always as a."


def test_copies_under_two_labels_in_two_splits_are_two_questions() -> None:
    inputs = craft([CLEAR, CLEAR], "ab", groups={0: (0, 1)}, split=["train", "test"])
    assert named(find_findings(inputs)) == [("conflicting_duplicate", [0, 1]), ("leak", [0, 1])]


def test_near_copies_are_called_so_and_stand_behind_exact_ones() -> None:
    inputs = craft([CLEAR] * 4, groups={0: (0, 1), 1: (2, 3)})
    identical = inputs.duplicates.identical.copy()
    identical[1] = False
    findings = find_findings(replace(inputs, duplicates=replace(inputs.duplicates, identical=identical)))
    assert named(findings) == [("duplicate", [2, 3]), ("duplicate", [0, 1])]
    assert findings[1].reason == "Nearly the same picture is there 2 times, always as a."
    assert findings[1].evidence.members[1] == ("r00001", "nearly identical")


@pytest.mark.parametrize("fault", ["dark", "blurry", "low_information"])
def test_pictures_too_poor_to_judge_are_only_called_poor(fault: str) -> None:
    facts = make_facts(33, **{fault: dict.fromkeys(range(3), 0.0)})
    findings = find_findings(craft([WRONG, BETWEEN, NOTHING], strange=(2,), facts=facts))
    assert named(findings) == [("low_quality", [row]) for row in range(3)]


def test_a_bright_picture_can_be_mislabeled_too() -> None:
    findings = find_findings(craft([WRONG], facts=make_facts(31, bright={0: 0.05})))
    assert named(findings) == [("mislabeled", [0]), ("low_quality", [0])]


def test_all_faults_of_a_picture_stand_in_one_finding() -> None:
    facts = make_facts(31, dark={0: 0.2}, blurry={0: 0.1}, width={0: 9})
    (finding,) = find_findings(craft([CLEAR], facts=facts))
    assert finding.reason == "The picture is too dark, blurred and tiny (9 px)."
    assert finding.score == pytest.approx(0.1)
    assert dict(finding.evidence.facts) == pytest.approx({"dark": 0.2, "blurry": 0.1})


def test_a_fault_of_most_pictures_is_no_finding() -> None:
    facts = make_facts(31, dark=dict.fromkeys(range(20), 0.1), bright={30: 0.0})
    inputs = craft([WRONG], facts=facts)
    assert flooding_faults(inputs) == {"dark": 20}
    assert named(find_findings(inputs)) == [("mislabeled", [0]), ("low_quality", [30])]


def test_a_dataset_of_tiny_pictures_is_flagged_and_not_said_to_be_left_out() -> None:
    inputs = craft([CLEAR], facts=make_facts(31, width=dict.fromkeys(range(31), 9)))
    assert len(find_findings(inputs)) == 31
    assert flooding_faults(inputs) == {}


def test_without_pictures_there_is_nothing_to_say_about_files() -> None:
    vectors = np.random.default_rng(2).normal(size=(60, 5)) + 5 * np.eye(2, 5)[np.arange(60) % 2]
    stages = run_stages(make_dataset(np.arange(60) % 2), vectors)
    assert flooding_faults(stages) == {}
    assert {f.kind for f in stages.findings()} <= {"mislabeled", "ambiguous", "off_topic", "duplicate"}


def test_classes_too_small_to_judge_are_neither_flagged_nor_suggested() -> None:
    inputs = craft([WRONG, BETWEEN, CLEAR], "aac")
    assert named(find_findings(inputs))[0] == ("mislabeled", [0])
    for judged in ((False, True, True), (True, False, True)):
        part = replace(inputs, probabilities=replace(inputs.probabilities, judged=np.array(judged)))
        assert 0 not in [
            row for kind, rows in named(find_findings(part)) if kind == "mislabeled" for row in rows
        ]


def test_reasons_give_numbers_and_classes() -> None:
    wrong, between, strange = find_findings(craft([WRONG, BETWEEN, NOTHING], strange=(2,)))
    assert wrong.reason.endswith("The model gives b 0.96, a 0.02.")
    assert "of the 10 most alike pictures are b" in wrong.reason
    assert between.reason.startswith("Both a (0.55) and b (0.42) fit")
    assert (
        strange.reason == "No picture is close: its most alike pictures are 5.0 times as far away as usual."
    )


def test_evidence_names_the_nearest_of_other_groups() -> None:
    inputs = craft([WRONG, CLEAR], groups={0: (0, 1)})
    finding = find_findings(inputs)[0]
    ids, cosines = [n[0] for n in finding.evidence.neighbours], [n[2] for n in finding.evidence.neighbours]
    assert len(ids) == 10
    assert not {"r00000", "r00001"} & set(ids)
    assert cosines == sorted(cosines, reverse=True)
    labels = dict(zip(inputs.dataset.ids, inputs.dataset.table["label"], strict=True))
    assert all(labels[i] == label for i, label, _ in finding.evidence.neighbours)
    assert finding.evidence.probabilities == (("b", 0.96), ("a", 0.02), ("c", 0.02))
