"""From a decoded picture to the network's fixed square, the way its weights were trained.

    rgb (h, w, 3) uint8 --resize, crop--> (size_px, size_px, 3) uint8 --in the network: / 255, - mean, /
    std-->

Resizing happens in Pillow on 8-bit pixels, as in torchvision's presets for PIL images, so a vector is
the same as with torchvision's own transforms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side to `resize_px`, cut the central square of `size_px`, normalise.

    ``fit="crop"`` does just that. ``fit="squash"`` resizes both sides to `size_px`, so that nothing at the
    edge of an oblong picture is lost.
    """

    resize_px: int
    size_px: int
    interpolation: str = "bilinear"
    fit: str = "crop"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the network's view of `rgb` (h, w, 3): (size_px, size_px, 3) uint8."""
        height, width = rgb.shape[:2]
        square = (self.size_px, self.size_px)
        # One resize of the cropped region alone: the same pixels as resize-then-crop, and a picture of
        # 1 x 5000 px never becomes one of 256 x 1280000 px.
        box = self._crop_box(width, height) if self.fit == "crop" else None
        image = Image.fromarray(rgb).resize(square, _FILTERS[self.interpolation], box=box)
        return np.asarray(image)

    def _crop_box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the region of the original that ends up in the square: left, top, right, bottom."""
        short = min(width, height)
        resized = [int(self.resize_px * side / short) for side in (width, height)]
        starts = [round((side - self.size_px) / 2.0) for side in resized]
        scales = [width / resized[0], height / resized[1]]
        left, top = (start * scale for start, scale in zip(starts, scales, strict=True))
        right, bottom = (
            min((start + self.size_px) * scale, side)
            for start, scale, side in zip(starts, scales, (width, height), strict=True)
        )
        return left, top, right, bottom

    def describe(self) -> str:
        """Return one line that tells this preprocessing from every other."""
        edges = f"shorter side {self.resize_px} px, central {self.size_px} px"
        if self.fit == "squash":
            edges = f"whole picture to {self.size_px} x {self.size_px} px"
        elif self.resize_px == self.size_px:
            edges = f"central square to {self.size_px} px"
        return f"{edges}, {self.interpolation}, mean {self.mean}, std {self.std}"
