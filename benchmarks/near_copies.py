"""How many copies are found that were recompressed, cropped or resized, and what is grouped by mistake.

Pictures of a set are copied into a scratch folder together with their changed copies, which is then read
like any dataset. A group that joins different pictures of the set itself, is listed:
some sets hold real copies, so only a look at them tells which groups are wrong.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pipeline import Bench, Judged
from tables import print_table

from auditor.dataset import read_dataset

SETS = {
    "pacs photo": "pacs-photo-cartoon/photo",
    "pacs cartoon": "pacs-photo-cartoon/cartoon",
    "flowers5": "flowers5",
}
KINDS = ("jpeg 40", "crop 90 %", "resize 75 %")
COPIES = 50
SEED = 0
LEAST_FOUND = 0.9
SUFFIXES = {".jpg", ".jpeg", ".png"}
MARK = "copy-of-"
SAME = "same bytes"


@dataclass(frozen=True)
class Planted:
    """Copies in a scratch folder: path of the copy to (path of the original, kind)."""

    folder: Path
    copies: dict[str, tuple[str, str]]


def measure_near_copies(data: Path, bench: Bench) -> None:
    """Print the share found of each kind for each set, then the groups among the sets' own pictures."""
    rows: list[tuple[object, ...]] = []
    own: list[tuple[object, ...]] = []
    for name, folder in SETS.items():
        with tempfile.TemporaryDirectory() as scratch:
            planted = plant(data / folder, Path(scratch))
            judged = bench.judge(read_dataset(planted.folder))
            shares = [_share_found(judged, planted, kind) for kind in KINDS]
            groups = _own_groups(judged, planted)
        own += [(name, *group) for group in groups]
        same = sum(tie == SAME for _, tie in groups)
        rows.append((name, *shares, same, len(groups) - same, min(shares) >= LEAST_FOUND))
    found = [f"found: {kind}" for kind in KINDS]
    header = ("set", *found, "own groups, same bytes", "own groups, other", "found >= 90 %")
    print_table(f"Near copies, {COPIES} of each kind", header, rows)
    print_table("Groups of the sets' own pictures, to look at", ("set", "members", "tie"), own)


def plant(source: Path, scratch: Path) -> Planted:
    """Copy class folders and add `COPIES` copies of each kind, each of another original."""
    rng = np.random.default_rng(SEED)
    files = sorted(p for p in source.glob("*/*") if p.suffix.lower() in SUFFIXES)
    for file in files:
        target = scratch / file.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
    copies = {}
    for number, row in enumerate(rng.permutation(len(files))[: COPIES * len(KINDS)]):
        kind, original = KINDS[number % len(KINDS)], files[row].relative_to(source)
        copy = original.with_name(f"{MARK}{original.stem}.jpg")
        with Image.open(files[row]) as image:
            picture, quality = change(image.convert("RGB"), kind, rng)
        picture.save(scratch / copy, "JPEG", quality=quality)
        copies[copy.as_posix()] = (original.as_posix(), kind)
    return Planted(scratch, copies)


def change(image: Image.Image, kind: str, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """Return a changed picture and the JPEG quality to store it with."""
    width, height = image.size
    if kind == "jpeg 40":
        return image, 40
    if kind == "crop 90 %":
        w, h = round(0.9 * width), round(0.9 * height)
        left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        part = image.crop((left, top, left + w, top + h))
        return part.resize((width, height), Image.Resampling.BICUBIC), 85
    small = (round(0.75 * width), round(0.75 * height))
    return image.resize(small, Image.Resampling.LANCZOS), 85


def _groups(judged: Judged) -> dict[str, int]:
    pairs = zip(judged.duplicates.ids, judged.duplicates.group.tolist(), strict=True)
    return {i: g for i, g in pairs if g >= 0}


def _share_found(judged: Judged, planted: Planted, kind: str) -> float:
    group = _groups(judged)
    of_kind = [(copy, original) for copy, (original, k) in planted.copies.items() if k == kind]
    return float(np.mean([group.get(c, -1) == group.get(o, -2) for c, o in of_kind]))


def _own_groups(judged: Judged, planted: Planted) -> list[tuple[str, str]]:
    """Members and tie of each group with pictures of more than one origin; a copy stands for its original."""
    members: dict[int, set[str]] = {}
    for i, g in _groups(judged).items():
        members.setdefault(g, set()).add(planted.copies[i][0] if i in planted.copies else i)
    groups = sorted(sorted(names) for names in members.values() if len(names) > 1)
    return [("  ".join(names), _tie(planted.folder, names)) for names in groups]


def _tie(folder: Path, names: list[str]) -> str:
    return SAME if len({(folder / name).read_bytes() for name in names}) == 1 else "nearly identical"
