"""Agreement equals scikit-learn's and krippendorff's figures, and no figure is ever not a number."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from auditor.agreement import Agreement, Figures, measure_agreement
from auditor.decisions import Decision, DecisionFile

ANSWERS = (("keep", ""), ("relabel", "dog"), ("relabel", "bird"), ("drop", ""), ("unsure", ""))
NOTHING = Figures(None, None, None)


def made(annotator: str, answers: dict[str, tuple[str, str]], kind: str = "mislabeled") -> DecisionFile:
    rows = tuple(
        Decision(sample, f"digest {sample}", kind, decision, "cat", to)
        for sample, (decision, to) in answers.items()
    )
    return DecisionFile(f"{annotator}.json", "r", "f", annotator, "", rows)


def drawn(names: str, items: int, coverage: float, seed: int) -> tuple[list[DecisionFile], np.ndarray]:
    """Files of several annotators who mostly agree, and their answers (annotators, items), -1 = none."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(ANSWERS), size=items)
    codes = np.stack([np.where(rng.random(items) < 0.7, truth, rng.integers(len(ANSWERS), size=items))
                      for _ in names])  # fmt: skip
    codes[rng.random(codes.shape) > coverage] = -1
    files = [
        made(name, {f"s{i}": ANSWERS[c] for i, c in enumerate(row) if c >= 0})
        for name, row in zip(names, codes.tolist(), strict=True)
    ]
    return files, codes


def known(codes: np.ndarray) -> np.ndarray:
    return np.where(codes < 0, np.nan, codes)


@pytest.mark.parametrize("seed", range(5))
def test_two_annotators_get_sklearns_kappa(seed: int) -> None:
    files, codes = drawn("ab", 60, 1.0, seed)
    found = measure_agreement(files)
    assert found.answers.kappa == pytest.approx(cohen_kappa_score(*codes))
    assert found.answers.raw == pytest.approx((codes[0] == codes[1]).mean())
    merged = np.where(codes == 2, 1, codes)
    assert found.decisions.kappa == pytest.approx(cohen_kappa_score(*merged))
    assert found.decisions.raw == pytest.approx((merged[0] == merged[1]).mean())
    assert found.answers.alpha is found.decisions.alpha is None
    assert (found.annotators, found.items, found.shared) == (("a", "b"), 60, 60)


@pytest.mark.parametrize("seed", range(5))
def test_more_annotators_get_krippendorffs_alpha(seed: int) -> None:
    files, codes = drawn("abcd", 50, 0.6, seed)
    found = measure_agreement(files)
    assert found.answers.alpha == pytest.approx(
        krippendorff.alpha(known(codes), level_of_measurement="nominal")
    )
    merged = known(np.where(codes == 2, 1, codes))
    assert found.decisions.alpha == pytest.approx(krippendorff.alpha(merged, level_of_measurement="nominal"))
    assert found.answers.kappa is None
    shares = []
    for column in codes.T:
        said = column[column >= 0]
        pairs = [said[i] == said[j] for i in range(len(said)) for j in range(i)]
        shares += [np.mean(pairs)] if pairs else []
    assert found.answers.raw == pytest.approx(np.mean(shares))
    assert (found.items, found.shared) == ((codes >= 0).any(axis=0).sum(), len(shares))


@pytest.mark.parametrize("seed", range(3))
def test_two_annotators_with_gaps_get_both(seed: int) -> None:
    files, codes = drawn("ab", 80, 0.7, seed)
    found = measure_agreement(files)
    both = codes[:, (codes >= 0).all(axis=0)]
    assert found.shared == both.shape[1] < found.items
    assert found.answers.kappa == pytest.approx(cohen_kappa_score(*both))
    assert found.answers.alpha == pytest.approx(
        krippendorff.alpha(known(codes), level_of_measurement="nominal")
    )


