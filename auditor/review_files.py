"""The files that annotators send back, of whatever form, as decisions.

    FILE ..  --read_reviews-->  DecisionFile ..     one for each annotator in a file, in the order given
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.decisions import DecisionFile, read_decisions


def read_reviews(paths: Sequence[Path]) -> tuple[DecisionFile, ...]:
    """Read the files that annotators sent back; one entry for each annotator in each file.

    Raises
    ------
    DataError
        If a file cannot be read or a value in it is not allowed; the sentence names the file and the place.
    """
    return tuple(file for path in paths for file in read_decisions(path))
