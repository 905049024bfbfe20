"""Annotators' decisions: the file that the page saves, checked on the way in, and matched to a dataset.

    decisions.json | .csv  --read_decisions-->  DecisionFile(annotator, fingerprint, decisions)
    decisions + ids, digests, labels  --match_decisions-->  row of each decision, -1 = unresolved

One decision is about one sample and one question (`kind`). Not decided is no decision: such rows are absent.
A page that hides what the audit thinks (``--blind``) asks about flagged labels and control samples under one
kind, `LABEL_CHECK`: neither the page nor its file tells which is which; the audit does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Ids
from auditor.errors import DataError
from auditor.faults import first_fault, short
from auditor.results import KINDS, Audit
from auditor.tables import csv_text

SCHEMA = "auditor.decisions/1"
LABEL_CHECK = "label_check"
"""Kind of a question on a blind page: is this label right? Asked of flagged samples and of controls alike."""
LABEL_KINDS: tuple[str, ...] = ("mislabeled", "ambiguous")
"""Kinds of findings that ask the same question as `LABEL_CHECK`."""
DECISION_KINDS: tuple[str, ...] = (*KINDS, LABEL_CHECK)
DECISIONS: tuple[str, ...] = ("keep", "relabel", "drop", "unsure")
RANK_DIGITS = 15
SCHEMA_FILE = Path(__file__).parent / "schemas" / "decisions-1.schema.json"

_ROW_FIELDS: tuple[str, ...] = (
    "id", "digest", "kind", "decision", "from", "to", "note", "t", "rank", "first_decision", "first_to",
)  # fmt: skip
_FILE_FIELDS: tuple[str, ...] = ("report_id", "dataset_fingerprint", "annotator", "exported_at")


@dataclass(frozen=True)
class Decision:
    """What one annotator decided about one sample.

    Attributes
    ----------
    id, digest : the sample; the digest of its pixels, "" when the file does not decode.
    kind : the question, one of `DECISION_KINDS`.
    decision : one of `DECISIONS`. "relabel" changes `given` to `to`; `to` is "" for the others.
    given : the label the sample had (``from`` in the file).
    time : when, ISO 8601 in UTC; "" when unknown.
    rank : place of the finding in its kind, 0 = none.
    first_decision, first_to : on a blind page the answer before the suggestion was shown, else "".
    """

    id: str
    digest: str
    kind: str
    decision: str
    given: str
    to: str = ""
    note: str = ""
    time: str = ""
    rank: int = 0
    first_decision: str = ""
    first_to: str = ""


@dataclass(frozen=True)
class DecisionFile:
    """One annotator's decisions; `name` is the file's name, for people."""

    name: str
    report_id: str
    fingerprint: str
    annotator: str
    exported_at: str
    decisions: tuple[Decision, ...]

    def counts(self) -> dict[str, int]:
        """Return the number of decisions of each sort."""
        found = Counter(d.decision for d in self.decisions)
        return {name: found[name] for name in DECISIONS}


def question_of(kind: str) -> str:
    """Return the question that a kind asks: `LABEL_CHECK` for all that ask whether the label is right."""
    return LABEL_CHECK if kind in LABEL_KINDS else kind


def read_decisions(path: Path) -> tuple[DecisionFile, ...]:
    """Read a decisions file, JSON or its CSV twin; one entry for each annotator in it.

    Raises
    ------
    DataError
        If the file cannot be read, is cut off, or a value in it is not allowed; the sentence names the place.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    return (parse_document(read_json(path), path.name),)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    DataError
        If it cannot be read or is no whole JSON document.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path.name} is no whole JSON document ({error}): save the decisions again and take that file."
        ) from error


def parse_document(document: Any, name: str) -> DecisionFile:
    """Return the decisions of a JSON document, every value checked."""
    from pydantic import ValidationError

    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise DataError(f"{name} is no decisions file: its schema is {short(found)}, not {SCHEMA!r}.")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{name} holds a character that is no valid text: {error.reason}.") from error
    except RecursionError as error:
        raise DataError(f"{name} is nested too deeply for a decisions file.") from error
    try:
        checked = _model().model_validate(document)
    except ValidationError as error:
        raise DataError(f"{name}: {first_fault(error)}") from error
    rows = checked.model_dump(by_alias=True)["decisions"]
    return DecisionFile(
        name, checked.report_id, checked.dataset_fingerprint, checked.annotator, checked.exported_at,
        tuple(_decision(row) for row in rows),
    )  # fmt: skip


