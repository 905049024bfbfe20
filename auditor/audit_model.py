"""audit.json as a pydantic model: what may stand where. `documents` writes and reads it.

Keys that are not named here are left alone: they may come from a later version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 2**53
"""JSON's readers agree on whole numbers up to here."""

Count = Annotated[int, Field(ge=0, le=MOST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Figure = Finite | None
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """One object of the document: values of other types are refused, never converted."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Description(Part):
    """What counts as a class."""

    name: str
    text: str


class DatasetPart(Part):
    """The dataset; the samples themselves are in samples.parquet."""

    name: str
    fingerprint: str
    samples: Count
    classes: Annotated[list[Name], Field(min_length=2)]
    has_images: bool
    descriptions: list[Description]
    notes: list[str]


class BackbonePart(Part):
    """What made the vectors."""

    name: str
    layer: str
    weights_sha256: str
    dimensions: Annotated[Count, Field(ge=1)]
    preprocessing: str
    precision: str


class SettingsPart(Part):
    """What `auditor.settings.settings_like` takes over."""

    backbone: str | None = None
    weights: str | None = None
    features: str | None = None


class CountPart(Part):
    """How many findings of a kind, and how many samples they name."""

    findings: Count
    samples: Count


class LabelErrorsPart(Part):
    """How many labels look wrong."""

    flagged: Count
    upper_indication: Count
    estimate: Figure
    interval: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None


class ClassPart(Part):
    """How well one class stands apart."""

    name: str
    samples: Count
    knn_accuracy: Figure
    probe_accuracy: Figure
    silhouette: Figure
    verdict: Literal["separated", "mixed", "not judged"]
    mixed_with: list[str]


class PairPart(Part):
    """Two classes that confuse."""

    a: str
    b: str
    score: Figure
    a_as_b: Count
    b_as_a: Count
    flagged: Count


class MatrixPart(Part):
    """A (c, c) matrix of counts: its rows, or the (row, column, count) of its cells that are not zero."""

    form: Literal["rows", "cells"]
    classes: Count
    values: list[list[Count]]

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        c = self.classes
        if self.form == "rows":
            whole = len(self.values) == c and all(len(row) == c for row in self.values)
        else:
            whole = all(len(cell) == 3 and cell[0] < c and cell[1] < c for cell in self.values)
        if not whole:
            raise ValueError(f"it must be a matrix of {c} x {c}")
        return self


class SeparationPart(Part):
    """How well all classes stand apart."""

    knn_accuracy: Figure
    probe_accuracy: Figure
    silhouette: Figure


class SearchPart(Part):
    """How the neighbours were searched."""

    method: str
    recall: Figure


class ProbabilitiesPart(Part):
    """What the probabilities' array does not say."""

    method: str
    judged: list[bool]


class MapPart(Part):
    """How the map was made and how far it can be trusted."""

    method: str
    trustworthiness: Figure
    trust_rows: Count


class ReviewedPart(Part):
    """What earlier reviews did to the findings."""

    files: list[str]
    sha256: list[str]
    decisions: Count
    matched: Count
    unmatched: Count
    left_out: Count
    left_out_samples: Count


class PlanPart(Part):
    """A step of the review plan."""

    reviewed: Count
    errors_expected: Finite


class AuditDocument(Part):
    """audit.json."""

    schema_version: int
    auditor_version: str
    report_id: str
    command: str
    seed: int
    dataset: DatasetPart
    backbone: BackbonePart
    settings: SettingsPart
    thresholds: dict[str, Finite]
    counts: dict[str, CountPart]
    label_errors: LabelErrorsPart
    classes: list[ClassPart]
    class_pairs: list[PairPart]
    confusion: MatrixPart
    confident_joint: MatrixPart
    separation: SeparationPart
    neighbours: SearchPart = SearchPart(method="exact", recall=None)
    probabilities: ProbabilitiesPart
    predictions: ProbabilitiesPart | None
    map: MapPart
    reviewed: ReviewedPart | None = None
    review_plan: list[PlanPart]
    timings: dict[str, Finite]
    warnings: list[str]

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        """Every part is about the classes of the dataset, in their order."""
        names = self.dataset.classes
        if len(set(names)) < len(names) or [c.name for c in self.classes] != names:
            raise ValueError(f"its 'classes' must be the {len(names)} of 'dataset'")
        known = set(names)
        unknown = next((name for name in self._named() if name not in known), None)
        if unknown is not None:
            raise ValueError(f"{unknown!r} is no class of its dataset")
        for part in ("confusion", "confident_joint"):
            if getattr(self, part).classes != len(names):
                raise ValueError(f"its {part!r} must be of {len(names)} classes")
        for part in ("probabilities", "predictions"):
            found = getattr(self, part)
            if found is not None and len(found.judged) != len(names):
                raise ValueError(f"its {part!r} must be of {len(names)} classes")
        return self

    def _named(self) -> Iterator[str]:
        for pair in self.class_pairs:
            yield pair.a
            yield pair.b
        for part in self.classes:
            yield from part.mixed_with
