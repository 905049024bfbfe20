"""A batch cut into chunks of one fixed shape, so that a vector depends on nothing but its picture.

    batch (b, s, s, 3) uint8 -> chunks (c, s, s, 3), the last one padded -> one thread each -> (b, d)
    float32

`Engine` is what an encoder runs; `LazyEngine` builds one when there is something to run.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats

LEAST_CHUNK, MOST_CHUNK = 8, 32
"""Pictures that one thread computes at a time, from 224 px up and from 112 px down."""


class Engine(Protocol):
    """Runs a feature network on one device at one precision; safe to share between threads."""

    @property
    def name(self) -> str:
        """Precision, library and device, e.g. "fp32 (openvino, cpu)"."""

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3), not yet of unit length."""


class ChunkedEngine(ABC):
    """An engine whose threads compute one chunk each.

    A vector depends neither on its batch nor on the number of cores, and no core waits for another after
    every layer: beside decoding threads that costs more than the arithmetic.

    Parameters
    ----------
    chunk : pictures that a thread computes at a time.
    threads : how many chunks are computed at once.
    start_thread : called first in each thread.
    """

    def __init__(self, chunk: int, threads: int, start_thread: Callable[[], None] | None = None) -> None:
        self.chunk = chunk
        self._pool = ThreadPoolExecutor(threads, "network", initializer=start_thread)

    @abstractmethod
    def compute(self, pictures: NDArray[np.uint8]) -> Floats:
        """Return the vectors (c, d) of exactly one chunk (c, s, s, 3), in memory of their own."""

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3), not yet of unit length."""
        starts = range(0, len(batch), self.chunk)
        return np.concatenate(list(self._pool.map(self._padded, [batch[i : i + self.chunk] for i in starts])))

    def _padded(self, pictures: NDArray[np.uint8]) -> Floats:
        count = len(pictures)
        if count < self.chunk:
            padding = np.zeros((self.chunk - count, *pictures.shape[1:]), dtype=np.uint8)
            pictures = np.concatenate([pictures, padding])
        return self.compute(pictures)[:count]


class LazyEngine:
    """An engine that is built when it first runs: known vectors need no network."""

    def __init__(self, name: str, build: Callable[[], Engine]) -> None:
        self.name = name
        self._build = build
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3), not yet of unit length."""
        with self._lock:
            if self._engine is None:
                self._engine = self._build()
        return self._engine.run(batch)


def chunk_size(side_px: int) -> int:
    """Return how many squares one thread computes at a time: a few large ones, to use the caches."""
    return max(LEAST_CHUNK, min(MOST_CHUNK, LEAST_CHUNK * 224**2 // side_px**2))


def engine_name(precision: str, library: str, device: str) -> str:
    """Return the name that tells an engine's vectors from all others."""
    return f"{precision} ({library}, {device})"
