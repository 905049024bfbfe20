"""Train the bundled ResNet-18 on what `pack.py` wrote, within a fixed wall-clock budget.

    python benchmarks/backbone/train.py PACKED resnet18-64px.safetensors --minutes 120

One softmax per source over its own classes: a dog of Imagenette never has to be told from one of Imagewoof.
The first half of the time at 48 px, the second at 64 px; the learning rate falls to zero at the end of the
budget. Pictures pass in bf16 where the processor computes in it. The result depends on the machine's speed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
IMAGENET_STD = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)

BATCH = 128
PEAK_LEARNING_RATE = 0.1
WARM_UP_STEPS = 200
WEIGHT_DECAY = 2e-4
HELD_OUT = 3_000
SMALL_PX, LARGE_PX = 48, 64
LEAST_AREA = 0.45
REPORT_STEPS = 200


@dataclass(frozen=True)
class Packed:
    """What `pack.py` wrote, and for each source the mask that hides all other classes."""

    pictures: np.ndarray
    label: Tensor
    mask: Tensor

    @classmethod
    def load(cls, folder: Path) -> Packed:
        labels = np.load(folder / "labels.npz")
        first = labels["first_class"]
        mask = torch.full((len(first) - 1, len(labels["class_names"])), -1e4)
        for source, (low, high) in enumerate(pairwise(first)):
            mask[source, low:high] = 0
        return cls(
            np.load(folder / "pictures.npy"),
            torch.from_numpy(labels["label"]).long(),
            mask[torch.from_numpy(labels["source"]).long()],
        )

    def take(self, rows: np.ndarray) -> Tensor:
        """Return pictures (b, 3, 72, 72) in [0, 1]."""
        return torch.from_numpy(self.pictures[rows]).permute(0, 3, 1, 2).float().div_(255)


def augment(pictures: Tensor, side_px: int) -> Tensor:
    """Cut a random region of 45 to 100 % of the area, flip, change brightness and contrast, 10 % to grey."""
    count = len(pictures)
    side = (torch.rand(count) * (1 - LEAST_AREA) + LEAST_AREA).sqrt()
    aspect = torch.exp((torch.rand(count) - 0.5) * 0.5)
    width, height = (side * aspect).clamp(max=1.0), (side / aspect).clamp(max=1.0)
    flip = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    region = torch.zeros(count, 2, 3)
    region[:, 0, 0], region[:, 1, 1] = width * flip, height
    region[:, 0, 2] = (torch.rand(count) * 2 - 1) * (1 - width)
    region[:, 1, 2] = (torch.rand(count) * 2 - 1) * (1 - height)
    grid = functional.affine_grid(region, [count, 3, side_px, side_px], align_corners=False)
    out = functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    brightness, contrast = 1 + (torch.rand(2, count, 1, 1, 1) - 0.5) * 0.5
    mean = out.mean((1, 2, 3), keepdim=True)
    out = ((out - mean) * contrast + mean) * brightness
    grey = (torch.rand(count, 1, 1, 1) < 0.1).float()
    return (out * (1 - grey) + out.mean(1, keepdim=True) * grey).clamp(0, 1)


def logits(network: nn.Module, pictures: Tensor, mask: Tensor) -> Tensor:
    normal = ((pictures - IMAGENET_MEAN) / IMAGENET_STD).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out: Tensor = network(normal)
    return out.float() + mask


def optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; weight decay on weights only."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=PEAK_LEARNING_RATE, momentum=0.9, nesterov=True)


def batches(rows: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield shuffled batches of rows for ever."""
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield np.sort(order[start : start + BATCH])


def train(data: Packed, minutes: float, seed: int) -> nn.Module:
    """Return the network trained for `minutes`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.pictures))
    held_out, rows = np.sort(order[:HELD_OUT]), np.sort(order[HELD_OUT:])
    network = torchvision.models.resnet18(num_classes=data.mask.shape[1], zero_init_residual=True)
    network = network.to(memory_format=torch.channels_last)
    descent = optimizer(network)
    start = time.monotonic()
    for step, batch in enumerate(batches(rows, rng)):
        part = (time.monotonic() - start) / (60 * minutes)
        if part >= 1:
            break
        for group in descent.param_groups:
            group["lr"] = PEAK_LEARNING_RATE * min(1, step / WARM_UP_STEPS) * (1 - part) ** 1.3
        pictures = augment(data.take(batch), SMALL_PX if part < 0.5 else LARGE_PX)
        loss = functional.cross_entropy(logits(network, pictures, data.mask[batch]), data.label[batch])
        descent.zero_grad(set_to_none=True)
        loss.backward()
        descent.step()
        if step % REPORT_STEPS == 0:
            print(f"{part:6.1%}  step {step}  loss {loss.item():.3f}", flush=True)
    print(f"held-out accuracy {accuracy(network, data, held_out):.3f}")
    return network


def accuracy(network: nn.Module, data: Packed, rows: np.ndarray) -> float:
    """Return the share of `rows` whose class is found among those of its source, on central squares."""
    network.eval()
    edge = (data.pictures.shape[1] - LARGE_PX) // 2
    hits = 0
    with torch.inference_mode():
        for part in np.array_split(rows, max(1, len(rows) // 500)):
            pictures = data.take(part)[:, :, edge : edge + LARGE_PX, edge : edge + LARGE_PX]
            found = logits(network, pictures, data.mask[part]).argmax(1)
            hits += int((found == data.label[part]).sum())
    return hits / len(rows)


def save(network: nn.Module, path: Path) -> None:
    """Write the weights without the classification layer as float16 safetensors."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
        if not name.startswith("fc.")
    }
    metadata = {"architecture": "resnet18", "input": str(LARGE_PX), "dtype": "float16"}
    save_file(state, path, metadata)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    save(train(Packed.load(arguments.packed), arguments.minutes, arguments.seed), arguments.out)
