"""A toy encoder that other processes can open, and a dataset of small pictures to embed with it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.arrays import Floats
from auditor.errors import WeightsError
from auditor.results import Backbone

CELLS = 4
DIMENSIONS = 3 * CELLS * CELLS + 1
BACKBONE = Backbone("stamp", "", "", DIMENSIONS, "8 px", "fp32")


@dataclass
class StampEncoder:
    """Mean colour of sixteen cells and a constant.

    `log` is a folder with a file for each process, in which each of its batches leaves a line.
    `seconds` is how long a batch takes at least.
    """

    log: Path | None = None
    seconds: float = 0.0
    backbone: Backbone = BACKBONE
    input_size: int = 8
    batch_size: int = 16

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(rgb).resize((8, 8), Image.Resampling.BOX))

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        time.sleep(self.seconds)
        if self.log is not None:
            with (self.log / str(os.getpid())).open("a") as file:
                file.write(f"{len(batch)}\n")
        cells = batch.reshape(len(batch), CELLS, 2, CELLS, 2, 3).mean(axis=(2, 4)).reshape(len(batch), -1)
        return np.c_[cells, np.full(len(batch), 50.0)].astype(np.float32)


def without_weights() -> StampEncoder:
    """Fail as an encoder does whose weights are missing."""
    raise WeightsError("the weights are not on this machine")


def encoded(log: Path) -> dict[str, int]:
    """How many pictures each process encoded."""
    return {file.name: sum(map(int, file.read_text().split())) for file in sorted(log.iterdir())}


def make_pictures(root: Path, count: int, classes: int = 2) -> Path:
    """Write `count` different pictures of 24 x 20, in folders of classes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class {number % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        cells = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8) // 2 + 100 * (number % classes == 1)
        picture = Image.fromarray(np.clip(cells, 0, 255).astype(np.uint8))
        picture.resize((24, 20), Image.Resampling.NEAREST).save(folder / f"{number:05}.png")
    return root
