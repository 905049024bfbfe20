"""Audits of one dataset through several made-up models, without pictures and without t-SNE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from stages import make_dataset, run_stages

from auditor import __version__
from auditor.audit import count_label_errors
from auditor.results import Audit, Dataset, Map, Probabilities, Provenance

CLASSES, EACH, DIMENSIONS = 3, 60, 8


def view(codes: NDArray[np.integer], seed: int, apart: float = 8.0) -> NDArray[np.float64]:
    """Vectors (n, 8) of one model: unit noise around class centres of its own."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0][: codes.max() + 1]
    return np.asarray(apart * centres[codes] + rng.normal(size=(len(codes), DIMENSIONS)))


def vector_audit(
    dataset: Dataset,
    vectors: NDArray[np.floating],
    name: str = "toy",
    weights: str = "",
    seed: int = 0,
) -> Audit:
    """An audit of these vectors; the map is their first two coordinates."""
    stages = run_stages(dataset, vectors, seed)
    unit = stages.embeddings
    embeddings = replace(unit, backbone=replace(unit.backbone, name=name, weights_sha256=weights))
    findings = stages.findings()
    positions = np.ascontiguousarray(vectors[:, :2], dtype=np.float32)
    return Audit(
        dataset=dataset,
        facts=stages.facts,
        embeddings=embeddings,
        neighbours=stages.neighbours,
        duplicates=stages.duplicates,
        probabilities=stages.probabilities,
        scores=stages.scores,
        separation=stages.separation(),
        findings=findings,
        map=Map(embeddings.ids, positions, "first two coordinates", 0.9, len(positions)),
        thresholds=stages.thresholds,
        label_errors=count_label_errors(findings, stages.scores),
        review_plan=(),
        provenance=Provenance(__version__, "toy", "f" * 64, "auditor run toy", seed, {}, {}, ()),
    )


def true_codes() -> NDArray[np.int64]:
    """Class codes (180,) of three classes in turn."""
    return np.arange(CLASSES * EACH) % CLASSES


def predict(audit: Audit, said: Sequence[int] | NDArray[np.integer]) -> Audit:
    """The audit with a classifier that says these classes at 0.9."""
    c = len(audit.dataset.classes)
    values = np.full((len(said), c), 0.1 / (c - 1), dtype=np.float32)
    values[np.arange(len(said)), said] = 0.9
    given = Probabilities(audit.embeddings.ids, values, np.ones(c, bool), "the user's predictions")
    return replace(audit, predictions=given)


def planted_dataset(wrong: Sequence[int]) -> Dataset:
    """Three classes whose samples `wrong` carry the label of the next class."""
    labels = true_codes()
    labels[list(wrong)] = (labels[list(wrong)] + 1) % CLASSES
    return make_dataset(labels)
