"""A dataset embedded shard by shard: whole parts, only what is missing, the same vectors as in one go."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from stamps import BACKBONE, DIMENSIONS, StampEncoder, encoded, make_pictures

from auditor import sharding
from auditor.dataset import read_dataset
from auditor.embeddings import embed, run_embedding
from auditor.errors import DataError, OutputError, WeightsError
from auditor.part_files import PART_SUFFIX
from auditor.results import Dataset
from auditor.sharding import Embedded, Embedder, Here, embed_into, plan_shards, rows_per_shard
from auditor.store import Store
from auditor.vector_parts import PartFolder

COUNT = 200


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharding, "LEAST_ROWS", 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "data", COUNT)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.mkdir()
    return made


def embed_here(dataset: Dataset, store: Store, encoder: StampEncoder | None = None) -> Embedded:
    return embed_into(store, dataset, BACKBONE.key(), Here(Embedder(encoder or StampEncoder(), 2)))


def parts(store: Store, suffix: str = PART_SUFFIX) -> list[Path]:
    return sorted(store.folder.glob(f"parts/*/*{suffix}"))


def ids_of(store: Store) -> list[str]:
    return sorted(i for part in parts(store) for i in pq.read_table(part, columns=["id"])["id"].to_pylist())


def test_a_run_finds_what_the_shards_hold_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    assert embed_here(dataset, store) == Embedded(COUNT, COUNT, COUNT)
    assert len(parts(store)) == -(-COUNT // rows_per_shard(COUNT)) == 4
    assert ids_of(store) == sorted(dataset.ids)
    alone = run_embedding(dataset, StampEncoder())
    found = run_embedding(dataset, StampEncoder(), store=Store(store.folder))
    assert (found.decoded, found.encoded) == (0, 0)
    np.testing.assert_array_equal(found.embeddings.vectors, alone.embeddings.vectors)
    for name in ("digest", "byte_digest", "signature", "perceptual_hash", "width", "readable"):
        np.testing.assert_array_equal(getattr(found.facts, name), getattr(alone.facts, name))
    for name, values in alone.facts.quality.items():
        np.testing.assert_array_equal(found.facts.quality[name], values)


def test_a_part_is_a_table_for_everyone(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    embed_here(read_dataset(folder), store)
    table = pq.read_table(parts(store)[0])
    assert table.schema.field("vector").type.list_size == DIMENSIONS
    told = json.loads(parts(store, ".done")[0].read_text())
    assert (told["rows"], told["backbone"]) == (len(table), BACKBONE.key())


def test_only_what_is_new_or_changed_is_embedded(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    embed_here(read_dataset(folder), store)
    assert embed_here(read_dataset(folder), Store(store.folder)).encoded == 0
    first, other = sorted(folder.rglob("*.png"))[:2]
    first.write_bytes(
        make_pictures(tmp_path / "new", COUNT + 1).joinpath("class 0", "00200.png").read_bytes()
    )
    (folder / "class 1" / "copy.png").write_bytes(other.read_bytes())
    again = embed_here(read_dataset(folder), Store(store.folder))
    assert (again.samples, again.embedded, again.encoded) == (COUNT + 1, COUNT + 1, 2)
    assert len(parts(store)) == 5, "few new rows come together in one part"


def test_a_store_of_a_run_and_its_parts_are_one(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    half = Dataset(
        dataset.name, dataset.root, dataset.classes, dataset.table.iloc[::2].reset_index(drop=True)
    )
    embed(half, StampEncoder(), store=store)
    assert embed_here(dataset, store).encoded == COUNT // 2
    found = run_embedding(dataset, StampEncoder(), store=Store(store.folder))
    assert (found.decoded, found.encoded) == (0, 0)
    np.testing.assert_array_equal(found.embeddings.vectors, embed(dataset, StampEncoder())[1].vectors)
    assert Store(store.folder).info()["vectors"] == Store(store.folder).info()["facts"] == COUNT
    assert Store(store.folder).clear() > 0
    assert Store(store.folder).info()["facts"] == 0 and not parts(store)


class StopError(Exception):
    pass


class Stopping(StampEncoder):
    """Fails at the batch after so many pictures."""

    left = 80

    def encode(self, batch: np.ndarray) -> np.ndarray:
        self.left -= len(batch)
        if self.left < 0:
            raise StopError
        return super().encode(batch)


def test_what_was_stopped_goes_on_with_the_shards_that_are_missing(
    folder: Path, tmp_path: Path, log: Path
) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    with pytest.raises(StopError):
        embed_here(dataset, store, Stopping(log))
    size = rows_per_shard(COUNT)
    assert [len(pq.read_table(part)) for part in parts(store)] == [size]
    rest = embed_here(dataset, Store(store.folder), StampEncoder(log))
    assert rest.encoded == COUNT - size
    assert sum(encoded(log).values()) <= COUNT + size
    assert ids_of(store) == sorted(dataset.ids)
    whole = Store(tmp_path / "whole")
    embed_here(dataset, whole)
    assert [p.name for p in parts(store)] == [p.name for p in parts(whole)], "the same shards"
    assert [p.read_bytes() for p in parts(store)] == [p.read_bytes() for p in parts(whole)], "the same bytes"


def test_scattered_rows_come_together_and_whole_stretches_stay(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharding, "LEAST_ROWS", 10)
    monkeypatch.setattr(sharding, "WANTED_SHARDS", 20)
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    shards, known = plan_shards(dataset, BACKBONE.key(), store)
    assert [len(shard.ids) for shard in shards] == [10] * 20 and known.rows == 0
    assert [i for shard in shards for i in shard.ids] == dataset.ids.tolist()
    assert len({shard.name for shard in shards}) == 20
    few = np.r_[np.arange(0, 100, 5), np.arange(100, 120)]
    known_rows = np.setdiff1d(np.arange(COUNT), few)
    table = dataset.table.iloc[known_rows].reset_index(drop=True)
    embed(Dataset(dataset.name, dataset.root, dataset.classes, table), StampEncoder(), store=store)
    left, _ = plan_shards(dataset, BACKBONE.key(), store)
    assert [len(shard.ids) for shard in left] == [10, 10, 10, 10]
    assert left[-1] == shards[11], "a stretch that is missing as a whole is the same shard again"


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "marker cut", "marker flipped", "other shape"])
def test_a_damaged_part_is_told_and_made_again(folder: Path, tmp_path: Path, damage: str) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    part = parts(store)[1]
    marker = part.with_suffix(".done")
    content, told = bytearray(part.read_bytes()), bytearray(marker.read_bytes())
    if damage == "cut":
        part.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 3] ^= 4
        part.write_bytes(content)
    elif damage == "gone":
        part.unlink()
    elif damage == "marker cut":
        marker.write_bytes(told[: len(told) // 2])
    elif damage == "marker flipped":
        told[told.index(b'"sha256": "') + 20] ^= 1
        marker.write_bytes(told)
    else:
        marker.write_text(json.dumps(["rows", 3]))
    rows = len(parts(store)) and rows_per_shard(COUNT)
    said: list[str] = []
    read = run_embedding(dataset, StampEncoder(), store=Store(store.folder, said.append))
    assert len(said) == 1 and "damaged" in said[0]
    assert 0 < read.encoded <= rows
    np.testing.assert_array_equal(read.embeddings.vectors, embed(dataset, StampEncoder())[1].vectors)


def test_embedding_again_takes_the_damaged_part_away(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    part = parts(store)[0]
    rows, whole = len(pq.read_table(part)), part.read_bytes()
    part.write_bytes(whole[:-1])
    said: list[str] = []
    assert embed_here(dataset, Store(store.folder, said.append)).encoded == rows
    assert len(said) == 1
    assert part.read_bytes() == whole
    assert embed_here(dataset, Store(store.folder, said.append)).encoded == 0
    assert len(said) == 1


def test_a_part_that_another_run_made_again_stays(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    part, marker = parts(store)[0], parts(store, ".done")[0]
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    found = PartFolder(part.parent, json.loads(marker.read_text())["facts"], print)
    assert not found.has_vectors(pq.read_table(io.BytesIO(whole))["digest"].to_pylist()).any()
    part.write_bytes(whole)  # by another run, after this one has read it
    found.tidy()
    assert marker.exists() and part.read_bytes() == whole
    assert embed_here(dataset, Store(store.folder)).encoded == 0


def test_what_killed_writers_left_long_ago_is_taken_away(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    old, new = (parts(store)[0].with_name(f".part.{pid}-0123abcd.tmp") for pid in (1, 2))
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    embed_here(dataset, Store(store.folder))
    assert (old.exists(), new.exists()) == (False, True), "the new one may still be written"


def test_a_part_without_its_marker_does_not_count(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    marker = parts(store, ".done")[2]
    rows = json.loads(marker.read_text())["rows"]
    marker.unlink()
    assert embed_here(dataset, Store(store.folder)).encoded == rows
    assert ids_of(store) == sorted(dataset.ids)


def test_facts_of_another_decoder_are_made_again_but_not_the_vectors_of_the_same_pixels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    embed_here(dataset, store)
    monkeypatch.setattr("auditor.store.FACTS_VERSION", 99)
    monkeypatch.setattr("auditor.sharding.facts_version", lambda: "facts 99")
    later = Store(store.folder)
    assert later.known_facts([dataset.contents.key(p) for p in dataset.table["path"]]) == {}
    digests = embed(dataset, StampEncoder())[0].digest.tolist()
    assert later.find_vectors(BACKBONE.key(), digests)[0].all()
    assert embed_here(dataset, later).encoded == COUNT


def test_unreadable_files_are_counted_and_tried_again_where_they_could_not_be_opened(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "class 0" / "broken.png").write_bytes(b"no picture")
    (folder / "class 1" / "gone.png").write_bytes(b"x")
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    (folder / "class 1" / "gone.png").unlink()
    assert embed_here(dataset, store) == Embedded(COUNT + 2, COUNT, COUNT)
    assert ids_of(store) == sorted(set(dataset.ids) - {"class 1/gone.png"})
    (folder / "class 1" / "gone.png").write_bytes((folder / "class 0" / "00000.png").read_bytes())
    later = embed_here(dataset, Store(store.folder))
    assert (later.samples, later.embedded) == (COUNT + 2, COUNT + 1)


def test_nothing_readable(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DataError, match=f"None of the {COUNT} pictures of data is readable, .* empty"):
            embed_here(read_dataset(folder), Store(tmp_path / "store"))


def test_pictures_that_are_elsewhere_are_an_error(folder: Path, tmp_path: Path) -> None:
    dataset, store = read_dataset(folder), Store(tmp_path / "store")
    shards, _ = plan_shards(dataset, BACKBONE.key(), store)
    folder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"does not see the pictures .* DATA under the same path"):
        sharding.embed_shard(shards[0], dataset, Embedder(StampEncoder()), store)


def test_a_network_that_gives_no_numbers_leaves_no_part(folder: Path, tmp_path: Path) -> None:
    class Broken(StampEncoder):
        def encode(self, batch: np.ndarray) -> np.ndarray:
            return np.full((len(batch), DIMENSIONS), np.nan, np.float32)

    store = Store(tmp_path / "store")
    with pytest.raises(WeightsError, match="not finite"):
        embed_here(read_dataset(folder), store, Broken())
    assert not parts(store)


def test_a_store_that_cannot_be_written_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (store.folder / "parts").write_text("a file where a folder is needed")
    with pytest.raises(OutputError, match="cannot be written"):
        embed_here(read_dataset(folder), store)


def test_progress_counts_pictures(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run = Here(Embedder(StampEncoder(), 2))
    embed_into(
        Store(tmp_path / "store"), read_dataset(folder), BACKBONE.key(), run, lambda *step: told.append(step)
    )
    assert told == sorted(told) and told[-1] == ("embed", COUNT, COUNT)
    assert {done for _, done, _ in told} == set(range(1, COUNT + 1))
