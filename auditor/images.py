"""One decode of a picture gives everything that the audit needs to know about the file.

    bytes --> Pillow image --> turned by EXIF, RGB on white --+--> rgb (h, w, 3) uint8
                                                             +--> FileFacts: size, digests, hash, quality
          \\-> does not decode: FileFacts with the reason     +--> Thumbnail (WebP, no metadata)

A picture that does not decode is a fact with a reason in plain words, never an exception. Nothing here
changes Pillow's settings, and all of it may be called from many threads at once.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.arrays import Floats, Ids, as_ids
from auditor.contents import Contents
from auditor.decoding import NO_MEMORY, Admit, admit_all, decode_image
from auditor.errors import DataError
from auditor.quality import pixel_facts
from auditor.results import QUALITY_FACTS, SIGNATURE_SIDE, ImageFacts, Thumbnail

FACTS_VERSION = 2
"""Counts up whenever a fact's definition changes, so that stored facts are made again."""

DIGEST_BYTES = 16
"""SHA-256 cut to 128 bits: twice as fast as blake2b on processors with SHA instructions."""

THUMBNAIL_QUALITY = 60
THUMBNAIL_GAP = 1.5
"""Whole blocks are averaged down to 1.5 times the size, the rest is Lanczos: 0.8 instead of 2 ms."""

WEBP_METHOD = 2
"""WebP effort 0 to 6: files within 5 % of the default's (4), for three quarters of its time."""


@dataclass(frozen=True)
class FileFacts:
    """What one decode tells about one file.

    width, height : pixels after the EXIF turn; 0 when unreadable.
    byte_digest : hex digest of the file's bytes; "" when there were none to read.
    digest : hex digest of the decoded RGB pixels and the size; "" when unreadable.
    perceptual_hash : 64-bit DCT hash (ImageHash's `phash`).
    signature : `SIGNATURE_SIDE` squared grey bytes, row by row, each the mean of an area, whatever the shape.
    quality : scores in [0, 1], low = suspect, in order of `results.QUALITY_FACTS`; 1 when unreadable.
    """

    readable: bool
    error: str
    width: int
    height: int
    byte_digest: str
    digest: str
    perceptual_hash: int
    signature: bytes
    quality: tuple[float, ...]


def read_image_at(
    contents: Contents, path: str, admit: Admit = admit_all
) -> tuple[NDArray[np.uint8] | None, FileFacts]:
    """Read and decode one picture; like `read_image`, and what cannot be read is unreadable too."""
    try:
        data = contents.read(path)
    except DataError as error:
        return None, unreadable_facts(str(error))
    return read_image(data, path, admit)


def read_image(
    data: bytes, name: str = "", admit: Admit = admit_all
) -> tuple[NDArray[np.uint8] | None, FileFacts]:
    """Decode one picture and collect its facts.

    Parameters
    ----------
    data : the file's bytes.
    name : the file's name; its suffix makes the reason clearer when the content is something else.
    admit : called with the number of pixels before they are decoded.

    Returns
    -------
    rgb : (h, w, 3) uint8, or None when unreadable.
    facts : with `error` saying why when unreadable.
    """
    of_bytes = byte_digest(data)
    try:
        image = decode_image(data, name, admit)
        rgb = np.asarray(image)
        pixels = pixel_facts(image, rgb)
    except DataError as error:
        return None, unreadable_facts(str(error), of_bytes)
    except MemoryError:
        return None, unreadable_facts(NO_MEMORY, of_bytes)
    height, width = rgb.shape[:2]
    return rgb, FileFacts(
        readable=True,
        error="",
        width=width,
        height=height,
        byte_digest=of_bytes,
        digest=_digest(rgb.data, f"{width}x{height}"),
        perceptual_hash=pixels.perceptual_hash,
        signature=pixels.signature,
        quality=pixels.quality,
    )


