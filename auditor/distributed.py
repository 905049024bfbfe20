"""The machines of a Ray cluster: shards embedded on all of them, sums and searches shared out among them.

    shards         --Ray Data-----> `auditor.shard_workers`: parts of the store
    blocks of rows --object store-> `machines.Machines`: sums of the probe, neighbours

Ray is started, or joined, without its dashboard, its usage statistics and its messages.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from auditor.backbones import Encoder
from auditor.errors import UsageError
from auditor.networks import available_cores
from auditor.shard_workers import RayEmbedding, cluster_error
from auditor.sharding import Embedder

T = TypeVar("T")

MISSING = 'The engine ray needs the package ray: pip install "dataset-auditor[ray]"'
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""What has not answered by then is no cluster; Ray itself would go on asking for a quarter of an hour."""
AHEAD = 2
"""Tasks that wait for each processor core."""
RETRIES = 5
"""How often a task is tried again whose machine was lost."""


@contextmanager
def open_cluster(address: str | None = None) -> Iterator[RayCluster]:
    """Join a Ray cluster, or start one on this machine, and leave it again.

    Parameters
    ----------
    address : host:port of a cluster's head; None joins the one that runs on this machine or that RAY_ADDRESS
        names, and else starts one here, for as long as it is needed.

    Raises
    ------
    UsageError
        If Ray is not installed, no cluster answers there, or it cannot be joined.
    """
    ray = _import_ray()
    if ray.is_initialized():  # by the program that calls: it stays its own
        yield RayCluster(ray)
        return
    _join(ray, address)
    try:
        yield RayCluster(ray)
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    # Read when it is imported, and inherited by what it starts.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Else it warns of a coming change; workers without a GPU keep what the environment says.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(f"{MISSING} ({error}).") from None
    return ray


def _join(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False, "include_dashboard": False}
    joining = {name: value for name, value in quiet.items() if name != "include_dashboard"}
    named = os.environ.get("RAY_ADDRESS", "")
    if address is None and named not in ("", "auto", "local"):
        address = named
    if address is not None:
        _ask(ray, address)
    try:
        ray.init(address=address or "auto", **joining)
    except ConnectionError as error:
        if address is not None:
            raise UsageError(f"The Ray cluster at {address} cannot be joined: {_first_line(error)}") from None
        ray.init(num_cpus=available_cores(), **quiet)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"The Ray cluster cannot be joined: {_first_line(error)}") from None


def _ask(ray: Any, address: str) -> None:
    """Say so where nobody answers, or another program does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UsageError(
            f"{address} is no address of a Ray cluster: --address or RAY_ADDRESS is host:port, as ray start "
            "tells it."
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"No Ray cluster answers at {address} ({getattr(error, 'strerror', None) or error}): "
            "give the address that ray start told on its head."
        ) from None
    answered: list[bytes] = []

    def greet() -> None:
        with suppress(ray.exceptions.RayError):
            answered.append(ray._raylet.GcsClient(address=address).cluster_id.binary())

    asking = threading.Thread(target=greet, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if not answered:
        raise UsageError(
            f"What answers at {address} is no Ray cluster: give the address that ray start told on its head, "
            "whose port is 6379 unless another was asked for."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


class RayCluster:
    """A cluster that this process has joined: `embedding` runs shards, the rest is `machines.Machines`."""

    alone = False

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._remote: dict[Callable[..., Any], Any] = {}

    @property
    def size(self) -> int:
        """Processor cores of the cluster, each of which runs a task."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def share(self, value: Any) -> Any:
        return self._ray.put(value)

    def map(self, function: Callable[..., T], tasks: Iterable[Sequence[Any]]) -> Iterator[T]:
        remote, waiting, most = self._task(function), deque[Any](), AHEAD * self.size
        for task in tasks:
            waiting.append(remote.remote(*task))
            if len(waiting) > most:
                yield self._get(waiting.popleft())
        while waiting:
            yield self._get(waiting.popleft())

    def start(self, function: Callable[..., Any], tasks: Iterable[Sequence[Any]]) -> list[Any]:
        remote = self._task(function)
        return [remote.remote(*task) for task in tasks]

    def fetch(self, handles: Sequence[Any]) -> Iterator[Any]:
        return map(self._get, handles)

    def _get(self, handle: Any) -> Any:
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None  # as if it had been raised here
        except self._ray.exceptions.RayError as error:
            raise cluster_error(error) from error

    def _task(self, function: Callable[..., Any]) -> Any:
        if function not in self._remote:
            self._remote[function] = self._ray.remote(num_cpus=1, max_retries=RETRIES)(
                _on_one_thread(function)
            )
        return self._remote[function]

    def embedding(self, open_encoder: Callable[[], Encoder], embedder: Embedder) -> RayEmbedding:
        """Return what embeds shards on this cluster, a `sharding.Run`.

        Parameters
        ----------
        open_encoder : opens the encoder of `embedder` anew, on another machine.
        """
        return RayEmbedding(self._ray, open_encoder, embedder)


def _on_one_thread(function: Callable[..., T]) -> Callable[..., T]:
    """Return a task that computes as one of `machines.ThisMachine` does: one thread, one order of sums."""

    def task(*arguments: Any) -> T:
        from threadpoolctl import threadpool_limits

        os.environ["OMP_NUM_THREADS"] = "1"  # for what is loaded in the task; the limit is for what is there
        with threadpool_limits(1):
            return function(*arguments)

    return task
