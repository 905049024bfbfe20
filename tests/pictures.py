"""Small picture datasets that are quick to audit: every class has its own pattern."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.arrays import Floats
from auditor.results import Backbone, Dataset

SIDE = 40


COLOURS = np.array([[220, 60, 40], [40, 200, 70], [60, 80, 230], [200, 200, 60]])


class Colours:
    """Makes vectors of a picture's colours in a grid of 4 x 4 cells."""

    backbone = Backbone("colours", "cells", "0" * 64, 48, "40 px", "fp32")
    input_size, batch_size = 40, 8

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(rgb).resize((40, 40)))

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        cells = batch.reshape(len(batch), 4, 10, 4, 10, 3).mean(axis=(2, 4), dtype=np.float32)
        return cells.reshape(len(batch), 48)


def file_path(dataset: Dataset, row: int) -> str:
    """The name under which a sample's file is opened."""
    name = dataset.contents.file(dataset.table["path"].iat[row])
    assert name is not None
    return name


def picture(kind: int, number: int) -> np.ndarray:
    """One (40, 40, 3) picture in the colour and texture of `kind`, with light and dark patches of its own."""
    rng = np.random.default_rng([kind, number])
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    patches = np.kron(rng.uniform(0.2, 1.0, (5, 5)), np.ones((8, 8)))
    texture = (np.sin(1.2 * x), np.sin(1.2 * y), np.sin(0.9 * (x + y)), np.sin(x) * np.sin(y))[kind % 4]
    light = patches + 0.15 * texture + rng.normal(0, 0.03, (SIDE, SIDE))
    return np.clip(light[..., None] * COLOURS[kind % 4], 0, 255).astype(np.uint8)


def write_picture(file: Path, kind: int, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(kind, number)).save(file)


def make_folders(root: Path, classes: tuple[str, ...] = ("rings", "steps", "waves"), each: int = 8) -> Path:
    """Write `each` PNG pictures for every class, one folder per class."""
    for kind, name in enumerate(classes):
        for number in range(each):
            write_picture(root / name / f"{number}.png", kind, number)
    return root


def make_manifest(file: Path, rows: int = 24, classes: int = 3) -> Path:
    """Write a manifest of files that do not exist, for audits of the user's own vectors."""
    lines = [f"{row}.png,class {row % classes}" for row in range(rows)]
    file.write_text("\n".join(["path,label", *lines]) + "\n")
    return file


def class_vectors(rows: int = 24, classes: int = 3, dimensions: int = 8) -> np.ndarray:
    """Vectors (rows, dimensions) that lie around the centre of their row's class."""
    rng = np.random.default_rng(0)
    centres = 3 * np.eye(classes, dimensions)
    return (centres[np.arange(rows) % classes] + rng.normal(0, 0.3, (rows, dimensions))).astype(np.float32)
