"""Pictures in memory as bytes that decode to the same pixels.

PIL image, array or tensor --> RGB, grey or RGBA uint8 --> PNG
bytes, path                --> the file's bytes
"""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.decoding import to_rgb
from auditor.errors import DataError
from auditor.files import read_file

CHANNELS = (1, 3, 4)
_FAST = 1
"""zlib's level: the bytes live only from here to the decoder."""


def encode_picture(picture: Any) -> bytes:
    """Return a picture's bytes; what is not encoded yet becomes a PNG with the same pixels.

    Parameters
    ----------
    picture : a PIL image, taken as it is, without a turn by its EXIF; an array or tensor (h, w), (h, w, c) or
        (c, h, w) with 1, 3 or 4 channels, of uint8, of whole numbers in 0..255, of uint16, of booleans, or of
        floats in [0, 1], which count in steps of 1/255, rounded; the bytes of a file; or its path.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        return read_file(os.fspath(picture))
    if isinstance(picture, Image.Image):
        return _png(_rgb(picture))
    if hasattr(picture, "detach"):  # a tensor
        picture, first = picture.detach().cpu().numpy(), True
    else:
        first = False
    if not isinstance(picture, np.ndarray):
        raise DataError(f"a {type(picture).__name__} is no image, array, tensor, path or bytes")
    return _png(Image.fromarray(np.ascontiguousarray(_eight_bits(_height_first(picture, first)))))


def _rgb(picture: Image.Image) -> Image.Image:
    try:
        picture.load()
        return to_rgb(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the picture is damaged: {error}"[:160]) from None


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_FAST)
    return out.getvalue()


def _height_first(values: NDArray[Any], channels_first: bool) -> NDArray[Any]:
    """Return pixels as (h, w) or (h, w, c); where both readings fit, tensors have their channels first."""
    shape = values.shape
    if values.ndim == 3:
        first, last = shape[0] in CHANNELS, shape[2] in CHANNELS
        if first and (channels_first or not last):
            values = np.moveaxis(values, 0, 2)
        elif not last:
            raise DataError(f"a picture of shape {shape} has no axis of 1, 3 or 4 channels")
        values = values[..., 0] if values.shape[2] == 1 else values
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise DataError(f"a picture of shape {shape} is neither (h, w), (h, w, c) nor (c, h, w)")
    return values


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    kind = values.dtype.kind
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    top = {"f": 1.0, "i": 255, "u": 255}.get(kind)
    if top is None:
        raise DataError(f"a picture of {values.dtype} has no brightness")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):
        raise DataError(
            f"a picture of {values.dtype} lies in 0 to {top:g}, this one in {low:.4g} to {high:.4g}: give "
            "the dataset without normalisation"
        )
    return (values * 255.0).round().astype(np.uint8) if kind == "f" else values.astype(np.uint8)
