"""A decoder, or a read, that does not come back: named after its time, and the run goes on and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from faults.world import Quarters, make_photos

from auditor import embeddings, encoding, reading
from auditor.contents import Folder
from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.errors import DataError
from auditor.reading import Readers, clock_stopped
from auditor.store import Store
from reports.thumbnails import add_thumbnails

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What a hanging thread waits for until the test is over; a picture has a fraction of a second."""
    monkeypatch.setattr(reading, "PICTURE_SECONDS", 0.4)
    event = threading.Event()
    yield event
    event.set()


def threads() -> int:
    return sum(thread.name == "read" for thread in threading.enumerate())


def test_results_come_in_order_and_few_are_taken_in_advance() -> None:
    rng = np.random.default_rng(0)
    waits = rng.uniform(0, 0.004, 200).tolist()
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(waits[item])
        return -item

    got = []
    for result in Readers(work, lambda item: item, 4).in_order(range(200), ahead=10):
        assert len(begun) <= len(got) + 10
        got.append(result)
    assert got == [-item for item in range(200)] and sorted(begun) == list(range(200))
    assert threads() == 0


def test_an_error_is_raised_where_its_result_is_taken() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    results = Readers(work, lambda item: item, 3).in_order(range(100), ahead=8)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert threads() == 0


def test_an_early_end_leaves_no_thread_and_no_work_undone_for_nothing() -> None:
    begun: list[int] = []
    results = Readers(lambda item: begun.append(item), lambda item: None, 2).in_order(range(1000), ahead=50)
    next(results)
    results.close()
    assert threads() == 0 and len(begun) <= 51


@pytest.mark.parametrize("hanging", [{3}, {0, 1, 2}, {0, 5, 6, 7, 19}], ids=str)
def test_what_hangs_is_given_up_and_the_rest_goes_on(hanging: set[int], never: threading.Event) -> None:
    def work(item: int) -> str:
        if item in hanging:
            never.wait()
        return f"read {item}"

    got = list(Readers(work, lambda item: f"gave up {item}", 2).in_order(range(20), ahead=8))
    assert got == [f"gave up {item}" if item in hanging else f"read {item}" for item in range(20)]
    assert threads() == len(hanging)
    never.set()
    end = time.monotonic() + 5
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() == 0  # one that comes back late ends, and nobody hears of its result


