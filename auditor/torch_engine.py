"""The feature network in torch: on CUDA, and on processors without OpenVINO.

    chunk (c, s, s, 3) uint8 -> normalise -> torchvision's stages, channels last -> means (c, d) float32

"fp32" on a processor is torchvision's network as it is, the reference that other engines are held against.
In bf16 each BatchNorm is folded into the convolution before it.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.chunks import ChunkedEngine, chunk_size, engine_name
from auditor.networks import FeatureNetwork, available_cores
from auditor.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

CUDA_CHUNK = 256
"""Pictures a GPU computes at a time, large enough to fill it; not measured on this project's machines."""


class TorchEngine(ChunkedEngine):
    """Runs a feature network with torch.

    Parameters
    ----------
    network : its weights are read here.
    preprocessing : gives mean and deviation; pixels are normalised here, on the chunk.
    device : "cpu" or "cuda".
    precision : "fp32" or "bf16".
    """

    def __init__(
        self, network: FeatureNetwork, preprocessing: Preprocessing, device: str, precision: str
    ) -> None:
        import torch

        chunk, threads = CUDA_CHUNK, 1
        if device == "cpu":
            chunk, threads = chunk_size(preprocessing.size_px), available_cores()
        super().__init__(chunk, threads, lambda: torch.set_num_threads(1))
        self.name = engine_name(precision, "torch", device)
        self._device = torch.device(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._layers = network.layers
        stages = feature_stages(network)
        stages = fold_batch_norm(stages) if precision == "bf16" else stages
        self._stages = stages.to(self._device, self._dtype).to(memory_format=torch.channels_last)
        std = torch.tensor(preprocessing.std, device=self._device)
        self._scale = 1.0 / (255.0 * std)
        self._shift = torch.tensor(preprocessing.mean, device=self._device) / std
        self._start_threads(threads)

    def _start_threads(self, count: int) -> None:
        """Start all threads now and give torch its own setting back, which each of them lowers."""
        import torch

        before = torch.get_num_threads()
        together = threading.Barrier(count)
        list(self._pool.map(lambda _: together.wait(), range(count)))
        torch.set_num_threads(before)

    def compute(self, pictures: NDArray[np.uint8]) -> Floats:
        """Return the vectors (c, d) of one chunk (c, s, s, 3)."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(pictures)
            if self._device.type == "cuda":
                pixels = pixels.pin_memory().to(self._device, non_blocking=True)
            # NHWC pixels seen as NCHW are channels_last already: no copy.
            inputs = (pixels * self._scale - self._shift).permute(0, 3, 1, 2).to(self._dtype)
            vectors: Floats = torch.cat(self._means(inputs), dim=1).cpu().numpy()
        return vectors

    def _means(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        import torch

        means = []
        for name, stage in self._stages.named_children():
            inputs = stage(inputs)
            if name in self._layers:
                means.append(inputs.mean(dim=(2, 3), dtype=torch.float32))
        return means


def feature_stages(network: FeatureNetwork) -> torch.nn.Sequential:
    """Build torchvision's ResNet up to the deepest of the network's layers, in eval mode and fp32."""
    import torch
    from torchvision import models

    with torch.device("meta"):
        resnet = getattr(models, network.architecture)()
    resnet.fc = torch.nn.Identity()
    state = {name: torch.tensor(values) for name, values in network.read().items()}
    counts = {name: torch.zeros((), dtype=torch.long) for name, _ in resnet.named_buffers() if "num_" in name}
    resnet.load_state_dict({**state, **counts}, assign=True)
    stages = torch.nn.Sequential()
    for name, stage in resnet.named_children():
        stages.add_module(name, stage)
        if name == network.layers[-1]:
            break
    return stages.eval().requires_grad_(False)


def fold_batch_norm(stages: torch.nn.Sequential) -> torch.nn.Sequential:
    """Return a copy of `stages` whose BatchNorms are folded into the convolutions before them."""
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
