"""The store: what was added is found, whatever was killed, damaged or written by someone else meanwhile."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from auditor.arrays import Floats
from auditor.contents import file_key
from auditor.errors import AuditError, DataError, OutputError
from auditor.images import FileFacts, unreadable_facts
from auditor.results import SIGNATURE_SIDE
from auditor.shards import ShardFolder
from auditor.store import MARKER_NAME, Store
from auditor.writing import LEFT_SECONDS

KEY = "resnet18|avgpool|abc|4|resize|fp32"


def facts(number: int) -> FileFacts:
    return FileFacts(
        readable=True,
        error="",
        width=number + 1,
        height=2 * number + 1,
        byte_digest=f"{number:032x}",
        digest=f"{number + 7:032x}",
        perceptual_hash=(1 << 63) + number,
        signature=np.random.default_rng(number).integers(0, 256, SIGNATURE_SIDE**2, dtype=np.uint8).tobytes(),
        quality=(0.1, 0.2, 1 / 3, number / 1000, 1.0),
    )


def digests(start: int, stop: int) -> list[str]:
    return [f"{i:032x}" for i in range(start, stop)]


def vectors(start: int, stop: int) -> Floats:
    return np.stack([np.arange(4, dtype=np.float32) + i for i in range(start, stop)])


def shard_files(store: Store, suffix: str) -> list[Path]:
    return sorted(store.folder.glob(f"*/*/*{suffix}"))


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    rows = {f"k{i}": facts(i) for i in range(20)} | {
        "bad": unreadable_facts("the file is gone: größer", "ab" * 16)
    }
    Store(tmp_path / "s").add_facts(rows)
    again = Store(tmp_path / "s")
    assert again.known_facts(list(rows)) == rows
    assert again.known_facts(["k3", "unknown"]) == {"k3": rows["k3"]}
    assert again.known_facts([]) == {}


def test_files_that_could_not_be_opened_are_tried_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.add_facts({"locked": unreadable_facts("permission denied"), "ok": facts(1)})
    assert list(store.known_facts(["locked", "ok"])) == ["ok"]
    store.add_facts({"locked": unreadable_facts("permission denied")})
    assert store.info()["facts"] == 1


def test_facts_are_found_across_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.store.FACTS_AT_ONCE", 3)
    rows = {f"k{i}": facts(i) for i in range(10)}
    store = Store(tmp_path / "s")
    store.add_facts(rows)
    assert store.known_facts(["x", *rows, "y"]) == rows


def test_vectors_come_back_by_digest_in_any_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    found, rows = store.find_vectors(KEY, digests(0, 3))
    assert not found.any() and rows.shape == (3, 0)
    for start in range(0, 100, 10):
        store.add_vectors(KEY, digests(start, start + 10), vectors(start, start + 10))
    order = np.random.default_rng(0).permutation(100)
    wanted = [digests(0, 100)[i] for i in order]
    found, rows = Store(tmp_path / "s").find_vectors(KEY, [*wanted, "f" * 32, wanted[0]])
    assert found.tolist() == [True] * 100 + [False, True]
    np.testing.assert_array_equal(rows[:100], vectors(0, 100)[order])
    assert (rows[100] == 0).all() and (rows[101] == rows[0]).all()
    assert rows.dtype == np.float32


def test_precisions_and_backbones_never_mix(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    half = KEY.replace("fp32", "bf16")
    store.add_vectors(KEY, digests(0, 4), vectors(0, 4))
    assert not store.find_vectors(half, digests(0, 4))[0].any()
    store.add_vectors(half, digests(0, 4), vectors(50, 54))
    np.testing.assert_array_equal(store.find_vectors(KEY, digests(0, 4))[1], vectors(0, 4))
    np.testing.assert_array_equal(store.find_vectors(half, digests(0, 4))[1], vectors(50, 54))
    about = {json.loads(p.read_text())["key"] for p in store.folder.glob("vectors/*/key.json")}
    assert about == {KEY, half}


def test_what_another_writer_adds_is_found_without_opening_again(tmp_path: Path) -> None:
    reader, writer = Store(tmp_path / "s"), Store(tmp_path / "s")
    assert not reader.find_vectors(KEY, digests(0, 2))[0].any()
    writer.add_vectors(KEY, digests(0, 2), vectors(0, 2))
    assert reader.find_vectors(KEY, digests(0, 2))[0].all()


def _write(folder: Path, start: int) -> None:
    store = Store(folder)
    for i in range(start, start + 20, 4):
        store.add_vectors(KEY, digests(i, i + 4), vectors(i, i + 4))
        store.add_facts({f"k{j}": facts(j) for j in range(i, i + 4)})


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path / "s", start)) for start in (0, 10, 20)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    assert [p.exitcode for p in writers] == [0, 0, 0]
    store = Store(tmp_path / "s")
    found, rows = store.find_vectors(KEY, digests(0, 40))
    assert found.all()
    np.testing.assert_array_equal(rows, vectors(0, 40))
    assert store.known_facts([f"k{i}" for i in range(40)]) == {f"k{i}": facts(i) for i in range(40)}
    assert store.info()["vectors"] == 40 and store.info()["facts"] == 40


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")

    def work(i: int) -> bool:
        store.add_vectors(KEY, digests(4 * i, 4 * i + 4), vectors(4 * i, 4 * i + 4))
        return bool(store.find_vectors(KEY, digests(4 * i, 4 * i + 4))[0].all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(24)))
    np.testing.assert_array_equal(store.find_vectors(KEY, digests(0, 96))[1], vectors(0, 96))


KILLED = """
import sys, numpy as np
from pathlib import Path
from auditor.store import Store
store = Store(Path(sys.argv[1]))
for i in range(100000):
    store.add_vectors("k", [f"{i:032x}"], np.full((1, 1 << 16), i, np.float32))
    print(i, flush=True)
