"""Several models on one dataset: planted errors, twins, useless models, audits that do not fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from model_audits import planted_dataset, predict, true_codes, vector_audit, view
from stages import make_dataset

from auditor.comparisons.common_samples import find_common, join_groups
from auditor.comparisons.ensembles import (
    ADDS,
    ADDS_NOTHING,
    CANNOT_TELL,
    LAST_LEFT,
    NEGLIGIBLE_ACCURACY,
    SAME_VECTORS,
)
from auditor.comparisons.model_agreement import kappa, shrunk_kappa
from auditor.comparisons.model_errors import (
    MODEL_LIMITATION,
    TAGGING_ERROR,
    UNDECIDED,
)
from auditor.comparisons.models import ModelComparison, compare_models, distinct_names
from auditor.comparisons.models_document import models_document
from auditor.errors import DataError, UsageError
from auditor.results import Audit, Dataset

WRONG = (4, 30, 31, 77, 120, 179)
MISSED = (10, 50, 93, 140, 141)
"""Samples whose label is right and that the second model takes for the next class."""


def audit_of(codes: np.ndarray, seed: int, dataset: Dataset, **more: str) -> Audit:
    return vector_audit(dataset, view(codes, seed), **more)


def planted_audits() -> list[Audit]:
    """Two models that see the truth, and one that also misses `MISSED`."""
    codes, dataset = true_codes(), planted_dataset(WRONG)
    seen = codes.copy()
    seen[list(MISSED)] = (seen[list(MISSED)] + 1) % 3
    return [
        audit_of(codes, 1, dataset, name="first"),
        audit_of(seen, 2, dataset, name="second"),
        audit_of(codes, 3, dataset, name="third"),
    ]


@pytest.fixture(scope="module")
def planted() -> ModelComparison:
    return compare_models(planted_audits())


def told(comparison: ModelComparison, m: int, verdict: int) -> set[str]:
    errors = comparison.errors[m]
    return set(comparison.common.ids[errors.rows[errors.verdicts == verdict]])


def ids(rows: Sequence[int]) -> set[str]:
    return {f"r{row:05d}" for row in rows}


def test_planted_errors_are_divided_exactly(planted: ModelComparison) -> None:
    for m in range(3):
        assert told(planted, m, TAGGING_ERROR) == ids(WRONG)
        assert told(planted, m, MODEL_LIMITATION) == (ids(MISSED) if m == 1 else set())
        assert told(planted, m, UNDECIDED) == set()
        assert planted.errors[m].is_independent
        assert planted.errors[m].weights[m] == 0.0


def test_the_evidence_is_what_the_others_say(planted: ModelComparison) -> None:
    errors, codes = planted.errors[1], planted.common.codes
    first, third = (planted.models[m].probabilities.values[errors.rows] for m in (0, 2))
    w = np.array([errors.weights[0], errors.weights[2]])
    mean = (w[0] * first + w[1] * third) / w.sum()
    own = mean[np.arange(len(errors.rows)), codes[errors.rows]]
    np.testing.assert_allclose(errors.own_chance, own, atol=1e-6)
    limits = errors.verdicts == MODEL_LIMITATION
    assert (errors.own_chance[limits] > 0.6).all() and (errors.own_chance[~limits] < 0.08).all()
    assert (errors.neighbours_for[limits] == 1).all() and (errors.neighbours_for[~limits] == 0).all()


def test_ranking_puts_the_better_model_first(planted: ModelComparison) -> None:
    order = [ranked.model for ranked in planted.ranking.models]
    assert order[2] == 1
    best = planted.models[order[0]].separation.knn_accuracy
    for ranked in planted.ranking.models:
        figure = planted.models[ranked.model].separation.knn_accuracy
        assert ranked.knn_difference.estimate == pytest.approx(figure - best)
    # The two that see the truth tell the same: who of them is better cannot be told.
    assert not planted.ranking.is_clear
    assert models_document(planted)["verdict"] == "cannot tell"


def test_a_clearly_better_model_is_named() -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    good, poor = view(codes, 1), view(codes, 2, apart=1.5)
    found = compare_models([vector_audit(dataset, poor), vector_audit(dataset, good)], ["poor", "good"])
    document = models_document(found)
    assert found.ranking.is_clear and document["verdict"] == document["first"] == "good"
    low, high = document["interval"]
    assert 0 < low <= document["estimate"] <= high and document["p_value"] <= 0.01


def test_the_same_model_twice_adds_nothing() -> None:
    audit = planted_audits()[1]
    found = compare_models([audit, audit], ["a", "b"])
    (overlap,) = found.overlaps
    assert overlap.jaccard == overlap.kappa == 1.0 and overlap.only_a == overlap.only_b == 0
    assert overlap.both == len(WRONG) + len(MISSED)
    assert [c.verdict for c in found.ensemble.contributions] == [LAST_LEFT, SAME_VECTORS]
    assert [c.same_as for c in found.ensemble.contributions] == [None, 0]
    assert found.ensemble.accuracy_gain.estimate == found.ensemble.log_loss_gain.estimate == 0.0
    np.testing.assert_allclose(found.maps[0].positions, found.maps[1].positions, atol=1e-4)
    assert found.maps[1].likeness == pytest.approx(1.0)
    # Its own echo is no second opinion.
    assert all(set(errors.verdicts.tolist()) == {UNDECIDED} for errors in found.errors)
    assert not found.errors[0].is_independent and sum(found.errors[0].weights) == 0.0


def test_layers_of_one_network_are_no_independent_evidence() -> None:
    codes, dataset = true_codes(), planted_dataset(WRONG)
    audits = [audit_of(codes, seed, dataset, name=str(seed), weights="a" * 64) for seed in (1, 3)]
    found = compare_models(audits)
    assert not found.errors[0].is_independent
    assert found.errors[0].weights == (0.0, pytest.approx(0.5 * (1 - 1.5 * len(WRONG) / 180), abs=1e-3))
    assert told(found, 0, TAGGING_ERROR) == ids(WRONG)
    assert not models_document(found)["evidence"]["independent"]


def test_a_model_that_knows_nothing_is_no_evidence_and_does_no_harm() -> None:
    audits = planted_audits()[:2]
    noise = vector_audit(planted_dataset(WRONG), np.random.default_rng(5).normal(size=(180, 8)), "noise")
    found = compare_models([*audits, noise])
    assert max(errors.weights[2] for errors in found.errors) < 0.2
    assert told(found, 0, TAGGING_ERROR) == told(found, 1, TAGGING_ERROR) == ids(WRONG)
    assert told(found, 1, MODEL_LIMITATION) == ids(MISSED)


def test_two_opinions_that_differ_name_no_right_label() -> None:
    """The model and the other one both say that the label is wrong, and name different classes."""
    codes, dataset = true_codes(), make_dataset(true_codes())
    lost = np.flatnonzero(codes == 0)[:4]
    first, second = codes.copy(), codes.copy()
    first[lost], second[lost] = 1, 2
    found = compare_models([audit_of(first, 1, dataset, name="a"), audit_of(second, 2, dataset, name="b")])
    assert told(found, 0, UNDECIDED) == told(found, 1, UNDECIDED) == ids(lost.tolist())


def test_noise_adds_nothing_and_a_complement_adds() -> None:
    """Each of two views sees another pair of classes apart; the third sees nothing."""
    codes = np.arange(300) % 3
    dataset = make_dataset(codes)
    left, right = np.where(codes == 2, 1, codes), np.where(codes == 0, 1, codes)
    noise = np.random.default_rng(9).normal(size=(300, 8))
    audits = [vector_audit(dataset, v) for v in (view(left, 1, 4.0), view(right, 2, 4.0), noise)]
    together = compare_models(audits, ["left", "right", "noise"]).ensemble
    assert [c.verdict for c in together.contributions] == [ADDS, ADDS, ADDS_NOTHING]
    assert [c.left_at for c in together.contributions] == [0, 0, 1]
    assert together.accuracy_gain.interval[0] > 0.1
    assert together.contributions[0].accuracy is not None
    assert together.contributions[0].accuracy.interval[0] > 0.1


def test_what_a_model_adds_does_not_depend_on_a_harmful_one_beside_it() -> None:
    codes = np.arange(300) % 3
    dataset = make_dataset(codes)
    good = [vector_audit(dataset, view(codes, seed, apart)) for seed, apart in ((1, 3.0), (2, 2.8))]
    rng = np.random.default_rng(5)
    noise = [vector_audit(dataset, rng.normal(size=(300, 8))) for _ in range(2)]
    alone = compare_models(good, ["a", "b"]).ensemble
    beside = compare_models([*good, *noise], ["a", "b", "c", "d"]).ensemble
    assert [c.verdict for c in beside.contributions[2:]] == [ADDS_NOTHING] * 2
    assert beside.contributions[:2] == alone.contributions
    assert beside.kept_log_loss == pytest.approx(alone.log_loss)


def test_few_samples_cannot_show_that_a_model_adds_nothing() -> None:
    """Models that are always right lose nothing in any draw, and 12 or 45 samples still rule nothing out."""
    for count in (24, 45):
        codes = np.arange(count) % 3
        audits = [vector_audit(make_dataset(codes), view(codes, seed, 9.0)) for seed in (1, 2, 3)]
        found = compare_models(audits, ["a", "b", "c"]).ensemble.contributions
        assert [c.verdict for c in found] == [CANNOT_TELL] * 3 and not any(c.left_at for c in found)
        assert all(c.accuracy is not None and c.accuracy.interval[1] > NEGLIGIBLE_ACCURACY for c in found)


def test_a_model_leaves_only_where_a_loss_of_accuracy_is_ruled_out() -> None:
    """Two near twins: whoever leaves, the other stays; averaging a weak crowd does not hide the loss."""
    codes, rng = np.arange(240) % 4, np.random.default_rng(0)
    dataset = make_dataset(codes)
    seen = 2.6 * np.eye(8)[:4][codes] + rng.normal(size=(240, 8))
    turns = [np.linalg.qr(rng.normal(size=(8, 8)))[0] for _ in range(4)]
    audits = [vector_audit(dataset, (seen + 0.1 * rng.normal(size=(240, 8))) @ turn) for turn in turns]
    found = compare_models(audits, list("abcd")).ensemble.contributions
    assert {c.left_at for c in found} >= {0} and any(c.left_at for c in found)
    for c in found:
        assert (c.verdict == ADDS_NOTHING) == (c.left_at > 0)
        if c.left_at:
            assert c.accuracy is not None and c.accuracy.interval[1] <= NEGLIGIBLE_ACCURACY


def test_equal_vectors_with_predictions_are_one_model() -> None:
    """The classifier's audit is judged by itself, has no vectors of its own, and judges others once."""
    codes, dataset = true_codes(), planted_dataset(WRONG)
    first, other = audit_of(codes, 1, dataset), audit_of(codes, 3, dataset)
    plain = compare_models([first, other], ["first", "other"])
    found = compare_models([predict(first, codes), other, first], ["mine", "other", "first"])
    mine, _, own = found.ensemble.contributions
    assert (mine.verdict, mine.same_as, mine.left_at) == (SAME_VECTORS, 2, 0)
    assert own.verdict != SAME_VECTORS
    assert found.ensemble.log_loss == plain.ensemble.log_loss
    weights = found.errors[1].weights
    assert weights[0] == weights[2] > 0
    assert weights[0] + weights[2] == pytest.approx(plain.errors[1].weights[0])
    assert models_document(found)["ensemble"]["contributions"][0]["same_vectors_as"] == "first"


