"""Very many tiny files: all of them are read, in one run, with few files open at a time."""

from __future__ import annotations

import os
import resource
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from faults.tally import tally
from faults.world import set_hooks

CLASSES = 4
SIDE = 8
OPEN_FILES = 64
"""How many more files than now may be open while the run works."""


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hooks(monkeypatch.setattr)
    monkeypatch.setattr("auditor.embeddings.SHARD_IMAGES", 2_000)


def write_tiny_pictures(folder: Path, count: int) -> None:
    """Write 8 x 8 PNGs of a few hundred bytes, no two alike, in the colour of their class."""
    rng = np.random.default_rng(0)
    for number in range(count):
        kind = number % CLASSES
        if number < CLASSES:
            (folder / f"class {kind}").mkdir(parents=True)
        shade = rng.integers(40, 200, (SIDE, SIDE, 3), dtype=np.uint8)
        shade[..., kind % 3] //= 2 if kind < 3 else 4
        shade[0, 0] = (number & 255, number >> 8 & 255, number >> 16)
        (folder / f"class {kind}" / f"{number:06}.png").write_bytes(png(shade))


def png(pixels: np.ndarray) -> bytes:
    """A PNG in the fewest steps: writing it costs less than opening the file."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@contextmanager
def few_open_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + OPEN_FILES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def audit_tiny_pictures(count: int, out: Path, command: Command) -> tuple[int, int]:
    """Audit so many files as `out`; return how many samples were listed, and how many of them are right."""
    data = out.parent / "tiny"
    if not data.exists():
        write_tiny_pictures(data, count)
    with few_open_files():
        done = command("run", data, "--quiet", "--out", out)
    assert done.code == 0, done.err
    rows = pd.read_parquet(out / "samples.parquet")
    assert rows["id"].is_unique
    named = rows["id"].str.extract(r"^(class \d)/(\d+)\.png$")
    kind = "class " + (named[1].astype(int) % CLASSES).astype(str)
    right = (named[0] == rows["label"]) & (kind == rows["label"])
    read = rows["readable"] & (rows["width"] == SIDE) & (rows["embedding_row"] >= 0)
    return len(rows), int((read & right).sum())


def test_three_thousand_tiny_files(tmp_path: Path, command: Command) -> None:
    assert audit_tiny_pictures(3_000, tmp_path / "out", command) == (3_000, 3_000)


@pytest.mark.nightly
def test_a_hundred_thousand_tiny_files(
    tmp_path: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    """The second time they come from the cache, which has fifty shards by then."""
    count = 100_000
    found = [audit_tiny_pictures(count, tmp_path / name, command) for name in ("out", "again")]
    tables = [(tmp_path / name / "samples.parquet").read_bytes() for name in ("out", "again")]
    survived = int(found == [(count, count)] * 2 and tables[0] == tables[1])
    tally(request, "100,000 tiny files in one run", 1, survived, count - min(right for _, right in found))
    assert found == [(count, count)] * 2
    assert tables[0] == tables[1]
