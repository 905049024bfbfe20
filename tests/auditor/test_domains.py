"""Two domains: every planted fault gets its own verdict, and little data gets none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from planted_domains import audit_of, planted
from stages import make_dataset

from auditor.comparisons.domain_pairs import worst_pairs
from auditor.comparisons.domain_verdicts import DomainBars
from auditor.comparisons.domains import DomainComparison, compare_domains, judge_whole
from auditor.comparisons.domains_document import domains_document
from auditor.comparisons.intervals import Interval
from auditor.errors import DataError, UsageError
from auditor.storage import load, save

STORIES = ("separated", "overlap", "misplaced border", "direction changed", "global shift")


def compare(story: str, d: int = 8, each: int = 50, seed: int = 0) -> DomainComparison:
    vectors, codes, domains = planted(story, d, each, seed)
    return compare_domains(audit_of(make_dataset(codes, domain=domains), vectors), "A", "B")


def verdicts(comparison: DomainComparison) -> tuple[str, Counter[str]]:
    """The verdict of the pair with the planted fault, and those of the three pairs of classes left alone."""
    told = {(p.a, p.b): p.verdict for p in comparison.pairs}
    return told[(0, 1)], Counter(verdict for (a, _), verdict in told.items() if a > 1)


@pytest.mark.parametrize(("d", "each"), [(8, 40), (16, 50), (64, 60)])
@pytest.mark.parametrize("story", STORIES)
def test_every_planted_fault_gets_its_verdict(story: str, d: int, each: int) -> None:
    for seed in (1, 2):
        told, others = verdicts(compare(story, d, each, seed))
        assert told == story
        assert others == {"separated": 3}


@pytest.mark.parametrize("story", STORIES)
def test_twenty_samples_a_class_tell_nothing(story: str) -> None:
    comparison = compare(story, each=20)
    assert {pair.verdict for pair in comparison.pairs} == {"cannot tell"}
    assert all("20 independent pictures" in pair.reason for pair in comparison.pairs)


@pytest.mark.parametrize("story", ["overlap", "direction changed"])
def test_many_dimensions_and_few_samples_are_no_overlap(story: str) -> None:
    """40 samples a class in 256 dimensions: what a probe cannot learn from them is not called overlap."""
    assert verdicts(compare(story, d=256, each=40, seed=1))[0] == story


def test_a_probe_that_still_gets_better_makes_no_overlap() -> None:
    """Classes three standard deviations apart would be told apart with more samples than these."""
    rng = np.random.default_rng(3)
    codes = np.tile(np.repeat(np.arange(5), 40), 2)
    domains = ["A"] * 200 + ["B"] * 200
    vectors = 3 / np.sqrt(2) * np.eye(5, 256)[codes] + rng.normal(size=(400, 256))
    vectors[200:] = 3 / np.sqrt(2) * np.eye(10, 256)[5 + codes[200:]] + rng.normal(size=(200, 256))
    comparison = compare_domains(audit_of(make_dataset(codes, domain=domains), vectors), "A", "B")
    told = Counter(pair.verdict for pair in comparison.pairs)
    assert told["overlap"] == 0
    assert told["direction changed"] + told["cannot tell"] == 10


def test_classes_apart_without_a_straight_border_are_no_overlap() -> None:
    """Each class in two opposite corners of a square: no probe tells them apart, every neighbour does."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.arange(300) % 3, 2)
    side = rng.choice([-3, 3], 600)
    vectors = 0.5 * rng.normal(size=(600, 8))
    vectors[:, 0] += np.where(codes < 2, side, 0)
    vectors[:, 1] += np.where(codes == 0, side, np.where(codes == 1, -side, 0))
    vectors[:, 2] += 6 * (codes == 2)
    dataset = make_dataset(codes, domain=["A"] * 300 + ["B"] * 300)
    comparison = compare_domains(audit_of(dataset, vectors), "A", "B")
    pair = next(p for p in comparison.pairs if (p.a, p.b) == (0, 1))
    assert pair.inside_auc.high < 0.9 < 0.97 < pair.neighbours_auc.estimate
    assert pair.verdict == "cannot tell"
    assert "not by a straight border" in pair.reason
    overlap = next(p for p in compare("overlap").pairs if (p.a, p.b) == (0, 1))
    assert overlap.neighbours_auc.high < 0.9


