"""The pipeline: a dataset in, an `Audit` out.

dataset -> images -> embeddings -> neighbours -> duplicates -> probabilities -> scores
        -> findings -> separation -> map  ==>  Audit
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import TypeVar

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
from auditor.machines import HERE, Machines, calm_blas
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
    Map,
    Neighbours,
    Probabilities,
    Provenance,
    Reviewed,
    Scores,
)
from auditor.review_plan import plan_review
from auditor.reviewed import Memory, leave_out_checked, read_memory
from auditor.run_log import RunLog
from auditor.scores import score_labels
from auditor.separation import measure_separation
from auditor.settings import AuditSettings, check_settings, open_encoder
from auditor.sources.names import plural
from auditor.stages import (
    FINDINGS,
    SEPARATION,
    Checkpoints,
    dataset_key,
    digest_of,
    engine_key,
    features_form,
    rows_form,
)
from auditor.store import Store
from auditor.user_arrays import align_predictions, read_features, read_ids, read_predictions

T = TypeVar("T")

REPORT_ID_LENGTH = 12
LEAST_RECALL = 0.95
"""Share of the ten nearest that an approximate search should find; less is told."""
LEAST_GROUPS = 2
"""Independent groups that a class needs so that one can be left out and another is still there."""


def run_audit(
    dataset: Dataset,
    settings: AuditSettings | None = None,
    *,
    encoder: Encoder | None = None,
    progress: Progress = no_progress,
    warn: Callable[[str], None] | None = None,
    checkpoints: Checkpoints | None = None,
    machines: Machines = HERE,
) -> Audit:
    """Audit a dataset.

    Parameters
    ----------
    dataset : from `read_dataset`.
    settings : defaults to `AuditSettings()`.
    encoder : makes the vectors instead of the backbone that `settings` name.
    progress : called with (stage, done, total).
    warn : called with each warning as it comes; all of them end up in `provenance.warnings`.
    checkpoints : where a run that was stopped left its finished stages, and this one leaves its own
        (`auditor.stages`); None keeps nothing.
    machines : where the neighbours and the sums of the probe are computed; all else is computed here.

    Raises
    ------
    AuditError
        One of its children when the settings exclude each other, the data cannot be judged, or weights fail.
    """
    if not isinstance(dataset, Dataset):
        raise UsageError(
            f"run_audit takes what read_dataset returns, and this is a {type(dataset).__name__}: "
            "run_audit(read_dataset(..))."
        )
    settings = settings or AuditSettings()
    log = RunLog(progress, warn, checkpoints)
    for note in dataset.notes:
        log.warn(note)
    _check(dataset, settings)
    memory = read_memory(settings.reviewed) if settings.reviewed else None
    given = None if settings.predictions is None else read_predictions(settings.predictions, dataset)
    seed, bars, tell = settings.seed, settings.thresholds, log.progress
    facts, vectors = _embed(dataset, settings, encoder, log)
    ids = vectors.ids
    predictions = None if given is None else align_predictions(given, ids)

    @cache
    def key() -> str:
        checked = memory.digests if memory else ()
        return digest_of(engine_key(), dataset_key(dataset), facts, vectors, bars, seed, checked)

    def stage(name: str, kind: type[T], make: Callable[[], T]) -> T:
        return log.stage(name, make, rows_form(kind, ids), key)

    def look() -> Neighbours:
        digests = facts.digest[rows_of(facts.ids, ids)]
        return find_neighbours(vectors, digests, progress=tell, machines=machines)

    near = stage("neighbours", Neighbours, look)
    _name_misses(near, log)
    copies = stage(
        "duplicates", Duplicates, lambda: find_duplicates(dataset, facts, vectors, near, bars, tell)
    )
    _check_groups(dataset, copies)
    with calm_blas(vectors):
        chances = stage(
            "probabilities",
            Probabilities,
            lambda: estimate_probabilities(dataset, vectors, near, copies, bars, seed, tell, machines),
        )
    _name_unjudged(dataset, chances, log)
    scores = stage(
        "scores", Scores, lambda: score_labels(dataset, vectors, near, copies, chances, log.progress)
    )
    inputs = FindingInputs(dataset, facts, vectors, near, copies, chances, scores, bars)
    found = log.stage("findings", lambda: find_findings(inputs, log.progress), FINDINGS, key)
    findings, reviewed = _open_findings(found, inputs, memory, log)
    _name_floods(inputs, log)
    with calm_blas(vectors):
        separation = log.stage(
            "separation",
            lambda: measure_separation(
                dataset, vectors, near, copies, chances, findings, bars, seed, log.progress
            ),
            SEPARATION,
            key,
        )
    layout = stage("map", Map, lambda: make_map(vectors, near, seed, log.progress))
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
        review_plan=plan_review(findings, inputs),
        provenance=_provenance(inputs, settings, log, reviewed),
        predictions=predictions,
    )


def count_label_errors(findings: tuple[Finding, ...], scores: Scores) -> LabelErrors:
    """Count flagged samples, and the confident joint off its diagonal, an upper indication."""
    joint = scores.confident_joint
    flagged = {i for f in findings if f.kind == "mislabeled" for i in f.ids}
    return LabelErrors(len(flagged), int(joint.sum() - np.trace(joint)))


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
    dataset: Dataset, settings: AuditSettings, encoder: Encoder | None, log: RunLog
) -> tuple[ImageFacts, Embeddings]:
    if settings.features is not None:
        array = read_features(settings.features)
        names = None if settings.features_ids is None else read_ids(settings.features_ids)
        rows = vector_rows(dataset, len(array)) if names is None else None
        return log.stage(
            "embed",
            lambda: from_features(dataset, array, names, rows=rows, progress=log.progress),
            features_form(dataset.ids),
            lambda: digest_of(engine_key(), dataset_key(dataset), array, names, rows),
        )

    def make() -> tuple[ImageFacts, Embeddings]:
        chosen = encoder or open_encoder(settings, log.warn, log.progress)
        store = None if settings.store is None else Store(settings.store, log.tell)
        workers, progress = settings.workers, log.progress
        return embed(dataset, chosen, store=store, workers=workers, progress=progress, tell=log.tell)

    return log.stage("embed", make)


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


def _name_misses(near: Neighbours, log: RunLog) -> None:
    if near.recall is not None and near.recall < LEAST_RECALL:
        log.warn(
            f"The neighbours were searched approximately: {near.recall:.1%} of the nearest were found, less "
            f"than the {LEAST_RECALL:.0%} aimed at, so figures that rest on them are rougher."
        )


def _name_unjudged(dataset: Dataset, chances: Probabilities, log: RunLog) -> None:
    small = [name for name, judged in zip(dataset.classes, chances.judged, strict=True) if not judged]
    if small:
        named = ", ".join(small[:10]) + (", .." if len(small) > 10 else "")
        count = plural(len(small), "class")
        log.warn(f"Too few independent pictures to judge the labels of {count}: {named}.")


def _open_findings(
    findings: tuple[Finding, ...], inputs: FindingInputs, memory: Memory | None, log: RunLog
) -> tuple[tuple[Finding, ...], Reviewed | None]:
    """Return what is left to ask about after what earlier reviews have answered."""
    if memory is None:
        return findings, None
    left, reviewed, sentence = leave_out_checked(memory, inputs.dataset, inputs.facts, findings)
    log.warn(sentence)
    return left, reviewed


def _name_floods(inputs: FindingInputs, log: RunLog) -> None:
    for name, count in flooding_faults(inputs).items():
        log.warn(
            f"{count} of {len(inputs.dataset)} pictures are {FAULTS[name]}: taken for how this dataset is, "
            "not flagged one by one."
        )


def _provenance(
    inputs: FindingInputs, settings: AuditSettings, log: RunLog, reviewed: Reviewed | None
) -> Provenance:
    dataset, backbone = inputs.dataset, inputs.embeddings.backbone
    log.progress("fingerprint", 0, 0)
    mark = fingerprint(dataset.ids, inputs.facts.digest, as_ids(dataset.table["label"]))
    log.progress("fingerprint", 1, 1)
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
