"""Pictures in memory as bytes: the same pixels, or a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from pictures import picture
from PIL import Image

from auditor.decoding import to_rgb
from auditor.errors import DataError
from auditor.images import decode_rgb
from auditor.sources.pictures import encode_picture


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "F"])
def test_images_of_every_mode_look_as_a_file_of_them_would(mode: str) -> None:
    image = Image.fromarray(picture(0, 1))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.float32))
    else:
        image = image.convert(mode)
    np.testing.assert_array_equal(decode_rgb(encode_picture(image)), np.asarray(to_rgb(image)))


def test_grey_and_transparent_arrays() -> None:
    rgb = picture(0, 1)
    for grey in (rgb[..., 0], rgb[..., :1], rgb[None, ..., 0]):
        np.testing.assert_array_equal(decode_rgb(encode_picture(grey)), np.repeat(rgb[..., :1], 3, axis=2))
    mask = rgb[..., 0] > 128
    np.testing.assert_array_equal(decode_rgb(encode_picture(mask))[..., 0], mask * np.uint8(255))
    layered = np.dstack([rgb, np.zeros(rgb.shape[:2], np.uint8)])
    assert decode_rgb(encode_picture(layered)).min() == 255


def test_an_image_is_taken_without_a_turn_by_its_exif() -> None:
    """What the program holds is what its network sees."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(0, 1)[:20]).save(out, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(out.getvalue()))
    assert decode_rgb(encode_picture(opened)).shape == (20, 40, 3)
    assert decode_rgb(encode_picture(out.getvalue())).shape == (40, 20, 3)  # a file's bytes are turned


def test_a_square_tensor_with_three_rows_has_its_channels_first() -> None:
    values = np.arange(3 * 8 * 3, dtype=np.uint8).reshape(3, 8, 3)
    np.testing.assert_array_equal(decode_rgb(encode_picture(values)), values)
    tensor = decode_rgb(encode_picture(torch.from_numpy(values)))
    np.testing.assert_array_equal(tensor, np.moveaxis(values, 0, 2))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 8, 8), np.uint8), r"no axis of 1, 3 or 4"),
        (np.zeros((8,), np.uint8), "neither"),
        (np.zeros((0, 8, 3), np.uint8), "neither"),
        (np.full((8, 8), -1.5), "without normalisation"),
        (np.full((8, 8), np.nan), "without normalisation"),
        (np.full((8, 8), 256), "0 to 255"),
        (np.zeros((8, 8), complex), "no brightness"),
        (np.array([["a"]]), "no brightness"),
        (None, "NoneType is no image"),
        (7, "int is no image"),
        ("gone.png", "does not exist"),
    ],
)
def test_what_is_no_picture_is_unreadable_with_the_reason(value: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        encode_picture(value)
