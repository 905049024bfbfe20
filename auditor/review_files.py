"""The one front door for annotators' work, told apart by content.

auditor's decisions   JSON object with a schema      -+
their CSV twin        a table                         +-->  DecisionFile, one an annotator
Label Studio          JSON list of tasks             -+
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.decisions import DecisionFile, parse_document, read_decisions, read_json
from auditor.errors import DataError
from auditor.label_studio_reviews import read_export

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_reviews(paths: Sequence[Path]) -> tuple[DecisionFile, ...]:
    """Read files that annotators sent back, in their order; one entry for each annotator in each file.

    Raises
    ------
    DataError
        If a file cannot be read, is cut off, is neither form of a decisions file nor an export of Label
        Studio, or a value in it is not allowed.
    """
    return tuple(file for path in paths for file in _read(Path(path)))


def _read(path: Path) -> tuple[DecisionFile, ...]:
    start = _start(path)
    if start not in (b"{", b"["):
        if path.suffix.lower() == ".csv" and start:
            return read_decisions(path)
        found = "is empty" if not start else "is neither JSON nor a .csv"
        raise DataError(
            f"{path.name} {found}: give the decisions that the page saved (.json or .csv), or Label Studio's "
            "export as JSON or JSON-MIN."
        )
    document = read_json(path)
    if isinstance(document, list):
        return read_export(document, path.name)
    return (parse_document(document, path.name),)


def _start(path: Path) -> bytes:
    """Return the first byte that is no blank; b"" when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(4096).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}.") from error
