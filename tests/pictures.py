"""Small picture datasets that are quick to audit: every class has its own pattern."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40


def picture(kind: int, number: int) -> np.ndarray:
    """One (40, 40, 3) picture: stripes or rings by `kind`, moved, coloured and made noisy by `number`."""
    rng = np.random.default_rng([kind, number])
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    shift = rng.uniform(0, 6)
    waves = (np.sin(25 * x + shift), np.sin(40 * np.hypot(x - 0.5, y - 0.5) + shift), np.sin(30 * y + shift))
    colour = np.roll(np.array([150.0, 80.0, 30.0]), kind) * rng.uniform(0.8, 1.2)
    noise = rng.normal(0, 12, (SIDE, SIDE, 3))
    return np.clip(100 + waves[kind % 3][..., None] * colour + noise, 0, 255).astype(np.uint8)


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
