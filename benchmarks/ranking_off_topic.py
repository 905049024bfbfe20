"""Pictures of other sets planted in a set: typicality beside cleanlab's out-of-distribution score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from label_noise import average_precision
from pipeline import Bench, judge_vectors
from ranking_cases import Case
from ranking_settings import SEEDS
from tables import print_table

from auditor.arrays import Floats, Ints
from auditor.dataset import read_dataset
from auditor.embeddings import embed
from auditor.features import from_features

SETS = {
    "cifar10n-5k": "cifar10n-5k/aggregate.csv",
    "flowers5": "flowers5",
    "pacs photo": "pacs-photo-cartoon/photo",
    "pacs cartoon": "pacs-photo-cartoon/cartoon",
}
STRANGERS = 0.02
"""Share of planted pictures; they come from the other sets alike and carry random labels."""


def measure_off_topic(data: Path, bench: Bench) -> None:
    """Print AP of finding the planted pictures; no bound."""
    sets = {name: _read(data / path, bench) for name, path in SETS.items()}
    rows: list[tuple[object, ...]] = []
    for name in list(sets)[:3]:
        runs = [_measure(sets, name, seed) for seed in SEEDS]
        rows.append((name, *np.mean(runs, axis=0).tolist()))
    header = ("set", "typicality", "cleanlab OutOfDistribution", "flagged off-topic: precision", "recall")
    print_table(f"Pictures of other sets, {STRANGERS:.0%} planted: average precision", header, rows)


def _read(path: Path, bench: Bench) -> tuple[Floats, Ints]:
    dataset = read_dataset(path)
    _, vectors = embed(dataset, bench.encoder, store=bench.store)
    return vectors.vectors, dataset.codes_of(vectors.ids)


def _measure(sets: dict[str, tuple[Floats, Ints]], name: str, seed: int) -> list[float]:
    """AP of typicality and of cleanlab's score, precision and recall of the `off_topic` findings."""
    from cleanlab.outlier import OutOfDistribution

    rng = np.random.default_rng([seed, 9])
    vectors, codes = sets[name]
    pool = np.concatenate([other for key, (other, _) in sets.items() if key != name])
    planted = pool[rng.choice(len(pool), round(STRANGERS * len(codes)), replace=False)]
    everything = np.concatenate([vectors, planted])
    strange = np.arange(len(everything)) >= len(codes)
    labels = np.concatenate([codes, rng.integers(codes.max() + 1, size=len(planted))]).astype(np.int32)
    case = Case(everything, labels, labels, np.full(len(labels), -1, np.int32), int(codes.max()) + 1)
    dataset = case.dataset()
    judged = judge_vectors(dataset, *from_features(dataset, everything), seed)
    theirs = np.asarray(OutOfDistribution().fit_score(features=everything, verbose=False))
    flagged = judged.flagged("off_topic")
    hits = float((flagged & strange).sum())
    return [
        average_precision(strange, judged.scores.typicality),
        average_precision(strange, theirs),
        hits / max(float(flagged.sum()), 1.0),
        hits / float(strange.sum()),
    ]
