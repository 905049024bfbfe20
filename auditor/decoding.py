"""Bytes to an RGB Pillow image, or one plain reason why not.

bytes -> opened (header only) -> size checked -> pixels loaded -> turned by EXIF -> RGB on white
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import PurePath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from auditor.errors import DataError

FORMATS: tuple[str, ...] = (
    "JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA", "DIB", "ICO", "PCX", "SGI",
)  # fmt: skip
"""Formats that hold pixels. Left out: those that run programs (EPS) or are containers of other things."""

MAX_PIXELS = 178_956_970
"""Largest picture that is decoded, Pillow's own bound for a decompression bomb: .7 GB as RGB in memory."""

NO_MEMORY = "the picture does not fit into memory"

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Atomic groups: a comment that could end at several places would be tried in all combinations.
_CONTENTS: tuple[tuple[str, str], ...] = (
    (r"\s*(?><!--.*?-->\s*)*+<(!doctype\s+html|html|head|body)", "an HTML page"),
    (r"\s*(?><\?xml.*?>\s*)?+(?><!doctype\s+svg.*?>\s*|<!--.*?-->\s*)*+<svg", "an SVG drawing"),
    (r"\s*<\?xml", "an XML file"),
    (r"%PDF", "a PDF document"),
    (r"%!PS", "a PostScript file"),
    (r"PK\x03\x04", "a ZIP archive"),
    (r"\x1f\x8b", "a gzip archive"),
    (r"....ftyp(mif1|msf1)", "a HEIF picture in a known frame with unknown pixels"),
    (r"....ftyp(?!avi[fs])", "a video"),
    (r"\x1aE\xdf\xa3|RIFF....AVI ", "a video"),
    (r"8BPS", "a Photoshop document"),
    (r"version https://git-lfs", "a Git LFS pointer: the picture itself was not fetched"),
    (r"\s*[\[{]", "a JSON text"),
    (r"\x00+$", "nothing but zero bytes"),
)
_PICTURES: tuple[tuple[str, str], ...] = (
    (r"\xff\xd8", "JPEG"),
    (r"\x89PNG", "PNG"),
    (r"GIF8", "GIF"),
    (r"RIFF....WEBP", "WebP"),
    (r"BM", "BMP"),
    (r"II\*\x00|MM\x00\*", "TIFF"),
    (r"....ftypavi[fs]", "AVIF"),
    (r"....jP  ", "JPEG 2000"),
)
_HEAD_BYTES = 1024

HEIC_LINE = 'pip install "dataset-auditor[heic]"'
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ICON, _PNG = b"\0\0\1\0", b"\x89PNG\r\n\x1a\n"


Admit = Callable[[int], None]
"""Called with the pixels of a picture before they are decoded; returns when there is room for them."""


def admit_all(pixels: int) -> None:
    """Let a picture of any size be decoded at once."""


def decode_image(data: bytes, name: str = "", admit: Admit = admit_all) -> Image.Image:
    """Return the first frame, turned as its EXIF says, as RGB with transparency on white.

    Colour profiles are ignored, as the common training pipelines do.

    Raises
    ------
    DataError
        With the reason in plain words. Nothing is allocated for a picture above `MAX_PIXELS`.
    """
    if not data:
        raise DataError("the file is empty (0 bytes)")
    try:
        _check_icon(data)
        with _quiet_pillow(), _open(data) as image:
            _check_size(image.size)
            admit(image.width * image.height)
            image.load()
            return to_rgb(_turn(image))
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(_describe(data, name)) from None
    except Image.DecompressionBombError:
        raise DataError(f"the picture is larger than the limit of {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise DataError(NO_MEMORY) from None
    except Exception as error:  # Pillow's parsers raise nearly every type on hostile files.
        raise DataError(_damage(error)) from None


def _open(data: bytes) -> Image.Image:
    """Open a picture; only its header is read."""
    if not _is_heic(data):
        return Image.open(io.BytesIO(data), formats=FORMATS)
    reader = heic_reader()
    if reader is None:
        raise DataError(f"HEIC pictures need pillow-heif: {HEIC_LINE}")
    try:
        image: Image.Image = reader(io.BytesIO(data))  # the first picture of several
    except Exception as error:
        raise DataError(f"the HEIC picture is damaged: {str(error).strip().lower()}"[:160]) from None
    return image


def _is_heic(data: bytes) -> bool:
    """Tell by the brands in a file's first box; the name AVIF shares says little."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), _HEAD_BYTES)
    return not _HEIC_BRANDS.isdisjoint({data[8:12], *(data[at : at + 4] for at in range(16, end, 4))})


@cache
def heic_reader() -> Any | None:
    """Return pillow-heif's class of pictures, None where it is not installed.

    It is called by hand: entered among Pillow's formats it would change Pillow for the whole program.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None
    return HeifImageFile


def heic_version() -> str:
    """Return the version of pillow-heif, "" where it is not installed."""
    return metadata.version("pillow-heif") if heic_reader() is not None else ""


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"the picture has {size[0]:,} x {size[1]:,} pixels, more than the limit of {MAX_PIXELS:,}"
        )
    if min(size) < 1:
        raise DataError("the picture has no pixels")