def write_decisions(file: DecisionFile, path: Path) -> None:
    """Write a decisions file, as CSV where `path` ends with .csv, else as JSON."""
    rows = [decision_row(d) for d in file.decisions]
    values = (file.report_id, file.fingerprint, file.annotator, file.exported_at)
    about = dict(zip(_FILE_FIELDS, values, strict=True))
    if path.suffix.lower() == ".csv":
        frame = pd.DataFrame([{**about, **row} for row in rows], columns=[*_FILE_FIELDS, *_ROW_FIELDS])
        path.write_text(csv_text(frame), encoding="utf-8", newline="")
        return
    document = {"schema": SCHEMA, **about, "counts": file.counts(), "decisions": rows}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a decisions file; `SCHEMA_FILE` in the package holds the same."""
    schema: dict[str, Any] = _model().model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def match_decisions(decisions: Sequence[Decision], ids: Ids, digests: Ids, labels: Ids) -> NDArray[np.int64]:
    """Return the row (len(decisions),) of each decision's sample, -1 = unresolved.

    By id and digest; then by the digest where it is unique among the decided samples and in the dataset;
    then, within a digest, by label where that is unique on both sides: the label the sample had or the one it
    was given. The rest is unresolved: two copies under two labels share a digest, and a decision on one
    must never reach the other.
    """
    by_id = {(i, d): row for row, (i, d) in enumerate(zip(ids, digests, strict=True))}
    rows = np.array([by_id.get((d.id, d.digest), -1) for d in decisions], dtype=np.int64)
    left = [n for n in np.flatnonzero(rows < 0).tolist() if decisions[n].digest]
    taken = set(rows[rows >= 0].tolist())
    there: dict[str, list[int]] = {}
    wanted = {decisions[n].digest for n in left}
    for row, digest in enumerate(digests):
        if digest in wanted:
            there.setdefault(digest, []).append(row)
    about: dict[str, list[Decision]] = {}
    for d in decisions:
        about.setdefault(d.digest, []).append(d)
    for n in left:
        d = decisions[n]
        candidates = there.get(d.digest, [])
        if not (len(candidates) == 1 and len({x.id for x in about[d.digest]}) == 1):
            names = {d.given, d.to} - {""}
            same = {x.id for x in about[d.digest] if {x.given, x.to} & names}
            candidates = [row for row in candidates if labels[row] in names] if len(same) == 1 else []
        candidates = [row for row in candidates if row not in taken]
        if len(candidates) == 1:
            rows[n] = candidates[0]
    return rows


def check_decisions(files: Sequence[DecisionFile], audit: Audit) -> None:
    """Raise `DataError` unless every decision is about this very dataset: its samples, labels and classes."""
    mark = audit.provenance.fingerprint
    label_of = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest_of = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    classes = set(audit.dataset.classes)
    for file in files:
        if file.decisions and file.fingerprint != mark:
            raise DataError(
                f"{file.name} was made for another dataset (fingerprint {file.fingerprint[:12]}, not "
                f"{mark[:12]}): take the decisions of a page of this audit."
            )
        for d in file.decisions:
            if label_of.get(d.id) is None or digest_of[d.id] != d.digest:
                raise DataError(f"{file.name} decides on {short(d.id)}, which is no sample of this audit.")
            if label_of[d.id] != d.given:
                raise DataError(
                    f"{file.name} says that {d.id!r} is labelled {d.given!r}; it is {label_of[d.id]!r}."
                )
            unknown = next((c for c in (d.to, d.first_to) if c and c not in classes), None)
            if unknown is not None:
                raise DataError(
                    f"{file.name} relabels {d.id!r} to {unknown!r}, which is no class of this dataset."
                )


def newest(files: Iterable[DecisionFile]) -> list[tuple[DecisionFile, Decision]]:
    """Return the latest decision of each annotator about each (sample, kind), with its file, in file order.

    An annotator is a name; files without one count each as an annotator of their own, and come back signed
    with their file's name.
    """
    kept: dict[tuple[str, str, str], tuple[DecisionFile, Decision]] = {}
    for file in _sign(files):
        for d in file.decisions:
            key = (file.annotator, d.id, d.kind)
            if key not in kept or d.time >= kept[key][1].time:
                kept[key] = (file, d)
    return list(kept.values())


def _sign(files: Iterable[DecisionFile]) -> Iterator[DecisionFile]:
    """Yield the files with an annotator each: those without one are told apart, a file given twice is not."""
    unsigned: dict[str, list[DecisionFile]] = {}
    for file in files:
        if file.annotator:
            yield file
            continue
        namesakes = unsigned.setdefault(file.name, [])
        if file not in namesakes:
            namesakes.append(file)
        number = namesakes.index(file) + 1
        yield replace(file, annotator=file.name if number == 1 else f"{file.name} ({number})")


def _decision(row: dict[str, Any]) -> Decision:
    plain = {name: row[name] for name in _ROW_FIELDS if name not in ("from", "t")}
    return Decision(**plain, given=row["from"], time=row["t"])


def decision_row(d: Decision) -> dict[str, Any]:
    """Return a decision under the names it has in a file."""
    values = {**vars(d), "from": d.given, "t": d.time}
    return {name: values[name] for name in _ROW_FIELDS}


def _read_csv(path: Path) -> tuple[DecisionFile, ...]:
    from auditor.sources.tables import ColumnNames, read_table

    names = (*_FILE_FIELDS, *_ROW_FIELDS)
    needed = ("dataset_fingerprint", "annotator", "id", "digest", "kind", "decision", "from", "to")
    table, _ = read_table(path, ColumnNames({n: (n,) for n in names}, needed), every_row=True)
    table = table.reindex(columns=list(names), fill_value="")
    documents: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    records: list[dict[Any, Any]] = table.to_dict("records")
    for row in (row for row in records if any(row[name] for name in _ROW_FIELDS)):
        documents.setdefault(tuple(row[n] for n in _FILE_FIELDS), []).append({n: row[n] for n in _ROW_FIELDS})
    out = []
    for about, rows in (documents or {("",) * len(_FILE_FIELDS): []}).items():
        for number, row in enumerate(rows):
            rank = row["rank"] or "0"
            if not (rank.isascii() and rank.isdigit() and len(rank) <= RANK_DIGITS):
                raise DataError(f"{path.name}: decisions[{number}].rank is {short(rank)}, not a number.")
            row["rank"] = int(rank)
        head = dict(zip(_FILE_FIELDS, about, strict=True))
        out.append(parse_document({"schema": SCHEMA, **head, "counts": {}, "decisions": rows}, path.name))
    return tuple(out)


def _model() -> Any:
    """Return the pydantic model of a decisions file; built when first used, since pydantic takes its time."""
    from auditor.decision_model import DecisionDocument

    return DecisionDocument
