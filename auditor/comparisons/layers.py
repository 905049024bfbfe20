"""One backbone at several depths: how the classes come apart from layer to layer.

dataset --one decode, one forward pass--> vectors of each layer --run_audit--> Audit for each layer
Audit, Audit, .. in order of depth        --judged as several models are-->  LayerComparison
    rise        last layer minus first
    pairs       mixed somewhere: comes apart, comes together again, never apart
    maps        each laid over the last
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from auditor.arrays import Ints, Progress, no_progress
from auditor.audit import run_audit
from auditor.backbones import LayerEncoder, load_layers
from auditor.comparisons.common_samples import CommonSamples, find_common
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.models import (
    AlignedMap,
    Ranking,
    align_maps,
    checked_names,
    judge_models,
    rank_models,
    shared_thresholds,
)
from auditor.comparisons.paired import PairedDifference, paired_difference
from auditor.errors import UsageError
from auditor.layer_embeddings import embed_layers
from auditor.results import Audit, Dataset, Thresholds
from auditor.separation import LEAST_CONFUSED
from auditor.settings import AuditSettings, check_settings
from auditor.store import Store

DEFAULT_LAYERS: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")
"""The four stages of a ResNet, each averaged over the picture; avgpool is layer4's mean."""

COMES_APART, TOGETHER_AGAIN, NEVER_APART = "comes apart", "together again", "never apart"
TESTED_PAIRS = 200
"""Pairs whose path is tested, the most mixed ones first; few datasets have more."""


@dataclass(frozen=True)
class LayerPair:
    """Two classes that some layer mixes: ``scores`` (layers,) in [0, 1], high = mixed.

    story : `COMES_APART` mixed earlier and not at the last layer; `TOGETHER_AGAIN` mixed at the last layer
        and apart, clearly less mixed, at layer `apart_at`; `NEVER_APART` mixed at the last and not so before.
    change : confused samples of the two classes, share at the last layer minus share at `apart_at`, the
        layer where the two are least mixed.
    """

    a: str
    b: str
    scores: tuple[float, ...]
    story: str
    apart_at: int
    change: PairedDifference


@dataclass(frozen=True)
class LayerComparison:
    """One backbone at several depths; every tuple is in the order of `layers`, first to last.

    rise_knn, rise_probe : accuracy at the last layer minus that at the first.
    """

    audits: tuple[Audit, ...]
    layers: tuple[str, ...]
    common: CommonSamples
    models: tuple[JudgedModel, ...]
    thresholds: Thresholds
    ranking: Ranking
    rise_knn: PairedDifference
    rise_probe: PairedDifference
    pairs: tuple[LayerPair, ...]
    maps: tuple[AlignedMap, ...]
    seed: int


def run_layers(
    dataset: Dataset,
    settings: AuditSettings | None = None,
    layers: Sequence[str] = DEFAULT_LAYERS,
    *,
    progress: Progress = no_progress,
    warn: Callable[[str], None] = lambda sentence: None,
) -> tuple[Audit, ...]:
    """Audit one backbone at several depths; every picture is decoded and passed through the network once.

    Parameters
    ----------
    dataset : with images.
    settings : as for `run_audit`; `layer` is left out of account. With a `store` the vectors of each layer
        are kept under its own key, so that a later audit of one layer finds them.
    layers : two or more, in order of depth; several joined by "+" stand side by side.

    Raises
    ------
    UsageError
        If features are given, the dataset has no images, or the layers are not two or more different ones.
    """
    settings = settings or AuditSettings()
    check_settings(settings)
    if settings.features is not None or not dataset.has_images:
        raise UsageError("Layers are outputs of a network: give pictures, not features.")
    encoders = _open_layers(settings, layers, warn, progress)
    with _store_folder(settings) as folder:
        embed_layers(dataset, encoders, Store(folder, warn), workers=settings.workers, progress=progress)
        audits: list[Audit] = []
        for encoder in encoders:
            own = replace(settings, layer=encoder.backbone.layer, store=folder)
            # What is odd about the dataset is the same at every layer, so it is told once.
            tell = warn if not audits else None
            audits.append(run_audit(dataset, own, encoder=encoder, progress=progress, warn=tell))
    return tuple(audits)


