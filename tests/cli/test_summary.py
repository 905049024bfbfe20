"""The summary of a run stays readable with a hundred classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy import toy_audit

from auditor.results import Audit, ClassSeparation
from cli.summary import print_summary, summarise


def said(audit: Audit, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_summary(summarise(audit, Path("out/report.html")), as_json=False)
    return capsys.readouterr().out.splitlines()


def with_classes(known: list[ClassSeparation]) -> Audit:
    audit = toy_audit()
    return replace(audit, separation=replace(audit.separation, classes=tuple(known)))


def row(number: int, verdict: str, accuracy: float, mixed_with: tuple[str, ...] = ()) -> ClassSeparation:
    return ClassSeparation(f"class {number}", 10, accuracy, accuracy, 0.1, verdict, mixed_with)


def test_few_classes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    known = [row(0, "separated", 0.9), row(1, "separated", 0.8), row(2, "mixed", 0.5, ("class 1",))]
    lines = said(with_classes(known), capsys)
    assert "  separated   class 0; class 1" in lines
    assert "  mixed       class 2 (with class 1)" in lines


def test_of_many_classes_the_worst_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    others = tuple(f"class {n}" for n in range(5))
    known = [row(n, "separated", 0.9) for n in range(60)]
    known += [row(n, "mixed", 0.9 - n / 1000, others) for n in range(60, 100)]
    lines = said(with_classes(known), capsys)
    assert "  separated   60 classes" in lines
    mixed = next(line for line in lines if line.startswith("  mixed"))
    assert mixed.startswith(
        "  mixed       40 classes, the worst: class 99 (with class 0, class 1, class 2 and 2 more);"
    )
    assert mixed.count("class 9") == 10


def test_a_class_without_a_figure_counts_as_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    known = [row(n, "not judged", 0.5) for n in range(20)] + [row(20, "not judged", float("nan"))]
    assert "  not judged  21 classes, the worst: class 20; class 0;" in "\n".join(
        said(with_classes(known), capsys)
    )
