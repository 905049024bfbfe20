"""What annotators answered in Label Studio, as decisions.

    JSON      [{"id", "data": {..}, "annotations": [{"id", "completed_by", "result": [..], "was_cancelled",
                "created_at", "updated_at"}, ..], "predictions": [..]}, ..]
    JSON-MIN  [{.. data .., "id", "chosen_class": "cat", "decision": "drop", "annotator", "annotation_id",
                "created_at", "updated_at"}, ..]
        --read_export-->  one DecisionFile for each annotator

``completed_by`` is a user's number or an object with an email. Formats:
https://labelstud.io/guide/task_format and `label_studio_sdk.converter` (2.1), which writes JSON-MIN.

    answered                        decision
    decision "drop"                 drop, whatever the class: a suggestion may have preset that
    decision "unsure"               unsure, whatever the class
    the class that it has           keep
    another class                   relabel to it
    neither                         not decided
    cancelled (skipped)             not decided

Of several annotations of a sample by one person the latest counts, a skip too. A prediction is no decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auditor.decisions import SCHEMA, DecisionFile, parse_document
from auditor.errors import DataError
from auditor.faults import short
from auditor.label_studio import (
    CLASS_CONTROL,
    DECISION_CONTROL,
    NOTE_CONTROL,
    TASKS_SCHEMA,
    decode_text,
)

ANSWERS = (CLASS_CONTROL, DECISION_CONTROL, NOTE_CONTROL)
_TEXTS = ("sample_id", "digest", "label", "dataset_fingerprint", "report_id")


@dataclass(frozen=True)
class _Annotation:
    """One person's answers about one task: texts by control. `place` names the task in sentences."""

    place: str
    data: dict[str, Any]
    annotator: str
    time: str
    cancelled: bool
    answers: dict[str, list[str]]


def read_export(document: Any, name: str) -> tuple[DecisionFile, ...]:
    """Return the decisions in a parsed JSON or JSON-MIN export, a file for each annotator and report.

    Parameters
    ----------
    document : what the JSON file holds.
    name : the file's name, for sentences and as the name of what is returned.

    Raises
    ------
    DataError
        If it is another tool's, its tasks are not auditor's, or an answer is none that the config offers.
        That a class exists is for `auditor.decisions.check_decisions` to say, which knows the dataset.
    """
    latest: dict[tuple[str, str, str], dict[str, _Annotation]] = {}
    for found in _annotations(document, name):
        key = (found.annotator, found.data["report_id"], found.data["dataset_fingerprint"])
        mine = latest.setdefault(key, {})
        earlier = mine.get(found.data["sample_id"])
        if earlier is None or found.time >= earlier.time:
            mine[found.data["sample_id"]] = found
    return tuple(_file(key, list(mine.values()), name) for key, mine in latest.items())


def _file(key: tuple[str, str, str], annotations: list[_Annotation], name: str) -> DecisionFile:
    annotator, report_id, fingerprint = key
    document = {
        "schema": SCHEMA,
        "report_id": report_id,
        "dataset_fingerprint": fingerprint,
        "annotator": annotator,
        "exported_at": max(a.time for a in annotations),
        "decisions": [row for a in annotations for row in _rows(a)],
    }
    return parse_document(document, name)


def _annotations(document: Any, name: str) -> Iterator[_Annotation]:
    if not isinstance(document, list) or not all(isinstance(task, dict) for task in document):
        raise DataError(f"{name} is no export of Label Studio, which is a list of tasks: export as JSON.")
    if document and not any("annotations" in task or "annotation_id" in task for task in document):
        raise DataError(
            f"{name} holds no annotations: label its tasks in Label Studio, then export as JSON or JSON-MIN."
        )
    for number, task in enumerate(document):
        place = f"{name}: task {short(task.get('id', number))}"
        if isinstance(task.get("data"), dict):
            yield from _from_json(task, place)
        else:
            yield from _from_json_min(task, place)


def _from_json(task: dict[str, Any], place: str) -> Iterator[_Annotation]:
    data = _checked_data(task["data"], place)
    annotations = task.get("annotations", [])
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise DataError(f"{place} has annotations of an unknown form: export as JSON or JSON-MIN.")
    for found in annotations:
        yield _Annotation(
            place,
            data,
            _annotator(found.get("completed_by"), place),
            _time(found, place),
            bool(found.get("was_cancelled")),
            _answers(found.get("result"), place),
        )


def _from_json_min(task: dict[str, Any], place: str) -> Iterator[_Annotation]:
    data = _checked_data(task, place)
    if task.get("annotation_id") is None:  # a task that nobody has annotated yet
        return
    answers = {control: _texts(task[control], place) for control in ANSWERS if control in task}
    yield _Annotation(
        place, data, _annotator(task.get("annotator"), place), _time(task, place), False, answers
    )


