"""Two domains made of Gaussian classes, with one thing wrong between the first two classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.audit import count_label_errors
from auditor.features import from_features
from auditor.neighbours import find_neighbours
from auditor.results import (
    Audit,
    ClassSeparation,
    Dataset,
    Duplicates,
    Map,
    Probabilities,
    Provenance,
    Scores,
    Separation,
    Thresholds,
)

CLASSES = 5
APART = 6.0
"""Distance between two class means in standard deviations: a balanced accuracy of .999."""


def planted(
    story: str, d: int = 8, each: int = 50, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Vectors (n, d), class codes (n,) and domains (n,) "A" or "B", each `each` samples a class.

    story : "separated"; "overlap" (classes 0 and 1 lie 0.8 standard deviations apart in B); "misplaced
        border" (both moved along their line by half their distance); "direction changed" (both apart at
        right angles to their line); "global shift" (every class moved by that half distance).
    """
    rng = np.random.default_rng(seed)
    here = np.zeros((CLASSES, d))
    here[np.arange(CLASSES), np.arange(CLASSES)] = APART / np.sqrt(2)
    there, step = here.copy(), (here[1] - here[0]) / APART
    middle, aside = (here[0] + here[1]) / 2, np.eye(d)[CLASSES]
    if story == "overlap":
        there[0], there[1] = middle - 0.4 * step, middle + 0.4 * step
    elif story == "misplaced border":
        there[:2] += step * APART / 2
    elif story == "direction changed":
        there[0], there[1] = middle - aside * APART / 2, middle + aside * APART / 2
    elif story == "global shift":
        there += step * APART / 2
    else:
        assert story == "separated"
    codes = np.repeat(np.arange(CLASSES), each)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    vectors = np.concatenate([here[codes], there[codes]]) + rng.normal(size=(2 * len(codes), d))
    return vectors @ turn, np.tile(codes, 2), ["A"] * len(codes) + ["B"] * len(codes)


def audit_of(dataset: Dataset, vectors: np.ndarray, copies: Sequence[Sequence[int]] = ()) -> Audit:
    """An audit that holds what a domain comparison reads; rows of one list in `copies` are near copies."""
    facts, embeddings = from_features(dataset, vectors)
    m, c = len(embeddings.ids), len(dataset.classes)
    group, linked = np.full(m, -1, np.int32), np.arange(m, dtype=np.int32)
    for number, rows in enumerate(copies):
        group[list(rows)], linked[list(rows)] = number, rows[0]
    duplicates = Duplicates(embeddings.ids, group, linked, linked == np.arange(m))
    half, none = np.full(m, 0.5, np.float32), np.zeros(m, np.int32)
    scores = Scores(embeddings.ids, half, half, half, half, none, half, np.zeros((c, c), np.int64))
    even = np.full((m, c), 1 / c, np.float32)
    classes = [ClassSeparation(name, 0, 0.0, 0.0, 0.0, "not judged", ()) for name in dataset.classes]
    return Audit(
        dataset=dataset,
        facts=facts,
        embeddings=embeddings,
        neighbours=find_neighbours(embeddings, facts.digest, 10),
        duplicates=duplicates,
        probabilities=Probabilities(embeddings.ids, even, np.ones(c, bool), "none"),
        scores=scores,
        separation=Separation(0.0, 0.0, 0.0, tuple(classes), (), np.zeros((c, c), np.int64)),
        findings=(),
        map=Map(embeddings.ids, embeddings.vectors[:, :2].copy(), "two coordinates", 0.5, m),
        thresholds=Thresholds(),
        label_errors=count_label_errors((), scores),
        review_plan=(),
        provenance=Provenance("0", "made", "0" * 64, "auditor run made", 0, {}, {}, ()),
    )
