"""Make the digits set: 1,797 handwritten digits in class folders, 3 % of the labels swapped.

    python make_digits.py --seed 7 --out DIR

writes DIR/0 .. DIR/9 and DIR/truth.csv. Needs numpy, Pillow and scikit-learn. The same seed and versions give
the same files.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 32
"""Side of a finished picture in pixels; the digits come as 8 x 8 values from 0 to 16."""
SHADES = 16
"""Grey levels kept: as many as the originals have, which keeps the files small."""
SWAPPED = 0.03
TRUTH = ("path", "problem", "label", "right_label")


def render(values: NDArray[np.float64]) -> Image.Image:
    """Return one digit, dark ink on white paper, enlarged from 8 x 8 by bicubic interpolation."""
    small = Image.fromarray((255 - values / 16 * 255).round().astype(np.uint8))
    large = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64)
    step = 255 / (SHADES - 1)
    return Image.fromarray(((large / step).round() * step).astype(np.uint8))


def swap_labels(right: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return labels of which `SWAPPED` are another, equally likely digit."""
    rng = np.random.default_rng(seed)
    given = right.copy()
    rows = rng.choice(len(right), round(SWAPPED * len(right)), replace=False)
    given[rows] = (right[rows] + rng.integers(1, 10, len(rows))) % 10
    return given


def write_set(out: Path, seed: int) -> int:
    """Write the whole set into a folder and return how many labels are wrong."""
    digits = load_digits()
    right = digits.target.astype(np.int64)
    given = swap_labels(right, seed)
    names = np.random.default_rng([seed, 1]).permutation(10_000)[: len(right)]
    truth = []
    for values, label, target, name in zip(digits.images, given, right, names, strict=True):
        path = f"{label}/{name:04d}.png"
        (out / str(label)).mkdir(parents=True, exist_ok=True)
        image = render(values).quantize(SHADES)
        image.save(out / path, "PNG", optimize=True, bits=4)
        if label != target:
            truth.append((path, "wrong_label", str(label), str(target)))
    with (out / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TRUTH)
        writer.writerows(sorted(truth))
    return len(truth)


def main() -> None:
    """Read the command line and write the set."""
    parser = argparse.ArgumentParser(
        description="Make the digits set, handwritten digits with swapped labels."
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write to; must not hold digits yet"
    )
    options = parser.parse_args()
    if (options.out / "0").exists():
        parser.error(f"{options.out / '0'} exists already; give another folder or remove it.")
    print(f"{write_set(options.out, options.seed)} wrong labels, in {options.out}")


if __name__ == "__main__":
    main()
