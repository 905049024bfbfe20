"""One audit of a synthetic set as a process of its own: seconds, peak memory, and how good it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scale_data import Codes, ScaleSet, draw_labels, write_scale_set
from sklearn.metrics import average_precision_score

START = "from cli.main import main; main()"
ROOT = Path(__file__).parents[1]
RECALL_ROWS, RECALL_AT = 1_000, 10
BLOCK = 50_000

Flags = NDArray[np.bool_]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ScaleRun:
    """One finished run of `auditor run --features` on n samples.

    wall : seconds, start and page included. peak : bytes, of the process. quality : label quality (n,).
    """

    n: int
    classes: int
    out: Path
    stages: dict[str, float]
    wall: float
    peak: int
    findings: int
    page_bytes: int
    quality: Floats
    wrong: Flags

    def average_precision(self, rows: NDArray[np.int64] | None = None) -> float:
        """AP of low label quality against the labels that were made wrong, of all or of these rows."""
        part = slice(None) if rows is None else rows
        return float(average_precision_score(self.wrong[part], 1.0 - self.quality[part]))

    def recall(self) -> float:
        """Share of the exact 10 nearest samples among the 10 that the run found, on 1,000 random rows."""
        vectors = np.load(self.out / "embeddings.npy", mmap_mode="r")
        found = np.load(self.out / "neighbours.npy", mmap_mode="r")
        rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:RECALL_ROWS])
        exact = _exact_neighbours(vectors, rows)
        pairs = zip(exact.tolist(), found[rows, :RECALL_AT].tolist(), strict=True)
        shared = [len(set(a) & set(b)) for a, b in pairs]
        return float(np.mean(shared)) / exact.shape[1]


def _exact_neighbours(vectors: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 10 nearest others (r, 10) of these rows, block by block."""
    queries = np.asarray(vectors[rows])
    best = np.full((len(rows), RECALL_AT), -2.0, dtype=np.float32)
    place = np.full((len(rows), RECALL_AT), -1, dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        cosine = queries @ np.asarray(vectors[start : start + BLOCK]).T
        inside = (rows >= start) & (rows < start + BLOCK)
        cosine[np.flatnonzero(inside), rows[inside] - start] = -2.0
        top = np.argpartition(-cosine, min(RECALL_AT, cosine.shape[1] - 1), axis=1)[:, :RECALL_AT]
        values = np.hstack([best, np.take_along_axis(cosine, top, 1)])
        places = np.hstack([place, top + start])
        order = np.argsort(-values, axis=1, kind="stable")[:, :RECALL_AT]
        best, place = np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)
    return place


def prepare(folder: Path, n: int, classes: int, seed: int = 0) -> ScaleSet:
    """Write the set of this size into `folder`, or take the one that lies there."""
    features, manifest, mark = folder / "features.npy", folder / "manifest.csv", folder / "made.json"
    recipe = {"n": n, "classes": classes, "seed": seed, "code": _recipe_code()}
    if mark.is_file() and json.loads(mark.read_text()) == recipe:
        return ScaleSet(features, manifest, *draw_labels(n, classes, seed))
    made = write_scale_set(folder, n, classes, seed)
    mark.write_text(json.dumps(recipe))
    return made


def _recipe_code() -> str:
    return hashlib.sha256(Path(__file__).with_name("scale_data.py").read_bytes()).hexdigest()[:16]


def subset(whole: ScaleSet, rows: NDArray[np.int64], folder: Path) -> ScaleSet:
    """Write these rows of a set as a set of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    features, manifest = folder / "features.npy", folder / "manifest.csv"
    np.save(features, np.load(whole.features, mmap_mode="r")[rows])
    table = pd.read_csv(whole.manifest, dtype=str, keep_default_na=False)
    table.iloc[rows].to_csv(manifest, index=False)
    return ScaleSet(features, manifest, whole.codes[rows], whole.truth[rows])


def audit(data: ScaleSet, out: Path) -> ScaleRun:
    """Run `auditor run` on a set and read what it wrote."""
    # What a run that was stopped left there would be used again, and nothing measured.
    shutil.rmtree(out.with_name(f"{out.name}.partial"), ignore_errors=True)
    words = ["run", data.manifest, "--features", data.features, "--out", out, "--overwrite", "--quiet"]
    wall, peak = _run([sys.executable, "-c", START, *map(str, words)])
    document: dict[str, Any] = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    samples = pd.read_parquet(out / "samples.parquet", columns=["label_quality"])
    stages = dict(document["timings"])
    stages["start, reading, saving, page"] = wall - sum(stages.values())
    return ScaleRun(
        n=len(samples),
        classes=len(document["dataset"]["classes"]),
        out=out,
        stages=stages,
        wall=wall,
        peak=peak,
        findings=sum(part["findings"] for part in document["counts"].values()),
        page_bytes=(out / "report.html").stat().st_size,
        quality=samples["label_quality"].to_numpy(),
        wrong=_wrong(data.codes, data.truth),
    )


def _wrong(codes: Codes, truth: Codes) -> Flags:
    return np.asarray(codes != truth)


def _run(command: list[str]) -> tuple[float, int]:
    """Run a command to its end; return its seconds and its peak memory in bytes."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = os.posix_spawn(command[0], command, environment)
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise SystemExit(f"auditor run ended with {code}.")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - start, usage.ru_maxrss * unit
