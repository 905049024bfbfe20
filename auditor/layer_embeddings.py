"""Vectors of several layers of one network: one decode and one forward pass for each picture.

    picture --decode--> square --network--> layer1 | layer2 | .. side by side --> one EmbedJob for each layer

Each layer's vectors go to the store under a key of their own, as if that layer alone had been asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from auditor.arrays import Floats, Progress, no_progress
from auditor.backbones import Encoder, LayerEncoder
from auditor.contents import reading_threads
from auditor.embeddings import EmbedJob
from auditor.encoding import read_and_encode
from auditor.images import FileFacts
from auditor.memory import Tell, enough_memory, tell_nobody
from auditor.networks import available_cores
from auditor.results import Dataset
from auditor.store import Store


def embed_layers(
    dataset: Dataset,
    layers: Sequence[LayerEncoder],
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = no_progress,
    tell: Tell = tell_nobody,
) -> int:
    """Make the vectors of all layers that `store` does not know yet, and keep them there.

    Parameters
    ----------
    layers : from `auditor.backbones.load_layers`: they share one network.
    workers : decoding threads; 0 takes one per core, at least 2, and more for a remote store.
    progress : called with ("embed", pictures done, pictures to do).
    tell : called with a sentence where memory allows less at a time than usual.

    Returns
    -------
    int
        Pictures that were encoded.
    """
    with enough_memory("Embedding", len(dataset)):
        jobs = [EmbedJob.start(dataset, layer, store) for layer in layers]
        together = _LayerJobs(dataset, layers[0].whole, layers, jobs)
        threads = reading_threads(dataset.contents, available_cores())
        try:
            while todo := sorted({row for job in jobs for row in job.todo()}):
                read_and_encode(together, todo, workers or threads, progress, tell)
        finally:
            together.save()
    return together.encoded


@dataclass
class _LayerJobs:
    """The jobs of all layers as one: `row_of` knows the pictures that every layer has a vector of."""

    dataset: Dataset
    encoder: Encoder
    layers: Sequence[LayerEncoder]
    jobs: Sequence[EmbedJob]
    row_of: dict[str, int] = field(default_factory=dict)
    encoded: int = 0

    def __post_init__(self) -> None:
        first, *rest = (job.row_of for job in self.jobs)
        self.row_of = {digest: row for digest, row in first.items() if all(digest in known for known in rest)}

    @property
    def keys(self) -> Sequence[str]:
        return self.jobs[0].keys

    def add_facts(self, row: int, facts: FileFacts, lasting: bool) -> None:
        first, *rest = self.jobs
        first.add_facts(row, facts, lasting)  # this one stores them, once for all
        for job in rest:
            job.facts[row] = facts

    def add_vectors(self, rows: Sequence[int], vectors: Floats) -> None:
        self.encoded += len(rows)
        for layer, job in zip(self.layers, self.jobs, strict=True):
            digests = [job.digest(row) for row in rows]
            new = [place for place, digest in enumerate(digests) if digest not in job.row_of]
            if new:
                job.row_of.update({digests[place]: rows[place] for place in new})
                job.add_vectors([rows[place] for place in new], layer.take(vectors)[np.asarray(new)])

    def save_if_due(self) -> None:
        for job in self.jobs:
            job.save_if_due()

    def save(self) -> None:
        for job in self.jobs:
            job.save()
