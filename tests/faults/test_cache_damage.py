"""A damaged cache: what is passed over is made again and said; never a wrong vector, never an exception."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from command import Command
from faults.tally import tally
from faults.world import Quarters, content, make_photos, set_hooks
from pictures import make_folders

from auditor import store as stores
from auditor.dataset import read_dataset
from auditor.embeddings import EmbedRun, run_embedding
from auditor.errors import DataError
from auditor.results import Dataset
from auditor.sharding import Embedder, Here, embed_into
from auditor.stages import Kept, StageFolder
from auditor.store import MARKER_NAME, STORE_VERSION, Store

BITS = 8
SMALL = 1_000
"""Bytes of a file of which every bit is changed; of larger ones some in their head and beyond."""

Fill = Callable[[Dataset, Store], object]


@dataclass(frozen=True)
class Cache:
    """A filled store of a few pictures, to be copied and damaged; and what is right.

    `fill` stores what is missing: as a run does, or as `auditor embed`.
    """

    folder: Path
    dataset: Dataset
    right: EmbedRun
    fill: Fill

    def files(self) -> list[Path]:
        """All files, by kind: the marker, what is for people, keys, rows."""
        return sorted((p for p in self.folder.rglob("*") if p.is_file()), key=lambda p: (p.suffix, str(p)))

    def is_right_with(self, damaged: Path) -> list[str]:
        """Run with a damaged copy; assert that the result is right, and return what was said."""
        said: list[str] = []
        with_what_is_left = Store(damaged, said.append)
        assert same(run_embedding(self.dataset, Quarters(), store=with_what_is_left), self.right)
        assert len(said) <= 1
        return said

    def survives(self, damaged: Path) -> list[str]:
        """The same, and what was damaged is made again, so that the next run has nothing to say or to do."""
        said = self.is_right_with(damaged)
        self.fill(self.dataset, Store(damaged, lambda sentence: None))
        after: list[str] = []
        again = run_embedding(self.dataset, Quarters(), store=Store(damaged, after.append))
        assert same(again, self.right)
        assert (again.decoded, again.encoded, after) == (0, 0, [])
        return said


def same(one: EmbedRun, two: EmbedRun) -> bool:
    if not np.array_equal(one.embeddings.vectors, two.embeddings.vectors):
        return False
    for f in fields(one.facts):
        a, b = getattr(one.facts, f.name), getattr(two.facts, f.name)
        pairs = [(a[n], b[n]) for n in a] if isinstance(a, dict) else [(a, b)]
        if not all(np.array_equal(x, y) for x, y in pairs):
            return False
    return True


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda handle: None)


def fill_as_a_run(dataset: Dataset, store: Store) -> None:
    run_embedding(dataset, Quarters(), store=store)


def fill_as_embed(dataset: Dataset, store: Store) -> None:
    embedder = Embedder(Quarters(), workers=1)
    embed_into(store, dataset, embedder.key, Here(embedder))


@pytest.fixture(scope="module", params=[fill_as_a_run, fill_as_embed])
def cache(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Cache:
    folder = tmp_path_factory.mktemp("cache")
    dataset = read_dataset(make_folders(folder / "photos", ("rings", "steps"), each=2))
    request.param(dataset, Store(folder / "store"))
    return Cache(folder / "store", dataset, run_embedding(dataset, Quarters()), request.param)


def damaged_copies(cache: Cache, work: Path, damage: Callable[[bytes], Iterator[bytes]]) -> Iterator[Path]:
    """Yield copies of the store, each with one file changed."""
    for file in cache.files():
        for data in damage(file.read_bytes()):
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(cache.folder, work)
            (work / file.relative_to(cache.folder)).write_bytes(data)
            yield work


def flips(data: bytes, step: int, bits: int) -> Iterator[bytes]:
    """Yield the data with one bit changed: in every `step`-th byte, `bits` different ones."""
    for place in range(0, len(data), step):
        for bit in range(bits):
            changed = bytearray(data)
            changed[place] ^= 1 << ((place // step + bit) % BITS)
            yield bytes(changed)


def cuts(data: bytes, step: int) -> Iterator[bytes]:
    """Yield the data cut off after every `step`-th byte, from none on."""
    for length in range(0, len(data), step):
        yield data[:length]


def test_a_flipped_bit_gives_no_wrong_vector(cache: Cache, tmp_path: Path) -> None:
    for work in damaged_copies(cache, tmp_path / "s", lambda data: flips(data, max(3, len(data) // 30), 1)):
        cache.survives(work)


def test_a_file_that_is_cut_off_gives_no_wrong_vector(cache: Cache, tmp_path: Path) -> None:
    for work in damaged_copies(cache, tmp_path / "s", lambda data: cuts(data, max(3, len(data) // 15))):
        cache.survives(work)


@pytest.mark.nightly
def test_a_cache_flipped_bit_by_bit(cache: Cache, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def flip(data: bytes) -> Iterator[bytes]:
        if len(data) < SMALL:
            yield from flips(data, 1, BITS)
            return
        for head in flips(data[:SMALL], 1, 1):
            yield head + data[SMALL:]
        for rest in flips(data[SMALL:], 1 + len(data) // SMALL, 1):
            yield data[:SMALL] + rest

    copies = damaged_copies(cache, tmp_path / "s", flip)
    count_survivors(cache, copies, request, "a flipped bit of the cache")


@pytest.mark.nightly
def test_a_cache_cut_off_anywhere(cache: Cache, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    copies = damaged_copies(cache, tmp_path / "s", lambda data: cuts(data, 1 + len(data) // SMALL))
    count_survivors(cache, copies, request, "a cache cut off")


def count_survivors(cache: Cache, copies: Iterator[Path], request: pytest.FixtureRequest, fault: str) -> None:
    tried, failed = 0, []
    for work in copies:
        tried += 1
        try:
            cache.is_right_with(work)
        except Exception as error:  # whatever it is, it stands in the table, and in the failure below
            failed.append(repr(error))
    tally(request, fault, tried, tried - len(failed), len(failed))
    assert not failed, failed[:5]


def test_what_is_passed_over_is_said_once_and_taken_away(cache: Cache, tmp_path: Path) -> None:
    for file in (f for f in cache.files() if f.suffix in (".keys", ".rows", ".done", ".parquet")):
        work = tmp_path / f"{file.parent.parent.name} {file.suffix}"
        shutil.copytree(cache.folder, work)
        damaged = work / file.relative_to(cache.folder)
        damaged.write_bytes(b"\0" * file.stat().st_size)
        (said,) = cache.survives(work)
        assert "damaged and passed over, its rows are made again" in said
        assert not damaged.exists() or damaged.read_bytes().strip(b"\0")


def test_a_damaged_marker_is_written_again(cache: Cache, tmp_path: Path) -> None:
    work = Path(shutil.copytree(cache.folder, tmp_path / "s"))
    right = (work / MARKER_NAME).read_bytes()
    (work / MARKER_NAME).write_bytes(right.replace(b"1", b"3", 1))
    (said,) = cache.survives(work)
    assert "was damaged and is written again" in said
    assert (work / MARKER_NAME).read_bytes() == right


def test_a_folder_of_something_else_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / MARKER_NAME).write_text('{"name": "a shop"}')
    (tmp_path / "prices.txt").write_text("mine")
    with pytest.raises(DataError, match="no store's marker"):
        Store(tmp_path)
    assert (tmp_path / MARKER_NAME).read_text() == '{"name": "a shop"}'


def test_a_cache_of_a_later_layout_is_refused_in_one_sentence(
    cache: Cache, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_hooks(monkeypatch.setattr)
    work = tmp_path / "cache" / "store"
    shutil.copytree(cache.folder, work)
    with monkeypatch.context() as later:
        later.setattr(stores, "STORE_VERSION", STORE_VERSION + 1)
        (work / MARKER_NAME).unlink()
        Store(work)
    before = content(work)
    done = command("run", cache.dataset.root, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert f"{work} has version {STORE_VERSION + 1}" in done.err and "upgrade auditor" in done.err
    assert content(work) == before and not (tmp_path / "out").exists()


def test_a_marker_without_a_checksum_is_one_of_the_first_versions(cache: Cache, tmp_path: Path) -> None:
    work = Path(shutil.copytree(cache.folder, tmp_path / "s"))
    (work / MARKER_NAME).write_text('{"what": "auditor store", "version": 1}\n')
    assert cache.survives(work) == []


@pytest.mark.parametrize("version", ["auditor.store.FACTS_VERSION", "auditor.store.PIL.__version__"])
def test_facts_of_another_version_are_made_again(
    version: str, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Path(shutil.copytree(cache.folder, tmp_path / "s"))
    monkeypatch.setattr(version, 99 if version.endswith("FACTS_VERSION") else "99.0")
    said: list[str] = []
    found = run_embedding(cache.dataset, Quarters(), store=Store(work, said.append))
    assert same(found, cache.right) and said == []
    assert found.decoded == len(cache.dataset)
    again = run_embedding(cache.dataset, Quarters(), store=Store(work, said.append))
    assert (again.decoded, again.encoded, said) == (0, 0, [])


@pytest.mark.parametrize(
    "reader",
    ["shards._read_rows", "vector_parts.read_vectors", "vector_parts.read_facts", "vector_parts.read_part"],
)
def test_a_disk_that_does_not_read_costs_no_shard(
    reader: str, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard may be sound: it is passed over this time and stays."""
    work = Path(shutil.copytree(cache.folder, tmp_path / "s"))
    files = content(work)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(f"auditor.{reader}", fail)
        said: list[str] = []
        found = run_embedding(cache.dataset, Quarters(), store=Store(work, said.append))
        cache.fill(cache.dataset, Store(work, said.append))
    assert same(found, cache.right)
    assert all("Input/output error" in sentence for sentence in said)
    assert bool(said) == (("shards" in reader) == any(name.endswith(".rows") for name in files))
    assert files.items() <= content(work).items()
    assert cache.survives(work) == []