def _checked_data(data: dict[str, Any], place: str) -> dict[str, Any]:
    if data.get("schema") != TASKS_SCHEMA:
        raise DataError(
            f"{place} was not made by auditor export: export a project that holds only the tasks it wrote."
        )
    asked = data.get("questions")
    listed = isinstance(asked, list) and asked and all(isinstance(q, dict) for q in asked)
    missing = [name for name in _TEXTS if not isinstance(data.get(name), str)]
    if missing or not listed:
        raise DataError(
            f"{place} lacks {(missing or ['questions'])[0]!r}, which auditor export wrote into it."
        )
    return data


def _annotator(who: Any, place: str) -> str:
    """Return a user's email, else their number in words; "" when Label Studio does not say."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    if who is None or who == "":
        return ""
    if isinstance(who, int):
        return f"Label Studio user {who}"
    if isinstance(who, str):
        return who
    raise DataError(f"{place} was annotated by {short(who)}, which is neither a user's number nor an email.")


def _time(annotation: dict[str, Any], place: str) -> str:
    """Return when it was last changed, ISO 8601 in UTC with microseconds: texts then compare like times."""
    said = annotation.get("updated_at") or annotation.get("created_at")
    if said is None:
        return ""
    try:
        moment = datetime.fromisoformat(said)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{place} was annotated at {short(said)}, which is no time in ISO 8601.") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _answers(result: Any, place: str) -> dict[str, list[str]]:
    """Return the texts that each of our controls holds; controls that somebody added are left alone."""
    answers: dict[str, list[str]] = {}
    for region in [] if result is None else _listed(result, place):
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            raise DataError(f"{place} has a result of an unknown form: export as JSON or JSON-MIN.")
        if region.get("from_name") in ANSWERS:
            answers.setdefault(region["from_name"], []).extend(_texts(region["value"], place))
        elif region.get("type") == "choices" and region["value"].get("choices"):
            answers.setdefault("", []).append(short(region.get("from_name")))
    others = answers.pop("", [])
    if others and not answers:
        raise DataError(
            f"{place} is answered under {others[0]}, not under {CLASS_CONTROL!r} or {DECISION_CONTROL!r}: "
            "label with the config that auditor export wrote."
        )
    return answers


def _texts(value: Any, place: str, depth: int = 4) -> list[str]:
    """Return the texts of a result's value: "a", ["a"], [["a"]], {"choices": ["a"]} or {"text": ["a"]}."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = value.get("choices", value.get("text", []))
    parts = _listed(value if depth else None, place)
    return [text for part in parts for text in _texts(part, place, depth - 1)]


def _listed(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{place} has an answer of an unknown form: export as JSON or JSON-MIN.")
    return value


def _rows(annotation: _Annotation) -> Iterator[dict[str, Any]]:
    """Yield the annotation's decision for each question that the task asks, as rows of a decisions file."""
    given = _decoded(annotation.data["label"], annotation.place)
    decision, to = _decide(annotation, given)
    if not decision:
        return
    about = {
        "id": _decoded(annotation.data["sample_id"], annotation.place),
        "digest": annotation.data["digest"],
        "decision": decision,
        "from": given,
        "to": to,
        "note": "\n".join(annotation.answers.get(NOTE_CONTROL, [])),
        "t": annotation.time,
    }
    for question in annotation.data["questions"]:
        yield {**about, "kind": question.get("kind"), "rank": question.get("rank", 0)}


def _decide(annotation: _Annotation, given: str) -> tuple[str, str]:
    """Return the decision and the new label; ("", "") when nothing was decided."""
    said = sorted(set(annotation.answers.get(DECISION_CONTROL, [])))
    chosen = sorted(set(annotation.answers.get(CLASS_CONTROL, [])))
    if annotation.cancelled or not (said or chosen):
        return "", ""
    if len(said or chosen) > 1:
        first, second = (said or chosen)[:2]
        raise DataError(
            f"{annotation.place} is answered with both {short(first)} and {short(second)}: choose one."
        )
    if said:
        if said[0] not in ("drop", "unsure"):
            raise DataError(
                f"{annotation.place} is decided {short(said[0])}: only drop and unsure are known."
            )
        return said[0], ""
    label = _decoded(chosen[0], annotation.place)
    return ("keep", "") if label == given else ("relabel", label)


def _decoded(text: str, place: str) -> str:
    try:
        return decode_text(text)
    except UnicodeError as error:
        raise DataError(f"{place} names {short(text)}, which auditor export did not write.") from error
