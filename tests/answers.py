"""Decisions about the samples of an audit, as annotators' files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auditor.decisions import Decision, DecisionFile
from auditor.results import Audit


def decide(audit: Audit, sample: str, kind: str, decision: str, **more: Any) -> Decision:
    """A decision about one sample, with the digest and the label that it has in the audit."""
    row = audit.dataset.ids.tolist().index(sample)
    label = audit.dataset.table["label"].iloc[row]
    return Decision(sample, str(audit.facts.digest[row]), kind, decision, **{"given": label, **more})


def review(audit: Audit, annotator: str, decisions: Sequence[Decision], name: str = "") -> DecisionFile:
    """One annotator's file about this audit."""
    made = audit.provenance
    return DecisionFile(
        name or f"{annotator}.json", made.report_id, made.fingerprint, annotator,
        "2026-01-02T03:04:05Z", tuple(decisions),
    )  # fmt: skip


def other_class(audit: Audit, sample: str) -> str:
    """The first class that is not the sample's label."""
    label = audit.dataset.table.set_index("id").at[sample, "label"]
    return next(name for name in audit.dataset.classes if name != label)
