"""Pictures per second on a Ray cluster of one core a machine, beside the local engine on as many cores.

    python benchmarks/ray_scaling.py DATA [--nodes 1,2] [--pictures 3000] [--weights FILE]

DATA is anything that `auditor run` reads; WEIGHTS are a ResNet's, such as those that `whole_run.py --keep`
leaves, and without them the bundled network is measured.

All machines are on this one, each held to a core of its own, and so is the local engine: nodes x 1 core
against one process on as many cores. The rate is that from the first finished shard to the last, so that the
start of the workers is told apart from it. "same" says that the parts are those of the local engine, byte by
byte.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tables import machine, print_table

from auditor import sharding
from auditor.backbones import Encoder, load_encoder
from auditor.dataset import read_dataset, take
from auditor.distributed import open_cluster
from auditor.results import Dataset
from auditor.sharding import Embedder, Here, Run, embed_into
from auditor.store import Store

LEAST_RATIO = 0.8
"""Of the local engine's rate on as many cores, that a cluster of this size has to reach."""
LEAST_ROWS, SHARDS_PER_NODE = 16, 16
OBJECT_STORE = 100 * 1024**2


@dataclass(frozen=True)
class Speed:
    """Pictures per second once the first shard was done, seconds before that, and the parts."""

    rate: float
    start: float
    parts: dict[str, bytes]


def quiet(sentence: str) -> None:
    pass


def measure(dataset: Dataset, encoder: Encoder, run: Run) -> Speed:
    """Embed the dataset into a new store."""
    seen: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        begin = time.perf_counter()

        def tell(stage: str, done: int, total: int) -> None:
            if done and (not seen or done - seen[-1][1] >= sharding.rows_per_shard(len(dataset))):
                seen.append((time.perf_counter() - begin, done))

        embed_into(store, dataset, encoder.backbone.key(), run, tell)
        parts = {file.name: file.read_bytes() for file in store.folder.glob("parts/*/*")}
    (first, before), (last, done) = seen[0], seen[-1]
    return Speed((done - before) / (last - first), first, parts)


@contextmanager
def held_to(cores: set[int]) -> Iterator[None]:
    """Let this process, and what it starts, use these cores only."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def measure_here(dataset: Dataset, load: Callable[[], Encoder], cores: set[int], shards: int) -> Speed:
    """Measure the local engine in a process of its own: OpenVINO's threads keep the cores they started on."""
    with held_to(cores), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure_here, dataset, load, shards).result()


def _measure_here(dataset: Dataset, load: Callable[[], Encoder], shards: int) -> Speed:
    sharding.LEAST_ROWS, sharding.WANTED_SHARDS = LEAST_ROWS, shards
    encoder = load()
    encoder.encode(np.zeros((1, encoder.input_size, encoder.input_size, 3), np.uint8))
    return measure(dataset, encoder, Here(Embedder(encoder)))


@contextmanager
def machines(count: int) -> Iterator[str]:
    """Start a cluster whose machines have one core each, and yield its address."""
    from ray.cluster_utils import Cluster

    own = sorted(os.sched_getaffinity(0))[:count]
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for core in own:
        with held_to({core}):
            cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--nodes", default="1,2")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    counts = [int(part) for part in options.nodes.split(",")]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    dataset = read_dataset(options.data)
    dataset = take(dataset, np.arange(min(options.pictures, len(dataset))))
    shards = SHARDS_PER_NODE * max(counts)
    sharding.LEAST_ROWS, sharding.WANTED_SHARDS = LEAST_ROWS, shards
    chosen = {"name": "bundled"} if options.weights is None else {"weights": options.weights.absolute()}
    load: Callable[[], Encoder] = partial(load_encoder, device="cpu", offline=True, warn=quiet, **chosen)
    rows, encoder = [], load()
    for count in counts:
        here = measure_here(dataset, load, set(sorted(os.sched_getaffinity(0))[:count]), shards)
        with machines(count) as address, open_cluster(address) as cluster:
            there = measure(dataset, encoder, cluster.embedding(load, Embedder(encoder)))
        ratio, same = there.rate / here.rate, there.parts == here.parts
        figures = [round(here.rate), round(there.rate), round(there.start, 1), ratio, LEAST_RATIO]
        rows.append([count, *figures, same, same and ratio >= LEAST_RATIO])
    print(f"{machine()}; {len(dataset):,} pictures of {dataset.name}, {encoder.backbone.name}")
    header = ["nodes x 1 core", "local/s", "ray/s", "start s", "ratio", "at least", "same", ""]
    print_table("Pictures per second on a Ray cluster", header, rows)


if __name__ == "__main__":
    main()
