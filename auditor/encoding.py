"""From files to vectors: decode in threads, encode in batches, several of each under way.

    row --> bytes --> facts, square (s, s, 3) --> batch (b, s, s, 3) --> vectors (b, d)
            (decoding threads, some batches ahead)  (two batches in the network)

Results are taken over in the order of the rows, whichever thread is first.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Progress
from auditor.backbones import Encoder
from auditor.errors import WeightsError
from auditor.images import FileFacts, read_image_at
from auditor.results import Dataset

BATCHES_AT_ONCE = 2
"""Batches in the network at a time."""

LOOK_AHEAD_BATCHES = 3
"""Decoded batches that may wait for the network; more would only hold memory."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's mallopt, from malloc.h."""
KEPT_BYTES = 1 << 28


class Work(Protocol):
    """What reading and encoding needs of a job: whose vectors are known, and where new ones go."""

    dataset: Dataset
    encoder: Encoder
    row_of: dict[str, int]

    def add_facts(self, row: int, facts: FileFacts) -> None: ...

    def add_vectors(self, rows: Sequence[int], vectors: Floats) -> None: ...

    def save_if_due(self) -> None: ...


def read_and_encode(job: Work, rows: Sequence[int], workers: int, progress: Progress) -> None:
    """Read `rows` in threads, encode them in order batch by batch.

    While one batch is finished the next is under way already: no core waits for the last chunk.
    """
    keep_pages()
    encoding: deque[tuple[list[int], Future[Floats]]] = deque()
    batch = _Batch(job.encoder)
    pool = ThreadPoolExecutor(BATCHES_AT_ONCE, "encode")
    try:
        with closing(_read_ahead(job, rows, workers)) as readings:
            for done, (row, facts, square) in enumerate(readings, start=1):
                job.add_facts(row, facts)
                if square is not None and facts.digest not in job.row_of:
                    job.row_of[facts.digest] = row
                    batch.add(row, square)
                if batch.full or (batch.rows and done == len(rows)):
                    encoding.append((batch.rows, pool.submit(_encode, job.encoder, batch.pixels)))
                    batch = _Batch(job.encoder)
                if len(encoding) > BATCHES_AT_ONCE:
                    _take_over(job, encoding.popleft())
                progress("embed", done, len(rows))
        while encoding:
            _take_over(job, encoding.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def keep_pages() -> None:
    """Let the C library keep freed memory up to `KEPT_BYTES` a piece instead of giving it back.

    A decoded picture is just large enough to be a mapping of its own: the kernel then hands out fresh, zeroed
    pages for each, a fifth of the time of decoding. Does nothing where the C library is not glibc.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def _take_over(job: Work, encoded: tuple[list[int], Future[Floats]]) -> None:
    rows, vectors = encoded
    job.add_vectors(rows, vectors.result())
    job.save_if_due()


class _Batch:
    """The squares on their way to the network, and the rows they belong to."""

    def __init__(self, encoder: Encoder) -> None:
        size = encoder.input_size
        self._room = np.empty((encoder.batch_size, size, size, 3), dtype=np.uint8)
        self.rows: list[int] = []

    @property
    def full(self) -> bool:
        return len(self.rows) == len(self._room)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The squares so far, (b, s, s, 3)."""
        return self._room[: len(self.rows)]

    def add(self, row: int, square: NDArray[np.uint8]) -> None:
        self._room[len(self.rows)] = square
        self.rows.append(row)


def _encode(encoder: Encoder, batch: NDArray[np.uint8]) -> Floats:
    vectors = encoder.encode(batch)
    if not np.isfinite(vectors).all():
        raise WeightsError(
            f"The weights of {encoder.backbone.name} give values that are not finite; they are damaged or of "
            "another architecture."
        )
    return vectors


Reading = tuple[int, FileFacts, NDArray[np.uint8] | None]


def _read_ahead(job: Work, rows: Sequence[int], workers: int) -> Generator[Reading, None, None]:
    """Yield (row, facts, square or None) in the order of `rows`, a bounded number decoded ahead."""
    ahead = LOOK_AHEAD_BATCHES * job.encoder.batch_size
    waiting: deque[Future[Reading]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for row in rows:
            waiting.append(pool.submit(_read, job.dataset, job.encoder, row))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(dataset: Dataset, encoder: Encoder, row: int) -> Reading:
    """Read and decode one picture once; runs in a thread."""
    rgb, facts = read_image_at(dataset.contents, str(dataset.table["path"].iat[row]))
    return row, facts, None if rgb is None else encoder.prepare(rgb)
