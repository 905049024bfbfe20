"""The committed kitchen set, audited and held against its truth; shuffled scores fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import auditor
from auditor.findings import FindingInputs, find_findings
from auditor.results import Audit

ROOT = Path(__file__).parents[1]
KITCHEN = ROOT / "sample_data" / "kitchen"
BY_SCORE = {
    "wrong_label in the first 40 of mislabeled",
    "off_topic in the first 24 of off_topic",
    "avocados with a knife: ambiguous",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.read_csv(KITCHEN / "truth.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def audit() -> Audit:
    settings = auditor.AuditSettings(backbone="bundled", device="cpu", offline=True)
    return auditor.run_audit(auditor.read_dataset(KITCHEN), settings)


def failed(audit: Audit, truth: pd.DataFrame) -> set[str]:
    """Lines of the table whose bound does not hold."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from truth import kitchen_table
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    rows = kitchen_table(audit.findings_frame(), audit, truth)
    assert {row.what for row in rows} >= BY_SCORE
    return {f"{row.what}: {row.measured}, not {row.bound}" for row in rows if not row.passed}


def test_every_bound_holds(audit: Audit, truth: pd.DataFrame) -> None:
    assert failed(audit, truth) == set()


def test_shuffled_scores_fail(audit: Audit, truth: pd.DataFrame) -> None:
    """The same files, copies and thresholds, with the scores of other samples."""
    order = np.random.default_rng(0).permutation(len(audit.scores.ids))
    scores = audit.scores
    columns = ("label_quality", "clarity", "typicality", "suggested", "suggested_probability")
    shuffled = replace(scores, **{name: getattr(scores, name)[order] for name in columns})
    chances = replace(audit.probabilities, values=audit.probabilities.values[order])
    inputs = FindingInputs(
        audit.dataset,
        audit.facts,
        audit.embeddings,
        audit.neighbours,
        audit.duplicates,
        chances,
        shuffled,
        audit.thresholds,
    )
    lines = failed(replace(audit, findings=find_findings(inputs)), truth)
    assert {line.split(":")[0] for line in lines} >= {what.split(":")[0] for what in BY_SCORE}
