"""Facts of pixels against ImageHash, CleanVision and pictures whose fault is known."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFilter

from auditor.images import FileFacts, collect_facts, read_image
from auditor.results import QUALITY_FACTS, SIGNATURE_SIDE, Thresholds

SIZES = ((128, 128), (500, 375), (640, 427), (200, 90))


def scene(seed: int, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """A sharp, colourful picture: soft ground, shapes with hard edges, a little noise."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(30, 220, (4, 5, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(ground)
    for _ in range(14):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        r = rng.integers(4, max(6, min(size) // 4))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape: Callable[..., None] = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - r, y - r, x + r, y + r), fill=colour)
    noisy = np.asarray(ground).astype(np.int16) + rng.normal(0, 3, (size[1], size[0], 3)).astype(np.int16)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def drawing(seed: int, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """A few thin black lines on white paper: about 3 % ink."""
    rng = np.random.default_rng(seed)
    paper = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(paper)
    for _ in range(2):
        x, y = rng.integers(20, 60, 2)
        draw.ellipse((x, y, x + rng.integers(20, 60), y + rng.integers(20, 60)), outline="black")
        draw.line([tuple(p) for p in rng.integers(10, 118, (2, 2)).tolist()], fill="black")
    return paper


def facts_of(image: Image.Image) -> FileFacts:
    out = io.BytesIO()
    image.save(out, "BMP")
    return read_image(out.getvalue())[1]


def flags(image: Image.Image) -> set[str]:
    bars = Thresholds()
    return {n for n, v in zip(QUALITY_FACTS, facts_of(image).quality, strict=True) if v < getattr(bars, n)}


def score(image: Image.Image, name: str) -> float:
    return facts_of(image).quality[QUALITY_FACTS.index(name)]


def faults() -> Iterator[tuple[str, Callable[[Image.Image], Image.Image]]]:
    yield "dark", lambda im: im.point(lambda v: v // 9)
    yield "bright", lambda im: im.point(lambda v: 232 + v // 12)
    yield "blurry", lambda im: im.filter(ImageFilter.GaussianBlur(max(im.size) / 25))
    yield "low_information", lambda im: im.point(lambda v: 120 + v // 30)
    yield "odd_shape", lambda im: im.resize((im.width * 4, im.height))


@pytest.mark.parametrize("size", SIZES)
def test_good_pictures_are_not_flagged(size: tuple[int, int]) -> None:
    assert [flags(scene(seed, size)) for seed in range(6)] == [set()] * 6


@pytest.mark.parametrize("seed", range(6))
def test_drawings_are_not_flagged_whichever_way_round(seed: int) -> None:
    assert flags(drawing(seed)) == set()
    assert flags(drawing(seed, (128, 128)).resize((512, 512), Image.Resampling.NEAREST)) == set()
    assert flags(drawing(seed).point(lambda v: 255 - v)) == set()


@pytest.mark.parametrize(("name", "spoil"), [pytest.param(n, f, id=n) for n, f in faults()])
def test_each_fault_is_found(name: str, spoil: Callable[[Image.Image], Image.Image]) -> None:
    for size in SIZES[:3]:
        assert all(name in flags(spoil(scene(seed, size))) for seed in range(6))


def test_blurred_drawings_are_found_and_contrast_does_not_count() -> None:
    assert all("blurry" in flags(drawing(s).filter(ImageFilter.GaussianBlur(5))) for s in range(6))
    faint = [scene(s).point(lambda v: 100 + v // 5) for s in range(6)]
    assert not any("blurry" in flags(im) for im in faint)


def test_more_blur_is_a_lower_score() -> None:
    scores = [score(scene(1).filter(ImageFilter.GaussianBlur(r)), "blurry") for r in (0, 1, 2, 3, 5)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.4 and scores[-1] < 0.15


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (8, 8), (31, 33)])
def test_tiny_pictures_have_facts_and_no_blur(size: tuple[int, int]) -> None:
    facts = facts_of(scene(0, (64, 64)).resize(size))
    assert (facts.width, facts.height) == size
    assert all(0 <= v <= 1 for v in facts.quality) and len(facts.signature) == SIGNATURE_SIDE**2
    assert facts.quality[QUALITY_FACTS.index("blurry")] == 1 or max(size) >= 64


def test_blank_pictures_are_empty_and_nothing_else_that_they_are_not() -> None:
    assert flags(Image.new("RGB", (128, 128), (120, 130, 90))) == {"low_information"}
    assert flags(Image.new("RGB", (128, 128), "white")) == {"low_information", "bright"}
    assert flags(Image.new("RGB", (128, 128), "black")) == {"low_information", "dark"}


@pytest.mark.parametrize("size", SIZES)
def test_perceptual_hash_is_imagehashs(size: tuple[int, int]) -> None:
    imagehash = pytest.importorskip("imagehash")
    for seed in range(8):
        image = scene(seed, size)
        theirs = int(str(imagehash.phash(image)), 16)
        allowed = 0 if max(size) <= 128 else 2
        assert (facts_of(image).perceptual_hash ^ theirs).bit_count() <= allowed


def test_perceptual_hash_of_a_copy_is_near_and_of_another_picture_far() -> None:
    for seed in range(6):
        image = scene(seed)
        copy = facts_of(image.resize((96, 96), Image.Resampling.LANCZOS)).perceptual_hash
        other = facts_of(scene(seed + 100)).perceptual_hash
        own = facts_of(image).perceptual_hash
        assert (own ^ copy).bit_count() <= 6 < 16 <= (own ^ other).bit_count()


def test_signature_is_the_mean_of_each_area() -> None:
    side = SIGNATURE_SIDE
    image = scene(3, (4 * side, 2 * side))
    grey = np.asarray(image.convert("L"), dtype=float)
    expected = grey.reshape(side, 2, side, 4).mean(axis=(1, 3))
    assert np.abs(collect_facts(["a"], [facts_of(image)]).signature[0] - expected).max() <= 1


@pytest.mark.slow
def test_dark_and_shape_equal_cleanvisions(tmp_path: Path) -> None:
    imagelab = pytest.importorskip("cleanvision.imagelab")
    clean = [scene(seed, size) for seed in range(4) for size in SIZES]
    pictures = [*clean, *(spoil(im) for _, spoil in faults() for im in clean[:4])]
    paths = [tmp_path / f"{i:03}.bmp" for i in range(len(pictures))]
    for image, path in zip(pictures, paths, strict=True):
        image.save(path)
    lab = imagelab.Imagelab(filepaths=[str(p) for p in paths])
    lab.find_issues({"dark": {}, "light": {}, "odd_aspect_ratio": {}}, n_jobs=1, verbose=False)
    theirs = lab.issues.loc[[str(p) for p in paths]]
    ours = pd.DataFrame(
        [facts_of(im).quality for im in pictures], columns=list(QUALITY_FACTS), index=theirs.index
    )
    assert (ours["dark"] - theirs["dark_score"]).abs().max() < 0.01
    assert (ours["odd_shape"] - theirs["odd_aspect_ratio_score"]).abs().max() < 1e-9
    # A lower percentile than CleanVision's: never more suspect than there.
    assert (ours["bright"] >= theirs["light_score"] - 0.01).all()
    assert 0 < theirs["is_dark_issue"].sum() < len(pictures)
