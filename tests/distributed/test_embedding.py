"""Shards embedded on several machines: the parts of one machine, whatever is killed meanwhile."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from faults.tally import tally
from stamps import BACKBONE, StampEncoder, encoded, make_pictures, without_weights

from auditor import sharding
from auditor.dataset import read_dataset
from auditor.distributed import open_cluster
from auditor.errors import WeightsError
from auditor.results import Dataset
from auditor.shard_workers import Order, ShardWorker
from auditor.sharding import Embedded, Embedder, Here, embed_into, rows_per_shard
from auditor.store import Store

COUNT, UNREADABLE = 480, 2
SHARDS = 30


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = make_pictures(tmp_path_factory.mktemp("pictures") / "data", COUNT)
    (root / "class 0" / "00000.png").write_bytes(b"%PDF")
    (root / "class 1" / "00101.png").write_bytes(b"no picture")
    return read_dataset(root)


@pytest.fixture(scope="module")
def alone(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts that one machine makes."""
    store = Store(tmp_path_factory.mktemp("alone") / "store")
    with pytest.MonkeyPatch.context() as patch:
        small_shards(patch)
        embed_into(store, dataset, BACKBONE.key(), Here(Embedder(StampEncoder())))
    return files(store.folder, ".parquet")


@pytest.fixture(autouse=True)
def many_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    assert rows_per_shard(COUNT) == COUNT // SHARDS


def small_shards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sharding, "LEAST_ROWS", 8)
    patch.setattr(sharding, "WANTED_SHARDS", SHARDS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.mkdir()
    return made


def files(store: Path, suffix: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.glob(f"parts/*/*{suffix}"))}


def embed_on(nodes: Any, dataset: Dataset, store: Store, encoder: Callable[[], StampEncoder]) -> Embedded:
    told: list[tuple[str, int, int]] = []
    with open_cluster(nodes.address) as cluster:
        run = cluster.embedding(encoder, Embedder(StampEncoder()))
        made = embed_into(store, dataset, BACKBONE.key(), run, lambda *step: told.append(step))
    assert told == sorted(told) and told[-1][1] == told[-1][2], "progress up to the end"
    return made


def has_parts(store: Path, least: int) -> bool:
    return len(files(store, ".done")) >= least


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_three_machines_make_the_parts_of_one(
    nodes: Any, dataset: Dataset, alone: dict[str, bytes], tmp_path: Path, log: Path
) -> None:
    store = Store(tmp_path / "store")
    made = embed_on(nodes, dataset, store, partial(StampEncoder, log, 0.2))
    assert made == Embedded(COUNT, COUNT - UNREADABLE, COUNT - UNREADABLE)
    assert files(store.folder, ".parquet") == alone, "the same names and the same bytes"
    assert len(encoded(log)) > 1, "several machines did it"
    assert sum(encoded(log).values()) == COUNT - UNREADABLE
    assert embed_on_nothing(nodes, dataset, store).encoded == 0
    assert not list(store.folder.glob(".*")), "nothing is left beside"


def embed_on_nothing(nodes: Any, dataset: Dataset, store: Store) -> Embedded:
    with open_cluster(nodes.address) as cluster:
        return embed_into(
            Store(store.folder),
            dataset,
            BACKBONE.key(),
            cluster.embedding(_not_asked, Embedder(StampEncoder())),
        )


def _not_asked() -> StampEncoder:
    raise AssertionError("there is nothing to embed")


def test_a_killed_machine_loses_nothing(
    nodes: Any, dataset: Dataset, alone: dict[str, bytes], tmp_path: Path, log: Path
) -> None:
    store = Store(tmp_path / "store")
    victim = next(iter(nodes.worker_nodes))
    seen: list[int] = []

    def kill() -> None:
        wait_for(lambda: len(files(store.folder, ".done")) >= 6)
        seen.append(len(files(store.folder, ".done")))
        nodes.remove_node(victim, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    made = embed_on(nodes, dataset, store, partial(StampEncoder, log, 0.3))
    killer.join()
    assert 6 <= seen[0] < SHARDS, "it was killed in the middle"
    assert (made.samples, made.embedded) == (COUNT, COUNT - UNREADABLE)
    assert files(store.folder, ".parquet") == alone, "no row lost, none doubled, the same bytes"
    assert sum(encoded(log).values()) <= COUNT + rows_per_shard(COUNT), "one shard of one worker again"


DRIVER = """
import sys
from functools import partial
from pathlib import Path
from auditor import sharding
from auditor.dataset import read_dataset
from auditor.distributed import open_cluster
from auditor.sharding import Embedder, embed_into
from auditor.store import Store
from stamps import BACKBONE, StampEncoder
address, data, store, log, least, wanted = sys.argv[1:]
sharding.LEAST_ROWS, sharding.WANTED_SHARDS = int(least), int(wanted)
with open_cluster(address) as cluster:
    run = cluster.embedding(partial(StampEncoder, Path(log), 0.3), Embedder(StampEncoder()))
    embed_into(Store(Path(store)), read_dataset(data), BACKBONE.key(), run)
"""


def test_a_killed_driver_goes_on_with_what_is_missing(
    nodes: Any, dataset: Dataset, alone: dict[str, bytes], tmp_path: Path, log: Path
) -> None:
    store = tmp_path / "store"
    words = [nodes.address, dataset.root, store, log, sharding.LEAST_ROWS, SHARDS]
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, *map(str, words)], stderr=subprocess.PIPE)
    wait_for(lambda: len(files(store, ".done")) >= 6 or driver.poll() is not None)
    assert driver.poll() is None, driver.communicate()
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    running = [int(name) for name in encoded(log)]
    wait_for(lambda: not any(map(is_running, running)))
    time.sleep(2)  # one that was at its first batch has no log yet
    done = files(store, ".done")
    assert 6 <= len(done) < SHARDS
    before = sum(json.loads(told)["outcome"]["encoded"] for told in done.values())
    rest = embed_on(nodes, dataset, Store(store), partial(StampEncoder, log))
    assert rest.embedded == COUNT - UNREADABLE
    assert rest.encoded == COUNT - UNREADABLE - before, "only what was missing"
    assert files(store, ".parquet") == alone
    assert sum(encoded(log).values()) <= COUNT + 3 * rows_per_shard(COUNT), "one shard of each worker again"


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]


