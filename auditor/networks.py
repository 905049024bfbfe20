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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import UsageError
from auditor.preprocessing import Preprocessing
from auditor.results import Floats

if TYPE_CHECKING:
    import torch

ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
LAYERS = ("layer1", "layer2", "layer3", "layer4", "avgpool")
DEFAULT_LAYER = "avgpool"

SAME_COSINE = 0.999
"""Mean cosine to the fp32 vectors below which a faster precision is not used."""

Warn = Callable[[str], None]


def check_layer(layer: str) -> None:
    """Raise UsageError unless `layer` is one of `LAYERS`."""
    if layer not in LAYERS:
        raise UsageError(f"Layer {layer!r} is unknown; known are {', '.join(LAYERS)}.")


def feature_network(architecture: str, state: dict[str, torch.Tensor], layer: str) -> torch.nn.Sequential:
    """Build the ResNet up to `layer` with the weights in `state`, in eval mode and fp32."""
    import torch
    from torchvision import models

    check_layer(layer)
    with torch.device("meta"):
        resnet = getattr(models, architecture)()
    resnet.fc = torch.nn.Identity()
    resnet.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    parts = dict(resnet.named_children())
    parts.pop("fc")
    names = list(parts)
    kept = names[: names.index(layer) + 1]
    if layer != "avgpool":
        parts["avgpool"] = torch.nn.AdaptiveAvgPool2d((1, 1))
        kept.append("avgpool")
    network = torch.nn.Sequential()
    for name in kept:
        network.add_module(name, parts[name])
    network.add_module("flatten", torch.nn.Flatten())
    return network.eval().requires_grad_(False)


def fold_batch_norm(network: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of `network` whose BatchNorms are folded into the convolutions before them."""
    import copy

    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        previous = ""
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                convolution = getattr(parent, previous)
                setattr(parent, previous, fuse_conv_bn_eval(convolution, child))
                setattr(parent, name, torch.nn.Identity())
            previous = name
    return network


class Engine:
    """Runs a feature network on one device at one precision.

    Parameters
    ----------
    network : from `feature_network`.
    preprocessing : gives mean and deviation; pixels are normalised here, on the batch.
    device : "cpu" or "cuda".
    precision : "fp32" or "bf16".
    """

    def __init__(
        self, network: torch.nn.Module, preprocessing: Preprocessing, device: str, precision: str
    ) -> None:
        import torch

        self.device, self.precision = torch.device(device), precision
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        if precision == "bf16":
            network = fold_batch_norm(network)
        network = network.to(self.device, self._dtype)
        self._network = network.to(memory_format=torch.channels_last)
        std = torch.tensor(preprocessing.std, device=self.device)
        self._scale = 1.0 / (255.0 * std)
        self._shift = torch.tensor(preprocessing.mean, device=self.device) / std

    @property
    def name(self) -> str:
        """Precision and engine, e.g. "bf16 (torch, cpu)"."""
        return f"{self.precision} (torch, {self.device.type})"

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the vectors (b, d) float32 of `batch` (b, s, s, 3), not yet of unit length."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self.device)
            # NHWC pixels seen as NCHW are channels_last already: no copy.
            inputs = (pixels * self._scale - self._shift).permute(0, 3, 1, 2).to(self._dtype)
            vectors: Floats = self._network(inputs).float().cpu().numpy()
        return vectors


def choose_engine(
    network: torch.nn.Module, preprocessing: Preprocessing, device: str, batch_size: int, warn: Warn
) -> Engine:
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
    batch = structured_pictures(batch_size, preprocessing.size_px)
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
