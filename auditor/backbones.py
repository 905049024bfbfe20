"""The network that turns pictures into vectors, by name.

    load_encoder("auto" | "bundled" | "resnet18" .. "resnet152", weights=, layer=, ...) -> Encoder
    load_layers(.., layers, ..) -> LayerEncoder for each, all fed by one forward pass

    rgb (h, w, 3) --Encoder.prepare--> (s, s, 3) uint8 --batch of one fixed shape, Encoder.encode--> (b,
    d) float32

Everything after this module sees only the `Encoder` protocol, so tests use a toy one without weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Progress, no_progress
from auditor.checkpoints import Checkpoint, file_sha256, read_checkpoint, resnet_state
from auditor.chunks import Engine
from auditor.downloads import fetch_weights, torchvision_source
from auditor.engines import choose_engine
from auditor.errors import UsageError, WeightsError
from auditor.networks import ARCHITECTURES, DEFAULT_LAYER, FeatureNetwork, State, parse_layer
from auditor.preprocessing import Preprocessing
from auditor.results import Backbone

NAMES = ("auto", "bundled", *ARCHITECTURES)
BUNDLED_WEIGHTS = Path(__file__).parent / "weights" / "resnet18-64px.safetensors"
BUNDLED_PREPROCESSING = Preprocessing(64, 64, "bicubic", fit="squash")
IMAGENET_PREPROCESSING = Preprocessing(256, 224, "bilinear")
"""The preset that belongs to torchvision's IMAGENET1K_V1 weights, the same for all ResNets."""

BUNDLED_LAYER = "layer3+layer4"
"""Measured best, see weights/MODEL_CARD.md. Squashed, so that an object at the edge is seen too."""

BATCH_SIZE, CUDA_BATCH_SIZE = 64, 512
"""Pictures handed over at a time; the engine cuts them into chunks of one fixed shape."""