def kept_stage(folder: Path) -> Kept:
    result = Kept(
        {"indices": np.arange(12, dtype=np.int32).reshape(4, 3), "shares": np.linspace(0, 1, 4)},
        {"method": "exact", "recall": None},
        seconds=12.5,
    )
    StageFolder(folder).keep("neighbours", "the key", result)
    return result


def is_kept(one: Kept, two: Kept) -> bool:
    arrays = one.arrays.keys() == two.arrays.keys() and all(
        np.array_equal(one.arrays[n], two.arrays[n]) for n in one.arrays
    )
    return arrays and (one.document, one.seconds) == (two.document, two.seconds)


def stage_survives(folder: Path, file: str, damage: Iterator[bytes]) -> Iterator[bool]:
    right = kept_stage(folder)
    path = folder / "neighbours" / file
    for data in damage:
        path.write_bytes(data)
        said: list[str] = []
        found = StageFolder(folder, said.append).load("neighbours", "the key")
        yield (found is None and len(said) == 1) or (found is not None and is_kept(found, right))


STAGE_FILES = ("done.json", "document.json", "indices.npy", "shares.npy")


@pytest.mark.parametrize("file", STAGE_FILES)
def test_a_damaged_stage_is_made_again(file: str, tmp_path: Path) -> None:
    kept_stage(tmp_path)
    data = (tmp_path / "neighbours" / file).read_bytes()
    some = [*flips(data, 3, 1), *cuts(data, 7), b"[]", b"null", b"{}"]
    assert all(stage_survives(tmp_path, file, iter(some)))


