"""Models on the committed digits: two layers of the bundled backbone and raw pixels, against the truth."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from model_audits import vector_audit
from PIL import Image
from threadpoolctl import threadpool_limits

from auditor.arrays import rows_of
from auditor.audit import run_audit
from auditor.comparisons.ensembles import NEGLIGIBLE_ACCURACY
from auditor.comparisons.model_errors import MODEL_LIMITATION, TAGGING_ERROR, UNDECIDED
from auditor.comparisons.models import ModelComparison, compare_models
from auditor.comparisons.paired import paired_difference
from auditor.dataset import read_dataset
from auditor.results import Audit, Dataset
from auditor.settings import AuditSettings

DIGITS = Path(__file__).parents[2] / "sample_data" / "digits"
NAMES = ("layer1", "layer4", "pixels")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted() -> set[str]:
    with (DIGITS / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def audits(planted: set[str], tmp_path_factory: pytest.TempPathFactory) -> list[Audit]:
    """60 digits a class, and all planted ones."""
    whole = read_dataset(DIGITS)
    wrong = whole.table["id"].isin(planted)
    rest = whole.table[~wrong].groupby("label").head(60)
    table = whole.table[wrong | whole.table["id"].isin(rest["id"])].reset_index(drop=True)
    dataset = Dataset(whole.name, whole.root, whole.classes, table)
    made = [
        run_audit(dataset, AuditSettings(backbone="bundled", layer=layer, device="cpu", offline=True))
        for layer in NAMES[:2]
    ]
    file = tmp_path_factory.mktemp("digits") / "pixels.npy"
    np.save(file, pixels(dataset))
    return [*made, run_audit(dataset, AuditSettings(features=file))]


def pixels(dataset: Dataset) -> np.ndarray:
    grey = [np.asarray(Image.open(DIGITS / path).convert("L")) for path in dataset.table["path"]]
    return 1.001 - np.stack(grey).reshape(len(grey), -1).astype(np.float32) / 255


@pytest.fixture(scope="module")
def compared(audits: list[Audit]) -> ModelComparison:
    return compare_models(audits, NAMES)


def test_ranking_agrees_with_an_independent_probe(audits: list[Audit], compared: ModelComparison) -> None:
    """scikit-learn's logistic regression, five folds of groups: no clear difference the other way round."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    common, right = compared.common, []
    for audit in audits:
        x = audit.embeddings.vectors[rows_of(audit.embeddings.ids, common.ids)]
        model = LogisticRegression(C=10, max_iter=100, tol=1e-3)
        with threadpool_limits(1):
            said = cross_val_predict(
                model, 3 * (x - x.mean(axis=0)), common.codes, groups=common.groups, cv=GroupKFold(5)
            )
        right.append(common.right(np.asarray(said, dtype=np.int32)))
    order = [ranked.model for ranked in compared.ranking.models]
    assert order[-1] == 0 and np.argmin([r.mean() for r in right]) == 0
    for better, worse in combinations(order, 2):
        assert common.compare(right[better], right[worse], 0).interval[1] > 0
    assert common.compare(right[1], right[0], 0).is_clear
    assert paired_difference(right[2], right[0], common.groups[common.once]).estimate > 0


def test_planted_labels_are_tagging_errors_and_hard_ones_are_not(
    compared: ModelComparison, planted: set[str]
) -> None:
    for errors in compared.errors:
        ids = compared.common.ids[errors.rows]
        wrong = np.array([i in planted for i in ids])
        tagged, limited = errors.verdicts == TAGGING_ERROR, errors.verdicts == MODEL_LIMITATION
        assert errors.is_independent
        assert (tagged & wrong).sum() >= 0.75 * wrong.sum()
        assert (tagged & wrong).sum() >= 0.85 * tagged.sum()
        assert (limited & wrong).sum() == 0
    # The early layer alone misses many digits whose label is right.
    assert compared.errors[0].count(MODEL_LIMITATION) >= 10


def test_the_early_layer_does_not_help(compared: ModelComparison) -> None:
    """The log loss is better without it; whether accuracy is as good is decided by the interval."""
    early, last, pixels_ = compared.ensemble.contributions
    assert early.log_loss is not None and early.log_loss.is_below
    assert early.accuracy is not None and not early.accuracy.is_above
    sure = early.accuracy.interval[1] <= NEGLIGIBLE_ACCURACY
    assert early.verdict == ("adds nothing" if sure else "cannot tell")
    assert last.verdict == pixels_.verdict == "adds"


def test_shuffled_vectors_decide_nothing(audits: list[Audit]) -> None:
    """A model that has the pixels of other samples knows nothing, so it is no evidence either way."""
    dataset = audits[1].dataset
    order = np.random.default_rng(0).permutation(len(dataset))
    stranger = vector_audit(dataset, pixels(dataset)[order])
    errors = compare_models([audits[1], stranger], ["layer4", "stranger"]).errors[0]
    assert len(errors.rows) > 50 and (errors.verdicts == UNDECIDED).mean() > 0.95
