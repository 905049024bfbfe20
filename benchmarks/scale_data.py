"""A synthetic set of any size, for the measurements at scale.

    class centres + 12 directions of variation for each class      in a space of 32 dimensions
      --random matrix, a little noise, ReLU-->  vectors (n, 512)
    a tenth of the labels --any other class alike--> wrong

Pooled features of a ResNet look alike: not negative, many dimensions, few directions within a class, and
classes that overlap. The set is nevertheless made up, and every table that it stands in says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DIMENSIONS = 512
VARIATION = 12
"""Dimensions in which the members of a class differ."""
SHARED = 32
"""Dimensions in which centres and members of all classes lie, so that classes overlap."""
CENTRE, NOISE = 0.3, 0.15
"""Standard deviations of the centres, in directions of variation, and of each coordinate's noise."""
WRONG = 0.1
BLOCK = 50_000

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class ScaleSet:
    """Where a set lies: `features` (n, d) float32 .npy and `manifest` (path, label); codes are in memory."""

    features: Path
    manifest: Path
    codes: Codes
    truth: Codes

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Samples (n,) whose label is another class's."""
        return np.asarray(self.codes != self.truth)


def draw_labels(n: int, classes: int, seed: int) -> tuple[Codes, Codes]:
    """Return given and true class codes (n,)."""
    rng = np.random.default_rng([seed, 1])
    truth = rng.permutation(np.arange(n, dtype=np.int32) % classes)
    codes = truth.copy()
    rows = rng.choice(n, round(WRONG * n), replace=False)
    codes[rows] = (truth[rows] + rng.integers(1, classes, len(rows))) % classes
    return codes.astype(np.int32), truth


def draw_vectors(truth: Codes, classes: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of vectors (b, d) in the order of `truth`; the classes depend on the seed alone."""
    rng = np.random.default_rng([seed, 2])
    spread = (rng.normal(size=(SHARED, DIMENSIONS)) / np.sqrt(VARIATION)).astype(np.float32)
    centres = (CENTRE * rng.normal(size=(classes, SHARED))).astype(np.float32)
    shape = (classes, VARIATION, SHARED)
    directions = (rng.normal(size=shape) / np.sqrt(SHARED)).astype(np.float32)
    for start in range(0, len(truth), BLOCK):
        part = truth[start : start + BLOCK]
        where = rng.normal(size=(len(part), VARIATION)).astype(np.float32)
        inside = centres[part]
        for code in np.unique(part):
            rows = part == code
            inside[rows] += where[rows] @ directions[code]
        noise = NOISE * rng.normal(size=(len(part), DIMENSIONS)).astype(np.float32)
        block = inside @ spread + noise
        yield np.maximum(block, 0.0)


def write_scale_set(folder: Path, n: int, classes: int = 100, seed: int = 0) -> ScaleSet:
    """Write a set of n samples block by block, so that a million need little memory."""
    folder.mkdir(parents=True, exist_ok=True)
    codes, truth = draw_labels(n, classes, seed)
    features = folder / "features.npy"
    shape = (n, DIMENSIONS)
    array = np.lib.format.open_memmap(features, mode="w+", dtype=np.float32, shape=shape)
    start = 0
    for block in draw_vectors(truth, classes, seed):
        array[start : start + len(block)] = block
        start += len(block)
    array.flush()
    manifest = folder / "manifest.csv"
    names = np.array([f"class {code:04}" for code in range(classes)], dtype=object)
    paths = [f"{row:08}.jpg" for row in range(n)]
    pd.DataFrame({"path": paths, "label": names[codes]}).to_csv(manifest, index=False)
    return ScaleSet(features, manifest, codes, truth)
