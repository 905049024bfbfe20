"""The JSON files of an audit folder, read and checked: a value of a wrong type stops here.

audit.json, findings.json  --read_json-->    the document, as `audit_model` and `findings_model` say
source.json                --read_source-->  {"root", ..}
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from auditor.documents import SCHEMA_VERSION
from auditor.errors import DataError
from auditor.faults import first_fault, short

_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes that may stand for half a character, which JSON allows and no file or terminal takes."""


def read_json(file: Path) -> Any:
    """Return the content of audit.json or findings.json, every value that is used checked.

    Raises
    ------
    DataError
        If it cannot be read, is no whole JSON document, is of another schema, or a value is not allowed.
    """
    from pydantic import ValidationError

    from auditor.audit_model import AuditDocument
    from auditor.findings_model import check_findings

    where, text = _where(file), _read(file)
    document = _parse(text, where)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema version {short(version)}, this auditor reads version {SCHEMA_VERSION}: run "
            "the audit again."
        )
    try:
        if file.name == "findings.json":
            check_findings(document)
        else:
            AuditDocument.model_validate(document)
        if _HALVES.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except ValidationError as error:
        raise DataError(f"{where} is damaged: {first_fault(error)} Run the audit again.") from error
    except (RecursionError, UnicodeEncodeError) as error:
        raise DataError(f"{where} holds what is no valid text ({error}): run the audit again.") from error
    return document


def read_source(file: Path) -> dict[str, Any]:
    """Return what source.json says about where the pictures lie: an object with a text as `root`.

    Raises
    ------
    DataError
        If it cannot be read or says anything else.
    """
    document = _parse(_read(file), _where(file))
    if not isinstance(document, dict) or not isinstance(document.get("root"), str):
        raise DataError(
            f"{_where(file)} is damaged, it names no root of the pictures: delete it or run the audit again."
        )
    return document


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{_where(file)} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{_where(file)} is damaged, no text in UTF-8: run the audit again.") from error


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged, no whole JSON ({error}): run the audit again.") from error


def _where(file: Path) -> str:
    return f"{file.name} in {str(file.parent)!r}"
