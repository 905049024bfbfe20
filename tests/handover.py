"""What the tests of the hand-over share: hostile names, originals on disk, what Label Studio sends back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from toy import toy_audit

from auditor.images import byte_digest
from auditor.results import Audit, as_ids

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    'name="x" toName="y"',
    "it's &amp; &#10;",
    "{{7*7}}",
    "$$x$$",
    "$image",
    "__proto__",
    "שלום",
    "\u202egnp.exe",
    "🐈‍⬛",
    "new\nline",
    "x" * 300,
    "=1+1",
    "a%0Ab",
    "50%AB",
    " two  blanks ",
    "\x00\x1f\x85\ufffe",
    "../..",
    "..",
    "drop",
    "unsure",
    "true",
    "01",
    "no_label",
    "_unlabeled",
)
"""Names of REPORT.md's list, and those that a config, a folder or a table could take for something else."""

ON_DISK = tuple(name.replace("\x00", "").replace("/", "⁄")[:100] for name in HOSTILE)
"""The same as names of files and folders."""

Answer = Mapping[str, str]


def hostile_audit() -> Audit:
    """Return an audit whose class names, file names and folder names are all hostile."""
    names = [f"{ON_DISK[n % 7]} {n % 3}/{ON_DISK[n % len(ON_DISK)]}.{n}.png" for n in range(120)]
    return toy_audit(120, classes=HOSTILE, names=names)


def on_disk(audit: Audit, root: Path) -> Audit:
    """Write an original for each flagged sample under `root`; return the audit of those files."""
    digests = dict.fromkeys(audit.dataset.ids, "")
    flagged = {i for finding in audit.findings for i in finding.ids}
    for number, (i, path) in enumerate(zip(audit.dataset.ids, audit.dataset.table["path"], strict=True)):
        if i in flagged:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(file, "PNG")
            digests[i] = byte_digest(file.read_bytes())
    facts = replace(audit.facts, byte_digest=as_ids([digests[i] for i in audit.facts.ids]))
    return replace(audit, dataset=replace(audit.dataset, root=root), facts=facts)


def annotation(answer: Answer, who: Any = 1, at: str = "2026-03-09T22:16:08.728378Z", **more: Any) -> Any:
    """Return an annotation as Label Studio exports it; `answer` is the text of each control."""
    kinds = {"note": ("textarea", "text")}
    result = []
    for control, text in answer.items():
        kind, key = kinds.get(control, ("choices", "choices"))
        region = {"id": "Dx_aB91ISN", "from_name": control, "to_name": "picture", "type": kind}
        result.append({**region, "origin": "manual", "value": {key: [text]}})
    return {
        "id": 1001,
        "completed_by": who,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-03-09T22:00:00.000000Z",
        "updated_at": at,
        "draft_created_at": None,
        "lead_time": 4.288,
        "parent_prediction": None,
        **more,
    }


def exported(tasks: Sequence[Any], annotate: Callable[[Any], list[Any]]) -> list[Any]:
    """Return the JSON export of a project with these tasks, each annotated by `annotate(data)`."""
    return [
        {
            "id": 7000 + number,
            "annotations": annotate(task["data"]),
            "file_upload": "3a1c-tasks.json",
            "drafts": [],
            "predictions": [8000 + number],
            "data": task["data"],
            "meta": {},
            "created_at": "2026-03-09T20:00:00.000000Z",
            "updated_at": "2026-03-09T22:16:08.746926Z",
            "inner_id": number + 1,
            "project": 83,
        }
        for number, task in enumerate(tasks)
    ]


def exported_min(tasks: Sequence[Any], annotate: Callable[[Any], list[Any]]) -> list[Any]:
    """Return the JSON-MIN export of the same project, as `label_studio_sdk.converter` 2.1 writes it.

    Cancelled annotations are left out, a single choice or text stands alone, a user is a number or an email.
    """
    records = []
    for task in exported(tasks, annotate):
        for found in task["annotations"]:
            if found["was_cancelled"]:
                continue
            who = found["completed_by"]
            answers = {r["from_name"]: (r["value"].get("choices") or r["value"]["text"])[0]
                       for r in found["result"]}  # fmt: skip
            about = {name: found[name] for name in ("created_at", "updated_at", "lead_time")}
            user = who["email"] if isinstance(who, dict) else who
            records.append({**task["data"], "id": task["id"], **answers, "annotator": user,
                            "annotation_id": found["id"], **about})  # fmt: skip
    return records
