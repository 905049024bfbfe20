"""Runs the stages of an audit on vectors, without pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from auditor.arrays import as_ids
from auditor.duplicates import find_duplicates
from auditor.features import from_features
from auditor.findings import FindingInputs, find_findings
from auditor.neighbours import find_neighbours
from auditor.probabilities import estimate_probabilities
from auditor.results import (
    TABLE_COLUMNS,
    Backbone,
    Dataset,
    Embeddings,
    Finding,
    Separation,
    Thresholds,
)
from auditor.scores import score_labels
from auditor.separation import measure_separation


class Stages(FindingInputs):
    """What the stages of an audit made of some vectors: the inputs of its findings, and what follows."""

    def findings(self) -> tuple[Finding, ...]:
        return find_findings(self)

    def separation(self) -> Separation:
        return measure_separation(
            self.dataset, self.embeddings, self.neighbours, self.duplicates, self.probabilities
        )

    def flagged(self, kind: str) -> NDArray[np.bool_]:
        """Flags (n,) of the samples that findings of this kind name."""
        named = {i for f in self.findings() if f.kind == kind for i in f.ids}
        return np.array([i in named for i in self.dataset.ids])


def make_dataset(labels: Sequence[object] | NDArray[np.generic], **columns: Sequence[str]) -> Dataset:
    """A dataset without pictures: ids r00000, r00001, .. unless given as a column."""
    table = pd.DataFrame("", index=range(len(labels)), columns=list(TABLE_COLUMNS), dtype=object)
    table["id"] = [f"r{row:05d}" for row in range(len(labels))]
    for name, values in {**columns, "label": [str(v) for v in labels]}.items():
        table[name] = list(values)
    table["path"] = table["id"]
    return Dataset("made", Path(), tuple(sorted(table["label"].unique())), table, has_images=False)


def make_embeddings(vectors: NDArray[np.floating]) -> Embeddings:
    """Unit vectors of samples r00000, r00001, .."""
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = as_ids([f"r{row:05d}" for row in range(len(unit))])
    return Embeddings(ids, unit, Backbone("toy", "", "", unit.shape[1], "", "fp32"))


def run_stages(dataset: Dataset, vectors: NDArray[np.floating], seed: int = 0) -> Stages:
    """Run every stage from the neighbours to the scores."""
    bars = Thresholds()
    facts, embeddings = from_features(dataset, vectors)
    near = find_neighbours(embeddings, facts.digest)
    copies = find_duplicates(dataset, facts, embeddings, near, bars)
    with threadpool_limits(1, "blas"):  # as `run_audit` does for small matrices
        chances = estimate_probabilities(dataset, embeddings, near, copies, bars, seed)
    scores = score_labels(dataset, embeddings, near, copies, chances)
    return Stages(dataset, facts, embeddings, near, copies, chances, scores, bars)