class Encoder(Protocol):
    """Anything that makes vectors out of pictures.

    Attributes
    ----------
    backbone : what made the vectors; its `key()` tells them from all others.
    input_size : side s of the square in pixels.
    batch_size : the number b of pictures that `encode` is given, fewer at the end. A vector must not depend
        on the other pictures, nor on how many there are.
    """

    @property
    def backbone(self) -> Backbone: ...

    @property
    def input_size(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (s, s, 3) uint8 square the network sees of `rgb` (h, w, 3); called from threads."""

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3) uint8, not yet of unit length.

        Two threads may call it at once.
        """


@dataclass(frozen=True)
class ResNetEncoder:
    """A ResNet behind the `Encoder` protocol."""

    backbone: Backbone
    preprocessing: Preprocessing
    engine: Engine
    batch_size: int = BATCH_SIZE

    @property
    def input_size(self) -> int:
        """Side of the network's square in pixels."""
        return self.preprocessing.size_px

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (s, s, 3) uint8 square that the network sees."""
        return self.preprocessing.prepare(rgb)

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32, not yet of unit length."""
        return self.engine.run(batch)


@dataclass(frozen=True)
class LayerEncoder:
    """One layer of a network that computes several in one pass.

    `whole` gives the vectors of all its layers side by side, `columns` (d,) are this layer's among them.
    """

    backbone: Backbone
    whole: ResNetEncoder
    columns: NDArray[np.int64]

    @property
    def input_size(self) -> int:
        """Side of the network's square in pixels."""
        return self.whole.input_size

    @property
    def batch_size(self) -> int:
        """Pictures handed over at a time."""
        return self.whole.batch_size

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (s, s, 3) uint8 square that the network sees."""
        return self.whole.prepare(rgb)

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        """Return this layer's vectors (b, d) float32, not yet of unit length."""
        return self.take(self.whole.encode(batch))

    def take(self, vectors: Floats) -> Floats:
        """Return this layer's part (b, d) of what `whole` encoded."""
        return np.ascontiguousarray(vectors[:, self.columns])


@dataclass(frozen=True)
class _Network:
    """Weights ready to run: what `load_encoder` has found before it knows layer and device.

    `read` returns the weights; published ones, whose hash says that they are sound, are read only then.
    """

    name: str
    architecture: str
    read: Callable[[], State]
    sha256: str
    preprocessing: Preprocessing
    layer: str = DEFAULT_LAYER


def load_encoder(
    name: str = "auto",
    *,
    weights: Path | None = None,
    layer: str | None = None,
    device: str = "auto",
    offline: bool = False,
    warn: Callable[[str], None],
    progress: Progress = no_progress,
) -> Encoder:
    """Load a backbone, ready to make vectors.

    Parameters
    ----------
    name : one of `NAMES`. "auto" is ResNet-50 with torchvision's ImageNet weights, from torch.hub's
        cache, else downloaded, else the bundled ResNet-18 with a warning. "auto" with `weights` takes
        the architecture from the file.
    weights : the user's own checkpoint: a state dict or safetensors; its head may have any number of
        classes.
    layer : "layer1" .. "layer4" (averaged over the picture) or "avgpool"; several joined by "+" stand side by
        side. None: "avgpool", for the bundled network "layer3+layer4".
    device : "auto", "cpu" or "cuda".
    offline : never touch the network.
    warn : called with one sentence when something is not as asked.
    progress : called with bytes while downloading.

    Raises
    ------
    UsageError
        If the name, layer or device is unknown.
    WeightsError
        If the weights are unreachable, damaged or of another architecture.
    """
    if layer is not None:
        parse_layer(layer)  # before a download, which may take minutes
    return _encoder(_find_network(name, weights, offline, warn, progress), layer, device, warn)


def load_layers(
    layers: Sequence[str],
    name: str = "auto",
    *,
    weights: Path | None = None,
    device: str = "auto",
    offline: bool = False,
    warn: Callable[[str], None],
    progress: Progress = no_progress,
) -> tuple[LayerEncoder, ...]:
    """Load a backbone whose layers are all taken in one forward pass; see `load_encoder`.

    Parameters
    ----------
    layers : two or more layers as in `load_encoder`, in the order wanted; `UsageError` if two are the same
        output, or there are fewer.
    """
    stages = [parse_layer(layer) for layer in layers]
    if len(layers) < 2 or len(set(stages)) < len(stages):
        raise UsageError(
            f"Layers to compare must be two or more different outputs, got {', '.join(layers) or 'none'} "
            "(avgpool is the mean of layer4)."
        )
    network = _find_network(name, weights, offline, warn, progress)
    together = sorted(set().union(*stages))
    whole = _encoder(network, "+".join(together), device, warn)
    precision = whole.backbone.precision
    if precision.startswith("bf16 (openvino"):
        # OpenVINO rounds a layer's map before its mean where the network goes on from it, so these vectors
        # are not those of the layer alone and must not be stored as such.
        precision += ", several layers"
    widths = FeatureNetwork(network.architecture, tuple(together), network.read).widths
    parts = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
    columns = [np.concatenate([parts[together.index(stage)] for stage in names]) for names in stages]
    return tuple(
        LayerEncoder(
            replace(whole.backbone, layer=layer, dimensions=len(own), precision=precision), whole, own
        )
        for layer, own in zip(layers, columns, strict=True)
    )


def _find_network(
    name: str, weights: Path | None, offline: bool, warn: Callable[[str], None], progress: Progress
) -> _Network:
    if name not in NAMES:
        raise UsageError(f"Backbone {name!r} is unknown; known are {', '.join(NAMES)}.")
    if weights is not None:
        return _own(name, weights, warn)
    if name == "bundled":
        return _bundled()
    if name == "auto":
        return _published_or_bundled(offline, warn, progress)
    return _published(name, offline, progress)


def _encoder(network: _Network, layer: str | None, device: str, warn: Callable[[str], None]) -> ResNetEncoder:
    layer = layer or network.layer
    features = FeatureNetwork(network.architecture, parse_layer(layer), network.read)
    engine = choose_engine(features, network.preprocessing, device, warn)
    backbone = Backbone(
        name=network.name,
        layer=layer,
        weights_sha256=network.sha256,
        dimensions=sum(features.widths),
        preprocessing=network.preprocessing.describe(),
        precision=engine.name,
    )
    size = CUDA_BATCH_SIZE if "cuda" in engine.name else BATCH_SIZE
    return ResNetEncoder(backbone, network.preprocessing, engine, size)


def _bundled() -> _Network:
    checkpoint = read_checkpoint(BUNDLED_WEIGHTS)
    architecture, state = resnet_state(checkpoint, "resnet18")
    return _Network(
        "bundled", architecture, lambda: state, checkpoint.sha256, BUNDLED_PREPROCESSING, BUNDLED_LAYER
    )


def _published(architecture: str, offline: bool, progress: Progress) -> _Network:
    path = fetch_weights(torchvision_source(architecture), offline=offline, progress=progress)

    def read() -> State:
        return resnet_state(read_checkpoint(path), architecture)[1]

    return _Network(architecture, architecture, read, file_sha256(path), IMAGENET_PREPROCESSING)


def _published_or_bundled(offline: bool, warn: Callable[[str], None], progress: Progress) -> _Network:
    try:
        return _published("resnet50", offline, progress)
    except WeightsError as error:
        warn(
            "The small bundled ResNet-18 is used instead of ResNet-50, so scores and pairs are less sharp. "
            f"Reason: {error}"
        )
        return _bundled()


def _own(name: str, weights: Path, warn: Callable[[str], None]) -> _Network:
    checkpoint = read_checkpoint(weights)
    wanted = {"auto": None, "bundled": "resnet18"}.get(name, name)
    architecture, state = resnet_state(checkpoint, wanted)
    warn(
        f"Vectors come from {checkpoint.name}: a network that was trained on these very labels has memorised "
        "wrong ones too and hides them; use weights that never saw these labels to look for label errors."
    )
    preprocessing = _own_preprocessing(checkpoint)
    return _Network(
        f"{architecture} (own weights)", architecture, lambda: state, checkpoint.sha256, preprocessing
    )


def _own_preprocessing(checkpoint: Checkpoint) -> Preprocessing:
    """Return the ImageNet preset, or the square side that a safetensors file states as `input`."""
    stated = checkpoint.metadata.get("input", "")
    if stated.isdigit() and int(stated) > 0:
        return Preprocessing(int(stated), int(stated), "bicubic")
    return IMAGENET_PREPROCESSING
