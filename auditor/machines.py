"""Where the large sums and searches of an audit are computed: on this machine, or shared out over a cluster.

    blocks of rows --share--> handles
    function, tasks --map--> results, in the order of the tasks
                    --start--> handles of results that stay where they were made, until --fetch-->

Every task runs on one thread of BLAS, wherever it runs: what it gives depends on neither the number of cores
nor on the machine beside it. Results are added up in the order of the tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from auditor.networks import available_cores
from auditor.results import Embeddings

T = TypeVar("T")

SMALL_PRODUCT = 100_000_000_000
"""Below so many multiplications in a Gram matrix (m d^2), some seconds on one core, BLAS gets one thread."""
AHEAD = 2
"""Tasks that wait for each thread; more would only hold memory."""


class Machines(Protocol):
    """Runs functions of numpy arrays on parts of the data."""

    @property
    def alone(self) -> bool:
        """Whether all of it is in this process's memory."""

    @property
    def size(self) -> int:
        """How many tasks run at once."""

    def share(self, value: Any) -> Any:
        """Return a handle that stands for `value` as an argument of tasks."""

    def map(self, function: Callable[..., T], tasks: Iterable[Sequence[Any]]) -> Iterator[T]:
        """Yield what `function` gives for the arguments of each task, in their order.

        Arguments may be handles. Tasks are taken a few at a time, as they are needed.
        """

    def start(self, function: Callable[..., Any], tasks: Iterable[Sequence[Any]]) -> list[Any]:
        """Return a handle for what `function` gives for the arguments of each task."""

    def fetch(self, handles: Sequence[Any]) -> Iterator[Any]:
        """Yield what the handles stand for, in their order."""


class ThisMachine:
    """Runs tasks in threads, one for each core."""

    alone = True

    @property
    def size(self) -> int:
        return available_cores()

    def share(self, value: Any) -> Any:
        return value

    def map(self, function: Callable[..., T], tasks: Iterable[Sequence[Any]]) -> Iterator[T]:
        from threadpoolctl import threadpool_limits

        threads = available_cores()
        waiting: deque[Future[T]] = deque()
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads, "tasks") as pool:
            try:
                for task in tasks:
                    waiting.append(pool.submit(function, *task))
                    if len(waiting) > AHEAD * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def start(self, function: Callable[..., Any], tasks: Iterable[Sequence[Any]]) -> list[Any]:
        return list(self.map(function, tasks))

    def fetch(self, handles: Sequence[Any]) -> Iterator[Any]:
        return iter(handles)


HERE = ThisMachine()


def calm_blas(vectors: Embeddings) -> AbstractContextManager[object]:
    """Keep BLAS to one thread while the matrices are small.

    Several threads on a small eigenproblem mostly wait for each other: on two cores shared with other work
    ten folds at d = 768 took 50 s with two threads and 9 s with one.
    """
    from threadpoolctl import threadpool_limits

    m, d = vectors.vectors.shape
    return threadpool_limits(1, "blas") if m * d * d < SMALL_PRODUCT else nullcontext()