"""


def test_a_killed_writer_loses_only_what_it_had_not_finished(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "s")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 5:
            break
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    warned: list[str] = []
    found, rows = Store(tmp_path / "s", warned.append).find_vectors("k", digests(0, 6))
    assert found.all() and (rows[:, 0] == np.arange(6)).all() and warned == []


def test_leftovers_are_no_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.add_vectors(KEY, digests(0, 2), vectors(0, 2))
    keys, rows = shard_files(store, ".keys")[0], shard_files(store, ".rows")[0]
    (keys.parent / f".{keys.name}.123-0a1b2c3d.tmp").write_bytes(keys.read_bytes()[:20])
    (keys.parent / ("0" * 32 + ".rows")).write_bytes(rows.read_bytes())
    warned: list[str] = []
    again = Store(tmp_path / "s", warned.append)
    assert again.find_vectors(KEY, digests(0, 2))[0].all()
    assert again.info()["vectors"] == 2 and warned == []
    again.clear()
    assert [p.name for p in again.folder.rglob("*")] == [MARKER_NAME]


@pytest.mark.parametrize("suffix", [".keys", ".rows"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "gone"])
def test_a_damaged_shard_is_passed_over_and_made_again(tmp_path: Path, suffix: str, damage: str) -> None:
    store = Store(tmp_path / "s")
    store.add_vectors(KEY, digests(0, 5), vectors(0, 5))
    victim = shard_files(store, suffix)[0]
    store.add_vectors(KEY, digests(5, 9), vectors(5, 9))
    content = bytearray(victim.read_bytes())
    content[-3] ^= 4
    victim.write_bytes(
        {"cut": bytes(content[:-9]), "flipped": bytes(content), "emptied": b"", "gone": b""}[damage]
    )
    if damage == "gone":
        victim.unlink()
    warned: list[str] = []
    again = Store(tmp_path / "s", warned.append)
    found, rows = again.find_vectors(KEY, digests(0, 9))
    assert found.tolist() == [False] * 5 + [True] * 4
    np.testing.assert_array_equal(rows[5:], vectors(5, 9))
    assert len(warned) == (0 if (suffix, damage) == (".keys", "gone") else 1)
    again.add_vectors(KEY, digests(0, 5), vectors(0, 5))
    last = Store(tmp_path / "s", warned.append)
    np.testing.assert_array_equal(last.find_vectors(KEY, digests(0, 9))[1], vectors(0, 9))
    assert len(warned) <= 1 and len(shard_files(last, ".keys")) == 2


def test_damage_to_a_mapped_shard_is_seen(tmp_path: Path) -> None:
    big = np.ones((40, 1 << 16), np.float32)
    Store(tmp_path / "s").add_vectors(KEY, digests(0, 40), big)
    store = Store(tmp_path / "s")
    assert store.find_vectors(KEY, digests(0, 40))[0].all()
    victim = shard_files(store, ".rows")[0]
    with victim.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"xxxx")
    warned: list[str] = []
    assert not Store(tmp_path / "s", warned.append).find_vectors(KEY, digests(0, 40))[0].any()
    assert "checksum" in warned[0]


def test_clear_deletes_what_the_store_wrote_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.add_vectors(KEY, digests(0, 3), vectors(0, 3))
    store.add_facts({"k": facts(0)})
    mine = [
        store.folder / "thesis.txt",
        store.folder / "vectors" / "notes.txt",
        store.folder / "facts" / "a" / "b.txt",
    ]
    shard = shard_files(store, ".keys")[0]
    mine += [shard.with_name("my.keys"), shard.with_name("my.rows"), shard.with_name(".my.tmp")]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    before = store.info()
    assert store.clear() == before["bytes"] > 0
    assert all(path.read_text() == "mine" for path in mine)
    assert store.info()["vectors"] == store.info()["facts"] == 0
    assert not store.find_vectors(KEY, digests(0, 3))[0].any()
    store.add_vectors(KEY, digests(0, 3), vectors(0, 3))
    assert store.find_vectors(KEY, digests(0, 3))[0].all()


def test_clearing_under_a_reader_is_no_error(tmp_path: Path) -> None:
    reader = Store(tmp_path / "s", lambda _: None)
    reader.add_vectors(KEY, digests(0, 3), vectors(0, 3))
    assert reader.find_vectors(KEY, digests(0, 3))[0].all()
    Store(tmp_path / "s").clear()
    assert not reader.find_vectors(KEY, digests(0, 3))[0].any()


def test_a_newer_or_foreign_store_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    (store.folder / MARKER_NAME).write_text('{"what": "auditor store", "version": 99}')
    with pytest.raises(DataError, match=r"version 99.*reads 1"):
        Store(tmp_path / "s")
    (store.folder / MARKER_NAME).write_text("hello")
    with pytest.raises(DataError, match="no store's marker"):
        Store(tmp_path / "s")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "file" / "s")
    store = Store(tmp_path / "s")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AuditError, match="No space left"):
        store.add_facts({"k": facts(0)})
    assert list(store.folder.rglob("*.tmp")) == []


def test_a_shard_that_does_not_fit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "s")
    store.add_vectors(KEY, digests(0, 3), vectors(0, 3))
    before = sorted(store.folder.rglob("*"))
    replace = Path.replace

    def full_for_keys(path: Path, target: Path) -> Path:
        if target.suffix == ".keys":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    with monkeypatch.context() as full, pytest.raises(OutputError, match="No space left on device"):
        full.setattr(Path, "replace", full_for_keys)
        store.add_vectors(KEY, digests(3, 6), vectors(3, 6))
    assert sorted(store.folder.rglob("*")) == before


def test_what_killed_writers_left_is_taken_away_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.add_vectors(KEY, digests(0, 3), vectors(0, 3))
    (folder,) = (store.folder / "vectors").iterdir()
    names = [f"{n:032x}.rows" for n in (1, 2)] + [f".{n:032x}.rows.7-0123abc{n}.tmp" for n in (1, 2)]
    mine = folder / "notes.rows"
    for number, file in enumerate([*(folder / name for name in names), mine]):
        file.write_bytes(b"left")
        age = 2 * LEFT_SECONDS if number % 2 else 60
        os.utime(file, (time.time() - age, time.time() - age))
    os.utime(mine, (0, 0))
    Store(tmp_path / "s").add_vectors(KEY, digests(3, 6), vectors(3, 6))
    assert [(folder / name).exists() for name in names] == [True, False, True, False]
    assert mine.exists()
    assert Store(tmp_path / "s").find_vectors(KEY, digests(0, 6))[0].all()


def test_many_mapped_shards_hold_no_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.shards.MAPPED_BYTES", 0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    store = Store(tmp_path / "s")
    for i in range(60):
        store.add_vectors(KEY, digests(i, i + 1), vectors(i, i + 1))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    found, rows = store.find_vectors(KEY, digests(0, 60))
    assert found.all() and (rows == vectors(0, 60)).all()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_bad_vectors_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    with pytest.raises(DataError, match="2 digests"):
        store.add_vectors(KEY, digests(0, 2), vectors(0, 3))
    with pytest.raises(DataError, match="finite"):
        store.add_vectors(KEY, digests(0, 1), np.full((1, 4), np.nan, np.float32))
    store.add_vectors(KEY, [], np.zeros((0, 4), np.float32))
    assert store.info()["vectors"] == 0


def test_file_key_changes_with_place_size_and_time(tmp_path: Path) -> None:
    keys = {
        file_key("a", 1, 2),
        file_key("b", 1, 2),
        file_key("a", 2, 2),
        file_key("a", 1, 3),
        file_key(b"\xff", 1, 2),
    }
    assert len(keys) == 5
    assert file_key(b"a", 1, 2) == file_key(Path("a"), 1, 2) == file_key(Path("a").absolute(), 1, 2)


def test_keys_of_many_small_shards_are_found_fast(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path / "f", "test", lambda _: None)
    for i in range(150):
        folder.add(digests(i, i + 1), vectors(i, i + 1))
    start = time.perf_counter()
    found, rows = ShardFolder(tmp_path / "f", "test", lambda _: None).find(digests(0, 150))
    assert time.perf_counter() - start < 5
    assert found.all() and rows is not None
    np.testing.assert_array_equal(rows, vectors(0, 150))
