"""What the decoded pixels of one picture say: quality scores, perceptual hash, signature.

    rgb (h, w, 3) --+-- a grid of at most 10,000 pixels ----> dark, bright
                    +-- a copy of at most 64 px ------------> low_information, blurry
                    +-- width, height ----------------------> odd_shape
                    +-- small and grey --------------------> perceptual hash, signature

The names and the question behind each are CleanVision's. `dark` and `odd_shape` are its definitions too.
The other three had to change, because a picture may be flagged only when a person would agree; measured on
CIFAR-10N, PACS photos and cartoons, line drawings made from them, and copies with planted faults:

=================  ======================================  =================================================
fact               CleanVision's definition                what it did
=================  ======================================  =================================================
`bright`           1 - 5th percentile of brightness        flags drawings with under 5 % ink: paper is white
`low_information`  entropy of the channels' histogram      flags every line drawing, misses 80 % of bare walls
`blurry`           spread of the edges' strength at 64 px  follows contrast: finds 35 % of photos and no
                                                           cartoon that is blurred by 4 of 128 px
=================  ======================================  =================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.results import SIGNATURE_SIDE

Pixels = NDArray[np.uint8]

GRID_PIXELS = 10_000
"""Brightness comes from a regular grid of about this many pixels: under .005 off, many times faster."""

DARK_PERCENTILE = 99.0
BRIGHT_PERCENTILE = 0.5
SMALL_SIDE_PX = 64
RANGE_PERCENTILES = (0.5, 99.5)
BLUR_WINDOW_PX = 7

HASH_SIDE = 8
HASH_INPUT_SIDE = 32

HASH_GAP, SMALL_GAP = 3.0, 1.5
"""Pillow averages whole blocks first, down to so many times the target: half the time, 2 bits of 64 off."""

_LEVELS = 1 << 14
_SQUARES = np.outer([0.241, 0.691, 0.068], (np.arange(256) / 255.0) ** 2)
_BRIGHTNESS_LEVELS = np.rint(_SQUARES * (_LEVELS - 1)).astype(np.int32)
_DCT = np.cos(np.pi / HASH_INPUT_SIDE * np.outer(np.arange(HASH_SIDE), np.arange(HASH_INPUT_SIDE) + 0.5))
_BIT_WEIGHTS = np.uint64(1) << np.arange(HASH_SIDE * HASH_SIDE - 1, -1, -1, dtype=np.uint64)


@dataclass(frozen=True)
class PixelFacts:
    """Quality scores in order of `results.QUALITY_FACTS`, 64-bit perceptual hash, grey signature."""

    quality: tuple[float, ...]
    perceptual_hash: int
    signature: bytes


def pixel_facts(image: Image.Image, rgb: Pixels) -> PixelFacts:
    """Return what the pixels say; `image` (mode RGB) and `rgb` (h, w, 3) hold the same picture."""
    grey = image.convert("L")
    small = _small_copy(image)
    dark, bright = brightness_scores(rgb)
    return PixelFacts(
        quality=(dark, bright, blur_score(small), information_score(small), shape_score(image.size)),
        perceptual_hash=perceptual_hash(grey),
        signature=grey.resize((SIGNATURE_SIDE, SIGNATURE_SIDE), Image.Resampling.BOX).tobytes(),
    )


def brightness_scores(rgb: Pixels) -> tuple[float, float]:
    """Return (dark, bright): the 99th percentile of brightness, and 1 less its 0.5th percentile.

    Brightness of a pixel is ``sqrt(.241 r^2 + .691 g^2 + .068 b^2) / 255`` (CleanVision). So a dark picture
    has no bright spot, and one that is too bright has not even a thin dark line.
    """
    height, width = rgb.shape[:2]
    step = max(1, round(math.sqrt(height * width / GRID_PIXELS)))
    # A side shorter than the step still gives one row or column.
    grid = rgb[min(step // 2, height - 1) :: step, min(step // 2, width - 1) :: step].reshape(-1, 3).T
    red, green, blue = (levels[channel] for levels, channel in zip(_BRIGHTNESS_LEVELS, grid, strict=True))
    squares = _percentiles(np.bincount(red + green + blue), (BRIGHT_PERCENTILE, DARK_PERCENTILE))
    low, high = np.sqrt(squares / (_LEVELS - 1))
    return _unit(high), _unit(1 - low)


def information_score(small: Image.Image) -> float:
    """Return how far apart the picture's values lie, in the channel where they lie farthest apart.

    The range from the 0.5th to the 99.5th percentile at 64 px, of 255. A bare wall has .03, a faint
    drawing .4; sensor noise averages out at this size.
    """
    channels = np.array(small.histogram()).reshape(3, 256)
    return _unit(max(np.ptp(_percentiles(counts, RANGE_PERCENTILES)) for counts in channels) / 255)


def blur_score(small: Image.Image) -> float:
    """Return which share of the edges' energy at 64 px a further blur takes away; low = blurred already.

    Crete et al. 2007, "The blur effect", with squared differences of both directions pooled, so that the
    strongest edges count and contrast does not. 1 below 64 px, where a soft picture cannot be told from
    an enlarged one, and for a picture without any edge.
    """
    if max(small.size) < SMALL_SIDE_PX:
        return 1.0
    grey = np.asarray(small.convert("L"), dtype=np.float32)
    energy = lost = 0.0
    for lines in (grey, np.ascontiguousarray(grey.T)):
        before = np.abs(np.diff(lines, axis=1))
        after = np.abs(np.diff(_running_mean(lines), axis=1))
        energy += float(np.square(before).sum())
        lost += float(np.square(np.maximum(before - after, 0)).sum())
    return _unit(lost / energy) if energy else 1.0


def shape_score(size: tuple[int, int]) -> float:
    """Return shorter side by longer side."""
    return min(size) / max(size)


def perceptual_hash(grey: Image.Image) -> int:
    """Return ImageHash's 64-bit `phash`; its first bit is the most significant one.

    Low frequencies of a 32 x 32 DCT above their median. Coefficients are rounded first, so that a blank
    picture hashes to one value instead of to rounding noise.
    """
    side = (HASH_INPUT_SIDE, HASH_INPUT_SIDE)
    small = grey.resize(side, Image.Resampling.LANCZOS, reducing_gap=HASH_GAP)
    low = (_DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T).round(6).ravel()
    return int(_BIT_WEIGHTS[low > np.median(low)].sum(dtype=np.uint64))


def _small_copy(image: Image.Image) -> Image.Image:
    """Return the picture with its longer side at most 64 px; never enlarged."""
    ratio = max(image.size) / SMALL_SIDE_PX
    if ratio <= 1:
        return image
    size = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=SMALL_GAP)


def _running_mean(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of `BLUR_WINDOW_PX` neighbours along each line; the ends are repeated."""
    half = BLUR_WINDOW_PX // 2
    sums = np.cumsum(np.pad(lines, ((0, 0), (half + 1, half)), mode="edge"), axis=1)
    return (sums[:, BLUR_WINDOW_PX:] - sums[:, :-BLUR_WINDOW_PX]) / np.float32(BLUR_WINDOW_PX)


def _percentiles(counts: NDArray[np.int64], percents: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the least values that so many percent of the values do not exceed; counting beats sorting."""
    below = np.cumsum(counts)
    return np.asarray(np.searchsorted(below, np.array(percents) / 100 * below[-1]), dtype=np.int64)


def _unit(value: Any) -> float:
    return float(min(max(value, 0.0), 1.0))
