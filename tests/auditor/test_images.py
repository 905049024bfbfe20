"""Facts of files, their columns, thumbnails."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from auditor.arrays import as_ids
from auditor.contents import Folder
from auditor.errors import DataError
from auditor.files import read_file
from auditor.images import (
    FileFacts,
    collect_facts,
    decode_rgb,
    digest_facts,
    encode_thumbnail,
    read_image,
    read_image_at,
    unreadable_facts,
    vector_digests,
)
from auditor.results import QUALITY_FACTS

SECRET = b"taken at home"


def pixels(height: int = 40, width: int = 60, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def file_of(rgb: NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


def facts_of(rgb: NDArray[np.uint8], kind: str = "PNG", **options: object) -> FileFacts:
    return read_image(file_of(rgb, kind, **options))[1]


def test_the_same_bytes_give_the_same_facts_and_facts_match_decode_rgb() -> None:
    data = file_of(pixels())
    rgb, facts = read_image(data)
    assert read_image(data)[1] == facts
    np.testing.assert_array_equal(rgb, decode_rgb(data))
    assert (facts.width, facts.height, facts.readable, facts.error) == (60, 40, True, "")
    assert len(facts.quality) == len(QUALITY_FACTS) and len(facts.digest) == 32


def test_digest_follows_the_pixels_and_byte_digest_the_bytes() -> None:
    png, bmp = facts_of(pixels()), facts_of(pixels(), "BMP")
    assert png.digest == bmp.digest and png.byte_digest != bmp.byte_digest
    changed = pixels()
    changed[7, 9, 1] ^= 1
    assert facts_of(changed).digest != png.digest
    assert png.byte_digest == hashlib.sha256(file_of(pixels())).hexdigest()[:32]


def test_digest_tells_shapes_with_the_same_pixels_apart() -> None:
    flat = pixels(40, 60)
    assert facts_of(flat).digest != facts_of(flat.reshape(60, 40, 3)).digest
    assert facts_of(np.zeros((6, 4, 3), np.uint8)).digest != facts_of(np.zeros((4, 6, 3), np.uint8)).digest


def test_files_that_cannot_be_read_are_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    for path, word in (("gone.jpg", "not exist"), ("below", "folder")):
        rgb, facts = read_image_at(Folder(tmp_path), path)
        assert rgb is None and word in facts.error and facts.byte_digest == ""
        with pytest.raises(DataError, match=word):
            read_file(tmp_path / path)
    assert "cannot be read" in read_image_at(Folder(tmp_path), "nul\0byte")[1].error

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.jpg").touch()
    monkeypatch.setattr("os.open", refuse)
    assert "permission denied" in read_image_at(Folder(tmp_path), "secret.jpg")[1].error


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        Path(os.fsdecode(path)).write_bytes(file_of(pixels()))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    rgb, facts = read_image_at(Folder(tmp_path), "caf%E9.png")
    np.testing.assert_array_equal(rgb, pixels())
    assert facts == facts_of(pixels())


def test_columns_hold_the_rows_in_order() -> None:
    rows = [facts_of(pixels()), unreadable_facts("gone", "ab"), facts_of(pixels(20, 30, 1))]
    columns = collect_facts(["a", "b", "c"], rows)
    assert columns.readable.tolist() == [True, False, True]
    assert columns.error.tolist() == ["", "gone", ""]
    assert columns.width.tolist() == [60, 0, 30] and columns.height.tolist() == [40, 0, 20]
    assert columns.digest.tolist() == [r.digest for r in rows]
    assert columns.byte_digest.tolist() == [r.byte_digest for r in rows]
    assert columns.perceptual_hash.tolist() == [r.perceptual_hash for r in rows]
    assert [s.tobytes() for s in columns.signature] == [r.signature for r in rows]
    for i, name in enumerate(QUALITY_FACTS):
        np.testing.assert_allclose(columns.quality[name], [r.quality[i] for r in rows])
        assert columns.quality[name][1] == 1
    assert len(collect_facts([], []).ids) == 0
    with pytest.raises(DataError, match="2 ids and 3 facts"):
        collect_facts(["a", "b"], rows)


def test_vectors_have_a_digest_and_no_picture() -> None:
    vectors = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    vectors[2] = vectors[0]
    facts = digest_facts(as_ids(["a", "b", "c"]), as_ids(vector_digests(vectors)))
    assert not facts.checked and facts.readable.all() and not facts.quality
    assert facts.digest[0] == facts.digest[2] != facts.digest[1]
    assert vector_digests(np.asfortranarray(vectors)) == facts.digest.tolist()


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((300, 400), 128, (128, 96)),
        ((400, 300), 128, (96, 128)),
        ((40, 60), 128, (60, 40)),
        ((1, 900), 100, (100, 1)),
        ((1, 1), 64, (1, 1)),
    ],
)
def test_thumbnails_keep_the_shape_and_are_never_enlarged(
    shape: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    thumbnail = encode_thumbnail(pixels(*shape), side)
    shown = Image.open(io.BytesIO(thumbnail.data))
    assert shown.format == "WEBP" and shown.mode == "RGB"
    assert (thumbnail.width, thumbnail.height) == shown.size == expected


def test_a_thumbnail_shows_the_picture_in_few_bytes() -> None:
    smooth = np.asarray(Image.fromarray(pixels(4, 4)).resize((400, 400), Image.Resampling.BICUBIC))
    thumbnail = encode_thumbnail(smooth, 100)
    expected = np.asarray(Image.fromarray(smooth).resize((100, 100)), dtype=float)
    shown = np.asarray(Image.open(io.BytesIO(thumbnail.data)).convert("RGB"), dtype=float)
    assert np.abs(shown - expected).mean() < 6 and len(thumbnail.data) < 3000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_thumbnails_carry_no_metadata(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    options: dict[str, object] = {"exif": exif, "icc_profile": b"profile " + SECRET, "xmp": b"<x>" + SECRET}
    if kind == "JPEG":
        options["comment"] = SECRET
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", SECRET.decode())  # type: ignore[attr-defined]
    source = file_of(pixels(), kind, **options)
    assert SECRET in source
    thumbnail = encode_thumbnail(decode_rgb(source), 32)
    shown = Image.open(io.BytesIO(thumbnail.data))
    assert SECRET not in thumbnail.data
    assert not {"exif", "icc_profile", "xmp", "comment", "Comment"} & set(shown.info)
    assert not any(chunk in thumbnail.data for chunk in (b"EXIF", b"ICCP", b"XMP ", b"ALPH"))
