"""An audit folder gives back what was put in, byte for byte, whatever the classes are called."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy import toy_audit

from auditor.errors import DataError
from auditor.results import KINDS, Audit, Probabilities
from auditor.storage import load, save

HOSTILE = ("01", "None", "NA", "true", "__proto__", "=1+1", "</script><img src=x>", "\u202eabc", "a\nb")
SAMPLE_COLUMNS = (
    "id, path, label, domain, split, group, readable, error, width, height, digest, embedding_row, "
    "label_quality, clarity, typicality, suggested_label, suggested_probability, "
    "duplicate_group, finding, map_x, map_y"
)
FINDING_COLUMNS = "finding_id, rank, kind, id, path, label, suggested_label, score, duplicate_group, reason"


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def with_predictions(audit: Audit) -> Audit:
    p = audit.probabilities
    return replace(audit, predictions=Probabilities(p.ids, p.values, np.ones_like(p.judged), "predictions"))


@pytest.mark.parametrize(
    "audit",
    [toy_audit(), toy_audit(classes=HOSTILE, n=90), toy_audit(images=False), with_predictions(toy_audit())],
    ids=["plain", "hostile", "features", "predictions"],
)
def test_save_load_save_gives_identical_files(audit: Audit, tmp_path: Path) -> None:
    save(audit, tmp_path / "a")
    save(load(tmp_path / "a"), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_how_the_neighbours_were_searched_comes_back(tmp_path: Path) -> None:
    audit = toy_audit()
    rough = replace(audit, neighbours=replace(audit.neighbours, method="some lists", recall=0.9625))
    for made in (audit, rough):
        save(made, tmp_path)
        back, wanted = load(tmp_path).neighbours, made.neighbours
        assert (back.method, back.recall) == (wanted.method, wanted.recall)
    said = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert said["neighbours"] == {"k": 10, "method": "some lists", "recall": 0.9625}
    del said["neighbours"]  # as in audits of earlier versions
    (tmp_path / "audit.json").write_text(json.dumps(said), encoding="utf-8")
    assert load(tmp_path).neighbours.method == "exact"


def test_every_array_comes_back(tmp_path: Path) -> None:
    audit = toy_audit(classes=HOSTILE, n=90)
    save(audit, tmp_path)
    back = load(tmp_path)
    parts = ("embeddings", "neighbours", "duplicates", "probabilities", "scores", "map", "facts")
    for part in parts:
        old, new = getattr(audit, part), getattr(back, part)
        for field in fields(old):
            if isinstance(getattr(old, field.name), np.ndarray) and field.name != "signature":
                np.testing.assert_array_equal(getattr(old, field.name), getattr(new, field.name))
    assert back.dataset.table.equals(audit.dataset.table)
    assert back.dataset.classes == audit.dataset.classes
    assert back.thumbnails == audit.thumbnails
    assert [f.ids for f in back.findings] == [f.ids for f in audit.findings]
    assert [f.evidence.members for f in back.findings] == [f.evidence.members for f in audit.findings]


def test_columns_and_strings_of_samples(tmp_path: Path) -> None:
    audit = toy_audit(classes=HOSTILE, n=90)
    save(audit, tmp_path)
    table = pq.read_table(tmp_path / "samples.parquet")
    assert ", ".join(table.column_names) == SAMPLE_COLUMNS
    assert table.column("label").to_pylist() == audit.dataset.table["label"].tolist()
    row = np.array(table.column("embedding_row"))
    ids = np.array(table.column("id").to_pylist(), dtype=object)
    assert (audit.embeddings.ids[row[row >= 0]] == ids[row >= 0]).all()
    assert (row < 0).sum() == len(audit.dataset) - len(audit.embeddings.ids) > 0
    assert table.column("label_quality").null_count == (row < 0).sum()


def test_finding_is_the_kind_of_highest_precedence(tmp_path: Path) -> None:
    audit = toy_audit()
    save(audit, tmp_path)
    table = pq.read_table(tmp_path / "samples.parquet").to_pandas()
    for i, kind in zip(table["id"], table["finding"], strict=True):
        kinds = [f.kind for f in audit.findings if i in f.ids]
        assert kind == min(kinds, key=KINDS.index, default="")


def test_findings_csv_is_neutralised(tmp_path: Path) -> None:
    audit = toy_audit(classes=HOSTILE, n=90)
    save(audit, tmp_path)
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert ", ".join(header) == FINDING_COLUMNS
    assert len(rows) == sum(len(f.ids) for f in audit.findings)
    cells = [cell for row in rows for i, cell in enumerate(row) if header[i] != "duplicate_group"]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(cell == "'=1+1" for cell in cells)


def test_document_is_strict_json_with_names_as_values(tmp_path: Path) -> None:
    audit = toy_audit(classes=HOSTILE, n=90)
    worse = replace(audit.separation, silhouette=float("nan"))
    save(replace(audit, separation=worse), tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["separation"]["silhouette"] is None
    assert [c["name"] for c in document["classes"]] == [c.name for c in audit.separation.classes]
    counts = {kind: part["findings"] for kind, part in document["counts"].items()}
    assert counts == {kind: sum(f.kind == kind for f in audit.findings) for kind in KINDS}

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    assert not keys(document) & set(HOSTILE)
    assert np.isnan(load(tmp_path).separation.silhouette)


def test_accuracy_of_predictions_by_class(tmp_path: Path) -> None:
    audit = with_predictions(toy_audit())
    save(audit, tmp_path)
    part = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))["predictions"]
    codes = audit.dataset.codes_of(audit.embeddings.ids)
    right = audit.probabilities.values.argmax(axis=1) == codes
    assert part["accuracy"] == pytest.approx(right.mean(), abs=1e-5)
    for code, entry in enumerate(part["classes"]):
        assert entry["accuracy"] == pytest.approx(right[codes == code].mean(), abs=1e-5)


def test_many_classes_are_written_as_cells(tmp_path: Path) -> None:
    audit = toy_audit(classes=[f"class {i:02d}" for i in range(60)], n=300)
    save(audit, tmp_path)
    document = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert document["confusion"]["form"] == "cells"
    np.testing.assert_array_equal(load(tmp_path).separation.confusion, audit.separation.confusion)


@pytest.mark.parametrize("damage", ["missing", "not json", "other schema", "half"])
def test_what_is_no_audit_is_said_in_one_sentence(damage: str, tmp_path: Path) -> None:
    save(toy_audit(), tmp_path)
    file = tmp_path / "audit.json"
    if damage == "missing":
        file.unlink()
    elif damage == "half":
        (tmp_path / "embeddings.npy").write_bytes(b"")
    else:
        file.write_text("{" if damage == "not json" else '{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
