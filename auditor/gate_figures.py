"""The figures of an audit that a gate can ask for, read from its folder.

    audit.json       counts, separation, classes, map         always
    findings.json    which samples are flagged                 `flagged`, kinds by class, worst samples
    samples.parquet  id -> given label                         kinds by class, worst samples

    AuditFigures --measure(condition)--> Measure(number, total) or None where there is no such figure

No array is read, so that a gate takes no longer than reading these files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path

from auditor.audit_files import read_json
from auditor.documents import Json
from auditor.errors import DataError
from auditor.gate_conditions import Condition
from auditor.results import KINDS
from auditor.storage import read_document
from auditor.tables import read_table, texts_of

_NEED_PICTURES = ("unreadable", "low_quality")
_NEED_JUDGED = ("mislabeled", "ambiguous", "off_topic")
"""Kinds that no sample of a class too small to be judged can have."""


@dataclass(frozen=True)
class Measure:
    """A figure: `number`, and the samples it counts among for counts of samples."""

    number: Fraction
    total: int | None = None

    def as_share(self) -> Measure | None:
        """Return the share of `total`; None among no samples."""
        return Measure(self.number / self.total, self.total) if self.total else None


@dataclass(frozen=True)
class FlaggedSample:
    """A sample that a finding names: its given label, the suggested one ("" = none), score and reason."""

    id: str
    label: str
    suggested: str
    score: float
    reason: str


@dataclass(frozen=True)
class AuditFigures:
    """The figures of the audit in `folder`; `document` is its audit.json."""

    folder: Path
    document: Json

    @classmethod
    def read(cls, folder: Path) -> AuditFigures:
        """Read audit.json; the other files when they are needed.

        Raises
        ------
        DataError
            If `folder` is no audit of this schema.
        """
        return cls(Path(folder), read_document(folder))

    def measure(self, condition: Condition) -> Measure | None:
        """Return what a condition asks for, None where the audit has no such figure.

        Raises
        ------
        DataError
            If files of the audit are missing or damaged.
        """
        with _say_damaged(self.folder):
            found = self._measure(condition.name, condition.class_name)
        return found.as_share() if found is not None and condition.share else found

    def worst(self, kind: str, class_name: str | None, count: int) -> list[FlaggedSample]:
        """Return the first `count` samples of a kind, worst first, of one class when it is named."""
        with _say_damaged(self.folder):
            every = (
                FlaggedSample(i, self._labels[i], f["suggested_label"], float(f["score"]), f["reason"])
                for f in self._findings
                if f["kind"] == kind
                for i in f["ids"]
            )
            return list(islice((s for s in every if class_name in (None, s.label)), count))

    @property
    def classes(self) -> list[str]:
        """The class names."""
        return list(self.document["dataset"]["classes"])

    @property
    def samples(self) -> int:
        """The number of samples."""
        return int(self.document["dataset"]["samples"])

    @cached_property
    def _findings(self) -> list[Json]:
        return list(read_json(self.folder / "findings.json")["findings"])

    @cached_property
    def _labels(self) -> dict[str, str]:
        table = read_table(self.folder / "samples.parquet", "id", "label")
        return dict(zip(texts_of(table, "id"), texts_of(table, "label"), strict=True))

    def _measure(self, name: str, class_name: str | None) -> Measure | None:
        kind, _, what = name.partition(".")
        if class_name is not None and class_name not in self.classes:
            return None
        if kind in _NEED_PICTURES and not self.document["dataset"]["has_images"]:
            return None
        if kind in _NEED_JUDGED and not self._is_judged(class_name):
            return None
        if what == "findings":
            return Measure(Fraction(self.document["counts"][kind]["findings"]))
        if kind in KINDS or kind == "flagged":
            return self._count_samples(kind, class_name)
        if name == "upper_indication":
            return Measure(Fraction(self.document["label_errors"][name]), self.samples)
        if name in self.document["separation"]:
            parts = self.document["separation"] if class_name is None else self._class(class_name)
            return _exact(parts[name])
        if name == "trustworthiness":
            return _exact(self.document["map"][name])
        return Measure(Fraction(self._count(name, class_name)))

    def _count_samples(self, kind: str, class_name: str | None) -> Measure:
        if class_name is None and kind in KINDS:
            return Measure(Fraction(self.document["counts"][kind]["samples"]), self.samples)
        named = {i for f in self._findings if kind in (f["kind"], "flagged") for i in f["ids"]}
        if class_name is None:
            return Measure(Fraction(len(named)), self.samples)
        members = Counter(self._labels.values())[class_name]
        return Measure(Fraction(sum(self._labels[i] == class_name for i in named)), members)

    def _count(self, name: str, class_name: str | None) -> int:
        classes = self.document["classes"]
        if name == "class_samples":
            return min(int(c["samples"]) for c in classes if class_name in (None, c["name"]))
        if name == "mixed_pairs":
            return len({frozenset((c["name"], other)) for c in classes for other in c["mixed_with"]})
        if name == "not_judged":
            return sum(c["verdict"] == "not judged" for c in classes)
        return self.samples if name == "samples" else len(self.classes)

    def _is_judged(self, class_name: str | None) -> bool:
        """Tell whether the labels of this class, or of any, were judged: none flagged says nothing if not."""
        named = [c for c in self.document["classes"] if class_name in (None, c["name"])]
        return any(c["verdict"] != "not judged" for c in named)

    def _class(self, class_name: str) -> Json:
        return next(c for c in self.document["classes"] if c["name"] == class_name)


@contextmanager
def _say_damaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, OverflowError, ValueError) as error:
        raise DataError(
            f"The audit in {str(folder)!r} is damaged ({type(error).__name__}: {error}); run it again."
        ) from error


def _exact(value: float | None) -> Measure | None:
    """Return a stored figure as the fraction that its digits say; null is no figure."""
    return None if value is None else Measure(Fraction(repr(value)))


def differing(audit: AuditFigures, baseline: AuditFigures) -> Iterator[str]:
    """Yield which of "vectors" and "thresholds" two audits were not made alike with."""
    if audit.document["backbone"] != baseline.document["backbone"]:
        yield "vectors"
    if audit.document["thresholds"] != baseline.document["thresholds"]:
        yield "thresholds"
