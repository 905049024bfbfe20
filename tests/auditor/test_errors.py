"""An error is one line of bounded length, whatever it quotes."""

from __future__ import annotations

import pickle

import pytest

from auditor.errors import SENTENCE_CHARACTERS, AuditError, DataError, OutputError, UsageError, WeightsError


@pytest.mark.parametrize("kind", [AuditError, DataError, OutputError, UsageError, WeightsError])
def test_what_breaks_lines_or_steers_a_terminal_is_written_out(kind: type[AuditError]) -> None:
    error = kind("The file 'a\nb\x1b[31m\u2028\udcff\u202e.csv' is 日本 empty.")
    assert str(error) == r"The file 'a\nb\x1b[31m\u2028\udcff\u202e.csv' is 日本 empty."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_of_a_long_sentence_the_middle_is_left_out() -> None:
    said = str(DataError(f"There is no '{'x' * 5000}'; give a folder of class folders."))
    assert len(said) == SENTENCE_CHARACTERS
    assert said.startswith("There is no 'xxx") and said.endswith("xxx'; give a folder of class folders.")
    whole = "y" * SENTENCE_CHARACTERS
    assert str(DataError(whole)) == whole
