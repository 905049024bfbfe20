"""Threads that read pictures, with the results in the order asked for; what hangs is given up by name.

    items --> queue --> threads --> results, in order
                           |
                           +-- at one item for longer than `seconds`: given up, a fresh thread in its place

The threads are daemons: a process that ends waits for those of a ThreadPoolExecutor, so one decoder that
hangs would keep it for ever. A decoder that hangs without releasing the interpreter's lock cannot be helped.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

from auditor.errors import DataError

PICTURE_SECONDS = 60.0
"""So long may one picture be read and decoded; the largest that are decoded take some seconds."""
GRACE_SECONDS = 1.0
"""Who seems late gets this much more: the whole process may have been stopped and gone on."""
MOST_HUNG = 16
"""With more threads than this hanging at once it is not a picture's fault, but the drive's."""
LEAST_WAIT = 0.001
CLOSE_SECONDS = 5.0
"""So long an end that comes early waits for the pictures being decoded."""

T = TypeVar("T")
R = TypeVar("R")


class _Task(Generic[T, R]):
    """One item on its way; `started` is None until a thread has it, and while its clock is stopped."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = threading.Event()
        self.started: float | None = None
        self.late_since: float | None = None
        self.given_up = False
        self.result: R | None = None
        self.error: BaseException | None = None


def hung_reason() -> str:
    """Return why a picture that hangs is unreadable."""
    return f"decoding took longer than {PICTURE_SECONDS:g} s"


_own = threading.local()


@contextmanager
def clock_stopped() -> Iterator[None]:
    """Do not count what passes meanwhile against the picture that this thread reads: it waits for others."""
    task: _Task[object, object] | None = getattr(_own, "task", None)
    if task is not None:
        task.started = None
    try:
        yield
    finally:
        if task is not None:
            task.started, task.late_since = time.monotonic(), None


class Readers(Generic[T, R]):
    """A few threads that do `work` on items.

    Parameters
    ----------
    work : called in the threads; what it raises is raised where its result is taken.
    give_up : called with an item as soon as it seems to hang; gives its result.
    threads : how many; fewer where the system does not allow so many.
    name : what an item is called in a sentence.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        give_up: Callable[[T], R],
        threads: int,
        name: Callable[[T], str] = str,
    ) -> None:
        self._work, self._give_up, self._count, self._name = work, give_up, threads, name
        self._seconds = PICTURE_SECONDS
        self._tasks: queue.SimpleQueue[_Task[T, R] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._busy: dict[_Task[T, R], threading.Thread] = {}
        self._hung: dict[_Task[T, R], threading.Thread] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._close_seconds = CLOSE_SECONDS

    def in_order(self, items: Iterable[T], ahead: int) -> Generator[R, None, None]:
        """Yield the results in the order of `items`, at most `ahead` of which are taken in advance.

        Raises
        ------
        DataError
            If more than `MOST_HUNG` threads hang at once.
        RuntimeError
            If the system allows no thread at all.
        """
        waiting: deque[_Task[T, R]] = deque()
        try:
            self._start(self._count)
            for item in items:
                task: _Task[T, R] = _Task(item)
                self._tasks.put(task)
                waiting.append(task)
                if len(waiting) >= ahead:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            self._close()

    def _start(self, count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._run, name="read", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if len(self._threads) > len(self._hung):
                    return
                raise
            self._threads.append(thread)

    def _run(self) -> None:
        """Work until there is no more to do, or the item at hand has been given up."""
        while (task := self._tasks.get()) is not None:
            if self._closed:
                continue
            with self._lock:
                self._busy[task] = threading.current_thread()
                task.started = time.monotonic()
            _own.task = task
            result: R | None = None
            error: BaseException | None = None
            try:
                result = self._work(task.item)
            except BaseException as raised:  # raised again by whoever takes the result
                error = raised
            with self._lock:
                if task.given_up:
                    del self._hung[task]
                    return
                del self._busy[task]
                task.result, task.error = result, error
                task.done.set()

    def _result(self, task: _Task[T, R]) -> R:
        while not task.done.wait(self._patience()):
            self._give_up_late()
        if task.error is not None:
            raise task.error
        return cast(R, task.result)

    def _patience(self) -> float:
        """Return the seconds until the next task may be late."""
        now = time.monotonic()
        left = [self._seconds]
        with self._lock:
            for task in self._busy:
                if task.late_since is not None:
                    left.append(task.late_since + self._grace - now)
                elif (started := task.started) is not None:
                    left.append(started + self._seconds - now)
        return max(LEAST_WAIT, min(left))

    @property
    def _grace(self) -> float:
        return min(GRACE_SECONDS, self._seconds)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = []
            for task in self._busy:
                started = task.started
                if started is None or now - started < self._seconds:
                    continue
                if task.late_since is None:
                    task.late_since = now
                elif now - task.late_since >= self._grace:
                    late.append(task)
            for task in late:
                self._hung[task] = self._busy.pop(task)
                task.given_up = True
            hung = [task.item for task in self._hung]
        if late and len(hung) > MOST_HUNG:
            self._close_seconds = 0.0  # those that read now hang as well
            raise DataError(
                f"{len(hung)} pictures at once have been read for more than {self._seconds:g} s each, the "
                f"first is {self._name(hung[0])!r}, the last {self._name(hung[-1])!r}: see whether the drive "
                "that they are on still answers, or take these files out of the dataset."
            )
        for task in late:
            task.result = self._give_up(task.item)
            task.done.set()
        self._start(len(late))

    def _close(self) -> None:
        """End the threads; what hangs is left to itself."""
        self._closed = True
        for _ in self._threads:
            self._tasks.put(None)
        with self._lock:
            hung = set(self._hung.values())
        end = time.monotonic() + self._close_seconds
        for thread in self._threads:
            if thread not in hung:
                thread.join(max(0.0, end - time.monotonic()))
