"""Lists searched block against block find what a search of whole lists finds."""

from __future__ import annotations

import numpy as np
import pytest
from stages import make_embeddings

from auditor import lists, shared_lists
from auditor.arrays import Floats
from auditor.lists import best_of, make_lists, search_lists
from auditor.machines import ThisMachine
from auditor.searching import search
from auditor.shared_lists import cut_lists, search_shared_lists


class Apart(ThisMachine):
    """This machine, treated as if its memory were that of many."""

    alone = False
    size = 2


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "TASK_ROWS", 150)
    monkeypatch.setattr(shared_lists, "TASK_ROWS", 150)


def clustered(count: int, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, 40))
    return make_embeddings(centres[np.arange(count) % 10] + 0.6 * rng.normal(size=(count, 40))).vectors


def quiet(share: float) -> None:
    pass


@pytest.mark.parametrize("probes", [1, 7, 10_000])
def test_finds_what_whole_lists_hold(probes: int) -> None:
    vectors = clustered(1200)
    made = make_lists(vectors, 0, quiet)
    told: list[float] = []
    found, cosine = search_shared_lists(vectors, made, (probes, 9), told.append, Apart())
    wanted, likeness = search_lists(vectors, made, probes, 9, quiet)
    np.testing.assert_allclose(cosine, likeness, atol=1e-6)
    assert (found == wanted).mean() > 0.999
    assert told == sorted(told) and told[-1] == 1.0


def test_blocks_are_whole_lists_and_hold_every_row() -> None:
    made = make_lists(clustered(1200), 0, quiet)
    bounds = cut_lists(made)
    assert [a for a, _ in bounds[1:]] == [b for _, b in bounds[:-1]]
    assert (bounds[0][0], bounds[-1][1]) == (0, len(made.visits))
    rows = [int(made.starts[b] - made.starts[a]) for a, b in bounds]
    assert sum(rows) == 1200 and min(rows) > 0 and len(bounds) > 4


def test_lists_at_the_end_may_be_empty() -> None:
    made = make_lists(clustered(600), 0, quiet)
    padded = lists.Lists(
        made.centres, made.order, np.r_[made.starts, [600] * 5], np.pad(made.visits, (0, 5), mode="edge")
    )
    bounds = cut_lists(padded)
    assert bounds[-1][1] == len(padded.starts) - 1
    assert all(padded.starts[a] < padded.starts[b] for a, b in bounds)


def test_the_whole_search_is_that_of_one_memory() -> None:
    vectors = clustered(2000)
    here, apart = search(vectors, 15, exact_limit=100), search(vectors, 15, exact_limit=100, machines=Apart())
    assert apart.method == here.method and apart.recall == pytest.approx(here.recall, abs=0.005)
    np.testing.assert_allclose(apart.similarities, here.similarities, atol=1e-6)


def test_equal_rows_are_in_order_of_rows() -> None:
    vectors = np.vstack([np.tile(clustered(1), (300, 1)), clustered(500, 1)])
    made = make_lists(vectors, 0, quiet)
    found, cosine = search_shared_lists(vectors, made, (32, 5), quiet, Apart())
    assert (found != np.arange(800)[:, None]).all()
    tied = np.diff(cosine, axis=1) == 0
    assert tied.any() and (np.diff(found, axis=1)[tied] > 0).all()
    everything = search_shared_lists(vectors, made, (10_000, 5), quiet, Apart())
    exact = best_of(vectors[300:], vectors, 6)
    np.testing.assert_allclose(everything[1][300:], np.sort(exact[1], axis=1)[:, ::-1][:, 1:6], atol=1e-6)