@pytest.mark.nightly
def test_every_bit_of_kept_stages_flipped(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tried = survived = 0
    for file in STAGE_FILES:
        kept_stage(tmp_path)
        data = (tmp_path / "neighbours" / file).read_bytes()
        ends = list(stage_survives(tmp_path, file, iter([*flips(data, 1, BITS), *cuts(data, 1)])))
        tried, survived = tried + len(ends), survived + sum(ends)
    tally(request, "a damaged stage of a run that was stopped", tried, survived)
    assert survived == tried


def test_a_stage_under_another_key_is_made_again_without_a_word(tmp_path: Path) -> None:
    kept_stage(tmp_path)
    said: list[str] = []
    assert StageFolder(tmp_path, said.append).load("neighbours", "another key") is None
    assert StageFolder(tmp_path, said.append).load("map", "the key") is None
    assert said == []


def test_a_run_on_a_damaged_cache_gives_the_audit_of_a_run_without(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_hooks(monkeypatch.setattr)
    data = make_photos(tmp_path / "photos")
    words = ("run", data, "--cache", tmp_path / "cache", "--out")
    assert command(*words, tmp_path / "whole").code == 0
    for file in sorted((tmp_path / "cache").rglob("*.rows"))[::2]:
        file.write_bytes(file.read_bytes()[:-1])
    done = command(*words, tmp_path / "out")
    assert done.code == 0, done.err
    assert "damaged and passed over" in done.err
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_store_whose_making_was_killed_is_taken_over(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_hooks(monkeypatch.setattr)
    data = make_photos(tmp_path / "photos")
    out = tmp_path / "store"
    out.mkdir()
    (out / f".{MARKER_NAME}.123-0123abcd.tmp").write_text('{"what": "aud')
    done = command("embed", data, "--out", out)
    assert done.code == 0, done.err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    refused = command("embed", data, "--out", tmp_path / "other")
    assert refused.code == 2 and "is not empty and is no store" in refused.err
