"""The audit's scores of class pairs beside the pairs that people confuse, on CIFAR-10N worst."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pipeline import Bench, Judged, relabel
from ranking_settings import SEEDS
from sources import clean_labels
from tables import print_table

from auditor.dataset import read_dataset
from auditor.separation import measure_separation

LEAST_SPEARMAN = 0.8

Array = NDArray[np.float64]


def measure_pairs(data: Path, bench: Bench) -> None:
    """Print the rank correlation over all pairs of classes."""
    from scipy.stats import spearmanr

    rows: list[tuple[object, ...]] = []
    for name in ("worst", "aggregate"):
        dataset = read_dataset(data / "cifar10n-5k" / f"{name}.csv")
        right = relabel(dataset, clean_labels(data, dataset))
        found: list[float] = []
        for seed in SEEDS:
            judged = bench.judge(dataset, seed)
            true = true_scores(right.codes_of(judged.embeddings.ids), judged.codes, len(dataset.classes))
            found.append(float(spearmanr(true, audit_scores(judged)).statistic))
        mean = float(np.mean(found))
        rows.append((name, *found, mean, mean >= LEAST_SPEARMAN if name == "worst" else None))
    header = ("labels", *[f"seed {seed}" for seed in SEEDS], "mean", ">= 0.8")
    print_table("Class pairs: Spearman of the audit's score with the true noise matrix", header, rows)


def true_scores(right: NDArray[np.int32], given: NDArray[np.int32], classes: int) -> Array:
    """Mean of both directions' shares of wrong labels for every pair, in order."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (right, given), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.array([(shares[a, b] + shares[b, a]) / 2 for a, b in combinations(range(classes), 2)])


def audit_scores(judged: Judged) -> Array:
    """The audit's score of every pair in the same order, 0 for those it does not list."""
    separation = measure_separation(
        judged.dataset,
        judged.embeddings,
        judged.neighbours,
        judged.duplicates,
        judged.probabilities,
        judged.findings,
    )
    listed = {frozenset((pair.a, pair.b)): pair.score for pair in separation.pairs}
    return np.array([listed.get(frozenset(pair), 0.0) for pair in combinations(judged.dataset.classes, 2)])
