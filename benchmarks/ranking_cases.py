"""Draw the samples of a setting: vectors, the given and the right labels, and the groups.

    base set (vectors, right labels) --rows, wrong labels, near copies--> Case(vectors, given, right, group)

Vectors of pictures come from the bundled backbone once and are kept; everything after is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pipeline import Bench, relabel
from ranking_settings import (
    CIFAR,
    DEPENDENT,
    DIGITS,
    DUPLICATED,
    KITCHEN,
    PEOPLE,
    PHOTO,
    SYMMETRIC,
    Mixture,
    Setting,
)
from sources import clean_labels, read_truth, right_labels

from auditor.arrays import Floats, Ints
from auditor.dataset import read_dataset, take
from auditor.embeddings import embed
from auditor.results import TABLE_COLUMNS, Dataset
from cli.demo import sample_data

MOST_ROWS = 2_500
"""Pictures drawn from a larger set where labels are changed, so that the baselines take minutes."""
PEOPLE_ROWS = 5_000
COPY_SPREAD = 0.1
"""Standard deviation of the factors by which a near copy's values differ: cosine about .995."""
MIXTURE_DIMENSIONS, INNER = 64, 12

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Base:
    """Right labels (n,) as codes of `classes`, and vectors (n, d)."""

    vectors: Floats
    codes: Ints
    classes: int


@dataclass(frozen=True)
class Case:
    """Samples of one setting and seed.

    vectors : (n, d).
    given, right : (n,) class codes; they differ where the label is wrong.
    group : (n,) number of the group of near copies, -1 = alone.
    """

    vectors: Floats
    given: Ints
    right: Ints
    group: Ints
    classes: int

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return np.asarray(self.given != self.right, dtype=np.bool_)

    def dataset(self) -> Dataset:
        """Return the samples as the audit reads them, without pictures."""
        n = len(self.given)
        names = np.array([f"class {code:04}" for code in range(self.classes)], dtype=object)
        table = pd.DataFrame("", index=range(n), columns=list(TABLE_COLUMNS), dtype=object)
        table["id"] = table["path"] = [f"{row:06}" for row in range(n)]
        table["label"] = names[self.given]
        table["group"] = [f"g{group}" if group >= 0 else "" for group in self.group.tolist()]
        present = tuple(names[np.unique(self.given)])
        return Dataset("case", Path(), present, table, has_images=False)


class Cases:
    """Draws cases; base sets of pictures are embedded when first asked for."""

    def __init__(self, data: Path, bench: Bench) -> None:
        self._data, self._bench = data, bench
        self._bases: dict[tuple[str, str], tuple[Base, Ints]] = {}

    def draw(self, setting: Setting, seed: int) -> Case:
        """Return the samples of a setting; the same for the same seed."""
        rng = np.random.default_rng([seed, 5])
        if isinstance(setting.source, Mixture):
            return spoil(draw_mixture(setting.source, rng), setting, rng)
        manifest = str(setting.rate) if setting.kind == PEOPLE else "aggregate"
        key = (setting.source, manifest)
        if key not in self._bases:
            self._bases[key] = self._read(*key)
        base, given = self._bases[key]
        if setting.kind == PEOPLE:
            alone = np.full(len(given), -1, np.int32)
            return Case(base.vectors, given, base.codes, alone, base.classes)
        rows = np.sort(rng.permutation(len(given))[:MOST_ROWS])
        return spoil(Base(base.vectors[rows], base.codes[rows], base.classes), setting, rng)

    def _read(self, source: str, manifest: str) -> tuple[Base, Ints]:
        """Vectors, right labels and given labels of a set of pictures."""
        dataset, right = self._labels(source, manifest)
        _, vectors = embed(dataset, self._bench.encoder, store=self._bench.store)
        given, codes = dataset.codes_of(vectors.ids), relabel(dataset, right).codes_of(vectors.ids)
        return Base(vectors.vectors, codes, len(dataset.classes)), given

    def _labels(self, source: str, manifest: str) -> tuple[Dataset, NDArray[np.object_]]:
        if source == CIFAR:
            dataset = read_dataset(self._data / source / f"{manifest}.csv")
            return dataset, clean_labels(self._data, dataset)
        if source == PHOTO:
            dataset = read_dataset(self._data / "pacs-photo-cartoon" / "photo")
            return dataset, np.asarray(dataset.table["label"], dtype=object)
        assert source in (DIGITS, KITCHEN), source
        folder = sample_data(source)
        truth = read_truth(folder / "truth.csv")
        dataset = read_dataset(folder)
        spoilt = set(truth["path"][truth["problem"] != "wrong_label"])
        dataset = take(dataset, ~dataset.table["path"].isin(spoilt).to_numpy())
        return dataset, right_labels(truth, dataset)


