"""How often `mislabeled` is right, and how often it is a false alarm, with the default thresholds.

    own labels      pacs photo, flowers5             share flagged
    5 % swapped     pacs photo, flowers5             precision, recall, AP over three seeds
    digits          the planted wrong labels         precision, recall, AP
    1:50            cifar10n-5k's right labels       share of correct labels flagged, rare and large classes

The sets have wrong labels of their own, which count as false alarms here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from label_noise import average_precision
from pipeline import Bench, Judged, relabel, swap_labels
from sources import clean_labels, read_truth, right_labels
from tables import print_table

from auditor.dataset import read_dataset, take
from auditor.results import Dataset
from cli.demo import sample_data

SETS = {"pacs photo": "pacs-photo-cartoon/photo", "flowers5": "flowers5"}
SEEDS = (0, 1, 2)
NOISE = 0.05
RARE = 10
RARE_SEEDS = (0, 1)
MOST_FLAGGED = 0.03
LEAST_RECALL = 0.4
LEAST_ON_DIGITS = 0.8
MOST_RARE_FLAGGED = 0.06
HEADER = ("set", "pictures", "wrong", "flagged", "share", "precision", "recall", "AP", "bound", "")

Cells = tuple[object, ...]


def measure_false_alarms(data: Path, bench: Bench) -> None:
    """Print the table of real sets and digits, and the one of rare classes."""
    rows: list[Cells] = []
    for name, folder in SETS.items():
        rows += _own_and_swapped(name, read_dataset(data / folder), bench, bounded=name == "pacs photo")
    rows.append(_digits(bench))
    print_table("Wrong labels found and false alarms", HEADER, rows)
    measure_rare_classes(data, bench)


@dataclass(frozen=True)
class Measured:
    """Flags held against the right labels; precision, recall and AP are NaN where no label is wrong."""

    pictures: int
    wrong: int
    flagged: int
    hits: int
    ap: float

    @classmethod
    def of(cls, judged: Judged, right: Dataset) -> Measured:
        wrong, flags = judged.labels_differ(right), judged.flagged("mislabeled")
        ap = average_precision(wrong, judged.scores.label_quality) if wrong.any() else math.nan
        return cls(len(flags), int(wrong.sum()), int(flags.sum()), int((wrong & flags).sum()), ap)

    @property
    def share(self) -> float:
        return self.flagged / self.pictures

    @property
    def precision(self) -> float:
        return self.hits / max(self.flagged, 1) if self.wrong else math.nan

    @property
    def recall(self) -> float:
        return self.hits / self.wrong if self.wrong else math.nan

    def cells(self, name: str, bound: str = "", held: bool | None = None) -> Cells:
        """Return a line of the table."""
        counts = (self.pictures, self.wrong, self.flagged, self.share)
        return (name, *counts, self.precision, self.recall, self.ap, bound, held)


def _own_and_swapped(name: str, dataset: Dataset, bench: Bench, bounded: bool) -> Iterator[Cells]:
    own = Measured.of(bench.judge(dataset), dataset)
    bound = ("flagged <= 3 %", own.share <= MOST_FLAGGED) if bounded else ("", None)
    yield own.cells(f"{name}, own labels", *bound)
    for seed in SEEDS:
        swapped = Measured.of(bench.judge(swap_labels(dataset, NOISE, seed)), dataset)
        bound = ("recall >= .4", swapped.recall >= LEAST_RECALL) if bounded else ("", None)
        yield swapped.cells(f"{name}, 5 % swapped, seed {seed}", *bound)


def _digits(bench: Bench) -> Cells:
    folder = sample_data("digits")
    dataset = read_dataset(folder)
    right = relabel(dataset, right_labels(read_truth(folder / "truth.csv"), dataset))
    found = Measured.of(bench.judge(dataset), right)
    return found.cells("digits, planted", "both >= .8", min(found.precision, found.recall) >= LEAST_ON_DIGITS)


def measure_rare_classes(data: Path, bench: Bench) -> None:
    """Print how many correct labels are flagged when one class has 10 pictures and the others 500."""
    dataset = read_dataset(data / "cifar10n-5k" / "aggregate.csv")
    dataset = relabel(dataset, clean_labels(data, dataset))
    rows: list[Cells] = []
    total = Flagged()
    for rare in dataset.classes:
        here = sum((_flag(dataset, rare, seed, bench) for seed in RARE_SEEDS), Flagged())
        rows.append((rare, *here.cells(), "", None))
        total += here
    rows.append(("all", *total.cells(), "rare <= 6 %", total.rare <= MOST_RARE_FLAGGED * total.rare_correct))
    header = ("rare class", "rare: flagged", "of", "share", "large: flagged", "of", "share", "bound", "")
    print_table("Correct labels flagged: one class with 10 pictures, nine with 500, 5 % wrong", header, rows)


@dataclass(frozen=True)
class Flagged:
    """Correct labels that are flagged, and all correct ones, in the rare class and in the large ones."""

    rare: int = 0
    rare_correct: int = 0
    large: int = 0
    large_correct: int = 0

    def __add__(self, other: Flagged) -> Flagged:
        return Flagged(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def cells(self) -> Cells:
        rare, large = self.rare / self.rare_correct, self.large / self.large_correct
        return (self.rare, self.rare_correct, rare, self.large, self.large_correct, large)


def _flag(dataset: Dataset, rare: str, seed: int, bench: Bench) -> Flagged:
    """Keep 10 pictures of a class, swap 5 % of the other labels among themselves, and judge."""
    rng = np.random.default_rng(seed)
    labels = dataset.table["label"].to_numpy(dtype=object)
    kept = np.asarray(labels != rare, dtype=np.bool_)
    kept[rng.choice(np.flatnonzero(~kept), RARE, replace=False)] = True
    right = take(dataset, kept)
    judged = bench.judge(swap_labels(right, NOISE, seed, [c for c in right.classes if c != rare]))
    correct, flags = ~judged.labels_differ(right), judged.flagged("mislabeled")
    is_rare = judged.dataset.column_of("label", judged.embeddings.ids) == rare
    parts = (correct & is_rare, correct & ~is_rare)
    counts = [(int((part & flags).sum()), int(part.sum())) for part in parts]
    return Flagged(*counts[0], *counts[1])
