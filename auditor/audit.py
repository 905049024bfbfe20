"""The pipeline: a dataset in, an `Audit` out.

dataset -> images -> embeddings -> neighbours -> duplicates -> probabilities -> scores
        -> findings -> separation -> map  ==>  Audit
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict

import numpy as np

from auditor import __version__
from auditor.arrays import Progress, as_ids, no_progress, rows_of
from auditor.backbones import Encoder
from auditor.dataset import fingerprint, vector_rows
from auditor.duplicates import find_duplicates
from auditor.embeddings import embed
from auditor.errors import DataError, UsageError
from auditor.features import from_features
from auditor.findings import FAULTS, FindingInputs, find_findings, flooding_faults
from auditor.groups import groups_per_class, independent_groups
from auditor.neighbours import find_neighbours
from auditor.probabilities import estimate_probabilities
from auditor.projection import make_map
from auditor.results import (
    Audit,
    Dataset,
    Duplicates,
    Embeddings,
    Finding,
    ImageFacts,
    LabelErrors,
    Probabilities,
    Provenance,
    Reviewed,
    Scores,
)
from auditor.reviewed import Memory, leave_out_checked, read_memory
from auditor.scores import score_labels
from auditor.separation import measure_separation
from auditor.settings import AuditSettings, check_settings, open_encoder
from auditor.sources.names import plural
from auditor.store import Store
from auditor.user_arrays import align_predictions, read_features, read_ids, read_predictions

REVIEW_STEPS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Lengths of the review list for which the plan says how many errors to expect."""
REPORT_ID_LENGTH = 12
SMALL_PRODUCT = 100_000_000_000
"""Below so many multiplications in a Gram matrix (m d^2), some seconds on one core, BLAS gets one thread."""
LEAST_GROUPS = 2
"""Independent groups that a class needs so that one can be left out and another is still there."""


def run_audit(
    dataset: Dataset,
    settings: AuditSettings | None = None,
    *,
    encoder: Encoder | None = None,
    progress: Progress = no_progress,
    warn: Callable[[str], None] | None = None,
) -> Audit:
    """Audit a dataset.

    Parameters
    ----------
    dataset : from `read_dataset`.
    settings : defaults to `AuditSettings()`.
    encoder : makes the vectors instead of the backbone that `settings` name.
    progress : called with (stage, done, total).
    warn : called with each warning as it comes; all of them end up in `provenance.warnings`.

    Raises
    ------
    AuditError
        One of its children when the settings exclude each other, the data cannot be judged, or weights fail.
    """
    settings = settings or AuditSettings()
    log = _Log(progress, warn)
    for note in dataset.notes:
        log.warn(note)
    _check(dataset, settings)
    memory = read_memory(settings.reviewed) if settings.reviewed else None
    given = None if settings.predictions is None else read_predictions(settings.predictions, dataset)
    seed, bars = settings.seed, settings.thresholds
    with log.stage("embed"):
        facts, vectors = _embed(dataset, settings, encoder, log, progress)
    predictions = None if given is None else align_predictions(given, vectors.ids)
    with log.stage("neighbours"):
        near = find_neighbours(vectors, facts.digest[rows_of(facts.ids, vectors.ids)], progress=progress)
    with log.stage("duplicates"):
        copies = find_duplicates(dataset, facts, vectors, near, bars)
        _check_groups(dataset, copies)
    with log.stage("probabilities"), calm_blas(vectors):
        chances = estimate_probabilities(dataset, vectors, near, copies, bars, seed)
        _name_unjudged(dataset, chances, log)
    with log.stage("scores"):
        scores = score_labels(dataset, vectors, near, copies, chances)
    with log.stage("findings"):
        inputs = FindingInputs(dataset, facts, vectors, near, copies, chances, scores, bars)
        findings, reviewed = _open_findings(inputs, memory, log)
        _name_floods(inputs, log)
    with log.stage("separation"), calm_blas(vectors):
        separation = measure_separation(dataset, vectors, near, copies, chances, findings, bars, seed)
    with log.stage("map"):
        layout = make_map(vectors, near, seed, progress)
    return Audit(
        dataset=dataset,
        facts=facts,
        embeddings=vectors,
        neighbours=near,
        duplicates=copies,
        probabilities=chances,
        scores=scores,
        separation=separation,
        findings=findings,
        map=layout,
        thresholds=bars,
        label_errors=count_label_errors(findings, scores),
        review_plan=plan_review(findings),
        provenance=_provenance(inputs, settings, log, reviewed),
        predictions=predictions,
    )


def calm_blas(vectors: Embeddings) -> AbstractContextManager[object]:
    """Keep BLAS to one thread while the matrices are small.

    Several threads on a small eigenproblem mostly wait for each other: on two cores shared with other work
    ten folds at d = 768 took 50 s with two threads and 9 s with one.
    """
    from threadpoolctl import threadpool_limits

    m, d = vectors.vectors.shape
    return threadpool_limits(1, "blas") if m * d * d < SMALL_PRODUCT else nullcontext()


