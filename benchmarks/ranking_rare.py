"""Correct labels that are flagged, by class size: three classes with 10 pictures, seven with 500.

5 % of all labels are wrong; the wrong label is drawn in proportion to the classes' sizes, so that rare
classes are not buried under wrong labels. Every class is among the rare ones once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pipeline import Bench, Judged, relabel
from ranking_settings import SEEDS
from sources import clean_labels
from tables import print_table

from auditor.dataset import read_dataset, take
from auditor.results import Dataset

RARE_SETS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 2, 5))
RARE_SAMPLES = 10
NOISE = 0.05
MOST_FLAGGED, MOST_RATIO = 0.06, 3.0

Counts = dict[str, int]


def measure_rare(data: Path, bench: Bench) -> None:
    """Print the shares of correct labels that are flagged in rare and in large classes."""
    dataset = read_dataset(data / "cifar10n-5k" / "aggregate.csv")
    dataset = relabel(dataset, clean_labels(data, dataset))
    rows: list[tuple[object, ...]] = []
    total: Counts = {}
    for rare in RARE_SETS:
        names = [dataset.classes[code] for code in rare]
        here: Counts = {}
        for seed in SEEDS:
            here = _add(here, _flag(dataset, names, seed, bench))
        rows.append((" ".join(names), *_cells(here)))
        total = _add(total, here)
    share, ratio = _share(total, "rare"), _share(total, "rare") / max(_share(total, "large"), 1e-9)
    rows.append(("all", *_cells(total)))
    header = ("rare classes", "rare: flagged", "of", "share", "large: flagged", "of", "share")
    print_table("Correct labels flagged: three classes with 10 pictures, seven with 500", header, rows)
    bounds = [
        ("rare classes: share flagged", share, "<= 0.06", share <= MOST_FLAGGED),
        ("rare over large", ratio, "<= 3", ratio <= MOST_RATIO),
    ]
    print_table("Bounds at 1:50", ("", "measured", "bound", ""), bounds)


def _flag(dataset: Dataset, rare: list[str], seed: int, bench: Bench) -> Counts:
    """Keep 10 pictures of each rare class, make 5 % of the labels wrong, judge, and count."""
    rng = np.random.default_rng([seed, 7])
    labels = dataset.table["label"].to_numpy(dtype=object)
    kept = ~np.isin(labels, rare)
    for name in rare:
        kept[rng.choice(np.flatnonzero(labels == name), RARE_SAMPLES, replace=False)] = True
    right = take(dataset, kept)
    judged = bench.judge(_spoil(right, rng), seed)
    return _count(judged, right, rare)


def _spoil(right: Dataset, rng: np.random.Generator) -> Dataset:
    """Give 5 % of the samples the label of a random sample of another class."""
    labels = right.table["label"].to_numpy(dtype=object)
    spoilt = labels.copy()
    for row in rng.choice(len(labels), round(NOISE * len(labels)), replace=False):
        spoilt[row] = rng.choice(labels[labels != labels[row]])
    return relabel(right, spoilt)


def _count(judged: Judged, right: Dataset, rare: list[str]) -> Counts:
    correct, flagged = ~judged.labels_differ(right), judged.flagged("mislabeled")
    is_rare = np.isin(judged.dataset.column_of("label", judged.embeddings.ids), rare)
    parts = {"rare": correct & is_rare, "large": correct & ~is_rare}
    return {
        **{f"{name} flagged": int((part & flagged).sum()) for name, part in parts.items()},
        **{name: int(part.sum()) for name, part in parts.items()},
    }


def _add(a: Counts, b: Counts) -> Counts:
    return {name: a.get(name, 0) + b[name] for name in b}


def _share(counts: Counts, name: str) -> float:
    return counts[f"{name} flagged"] / counts[name]


def _cells(counts: Counts) -> tuple[object, ...]:
    return tuple(
        cell
        for name in ("rare", "large")
        for cell in (counts[f"{name} flagged"], counts[name], _share(counts, name))
    )
