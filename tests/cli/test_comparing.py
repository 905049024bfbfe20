"""A folder is replaced only when this program wrote the comparison in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import OutputError
from cli.comparing import HEAD, KINDS, Output, is_comparison


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_known_again(tmp_path: Path, kind: str) -> None:
    document = {"schema_version": 1, "auditor_version": "0", "kind": kind, "rest": "x" * 2 * HEAD}
    (tmp_path / "comparison.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    assert is_comparison(tmp_path)
    with pytest.raises(OutputError, match="add --overwrite"):
        Output(tmp_path, False).check()
    Output(tmp_path, True).check()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"my notes",
        b"[1, 2]",
        b'["schema_version", 1]',
        b'{"kind": "domains"}',
        b'{"schema_version": 1}',
        b'{"schema_version": "1", "kind": "domains"}',
        b'{"schema_version": true, "kind": "domains"}',
        b'{"schema_version": 1, "kind": "prices"}',
        b'{"schema_version": 1, "kind": ["domains"]}',
        b'{"other": {"schema_version": 1, "kind": "domains"}}',
        b'{"schema_version" 1, "kind": "domains"}',
        b"\xff\xfe{",
        b"[" * HEAD,
        b'{"a": ' + b"[" * HEAD,
        b'{"a": ' + b"9" * HEAD,
    ],
    ids=range(17),
)
def test_what_is_not_ours_stays_where_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "comparison.json").write_bytes(content)
    assert not is_comparison(tmp_path)
    with pytest.raises(OutputError, match="holds no comparison"):
        Output(tmp_path, True).check()
    assert (tmp_path / "comparison.json").read_bytes() == content


def test_a_folder_of_that_name_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").mkdir()
    assert not is_comparison(tmp_path)
