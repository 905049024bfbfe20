"""Which sample of one version is which sample of the other, and what the ledger says about it."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.arrays import as_ids
from auditor.comparisons.matching import Listing, match_rows


def listing(*rows: tuple[str, str, str]) -> Listing:
    """A listing of (id, digest, label)."""
    ids, digests, labels = (as_ids([row[column] for row in rows]) for column in range(3))
    return Listing(ids, digests, labels)


def pairs(before: Listing, after: Listing) -> set[tuple[str, str]]:
    found = match_rows(before, after)
    return {(before.ids[b], after.ids[a]) for b, a in zip(found.before, found.after, strict=True)}


def test_the_same_listing_matches_itself_row_by_row() -> None:
    same = listing(("a", "1", "x"), ("b", "1", "x"), ("c", "2", "y"), ("d", "", "y"))
    found = match_rows(same, same)
    assert found.before.tolist() == found.after.tolist() == [0, 1, 2, 3]
    assert not len(found.removed) + len(found.added) + len(found.unresolved_before)


def test_a_moved_file_is_the_same_sample() -> None:
    before, after = listing(("cat/1", "1", "cat")), listing(("dog/1", "1", "dog"))
    assert pairs(before, after) == {("cat/1", "dog/1")}


def test_another_picture_under_an_old_name_is_not_the_same_sample() -> None:
    before, after = listing(("a", "1", "x"), ("b", "2", "x")), listing(("a", "9", "x"), ("b", "2", "x"))
    found = match_rows(before, after)
    assert pairs(before, after) == {("b", "b")}
    assert (found.removed.tolist(), found.added.tolist()) == ([0], [0])


def test_a_repaired_file_is_the_same_sample() -> None:
    assert pairs(listing(("a", "", "x")), listing(("a", "5", "x"))) == {("a", "a")}


def test_copies_under_two_labels_stay_two_samples() -> None:
    before = listing(("rose/1", "1", "rose"), ("tulip/1", "1", "tulip"))
    assert pairs(before, listing(("r/7", "1", "rose"), ("t/7", "1", "tulip"))) == {
        ("rose/1", "r/7"),
        ("tulip/1", "t/7"),
    }
    # One of them dropped, the other renamed: the label tells which one is left.
    one = match_rows(before, listing(("t/7", "1", "tulip")))
    assert (one.before.tolist(), one.removed.tolist()) == ([1], [0])


def test_copies_that_cannot_be_told_apart_are_unresolved() -> None:
    before = listing(("a", "1", "rose"), ("b", "1", "tulip"), ("c", "2", "rose"))
    after = listing(("x", "1", "lily"), ("y", "1", "daisy"), ("c", "2", "rose"))
    found = match_rows(before, after)
    assert pairs(before, after) == {("c", "c")}
    assert (found.unresolved_before.tolist(), found.unresolved_after.tolist()) == ([0, 1], [0, 1])
    assert not len(found.removed) + len(found.added)


def test_copies_with_one_label_are_interchangeable() -> None:
    before = listing(("a", "1", "x"), ("b", "1", "x"), ("c", "1", "x"))
    found = match_rows(before, listing(("q", "1", "x"), ("p", "1", "x")))
    assert len(found.before) == 2
    assert len(found.removed) == 1


@pytest.mark.parametrize("seed", range(20))
def test_every_row_has_one_fate_and_swapping_mirrors_it(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int) -> Listing:
        names = rng.permutation(12)[:count]
        return listing(*((f"n{n}", str(rng.integers(5)), f"l{rng.integers(3)}") for n in names))

    before, after = some(9), some(8)
    there, back = match_rows(before, after), match_rows(after, before)
    fates = [*there.before, *there.removed, *there.unresolved_before]
    assert sorted(fates) == list(range(9))
    assert sorted([*there.after, *there.added, *there.unresolved_after]) == list(range(8))
    assert {(b, a) for a, b in pairs(after, before)} == pairs(before, after)
    assert (there.removed.tolist(), there.added.tolist()) == (back.added.tolist(), back.removed.tolist())
    assert there.unresolved_before.tolist() == back.unresolved_after.tolist()
