"""What the decoded pixels of one picture say: quality scores, perceptual hash, signature.

rgb (h, w, 3) --+-- a grid of at most 20,000 pixels --> dark, bright, low_information
                +-- at most 64 px, grey             --> blurry
                +-- 32 x 32, grey                   --> perceptual hash, signature
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from auditor.results import SIGNATURE_SIDE

Pixels = NDArray[np.uint8]

GRID_PIXELS = 20_000
"""Brightness and entropy come from a regular grid of about this many pixels: .001 off, 10 times faster."""

DARK_PERCENTILE = 99
BRIGHT_PERCENTILE = 5
ENTROPY_FACTOR = 0.1
BLUR_SIDE_PX = 64
BLUR_FACTOR = 0.01
BLUR_MIN_HISTOGRAM = 0.18
"""CleanVision's constants: percentiles, normalising factors, `MAX_RESOLUTION_FOR_BLURRY_DETECTION`."""

HASH_SIDE = 8
HASH_INPUT_SIDE = 32

_LUMA_SQUARED = np.outer([0.241, 0.691, 0.068], (np.arange(256) / 255.0) ** 2).astype(np.float32)
_DCT = np.cos(np.pi / HASH_INPUT_SIDE * np.outer(np.arange(HASH_SIDE), np.arange(HASH_INPUT_SIDE) + 0.5))
_BIT_WEIGHTS = np.uint64(1) << np.arange(HASH_SIDE * HASH_SIDE - 1, -1, -1, dtype=np.uint64)


@dataclass(frozen=True)
class PixelFacts:
    """Quality scores in order of `results.QUALITY_FACTS`, 64-bit perceptual hash, grey signature."""

    quality: tuple[float, ...]
    perceptual_hash: int
    signature: bytes


def pixel_facts(image: Image.Image, rgb: Pixels) -> PixelFacts:
    """Return what the pixels say; `image` and `rgb` (h, w, 3) hold the same picture."""
    grey = image.convert("L")
    small = grey.resize((SIGNATURE_SIDE, SIGNATURE_SIDE), Image.Resampling.BOX)
    dark, bright = brightness_scores(rgb)
    return PixelFacts(
        quality=(dark, bright, blur_score(image), information_score(rgb), shape_score(image.size)),
        perceptual_hash=perceptual_hash(grey),
        signature=small.tobytes(),
    )


def pixel_grid(rgb: Pixels) -> Pixels:
    """Return a regular grid of about `GRID_PIXELS` pixels (p, 3); all of them when there are fewer."""
    height, width = rgb.shape[:2]
    step = max(1, round(math.sqrt(height * width / GRID_PIXELS)))
    # A side shorter than the step still gives one row or column.
    return np.ascontiguousarray(
        rgb[min(step // 2, height - 1) :: step, min(step // 2, width - 1) :: step]
    ).reshape(-1, 3)


def brightness_scores(rgb: Pixels) -> tuple[float, float]:
    """Return (dark, bright): the 99th percentile of brightness, and 1 less its 5th percentile.

    Brightness of a pixel is ``sqrt(.241 r^2 + .691 g^2 + .068 b^2) / 255`` (CleanVision's `dark`, `light`).
    """
    grid = pixel_grid(rgb)
    squared = _LUMA_SQUARED[0][grid[:, 0]] + _LUMA_SQUARED[1][grid[:, 1]] + _LUMA_SQUARED[2][grid[:, 2]]
    low, high = np.percentile(np.sqrt(squared), [BRIGHT_PERCENTILE, DARK_PERCENTILE])
    return _unit(high), _unit(1 - low)


def information_score(rgb: Pixels) -> float:
    """Return a tenth of the entropy in bits of the three channels' joint histogram, at most 1."""
    grid = pixel_grid(rgb)
    counts = np.concatenate([np.bincount(grid[:, c], minlength=256) for c in range(3)])
    shares = counts[counts > 0] / counts.sum()
    return _unit(-ENTROPY_FACTOR * float((shares * np.log2(shares)).sum()))


def blur_score(image: Image.Image) -> float:
    """Return how much the edges of the picture at 64 px vary; flat areas count for sharp (CleanVision)."""
    ratio = max(image.size) / BLUR_SIDE_PX
    if ratio > 1:
        size = (max(int(image.width // ratio), 1), max(int(image.height // ratio), 1))
        image = image.resize(size, Image.Resampling.BICUBIC)
    grey = image.convert("L")
    edges = np.asarray(grey.filter(ImageFilter.FIND_EDGES), dtype=np.float32)
    sharp = 1 - math.exp(-BLUR_FACTOR * float(edges.std()))
    flat = 1 - math.exp(-BLUR_FACTOR * float(np.std(grey.histogram())))
    return _unit(sharp + (flat if flat > BLUR_MIN_HISTOGRAM else 0.0))


def shape_score(size: tuple[int, int]) -> float:
    """Return shorter side by longer side."""
    return min(size) / max(size)


def perceptual_hash(grey: Image.Image) -> int:
    """Return ImageHash's 64-bit `phash`; its first bit is the most significant one.

    Low frequencies of a 32 x 32 DCT above their median. Coefficients are rounded first, so that a blank
    picture hashes to one value instead of to rounding noise.
    """
    small = grey.resize((HASH_INPUT_SIDE, HASH_INPUT_SIDE), Image.Resampling.LANCZOS)
    low = (_DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T).round(6).ravel()
    return int(_BIT_WEIGHTS[low > np.median(low)].sum(dtype=np.uint64))


def _unit(value: Any) -> float:
    return float(min(max(value, 0.0), 1.0))
