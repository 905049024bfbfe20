"""Whatever became of the files of an audit folder, reading it gives an audit that holds, or one sentence."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import Fuzz, hold, spoiled, spoiled_json
from hypothesis import strategies as st
from toy import toy_audit

from auditor.documents import audit_document
from auditor.errors import AuditError
from auditor.gate import check_gate, gate_document
from auditor.gate_conditions import FIGURES, parse_conditions
from auditor.gate_figures import AuditFigures
from auditor.results import Audit, Probabilities, Reviewed
from auditor.settings import AuditSettings, settings_like
from auditor.storage import load, save
from auditor.user_arrays import read_features, read_ids
from reports import write_page

SENTENCE_CHARACTERS = 1500
DOCUMENTS = ("audit.json", "findings.json")
READ_BY_THE_GATE = (*DOCUMENTS, "samples.parquet")
SAVED_AGAIN = 8
"""Every so many audits that were read are saved and read once more."""
ARRAYS = ("embeddings.npy", "neighbours.npy", "similarities.npy", "probabilities.npy", "predictions.npy")
CONDITIONS = parse_conditions(
    [f"{name}>0" for name in FIGURES] + ["mislabeled[cat]>0", "knn_accuracy[dog]>0"]
)
TABLES = ("samples.parquet", "details.parquet", "thumbnails.parquet")


def full_audit() -> Audit:
    """A toy audit with everything that is optional too."""
    audit = toy_audit(24, findings={"mislabeled": 2, "duplicate": 1, "unreadable": 1, "ambiguous": 1})
    p = audit.probabilities
    reviewed = Reviewed(("ann.json",), ("0" * 64,), 3, 2, 1, 1, 1)
    return replace(
        audit,
        predictions=Probabilities(p.ids, p.values, np.ones_like(p.judged), "predictions"),
        provenance=replace(audit.provenance, reviewed=reviewed),
        label_errors=replace(audit.label_errors, estimate=0.1, interval=(0.05, 0.2)),
    )


class Folder:
    """A saved audit whose files are spoiled one at a time and put back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit"
        save(full_audit(), self.path)
        self.valid = {file.name: file.read_bytes() for file in self.path.iterdir()}
        self.reads = 0

    def hold(
        self, name: str, data: bytes | None, then: Callable[[Audit], object] = lambda audit: None
    ) -> None:
        """Read the folder with this content of one file (None: without it) by every reader there is."""
        file = self.path / name
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)
        try:
            self._read(then)
            if name in READ_BY_THE_GATE:
                self._ask()
        finally:
            file.write_bytes(self.valid[name])

    def _read(self, then: Callable[[Audit], object]) -> None:
        self.reads += 1
        with said():
            audit = load(self.path)
            audit_document(audit)
            assert len(audit.findings_frame()) >= len(audit.findings)
            if self.reads % SAVED_AGAIN == 0:
                once, twice = self._saved(audit), self._saved(self._saved(audit))
                assert [f.finding_id for f in once.findings] == [f.finding_id for f in audit.findings]
                assert once.findings == twice.findings  # digits beyond those that are written are lost once
                assert once.dataset.table.equals(audit.dataset.table)
            then(audit)

    def _saved(self, audit: Audit) -> Audit:
        save(audit, self.path.parent / "again")
        return load(self.path.parent / "again")

    def _ask(self) -> None:
        """Read what the gate and a rerun with the same settings read."""
        with said():
            figures = AuditFigures.read(self.path)
            for condition in CONDITIONS:
                with said():
                    figures.measure(condition)
            with said():
                figures.worst("mislabeled", "cat", 5)
        with said():
            gate_document(check_gate(self.path, [f"{name}>0" for name in FIGURES]))
        with said():
            settings_like(self.path, AuditSettings())


class said(suppress):  # noqa: N801 - reads as a word of the sentence that it starts
    """Take an `AuditError` of one sentence; anything else goes on."""

    def __init__(self) -> None:
        super().__init__(AuditError)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, AuditError):
            assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error), str(error)
        return super().__exit__(kind, error, trace)


