"""Findings as tasks of Label Studio: a list to import and the labelling config that fits it.

    audit  --write_label_studio-->  tasks.json, labeling-config.xml

    task    {"data": {"image": address, "sample_id", "digest", "kind", "label", "suggested_label", "reason",
                      "score", "questions": [{"kind", "finding_id", "rank", "score", "reason"}, ..], ..},
             "predictions": [{"model_version", "score", "result": [{"from_name": "chosen_class", "to_name":
                              "picture", "type": "choices", "value": {"choices": [..]}}]}]}
    config  Image "picture"; Choices "chosen_class", every class; Choices "decision", drop or unsure;
            TextArea "note"

One task is one sample, whatever the number of findings that name it: `questions` lists them by precedence,
the first stands in the task's own fields too, and an answer counts for all. Tasks are sorted by score, lowest
first.

No field of `data` is called ``id`` or like a control: Label Studio's JSON-MIN export writes its own values
over them. Texts are written by `encode_text`, which leaves ordinary names as they are.

Formats: https://labelstud.io/guide/task_format, https://labelstud.io/guide/predictions and
https://labelstud.io/tags/choices.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from xml.etree import ElementTree

from auditor.contents import Addressed, Contents
from auditor.errors import DataError, UsageError
from auditor.results import Audit, Finding

TASKS_SCHEMA = "auditor.tasks/1"
TASKS_FILE, CONFIG_FILE = "tasks.json", "labeling-config.xml"
PICTURE, CLASS_CONTROL, DECISION_CONTROL, NOTE_CONTROL = "picture", "chosen_class", "decision", "note"
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio names a file under its LOCAL_FILES_DOCUMENT_ROOT."""

SEARCH_FROM = 15
"""Classes from which a field to search them stands above them."""
ASKED = {
    "conflicting_duplicate": "Which class is right? Drop a copy that is not needed.",
    "leak": "Does this copy stay where it is? Choose its class to keep it, or drop it.",
    "mislabeled": "Which class is right?",
    "ambiguous": "Which class is right?",
    "off_topic": "Does it belong into this dataset? Choose its class to keep it, or drop it.",
    "low_quality": "Is it good enough? Choose its class to keep it, or drop it.",
    "duplicate": "Is this copy needed? Choose its class to keep it, or drop it.",
}
"""What the annotator is asked about each kind; pictures that do not decode are never shown."""
_JOINERS = "\u200c\u200d"
"""Format characters that names in some scripts, and emoji, are spelled with."""
_BUCKETS = re.compile(r"(s3|gs|azure-blob|azure_blob)://")
"""Label Studio takes what follows as the object's key, letter by letter; other addresses are quoted."""


@dataclass(frozen=True)
class TaskCounts:
    """What was written: `tasks`, samples `left_out` because they do not decode, `bytes` of both files."""

    tasks: int
    left_out: int
    bytes: int


def write_label_studio(
    audit: Audit, folder: Path, image_prefix: str | None = None, kinds: Sequence[str] = ()
) -> TaskCounts:
    """Write the flagged samples as tasks, and the labelling config, into `folder`, which exists.

    Parameters
    ----------
    audit : whose findings; the dataset itself is not needed.
    folder : where `TASKS_FILE` and `CONFIG_FILE` are written.
    image_prefix : what stands before each path in a picture's address; see `image_address`. None is the
        folder of the dataset under Label Studio's local files, whose root is then that folder's parent.
    kinds : finding kinds to write; empty is all of them.

    Raises
    ------
    DataError
        If the audit is of vectors alone, or nothing is left to write.
    UsageError
        If `image_prefix` is no address.
    """
    tasks, left_out = make_tasks(audit, image_prefix, kinds)
    if not tasks:
        raise nothing_flagged(left_out)
    text = json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    (folder / TASKS_FILE).write_text(text, encoding="utf-8", newline="\n")
    (folder / CONFIG_FILE).write_text(labeling_config(audit.dataset.classes), encoding="utf-8", newline="\n")
    size = sum((folder / name).stat().st_size for name in (TASKS_FILE, CONFIG_FILE))
    return TaskCounts(len(tasks), left_out, size)