def _open_layers(
    settings: AuditSettings, layers: Sequence[str], warn: Callable[[str], None], progress: Progress
) -> tuple[LayerEncoder, ...]:
    encoders = load_layers(
        layers,
        settings.backbone,
        weights=settings.weights,
        device=settings.device,
        offline=settings.offline,
        warn=warn,
        progress=progress,
    )
    if settings.batch_size is None:
        return encoders
    whole = replace(encoders[0].whole, batch_size=settings.batch_size)
    return tuple(replace(encoder, whole=whole) for encoder in encoders)


@contextmanager
def _store_folder(settings: AuditSettings) -> Iterator[Path]:
    """The user's store, or one for this run alone: through it all layers get their vectors."""
    if settings.store is not None:
        yield settings.store
        return
    with TemporaryDirectory(prefix="auditor-layers-") as folder:
        yield Path(folder)


def compare_layers(
    audits: Sequence[Audit],
    names: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> LayerComparison:
    """Compare the layers of one backbone.

    Parameters
    ----------
    audits : from `run_layers`, in order of depth.
    names : of the layers; by default those of the audits' backbones.
    seed : of folds and intervals.

    Raises
    ------
    UsageError
        If there are fewer than two audits, they are not of one backbone, or the names do not fit.
    DataError
        If the audits are of different datasets.
    """
    common = find_common(audits)
    _check_one_backbone(audits)
    layers = checked_names(names, [audit.embeddings.backbone.layer for audit in audits])
    bars = shared_thresholds(audits)
    models = judge_models(audits, layers, common, bars, seed, progress)
    ranking = rank_models(models, common, seed)
    first, last = models[0], models[-1]
    near = [common.right(model.neighbour_classes) for model in (last, first)]
    probe = [common.right(model.probe_guesses) for model in (last, first)]
    return LayerComparison(
        audits=tuple(audits),
        layers=layers,
        common=common,
        models=models,
        thresholds=bars,
        ranking=ranking,
        rise_knn=common.compare(near[0], near[1], seed),
        rise_probe=common.compare(probe[0], probe[1], seed),
        pairs=follow_pairs(models, common, bars, seed),
        maps=align_maps(audits, models, len(models) - 1),
        seed=seed,
    )


def _check_one_backbone(audits: Sequence[Audit]) -> None:
    found = {(a.embeddings.backbone.name, a.embeddings.backbone.weights_sha256) for a in audits}
    if len(found) > 1:
        raise UsageError(
            f"Layers are of one backbone, these audits of {', '.join(sorted(name for name, _ in found))}: "
            "compare them with auditor models."
        )


def follow_pairs(
    models: Sequence[JudgedModel], common: CommonSamples, bars: Thresholds, seed: int = 0
) -> tuple[LayerPair, ...]:
    """Follow every pair that some layer mixes; those together again first, the most mixed first."""
    scores = [{(p.a, p.b): p for p in model.separation.pairs} for model in models]
    mixed: dict[tuple[str, str], float] = {}
    for found in scores:
        for key, pair in found.items():
            if pair.score >= bars.mixed_share and pair.a_as_b + pair.b_as_a >= LEAST_CONFUSED:
                mixed[key] = max(mixed.get(key, 0.0), pair.score)
    kept = sorted(mixed, key=lambda key: (-mixed[key], key))[:TESTED_PAIRS]
    guesses = [model.probe_guesses[common.once] for model in models]
    path = {key: tuple(found[key].score if key in found else 0.0 for found in scores) for key in kept}
    pairs = [_follow(key, path[key], guesses, common, bars, seed) for key in kept]
    order = (TOGETHER_AGAIN, NEVER_APART, COMES_APART)
    return tuple(sorted(pairs, key=lambda p: (order.index(p.story), -p.scores[-1], -max(p.scores), p.a, p.b)))


def _follow(
    key: tuple[str, str],
    scores: tuple[float, ...],
    guesses: Sequence[Ints],
    common: CommonSamples,
    bars: Thresholds,
    seed: int,
) -> LayerPair:
    a, b = (common.dataset.classes.index(name) for name in key)
    codes, groups = common.codes[common.once], common.groups[common.once]
    rows = np.flatnonzero((codes == a) | (codes == b))
    other = np.where(codes[rows] == a, b, a)
    confused = [np.asarray(said[rows] == other, dtype=np.float64) for said in guesses]
    least = int(np.argmin(scores))
    change = paired_difference(confused[-1], confused[least], groups[rows], seed)
    if scores[-1] < bars.mixed_share:
        story = COMES_APART
    else:
        clear = scores[least] < bars.mixed_share and change.is_above
        story = TOGETHER_AGAIN if clear else NEVER_APART
    return LayerPair(*key, scores, story, least, change)