def test_an_error_of_a_worker_is_the_sentence_of_one_machine(
    nodes: Any, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"^the weights are not on this machine$"):
        embed_on(nodes, dataset, Store(tmp_path / "store"), without_weights)
    assert not files(tmp_path / "store", "")


@pytest.fixture
def order(dataset: Dataset, tmp_path: Path) -> Order:
    store = Store(tmp_path / "store")
    (store.folder / "mark").touch()
    return Order(StampEncoder, BACKBONE.key(), dataset.contents.document(), store.folder, "mark")


def ask(order: Order, dataset: Dataset) -> dict[str, Any]:
    """What a worker answers to the first shard of a dataset."""
    shard = sharding.plan_shards(dataset, BACKBONE.key(), Store(order.store))[0][0]
    return ShardWorker(order)(asdict(shard))


def test_a_worker_answers_with_what_became_of_its_shard(order: Order, dataset: Dataset) -> None:
    answer = ask(order, dataset)
    size = rows_per_shard(len(dataset))
    assert "a PDF document" in answer.pop("error")
    assert answer == {"rows": size, "encoded": size - 1, "unreadable": 1, "error_kind": ""}
    assert len(files(order.store, ".done")) == 1


def test_a_worker_reads_what_lies_in_tars(order: Order, dataset: Dataset, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard-000.tar", "w") as tar:
        for sample in dataset.ids[1::12]:
            tar.add(dataset.root / sample, f"{sample[:-4].replace('/', '-')}.png")
            label = tarfile.TarInfo(f"{sample[:-4].replace('/', '-')}.cls")
            label.size = 1
            tar.addfile(label, io.BytesIO(sample[6:7].encode()))
    packed = read_dataset(tmp_path / "shard-000.tar")
    answer = ask(replace(order, source=packed.contents.document()), packed)
    assert (answer["error_kind"], answer["error"], answer["encoded"]) == ("", "", answer["rows"])


def test_a_worker_that_would_make_other_vectors_is_refused(order: Order, dataset: Dataset) -> None:
    other = partial(StampEncoder, backbone=replace(BACKBONE, precision="bf16"))
    answer = ask(replace(order, open_encoder=other), dataset)
    assert answer["error_kind"] == "DataError"
    assert "makes other vectors than this machine: " in answer["error"]


def test_a_worker_that_does_not_see_the_store_says_so(order: Order, dataset: Dataset) -> None:
    answer = ask(replace(order, mark="other"), dataset)
    assert answer["error_kind"] == "DataError"
    assert "does not see the store" in answer["error"] and "--out" in answer["error"]


@pytest.mark.nightly
@pytest.mark.parametrize("case", [(victim, late) for victim in ("machine", "worker") for late in range(10)])
def test_whatever_is_killed_at_random_loses_nothing(
    nodes: Any,
    dataset: Dataset,
    alone: dict[str, bytes],
    log: Path,
    request: pytest.FixtureRequest,
    case: tuple[str, int],
) -> None:
    """Two of three machines, or workers, are killed one after the other, each time at another moment."""
    victim, late = case
    store, machines = Store(log.with_name("store")), list(nodes.worker_nodes)[:2]
    killed: list[int] = []

    def kill() -> None:
        for number in range(2):
            wait_for(partial(has_parts, store.folder, 4 * (number + 1) + late))
            time.sleep(0.07 * late)
            if victim == "machine":
                nodes.remove_node(machines[number], allow_graceful=False)
            else:
                worker = next(int(name) for name in encoded(log) if is_running(int(name)))
                os.kill(worker, signal.SIGKILL)
            killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    made = embed_on(nodes, dataset, store, partial(StampEncoder, log, 0.3))
    killer.join()
    rows = [i for p in store.folder.glob("parts/*/*.parquet") for i in pq.read_table(p)["id"].to_pylist()]
    lost = len({*dataset.ids} - {*rows}) + len(rows) - len({*rows})
    same = files(store.folder, ".parquet") == alone and made.embedded == COUNT - UNREADABLE
    fault = f"a {victim} of a Ray cluster that is killed"
    tally(request, fault, tried=len(killed), survived=len(killed) if same else 0, rows_lost=lost)
    assert (len(killed), lost, same) == (2, 0, True)
    assert sum(encoded(log).values()) <= COUNT + 2 * rows_per_shard(COUNT), (
        "one shard for each that was killed"
    )
