"""How well `label_quality` ranks labels that people got wrong, next to what one would write by hand.

Data: DATA/cifar10n-5k with `aggregate.csv` and `worst.csv` (path, label) and `truth.csv` (path, label_clean).
All methods see the same vectors. Average precision (AP) and the precision among as many samples as there
are wrong labels; the ratio is to the usual recipe: cleanlab's scores on 5-fold logistic regression.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pipeline import Bench, Judged, relabel
from sources import clean_labels
from tables import print_table

from auditor.arrays import Bools, Floats, Ints
from auditor.dataset import read_dataset

FOLDS = 5
PENALTIES = tuple(10.0**e for e in range(-4, 3))
SETS = ("aggregate", "worst")
HEADER = ("method", "AP", "precision at the number of errors", "AP / recipe", "precision / recipe")

Array = NDArray[np.float64]


def measure_label_noise(data: Path, bench: Bench) -> None:
    """Print one table for each set of labels."""
    for name in SETS:
        dataset = read_dataset(data / "cifar10n-5k" / f"{name}.csv")
        judged = bench.judge(dataset)
        wrong = judged.labels_differ(relabel(dataset, clean_labels(data, dataset)))
        rows = compare(judged, wrong)
        title = f"CIFAR-10N {name}: {int(wrong.sum())} of {len(wrong)} labels wrong ({wrong.mean():.1%})"
        print_table(title, HEADER, rows)


def compare(judged: Judged, wrong: Bools) -> list[tuple[object, ...]]:
    """Return a row for each method; the recipe with its defaults on the vectors as they are is the unit."""
    plain, codes = judged.embeddings.vectors, judged.codes
    spread = plain.std(axis=0)
    standard = (plain - plain.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    methods = {"auditor label_quality": judged.scores.label_quality}
    for what, vectors in (("unit vectors", plain), ("standardised", standard)):
        methods[f"recipe, defaults, {what}"] = recipe(vectors, codes)
        quality, chosen = tuned_recipe(vectors, codes)
        methods[f"recipe, C tuned to {chosen:g}, {what}"] = quality
    methods["neighbours' vote alone"] = judged.scores.neighbour_vote
    measured = {n: (average_precision(wrong, q), precision_at_errors(wrong, q)) for n, q in methods.items()}
    unit = measured["recipe, defaults, unit vectors"]
    return [(name, ap, at, ap / unit[0], at / unit[1]) for name, (ap, at) in measured.items()]


def average_precision(wrong: Bools, quality: Floats) -> float:
    """AP of the order from the lowest quality upwards."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong, -quality))


def precision_at_errors(wrong: Bools, quality: Floats) -> float:
    """Share of wrong labels among as many of the lowest qualities as there are wrong labels."""
    worst = np.argsort(quality, kind="stable")[: int(wrong.sum())]
    return float(wrong[worst].mean())


def recipe(vectors: Floats, codes: Ints) -> Floats:
    """Score labels as cleanlab's documentation does: defaults of scikit-learn, self-confidence."""
    from cleanlab.rank import get_label_quality_scores

    return np.asarray(get_label_quality_scores(codes, _out_of_fold(vectors, codes, 1.0, 100)))


def tuned_recipe(vectors: Floats, codes: Ints) -> tuple[Floats, float]:
    """Score labels with the C of `PENALTIES` that predicts the given labels best out of fold."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.metrics import log_loss

    best: tuple[float, float, Array] | None = None
    for c in PENALTIES:
        chances = _out_of_fold(vectors, codes, c, 1_000)
        loss = float(log_loss(codes, chances))
        if best is None or loss < best[0]:
            best = loss, c, chances
    assert best is not None
    return np.asarray(get_label_quality_scores(codes, best[2])), best[1]


def _out_of_fold(vectors: Floats, codes: Ints, c: float, iterations: int) -> Array:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    model = LogisticRegression(C=c, max_iter=iterations)
    with warnings.catch_warnings():  # the defaults stop early on standardised vectors: part of the recipe
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(cross_val_predict(model, vectors, codes, cv=FOLDS, method="predict_proba"))
