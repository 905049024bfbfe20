"""version.json: what tells a folder that `auditor clean` wrote from all others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = "auditor.version/1"
RECORD = "version.json"


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return version.json of the version in `folder`, None when it holds none."""
    try:
        document = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(document, dict) and document.get("schema") == SCHEMA
    return document if known and {"plan", "options", "pictures", "entries"} <= document.keys() else None
