"""From files to vectors: decode in threads, encode in batches, several of each under way.

    row --> bytes --> facts, square (s, s, 3) --> batch (b, s, s, 3) --> vectors (b, d)
            (decoding threads, some batches ahead)  (two batches in the network)

Results are taken over in the order of the rows, whichever thread is first. Where memory is short less is
under way at a time (`auditor.memory`), and a picture that hangs is given up (`auditor.reading`).
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Progress
from auditor.backbones import Encoder
from auditor.chunks import chunk_size
from auditor.decoding import NO_MEMORY
from auditor.errors import WeightsError
from auditor.images import FileFacts, read_image_at, unreadable_facts
from auditor.memory import BYTES_PER_SAMPLE, DecodingRoom, Needs, Tell, available_bytes, plan_work
from auditor.networks import available_cores
from auditor.reading import Readers, hung_reason
from auditor.results import Dataset

NETWORK_BYTES, NETWORK_BYTES_PER_PIXEL = 200_000_000, 256
"""Memory that a network takes with its library, and beside that for a pixel of the squares it works on.

Measured with ResNet-50 and 16 squares of 224 px at work: 330 MB with OpenVINO, 490 to 620 with torch.
"""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's mallopt, from malloc.h."""
KEPT_BYTES, LEAST_KEPT_BYTES = 1 << 28, 1 << 20
"""What each thread keeps of freed memory, and what it keeps where memory is short."""


class Work(Protocol):
    """What reading and encoding needs of a job: whose vectors are known, and where new ones go.

    `keys` (n,) are those of the rows' contents when the job began: facts of another content are not kept.
    """

    dataset: Dataset
    encoder: Encoder
    row_of: dict[str, int]

    @property
    def keys(self) -> Sequence[str]: ...

    def add_facts(self, row: int, facts: FileFacts, lasting: bool) -> None: ...

    def add_vectors(self, rows: Sequence[int], vectors: Floats) -> None: ...

    def save_if_due(self) -> None: ...


def read_and_encode(job: Work, rows: Sequence[int], workers: int, progress: Progress, tell: Tell) -> None:
    """Read `rows` in threads, encode them in order batch by batch.

    While one batch is finished the next is under way already: no core waits for the last chunk. `tell` is
    called with a sentence where memory allows less than that.
    """
    plan, sentence = plan_work(_needs(job), workers, available_bytes())
    if sentence:
        tell(sentence)
    keep_pages(KEPT_BYTES if plan.decoding_bytes >= plan.workers * KEPT_BYTES else LEAST_KEPT_BYTES)
    reader = _Reader(job, DecodingRoom(plan.decoding_bytes))
    readers = Readers(reader.read, reader.give_up, plan.workers, reader.path)
    encoding: deque[tuple[list[int], Future[Floats]]] = deque()
    batch = _Batch(job.encoder)
    pool = ThreadPoolExecutor(plan.batches, "encode")
    try:
        with closing(readers.in_order(rows, plan.ahead * job.encoder.batch_size)) as readings:
            for done, made in enumerate(readings, start=1):
                job.add_facts(made.row, made.facts, made.lasting)
                if made.square is not None and made.facts.digest not in job.row_of:
                    job.row_of[made.facts.digest] = made.row
                    batch.add(made.row, made.square)
                if batch.full or (batch.rows and done == len(rows)):
                    encoding.append((batch.rows, pool.submit(_encode, job.encoder, batch.pixels)))
                    batch = _Batch(job.encoder)
                if len(encoding) > plan.batches:
                    _take_over(job, encoding.popleft())
                progress("embed", done, len(rows))
        while encoding:
            _take_over(job, encoding.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _needs(job: Work) -> Needs:
    """Estimate what a run takes beside the pictures being decoded."""
    side, batch = job.encoder.input_size, job.encoder.batch_size
    at_work = min(batch, chunk_size(side) * available_cores())
    return Needs(
        batch=batch * side * side * 3,
        network=NETWORK_BYTES + at_work * side * side * NETWORK_BYTES_PER_PIXEL,
        kept=len(job.dataset) * (4 * job.encoder.backbone.dimensions + BYTES_PER_SAMPLE),
    )


def keep_pages(kept: int = KEPT_BYTES) -> None:
    """Let the C library keep freed memory up to `kept` bytes a piece instead of giving it back.

    A decoded picture is just large enough to be a mapping of its own: the kernel then hands out fresh, zeroed
    pages for each, a fifth of the time of decoding. Does nothing where the C library is not glibc.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, kept)
        libc.mallopt(M_TRIM_THRESHOLD, kept)


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


@dataclass(frozen=True)
class _Reading:
    """What came of one row.

    `square` (s, s, 3) is None when unreadable; `lasting` is False for facts that are of this moment only.
    """

    row: int
    facts: FileFacts
    square: NDArray[np.uint8] | None = None
    lasting: bool = False


class _Reader:
    """Reads and decodes the rows of a job; `read` runs in several threads."""

    def __init__(self, job: Work, room: DecodingRoom) -> None:
        self._job, self._room = job, room

    def path(self, row: int) -> str:
        return str(self._job.dataset.table["path"].iat[row])

    def read(self, row: int) -> _Reading:
        """Read and decode one picture once; again and alone where it did not fit beside the others."""
        path, contents = self.path(row), self._job.dataset.contents
        try:
            rgb, facts = read_image_at(contents, path, partial(self._room.enter, row))
            if facts.error == NO_MEMORY:
                self._room.leave(row)
                self._room.enter_alone(row)
                rgb, facts = read_image_at(contents, path)
            square = None if rgb is None else self._job.encoder.prepare(rgb)
        finally:
            self._room.leave(row)
        unchanged = contents.key(path) == self._job.keys[row]
        if facts.byte_digest and not facts.readable and not unchanged:
            facts = unreadable_facts(f"the file changed during the run; {facts.error}", facts.byte_digest)
        return _Reading(row, facts, square, lasting=unchanged and facts.error != NO_MEMORY)

    def give_up(self, row: int) -> _Reading:
        """Stand in for a row that hangs, whose room others need."""
        self._room.leave(row)
        return _Reading(row, unreadable_facts(hung_reason()))