def test_each_pair_is_compared_on_what_both_decided() -> None:
    files, codes = drawn("abc", 40, 0.7, 1)
    found = measure_agreement(files)
    assert [p.annotators for p in found.pairwise] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, (i, j) in zip(found.pairwise, [(0, 1), (0, 2), (1, 2)], strict=True):
        both = codes[[i, j]][:, (codes[[i, j]] >= 0).all(axis=0)]
        assert pair.items == both.shape[1]
        assert pair.raw == pytest.approx((both[0] == both[1]).mean())
        assert pair.kappa == pytest.approx(cohen_kappa_score(*both))


def figures(found: Agreement) -> list[Any]:
    parts = [*asdict(found.answers).values(), *asdict(found.decisions).values()]
    return [*parts, *(value for p in found.pairwise for value in (p.raw, p.kappa))]


@pytest.mark.parametrize(
    "files",
    [
        [],
        [made("a", {})],
        [made("a", {"x": ("keep", "")})],
        [made("a", {"x": ("keep", "")}), made("b", {"y": ("drop", "")})],
        [made("a", {"x": ("keep", "")}), made("b", {"x": ("keep", "")}, kind="off_topic")],
    ],
    ids=["no file", "empty file", "one annotator", "nothing shared", "other question"],
)
def test_nothing_shared_is_no_figure(files: list[DecisionFile]) -> None:
    found = measure_agreement(files)
    assert found.shared == 0
    assert found.answers == found.decisions == NOTHING
    assert all(p.items == 0 and p.raw is None and p.kappa is None for p in found.pairwise)


def test_a_blind_and_an_open_page_ask_the_same_about_a_label() -> None:
    files = [made("a", {"x": ("keep", "")}), made("b", {"x": ("keep", "")}, kind="label_check")]
    assert measure_agreement(files).shared == 1


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_one_answer_throughout_has_no_kappa_and_no_alpha(names: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_agreement([made(n, {f"s{i}": ("keep", "") for i in range(9)}) for n in names])
    assert set(figures(found)) == {1.0, None}
    assert found.answers.raw == 1.0
    assert found.answers.kappa is found.answers.alpha is None


def test_unsure_is_an_answer() -> None:
    a = made("a", {"x": ("unsure", ""), "y": ("keep", ""), "z": ("unsure", "")})
    b = made("b", {"x": ("unsure", ""), "y": ("keep", ""), "z": ("keep", "")})
    found = measure_agreement([a, b])
    assert found.shared == 3
    assert found.answers.raw == pytest.approx(2 / 3)
    assert found.answers.kappa == pytest.approx(cohen_kappa_score([0, 1, 0], [0, 1, 1]))


def test_other_classes_are_other_answers_but_the_same_decision() -> None:
    a = made("a", {"x": ("relabel", "dog"), "y": ("keep", "")})
    b = made("b", {"x": ("relabel", "__proto__"), "y": ("keep", "")})
    found = measure_agreement([a, b])
    assert (found.answers.raw, found.decisions.raw, found.decisions.kappa) == (0.5, 1.0, 1.0)


def test_the_latest_decision_counts_and_the_order_of_files_does_not() -> None:
    def at(time: str, decision: str) -> DecisionFile:
        row = Decision("x", "d", "mislabeled", decision, "cat", "", time=time)
        return DecisionFile("a.json", "r", "f", "a", "", (row,))

    early, late = at("2026-01-01T00:00:00Z", "drop"), at("2026-01-02T00:00:00Z", "keep")
    other = made("b", {"x": ("keep", "")})
    for files in ([early, late, other], [late, early, other]):
        assert measure_agreement(files).answers.raw == 1.0


def test_a_thousand_classes_need_little_memory() -> None:
    import tracemalloc

    rng = np.random.default_rng(0)
    names = [("relabel", f"class {i}") for i in range(1000)]
    truth = rng.integers(1000, size=1500).tolist()
    files = [
        made(
            who,
            {
                f"s{i}": names[c if rng.random() < 0.8 else int(rng.integers(1000))]
                for i, c in enumerate(truth)
            },
        )
        for who in "abc"
    ]
    tracemalloc.start()
    found = measure_agreement(files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 < (found.answers.alpha or 0) < 0.8
    assert peak < 100e6  # the library's own array would take 12 GB
