"""The audits that the page is measured with: the tests' toy audit, with the size and pictures of real ones.

    toy_audit(50,000 samples, 100 classes, 2,000 findings)
      --> paths as cameras name them, a cloud of the map for each class, pictures at the sides the page plans

Pictures are cut from photographs, or where there are none from painted textures that take as many bytes.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.files import read_file
from auditor.images import decode_rgb, encode_thumbnail
from auditor.results import Audit, Thumbnail
from reports.thumbnails import NEIGHBOUR_QUALITY, NEIGHBOUR_SIDE, QUALITY, fit_budget, planned_sides

FINDINGS: Mapping[str, int] = {
    "unreadable": 5,
    "conflicting_duplicate": 60,
    "leak": 60,
    "mislabeled": 900,
    "ambiguous": 450,
    "off_topic": 200,
    "low_quality": 200,
    "duplicate": 125,
}
"""2,000 in all."""

_FIRST = (
    "amber arctic black blue brown coastal common crested desert dwarf golden great green grey little "
    "marsh mountain northern painted red river silver southern spotted striped white wild wood yellow"
)
_SECOND = (
    "aster badger beetle birch bunting carp cedar crane daisy deer falcon fern finch fox frog gull hare "
    "heron iris jay kite lark lily lynx martin moth newt oak orchid otter owl pine plover poppy rail "
    "robin rose seal shrew snipe stoat swan tern thrush tulip viper vole wren"
)

FADE = 0.75
"""With this a square of texture takes 2.3 kB as WebP of 128 px and quality 60, as photographs do."""

Pixels = NDArray[np.uint8]


def class_names(count: int) -> list[str]:
    """Return so many names of two words, at most 1,300."""
    names = [f"{first} {second}" for first, second in itertools.product(_FIRST.split(), _SECOND.split())]
    return sorted(names[:: len(names) // count][:count])


def reference_audit(
    samples: int, classes: int, findings: Mapping[str, int], photographs: Sequence[Pixels]
) -> Audit:
    """Return an audit of generated samples; its pictures are cut from `photographs`."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from toy import toy_audit

    names = class_names(classes)
    paths = [f"train/{names[i % classes]}/{_camera_name(i)}" for i in range(samples)]
    audit: Audit = toy_audit(samples, names, findings=findings, names=paths)
    audit = replace(audit, map=replace(audit.map, positions=_clouds(audit)))
    return replace(audit, thumbnails=_pictures(audit, photographs))


def _camera_name(number: int) -> str:
    """Return date and time as cameras name files; no two numbers below a million give the same."""
    month, day = number // 31 % 12 + 1, number % 31 + 1
    return f"IMG_2019{month:02}{day:02}_{7919 * number % 1_000_000:06}.jpg"


def _clouds(audit: Audit) -> NDArray[np.float32]:
    """Return positions (m, 2) as t-SNE leaves them: each class a cloud, the clouds beside one another."""
    values = audit.probabilities.values
    turn = 2.399963 * np.arange(values.shape[1])  # the golden angle lays them out evenly
    centres = (
        10 * np.sqrt(np.arange(values.shape[1]))[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    )
    spread = np.random.default_rng(3).normal(scale=4, size=(len(values), 2))
    return np.asarray(centres[values.argmax(axis=1)] + spread, dtype=np.float32)


def _pictures(audit: Audit, photographs: Sequence[Pixels]) -> dict[str, Thumbnail]:
    readable = audit.facts.readable
    digests = dict(zip(audit.facts.ids[readable], audit.facts.digest[readable], strict=True))
    sides = [(i, side) for i, side in planned_sides(audit).items() if i in digests]

    def make(item: tuple[str, int]) -> Thumbnail:
        # Copies share their digest and so their picture.
        rng = np.random.default_rng(int(digests[item[0]][:8], 16))
        cut = _cut(photographs[rng.integers(len(photographs))], rng)
        return encode_thumbnail(cut, item[1], QUALITY if item[1] > NEIGHBOUR_SIDE else NEIGHBOUR_QUALITY)

    with ThreadPoolExecutor() as pool:
        made = dict(zip((i for i, _ in sides), pool.map(make, sides), strict=True))
    return fit_budget(made)[0]


def _cut(photograph: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a part of the picture, 3:2 or 1:1 or 2:3, mirrored half of the time."""
    height, width = photograph.shape[:2]
    side = round(min(height, width) * rng.uniform(0.75, 0.95))
    high, wide = ((side, side), (side, side * 2 // 3), (side * 2 // 3, side))[rng.integers(3)]
    top, left = rng.integers(height - high + 1), rng.integers(width - wide + 1)
    part = photograph[top : top + high, left : left + wide]
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def read_photographs(folder: Path, most: int = 200) -> list[Pixels]:
    """Return pictures (h, w, 3) of a folder, evenly drawn from all that lie in it."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    if not files:
        raise SystemExit(f"There is no picture in {str(folder)!r}.")
    return [np.asarray(decode_rgb(read_file(p))) for p in files[:: max(1, len(files) // most)][:most]]


def paint_photographs(count: int = 40, side: int = 320) -> list[Pixels]:
    """Return textures (side, side, 3) whose thumbnails are as large as those of photographs."""
    return [_texture(np.random.default_rng(seed), side) for seed in range(count)]


def _texture(rng: np.random.Generator, side: int) -> Pixels:
    """Add noise of all scales, each twice as fine and `FADE` as strong as the one before."""
    out = np.zeros((side, side, 3))
    strength, cells = 90.0, 3
    while cells < side:
        out += strength * _smooth_noise(rng, cells, side)
        cells, strength = cells * 2, strength * FADE
    return np.asarray(np.clip(128 + out, 0, 255), dtype=np.uint8)


def _smooth_noise(rng: np.random.Generator, cells: int, side: int) -> NDArray[Any]:
    """Return noise (side, side, 3) in [-1, 1], three tenths of it coloured, interpolated between cells."""
    grid = rng.uniform(-1, 1, size=(cells + 1, cells + 1, 1)) * 0.7
    grid = grid + rng.uniform(-1, 1, size=(cells + 1, cells + 1, 3)) * 0.3
    at = np.linspace(0, cells, side, endpoint=False)
    low, part = at.astype(int), at % 1
    rows = grid[low] * (1 - part)[:, None, None] + grid[low + 1] * part[:, None, None]
    return np.asarray(rows[:, low] * (1 - part)[None, :, None] + rows[:, low + 1] * part[None, :, None])