def test_overlap_counts_are_those_of_the_errors(planted: ModelComparison) -> None:
    overlap = next(o for o in planted.overlaps if (o.a, o.b) == (0, 1))
    w, m = len(WRONG), len(MISSED)
    assert (overlap.both, overlap.only_a, overlap.only_b) == (w, 0, m)
    assert overlap.jaccard == pytest.approx(w / (w + m))
    assert overlap.expected_both == pytest.approx(w * (w + m) / 180)
    assert planted.missed == (180 - w - m, m, 0, w)


def test_predictions_are_judged_by_the_others_not_by_their_own_probe() -> None:
    codes, dataset = true_codes(), planted_dataset(WRONG)
    labels = dataset.codes.astype(int)
    said = labels.copy()
    said[list(MISSED)] = (said[list(MISSED)] + 1) % 3
    found = compare_models([predict(audit_of(codes, 1, dataset), said), audit_of(codes, 3, dataset)])
    # The classifier has memorised the wrong labels: it errs on the missed samples alone.
    assert told(found, 0, MODEL_LIMITATION) == ids(MISSED)
    assert len(found.errors[0].rows) == len(MISSED)
    assert told(found, 1, TAGGING_ERROR) == ids(WRONG)
    part = models_document(found)["models"][0]
    assert part["predictions"] == {"accuracy": pytest.approx(1 - len(MISSED) / 180, abs=1e-5)}
    assert np.trace(np.array(part["confusion"]["values"])) == 180 - len(MISSED)


