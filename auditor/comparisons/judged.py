"""One model judged on the samples that all models share.

Audit + CommonSamples --neighbours, probabilities--> JudgedModel
    stored ones are used where they were made of exactly these samples, groups and seed,
    else both are made again, so that every model is judged alike
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from auditor import __version__
from auditor.arrays import Bools, Floats, Ids, Ints, Progress, as_ids, no_progress, rows_of
from auditor.comparisons.common_samples import CommonSamples
from auditor.groups import groups_per_class, independent_groups
from auditor.machines import calm_blas
from auditor.neighbours import find_neighbours
from auditor.probabilities import estimate_probabilities
from auditor.results import (
    Audit,
    Backbone,
    Duplicates,
    Embeddings,
    Neighbours,
    Probabilities,
    Separation,
    Thresholds,
)
from auditor.separation import knn_classes, measure_separation

LEAST_CHANCE = 1e-6
"""Probability below which the log loss does not grow further: float32 rows hold exact zeros."""


@dataclass(frozen=True)
class JudgedModel:
    """What one model makes of the common samples (p rows), all of it without a sample's own group.

    probabilities : (p, c) of the audit's probes on this model's vectors.
    neighbour_classes : (p,) class that most of the nearest samples carry, -1 without neighbours.
    separation : kNN accuracy, probe accuracy, silhouette, verdicts and pairs.
    predictions : (p, c) the user's classifier's, None where the audit has none. Whether it was trained on
        these samples is not known.
    positions : (p, 2) of the audit's own map.
    vectors_digest : of the vectors; audits with equal vectors are one model, with or without predictions.
    """

    name: str
    backbone: Backbone
    probabilities: Probabilities
    neighbour_classes: Ints
    separation: Separation
    predictions: Probabilities | None
    positions: Floats
    vectors_digest: str

    @cached_property
    def probe_guesses(self) -> Ints:
        """Class (p,) that the probe says out of sample."""
        return np.asarray(self.probabilities.values.argmax(axis=1), dtype=np.int32)

    @cached_property
    def guesses(self) -> Ints:
        """Class (p,) that the model says: the classifier's where predictions were given, else the probe's."""
        if self.predictions is None:
            return self.probe_guesses
        return np.asarray(self.predictions.values.argmax(axis=1), dtype=np.int32)

    def log_losses(self, codes: Ints) -> NDArray[np.float64]:
        """Log loss (p,) of the probe's probabilities: -log of the given label's, in nats."""
        return log_losses(self.probabilities.values, codes)


def same_vectors(a: JudgedModel, b: JudgedModel) -> bool:
    """Tell whether two models have equal vectors, so that all that is learned from these is equal too."""
    return a.vectors_digest == b.vectors_digest


def log_losses(chances: Floats, codes: Ints) -> NDArray[np.float64]:
    """Return -log of each row's probability of its given label, (p,) in nats."""
    own = chances[np.arange(len(codes)), codes].astype(np.float64)
    return np.asarray(-np.log(np.maximum(own, LEAST_CHANCE)))


def judge_model(
    name: str,
    audit: Audit,
    common: CommonSamples,
    bars: Thresholds,
    seed: int = 0,
    progress: Progress = no_progress,
) -> JudgedModel:
    """Judge the vectors of one audit on the common samples."""
    rows = rows_of(audit.embeddings.ids, common.ids)
    vectors = Embeddings(common.ids, audit.embeddings.vectors[rows], audit.embeddings.backbone)
    near = _neighbours(audit, common, vectors, progress)
    with calm_blas(vectors):
        chances = _probabilities(audit, common, vectors, near, bars, seed)
        separation = measure_separation(
            common.dataset, vectors, near, common.duplicates, chances, thresholds=bars, seed=seed
        )
    classes = common.dataset.classes
    return JudgedModel(
        name=name,
        backbone=audit.embeddings.backbone,
        probabilities=chances,
        neighbour_classes=knn_classes(near, common.groups, common.codes, len(classes)),
        separation=separation,
        predictions=None if audit.predictions is None else _spread(audit.predictions, audit, common),
        positions=audit.map.positions[rows],
        vectors_digest=sha256(np.ascontiguousarray(vectors.vectors).data).hexdigest(),
    )


def _neighbours(audit: Audit, common: CommonSamples, vectors: Embeddings, progress: Progress) -> Neighbours:
    """The audit's own lists where nothing was left out and it knew the same copies, else a new search."""
    near = audit.neighbours
    order = rows_of(near.ids, common.ids)
    if len(order) != len(near.ids) or not _same_parts(near.representative[order], common.pictures):
        return find_neighbours(vectors, as_ids(common.pictures.astype(str)), progress=progress)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    indices = near.indices[order]
    return Neighbours(
        ids=common.ids,
        indices=np.where(indices >= 0, place[indices], -1).astype(np.int32),
        similarities=near.similarities[order],
        representative=place[near.representative[order]],
    )


def _probabilities(
    audit: Audit,
    common: CommonSamples,
    vectors: Embeddings,
    near: Neighbours,
    bars: Thresholds,
    seed: int,
) -> Probabilities:
    if not _was_judged_alike(audit, common, seed):
        return estimate_probabilities(common.dataset, vectors, near, common.duplicates, bars, seed)
    counts = groups_per_class(common.groups, common.codes, len(common.dataset.classes))
    return replace(_spread(audit.probabilities, audit, common), judged=counts > bars.judged_groups)


def _was_judged_alike(audit: Audit, common: CommonSamples, seed: int) -> bool:
    """Tell whether the stored probabilities left out the same groups, in the same folds and way."""
    order = rows_of(audit.embeddings.ids, common.ids)
    return (
        len(order) == len(audit.embeddings.ids)
        and audit.provenance.seed == seed
        and audit.provenance.auditor_version == __version__
        and _same_parts(_alone_numbered(audit.duplicates)[order], _alone_numbered(common.duplicates))
        and _same_parts(independent_groups(audit.dataset, audit.duplicates)[order], common.groups)
        and _same_parts(audit.neighbours.representative[order], common.pictures)
    )


def _alone_numbered(copies: Duplicates) -> Ints:
    return np.where(copies.group >= 0, copies.group, -1 - np.arange(len(copies.group))).astype(np.int32)


def _same_parts(a: Ints, b: Ints) -> bool:
    """Tell whether two groupings of the same rows put the same rows together, whatever the numbers."""
    first_a = np.unique(a, return_index=True, return_inverse=True)
    first_b = np.unique(b, return_index=True, return_inverse=True)
    return bool(np.array_equal(first_a[1][first_a[2]], first_b[1][first_b[2]]))


def _spread(given: Probabilities, audit: Audit, common: CommonSamples) -> Probabilities:
    """Rows of the common samples, columns of the classes of all audits; a class the audit lacks has 0."""
    names: Ids = as_ids(common.dataset.classes)
    columns = rows_of(names, as_ids(audit.dataset.classes))
    values = np.zeros((len(common.ids), len(names)), dtype=np.float32)
    values[:, columns] = given.values[rows_of(given.ids, common.ids)]
    judged: Bools = np.zeros(len(names), dtype=bool)
    judged[columns] = given.judged
    return Probabilities(common.ids, values, judged, given.method)
