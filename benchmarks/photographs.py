"""Photographs of 500 x 375 px made from small ones, and a ResNet-50 that knows their statistics.

    DATA/CLASS/*.jpg (128 px) -> random crop, enlarged, flipped, recoloured, film grain -> OUT/CLASS/*.jpg

The grain makes them as hard to decode as real photographs: about 80 KB each at JPEG quality 90. No
two are near copies. The network's weights are random, so it serves to measure time and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

SIZE = (500, 375)
JPEG_QUALITY = 90
GRAIN = 5.0
"""Standard deviation of the grain in grey levels."""

CROP_SHARE = (0.55, 0.85)
CALIBRATION_PICTURES = 500
CALIBRATION_BATCH = 50


def class_folders(data: Path) -> list[Path]:
    """Return the folders of flower and PACS photographs, one for each class."""
    return sorted(
        folder
        for parent in (data / "flowers5", data / "pacs-photo-cartoon" / "photo")
        for folder in parent.iterdir()
        if folder.is_dir()
    )


def make_photographs(data: Path, out: Path, count: int) -> None:
    """Write `count` photographs in as many class folders as `data` has, the same each time."""
    rng = np.random.default_rng(0)
    folders = class_folders(data)
    for number in range(count):
        folder = folders[number % len(folders)]
        sources = sorted(folder.iterdir())
        source = sources[number // len(folders) % len(sources)]
        target = out / folder.name / f"{number:05d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as image:
            photograph(image.convert("RGB"), rng).save(target, quality=JPEG_QUALITY)


def photograph(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a new picture from a part of `image`."""
    share = rng.uniform(*CROP_SHARE)
    width = int(share * min(image.width, image.height * SIZE[0] / SIZE[1]))
    height = int(width * SIZE[1] / SIZE[0])
    left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
    part = image.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        part = ImageOps.mirror(part)
    for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        part = enhance(part).enhance(rng.uniform(0.7, 1.3))
    grain = rng.normal(0, GRAIN, (SIZE[1], SIZE[0], 1))
    return Image.fromarray(np.clip(np.asarray(part) + grain, 0, 255).astype(np.uint8))


def save_calibrated_resnet50(photographs: Path, target: Path) -> None:
    """Save a random ResNet-50 whose BatchNorms have averaged over some of the photographs."""
    import torch
    from safetensors.torch import save_file
    from torchvision.models import ResNet50_Weights, resnet50

    torch.manual_seed(0)
    network = resnet50()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean over all batches
    transform = ResNet50_Weights.IMAGENET1K_V1.transforms()
    paths = sorted(photographs.rglob("*.jpg"))
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:CALIBRATION_PICTURES]]
    with torch.no_grad():
        for start in range(0, len(paths), CALIBRATION_BATCH):
            pictures = [Image.open(path) for path in paths[start : start + CALIBRATION_BATCH]]
            network.train()(torch.stack([transform(picture) for picture in pictures]))
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, target)