def test_a_copy_under_another_label_is_evidence() -> None:
    """A picture that is there twice under two labels: one of the two is wrong, whatever the bars."""
    codes = true_codes()
    codes[-1] = (codes[0] + 1) % 3
    vectors = [view(true_codes(), seed, apart=2.5) for seed in (1, 3)]
    for v in vectors:
        v[-1] = v[0]
    dataset = make_dataset(codes)
    found = compare_models([vector_audit(dataset, v, name=str(n)) for n, v in enumerate(vectors)])
    row = found.common.ids.tolist().index("r00179")
    errors = found.errors[0]
    place = np.flatnonzero(errors.rows == row)
    assert len(place) == 1 and errors.copy_label[place[0]] == codes[0]
    assert errors.verdicts[place[0]] == TAGGING_ERROR


def test_the_order_of_the_audits_changes_no_figure() -> None:
    audits, names = planted_audits(), ["x", "y", "z"]

    def figures(order: Sequence[int]) -> dict:
        found = models_document(compare_models([audits[i] for i in order], [names[i] for i in order]))
        models = {part.pop("name"): part for part in found["models"]}
        for part in models.values():
            part.pop("map")  # of the frame, which is the first audit's
        classes = {
            part["name"]: {m["model"]: m for m in (*part["models"], *part["errors"])}
            for part in found["per_class"]
        }
        pairs = {(p["a"], p["b"]): {m["model"]: m for m in p["models"]} for p in found["per_pair"]}
        found["ensemble"]["contributions"].sort(key=lambda part: part["model"])
        lists = {key: sorted(map(repr, found[key])) for key in ("misclassified",)}
        heads = {
            key: found[key] for key in ("verdict", "first", "estimate", "interval", "p_value", "ensemble")
        }
        return {**heads, "models": models, "classes": classes, "pairs": pairs, **lists}

    assert figures([0, 1, 2]) == figures([2, 0, 1])


