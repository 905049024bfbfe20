"""One backbone at several depths: how the classes come apart from layer to layer.

dataset --one decode, one forward pass--> vectors of each layer --run_audit--> Audit for each layer
Audit, Audit, .. in order of depth        --judged as several models are-->  LayerComparison
    rise        last layer minus first
    pairs       mixed somewhere: comes apart, comes together again, never apart (`layer_pairs`)
    maps        each laid over the last
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from auditor.arrays import Progress, no_progress
from auditor.audit import run_audit
from auditor.backbones import LayerEncoder, load_layers
from auditor.comparisons.common_samples import CommonSamples, find_common
from auditor.comparisons.judged import JudgedModel
from auditor.comparisons.layer_pairs import LayerPair, follow_pairs
from auditor.comparisons.models import (
    AlignedMap,
    Ranking,
    align_maps,
    checked_names,
    judge_models,
    rank_models,
    shared_thresholds,
)
from auditor.comparisons.paired import PairedDifference
from auditor.errors import UsageError
from auditor.layer_embeddings import embed_layers
from auditor.networks import parse_layer
from auditor.results import Audit, Dataset, Thresholds
from auditor.settings import AuditSettings, check_settings
from auditor.store import Store

DEFAULT_LAYERS: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")
"""The four stages of a ResNet, each averaged over the picture; avgpool is layer4's mean."""


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
        are kept under its own key, so that a later audit of one layer finds them, but for OpenVINO's bf16,
        which gives a layer alone slightly other vectors.
    layers : two or more, taken in the network's order (`in_depth_order`); several joined by "+" stand side by
        side.

    Raises
    ------
    UsageError
        If features are given, the dataset has no images, or the layers are not two or more different ones.
    """
    settings = settings or AuditSettings()
    check_settings(settings)
    if settings.features is not None or not dataset.has_images:
        raise UsageError("Layers are outputs of a network: give pictures, not features.")
    encoders = _open_layers(settings, in_depth_order(layers), warn, progress)
    with _store_folder(settings) as folder:
        store, workers = Store(folder, warn), settings.workers
        embed_layers(dataset, encoders, store, workers=workers, progress=progress, tell=warn)
        audits: list[Audit] = []
        for encoder in encoders:
            own = replace(settings, layer=encoder.backbone.layer, store=folder)
            # What is odd about the dataset is the same at every layer, so it is told once.
            tell = warn if not audits else None
            audits.append(run_audit(dataset, own, encoder=encoder, progress=progress, warn=tell))
    return tuple(audits)


def in_depth_order(layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers as they follow each other in the network, each by the deepest of its stages.

    Raises
    ------
    UsageError
        If the network has no such layer.
    """
    return tuple(sorted(layers, key=lambda layer: parse_layer(layer)[::-1]))


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
        If there are fewer than two audits, they are not of one backbone with known weights, or the names do
        not fit.
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
    if "" in {digest for _, digest in found}:
        raise UsageError(
            "Layers are outputs of one network, and given features tell of none: compare these audits with "
            "auditor models."
        )