def make_tasks(
    audit: Audit, image_prefix: str | None = None, kinds: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], int]:
    """Return the tasks, lowest score first, and how many samples were left out as unreadable."""
    if not audit.facts.checked:
        raise DataError("This audit is of vectors without pictures: Label Studio would have nothing to show.")
    prefix = _checked_prefix(audit, image_prefix)
    readable = dict(zip(audit.facts.ids, audit.facts.readable.tolist(), strict=True))
    asked = questions_of(audit, kinds)
    shown = {i: findings for i, findings in asked.items() if readable[i]}
    # Stable: samples of one group stay together, and a tie is in the order of the findings.
    order = sorted(shown, key=lambda i: shown[i][0].score)
    row_of = {i: row for row, i in enumerate(audit.dataset.ids)}
    tasks = [_task(audit, row_of[i], shown[i], prefix) for i in order]
    return tasks, len(asked) - len(shown)


def questions_of(audit: Audit, kinds: Sequence[str] = ()) -> dict[str, list[Finding]]:
    """Return the findings that name each flagged sample, by precedence; of `kinds` only, if any are given."""
    asked: dict[str, list[Finding]] = {}
    for finding in audit.findings:
        if not kinds or finding.kind in kinds:
            for i in finding.ids:
                asked.setdefault(i, []).append(finding)
    return asked


def nothing_flagged(left_out: int) -> DataError:
    """Return the error that says why there is nothing to hand over."""
    why = "no flagged sample decodes" if left_out else "the audit flags no sample of these kinds"
    return DataError(f"There is nothing to hand over: {why}.")


def labeling_config(classes: Sequence[str]) -> str:
    """Return the labelling config as XML: the picture, one choice a class, drop or unsure, and a note."""
    view = ElementTree.Element("View")
    for text, size in (("$question", "4"), ("$reason", "5")):
        ElementTree.SubElement(view, "Header", value=text, size=size)
    ElementTree.SubElement(view, "Image", name=PICTURE, value="$image", zoom="true", maxHeight="50vh")
    if len(classes) >= SEARCH_FROM:
        search = {
            "name": "search",
            "toName": CLASS_CONTROL,
            "minlength": "0",
            "placeholder": "Search a class",
        }
        ElementTree.SubElement(view, "Filter", search)
    chosen = _choices(view, CLASS_CONTROL)
    for name in classes:
        ElementTree.SubElement(chosen, "Choice", value=encode_text(name))
    ElementTree.SubElement(view, "Header", value="Or no class: this counts before a class", size="5")
    decision = _choices(view, DECISION_CONTROL)
    for value, hint in (("drop", "Take the picture out of the dataset"), ("unsure", "Leave it to others")):
        ElementTree.SubElement(decision, "Choice", value=value, hint=hint)
    note = {
        "name": NOTE_CONTROL,
        "toName": PICTURE,
        "placeholder": "A note, if you like",
        "maxSubmissions": "1",
    }
    ElementTree.SubElement(view, "TextArea", note)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _choices(view: ElementTree.Element, name: str) -> ElementTree.Element:
    how = {"name": name, "toName": PICTURE, "choice": "single", "layout": "inline"}
    return ElementTree.SubElement(view, "Choices", how)


def _task(audit: Audit, row: int, findings: list[Finding], prefix: str) -> dict[str, Any]:
    sample, first = audit.dataset.table.iloc[row], findings[0]
    suggested = next((f.suggested_label for f in findings if f.suggested_label), "")
    about = {
        "sample_id": encode_text(sample["id"]),
        "digest": str(audit.facts.digest[row]),
        "label": encode_text(sample["label"]),
        "suggested_label": encode_text(suggested),
        "split": encode_text(sample["split"]),
        "domain": encode_text(sample["domain"]),
    }
    return {
        "data": {
            "schema": TASKS_SCHEMA,
            "image": image_address(prefix, audit.dataset.contents, sample["path"]),
            **about,
            "question": _asked(about, findings),
            **_question(first),
            "reason": encode_text(" ".join(f.reason for f in findings)),
            "questions": [_question(f) for f in findings],
            "dataset_fingerprint": audit.provenance.fingerprint,
            "report_id": audit.provenance.report_id,
        },
        "predictions": [
            {
                "model_version": f"auditor {audit.provenance.auditor_version}",
                "score": round(first.score, 6),
                "result": list(_results(suggested)),
            }
        ],
    }


