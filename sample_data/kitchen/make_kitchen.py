"""Make the kitchen set: five classes in two domains, with listed defects.

    python make_kitchen.py --seed 7 --out DIR

writes DIR/images, DIR/manifest.csv (path, label, domain, split) and DIR/truth.csv (what is wrong with which
picture). Needs numpy and Pillow. The same seed and versions give the same files.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from painter import damage
from painter.photo import photograph
from painter.plan import Picture, make_plan
from painter.sketch import draw
from painter.strangers import draw_stranger, photograph_stranger

MANIFEST = ("path", "label", "domain", "split")
TRUTH = ("path", "problem", "label", "right_label", "of", "detail")


def paint(picture: Picture, seed: int) -> damage.Pixels:
    """Return the pixels (128, 128, 3) of a picture that is no copy."""
    rng = np.random.default_rng([seed, 1, picture.key])
    if picture.problem == "empty":
        return damage.empty(picture.domain, rng)
    is_photo = picture.domain == "photo"
    if picture.problem == "off_topic":
        return (photograph_stranger if is_photo else draw_stranger)(picture.shows, rng)
    pixels = (photograph if is_photo else draw)(picture.shows, rng)
    if picture.problem == "dark":
        return damage.darken(pixels, rng)
    return damage.defocus(pixels, rng) if picture.problem == "blurred" else pixels


def make_file(picture: Picture, seed: int) -> bytes:
    """Return the bytes of a picture that is no copy."""
    data = damage.encode(paint(picture, seed), picture.suffix)
    return damage.break_file(data, picture.detail) if picture.problem == "unreadable" else data


def copy_file(picture: Picture, original: bytes, seed: int) -> bytes:
    """Return the bytes of a copy."""
    if picture.detail == "same bytes":
        return original
    pixels = damage.decode(original)
    if picture.detail == "same pixels":
        return damage.encode(pixels, picture.suffix)
    rng = np.random.default_rng([seed, 2, picture.key])
    changed, quality = damage.near_copy(pixels, picture.detail, rng)
    return damage.encode(changed, picture.suffix, quality)


def make_files(plan: Sequence[Picture], seed: int, workers: int = 1) -> dict[int, bytes]:
    """Return the bytes of every picture by its key."""
    fresh = [p for p in plan if p.of < 0]
    work = partial(make_file, seed=seed)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            made = list(pool.map(work, fresh, chunksize=8))
    else:
        made = [work(p) for p in fresh]
    files = {p.key: data for p, data in zip(fresh, made, strict=True)}
    for picture in plan:
        if picture.of >= 0:
            files[picture.key] = copy_file(picture, files[picture.of], seed)
    return files


def truth_rows(plan: Sequence[Picture]) -> list[tuple[str, ...]]:
    """Return one row of `TRUTH` for every picture with something wrong, sorted by problem and path."""
    path_of = {p.key: p.path for p in plan}
    rows = [
        (p.path, p.problem, p.label, p.right_label, path_of.get(p.of, ""), p.detail)
        for p in plan
        if p.problem
    ]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def manifest_rows(plan: Sequence[Picture]) -> list[tuple[str, ...]]:
    """Return one row of `MANIFEST` for every picture, sorted by path."""
    return sorted((p.path, p.label, p.domain, p.split) for p in plan)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file with line feeds on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_set(out: Path, seed: int, workers: int = 1) -> list[Picture]:
    """Write the whole set into a folder and return its plan."""
    plan = make_plan(seed)
    (out / "images").mkdir(parents=True, exist_ok=True)
    files = make_files(plan, seed, workers)
    for picture in plan:
        (out / picture.path).write_bytes(files[picture.key])
    write_csv(out / "manifest.csv", MANIFEST, manifest_rows(plan))
    write_csv(out / "truth.csv", TRUTH, truth_rows(plan))
    return plan


def main() -> None:
    """Read the command line and write the set."""
    parser = argparse.ArgumentParser(
        description="Make the kitchen set, a small image dataset with listed defects."
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write to; must not hold pictures yet"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that paint")
    options = parser.parse_args()
    if (options.out / "images").exists():
        parser.error(f"{options.out / 'images'} exists already; give another folder or remove it.")
    plan = write_set(options.out, options.seed, options.workers)
    print(
        f"{len(plan)} pictures, {sum(bool(p.problem) for p in plan)} with something wrong, in {options.out}"
    )


if __name__ == "__main__":
    main()
