"""An optional classes.csv (class, description) beside a dataset: what counts as what, for annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from auditor.errors import AuditError
from auditor.sources.rows import Source
from auditor.sources.tables import ColumnNames, read_table

DESCRIPTIONS = "classes.csv"

_COLUMNS = ColumnNames(
    aliases={"class": ("class", "label", "name"), "description": ("description", "definition", "line")},
    required=("class", "description"),
)


def read_descriptions(folders: Sequence[Path], source: Source) -> Mapping[str, str]:
    """Return the description of each class from the first of `folders` that has a classes.csv.

    One that cannot be read is a note of `source`: the audit does not depend on it.
    """
    file = next((f / DESCRIPTIONS for f in folders if (f / DESCRIPTIONS).is_file()), None)
    if file is None:
        return {}
    try:
        table, _ = read_table(file, _COLUMNS)
    except AuditError as error:
        source.notes.append(f"No class descriptions: {error}")
        return {}
    pairs = zip(table["class"], table["description"].str.strip(), strict=True)
    return {name: line for name, line in pairs if name and line}