def _asked(about: dict[str, str], findings: list[Finding]) -> str:
    """Return what stands above the picture: its label and place, the suggestion, a question for each kind."""
    place = ", ".join(filter(None, (about["split"], about["domain"])))
    said = [f"Labelled {about['label']}, in {place}." if place else f"Labelled {about['label']}."]
    if about["suggested_label"]:
        said.append(f"Suggested: {about['suggested_label']}.")
    return " ".join([*said, *dict.fromkeys(ASKED[f.kind] for f in findings)])


def _question(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "finding_id": finding.finding_id,
        "rank": finding.rank,
        "score": round(finding.score, 6),
        "reason": encode_text(finding.reason),
    }


def _results(suggested: str) -> Iterator[dict[str, Any]]:
    """The suggestion as Label Studio shows it; without one nothing, since a preset answer is an opinion."""
    if suggested:
        value = {"choices": [encode_text(suggested)]}
        yield {"from_name": CLASS_CONTROL, "to_name": PICTURE, "type": "choices", "value": value}


def image_address(prefix: str, contents: Contents, path: str) -> str:
    """Return the address of a picture: `prefix` and its path relative to the dataset's folder.

    The path is percent-encoded as the bytes it has on disk; after the scheme of a bucket it stays as it is.
    A path outside of it keeps all of its folders.
    """
    found = contents.file(path)
    if _BUCKETS.match(prefix):
        return encode_text(prefix + path)
    if found is None:
        return prefix + quote(path)
    name = os.path.relpath(found, contents.place)
    if os.path.isabs(path) and name.startswith(os.pardir):  # noqa: PTH117 - text, as `locate` gives it
        name = found.lstrip("/")
    return prefix + quote(os.fsencode(name.replace(os.sep, "/")))


def _checked_prefix(audit: Audit, prefix: str | None) -> str:
    if prefix is None:
        paths, contents = audit.dataset.table["path"], audit.dataset.contents
        if isinstance(contents, Addressed):
            return contents.address("")
        if len(paths) and contents.file(str(paths.iat[0])) is None:
            raise UsageError(
                f"The pictures lie in {contents.place!r}, where Label Studio cannot look: say with "
                "--image-prefix where it finds them, or use --to folder."
            )
        folder = audit.dataset.root.name
        return LOCAL_FILES + (f"{quote(os.fsencode(folder))}/" if folder else "")
    if not re.match(r"/|[A-Za-z][A-Za-z0-9+._-]*://.", prefix) or not prefix.isprintable():
        raise UsageError(
            f"The image prefix {prefix!r} is no address: use https://host/folder/, s3://bucket/folder/ or "
            f"{LOCAL_FILES}folder/."
        )
    return prefix if prefix.endswith(("/", "=")) else f"{prefix}/"


def encode_text(text: str) -> str:
    """Return `text` as XML, Label Studio and its database carry it unchanged; `decode_text` gives it back.

    Percent-encoded (UTF-8, two upper-case hex digits a byte) are: characters that do not print, among them
    all that XML cannot hold and those that turn the direction of writing; blanks at the ends or next to each
    other; ``$``, after which Label Studio looks for a field's name; and ``%`` before two such digits.
    """
    if text.isalnum():
        return text
    parts = []
    for place, character in enumerate(text):
        if character == " ":
            plain = 0 < place < len(text) - 1 and text[place - 1] != " "
        elif character == "%":
            plain = not re.fullmatch("[0-9A-F]{2}", text[place + 1 : place + 3])
        else:
            plain = character != "$" and (character.isprintable() or character in _JOINERS)
        parts.append(character if plain else _encoded(character))
    return "".join(parts)


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def decode_text(text: str) -> str:
    """Return the text that `encode_text` encoded.

    Raises
    ------
    UnicodeDecodeError
        If `text` was made otherwise.
    """
    return re.sub(
        "(?:%[0-9A-F]{2})+", lambda found: unquote_to_bytes(found[0]).decode("utf-8", "surrogatepass"), text
    )
