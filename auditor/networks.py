"""The ResNet that turns a batch of squares into vectors, at the precision this processor is fastest at.

    batch (b, s, s, 3) uint8 -> normalise -> conv1 .. the chosen layer -> mean over the picture -> (b,
    d) float32

`FeatureNetwork` is a torchvision ResNet cut off after the chosen layer, always in eval mode. `Engine`
runs it: "bf16" has each BatchNorm folded into its convolution and needs a processor with bf16
arithmetic; "fp32" is torchvision's network as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.errors import UsageError
from auditor.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
LAYERS = ("layer1", "layer2", "layer3", "layer4", "avgpool")
"""Outputs that can make up a vector, each averaged over the picture; several are joined by "+"."""

DEFAULT_LAYER = "avgpool"

CHECK_PICTURES = 16

SAME_COSINE = 0.999
"""Mean cosine to the fp32 vectors below which a faster precision is not used."""

LEAST_CHUNK, MOST_CHUNK = 8, 32
"""Pictures that one thread computes at a time, from 224 px up and from 112 px down."""

Warn = Callable[[str], None]


@dataclass(frozen=True)
class FeatureNetwork:
    """A ResNet's stages by name, cut off after the deepest of the `layers` that make up the vector."""

    stages: torch.nn.Sequential
    layers: tuple[str, ...]

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layers' means over the picture, side by side: (b, d) float32 from (b, 3, s, s)."""
        import torch

        return torch.cat(self._means(inputs), dim=1)

    def widths(self) -> tuple[int, ...]:
        """Return how many numbers each of the layers gives, in the order they stand in a vector."""
        import torch

        with torch.inference_mode():
            return tuple(mean.shape[1] for mean in self._means(torch.zeros(1, 3, 64, 64)))

    def _means(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        import torch

        means = []
        for name, stage in self.stages.named_children():
            inputs = stage(inputs)
            if name in self.layers:
                means.append(inputs.mean(dim=(2, 3), dtype=torch.float32))
        return means


def parse_layer(layer: str) -> tuple[str, ...]:
    """Return the stages behind a layer's name; "avgpool" is the mean of layer4.

    Raises
    ------
    UsageError
        Unless all names, joined by "+", are among `LAYERS`.
    """
    names = layer.split("+")
    if unknown := [name for name in names if name not in LAYERS]:
        raise UsageError(
            f"Layer {unknown[0]!r} is unknown; known are {', '.join(LAYERS)}, and several joined by '+'."
        )
    return tuple(sorted({"layer4" if name == "avgpool" else name for name in names}))


def feature_network(architecture: str, state: dict[str, torch.Tensor], layer: str) -> FeatureNetwork:
    """Build the ResNet up to `layer` with the weights in `state`, in eval mode and fp32."""
    import torch
    from torchvision import models

    layers = parse_layer(layer)
    with torch.device("meta"):
        resnet = getattr(models, architecture)()
    resnet.fc = torch.nn.Identity()
    resnet.load_state_dict(state, assign=True)
    stages = torch.nn.Sequential()
    for name, stage in resnet.named_children():
        stages.add_module(name, stage)
        if name == layers[-1]:
            break
    return FeatureNetwork(stages.eval().requires_grad_(False), layers)


def fold_batch_norm(stages: torch.nn.Sequential) -> torch.nn.Sequential:
    """Return a copy of `stages` whose BatchNorms are folded into the convolutions before them."""
    import copy

    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    stages = copy.deepcopy(stages)
    for parent in list(stages.modules()):
        previous = ""
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                convolution = getattr(parent, previous)
                setattr(parent, previous, fuse_conv_bn_eval(convolution, child))
                setattr(parent, name, torch.nn.Identity())
            previous = name
    return stages


class Engine:
    """Runs a feature network on one device at one precision; safe to share between threads.

    On a processor a batch is cut into chunks of one fixed shape, each computed by one thread. So a vector
    depends neither on its batch nor on the number of cores, and no core waits for another after every layer:
    beside decoding threads that costs more than the arithmetic.

    Parameters
    ----------
    network : from `feature_network`.
    preprocessing : gives mean and deviation; pixels are normalised here, on the batch.
    device : "cpu" or "cuda".
    precision : "fp32" or "bf16".
    """

    def __init__(
        self, network: FeatureNetwork, preprocessing: Preprocessing, device: str, precision: str
    ) -> None:
        import torch

        self.device, self.precision = torch.device(device), precision
        self.chunk = chunk_size(preprocessing.size_px)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        stages = fold_batch_norm(network.stages) if precision == "bf16" else network.stages
        stages = stages.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._network = replace(network, stages=stages)
        std = torch.tensor(preprocessing.std, device=self.device)
        self._scale = 1.0 / (255.0 * std)
        self._shift = torch.tensor(preprocessing.mean, device=self.device) / std
        workers = available_cores() if device == "cpu" else 1
        self._pool = ThreadPoolExecutor(workers, "network", initializer=torch.set_num_threads, initargs=(1,))

    @property
    def name(self) -> str:
        """Precision and engine, e.g. "bf16 (torch, cpu)"."""
        return f"{self.precision} (torch, {self.device.type})"

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3), not yet of unit length."""
        import torch

        threads = torch.get_num_threads()
        starts = range(0, len(batch), self.chunk)
        vectors = list(self._pool.map(self._run_chunk, [batch[i : i + self.chunk] for i in starts]))
        # The pool's threads lower torch's setting for themselves and for threads yet to come, not for others.
        torch.set_num_threads(threads)
        return np.concatenate(vectors)

    def _run_chunk(self, pictures: NDArray[np.uint8]) -> Floats:
        import torch

        count = len(pictures)
        if count < self.chunk:
            padding = np.zeros((self.chunk - count, *pictures.shape[1:]), dtype=np.uint8)
            pictures = np.concatenate([pictures, padding])
        with torch.inference_mode():
            pixels = torch.from_numpy(pictures).to(self.device)
            # NHWC pixels seen as NCHW are channels_last already: no copy.
            inputs = (pixels * self._scale - self._shift).permute(0, 3, 1, 2).to(self._dtype)
            vectors: Floats = self._network.run(inputs).cpu().numpy()
        return vectors[:count]


def chunk_size(side_px: int) -> int:
    """Return how many squares one thread computes at a time: a few large ones, to use the caches."""
    return max(LEAST_CHUNK, min(MOST_CHUNK, LEAST_CHUNK * 224**2 // side_px**2))


def choose_engine(network: FeatureNetwork, preprocessing: Preprocessing, device: str, warn: Warn) -> Engine:
    """Return the fastest engine of this machine whose vectors keep their direction.

    bf16 is used where the processor computes in it and the mean cosine to fp32, measured on a few
    structured pictures with these very weights, is at least `SAME_COSINE`; otherwise fp32.
    """
    device = resolve_device(device)
    use_affinity_threads()
    plain = Engine(network, preprocessing, device, "fp32")
    if not computes_in_bf16(device):
        return plain
    fast = Engine(network, preprocessing, device, "bf16")
    batch = structured_pictures(CHECK_PICTURES, preprocessing.size_px)
    cosine = mean_cosine(fast.run(batch), plain.run(batch))
    if cosine >= SAME_COSINE:
        return fast
    warn(
        f"bf16 changes these weights' vectors (mean cosine {cosine:.4f} to fp32), so the slower fp32 is used."
    )
    return plain


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"; UsageError for what this machine does not have."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise UsageError(f"Device {device!r} is unknown; known are auto, cpu and cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "Device 'cuda' was asked for, but torch finds no CUDA device; 'cpu' or 'auto' work here."
        )
    return device


def computes_in_bf16(device: str) -> bool:
    """Tell whether the device has bf16 arithmetic of its own; without it bf16 is slower than fp32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch has no public question for this; an older version without these answers "no".
    checks: tuple[Any, ...] = tuple(
        getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
    return any(check() for check in checks if check is not None)


def use_affinity_threads() -> None:
    """Give torch one thread per core this process may use; containers often allow fewer than exist."""
    import torch

    cores = available_cores()
    if torch.get_num_threads() != cores:
        torch.set_num_threads(cores)


def available_cores() -> int:
    """Return the number of processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def structured_pictures(count: int, side_px: int) -> NDArray[np.uint8]:
    """Return pictures (count, side, side, 3) of waves and blocks: unlike noise, they spread the vectors."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    waves = rng.uniform(-25, 25, size=(count, 3, 2))
    phase = waves[..., 0, None, None] * x + waves[..., 1, None, None] * y
    pictures = 127.5 + 127.5 * np.sin(phase)
    for picture in pictures:
        top, left = rng.integers(0, side_px // 2, size=2)
        picture[:, top : top + side_px // 2, left : left + side_px // 3] = rng.uniform(0, 255, size=(3, 1, 1))
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1)).astype(np.uint8)


def mean_cosine(a: Floats, b: Floats) -> float:
    """Return the mean cosine of matching rows; 0 when a value is not finite."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.einsum("ij,ij->i", a, b) / np.maximum(norms, 1e-30)
    return float(cosines.mean()) if np.isfinite(cosines).all() else 0.0
