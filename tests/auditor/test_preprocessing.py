"""The square a network sees equals torchvision's own presets."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision import models
from torchvision.transforms.v2 import functional

from auditor.backbones import IMAGENET_PREPROCESSING
from auditor.preprocessing import Preprocessing


def picture(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 1000 + width)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_presets_are_torchvisions(name: str) -> None:
    preset = models.get_model_weights(name)["IMAGENET1K_V1"].transforms()
    found = IMAGENET_PREPROCESSING
    assert (found.resize_px, found.size_px) == (preset.resize_size[0], preset.crop_size[0])
    assert (found.mean, found.std) == (tuple(preset.mean), tuple(preset.std))
    assert found.interpolation == preset.interpolation.value


@pytest.mark.parametrize("shape", [(300, 400), (512, 340), (256, 256), (100, 77), (33, 32), (1, 40)])
def test_pixels_are_torchvisions(shape: tuple[int, int]) -> None:
    rgb = picture(*shape)
    wanted = functional.resize(Image.fromarray(rgb), [256], functional.InterpolationMode.BILINEAR)
    wanted = np.asarray(functional.center_crop(wanted, [224])).astype(int)
    found = IMAGENET_PREPROCESSING.prepare(rgb).astype(int)
    # Pillow keeps the region's edges as 32-bit floats, so a value may round the other way.
    assert np.abs(found - wanted).max() <= 1
    assert abs((found - wanted).mean()) < 0.05


def test_extreme_shape_stays_small() -> None:
    assert IMAGENET_PREPROCESSING.prepare(picture(1, 20_000)).shape == (224, 224, 3)


def test_squash_sees_the_edges_and_crop_does_not() -> None:
    rgb = np.zeros((50, 150, 3), dtype=np.uint8)
    rgb[:, :10] = 255
    assert Preprocessing(64, 64, fit="squash").prepare(rgb).max() == 255
    assert Preprocessing(64, 64).prepare(rgb).max() == 0


def test_descriptions_tell_all_apart() -> None:
    variants = [
        Preprocessing(64, 64),
        Preprocessing(64, 64, fit="squash"),
        Preprocessing(64, 64, "bicubic"),
        Preprocessing(72, 64),
        Preprocessing(64, 64, mean=(0.5, 0.5, 0.5)),
        Preprocessing(64, 64, std=(0.5, 0.5, 0.5)),
    ]
    assert len({v.describe() for v in variants}) == len(variants)
