"""Two versions of a dataset as vectors and labels, laid on one frame: for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.arrays import as_ids
from auditor.comparisons.frame import VOTERS, Frame
from auditor.probes import FoldedRows, fit_lda, leave_folds_out, loss_weights, softmax, stabilise
from auditor.searching import search


@dataclass(frozen=True)
class Case:
    """Vectors (n, d), right labels (n,), and which rows are held out."""

    vectors: np.ndarray
    labels: np.ndarray
    held: np.ndarray


def mixture(seed: int, samples: int, classes: int, dimensions: int, apart: float) -> Case:
    """Overlapping Gaussian classes, cut off below as features after a ReLU are, a quarter held out."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimensions))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = rng.integers(classes, size=samples)
    noise = 0.8 * rng.normal(size=(samples, dimensions))
    return as_case(np.maximum(centres[labels] + noise, -0.5), labels, rng)


def as_case(vectors: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Case:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    held = np.zeros(len(labels), dtype=bool)
    held[rng.permutation(len(labels))[: len(labels) // 4]] = True
    return Case(unit.astype(np.float32), labels.astype(np.int32), held)


def frame_of(case: Case, before: np.ndarray, after: np.ndarray, seed: int = 0) -> Frame:
    """Lay two versions on a frame; -1 = not in that version. Every sample is its own group."""
    n, classes = len(before), int(case.labels.max()) + 1
    rows = np.arange(n, dtype=np.int32)
    ids = as_ids([f"{row:06d}" for row in rows])
    near = search(case.vectors, min(VOTERS, n - 1)).indices
    return Frame(
        ids_before=np.where(before >= 0, ids, ""),
        ids_after=np.where(after >= 0, ids, ""),
        classes=tuple(f"class {code}" for code in range(classes)),
        before=before.astype(np.int32),
        after=after.astype(np.int32),
        vectors=case.vectors,
        voters=near.astype(np.int32),
        picture=rows,
        group=rows,
        weight=np.ones(n),
        fold=np.random.default_rng(seed).integers(10, size=n).astype(np.int32),
        split=as_ids(np.where(case.held, "test", "train")),
    )


def qualities(case: Case, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Class probabilities (n, c) out of sample, as a tool that cleans by itself would have them."""
    ones = np.ones(len(labels))
    z = stabilise(case.vectors, ones)
    folds = np.random.default_rng(seed).integers(10, size=len(labels)).astype(np.int32)
    codes = labels.astype(np.int32)
    scores = leave_folds_out(FoldedRows(z, codes, ones, folds), fit_lda, loss_weights(codes, ones))
    return softmax(scores * 2.0 / scores.std())


def wrong(labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels with those of `rows` swapped for another class."""
    classes = int(labels.max()) + 1
    out = labels.copy()
    out[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    return out


NULLS = ("permuted", "random removal", "automatic removal", "automatic relabelling")
REPAIRS = ("repair", "repair by removal", "repair of a review")
HARMS = ("random relabelling",)


def make_versions(
    kind: str, case: Case, seed: int, share: float = 0.05, everywhere: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Labels before and after (n,) of one kind of clean-up of `share` of the samples, -1 = removed.

    `everywhere`: held-out samples are cleaned as well.
    """
    rng = np.random.default_rng([seed, 7])
    right = case.labels
    open_rows = np.arange(len(right)) if everywhere else np.flatnonzero(~case.held)
    count = int(share * len(open_rows))
    drawn = rng.permutation(open_rows)[:count]
    before, after = right.copy(), right.copy()
    if kind == "permuted":
        order = rng.permutation(len(right))
        return wrong(right, drawn, rng)[order], right[order]
    if kind == "random removal":
        after[drawn] = -1
    elif kind == "random relabelling":
        after = wrong(right, drawn, rng)
    elif kind.startswith("automatic"):
        p = qualities(case, right, seed)
        own = p[np.arange(len(right)), right]
        lowest = open_rows[np.argsort(own[open_rows])[:count]]
        p[np.arange(len(right)), right] = -1
        after[lowest] = -1 if kind == "automatic removal" else p[lowest].argmax(axis=1)
    else:
        before = wrong(right, drawn, rng)
        if kind == "repair by removal":
            after[drawn] = -1
        elif kind == "repair of a review":
            p = qualities(case, before, seed)[np.arange(len(right)), before]
            seen = open_rows[np.argsort(p[open_rows])[: 2 * count]]
            after = before.copy()
            after[seen] = right[seen]
    return before, after