@pytest.mark.parametrize("story", ["misplaced border", "global shift"])
@pytest.mark.parametrize(("third", "said"), [(0, "With two classes"), (2, "The other classes have too few")])
def test_no_other_class_tells_a_misplaced_border_from_a_shift(story: str, third: int, said: str) -> None:
    """Two classes alone, or a third one with two test samples."""
    vectors, codes, domains = planted(story)
    kept = (codes < 2) | ((codes == 2) & ((np.arange(500) < 250) | (np.arange(500) < 350 + third)))
    kept &= (codes < 2) | (third > 0)
    dataset = make_dataset(codes[kept], domain=list(np.array(domains)[kept]))
    pair = next(
        p for p in compare_domains(audit_of(dataset, vectors[kept]), "A", "B").pairs if (p.a, p.b) == (0, 1)
    )
    assert pair.verdict == "cannot tell"
    assert said in pair.reason
    assert np.isnan(pair.centred.estimate)
    assert pair.border_loss.low > 0.05


def test_labels_of_the_test_domain_at_random_are_overlap() -> None:
    vectors, codes, domains = planted("separated", each=60)
    codes = codes.copy()
    codes[300:] = np.random.default_rng(0).permutation(codes[300:])
    comparison = compare_domains(audit_of(make_dataset(codes, domain=domains), vectors), "A", "B")
    assert {pair.verdict for pair in comparison.pairs} == {"overlap"}
    assert comparison.accuracy_test.low < 0.2 < comparison.accuracy_test.high
    assert np.mean([pair.inside_auc.estimate for pair in comparison.pairs]) == pytest.approx(0.5, abs=0.08)


def test_what_was_learned_holds_or_not() -> None:
    fine, moved = compare("separated"), compare("global shift")
    assert (fine.verdict, moved.verdict) == ("holds", "does not hold")
    assert fine.accuracy_test.estimate > 0.98
    assert moved.accuracy_test.estimate < 0.9 < 0.97 < moved.centred.estimate
    assert moved.centred_unlabelled.estimate > 0.97
    assert fine.shift < 0.2 < 0.8 < moved.shift


def test_nothing_learned_cannot_hold() -> None:
    """Labels at random in both domains: accuracy does not fall because there is none to lose."""
    rng = np.random.default_rng(1)
    codes = np.tile(np.arange(300) % 5, 2)
    dataset = make_dataset(codes, domain=["A"] * 300 + ["B"] * 300)
    comparison = compare_domains(audit_of(dataset, rng.normal(size=(600, 16))), "A", "B")
    assert comparison.verdict == "cannot tell"
    assert "not surely above chance (20 %)" in comparison.reason
    assert domains_document(comparison)["reason"] == comparison.reason


@pytest.mark.parametrize(
    ("learned", "fall", "verdict"),
    [
        ((0.85, 0.9, 0.95), (-0.01, 0.03, 0.08), "holds"),
        ((0.85, 0.9, 0.95), (0.021, 0.05, 0.08), "cannot tell"),
        ((0.85, 0.9, 0.95), (0.051, 0.06, 0.08), "does not hold"),
        ((0.85, 0.9, 0.95), (-0.05, 0.03, 0.11), "cannot tell"),
        ((0.19, 0.3, 0.4), (-0.01, 0.03, 0.08), "cannot tell"),
    ],
)
def test_a_sure_loss_is_never_called_holding(
    learned: tuple[float, float, float], fall: tuple[float, float, float], verdict: str
) -> None:
    def order(low: float, estimate: float, high: float) -> Interval:
        return Interval(estimate, low, high)

    assert judge_whole(order(*learned), order(*fall), 5)[0] == verdict


def test_unlabelled_centring_knows_that_shares_may_differ() -> None:
    """With nine in ten samples of one class the mean of all samples moves although no class does."""
    vectors, codes, domains = planted("separated", each=100)
    kept = (np.arange(1000) < 500) | (codes == 0) | (np.arange(1000) % 10 == 0)
    audit = audit_of(make_dataset(codes[kept], domain=list(np.array(domains)[kept])), vectors[kept])
    comparison = compare_domains(audit, "A", "B")
    assert comparison.centred.estimate > 0.95
    assert comparison.centred_unlabelled.estimate < comparison.centred.estimate - 0.03


def test_classes_that_move_by_themselves_come_first() -> None:
    moved = compare("misplaced border", each=100)
    assert {moved.moves[0].code, moved.moves[1].code} == {0, 1}
    assert moved.moves[1].own > 2 * moved.moves[2].own
    shifted = compare("global shift", each=100)
    assert shifted.shift > 0.8
    assert all(move.own < 0.3 < 0.9 < move.whole for move in shifted.moves if move.code > 1)
    assert all(move.whole < 0.25 for move in compare("separated", each=100).moves)