def test_many_that_hang_at_once_end_the_run_with_one_sentence(
    never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_HUNG", 3)
    readers = Readers(lambda item: never.wait(), lambda item: False, 2, lambda item: f"{item}.png")
    with pytest.raises(
        DataError, match=r"^4 pictures at once .* 0.4 s each, the first is '0.png', the last '3"
    ):
        list(readers.in_order(range(50), ahead=50))


def test_waiting_for_room_is_not_held_against_a_picture(never: threading.Event) -> None:
    def work(item: int) -> str:
        with clock_stopped():
            time.sleep(0.6)
        return "read"

    assert list(Readers(work, lambda item: "gave up", 2).in_order(range(3), ahead=3)) == ["read"] * 3


def test_a_process_that_was_stopped_and_goes_on_gives_nothing_up() -> None:
    script = """
import time
from auditor import reading
reading.PICTURE_SECONDS = 1.0
def work(item):
    if item == 0:
        print("begun", flush=True)
    time.sleep(0.4)
    return "read"
readers = reading.Readers(work, lambda item: "gave up", 2)
print(set(readers.in_order(range(4), 4)))
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "{'read'}"


def hang_on(monkeypatch: pytest.MonkeyPatch, name: str, never: threading.Event) -> None:
    """Let the decoder hang on the files of one name."""
    real = encoding.read_image_at

    def read(contents: Folder, path: str, *more: object) -> object:
        if path.endswith(name):
            never.wait()
        return real(contents, path, *more)

    monkeypatch.setattr(encoding, "read_image_at", read)


def test_a_hanging_picture_is_unreadable_once_and_its_facts_are_not_kept(
    tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, store = read_dataset(make_photos(tmp_path / "photos")), Store(tmp_path / "store")
    whole = run_embedding(dataset, Quarters())
    with monkeypatch.context() as hanging:
        hang_on(hanging, "rings/3.png", never)
        first = run_embedding(dataset, Quarters(), store=store)
    wrong = first.facts.error != whole.facts.error
    assert list(first.facts.ids[wrong]) == ["rings/3.png"]
    assert list(first.facts.error[wrong]) == ["decoding took longer than 0.4 s"]
    never.set()
    again = run_embedding(dataset, Quarters(), store=Store(tmp_path / "store"))
    assert again.decoded == 1
    assert (again.facts.error == whole.facts.error).all() and (again.facts.digest == whole.facts.digest).all()
    np.testing.assert_array_equal(again.embeddings.vectors, whole.embeddings.vectors)


def test_a_drive_that_hangs_ends_the_run_and_what_is_finished_is_kept(
    tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_HUNG", 2)
    dataset, store = read_dataset(make_photos(tmp_path / "photos")), Store(tmp_path / "store")
    with monkeypatch.context() as hanging:
        hanging.setattr(embeddings, "SHARD_IMAGES", 4)
        for number in range(4):
            hang_on(hanging, f"waves/{number}.png", never)
        with pytest.raises(DataError, match=r"[34] pictures at once .* for more than 0.4 s each"):
            run_embedding(dataset, Quarters(), store=store, workers=2)
    never.set()
    again = run_embedding(dataset, Quarters(), store=Store(tmp_path / "store"))
    assert 4 <= again.decoded <= len(dataset) - 8  # two shards at least
    whole = run_embedding(dataset, Quarters())
    np.testing.assert_array_equal(again.embeddings.vectors, whole.embeddings.vectors)


HANGING = """
import sys, threading
from auditor import decoding, images, reading
from faults.world import set_hooks
import importlib
def put(name, value):
    module, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(module), attribute, value)
set_hooks(put)
reading.PICTURE_SECONDS = 0.5
real = images.decode_image
def decode(data, name="", *more):
    if name.endswith("steps/2.png"):
        threading.Event().wait()
    return real(data, name, *more)
images.decode_image = decode
from cli.main import main
main()
"""


def test_a_run_names_what_hangs_and_its_process_ends(tmp_path: Path, command: Command, toy: Quarters) -> None:
    photos = make_photos(tmp_path / "photos")
    words = ["run", str(photos), "--out", str(tmp_path / "audit"), "--cache", str(tmp_path / "cache")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", HANGING, *words], env=environment, text=True, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "audit" / "findings.csv")
    unreadable = table[table.kind == "unreadable"].set_index("id")
    assert set(unreadable.index) == {"steps/2.png", "waves/broken.png"}
    assert "decoding took longer than 0.5 s" in unreadable.at["steps/2.png", "reason"]
    # The next run, undisturbed, is the same as if there had never been another.
    for out, cache in (("again", "cache"), ("whole", "fresh")):
        assert command("run", photos, "--out", tmp_path / out, "--cache", tmp_path / cache).code == 0
    for name in ("samples.parquet", "findings.csv", "embeddings.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_picture_that_hangs_while_the_page_is_made_has_none_there(
    tmp_path: Path, never: threading.Event, command: Command, toy: Quarters, monkeypatch: pytest.MonkeyPatch
) -> None:
    from auditor.storage import load

    photos = make_photos(tmp_path / "photos")
    assert command("run", photos, "--out", tmp_path / "audit").code == 0
    audit = load(tmp_path / "audit")
    real = Folder.read

    def read(self: Folder, path: str) -> bytes:
        if path == "rings/wrong.png":
            never.wait()
        return real(self, path)

    monkeypatch.setattr(Folder, "read", read)
    made = add_thumbnails(audit)
    assert set(audit.thumbnails) - set(made.thumbnails) == {"rings/wrong.png"}
    assert "no picture of 1 sample " in made.provenance.warnings[-1]
    assert "'rings/wrong.png' (decoding took longer than 0.4 s)" in made.provenance.warnings[-1]