@pytest.fixture
def audit(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_folder_that_is_spoiled_is_read_as_it_stands(audit: Folder) -> None:
    assert set(audit.valid) >= {*DOCUMENTS, *ARRAYS, *TABLES}
    assert load(audit.path).findings
    for name in FIGURES:
        check_gate(audit.path, [f"{name}>0"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_document_is_an_audit_or_one_sentence(fuzz: Fuzz, name: str, audit: Folder) -> None:
    data = spoiled_json([json.loads(audit.valid[name])], most=2) | spoiled([audit.valid[name]])
    fuzz("audits", lambda data: audit.hold(name, data), data=data)


def test_any_source_is_an_audit_or_one_sentence(fuzz: Fuzz, audit: Folder) -> None:
    def check(data: bytes) -> None:
        (audit.path / "source.json").write_bytes(data)
        with said():
            assert isinstance(load(audit.path).dataset.contents.place, str)

    valid = audit.valid["source.json"]
    fuzz("audits", check, data=spoiled_json([json.loads(valid)], most=2) | spoiled([valid]))


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def odd_arrays(valid: np.ndarray) -> list[bytes]:
    """What may lie where an array of numbers is expected."""
    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
    shapes = (b"99999999999, 99999999", b"-1, 4", b"3", b"2, 3, 4", b"", b"True, 2", b"1" * 70)
    archive = io.BytesIO()
    np.savez(archive, valid)
    arrays = [
        valid[:-1], valid.T, valid.astype(np.float64), valid.astype(np.float16), valid.astype(np.int64),
        valid.astype(complex), valid.astype(">f4"), valid.astype(str), valid.astype(object), valid * np.nan,
        valid * 0 + 7, valid - 3, valid[:, :0], valid[..., None], np.asfortranarray(valid), np.array(None),
        np.array([{}]), np.zeros(3, dtype="V0"), np.zeros(3, dtype=[("a", "f4")]), np.array("x"),
        np.zeros(()), np.array(["2020-01-01"], dtype="M8[D]"),
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        made = [npy(array) for array in arrays]
    made += [(header % shape).ljust(128) + b"\0" * 400 for shape in shapes]
    made += [archive.getvalue(), b"PK\x03\x04", pickle.dumps([1]), b"", b"\x93NUMPY"]
    made += [
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
        b"\x93NUMPY\x03\x00\x02\x00{}",
    ]
    made += [(header.replace(b"f4", b"U1") % b"3,").ljust(128) + b"\xff" * 12]
    kinds = (b"('<f4',)", b"()", b"[()]", b"'<M8[D/0]'")
    made += [(header.replace(b"'<f4'", kind) % b"3, 4").ljust(128) + b"\0" * 400 for kind in kinds]
    made += [b"\x93NUMPY\x01\x00\xff\x01" + (header % b"3, 4")[10:].ljust(511, b"\0")]
    made += [b"\x93NUMPY\x01\x00\x40\x00" + text.ljust(64) for text in (b"-" * 60, b"{'a'", b"'''", b"1L")]
    return made


def test_any_array_is_an_audit_or_one_sentence(fuzz: Fuzz, audit: Folder) -> None:
    odd = {name: odd_arrays(np.load(io.BytesIO(audit.valid[name]))) for name in ARRAYS}

    def check(name: str, spoil: st.DataObject) -> None:
        audit.hold(name, spoil.draw(spoiled([audit.valid[name], *odd[name]], most=2)))

    fuzz("audits", check, name=st.sampled_from(ARRAYS), spoil=st.data())


def test_every_odd_array_alone_is_an_audit_or_one_sentence(audit: Folder) -> None:
    for name in ARRAYS:
        for data in odd_arrays(np.load(io.BytesIO(audit.valid[name]))):
            audit.hold(name, data)


def test_any_file_of_vectors_is_an_array_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    odd = odd_arrays(np.arange(12, dtype=np.float32).reshape(4, 3))

    def check(data: bytes) -> None:
        (tmp_path / "v.npy").write_bytes(data)
        with said():
            assert read_features(tmp_path / "v.npy").ndim == 2
        with said():
            assert all(isinstance(i, str) for i in read_ids(tmp_path / "v.npy"))

    fuzz("audits", check, data=spoiled(odd))


ODD_COLUMNS: dict[str, Callable[[Any], Any]] = {
    "text": lambda column: pa.array(["x"] * len(column)),
    "number": lambda column: pa.array([2**40] * len(column), pa.int64()),
    "negative": lambda column: pa.array([-7] * len(column), pa.int32()),
    "float": lambda column: pa.array([1e300] * len(column)),
    "nan": lambda column: pa.array([float("nan")] * len(column), pa.float32()),
    "null": lambda column: pa.nulls(len(column)),
    "gap": lambda column: pa.array([None, *column.to_pylist()[1:]], column.type),
    "list": lambda column: pa.array([["x"]] * len(column)),
    "flag": lambda column: pa.array([True] * len(column)),
    "bytes": lambda column: pa.array([b"\xff"] * len(column)),
    "zero": lambda column: pa.array([0] * len(column), pa.int32()),
    "packed": lambda column: (
        column if column.null_count or pa.types.is_nested(column.type) else column.dictionary_encode()
    ),
}


@st.composite
def spoiled_table(draw: st.DrawFn, valid: bytes) -> bytes:
    """A table with some columns or rows gone, doubled, in another order, or of another type."""
    table = pq.read_table(io.BytesIO(valid))
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(table.column_names))
        n, at = len(table), table.column_names.index(name)
        what = draw(st.sampled_from(["drop", "double", "rows", "order", "first", *ODD_COLUMNS]))
        if what == "drop" and table.num_columns > 1:
            table = table.remove_column(at)
        elif what == "double":
            table = table.append_column(name, table.column(at))
        elif what == "rows":
            table = table.slice(draw(st.integers(0, 3)), draw(st.integers(0, n)))
        elif what == "order":
            table = table.take(pa.array(range(n - 1, -1, -1), pa.int64()))
        elif what == "first" and n:
            table = table.take(pa.array([0] * n, pa.int64()))
        elif what in ODD_COLUMNS and n:
            table = table.set_column(at, name, ODD_COLUMNS[what](table.column(at)))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_any_table_is_an_audit_or_one_sentence(fuzz: Fuzz, audit: Folder) -> None:
    def check(name: str, spoil: st.DataObject) -> None:
        valid = audit.valid[name]
        audit.hold(name, spoil.draw(spoiled_table(valid) | spoiled([valid])))

    fuzz("audits", check, name=st.sampled_from(TABLES), spoil=st.data())


def test_an_audit_without_one_of_its_files_is_one_sentence(audit: Folder) -> None:
    for name in audit.valid:
        audit.hold(name, None)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["audit.json", "findings.json"])
def test_what_was_read_from_any_document_can_be_shown(
    name: str, audit: Folder, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A value that the reader lets through must not stop the page. Fewer cases: a page takes its time."""
    valid = json.loads(audit.valid[name])

    def check(data: bytes) -> None:
        audit.hold(name, data, lambda found: write_page(found, tmp_path / "page.html"))

    data = spoiled_json([valid], most=2)
    hold(request, "pages", "audits, shown as pages", check, {"data": data})
