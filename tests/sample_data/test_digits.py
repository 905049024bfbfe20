"""The committed digits are scikit-learn's, with the listed labels swapped."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DIGITS = Path(__file__).parents[2] / "sample_data" / "digits"


def read_truth(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def list_pictures(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("?/*.png"))


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(DIGITS))
    try:
        import make_digits

        yield make_digits
    finally:
        sys.path.remove(str(DIGITS))


@pytest.fixture(scope="module")
def made(script, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    script.write_set(folder, 7)
    return folder


def test_three_per_cent_are_swapped_and_listed():
    paths, truth = list_pictures(DIGITS), read_truth(DIGITS)
    assert len(paths) == 1797 and len(truth) == 54
    assert set(truth) <= set(paths)
    assert all(path[0] == row["label"] != row["right_label"] for path, row in truth.items())


def test_the_right_labels_are_scikit_learn_s():
    from sklearn.datasets import load_digits

    truth = read_truth(DIGITS)
    right = Counter(truth[p]["right_label"] if p in truth else p[0] for p in list_pictures(DIGITS))
    assert right == Counter(str(t) for t in load_digits().target)


def test_the_committed_files_are_the_script_s(made):
    assert list_pictures(made) == list_pictures(DIGITS)
    assert read_truth(made) == read_truth(DIGITS)
    for path in list_pictures(DIGITS)[::40]:
        assert (np.asarray(Image.open(made / path)) == np.asarray(Image.open(DIGITS / path))).all(), path


def test_pictures_are_the_digits_enlarged(script):
    values = np.zeros((8, 8))
    values[:, 3:5] = 16.0
    picture = np.asarray(script.render(values).convert("L"), dtype=float)
    assert picture.shape == (32, 32)
    assert picture[:, 14:18].max() < 20 and picture[:, :8].min() > 235


def test_another_seed_swaps_others(script):
    right = np.arange(1000) % 10
    first, second = script.swap_labels(right, 1), script.swap_labels(right, 2)
    assert (first != right).sum() == (second != right).sum() == 30
    assert (first != second).any() and (first == script.swap_labels(right, 1)).all()
