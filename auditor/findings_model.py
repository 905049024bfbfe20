"""findings.json as pydantic sees it: what may stand where. `documents` writes and reads it.

No models: a large audit has a hundred thousand findings, and as many objects would take long and much memory.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic takes the standard library's from Python 3.12 on

from auditor.audit_model import Count, Figure, Finite, Share
from auditor.results import KINDS


def _check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"it must be one of {', '.join(KINDS)}")
    return kind


class NeighbourPart(TypedDict):
    """A near sample and how near it is."""

    id: str
    label: str
    similarity: Finite


class ChancePart(TypedDict):
    """A class and its probability."""

    name: str
    probability: Finite


class MemberPart(TypedDict):
    """A sample of a group and what ties it to the finding."""

    id: str
    tie: str


class FactPart(TypedDict):
    """A further number behind a finding."""

    name: str
    value: Figure


class FindingPart(TypedDict):
    """One finding; `documents.finding_part` writes it."""

    finding_id: str
    kind: Annotated[str, AfterValidator(_check_kind)]
    rank: Count
    ids: Annotated[list[str], Field(min_length=1)]
    score: Share
    reason: str
    suggested_label: str
    neighbours: list[NeighbourPart]
    probabilities: list[ChancePart]
    members: list[MemberPart]
    facts: list[FactPart]


class FindingsDocument(TypedDict):
    """findings.json."""

    findings: list[FindingPart]


BLOCK = 1000
"""Findings checked at a time: what the check makes of all of them would take as much memory again."""
_FINDINGS = TypeAdapter(FindingsDocument)


def check_findings(document: dict[str, Any]) -> None:
    """Raise `pydantic.ValidationError` where findings.json is not as said here."""
    findings = document.get("findings")
    try:
        for start in range(0, len(findings) if isinstance(findings, list) else 1, BLOCK):
            part = findings[start : start + BLOCK] if isinstance(findings, list) else findings
            _FINDINGS.validate_python({"findings": part}, strict=True)
    except ValidationError:
        _FINDINGS.validate_python(document, strict=True)  # for the number of the finding among all
