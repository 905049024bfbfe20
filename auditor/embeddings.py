"""Vectors of a whole dataset: what the store knows is taken from it, the rest is made and stored as it goes.

    file --stat--> facts known? --digest--> vector known? --no--> `auditor.encoding` --> facts, vector

Only what the store does not know is read. Pictures with the same pixels are encoded once. Every
finished shard goes to the store, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from auditor.arrays import Floats, Progress, no_progress
from auditor.backbones import Encoder
from auditor.contents import reading_threads
from auditor.encoding import read_and_encode
from auditor.errors import DataError
from auditor.features import from_features
from auditor.images import FileFacts, collect_facts
from auditor.memory import Tell, enough_memory, tell_nobody
from auditor.networks import available_cores
from auditor.results import Dataset, Embeddings, ImageFacts
from auditor.sources.rows import texts

if TYPE_CHECKING:
    from auditor.store import Store

__all__ = ["EmbedRun", "embed", "from_features", "run_embedding", "unit_rows"]

SHARD_IMAGES = 2_000
SHARD_SECONDS = 30.0
"""A shard is stored after so many pictures or seconds: the most that a killed run has to do again."""


@dataclass(frozen=True)
class EmbedRun:
    """What `run_embedding` made, and how much of it was new work."""

    facts: ImageFacts
    embeddings: Embeddings
    decoded: int
    encoded: int


def embed(
    dataset: Dataset,
    encoder: Encoder,
    *,
    store: Store | None = None,
    workers: int = 0,
    progress: Progress = no_progress,
    tell: Tell = tell_nobody,
) -> tuple[ImageFacts, Embeddings]:
    """Return the facts of every file and the unit vectors of every readable one; see `run_embedding`."""
    run = run_embedding(dataset, encoder, store=store, workers=workers, progress=progress, tell=tell)
    return run.facts, run.embeddings


def run_embedding(
    dataset: Dataset,
    encoder: Encoder,
    *,
    store: Store | None = None,
    workers: int = 0,
    progress: Progress = no_progress,
    tell: Tell = tell_nobody,
) -> EmbedRun:
    """Embed a dataset, reading only what `store` does not know yet.

    Parameters
    ----------
    dataset : with images.
    encoder : from `load_encoder`.
    store : facts and vectors of earlier runs; what is new is added. None keeps nothing.
    workers : decoding threads; 0 takes one per core, at least 2, and more for a remote store.
    progress : called with ("embed", pictures done, pictures to do); pictures known from earlier do not
        count.
    tell : called with a sentence where memory allows less at a time than usual; no vector depends on it.

    Raises
    ------
    DataError
        If no picture of the dataset is readable, or reading hangs on many.
    AuditError
        If not even the least fits into memory.
    WeightsError
        If the network gives values that are not finite.
    """
    with enough_memory("Embedding", len(dataset)):
        job = EmbedJob.start(dataset, encoder, store)
        threads = reading_threads(dataset.contents, available_cores())
        try:
            # Again where a file changed meanwhile whose copies were to share its vector.
            while todo := job.todo():
                read_and_encode(job, todo, workers or threads, progress, tell)
        finally:
            job.save()
    facts = job.all_facts()
    if not any(f.readable for f in facts):
        raise DataError(
            f"None of the {len(dataset)} pictures of {dataset.name} is readable, the first because "
            f"{facts[0].error}."
        )
    return EmbedRun(collect_facts(dataset.ids, facts), job.embeddings(), job.decoded, job.encoded)


@dataclass
class EmbedJob:
    """State of one run: n rows of the dataset, their facts, and one vector per distinct picture.

    `vectors` (n, d) holds a picture's vector in the row where it was met first, `row_of[digest]`.
    """

    dataset: Dataset
    encoder: Encoder
    store: Store | None
    keys: list[str]
    facts: list[FileFacts | None]
    vectors: Floats
    row_of: dict[str, int] = field(default_factory=dict)
    new_facts: dict[str, FileFacts] = field(default_factory=dict)
    new_rows: list[int] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)
    decoded: int = 0
    encoded: int = 0

    @classmethod
    def start(cls, dataset: Dataset, encoder: Encoder, store: Store | None) -> Self:
        """Look up every file, first its facts, then its vector."""
        keys = [dataset.contents.key(path) for path in texts(dataset.table["path"])]
        known = store.known_facts([key for key in keys if key]) if store else {}
        facts = [known.get(key) for key in keys]
        vectors = np.empty((len(dataset), encoder.backbone.dimensions), dtype=np.float32)
        job = cls(dataset, encoder, store, keys, facts, vectors)
        if store:
            job._find_vectors(store)
        return job

    def _find_vectors(self, store: Store) -> None:
        first: dict[str, int] = {}
        for row, facts in enumerate(self.facts):
            if facts is not None and facts.readable:
                first.setdefault(facts.digest, row)
        if not first:
            return
        found, vectors = store.find_vectors(self.encoder.backbone.key(), list(first))
        for position, (digest, row) in enumerate(first.items()):
            if found[position]:
                self.vectors[row] = vectors[position]
                self.row_of[digest] = row

    def todo(self) -> list[int]:
        """Rows to read, in order: no facts yet, or the first copy of a picture without a vector."""
        rows, planned = [], set()
        for row, facts in enumerate(self.facts):
            if facts is None:
                rows.append(row)
            elif facts.readable and facts.digest not in self.row_of and facts.digest not in planned:
                planned.add(facts.digest)
                rows.append(row)
        return rows

    def add_facts(self, row: int, facts: FileFacts, lasting: bool) -> None:
        self.facts[row] = facts
        self.decoded += 1
        if lasting and self.keys[row]:
            self.new_facts[self.keys[row]] = facts

    def add_vectors(self, rows: Sequence[int], vectors: Floats) -> None:
        self.vectors[rows] = unit_rows(vectors)
        self.new_rows += rows
        self.encoded += len(rows)

    def save_if_due(self) -> None:
        if len(self.new_rows) >= SHARD_IMAGES or time.monotonic() - self.saved_at >= SHARD_SECONDS:
            self.save()

    def save(self) -> None:
        """Store what is new. Facts of pictures still waiting for their vector are sound without it."""
        if self.store is not None:
            if self.new_rows:
                digests = [self.digest(row) for row in self.new_rows]
                self.store.add_vectors(self.encoder.backbone.key(), digests, self.vectors[self.new_rows])
            if self.new_facts:
                self.store.add_facts(self.new_facts)
        self.new_rows, self.new_facts, self.saved_at = [], {}, time.monotonic()

    def digest(self, row: int) -> str:
        facts = self.facts[row]
        assert facts is not None
        return facts.digest

    def all_facts(self) -> list[FileFacts]:
        """Facts of all n rows, once all are read."""
        return [facts for facts in self.facts if facts is not None]

    def embeddings(self) -> Embeddings:
        """Vectors of all readable rows in dataset order; copies share theirs."""
        rows = [row for row, facts in enumerate(self.facts) if facts is not None and facts.readable]
        sources = [self.row_of[self.digest(row)] for row in rows]
        return Embeddings(self.dataset.ids[rows], self.vectors[sources], self.encoder.backbone)


def unit_rows(vectors: Floats) -> Floats:
    """Return `vectors` (n, d) scaled to length 1.

    A row of zeros, a picture that excites nothing, becomes the first axis: as good as orthogonal to all
    other pictures and equal to those that excite nothing either.
    """
    exact = vectors.astype(np.float64)  # squares of large values overflow in float32
    lengths = np.linalg.norm(exact, axis=1)
    exact[lengths == 0, 0] = 1.0
    unit: Floats = (exact / np.where(lengths == 0, 1.0, lengths)[:, None]).astype(np.float32)
    return unit