def test_both_directions_and_every_seed_run_and_the_same_seed_tells_the_same() -> None:
    vectors, codes, domains = planted("misplaced border")
    audit = audit_of(make_dataset(codes, domain=domains), vectors)
    first, again = (domains_document(compare_domains(audit, "A", "B", seed=5)) for _ in range(2))
    assert json.dumps(first) == json.dumps(again)
    back = compare_domains(audit, "B", "A", seed=5)
    assert back.sides.train.name == "B"
    assert verdicts(back)[0] in ("misplaced border", "cannot tell")
    np.testing.assert_array_equal(back.confusion_test.sum(axis=1), [50] * 5)


def test_the_order_of_the_rows_does_not_count() -> None:
    vectors, codes, domains = planted("direction changed", each=40)
    audits = []
    for order in (np.arange(400), np.random.default_rng(1).permutation(400)):
        ids = [f"s{row:03d}" for row in order]
        dataset = make_dataset(codes[order], domain=list(np.array(domains)[order]), id=ids)
        audits.append(compare_domains(audit_of(dataset, vectors[order]), "A", "B"))
    one, other = audits
    np.testing.assert_array_equal(one.confusion_train, other.confusion_train)
    assert [(p.a, p.b, p.verdict) for p in one.pairs] == [(p.a, p.b, p.verdict) for p in other.pairs]
    assert [n.clusters[0].ids for n in one.near] == [n.clusters[0].ids for n in other.near]


def test_copies_across_the_domains_are_listed_and_not_learned_from() -> None:
    """A picture of the test domain that is a copy of a training one under a wrong label teaches nothing."""
    vectors, codes, domains = planted("separated", each=40)
    vectors[0] = vectors[200]
    vectors[1] = vectors[240]
    audit = audit_of(make_dataset(codes, domain=domains), vectors, [(0, 200), (1, 240), (2, 3)])
    comparison = compare_domains(audit, "A", "B")
    assert [(leak.train, leak.test, leak.labels) for leak in comparison.leaks] == [
        (("r00000",), ("r00200",), ("0",)),
        (("r00001",), ("r00240",), ("0", "1")),
    ]
    assert comparison.classes[0].train_samples == 39, "of two copies with one label the first counts"
    assert comparison.confusion_train.sum() == 199
    assert comparison.confusion_test.sum() == 200


def test_members_of_a_group_count_together() -> None:
    """Sixty frames of twenty videos a class are twenty independent pictures."""
    vectors, codes, domains = planted("separated", each=60)
    groups = [f"{domain}{row // 3}" for row, domain in enumerate(domains)]
    audit = audit_of(make_dataset(codes, domain=domains, group=groups), vectors)
    comparison = compare_domains(audit, "A", "B")
    assert {pair.groups for pair in comparison.pairs} == {(20, 20)}
    assert {pair.verdict for pair in comparison.pairs} == {"cannot tell"}
    alone = compare("separated", each=60).accuracy_test
    assert alone.low > comparison.accuracy_test.low


@pytest.mark.parametrize("shared", [56, 60])
def test_domains_that_share_their_objects_hold_when_nothing_changed(shared: int) -> None:
    """60 objects a class, the same distribution in both domains, nearly all or all objects in both."""
    lost = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        codes = np.tile(np.arange(300) % 5, 2)
        vectors = rng.normal(size=(5, 32))[codes] + 2.2 * rng.normal(size=(600, 32))
        groups = [f"object {row % 300 if row % 300 < 5 * shared else row}" for row in range(600)]
        dataset = make_dataset(codes, domain=["A"] * 300 + ["B"] * 300, group=groups)
        comparison = compare_domains(audit_of(dataset, vectors), "A", "B")
        lost.append(comparison.drop.estimate)
        assert comparison.verdict != "does not hold"
        assert comparison.sides.shared_groups == domains_document(comparison)["shared_groups"] == 5 * shared
        assert (
            f"{5 * shared} independent groups have pictures in both 'A' and 'B'" in comparison.sides.notes[0]
        )
    assert abs(np.mean(lost)) < 0.05