def test_samples_that_an_audit_lacks_are_left_out_and_counted() -> None:
    codes, dataset = true_codes(), planted_dataset(WRONG)
    whole = vector_audit(dataset, view(codes, 1))
    kept = np.arange(20, 180)
    table = dataset.table.iloc[kept].reset_index(drop=True)
    table.loc[0, "label"] = "2" if table.loc[0, "label"] != "2" else "1"
    part = vector_audit(replace(dataset, table=table), view(codes, 2)[kept])
    # `vector_audit` numbers its rows from 0; the part starts at 20.
    common = find_common([whole, part])
    assert len(common.ids) == 159 and "r00020" not in set(common.ids)
    assert [(o.samples, o.other_label, o.missing) for o in common.left_out] == [(21, 1, 20), (1, 1, 0)]
    document = models_document(compare_models([whole, part]))
    assert document["dataset"]["samples"] == 159
    assert [part["samples"] for part in document["dataset"]["left_out"]] == [21, 1]


def test_a_part_is_judged_on_the_part_alone() -> None:
    """Neighbours and probabilities of the larger audit are made again without what the other one lacks."""
    codes, dataset = true_codes(), make_dataset(true_codes())
    vectors, kept = view(codes, 1, 3.0), np.arange(0, 180, 2)
    small = replace(dataset, table=dataset.table.iloc[kept].reset_index(drop=True))
    whole, part = vector_audit(dataset, vectors), vector_audit(small, vectors[kept])
    found = compare_models([whole, part], ["whole", "part"])
    np.testing.assert_allclose(
        found.models[0].probabilities.values, found.models[1].probabilities.values, atol=1e-5
    )
    assert found.models[0].separation.knn_accuracy == found.models[1].separation.knn_accuracy
    assert found.models[1].separation.knn_accuracy == part.separation.knn_accuracy


