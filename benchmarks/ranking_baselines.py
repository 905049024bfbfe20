"""What others would rank labels by, on the same vectors; every score is low = suspect.

    recipe        cleanlab's documentation: logistic regression with scikit-learn's defaults, self-confidence
    tuned recipe  the same with C out of `PENALTIES`, on vectors as they are or standardised, whichever
                  predicts the given labels better out of fold
    Datalab       cleanlab's Datalab when it is given features alone
    SimiFeat      the vote of the 10 nearest (Zhu, Dong, Liu 2022)
    relation      relation graph on the tuned recipe's probabilities (Kim, Kim, Song 2023)

Results are kept by what goes in, so that only our own method is computed again.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ints
from auditor.searching import search

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

VERSION = "1"
"""Part of the key of what is kept: another one where a baseline changes."""
FOLDS = 5
PENALTIES = tuple(10.0**e for e in range(-4, 1))
MOST_STEPS = 300
ONE_FOLD_CELLS = 10_000_000
"""From so many rows times classes C is chosen on the first fold alone."""
VOTERS = 10
EDGES = 50
RELATION_POWER = 4
BLOCK_ROWS = 2_048
RECIPE, TUNED, DATALAB, SIMIFEAT, RELATION = (
    "recipe, defaults",
    "recipe, tuned",
    "Datalab, features",
    "SimiFeat vote",
    "relation graph",
)
NAMES = (RECIPE, TUNED, DATALAB, SIMIFEAT, RELATION)

Array = NDArray[np.float64]


def baseline_qualities(
    vectors: Floats, codes: Ints, seed: int, cache: Path | None
) -> dict[str, NDArray[np.float32]]:
    """Label qualities (n,) by name of the baseline, from `cache` where they are known."""
    mark = hashlib.sha256(f"{VERSION} {seed} {vectors.shape}".encode())
    mark.update(np.ascontiguousarray(vectors).tobytes() + codes.astype(np.int32).tobytes())
    file = None if cache is None else cache / "baselines" / f"{mark.hexdigest()[:32]}.npz"
    if file is not None and file.exists():
        with np.load(file) as kept:
            return {name: kept[name] for name in NAMES}
    found = {name: q.astype(np.float32) for name, q in _compute(vectors, codes, seed).items()}
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **found)  # type: ignore[arg-type]
    return found


def _compute(vectors: Floats, codes: Ints, seed: int) -> dict[str, Array]:
    from cleanlab.rank import get_label_quality_scores
    from threadpoolctl import threadpool_limits

    codes = np.unique(codes, return_inverse=True)[1].astype(np.int32)
    with threadpool_limits(1):
        folds = split_folds(codes, seed)
        tuned = tuned_recipe(vectors, codes, folds)
        found = search(_unit(vectors), EDGES)
        near, cosine = found.indices, found.similarities
        return {
            RECIPE: get_label_quality_scores(codes, recipe(vectors, codes, folds)),
            TUNED: get_label_quality_scores(codes, tuned),
            DATALAB: datalab_from_features(vectors, codes),
            SIMIFEAT: simifeat_vote(near[:, :VOTERS], codes),
            RELATION: relation_graph(near, cosine, tuned, codes),
        }


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def split_folds(codes: Ints, seed: int) -> Ints:
    """Random folds (n,) with every class spread over them; copies fall where they fall."""
    from sklearn.model_selection import StratifiedKFold

    folds = np.empty(len(codes), np.int32)
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(codes, codes)
    for number, (_, held) in enumerate(split):
        folds[held] = number
    return folds


def recipe(vectors: Floats, codes: Ints, folds: Ints) -> Array:
    """Probabilities (n, c) out of fold by scikit-learn's defaults on the vectors as they are."""
    from sklearn.linear_model import LogisticRegression

    chances = np.zeros((len(codes), int(codes.max()) + 1))
    for number in range(FOLDS):
        held = folds == number
        model = LogisticRegression()
        _fit(model, vectors[~held], codes[~held])
        chances[np.ix_(held, model.classes_)] = model.predict_proba(vectors[held])
    return chances


