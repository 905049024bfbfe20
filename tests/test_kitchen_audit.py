"""The committed kitchen set, audited and held against its truth; shuffled scores fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from answers import decide, review

import auditor
from auditor.decisions import DecisionFile
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


def decisions(audit: Audit, truth: pd.DataFrame) -> DecisionFile:
    """What somebody decides who knows everything that is wrong."""
    kinds = {
        "wrong_label": "mislabeled", "off_topic": "off_topic", "exact_copy": "duplicate",
        "near_copy": "duplicate", "conflicting_copy": "conflicting_duplicate", "leak": "leak",
        "unreadable": "unreadable",
        "dark": "low_quality", "blurred": "low_quality", "empty": "low_quality",
    }  # fmt: skip
    rows = []
    for row in truth[truth["problem"] != "avocado_with_knife"].itertuples():
        wrong = row.problem == "wrong_label"
        to = row.right_label if wrong else ""
        rows.append(decide(audit, row.path, kinds[row.problem], "relabel" if wrong else "drop", to=to))
    return review(audit, "truth", rows)


def test_cleaning_by_the_truth_is_an_improvement(audit: Audit, truth: pd.DataFrame, tmp_path: Path) -> None:
    version = auditor.plan_version(audit, (decisions(audit, truth),))
    auditor.write_version(version, tmp_path / "kitchen-2")
    settings = auditor.AuditSettings(backbone="bundled", device="cpu", offline=True)
    after = auditor.run_audit(auditor.read_dataset(tmp_path / "kitchen-2" / "manifest.csv"), settings)
    found = auditor.compare_versions(audit, after, auditor.CompareOptions(holdout="test"))
    assert found.verdict == "improved"
    counts = found.ledger.counts()
    assert (counts["relabelled"], counts["removed"], counts["added"], counts["unresolved"]) == (27, 62, 0, 0)
    assert found.standing.common.knn_accuracy[1] > found.standing.common.knn_accuracy[0]
    back = auditor.compare_versions(after, audit, auditor.CompareOptions(holdout="test"))
    assert back.verdict == "worse"
    assert back.ledger.counts()["newly flagged"] == counts["fixed"]