def decode_rgb(data: bytes, name: str = "") -> NDArray[np.uint8]:
    """Return the decoded pixels (h, w, 3) alone, without facts.

    Raises
    ------
    DataError
        With the reason when the picture does not decode.
    """
    image = decode_image(data, name)
    try:
        return np.asarray(image)
    except MemoryError:
        raise DataError(NO_MEMORY) from None


def unreadable_facts(reason: str, byte_digest: str = "") -> FileFacts:
    """Return the facts of a file that gives no pixels."""
    return FileFacts(
        readable=False,
        error=reason,
        width=0,
        height=0,
        byte_digest=byte_digest,
        digest="",
        perceptual_hash=0,
        signature=bytes(SIGNATURE_SIDE * SIGNATURE_SIDE),
        quality=(1.0,) * len(QUALITY_FACTS),
    )


def collect_facts(ids: Sequence[str] | NDArray[Any], rows: Sequence[FileFacts]) -> ImageFacts:
    """Return the facts of many files as columns, in the order given (n)."""
    if len(ids) != len(rows):
        raise DataError(f"collect_facts needs facts for every id, got {len(ids)} ids and {len(rows)} facts.")
    signatures = np.frombuffer(b"".join(row.signature for row in rows), dtype=np.uint8)
    quality = np.array([row.quality for row in rows], dtype=np.float32).reshape(len(rows), len(QUALITY_FACTS))
    return ImageFacts(
        ids=as_ids(ids),
        readable=np.array([row.readable for row in rows], dtype=np.bool_),
        error=as_ids([row.error for row in rows]),
        width=np.array([row.width for row in rows], dtype=np.int32),
        height=np.array([row.height for row in rows], dtype=np.int32),
        byte_digest=as_ids([row.byte_digest for row in rows]),
        digest=as_ids([row.digest for row in rows]),
        perceptual_hash=np.array([row.perceptual_hash for row in rows], dtype=np.uint64),
        signature=signatures.reshape(len(rows), SIGNATURE_SIDE, SIGNATURE_SIDE),
        quality={name: np.ascontiguousarray(quality[:, i]) for i, name in enumerate(QUALITY_FACTS)},
    )


def vector_digests(vectors: Floats) -> list[str]:
    """Return the digest, hex, of each vector (n, d)."""
    return [_digest(row.data) for row in np.ascontiguousarray(vectors, dtype=np.float32)]


def digest_facts(ids: Ids, digests: Ids) -> ImageFacts:
    """Return the facts of samples (n,) without pictures, whose vectors have these digests (n,)."""
    n = len(ids)
    return ImageFacts(
        ids=ids,
        readable=np.ones(n, dtype=np.bool_),
        error=np.full(n, "", dtype=object),
        width=np.zeros(n, dtype=np.int32),
        height=np.zeros(n, dtype=np.int32),
        byte_digest=digests,
        digest=digests,
        perceptual_hash=np.zeros(n, dtype=np.uint64),
        signature=np.zeros((n, 0, 0), dtype=np.uint8),
        quality={},
        checked=False,
    )


def encode_thumbnail(rgb: NDArray[np.uint8], side_px: int, quality: int = THUMBNAIL_QUALITY) -> Thumbnail:
    """Encode pixels (h, w, 3) as WebP whose longer side is at most `side_px`; never enlarged.

    An array carries no EXIF, XMP, ICC profile or comment, so none can reach the page.
    """
    image = Image.fromarray(rgb)
    scale = min(1.0, side_px / max(image.size))
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=THUMBNAIL_GAP)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=WEBP_METHOD)
    return Thumbnail(width=image.width, height=image.height, data=buffer.getvalue())


def byte_digest(data: bytes) -> str:
    """Return what `FileFacts.byte_digest` holds of a file's bytes: hex, "" when there are none."""
    return _digest(data) if data else ""


def _digest(data: bytes | memoryview, prefix: str = "") -> str:
    state = hashlib.sha256(prefix.encode())
    state.update(data)
    return state.hexdigest()[: 2 * DIGEST_BYTES]
