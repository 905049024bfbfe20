"""Where the labels that are known to be right come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.results import Dataset


def clean_labels(data: Path, dataset: Dataset) -> NDArray[np.object_]:
    """Return the right labels (n,) of a CIFAR-10N dataset from DATA/cifar10n-5k/truth.csv."""
    truth = read_truth(data / "cifar10n-5k" / "truth.csv").set_index("path")
    return np.asarray(truth.loc[dataset.table["path"], "label_clean"], dtype=object)


def right_labels(truth: pd.DataFrame, dataset: Dataset) -> NDArray[np.object_]:
    """Return the labels (n,) with those of the truth's wrong ones put right."""
    wrong = truth[truth["problem"] == "wrong_label"].set_index("path")["right_label"]
    paths = dataset.table["path"]
    return np.asarray(paths.map(wrong).fillna(dataset.table["label"]), dtype=object)


def read_truth(path: Path) -> pd.DataFrame:
    """Read a table of `str`: a class may be called "None" or "01"."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)
