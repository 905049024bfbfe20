"""What fuzzing, and reading for it, found in the readers of an audit folder: each fault as one plain case."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import one_sentence
from toy import toy_audit

from auditor.errors import UsageError
from auditor.gate import check_gate
from auditor.results import Audit
from auditor.settings import AuditSettings, settings_like
from auditor.storage import load, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(toy_audit(), tmp_path / "audit")
    return tmp_path / "audit"


def changed(folder: Path, name: str, place: str, value: Any) -> None:
    """Put a value into a JSON document; "classes.0.samples" names a part of a part."""
    document = json.loads((folder / name).read_text(encoding="utf-8"))
    *above, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    part = document
    for step in above:
        part = part[step]
    part[last] = value
    text = json.dumps(document).replace('"DEEP"', "[" * 100_000 + "]" * 100_000)
    (folder / name).write_text(text, encoding="utf-8")


DAMAGE: list[tuple[str, str, Any]] = [
    ("audit.json", "settings", "DEEP"),
    ("audit.json", "settings", None),
    ("audit.json", "dataset", []),
    ("audit.json", "dataset.name", "\ud800"),
    ("audit.json", "dataset.classes", 7),
    ("audit.json", "dataset.has_images", "yes"),
    ("audit.json", "dataset.samples", 61),
    ("audit.json", "dataset.descriptions", {"a": "b"}),
    ("audit.json", "backbone.dimensions", None),
    ("audit.json", "backbone.name", 3),
    ("audit.json", "thresholds.dark", "low"),
    ("audit.json", "thresholds.dark", float("nan")),
    ("audit.json", "thresholds", {"x" * 5000: 1.0}),
    ("audit.json", "neighbours", None),
    ("audit.json", "confusion.classes", 10**9),
    ("audit.json", "confusion.values", [[1]]),
    ("audit.json", "confident_joint.form", "cells"),
    ("audit.json", "classes.0.samples", -1),
    ("audit.json", "classes.0.mixed_with", 5),
    ("audit.json", "classes.0.name", "eel"),
    ("audit.json", "class_pairs.0.a", "eel"),
    ("audit.json", "label_errors.interval", [1]),
    ("audit.json", "review_plan", [{}]),
    ("audit.json", "probabilities.judged", [True]),
    ("audit.json", "map.trustworthiness", "high"),
    ("audit.json", "timings", {"embed": "long"}),
    ("audit.json", "warnings", "none"),
    ("audit.json", "counts.leak", {}),
    ("findings.json", "findings", "DEEP"),
    ("findings.json", "findings", {}),
    ("findings.json", "findings.0.kind", "x" * 5000),
    ("findings.json", "findings.0.ids", "abc"),
    ("findings.json", "findings.0.ids", ["no such sample"]),
    ("findings.json", "findings.0.score", float("nan")),
    ("findings.json", "findings.0.reason", None),
    ("findings.json", "findings.3.suggested_label", "eel"),
    ("findings.json", "findings.3.neighbours.0.similarity", None),
    ("source.json", "root", 5),
    ("source.json", "root", "DEEP"),
]


@pytest.mark.parametrize(
    ("name", "place", "value"), DAMAGE, ids=[f"{n} {p} {str(v)[:9]}" for n, p, v in DAMAGE]
)
def test_a_value_of_a_wrong_type_in_an_audit(name: str, place: str, value: Any, folder: Path) -> None:
    changed(folder, name, place, value)
    one_sentence(lambda: load(folder), folder.name)


def test_a_gate_reads_no_damaged_document(folder: Path) -> None:
    for place, value in (
        ("counts", None),
        ("classes", {}),
        ("separation.knn_accuracy", "x"),
        ("classes", []),
    ):
        save(toy_audit(), folder)
        changed(folder, "audit.json", place, value)
        one_sentence(lambda: check_gate(folder, ["knn_accuracy[cat]<0.5,mislabeled>0"]), "audit.json")
    save(toy_audit(), folder)
    changed(folder, "findings.json", "findings", "DEEP")
    one_sentence(lambda: check_gate(folder, ["mislabeled[cat]>0"]), "findings.json")


def test_what_an_earlier_audit_does_not_say_of_its_settings(folder: Path) -> None:
    assert settings_like(folder, AuditSettings()).layer == "pooled"
    changed(folder, "audit.json", "settings", {"features": "v.npy"})
    with pytest.raises(UsageError, match="give --features"):
        settings_like(folder, AuditSettings())


def test_an_audit_json_that_may_not_be_read_or_is_cut_in_a_character(folder: Path) -> None:
    (folder / "audit.json").write_bytes(b'{"schema_version": "\xc3')
    one_sentence(lambda: load(folder), "no text in UTF-8")


def rewritten(audit: Audit, folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Write one table or array of a saved audit anew."""
    file = folder / name
    if name.endswith(".npy"):
        np.save(file, change(np.load(file)))
    else:
        pq.write_table(change(pq.ParquetFile(file).read()), file)


def with_column(table: Any, name: str, values: Any) -> Any:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


SPOILED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a neighbour that is not there": ("neighbours.npy", lambda a: np.full_like(a, 9999)),
    "a neighbour before the first": ("neighbours.npy", lambda a: np.full_like(a, -2)),
    "rows of vectors named twice": (
        "samples.parquet",
        lambda t: with_column(t, "embedding_row", [0] * len(t)),
    ),
    "rows of vectors as texts": (
        "samples.parquet",
        lambda t: with_column(t, "embedding_row", ["0"] * len(t)),
    ),
    "labels as numbers": ("samples.parquet", lambda t: with_column(t, "label", [1] * len(t))),
    "an id that is missing": ("samples.parquet", lambda t: with_column(t, "path", [None] * len(t))),
    "a class that was never one": (
        "samples.parquet",
        lambda t: with_column(t, "suggested_label", ["x"] * len(t)),
    ),
    "details of other samples": ("details.parquet", lambda t: t.take(pa.array(range(len(t) - 1, -1, -1)))),
    "details of fewer samples": ("details.parquet", lambda t: t.slice(1)),
    "flags as texts": ("details.parquet", lambda t: with_column(t, "readable", ["x"] * len(t))),
    "a column twice": ("samples.parquet", lambda t: t.append_column("id", t.column("id"))),
    "lists": ("samples.parquet", lambda t: with_column(t, "width", [[1]] * len(t))),
    "pictures as texts": ("thumbnails.parquet", lambda t: with_column(t, "data", ["x"] * len(t))),
    "numbers of 64 bits": ("samples.parquet", lambda t: with_column(t, "width", [2**40] * len(t))),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_table_or_array_of_an_audit_that_does_not_fit(what: str, folder: Path) -> None:
    name, change = SPOILED[what]
    rewritten(load(folder), folder, name, change)
    one_sentence(lambda: load(folder), "is damaged")


def test_an_archive_in_place_of_an_array_of_an_audit(folder: Path) -> None:
    with zipfile.ZipFile(folder / "embeddings.npy", "w") as archive:
        archive.writestr("x.npy", b"no array")
    one_sentence(lambda: load(folder), "archive")
    (folder / "embeddings.npy").write_bytes(b"PK\x03\x04 cut off")
    one_sentence(lambda: load(folder), "archive")
