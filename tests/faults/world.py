"""What the tests of faults share: a small dataset, a quick encoder, and what a command wrote.

photos / rings, steps, waves / *.png    ten each; a wrong label, a copy, a copy under another label,
                                        and a file that is no picture
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pictures import make_folders, write_picture
from PIL import Image

from auditor.arrays import Floats
from auditor.results import Backbone

SIDE = 8
DIMENSIONS = 3 * 4 + 1
DOCUMENTS = ("audit.json", "comparison.json")
PASSING = ("timings", "seconds")
"""What differs from run to run and is no result."""


@dataclass(frozen=True)
class Quarters:
    """Mean colour of each quarter of a picture and a constant: an encoder that costs nothing."""

    backbone: Backbone = Backbone("quarters", "", "0" * 64, DIMENSIONS, "8 px", "fp32")  # noqa: RUF009 - frozen
    input_size: int = SIDE
    batch_size: int = 4

    def prepare(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BOX))

    def encode(self, batch: NDArray[np.uint8]) -> Floats:
        half = SIDE // 2
        quarters = batch.reshape(len(batch), 2, half, 2, half, 3).mean(axis=(2, 4))
        return np.c_[quarters.reshape(len(batch), -1), np.full(len(batch), 50.0)].astype(np.float32)


HOOKS: Mapping[str, Any] = {
    "auditor.audit.open_encoder": lambda *_: Quarters(),
    "auditor.settings.open_encoder": lambda *_: Quarters(),
    # A stage is kept however quick it was, and a shard is stored after two batches: there are places to stop.
    "auditor.stages.LEAST_SECONDS": 0.0,
    "auditor.embeddings.SHARD_IMAGES": 8,
    "auditor.sharding.LEAST_ROWS": 8,
    # The source may be edited between two runs while somebody works on it.
    "auditor.audit.engine_key": lambda: "this engine",
}
"""What the tests set in the product, in their own process and in those that they kill."""


def make_photos(folder: Path) -> Path:
    """Write the dataset of the module's docstring, as `folder`."""
    make_folders(folder, each=10)
    write_picture(folder / "rings" / "wrong.png", 1, 50)
    for copy in ("rings/copy.png", "steps/conflict.png"):
        (folder / copy).write_bytes((folder / "rings" / "0.png").read_bytes())
    (folder / "waves" / "broken.png").write_bytes(b"no picture")
    return folder


def content(folder: Path) -> dict[str, Any]:
    """Return what lies in a folder, by relative path: bytes; of documents what does not pass."""
    found: dict[str, Any] = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(file.relative_to(folder))
        if file.name in DOCUMENTS:
            document = json.loads(file.read_text(encoding="utf-8"))
            found[name] = {k: v for k, v in document.items() if k not in PASSING}
        else:
            found[name] = file.read_bytes()
    return found


def rows_lost(whole: Path, found: Path) -> int:
    """Return how many samples of one audit are missing or different in another."""
    rows, others = _rows(whole), _rows(found)
    return sum(others.get(name) != row for name, row in rows.items())


def _rows(audit: Path) -> dict[str, str]:
    samples = pd.read_parquet(audit / "samples.parquet")
    return {str(row.id): repr(row) for row in samples.itertuples(index=False)}


def set_hooks(setattr_: Callable[[str, Any], None]) -> None:
    """Set `HOOKS` with pytest's `monkeypatch.setattr`, or what does the same."""
    for name, value in HOOKS.items():
        setattr_(name, value)
