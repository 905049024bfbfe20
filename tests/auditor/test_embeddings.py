"""Embedding a dataset: only what is new, resumed, copies once, the same whatever the order."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor import embeddings
from auditor.arrays import Floats
from auditor.dataset import read_dataset
from auditor.embeddings import embed, run_embedding, unit_rows
from auditor.errors import DataError, WeightsError
from auditor.results import Backbone, Dataset, Embeddings
from auditor.store import Store


@dataclass
class ToyEncoder:
    """Mean colour of each quarter and a constant: 13 numbers."""

    backbone: Backbone = Backbone("toy", "", "", 13, "8 px", "fp32")  # noqa: RUF009 - frozen
    input_size: int = 8
    batch_size: int = 4
    seen: list[int] = field(default_factory=list)
    stop_on: NDArray[np.uint8] | None = None
    slow_on: NDArray[np.uint8] | None = None

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(rgb).resize((8, 8), Image.Resampling.BOX))

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        if self.stop_on is not None and any((square == self.stop_on).all() for square in batch):
            raise KeyboardInterrupt
        if self.slow_on is not None and any((square == self.slow_on).all() for square in batch):
            time.sleep(0.1)
        self.seen.append(len(batch))
        quarters = batch.reshape(len(batch), 2, 4, 2, 4, 3).mean(axis=(2, 4)).reshape(len(batch), 12)
        return np.c_[quarters, np.full(len(batch), 50.0)].astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for i in range(14):
        (root / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((24, 20), Image.Resampling.NEAREST).save(
            root / "ab"[i % 2] / f"{i:02}.png"
        )
    return root


def vector_of(found: Embeddings, sample: str) -> Floats:
    return np.asarray(found.vectors[list(found.ids).index(sample)])


def test_vectors_are_the_encoders_scaled_to_unit_length(folder: Path) -> None:
    dataset, toy = read_dataset(folder), ToyEncoder()
    facts, found = embed(dataset, toy)
    assert (found.ids == dataset.ids).all() and facts.readable.all()
    assert sorted(toy.seen) == [2, 4, 4, 4]
    for sample in dataset.ids:
        square = toy.prepare(np.asarray(Image.open(folder / sample)))
        np.testing.assert_allclose(
            vector_of(found, sample), unit_rows(toy.encode(square[None]))[0], rtol=1e-6
        )


def test_a_batch_that_is_overtaken_keeps_its_place(folder: Path) -> None:
    dataset = read_dataset(folder)
    first = ToyEncoder().prepare(np.asarray(Image.open(folder / dataset.ids[0])))
    slow = ToyEncoder(slow_on=first)
    found = embed(dataset, slow)[1]
    np.testing.assert_array_equal(found.vectors, embed(dataset, ToyEncoder())[1].vectors)


@pytest.mark.parametrize("workers", [1, 5])
def test_workers_and_batches_change_nothing(folder: Path, workers: int) -> None:
    dataset = read_dataset(folder)
    found = run_embedding(dataset, ToyEncoder(batch_size=3), workers=workers).embeddings
    np.testing.assert_array_equal(found.vectors, embed(dataset, ToyEncoder())[1].vectors)


def test_second_run_embeds_nothing(folder: Path, tmp_path: Path) -> None:
    dataset, toy = read_dataset(folder), ToyEncoder()
    first = run_embedding(dataset, toy, store=Store(tmp_path / "store"))
    batches = list(toy.seen)
    second = run_embedding(dataset, toy, store=Store(tmp_path / "store"))
    assert (first.decoded, first.encoded, second.decoded, second.encoded) == (14, 14, 0, 0)
    assert toy.seen == batches
    np.testing.assert_array_equal(first.embeddings.vectors, second.embeddings.vectors)
    assert (first.facts.digest == second.facts.digest).all()
    assert (first.facts.signature == second.facts.signature).all()


def test_only_new_and_changed_files_are_read(folder: Path, tmp_path: Path) -> None:
    store, toy = Store(tmp_path / "store"), ToyEncoder()
    run_embedding(read_dataset(folder), toy, store=store)
    Image.new("RGB", (30, 30), "teal").save(folder / "a" / "00.png")
    Image.new("RGB", (30, 30), "gold").save(folder / "b" / "new.png")
    again = run_embedding(read_dataset(folder), toy, store=store)
    assert (again.decoded, again.encoded) == (2, 2)
    np.testing.assert_array_equal(
        again.embeddings.vectors, embed(read_dataset(folder), ToyEncoder())[1].vectors
    )


def test_another_backbone_shares_facts_but_not_vectors(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    run_embedding(dataset, ToyEncoder(), store=store)
    other = ToyEncoder(backbone=Backbone("toy", "", "", 13, "8 px", "bf16"))
    assert run_embedding(dataset, other, store=store).encoded == 14


def test_a_stopped_run_goes_on_where_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "SHARD_IMAGES", 4)
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    ninth = ToyEncoder().prepare(np.asarray(Image.open(folder / dataset.ids[8])))
    with pytest.raises(KeyboardInterrupt):
        run_embedding(dataset, ToyEncoder(stop_on=ninth), store=store)
    rest = run_embedding(dataset, ToyEncoder(), store=Store(tmp_path / "store"))
    assert rest.encoded == 14 - 8
    np.testing.assert_array_equal(rest.embeddings.vectors, embed(dataset, ToyEncoder())[1].vectors)


def test_copies_are_encoded_once(folder: Path, tmp_path: Path) -> None:
    picture = (folder / "a" / "00.png").read_bytes()
    for i in range(9):
        (folder / "b" / f"copy{i}.png").write_bytes(picture)
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    run = run_embedding(dataset, ToyEncoder(), store=store)
    assert (run.decoded, run.encoded) == (23, 14)
    for i in range(9):
        np.testing.assert_array_equal(
            vector_of(run.embeddings, f"b/copy{i}.png"), vector_of(run.embeddings, "a/00.png")
        )
    other = ToyEncoder(backbone=Backbone("other", "", "", 13, "8 px", "fp32"))
    again = run_embedding(dataset, other, store=store)
    assert (again.decoded, again.encoded) == (14, 14)
    np.testing.assert_array_equal(again.embeddings.vectors, run.embeddings.vectors)


def test_unreadable_and_missing_files_have_facts_only(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "broken.png").write_bytes(b"not a picture")
    dataset = read_dataset(folder)
    (folder / "a" / "02.png").unlink()
    store = Store(tmp_path / "store")
    facts, found = embed(dataset, ToyEncoder(), store=store)
    bad = {"a/broken.png", "a/02.png"}
    assert set(facts.ids[~facts.readable]) == bad == set(dataset.ids) - set(found.ids)
    assert all(facts.error[~facts.readable])
    Image.new("RGB", (9, 9), "red").save(folder / "a" / "02.png")
    assert embed(dataset, ToyEncoder(), store=store)[0].readable.sum() == 14


def test_nothing_readable(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 14 pictures of data is readable, the first because"):
        embed(read_dataset(folder), ToyEncoder())


def test_progress_counts_what_is_to_do(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    embed(read_dataset(folder), ToyEncoder(), progress=lambda *step: seen.append(step))
    assert seen == [("embed", i, 14) for i in range(1, 15)]


def test_permuting_the_dataset_permutes_the_vectors(folder: Path) -> None:
    dataset = read_dataset(folder)
    order = np.random.default_rng(1).permutation(len(dataset))
    table = dataset.table.iloc[order].reset_index(drop=True)
    shuffled = Dataset(dataset.name, dataset.root, dataset.classes, table)
    np.testing.assert_array_equal(
        embed(shuffled, ToyEncoder())[1].vectors, embed(dataset, ToyEncoder())[1].vectors[order]
    )


def test_values_that_are_not_finite_are_an_error(folder: Path) -> None:
    class Broken(ToyEncoder):
        def encode(self, batch: NDArray[np.uint8]) -> Floats:
            return np.full((len(batch), 13), np.nan, dtype=np.float32)

    with pytest.raises(WeightsError, match="not finite"):
        embed(read_dataset(folder), Broken())


def test_unit_rows() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0], [1e-30, 0], [3e30, 4e30]], dtype=np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [1, 0], [1, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_pictures_leave_their_pages_to_the_next_one() -> None:
    script = """
import resource
import numpy as np
from auditor.encoding import keep_pages
keep_pages()
np.ones(600_000, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    np.ones(600_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    made = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(made.stdout) < 2_000  # fresh pages would be 147 for each of the 200