def _check_icon(data: bytes) -> None:
    """Check the sizes of PNG pictures in an icon: Pillow decodes them while it opens the file."""
    if not data.startswith(_ICON):
        return
    for entry in range(22, 22 + 16 * int.from_bytes(data[4:6], "little"), 16):
        start = int.from_bytes(data[entry - 4 : entry], "little")
        if data.startswith(_PNG, start):
            width, height = (int.from_bytes(data[start + at : start + at + 4]) for at in (16, 20))
            _check_size((width, height))


def _turn(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Damaged EXIF: the pixels are still good.
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded picture as RGB, 16 bits and floats as 8, transparency on white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGB", layered.size, "white")
        white.paste(layered, mask=layered.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(values: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Scale grey values (h, w) of 16 or 32 bits or floats to 0..255.

    A range that the values fit is kept, so that brightness stays comparable between pictures: 0..65535
    for 16 bits; 0..255 or 0..65535 for 32 bits; 0..1 or 0..255 for floats. Otherwise least to greatest.
    """
    if mode.startswith("I;16"):
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    with np.errstate(invalid="ignore"):  # some kinds of not-a-number are told when they are converted
        wide = values.astype(np.float64)
    grey = np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    ranges = (255.0, 65535.0) if mode == "I" else (1.0, 255.0)
    top = next((r for r in ranges if low >= 0 and high <= r), None)
    if top is None:
        grey, top = grey - low, (high - low) or 1.0
    return (grey * (255.0 / top)).round().astype(np.uint8)


def _describe(data: bytes, name: str) -> str:
    """Say what the bytes are when no picture format takes them."""
    head = data[:_HEAD_BYTES].decode("latin-1")
    suffix = PurePath(name).suffix.lower()
    named = f"named {suffix} but it is" if suffix else "this is"
    for pattern, what in _CONTENTS:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            return f"{named} {what}"
    for pattern, what in _PICTURES:
        if re.match(pattern, head, re.DOTALL):
            return f"starts like a {what} picture, but its header is damaged or cut off"
    return f"{named} not a picture in a known format"


def _damage(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "expected to read" in text or isinstance(error, EOFError):
        return "the picture is cut off: its data ends too early"
    return f"the picture is damaged: {text.strip().rstrip('.') or type(error).__name__}"[:160]


_PILLOW_FILTER: Any = ("ignore", None, Warning, re.compile(r"PIL\b"), 0)
_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: list[Any] = []


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings off stderr while at least one thread decodes.

    `warnings.catch_warnings` saves and restores one global list, so threads that overlap leave it
    changed for good. One filter that is counted in and out does not.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = cast("list[Any]", warnings.filters)
            _quiet_filters.insert(0, _PILLOW_FILTER)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _PILLOW_FILTER in _quiet_filters:
                _quiet_filters.remove(_PILLOW_FILTER)
