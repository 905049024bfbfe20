"""What a user may choose about an audit.

AuditSettings                    the defaults suit a first look
settings_like(folder, settings)  backbone, layer and thresholds of an earlier audit
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from auditor.arrays import Progress, no_progress
from auditor.backbones import Encoder, ResNetEncoder, load_encoder
from auditor.documents import read_backbone, read_thresholds
from auditor.errors import DataError, UsageError
from auditor.results import Backbone, Thresholds
from auditor.storage import read_document

MOST_SEED = 2**32 - 1
"""The largest seed that scikit-learn takes."""


@dataclass(frozen=True)
class AuditSettings:
    """What a user may choose; the defaults suit a first look.

    Attributes
    ----------
    backbone, weights, layer, device, offline : see `auditor.backbones.load_encoder`.
    batch_size : pictures that the network sees at once; None takes the encoder's own.
    workers : threads that decode; 0 takes one for each processor core.
    features, features_ids : the user's own vectors instead of a backbone (`auditor.user_arrays`).
    predictions : class probabilities of the user's classifier, reported beside the audit's own.
    reviewed : decisions files of earlier reviews: what was checked there is not asked again.
    store : folder of facts and vectors from earlier runs; None keeps none.
    seed : of the folds and of the map.
    expected : the backbone of an earlier audit: other weights are refused, another precision is told.
    command : how the audit was asked for, kept for the reader.
    """

    backbone: str = "auto"
    weights: Path | None = None
    layer: str | None = None
    device: str = "auto"
    offline: bool = False
    batch_size: int | None = None
    workers: int = 0
    features: Path | None = None
    features_ids: Path | None = None
    predictions: Path | None = None
    reviewed: tuple[Path, ...] = ()
    store: Path | None = None
    seed: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    expected: Backbone | None = None
    command: str = ""

    def document(self) -> dict[str, Any]:
        """Return what decides the result, files by name: machine, threads and folders are left out."""
        named = ("backbone", "layer", "device", "batch_size")
        files = ("weights", "features", "features_ids", "predictions")
        return {
            **{name: getattr(self, name) for name in named},
            **{name: None if (file := getattr(self, name)) is None else file.name for name in files},
            "reviewed": [file.name for file in self.reviewed],
        }


def settings_like(folder: Path, settings: AuditSettings) -> AuditSettings:
    """Return `settings` with backbone, layer, weights and thresholds of the audit in `folder`.

    Weights from a file are not stored in an audit: the same file has to be given again and is checked.
    """
    document = read_document(folder)
    earlier, backbone = document["settings"], read_backbone(document)
    settings = replace(settings, thresholds=read_thresholds(document))
    features, weights = earlier.get("features"), earlier.get("weights")
    if features is not None:
        if settings.features is None:
            raise UsageError(f"{str(folder)!r} was made from the features {features!r}: give --features too.")
        return settings
    if weights is not None and settings.weights is None:
        raise UsageError(f"{str(folder)!r} was made with the weights file {weights!r}: give --weights too.")
    name = earlier.get("backbone", "auto") if weights is not None else backbone.name
    return replace(settings, backbone=name, layer=backbone.layer, expected=backbone)


def check_settings(settings: AuditSettings) -> None:
    """Raise `UsageError` when settings exclude each other."""
    if settings.features is not None and settings.weights is not None:
        raise UsageError("Features are vectors already and need no --weights: leave out one of the two.")
    if settings.features_ids is not None and settings.features is None:
        raise UsageError("--features-ids names the rows of --features, which is missing: give both.")
    if settings.batch_size is not None and settings.batch_size < 1:
        raise UsageError(f"The batch size must be at least 1, got {settings.batch_size}.")
    if not 0 <= settings.seed <= MOST_SEED:
        raise UsageError(f"The seed must be from 0 to {MOST_SEED}, got {settings.seed}.")
    if settings.workers < 0:
        raise UsageError(f"The number of workers must be 0 (one per core) or more, got {settings.workers}.")


def open_encoder(settings: AuditSettings, warn: Callable[[str], None], progress: Progress) -> Encoder:
    """Load the backbone that `settings` name, and hold it against an earlier audit's weights."""
    encoder = load_encoder(
        settings.backbone,
        weights=settings.weights,
        layer=settings.layer,
        device=settings.device,
        offline=settings.offline,
        warn=warn,
        progress=progress,
    )
    _compare(encoder.backbone, settings.expected, warn)
    if settings.batch_size is not None and isinstance(encoder, ResNetEncoder):
        return replace(encoder, batch_size=settings.batch_size)
    return encoder


def open_again(settings: AuditSettings, encoder: Encoder) -> Callable[[], Encoder]:
    """Return what opens the encoder that `settings` led to once more, on another machine.

    Not "auto" but what that was here: another machine may find other weights.
    """
    chosen = settings.backbone
    if chosen == "auto" and settings.weights is None:
        chosen = encoder.backbone.name
    weights = None if settings.weights is None else settings.weights.absolute()
    again = replace(settings, backbone=chosen, weights=weights, expected=None)
    return partial(open_encoder, again, _tell_nobody, no_progress)


def _tell_nobody(sentence: str) -> None:
    """Keep it quiet: it was told when the encoder was opened here."""


def _compare(found: Backbone, expected: Backbone | None, warn: Callable[[str], None]) -> None:
    if expected is None or found == expected:
        return
    if found.weights_sha256 != expected.weights_sha256:
        raise DataError(
            f"The earlier audit's weights have sha256 {expected.weights_sha256[:12]}, those of {found.name} "
            f"have {found.weights_sha256[:12]}: the two audits would not compare."
        )
    warn(
        f"Vectors are made another way than in the earlier audit ({found.precision} after "
        f"{expected.precision}), so the two do not compare exactly."
    )
