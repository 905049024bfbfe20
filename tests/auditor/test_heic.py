"""HEIC through pillow-heif, AVIF through Pillow: pixels, turns, hostile files, and life without the extra."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from pictures import Colours, make_folders, picture
from PIL import Image, ImageOps

from auditor import decoding
from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.errors import DataError
from auditor.images import decode_rgb, read_image
from auditor.store import Store

CLOSE = 6.0
"""Mean difference in grey levels that encoding may make; another picture or turn makes more than 40."""


def scene(width: int = 72, height: int = 48) -> Image.Image:
    """No turn or mirror of it looks like another."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 255 * (x * y) / (width * height)], axis=-1)
    pixels[:12, :18] = (255, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def heic(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=95, chroma=444, **options)
    return out.getvalue()


def avif(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "AVIF", quality=95)
    return out.getvalue()


def difference(a: NDArray[np.uint8], b: Image.Image) -> float:
    assert a.shape == np.asarray(b).shape
    return float(np.abs(a.astype(int) - np.asarray(b).astype(int)).mean())


@pytest.mark.parametrize("encode", [heic, avif])
def test_pixels_are_those_that_were_encoded(encode: object) -> None:
    rgb, facts = read_image(encode(scene()), "a.heic")  # type: ignore[operator]
    assert rgb is not None and facts.readable and (facts.width, facts.height) == (72, 48)
    assert difference(rgb, scene()) < CLOSE < difference(rgb, ImageOps.mirror(scene())) / 4


def phone_picture(orientation: int) -> bytes:
    """Pixels as the sensor had them, the turn in the container and again in the EXIF, as phones write it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = pillow_heif.from_pillow(scene())
    file[0].info["exif"] = exif.tobytes()
    out = io.BytesIO()
    file.save(out, quality=95, chroma=444)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_is_made_once(orientation: int) -> None:
    image = scene()
    image.getexif()[0x0112] = orientation
    data = phone_picture(orientation)
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    assert difference(decode_rgb(data), ImageOps.exif_transpose(image)) < CLOSE


def test_the_exif_alone_turns_nothing() -> None:
    """In this container the EXIF repeats what the container says, and other readers do not look at it."""
    assert difference(decode_rgb(phone_picture(6).replace(b"irot", b"free")), scene()) < CLOSE


def test_ten_bits_become_eight() -> None:
    wide = (np.asarray(scene()).astype(np.uint16) << 8) | np.asarray(scene())
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (72, 48), wide.tobytes()).save(out, quality=95, chroma=444)
    assert pillow_heif.open_heif(out.getvalue(), convert_hdr_to_8bit=False).mode == "RGB;16"
    assert difference(decode_rgb(out.getvalue()), scene()) < CLOSE


def test_the_first_of_several_pictures_counts() -> None:
    file = pillow_heif.from_pillow(scene())
    file.add_from_pillow(Image.new("RGB", (72, 48), "white"))
    out = io.BytesIO()
    file.save(out, quality=95, chroma=444)
    assert difference(decode_rgb(out.getvalue()), scene()) < CLOSE


def test_transparency_lies_on_white() -> None:
    image = scene()
    image.putalpha(0)
    assert decode_rgb(heic(image)).min() == 255


def test_threads_decode_alike_and_pillow_stays_as_it_was() -> None:
    data = heic(scene())
    alone = decode_rgb(data)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(decode_rgb, [data] * 16):
            np.testing.assert_array_equal(found, alone)
    assert "HEIF" not in Image.OPEN


def test_hostile_files_have_a_reason() -> None:
    data = heic(scene())
    for length in range(1, len(data), 37):
        rgb, facts = read_image(data[:length], "a.heic")
        assert (rgb is None) == bool(facts.error)
    broken = data[:200] + bytes(len(data) - 200)
    assert "HEIC" in read_image(broken, "a.heic")[1].error


def test_a_bomb_is_refused() -> None:
    at = (data := heic(scene())).index(b"ispe") + 8
    bomb = data[:at] + (60_000).to_bytes(4) * 2 + data[at + 8 :]
    with pytest.raises(DataError, match=r"60,000 x 60,000|damaged|limit"):
        decode_rgb(bomb)


def test_brands_tell_heic_from_avif() -> None:
    shared = avif(scene())
    shared = shared[:8] + b"mif1" + shared[12:]  # the frame's name first, as some encoders write it
    assert difference(decode_rgb(shared), scene()) < CLOSE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = make_folders(tmp_path / "photos", each=4)
    for kind, name in enumerate(("rings", "steps", "waves")):
        for number, suffix in enumerate((".heic", ".HEIF", ".hif", ".avif")):
            encode = avif if suffix == ".avif" else heic
            file = root / name / f"phone {number}{suffix}"
            file.write_bytes(encode(Image.fromarray(picture(kind, 50 + number))))
    return root


def test_a_run_reads_both(folder: Path) -> None:
    dataset = read_dataset(folder)
    assert len(dataset) == 24 and not dataset.notes
    made = run_embedding(dataset, Colours())
    assert made.facts.readable.all()
    assert len(set(made.facts.digest)) == 24


def test_without_the_extra_the_reason_is_its_line_and_is_forgotten_with_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(folder)
    heics = np.array([Path(i).suffix.lower() in (".heic", ".heif", ".hif") for i in dataset.ids])
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "heic_reader", lambda: None)
        without = run_embedding(dataset, Colours(), store=Store(tmp_path / "store")).facts
    assert (without.readable == ~heics).all()
    assert set(without.error[heics]) == {
        'HEIC pictures need pillow-heif: pip install "dataset-auditor[heic]"'
    }
    found = run_embedding(dataset, Colours(), store=Store(tmp_path / "store")).facts
    assert found.readable.all()
    for name in ("digest", "byte_digest", "perceptual_hash", "width"):
        np.testing.assert_array_equal(getattr(found, name)[~heics], getattr(without, name)[~heics])
    again = run_embedding(dataset, Colours(), store=Store(tmp_path / "store"))
    assert again.decoded == 0
