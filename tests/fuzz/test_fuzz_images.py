"""Whatever a picture's bytes are, the image edge gives pixels or one plain reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fuzzing import Fuzz, spoiled
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from auditor import decoding
from auditor.decoding import FORMATS
from auditor.errors import DataError
from auditor.images import collect_facts, decode_rgb, encode_thumbnail, read_image

SIZE = (33, 21)
THUMBNAIL_PX = 16
REASON_CHARACTERS = 300
MODES = ("RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "I", "F", "I;16", "LAB", "HSV")
TIFF_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "group4", "raw")
TEXTS = (
    b"<!---->" * 150, b"<?xml ?>" + b"<!doctype svg>" * 80, b"<!DOCTYPE html>", b"GIF89a", b"\0" * 300,
    b"%PDF-1.7", b"P5 9999999999 9999999999 255\n", b"P2\n# " + b"x" * 5000,
    b"\0\0\1\0\xff\xff" + b"\xff" * 400,
)  # fmt: skip


def picture(mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(noise[..., 0].astype(np.uint16) * 256)
    image = Image.fromarray(noise).convert("RGB")
    if mode == "LAB":
        return Image.frombytes("LAB", SIZE, image.tobytes())
    return image.convert("L").convert(mode) if mode in ("I", "F", "LA") else image.convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes | None:
    """The picture as a file; None where the format does not hold such a picture."""
    out = io.BytesIO()
    try:
        image.save(out, kind, **options)
    except (OSError, ValueError, KeyError):
        return None
    return out.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def valid_pictures() -> tuple[bytes, ...]:
    """Files of every format that is read, in every mode that it holds, and what pictures carry beside."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 3000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x/>" * 100, zip=True)
    frames = [picture().rotate(n * 90) for n in (1, 2)]
    found = [saved(picture(mode), kind) for kind in FORMATS for mode in MODES]
    found += [saved(picture(), kind, exif=turned(6)) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    found += [
        saved(picture("P"), kind, save_all=True, append_images=frames, transparency=0)
        for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
    ]
    found += [
        saved(picture("1" if kind == "group4" else "RGB"), "TIFF", compression=kind)
        for kind in TIFF_COMPRESSIONS
    ]
    found += [
        saved(picture(), "PNG", pnginfo=info, icc_profile=b"icc" * 900),
        saved(picture("P"), "PNG", transparency=3),
        saved(picture(), "JPEG", progressive=True, comment=b"hello", dpi=(9, 9)),
        saved(picture(), "JPEG2000", no_jp2=True, tile_size=(16, 16)),
        saved(picture(), "WEBP", lossless=True),
        saved(picture(), "ICO", sizes=[(16, 16), (32, 20)], bitmap_format="bmp"),
        saved(picture(), "TGA", compression="tga_rle"),
        saved(picture(), "TIFF", big_tiff=True),
    ]
    return tuple(dict.fromkeys(data for data in found if data))


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spoiled size may be any: a small limit keeps each case short. See `test_security_bombs` too."""
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1 << 20)


def test_the_valid_pictures_cover_every_format_and_are_read() -> None:
    valid = valid_pictures()
    found = {Image.open(io.BytesIO(data), formats=FORMATS).format for data in valid}
    # Pillow tells a DIB only by what stands around it, in an icon.
    assert found >= set(FORMATS) - {"DIB"}
    readable = [read_image(data)[1].readable for data in valid]
    assert np.mean(readable) > 0.9


def test_any_bytes_are_a_picture_or_one_plain_reason(fuzz: Fuzz) -> None:
    valid = (*valid_pictures(), *TEXTS)

    def check(data: bytes) -> None:
        rgb, facts = read_image(data, "a.jpg")
        assert (rgb is None) == bool(facts.error) == (not facts.readable)
        collect_facts(["a"], [facts])
        if rgb is None:
            assert len(facts.error) <= REASON_CHARACTERS and facts.error == " ".join(facts.error.split())
            with pytest.raises(DataError):
                decode_rgb(data)
            return
        assert rgb.dtype == np.uint8 and rgb.shape == (facts.height, facts.width, 3)
        assert all(0 <= score <= 1 for score in facts.quality)
        np.testing.assert_array_equal(decode_rgb(data), rgb)
        thumbnail = encode_thumbnail(rgb, THUMBNAIL_PX)
        shown = Image.open(io.BytesIO(thumbnail.data))
        assert shown.size == (thumbnail.width, thumbnail.height) and max(shown.size) <= THUMBNAIL_PX
        assert not {"exif", "icc_profile", "xmp"} & set(shown.info)

    fuzz("pictures", check, data=spoiled(valid) | st.binary(max_size=200))


def test_any_size_of_a_picture_gives_a_thumbnail(fuzz: Fuzz) -> None:
    def check(height: int, width: int, side: int, quality: int) -> None:
        rgb = np.zeros((height, width, 3), dtype=np.uint8)
        made = encode_thumbnail(rgb, side, quality)
        assert min(made.width, made.height) >= 1 and max(made.width, made.height) <= max(side, 1)
        assert Image.open(io.BytesIO(made.data)).size == (made.width, made.height)

    sides = st.integers(1, 40) | st.integers(1, 20_000)
    shapes = {"height": sides, "width": sides.filter(lambda side: side <= 40)}
    fuzz("pictures", check, **shapes, side=st.integers(1, 512), quality=st.integers(0, 100))
