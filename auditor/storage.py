"""An `Audit` as a folder.

    audit.json          every number that the page shows (documents.py)
    findings.json       the findings with their evidence
    samples.parquet     one row per sample, in dataset order: the file to join with
    findings.csv        one row per finding and member, for people and spreadsheets
    embeddings.npy      (m, d) float32; `embedding_row` of samples.parquet says which row, -1 = none
    neighbours.npy, similarities.npy (m, k), probabilities.npy (m, c), predictions.npy (m, c) when given
    details.parquet     what samples.parquet has no column for: byte digests, hashes, quality, representatives
    thumbnails.parquet  id, width, height, data (WebP)
    source.json         where the pictures lie on this machine; without it, the current folder

The grey signatures that confirm near copies are not stored: they come back as zeros.
audit.json is written last, so a folder that has one is complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor import documents, tables
from auditor.arrays import Ids, Progress, no_progress, read_array
from auditor.audit_files import read_json, read_source
from auditor.documents import Json
from auditor.errors import DataError
from auditor.faults import short
from auditor.results import (
    TABLE_COLUMNS,
    Audit,
    Dataset,
    Duplicates,
    Embeddings,
    Finding,
    Map,
    Neighbours,
    Probabilities,
    Scores,
)
from auditor.sources.reopen import open_contents
from auditor.writing import save_array

AUDIT_FILES: tuple[str, ...] = (
    "audit.json",
    "findings.json",
    "samples.parquet",
    "findings.csv",
    "embeddings.npy",
    "neighbours.npy",
    "similarities.npy",
    "probabilities.npy",
    "predictions.npy",
    "details.parquet",
    "thumbnails.parquet",
    "source.json",
    "report.html",
)
"""Names that an audit folder may hold; everything else in it belongs to the user."""
_SHARES = {
    "samples.parquet": 12,
    "findings.csv": 10,
    "embeddings.npy": 10,
    "findings.json": 9,
    "details.parquet": 4,
}
"""What the slow files take of the time, of a million samples; the others 1."""


def is_audit(folder: Path) -> bool:
    """Tell whether `folder` holds a complete audit."""
    return (folder / "audit.json").is_file()


def save(audit: Audit, folder: Path, progress: Progress = no_progress) -> None:
    """Write `audit` into `folder`, which is made when missing; the page is written beside it by `reports`.

    `progress` is called with ("save", work done, work), in shares of the time that each file takes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    writers = _writers(audit)
    done, total = 0, sum(_SHARES.get(name, 1) for name in writers)
    progress("save", done, total)
    for name, write in writers.items():
        write(folder / name)
        done += _SHARES.get(name, 1)
        progress("save", done, total)


def _writers(audit: Audit) -> dict[str, Callable[[Path], None]]:
    """Return for each file of an audit folder what writes it, audit.json last."""
    arrays = {
        "embeddings.npy": audit.embeddings.vectors,
        "neighbours.npy": audit.neighbours.indices,
        "similarities.npy": audit.neighbours.similarities,
        "probabilities.npy": audit.probabilities.values,
    }
    if audit.predictions is not None:
        arrays["predictions.npy"] = audit.predictions.values
    # ASCII, because a folder's name need not be valid text.
    source = json.dumps(audit.dataset.contents.document()) + "\n"
    return {
        "samples.parquet": lambda file: tables.write_table(tables.samples_table(audit), file),
        "details.parquet": lambda file: tables.write_table(tables.details_table(audit), file),
        "thumbnails.parquet": lambda file: tables.write_table(
            tables.thumbnails_table(audit.thumbnails), file
        ),
        "findings.csv": lambda file: _write_text(tables.csv_text(audit.findings_frame()), file),
        **{name: partial(_write_array, values) for name, values in arrays.items()},
        "source.json": lambda file: _write_text(source, file),
        "findings.json": lambda file: documents.write_findings(audit.findings, file),
        "audit.json": lambda file: _write_json(documents.audit_document(audit), file),
    }


def _write_text(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8", newline="")


def _write_array(values: NDArray[Any], file: Path) -> None:
    with file.open("wb") as out:
        save_array(out, values)


def load(folder: Path) -> Audit:
    """Read the audit that `save` wrote; needs neither the dataset nor a model.

    Raises
    ------
    DataError
        When `folder` is no audit, is incomplete, or was written in another schema.
    """
    folder = Path(folder)
    document = read_document(folder)
    findings = documents.read_findings(read_json(folder / "findings.json"))
    try:
        return _assemble(folder, document, findings)
    except (DataError, OSError, OverflowError, ValueError) as error:
        said = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"The audit in {str(folder)!r} is damaged ({said}); run it again.") from error
    except MemoryError as error:
        raise DataError(f"The audit in {str(folder)!r} does not fit into memory.") from error


def read_document(folder: Path) -> Json:
    """Return audit.json of the audit in `folder`, checked to be of this schema."""
    file = Path(folder) / "audit.json"
    if not file.is_file():
        raise DataError(
            f"{str(folder)!r} is not an audit, it has no audit.json: name a folder that run wrote."
        )
    return read_json(file)  # type: ignore[no-any-return]