def draw_mixture(mixture: Mixture, rng: np.random.Generator) -> Base:
    """Draw Gaussian classes: a centre, `INNER` directions of variation of its own for each class, and noise.

    The variation within a class has the noise's standard deviation, 1, along each of its directions, so
    that classes differ in shape and no linear rule is the best.
    """
    c, (least, most) = mixture.classes, mixture.sizes
    sizes = np.round(np.geomspace(most, least, c)).astype(int)
    codes = np.repeat(np.arange(c), sizes).astype(np.int32)
    scale = mixture.distance / np.sqrt(2 * MIXTURE_DIMENSIONS)
    centres = rng.normal(0, scale, (c, MIXTURE_DIMENSIONS))
    vectors = rng.normal(size=(len(codes), MIXTURE_DIMENSIONS)) + centres[codes]
    for code in range(c):
        rows = codes == code
        directions = rng.normal(size=(INNER, MIXTURE_DIMENSIONS)) / np.sqrt(MIXTURE_DIMENSIONS)
        vectors[rows] += rng.normal(size=(sizes[code], INNER)) @ directions
    order = rng.permutation(len(codes))
    return Base(vectors[order].astype(np.float32), codes[order], c)


def spoil(base: Base, setting: Setting, rng: np.random.Generator) -> Case:
    """Change labels of a base set, and plant near copies where the setting asks for them."""
    assert isinstance(setting.rate, float)
    n = len(base.codes)
    if setting.kind == DUPLICATED:
        return _duplicate(base, setting.rate, rng)
    given = base.codes.copy()
    if setting.kind == SYMMETRIC:
        rows = rng.choice(n, round(setting.rate * n), replace=False)
        given[rows] = other_class(base.codes[rows], base.classes, rng)
    else:
        assert setting.kind == DEPENDENT, setting.kind
        target = similar_class(base)
        for code in range(base.classes):
            rows = np.flatnonzero(base.codes == code)
            rows = rng.choice(rows, round(setting.rate * len(rows)), replace=False)
            given[rows] = target[code]
    return Case(base.vectors, given, base.codes, np.full(n, -1, np.int32), base.classes)


def other_class(codes: Ints, classes: int, rng: np.random.Generator) -> Ints:
    """Any class but the given one, all alike."""
    return np.asarray((codes + rng.integers(1, classes, len(codes))) % classes, dtype=np.int32)


def similar_class(base: Base) -> Ints:
    """For each class (c,) a similar one to be mistaken for: all different, largest sum of cosines."""
    from scipy.optimize import linear_sum_assignment

    means = np.stack([base.vectors[base.codes == code].mean(axis=0) for code in range(base.classes)])
    means -= means.mean(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosine = means @ means.T
    np.fill_diagonal(cosine, -10.0)
    return np.asarray(linear_sum_assignment(-cosine)[1], dtype=np.int32)


def _duplicate(base: Base, rate: float, rng: np.random.Generator) -> Case:
    """Half of the wrong labels alone, half in groups of near copies, and as many right labels in groups.

    The number of rows stays that of the base set.
    """
    n = len(base.codes)
    half = round(rate * n / 2)
    order = iter(rng.permutation(n).tolist())
    rows: list[int] = []
    given: list[int] = []
    group: list[int] = []
    for wrong in (True, False):
        planted = 0
        while planted < half:
            row, size = next(order), min(int(rng.integers(2, 6)), max(half - planted, 2))
            label = int(other_class(base.codes[[row]], base.classes, rng)[0]) if wrong else base.codes[row]
            rows += [row] * size
            given += [label] * size
            group += [max(group, default=-1) + 1] * size
            planted += size
    single = [next(order) for _ in range(max(n - len(rows), half))]
    labels = base.codes[single].copy()
    labels[:half] = other_class(labels[:half], base.classes, rng)
    taken = np.array(rows + single)
    vectors = base.vectors[taken].copy()
    vectors[: len(rows)] *= np.exp(rng.normal(0, COPY_SPREAD, (len(rows), vectors.shape[1])))
    groups = np.array(group + [-1] * len(single), dtype=np.int32)
    shuffled = rng.permutation(len(taken))
    codes = np.array(given + labels.tolist(), dtype=np.int32)
    return Case(
        vectors[shuffled], codes[shuffled], base.codes[taken][shuffled], groups[shuffled], base.classes
    )