def test_copies_known_to_one_audit_are_left_out_for_all() -> None:
    """Classes of one cloud, every sample there twice; the second model sees no equal vectors."""
    dataset = make_dataset(np.tile(true_codes(), 2))
    once = np.tile(np.random.default_rng(0).normal(size=(180, 8)), (2, 1))
    copied = vector_audit(dataset, once)
    shaken = once + 1e-3 * np.random.default_rng(1).normal(size=(360, 8))
    alone = vector_audit(dataset, shaken)
    found = compare_models([copied, alone], ["copied", "shaken"])
    assert len(found.common.once) == 180
    assert (alone.duplicates.group == -1).all()
    assert alone.separation.knn_accuracy > found.models[1].separation.knn_accuracy + 0.1
    assert all(model.separation.knn_accuracy < 0.45 for model in found.models)
    assert all(model.separation.probe_accuracy < 0.45 for model in found.models)


def test_other_datasets_are_refused() -> None:
    one, other = (
        planted_audits()[0],
        vector_audit(make_dataset(np.arange(90) % 3), view(np.arange(90) % 3, 1)),
    )
    strange = replace(other, dataset=make_dataset(["x", "y", "z"] * 30), embeddings=replace(other.embeddings))
    with pytest.raises(DataError, match=r"not of the same dataset.* 0 have the same id, label and picture"):
        find_common([one, strange])
    with pytest.raises(UsageError, match="at least two audits, got 1"):
        compare_models([one])
    with pytest.raises(UsageError, match="a name of its own"):
        compare_models([one, one], ["a", "a"])


def test_names_are_made_distinct() -> None:
    assert distinct_names(["a", "b", "a", "a (2)", "a"]) == ("a", "b", "a (3)", "a (2)", "a (4)")
    assert distinct_names(["__proto__"] * 2) == ("__proto__", "__proto__ (2)")


def test_groups_are_joined_by_any_of_the_partitions() -> None:
    a, b = np.array([0, 0, -1, 5, -1, -1], np.int32), np.array([-1, 7, 7, -1, -1, -1], np.int32)
    assert join_groups([a, b]).tolist() == [0, 0, 0, -1, -1, -1]
    assert join_groups([b, a]).tolist() == [0, 0, 0, -1, -1, -1]


def test_kappa_is_scikit_learns() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    a, b = rng.random(200) < 0.3, rng.random(200) < 0.4
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert kappa(a, a) == 1.0 and kappa(a & False, a & False) == 0.0
    assert shrunk_kappa(a[:4] | True, a[:4] | True) == 0.0
    assert 0.8 < shrunk_kappa(a, a) < 1.0