def _write_json(document: Json, file: Path) -> None:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def _assemble(folder: Path, document: Json, findings: tuple[Finding, ...]) -> Audit:
    samples, details = (
        tables.read_table(folder / "samples.parquet"),
        tables.read_table(folder / "details.parquet"),
    )
    dataset = _read_dataset(folder, samples, document["dataset"])
    if not np.array_equal(tables.texts_of(details, "id"), dataset.ids):
        raise DataError("samples.parquet and details.parquet name other samples")
    _check_names(findings, dataset)
    order = _embedded_rows(samples)
    inside = tables.EmbeddedColumns(samples, details, order)
    ids, joint = dataset.ids[order], documents.read_matrix(document["confident_joint"])
    suggested = pd.Index(dataset.classes).get_indexer(pd.Index(inside.texts("suggested_label")))
    near = read_array(folder / "neighbours.npy"), read_array(folder / "similarities.npy")
    vectors = read_array(folder / "embeddings.npy")
    return Audit(
        dataset=dataset,
        facts=tables.read_facts(samples, details, document["dataset"]["has_images"]),
        embeddings=Embeddings(ids, vectors, documents.read_backbone(document)),
        neighbours=Neighbours(ids, *near, inside.integers("searched_as"), **documents.read_search(document)),
        duplicates=Duplicates(
            ids,
            inside.integers("duplicate_group"),
            inside.integers("duplicate_of"),
            inside.flags("identical"),
        ),
        probabilities=_read_probabilities(folder / "probabilities.npy", ids, document["probabilities"]),
        scores=Scores(
            ids=ids,
            **{name: inside.figures(name) for name in ("label_quality", "clarity", "typicality")},
            neighbour_vote=inside.figures("neighbour_vote"),
            suggested=suggested.astype(np.int32),
            suggested_probability=inside.figures("suggested_probability"),
            confident_joint=joint,
        ),
        separation=documents.read_separation(document),
        findings=findings,
        map=_read_map(ids, inside, document["map"]),
        thresholds=documents.read_thresholds(document),
        label_errors=documents.read_label_errors(document),
        review_plan=documents.read_review_plan(document),
        provenance=documents.read_provenance(document),
        predictions=_read_predictions(folder, ids, document["predictions"]),
        thumbnails=tables.read_thumbnails(folder / "thumbnails.parquet"),
    )


def _embedded_rows(samples: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows (m,) of the samples that have a vector, in the order of the vectors."""
    row = tables.integers_of(samples, "embedding_row")
    order = np.flatnonzero(row >= 0)[np.argsort(row[row >= 0])]
    if (row[order] != np.arange(len(order))).any():
        raise DataError("the rows of its vectors are not each named once")
    return order


def _check_names(findings: tuple[Finding, ...], dataset: Dataset) -> None:
    """Raise `DataError` when a finding names a sample or a class that there is not."""
    ids, classes = set(dataset.ids), {*dataset.classes, ""}
    for f in findings:
        near = f.evidence.neighbours
        samples = {*f.ids, *(i for i, _, _ in near), *(i for i, _ in f.evidence.members)}
        named = {f.suggested_label, *(c for _, c, _ in near), *(c for c, _ in f.evidence.probabilities)}
        if not samples <= ids or not named <= classes:
            unknown = min(samples - ids or named - classes)
            raise DataError(f"the finding {short(f.finding_id)} names {short(unknown)}, which is not in it")


def _read_dataset(folder: Path, samples: pd.DataFrame, part: Json) -> Dataset:
    table = pd.DataFrame({name: tables.texts_of(samples, name) for name in TABLE_COLUMNS})
    if len(table) != part["samples"]:
        raise DataError(f"audit.json counts {part['samples']:,} samples, samples.parquet {len(table):,}")
    file = folder / "source.json"
    # People delete it before they pass an audit on; only what reads the pictures needs it.
    where = read_source(file) if file.exists() else {"root": ""}
    return Dataset(
        name=part["name"],
        root=Path(where["root"]),
        classes=tuple(part["classes"]),
        table=table,
        notes=tuple(part["notes"]),
        descriptions={d["name"]: d["text"] for d in part["descriptions"]},
        has_images=part["has_images"],
        held_by=open_contents(where) if "kind" in where else None,
    )


def _read_map(ids: Ids, inside: tables.EmbeddedColumns, part: Json) -> Map:
    positions = np.stack([inside.figures("map_x"), inside.figures("map_y")], axis=1)
    trust = part["trustworthiness"]
    return Map(ids, positions, part["method"], np.nan if trust is None else trust, part["trust_rows"])


def _read_probabilities(file: Path, ids: Ids, part: Json) -> Probabilities:
    return Probabilities(ids, read_array(file), np.array(part["judged"], dtype=bool), part["method"])


def _read_predictions(folder: Path, ids: Ids, part: Json | None) -> Probabilities | None:
    return None if part is None else _read_probabilities(folder / "predictions.npy", ids, part)
