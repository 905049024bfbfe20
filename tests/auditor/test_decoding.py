"""Decoding: every mode and turn against Pillow or arithmetic, hostile files against a plain reason."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from auditor.errors import DataError
from auditor.images import decode_rgb, read_image

Pixels = NDArray[np.uint8]
WHITE = 255
TIFF_KINDS = ("TIFF", "TIFF tiff_lzw", "TIFF tiff_adobe_deflate", "TIFF jpeg")


def picture(height: int = 30, width: int = 44, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge picture."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_like_pillow(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    rgb, facts = read_image(data)
    np.testing.assert_array_equal(rgb, expected)
    assert (facts.height, facts.width) == expected.shape[:2]
    assert (facts.width, facts.height) == ((30, 44) if orientation >= 5 else (44, 30))


def test_damaged_exif_leaves_the_picture_readable() -> None:
    data = saved(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    np.testing.assert_array_equal(decode_rgb(data), decode_rgb(saved(picture(), "JPEG")))


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr"])
def test_opaque_modes_equal_pillows_conversion(mode: str) -> None:
    image = picture().convert(mode)
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    data = saved(image, kind)
    np.testing.assert_array_equal(decode_rgb(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_cmyk_jpeg_keeps_its_colours() -> None:
    red = decode_rgb(saved(Image.new("RGB", (16, 16), (230, 20, 30)).convert("CMYK"), "JPEG"))
    assert np.abs(red.reshape(-1, 3).mean(axis=0) - (230, 20, 30)).max() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_on_white(mode: str) -> None:
    layered = picture().convert(mode)
    alpha = np.random.default_rng(1).integers(0, 256, (30, 44), dtype=np.uint8)
    layered.putalpha(Image.fromarray(alpha))
    colour = np.asarray(layered.convert("RGB")).astype(float)
    share = alpha[..., None] / 255
    got = decode_rgb(saved(layered, "PNG"))
    assert np.abs(got - (colour * share + WHITE * (1 - share))).max() <= 1


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 10, 10))
    got = decode_rgb(saved(image, "PNG", transparency=0))
    assert (got[:, :10] == WHITE).all() and (got[:, 10:] == (200, 100, 50)).all()


def test_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    image = Image.new("RGB", (20, 10), (1, 2, 3))
    image.paste((200, 100, 50), (0, 0, 10, 10))
    got = decode_rgb(saved(image, "PNG", transparency=(1, 2, 3)))
    assert (got[:, 10:] == WHITE).all() and (got[:, :10] == (200, 100, 50)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(4, axis=0)
    got = decode_rgb(saved(Image.fromarray(ramp), kind))
    np.testing.assert_array_equal(got[0, :, 0], np.round(ramp[0] / 257))
    assert (got[..., 0] == got[..., 2]).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 25700, 65535]], np.int32), [0, 100, 255]),
        (np.array([[-1000, 0, 1_000_000]], np.int32), [0, 0, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 255]], np.float32), [0, 100, 255]),
        (np.array([[-5, 0, 5]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, np.inf, 1]], np.float32), [0, 0, 255]),
        (np.array([[7e9, 7e9, 7e9]], np.float32), [0, 0, 0]),
    ],
)
def test_wide_grey_values(values: NDArray[np.generic], expected: list[int]) -> None:
    got = decode_rgb(saved(Image.fromarray(values), "TIFF"))
    assert got[0, :, 0].tolist() == expected


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_several(kind: str) -> None:
    first, second = Image.new("RGB", (24, 16), (250, 0, 0)), Image.new("RGB", (24, 16), (0, 0, 250))
    got = decode_rgb(saved(first, kind, save_all=True, append_images=[second]))
    assert np.abs(got.astype(int) - (250, 0, 0)).max() <= 8


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "a.jpg", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a.jpg", "named .jpg but it is an HTML page"),
        (b"\n <HTML>", "a.png", "HTML"),
        (b"<?xml version='1.0'?><svg xmlns='x'/>", "a.png", "SVG"),
        (b"%PDF-1.7 ...", "a.jpg", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a.jpg", "Git LFS"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a.jpg", "HEIC"),
        (bytes(5000), "a.jpg", "zero bytes"),
        (b"hello", "", "not a picture"),
        (b"\xff\xd8\xff", "a.jpg", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "PNG"),
        (bomb(60_000, 60_000), "a.png", "60,000 x 60,000|larger than the limit"),
        (bomb(0, 10), "a.png", "PNG|pixels"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, name: str, words: str) -> None:
    rgb, facts = read_image(data, name)
    assert rgb is None and not facts.readable
    assert any(word in facts.error for word in words.split("|")), facts.error
    assert "\n" not in facts.error and "<" not in facts.error
    with pytest.raises(DataError):
        decode_rgb(data, name)


def test_the_suffix_does_not_matter_when_the_content_is_a_picture() -> None:
    rgb, facts = read_image(saved(picture(), "PNG"), "a.jpg")
    assert facts.readable
    np.testing.assert_array_equal(rgb, np.asarray(picture()))


def test_a_bomb_between_pillows_two_limits_is_decoded_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_rgb(saved(picture(), "PNG")).shape == (30, 44, 3)


def test_our_limit_holds_without_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    _, facts = read_image(bomb(60_000, 60_000))
    assert "60,000 x 60,000" in facts.error and "178,956,970" in facts.error


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "AVIF", "JPEG2000", "PPM", *TIFF_KINDS]
)
def test_no_cut_crashes_or_prints(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    kind, _, compression = kind.partition(" ")
    whole = saved(picture(64, 64), kind, **({"compression": compression} if compression else {}))
    assert read_image(whole)[1].readable
    errors = [read_image(whole[: int(len(whole) * share)])[1].error for share in np.linspace(0, 0.9, 30)]
    assert all(errors)
    printed = capfd.readouterr()
    assert printed.err == "" and printed.out == ""


def test_flipped_bytes_never_crash(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000"):
        whole = np.frombuffer(saved(picture(), kind), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(whole), 8)] = rng.integers(0, 256, 8)
            rgb, facts = read_image(broken.tobytes())
            assert (rgb is None) == bool(facts.error)
    assert capfd.readouterr().err == ""


def test_many_threads_decode_the_same_and_leave_pillow_alone() -> None:
    files = [saved(picture(seed=i), "PNG") for i in range(12)] * 8
    filters, truncated = list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES
    with ThreadPoolExecutor(8) as pool:
        facts = [f for _, f in pool.map(read_image, files)]
    assert facts == [read_image(data)[1] for data in files]
    assert len({f.digest for f in facts}) == 12
    assert list(warnings.filters) == filters and truncated == ImageFile.LOAD_TRUNCATED_IMAGES