def count_label_errors(findings: tuple[Finding, ...], scores: Scores) -> LabelErrors:
    """Count flagged samples, and the confident joint off its diagonal, an upper indication."""
    joint = scores.confident_joint
    flagged = {i for f in findings if f.kind == "mislabeled" for i in f.ids}
    return LabelErrors(len(flagged), int(joint.sum() - np.trace(joint)))


def plan_review(findings: tuple[Finding, ...]) -> tuple[tuple[int, float], ...]:
    """Return (first findings reviewed, errors expected among them) along the `mislabeled` list.

    A finding counts with the probability of its suggestion. Class overlap counts too, so this is an
    indication until reviewed random controls make it an estimate.
    """
    expected = np.cumsum(
        [dict(f.evidence.probabilities)[f.suggested_label] for f in findings if f.kind == "mislabeled"]
    )
    steps = [n for n in REVIEW_STEPS if n < len(expected)] + ([len(expected)] if len(expected) else [])
    return tuple((n, round(float(expected[n - 1]), 1)) for n in steps)


class _Log:
    """Seconds of each stage and the warnings of a run."""

    def __init__(self, progress: Progress, warn: Callable[[str], None] | None) -> None:
        self.timings: dict[str, float] = {}
        self.warnings: list[str] = []
        self._progress = progress
        self._tell = warn

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self._progress(name, 0, 0)
        yield
        self._progress(name, 1, 1)
        self.timings[name] = time.perf_counter() - start

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)
        if self._tell is not None:
            self._tell(sentence)


def _check(dataset: Dataset, settings: AuditSettings) -> None:
    check_settings(settings)
    if settings.features is None and not dataset.has_images:
        raise UsageError("The dataset was read without images: give --features.")
    if len(dataset.classes) < 2:
        raise DataError(
            f"An audit compares classes and needs at least two, {dataset.name!r} has {len(dataset.classes)} "
            f"({', '.join(dataset.classes)}): one folder per class, or a manifest with a label column."
        )


def _embed(
    dataset: Dataset, settings: AuditSettings, encoder: Encoder | None, log: _Log, progress: Progress
) -> tuple[ImageFacts, Embeddings]:
    if settings.features is not None:
        array = read_features(settings.features)
        if settings.features_ids is not None:
            return from_features(dataset, array, read_ids(settings.features_ids))
        return from_features(dataset, array[vector_rows(dataset, len(array))])
    encoder = encoder or open_encoder(settings, log.warn, progress)
    store = None if settings.store is None else Store(settings.store, log.warn)
    return embed(dataset, encoder, store=store, workers=settings.workers, progress=progress)


def _check_groups(dataset: Dataset, copies: Duplicates) -> None:
    """Refuse data in which nothing can be left out."""
    groups = independent_groups(dataset, copies)
    counts = groups_per_class(groups, dataset.codes_of(copies.ids), len(dataset.classes))
    if (counts >= LEAST_GROUPS).sum() < 2:
        sizes = ", ".join(f"{c}: {n}" for c, n in list(zip(dataset.classes, counts, strict=True))[:5])
        raise DataError(
            f"An audit needs at least two classes with {LEAST_GROUPS} independent pictures each (copies "
            f"count once), {dataset.name!r} has {(counts >= LEAST_GROUPS).sum()} ({sizes}): add pictures."
        )


def _name_unjudged(dataset: Dataset, chances: Probabilities, log: _Log) -> None:
    small = [name for name, judged in zip(dataset.classes, chances.judged, strict=True) if not judged]
    if small:
        named = ", ".join(small[:10]) + (", .." if len(small) > 10 else "")
        count = plural(len(small), "class")
        log.warn(f"Too few independent pictures to judge the labels of {count}: {named}.")


def _open_findings(
    inputs: FindingInputs, memory: Memory | None, log: _Log
) -> tuple[tuple[Finding, ...], Reviewed | None]:
    """Find what to ask about, without what earlier reviews have answered."""
    findings = find_findings(inputs)
    if memory is None:
        return findings, None
    left, reviewed, sentence = leave_out_checked(memory, inputs.dataset, inputs.facts, findings)
    log.warn(sentence)
    return left, reviewed


def _name_floods(inputs: FindingInputs, log: _Log) -> None:
    for name, count in flooding_faults(inputs).items():
        log.warn(
            f"{count} of {len(inputs.dataset)} pictures are {FAULTS[name]}: taken for how this dataset is, "
            "not flagged one by one."
        )


def _provenance(
    inputs: FindingInputs, settings: AuditSettings, log: _Log, reviewed: Reviewed | None
) -> Provenance:
    dataset, backbone = inputs.dataset, inputs.embeddings.backbone
    mark = fingerprint(dataset.ids, inputs.facts.digest, as_ids(dataset.table["label"]))
    choices = settings.document()
    # Of earlier reviews the content decides, not what the files are called.
    named = {**choices, "reviewed": reviewed.sha256 if reviewed else []}
    decisive = [__version__, mark, backbone.key(), named, asdict(settings.thresholds), settings.seed]
    report_id = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return Provenance(
        auditor_version=__version__,
        report_id=report_id[:REPORT_ID_LENGTH],
        fingerprint=mark,
        command=settings.command,
        seed=settings.seed,
        settings=choices,
        timings=log.timings,
        warnings=tuple(log.warnings),
        reviewed=reviewed,
    )
