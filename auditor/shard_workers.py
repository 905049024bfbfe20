"""Workers of a Ray cluster that embed shards with the very function that one machine uses.

    Shard --Ray Data, one worker a machine, the encoder loaded once--> `sharding.embed_shard`
          --> one part of the store, which every machine sees under the same path

A worker that is lost takes nothing along but the shard that it was at: Ray gives that to another one.
"""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from auditor import errors
from auditor.arrays import Progress
from auditor.backbones import Encoder
from auditor.errors import AuditError, DataError, UsageError
from auditor.networks import use_cores
from auditor.results import TABLE_COLUMNS, Dataset
from auditor.sharding import Embedder, Shard, ShardDone, embed_shard
from auditor.sources.reopen import open_contents
from auditor.store import Store
from auditor.writing import TEMPORARY_SUFFIX

DONE_FIELDS = tuple(field.name for field in fields(ShardDone))


@dataclass(frozen=True)
class RayEmbedding:
    """Embeds shards on a cluster with Ray Data: one worker a machine, each with an encoder of its own."""

    ray: Any
    open_encoder: Callable[[], Encoder]
    embedder: Embedder

    def __call__(
        self, shards: Sequence[Shard], dataset: Dataset, store: Store, progress: Progress
    ) -> Iterator[ShardDone]:
        total, before = sum(len(shard.ids) for shard in shards), 0
        progress("embed", 0, total)
        with _mark(store) as mark:
            order = Order(
                open_encoder=self.open_encoder,
                backbone_key=self.embedder.key,
                source=dataset.contents.document(),
                store=store.folder.resolve(),
                mark=mark,
                workers=self.embedder.workers,
            )
            for row in self._rows(shards, order):
                if row["error_kind"]:
                    raise getattr(errors, row["error_kind"])(row["error"])
                done = ShardDone(*(row[name] for name in DONE_FIELDS))
                before += done.rows
                progress("embed", before, total)
                yield done

    def _rows(self, shards: Sequence[Shard], order: Order) -> Iterator[dict[str, Any]]:
        """Yield a row for each shard, as they are done."""
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        count, cores, needs = _worker_size(self.ray, "cuda" in order.backbone_key)
        asked = [{name: _plain(value) for name, value in asdict(shard).items()} for shard in shards]
        made = self.ray.data.from_items(asked, override_num_blocks=len(asked)).map(
            ShardWorker,
            fn_constructor_args=(replace(order, cores=cores),),
            # One at a time: a worker that is lost has one shard, not a queue of them.
            compute=ActorPoolStrategy(size=min(count, len(asked)), max_tasks_in_flight_per_actor=1),
            **needs,
        )
        try:
            yield from made.iter_rows()
        except self.ray.exceptions.RayError as error:
            raise cluster_error(error) from error


def cluster_error(error: Exception) -> AuditError:
    """Return in one sentence what Ray says in many lines, the last of which is the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return AuditError(
        f"The Ray cluster gave up ({lines[-1]}): all of its machines need the same versions of "
        "dataset-auditor, Ray and Python, and memory for the work."
    )


@dataclass(frozen=True)
class Order:
    """What a worker has to know to embed shards.

    Attributes
    ----------
    source : where the pictures are, as `sources.reopen` opens it.
    mark : name of a file in the store, which tells whether a worker sees the same one.
    workers, cores : decoding threads, 0 for one per core; processor cores that are the worker's.
    """

    open_encoder: Callable[[], Encoder]
    backbone_key: str
    source: Mapping[str, Any]
    store: Path
    mark: str
    workers: int = 0
    cores: int = 1


class ShardWorker:
    """Embeds shards on one machine of the cluster; the encoder is opened with the first one.

    An error that is for the user comes back as text: raised, Ray would print all that it knows of it.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        table = pd.DataFrame("", index=[], columns=list(TABLE_COLUMNS), dtype=object)
        held_by = open_contents(order.source)
        self._source = Dataset(held_by.place, Path(held_by.place), (), table, held_by=held_by)
        self._opened: tuple[Embedder, Store] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            shard = Shard(row["name"], *(tuple(row[name]) for name in ("ids", "paths", "keys")))
            embedder, store = self._open()
            done = embed_shard(shard, self._source, embedder, store)
        except AuditError as error:
            return {**dict.fromkeys(DONE_FIELDS, 0), "error": str(error), "error_kind": type(error).__name__}
        return {**asdict(done), "error_kind": ""}

    def _open(self) -> tuple[Embedder, Store]:
        if self._opened is None:
            use_cores(self._order.cores)
            if not (self._order.store / self._order.mark).is_file():
                raise DataError(
                    f"{platform.node()} does not see the store {str(self._order.store)!r}: all machines "
                    "of the cluster need --out under the same path."
                )
            embedder = Embedder(self._order.open_encoder(), self._order.workers)
            if embedder.key != self._order.backbone_key:
                raise DataError(
                    f"{platform.node()} makes other vectors than this machine: {embedder.key} there, "
                    f"{self._order.backbone_key} here. All machines need the same weights, and processors of "
                    "one kind."
                )
            self._opened = embedder, Store(self._order.store)
        return self._opened


def _worker_size(ray: Any, gpu: bool) -> tuple[int, int, dict[str, float]]:
    """Return how many workers there are, the cores of each, and what each needs of Ray's resources."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if not cpus:
        raise UsageError("The Ray cluster has no machine with a processor core to compute on.")
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpu and gpus:
        return gpus, max(1, sum(cpus) // gpus), {"num_gpus": 1}
    # As large as the smallest machine: one encoder in memory serves all of its cores.
    return sum(cpu // min(cpus) for cpu in cpus), min(cpus), {"num_cpus": min(cpus)}


def _plain(value: str | tuple[str, ...]) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


@contextmanager
def _mark(store: Store) -> Iterator[str]:
    """Put a file into the store for as long as workers may look for it; `Store.clear` knows it too."""
    file = store.folder / f".cluster.{os.getpid()}-{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}"
    file.touch()
    try:
        yield file.name
    finally:
        file.unlink(missing_ok=True)
