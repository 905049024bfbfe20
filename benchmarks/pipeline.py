"""The stages of an audit that the measurements need, on labels that may have been changed in memory.

    read_dataset --> Dataset --relabel--> Dataset --Bench.judge--> Judged(copies, scores, findings)

Vectors do not depend on labels: a `Bench` keeps them in its store, so that every picture is embedded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Ints, rows_of
from auditor.backbones import Encoder, load_encoder
from auditor.duplicates import find_duplicates
from auditor.embeddings import embed
from auditor.findings import FindingInputs, find_findings
from auditor.machines import calm_blas
from auditor.neighbours import find_neighbours
from auditor.probabilities import estimate_probabilities
from auditor.results import (
    Dataset,
    Duplicates,
    Embeddings,
    Finding,
    ImageFacts,
    Neighbours,
    Probabilities,
    Scores,
    Thresholds,
)
from auditor.scores import score_labels
from auditor.store import Store


@dataclass(frozen=True)
class Judged:
    """What the stages made of one dataset; arrays have the m rows of `embeddings`."""

    inputs: FindingInputs
    findings: tuple[Finding, ...]

    @property
    def dataset(self) -> Dataset:
        return self.inputs.dataset

    @property
    def embeddings(self) -> Embeddings:
        return self.inputs.embeddings

    @property
    def neighbours(self) -> Neighbours:
        return self.inputs.neighbours

    @property
    def duplicates(self) -> Duplicates:
        return self.inputs.duplicates

    @property
    def probabilities(self) -> Probabilities:
        return self.inputs.probabilities

    @property
    def scores(self) -> Scores:
        return self.inputs.scores

    @property
    def codes(self) -> Ints:
        """Class codes (m,) of the given labels."""
        return self.dataset.codes_of(self.embeddings.ids)

    def flagged(self, kind: str) -> Bools:
        """Samples (m,) that a finding of this kind names."""
        named = [i for f in self.findings if f.kind == kind for i in f.ids]
        flags = np.zeros(len(self.embeddings.ids), dtype=np.bool_)
        flags[rows_of(self.embeddings.ids, named)] = True
        return flags

    def labels_differ(self, other: Dataset) -> Bools:
        """Samples (m,) whose label is another one in `other`, which has the same ids."""
        mine = self.dataset.column_of("label", self.embeddings.ids)
        return np.asarray(mine != other.column_of("label", self.embeddings.ids), dtype=np.bool_)


@dataclass(frozen=True)
class Bench:
    """The bundled backbone and a store for its vectors."""

    encoder: Encoder
    store: Store

    @classmethod
    def open(cls, cache: Path) -> Bench:
        return cls(load_encoder("bundled", device="cpu", offline=True, warn=print), Store(cache))

    def judge(self, dataset: Dataset, seed: int = 0) -> Judged:
        """Run the stages as `run_audit` does, without separation and map."""
        return judge_vectors(dataset, *embed(dataset, self.encoder, store=self.store), seed)


def judge_vectors(dataset: Dataset, facts: ImageFacts, vectors: Embeddings, seed: int = 0) -> Judged:
    """Run the stages after the embedding as `run_audit` does, without separation and map."""
    bars = Thresholds()
    near = find_neighbours(vectors, facts.digest[rows_of(facts.ids, vectors.ids)])
    copies = find_duplicates(dataset, facts, vectors, near, bars)
    with calm_blas(vectors):
        chances = estimate_probabilities(dataset, vectors, near, copies, bars, seed)
    scores = score_labels(dataset, vectors, near, copies, chances)
    inputs = FindingInputs(dataset, facts, vectors, near, copies, chances, scores, bars)
    return Judged(inputs, find_findings(inputs))


def relabel(dataset: Dataset, labels: Sequence[str] | NDArray[np.object_]) -> Dataset:
    """Return the dataset with other labels (n,) out of its own classes."""
    return replace(dataset, table=dataset.table.assign(label=np.asarray(labels, dtype=object)))


def swap_labels(dataset: Dataset, share: float, seed: int, within: Sequence[str] | None = None) -> Dataset:
    """Give this share of the samples another class, all other classes alike.

    Only samples of the classes `within` change, and only among these classes.
    """
    rng = np.random.default_rng(seed)
    names = list(dataset.classes if within is None else within)
    labels = dataset.table["label"].to_numpy(dtype=object).copy()
    free = np.flatnonzero(np.isin(labels, names))
    for row in rng.choice(free, round(share * len(free)), replace=False):
        labels[row] = str(rng.choice([name for name in names if name != labels[row]]))
    return relabel(dataset, labels)