@dataclass(frozen=True)
class _Choice:
    """The best C, its log loss on held-out labels, and the probabilities (n, c) of held-out rows."""

    penalty: float
    loss: float
    chances: Array


def tuned_recipe(vectors: Floats, codes: Ints, folds: Ints) -> Array:
    """Probabilities (n, c) out of fold with the C and the scaling that predict the given labels best."""
    spread = vectors.std(axis=0)
    standard = ((vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    forms = (standard, vectors.astype(np.float32))
    large = len(codes) * (int(codes.max()) + 1) >= ONE_FOLD_CELLS
    choices = [_follow(x, codes, folds, PENALTIES, 1 if large else FOLDS) for x in forms]
    best = int(np.argmin([choice.loss for choice in choices]))
    if not large:
        return choices[best].chances
    return _follow(forms[best], codes, folds, (choices[best].penalty,), FOLDS).chances


def _follow(x: Floats, codes: Ints, folds: Ints, penalties: tuple[float, ...], used: int) -> _Choice:
    """Follow C upwards with warm starts, on the first `used` folds, until the log loss rises."""
    from sklearn.linear_model import LogisticRegression

    judged = folds < used
    models = [LogisticRegression(max_iter=MOST_STEPS, warm_start=True) for _ in range(used)]
    best = _Choice(0.0, np.inf, np.zeros(0))
    for penalty in penalties:
        chances = np.zeros((len(codes), int(codes.max()) + 1))
        for number, model in enumerate(models):
            held = folds == number
            _fit(model.set_params(C=penalty), x[~held], codes[~held])
            chances[np.ix_(held, model.classes_)] = model.predict_proba(x[held])
        loss = float(-np.log(np.maximum(chances[judged, codes[judged]], 1e-12)).mean())
        if loss >= best.loss:
            break
        best = _Choice(penalty, loss, chances)
    return best


def _fit(model: LogisticRegression, x: Floats, codes: Ints) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():  # the defaults stop early on large values: part of the recipe
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, codes)


def datalab_from_features(vectors: Floats, codes: Ints) -> Array:
    """Self-confidence as cleanlab 2.9's `LabelIssueManager` takes it from features alone, k = 10.

    Its class needs the package `datasets`; these are its lines: a nearest-neighbour classifier of k + 1 with
    the sample itself among them, whose vote is taken off afterwards.
    """
    from cleanlab.rank import get_label_quality_scores
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(n_neighbors=VOTERS + 1).fit(vectors, codes)
    chances = model.predict_proba(vectors)
    chances[np.arange(len(codes)), codes] -= 1 / (VOTERS + 1)
    chances = np.maximum(chances * (VOTERS + 1) / VOTERS, 0.0)  # a copy may have taken the sample's place
    return np.asarray(get_label_quality_scores(codes, chances / chances.sum(axis=1, keepdims=True)))


def simifeat_vote(near: Ints, codes: Ints) -> Array:
    """Cosine (n,) between the neighbours' labels, counted by class, and the given label."""
    votes = np.zeros((len(codes), int(codes.max()) + 1), np.float32)
    for column in near.T:
        votes[np.arange(len(codes)), codes[column]] += 1.0
    own = votes[np.arange(len(codes)), codes]
    return np.asarray(own / np.linalg.norm(votes, axis=1), dtype=np.float64)


def relation_graph(near: Ints, cosine: Floats, chances: Array, codes: Ints) -> Array:
    """Sum over the nearest 50 of (+1 same label, -1 another) (max(0, cos) <p_i, p_j>)^4, in two passes.

    In the second pass samples that the first one doubts do not count.
    """
    strength = np.empty(near.shape)
    for start in range(0, len(codes), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        alike = [np.einsum("nc,nc->n", chances[part], chances[column]) for column in near[part].T]
        strength[part] = (np.maximum(cosine[part], 0.0) * np.stack(alike, axis=1)) ** RELATION_POWER
    strength *= np.where(codes[near] == codes[:, None], 1.0, -1.0)
    doubted = strength.sum(axis=1) < 0
    return np.asarray(np.where(doubted[near], 0.0, strength).sum(axis=1))
