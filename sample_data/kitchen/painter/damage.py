"""What is done to finished pictures: copies that are nearly the same, and pictures that nobody can use."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from painter.canvas import Rng, noise

Pixels = NDArray[np.uint8]

NOT_FOUND = b"""<!DOCTYPE html>
<html><head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The requested picture was not found on this server.</p></body></html>
"""


def encode(pixels: Pixels, suffix: str, quality: int = 85) -> bytes:
    """Return the bytes of a picture file; PNG keeps every pixel, and so does the lossless `.webp`."""
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    if suffix == ".png":
        image.save(out, "PNG", optimize=True)
    elif suffix == ".webp":
        image.save(out, "WEBP", lossless=True, method=4)
    else:
        image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def decode(data: bytes) -> Pixels:
    """Return the pixels (h, w, 3) of a picture file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def darken(pixels: Pixels, rng: Rng) -> Pixels:
    """Return the picture as if the lamp were off."""
    dim = pixels.astype(np.float32) * rng.uniform(0.07, 0.13) + rng.normal(2, 1.2, pixels.shape)
    return np.asarray(np.clip(dim, 0, 255), dtype=np.uint8)


def defocus(pixels: Pixels, rng: Rng) -> Pixels:
    """Return the picture far out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(5.0, 7.0))))


def empty(domain: str, rng: Rng) -> Pixels:
    """Return a picture of nearly nothing: a bare wall or a bare sheet, one corner a little darker."""
    base = rng.uniform((0.78, 0.76, 0.72), 0.9) if domain == "drawing" else rng.uniform(0.25, 0.8, 3)
    axis = np.linspace(0, 1, 128, dtype=np.float32)
    corner = np.hypot(axis[None, :] - rng.integers(2), axis[:, None] - rng.integers(2))
    value = 1 - 0.02 * np.clip(1 - corner, 0, 1) + 0.0015 * noise(rng, 128, (2, 2), 2)
    return np.asarray(np.clip(base * value[..., None] * 255, 0, 255).round(), dtype=np.uint8)


def near_copy(pixels: Pixels, how: str, rng: Rng) -> tuple[Pixels, int]:
    """Return pixels and JPEG quality of a near copy: "jpeg 40", "crop 90 %" or "resize 96 px"."""
    image = Image.fromarray(pixels)
    side = image.width
    if how == "jpeg 40":
        return pixels, 40
    if how == "crop 90 %":
        cut = round(side * 0.9)
        x, y = (int(v) for v in rng.integers(0, side - cut + 1, 2))
        part = image.crop((x, y, x + cut, y + cut)).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(part), 85
    if how == "resize 96 px":
        return np.asarray(image.resize((96, 96), Image.Resampling.LANCZOS)), 85
    raise ValueError(f"Unknown near copy {how!r}; known are 'jpeg 40', 'crop 90 %' and 'resize 96 px'.")


def break_file(data: bytes, how: str) -> bytes:
    """Return the bytes of a file that does not decode: "truncated", "zero bytes" or "web page"."""
    if how == "truncated":
        return data[: len(data) * 2 // 5]
    if how == "zero bytes":
        return b""
    if how == "web page":
        return NOT_FOUND
    raise ValueError(f"Unknown break {how!r}; known are 'truncated', 'zero bytes' and 'web page'.")
