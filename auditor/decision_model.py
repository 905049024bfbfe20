"""The decisions file as a pydantic model: what may stand where. Its JSON schema is in ``schemas/``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Kind = Literal[
    "unreadable",
    "conflicting_duplicate",
    "leak",
    "mislabeled",
    "ambiguous",
    "off_topic",
    "low_quality",
    "duplicate",
    "label_check",
]


class DecisionRow(BaseModel):
    """One decision about one sample and one question."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True, title="Decision")

    id: str = Field(min_length=1, description="The sample's id in the audit.")
    digest: str = Field(description="Digest of its pixels; empty when the file does not decode.")
    kind: Kind = Field(description="The question; label_check on a page that hides what the audit thinks.")
    decision: Literal["keep", "relabel", "drop", "unsure"]
    given: str = Field(alias="from", min_length=1, description="The label it had.")
    to: str = Field("", description="The new label; only with relabel, else empty.")
    note: str = ""
    t: str = Field("", description="When it was decided, ISO 8601 in UTC.")
    rank: int = Field(0, ge=0, lt=10**15, description="Place of the finding in its kind, 0 = none.")
    first_decision: Literal["", "keep", "relabel", "drop", "unsure"] = Field(
        "", description="On a blind page: the answer before the suggestion was shown."
    )
    first_to: str = Field("", description="The class of that first answer when it was relabel.")

    @field_validator("t")
    @classmethod
    def _check_time(cls, text: str) -> str:
        """Times are compared: all in UTC."""
        try:
            time = datetime.fromisoformat(text) if text else None
        except ValueError as error:
            raise ValueError("it must be an ISO 8601 time, as 2026-01-31T12:00:00Z, or empty") from error
        if time is None or text.endswith("Z") or time.utcoffset() is None:
            return text
        try:
            return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        except OverflowError as error:
            raise ValueError("in UTC it must lie in the years 1 to 9999") from error

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if self.decision == "relabel" and (not self.to or self.to == self.given):
            raise ValueError("a relabel needs another class in 'to'")
        if self.decision != "relabel" and self.to:
            raise ValueError("only a relabel has a class in 'to'")
        return self


class DecisionDocument(BaseModel):
    """Decisions of one annotator on one dataset, as auditor's page saves them."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True, title="Decisions")

    schema_: Literal["auditor.decisions/1"] = Field(alias="schema")
    report_id: str
    dataset_fingerprint: str
    annotator: str
    exported_at: str = Field(description="ISO 8601 in UTC.")
    counts: dict[str, int] = Field(default_factory=dict, description="How many decisions of each sort.")
    decisions: list[DecisionRow]