def test_a_group_in_both_domains_does_not_vouch_for_itself() -> None:
    """The same vectors under random labels in both domains: accuracy stays at chance, not at one."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.arange(200) % 2, 2)
    vectors = np.tile(rng.normal(size=(200, 150)), (2, 1)) + 0.01 * rng.normal(size=(400, 150))
    groups = [f"object {row % 200}" for row in range(400)]
    dataset = make_dataset(codes, domain=["A"] * 200 + ["B"] * 200, group=groups)
    comparison = compare_domains(audit_of(dataset, vectors), "A", "B")
    assert comparison.accuracy_test.estimate < 0.65


def test_splits_stand_in_for_domains_and_say_so() -> None:
    vectors, codes, domains = planted("separated", each=35)
    audit = audit_of(make_dataset(codes, split=domains), vectors)
    comparison = compare_domains(audit, "A", "B")
    assert comparison.sides.column == "split"
    assert "its splits of these names are compared" in comparison.sides.notes[0]


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("A", "A", "was given twice"),
        ("A", "C", "has the domains 'A', 'B' and no splits"),
        ("", "B", "must be two domains"),
    ],
)
def test_wrong_names_are_one_sentence(train: str, test: str, said: str) -> None:
    vectors, codes, domains = planted("separated", each=4)
    with pytest.raises(UsageError, match=said):
        compare_domains(audit_of(make_dataset(codes, domain=domains), vectors), train, test)


def test_classes_of_one_domain_are_named_and_left_out() -> None:
    vectors, codes, domains = planted("separated", each=35)
    kept = ~((codes == 4) & (np.arange(350) < 175)) & ~((codes == 3) & (np.arange(350) >= 175))
    kept[[35 * 2 + row for row in range(1, 35)]] = False
    dataset = make_dataset(codes[kept], domain=list(np.array(domains)[kept]))
    comparison = compare_domains(audit_of(dataset, vectors[kept]), "A", "B")
    assert comparison.sides.classes == ("0", "1")
    assert [note.split(",")[0] for note in comparison.sides.notes] == [
        "Only in 'A'",
        "Only in 'B'",
        "With fewer than 2 independent pictures in 'A' to learn from",
    ]
    with pytest.raises(DataError, match="share 1 with at least 2 independent pictures"):
        only = (codes == 0) | ((codes == 1) & (np.arange(350) < 175))
        dataset = make_dataset(codes[only], domain=list(np.array(domains)[only]))
        compare_domains(audit_of(dataset, vectors[only]), "A", "B")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = ["__proto__", "</script><img src=x>", "=1+1", "a\nb", "\u202eevil" + "x" * 300]
    vectors, codes, domains = planted("overlap", each=32)
    places = ["'quoted\n\"" if place == "A" else "⁧🥑" for place in domains]
    audit = audit_of(make_dataset([names[code] for code in codes], domain=places), vectors)
    save(audit, tmp_path / "audit")
    document = domains_document(compare_domains(load(tmp_path / "audit"), places[0], places[-1]))
    assert document["classes"] == sorted(names)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    keys = {key for part in (*document["per_class"], *document["per_pair"]) for key in part}
    assert not keys & set(names)


def test_the_document_holds_the_comparison() -> None:
    comparison = compare("global shift")
    document = domains_document(comparison)
    assert (document["kind"], document["verdict"], document["p_value"]) == ("domains", "does not hold", None)
    low, high = document["interval"]
    assert low < document["estimate"] < high
    assert document["estimate"] == pytest.approx(comparison.accuracy_test.estimate, abs=1e-5)
    assert len(document["per_pair"]) == 10
    assert {part["verdict"] for part in document["per_pair"]} >= {"global shift"}


def test_worst_pairs_are_those_that_confuse_in_either_domain() -> None:
    k = 30
    left_out, carried = np.diag(np.full(k, 10)), np.diag(np.full(k, 10))
    left_out[3, 4], carried[7, 1], carried[20, 21] = 30, 10, 5
    assert worst_pairs(left_out, carried, 20, 5)[:3] == [(3, 4), (1, 7), (20, 21)]
    assert len(worst_pairs(left_out, carried, 20, 5)) == 5
    assert len(worst_pairs(left_out, carried, 30, 5)) == 435


def test_bars_can_be_moved() -> None:
    vectors, codes, domains = planted("separated", each=20)
    audit = audit_of(make_dataset(codes, domain=domains), vectors)
    loose = compare_domains(audit, "A", "B", bars=DomainBars(least_groups=10, apart_auc=0.8, border_fine=0.2))
    assert "separated" in {pair.verdict for pair in loose.pairs}
