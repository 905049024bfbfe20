"""The ResNets as data: which stages a vector is made of, how wide they are, which weights they need.

    picture -> conv1 .. layer1 .. layer4, cut off after the deepest stage wanted -> mean over the picture
    -> the stages' means side by side (d,)

Nothing here computes: `auditor.torch_engine` and `auditor.openvino_engine` build the network they run from
a `FeatureNetwork`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from auditor.errors import UsageError

State = dict[str, NDArray[Any]]
"""Weights by torchvision's names, without those of the head."""

LAYERS = ("layer1", "layer2", "layer3", "layer4", "avgpool")
"""Outputs that can make up a vector, each averaged over the picture; several are joined by "+"."""

DEFAULT_LAYER = "avgpool"

INPUT_WIDTHS = (64, 128, 256, 512)
"""Channels inside the blocks of layer1 .. layer4."""

BOTTLENECK_FACTOR = 4
"""A bottleneck block gives so many times the channels it computes in."""


@dataclass(frozen=True)
class Architecture:
    """Blocks per layer, and whether they are bottlenecks of three convolutions or pairs of two."""

    bottleneck: bool
    blocks: tuple[int, int, int, int]

    def width(self, layer: str) -> int:
        """Return the channels that "layer1" .. "layer4" gives."""
        return INPUT_WIDTHS[int(layer[-1]) - 1] * (BOTTLENECK_FACTOR if self.bottleneck else 1)

    def block_convolutions(self, layer: str, block: int) -> tuple[Convolution, ...]:
        """Return a block's convolutions in the order of the path; He et al. 2015, arXiv 1512.03385.

        As in torchvision the 3 x 3 convolution of a bottleneck takes the stride, not the first 1 x 1.
        """
        index = int(layer[-1])
        inner, stride = INPUT_WIDTHS[index - 1], 2 if index > 1 and block == 0 else 1
        before = INPUT_WIDTHS[0] if index == 1 else self.width(f"layer{index - 1}")
        incoming = before if block == 0 else self.width(layer)
        name = f"{layer}.{block}"
        if not self.bottleneck:
            return (
                Convolution(f"{name}.conv1", f"{name}.bn1", incoming, inner, 3, stride),
                Convolution(f"{name}.conv2", f"{name}.bn2", inner, inner, 3, 1),
            )
        return (
            Convolution(f"{name}.conv1", f"{name}.bn1", incoming, inner, 1, 1),
            Convolution(f"{name}.conv2", f"{name}.bn2", inner, inner, 3, stride),
            Convolution(f"{name}.conv3", f"{name}.bn3", inner, self.width(layer), 1, 1),
        )

    def shortcut(self, layer: str, block: int) -> Convolution | None:
        """Return the 1 x 1 convolution beside a layer's first block, where shapes change; else None."""
        first = self.block_convolutions(layer, block)[0]
        stride = 2 if layer != "layer1" else 1
        if block > 0 or (stride == 1 and first.incoming == self.width(layer)):
            return None
        name = f"{layer}.{block}.downsample"
        return Convolution(f"{name}.0", f"{name}.1", first.incoming, self.width(layer), 1, stride)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every weight up to the average pooling, as torchvision names them."""
        return {name: shape for convolution in self._convolutions() for name, shape in convolution.shapes()}

    def _convolutions(self) -> Iterator[Convolution]:
        yield STEM
        for layer, blocks in zip(LAYERS, self.blocks, strict=False):
            for block in range(blocks):
                yield from self.block_convolutions(layer, block)
                if shortcut := self.shortcut(layer, block):
                    yield shortcut


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias and the BatchNorm behind it, by the names of their weights."""

    name: str
    norm: str
    incoming: int
    outgoing: int
    kernel: int
    stride: int

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield name and shape of each weight."""
        yield f"{self.name}.weight", (self.outgoing, self.incoming, self.kernel, self.kernel)
        for name in ("weight", "bias", "running_mean", "running_var"):
            yield f"{self.norm}.{name}", (self.outgoing,)


STEM = Convolution("conv1", "bn1", 3, 64, 7, 2)

ARCHITECTURES = {
    "resnet18": Architecture(False, (2, 2, 2, 2)),
    "resnet34": Architecture(False, (3, 4, 6, 3)),
    "resnet50": Architecture(True, (3, 4, 6, 3)),
    "resnet101": Architecture(True, (3, 4, 23, 3)),
    "resnet152": Architecture(True, (3, 8, 36, 3)),
}


@dataclass(frozen=True)
class FeatureNetwork:
    """A ResNet cut off after the deepest of the `layers` that make up the vector.

    architecture : one of `ARCHITECTURES`.
    layers : from `parse_layer`, shallow first.
    read : returns the weights. Called when the network is built, so a run that has nothing to embed never
        reads them.
    """

    architecture: str
    layers: tuple[str, ...]
    read: Callable[[], State]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers each of the layers gives, in the order they stand in a vector."""
        return tuple(ARCHITECTURES[self.architecture].width(layer) for layer in self.layers)


def parse_layer(layer: str) -> tuple[str, ...]:
    """Return the stages behind a layer's name, shallow first; "avgpool" is the mean of layer4.

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


_most_cores = 0
"""Set by `use_cores`; 0 is no limit."""


def available_cores() -> int:
    """Return the number of processor cores this process may run on; containers often allow fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _most_cores or cores)


def use_cores(most: int) -> None:
    """Let this process use no more than `most` cores: a cluster shares a machine out among its workers."""
    global _most_cores
    _most_cores = most
