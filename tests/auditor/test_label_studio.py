"""Label Studio: tasks and config are what it takes, hostile names come back unchanged, answers are read."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import jsonschema
import pytest
from handover import HOSTILE, annotation, exported, exported_min, hostile_audit
from toy import toy_audit

from auditor.contents import Folder
from auditor.decisions import DecisionFile, check_decisions
from auditor.errors import DataError, UsageError
from auditor.label_studio import (
    CONFIG_FILE,
    TASKS_FILE,
    decode_text,
    encode_text,
    image_address,
    labeling_config,
    make_tasks,
    write_label_studio,
)
from auditor.label_studio_reviews import read_export
from auditor.results import KINDS, Audit

TASKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "additionalProperties": False,
        "properties": {
            "data": {
                "type": "object",
                "required": ["image"],
                "properties": {"image": {"type": "string", "minLength": 1}},
            },
            "predictions": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["model_version", "score", "result"],
                    "additionalProperties": False,
                    "properties": {
                        "model_version": {"type": "string"},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                        "result": {"type": "array", "items": {"$ref": "#/$defs/region"}},
                    },
                },
            },
        },
    },
    "$defs": {
        "region": {
            "type": "object",
            "required": ["from_name", "to_name", "type", "value"],
            "additionalProperties": False,
            "properties": {
                "from_name": {"const": "chosen_class"},
                "to_name": {"const": "picture"},
                "type": {"const": "choices"},
                "value": {
                    "type": "object",
                    "required": ["choices"],
                    "additionalProperties": False,
                    "properties": {
                        "choices": {
                            "type": "array",
                            "items": {"type": "string"},
                            "minItems": 1,
                            "maxItems": 1,
                        }
                    },
                },
            },
        }
    },
}
"""What Label Studio says of imported tasks: https://labelstud.io/guide/tasks (basic JSON format),
https://labelstud.io/guide/predictions (from_name, to_name, type, value; score) and
https://labelstud.io/tags/choices (value.choices), written down for version 1.20 and SDK 2.1."""


@pytest.fixture(scope="module")
def audit() -> Audit:
    return hostile_audit()


@pytest.fixture(scope="module")
def tasks(audit: Audit) -> list[Any]:
    return make_tasks(audit)[0]


def choices(config: str, control: str) -> list[str]:
    """The values that Label Studio offers, read as an XML parser reads them."""
    root = ElementTree.fromstring(config)
    return [c.attrib["value"] for c in root.findall(f".//Choices[@name='{control}']/Choice")]


def test_every_text_comes_back() -> None:
    rng = random.Random(0)
    letters = "%%%%0AFa $é\n\u202e😀\x00" + "שx"
    texts = [*HOSTILE, "", " ", "%", "%%0A", "\ud800"]
    texts += ["".join(rng.choices(letters, k=rng.randrange(12))) for _ in range(4000)]
    coded = [encode_text(text) for text in texts]
    assert [decode_text(text) for text in coded] == texts
    assert len(set(coded)) == len(set(texts))
    assert all(all(c.isprintable() or c in "\u200c\u200d" for c in text) for text in coded)


@pytest.mark.parametrize("name", ["cat", "R&D", "100 % wool", "naïve café", "a/b", "<5 mm", "шапка 2", "9%"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert encode_text(name) == name


def test_tasks_are_what_label_studio_takes(audit: Audit, tasks: list[Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(tasks)), TASKS)
    offered = choices(labeling_config(audit.dataset.classes), "chosen_class")
    for task in tasks:
        for region in task["predictions"][0]["result"]:
            assert region["value"]["choices"][0] in offered


def test_config_is_well_formed_and_names_every_class_once(audit: Audit) -> None:
    config = labeling_config(audit.dataset.classes)
    root = ElementTree.fromstring(config)
    names = [tag.attrib["name"] for tag in root.iter() if "name" in tag.attrib]
    assert names == ["picture", "search", "chosen_class", "decision", "note"]
    assert {tag.attrib.get("toName") for tag in root.iter()} == {None, "picture", "chosen_class"}
    offered = choices(config, "chosen_class")
    assert [decode_text(value) for value in offered] == list(audit.dataset.classes)
    assert not any("$" in value for value in offered), "Label Studio would look for a field"
    assert choices(config, "decision") == ["drop", "unsure"]


def test_no_field_of_a_task_is_overwritten_on_the_way_back(tasks: list[Any]) -> None:
    """JSON-MIN puts the task's number, the answers and the annotation beside the fields of `data`."""
    taken = {"id", "chosen_class", "decision", "note", "annotator", "annotation_id", "agreement"}
    taken |= {"created_at", "updated_at", "lead_time"}
    assert not taken & set(tasks[0]["data"])


def test_one_task_a_sample_lowest_score_first() -> None:
    audit = toy_audit()
    tasks, left_out = make_tasks(audit)
    unreadable = {i for f in audit.findings if f.kind == "unreadable" for i in f.ids}
    flagged = {i for f in audit.findings for i in f.ids}
    assert left_out == len(unreadable) == 1
    assert sorted(t["data"]["sample_id"] for t in tasks) == sorted(flagged - unreadable)
    scores = [t["predictions"][0]["score"] for t in tasks]
    assert scores == sorted(scores) == [t["data"]["score"] for t in tasks]
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    assert all(t["data"]["digest"] == digest[t["data"]["sample_id"]] for t in tasks)


def test_members_of_a_group_stand_together_with_the_groups_reason() -> None:
    audit = toy_audit()
    group = next(f for f in audit.findings if f.kind == "conflicting_duplicate")
    tasks = make_tasks(audit, kinds=["conflicting_duplicate"])[0]
    assert [t["data"]["sample_id"] for t in tasks] == list(group.ids)
    assert {t["data"]["reason"] for t in tasks} == {group.reason}
    assert tasks[0]["predictions"][0]["result"] == [], "no suggestion, nothing preset"


def test_a_sample_of_two_findings_is_asked_once_and_answered_for_both() -> None:
    audit = toy_audit()
    wrong = next(f for f in audit.findings if f.kind == "mislabeled")
    poor = replace(next(f for f in audit.findings if f.kind == "low_quality"), ids=wrong.ids)
    audit = replace(audit, findings=(wrong, poor))
    (task,), _ = make_tasks(audit)
    assert task["data"]["kind"] == "mislabeled"
    assert [q["finding_id"] for q in task["data"]["questions"]] == [wrong.finding_id, poor.finding_id]
    assert task["data"]["reason"] == f"{wrong.reason} {poor.reason}"
    label = task["data"]["label"]
    assert task["data"]["question"] == (
        f"Labelled {label}, in train. Suggested: {wrong.suggested_label}. Which class is right? "
        "Is it good enough? Choose its class to keep it, or drop it."
    )
    (file,) = read_export(exported([task], lambda data: [annotation({"decision": "drop"})]), "export.json")
    assert [(d.id, d.kind, d.decision) for d in file.decisions] == [
        (wrong.ids[0], "mislabeled", "drop"),
        (wrong.ids[0], "low_quality", "drop"),
    ]


def test_files_are_written_whole(tmp_path: Path, audit: Audit, tasks: list[Any]) -> None:
    counts = write_label_studio(audit, tmp_path)
    assert json.loads((tmp_path / TASKS_FILE).read_text(encoding="utf-8")) == tasks
    assert (tmp_path / CONFIG_FILE).read_text(encoding="utf-8") == labeling_config(audit.dataset.classes)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert (counts.tasks, counts.left_out, counts.bytes) == (len(tasks), 1, size)


def test_label_studios_own_code_agrees(audit: Audit, tasks: list[Any], tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    from label_studio_sdk.converter import Converter

    config = labeling_config(audit.dataset.classes)
    label = interface.LabelInterface(config)
    label.validate()
    for task in tasks:
        assert label.validate_task({"data": task["data"]})
        assert label.validate_prediction(task["predictions"][0], return_errors=True) == []
    project = exported(tasks, answer_each(audit))
    (tmp_path / "export.json").write_text(json.dumps(project))
    Converter(config, project_dir=None).convert_to_json_min(
        str(tmp_path / "export.json"), str(tmp_path), is_dir=False
    )
    converted = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert read_export(converted, "x") == read_export(project, "x")


def answer_each(audit: Audit) -> Any:
    """Every fourth sample dropped, every fourth unsure, the others given each class in turn."""
    turn = iter(range(10**6))

    def annotate(data: Any) -> list[Any]:
        n = next(turn)
        if n % 4 > 1:
            return [annotation({"decision": ("drop", "unsure")[n % 4 - 2]})]
        return [annotation({"chosen_class": encode_text(audit.dataset.classes[n % len(HOSTILE)])})]

    return annotate


@pytest.mark.parametrize("form", [exported, exported_min])
@pytest.mark.parametrize("chosen", HOSTILE, ids=ascii)
def test_hostile_names_survive_the_round_trip(form: Any, chosen: str, audit: Audit, tasks: list[Any]) -> None:
    offered = choices(labeling_config(audit.dataset.classes), "chosen_class")
    value = offered[audit.dataset.classes.index(chosen)]
    sent = json.loads(json.dumps(form(tasks, lambda data: [annotation({"chosen_class": value})])))
    (file,) = read_export(sent, "export.json")
    label_of = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    assert len(file.decisions) == len(tasks)
    for d in file.decisions:
        expected = ("keep", "") if label_of[d.id] == chosen else ("relabel", chosen)
        assert (d.given, d.decision, d.to) == (label_of[d.id], *expected)
    check_decisions([file], audit)


def test_a_class_called_drop_is_a_class(audit: Audit, tasks: list[Any]) -> None:
    sent = exported(tasks[:1], lambda data: [annotation({"chosen_class": "drop"})])
    assert read_export(sent, "x")[0].decisions[0].decision in ("keep", "relabel")


def decided(*annotations: Any, task: Any = None) -> list[tuple[str, str, str]]:
    """Annotator, decision and class of what is read from one task with these annotations."""
    task = task or make_tasks(toy_audit(), kinds=["mislabeled"])[0][0]
    files = read_export(exported([task], lambda data: list(annotations)), "export.json")
    return [(file.annotator, d.decision, d.to) for file in files for d in file.decisions]


def test_what_counts_as_decided() -> None:
    task = make_tasks(toy_audit(), kinds=["mislabeled"])[0][0]
    given, other = task["data"]["label"], task["data"]["suggested_label"]
    who = "Label Studio user 1"
    assert decided() == [], "a prediction alone is no decision"
    assert decided(annotation({})) == decided(annotation({"note": "hm"})) == []
    assert decided(annotation({"chosen_class": other}, was_cancelled=True)) == []
    assert decided(annotation({"chosen_class": given})) == [(who, "keep", "")]
    assert decided(annotation({"chosen_class": other})) == [(who, "relabel", other)]
    assert decided(annotation({"chosen_class": other, "decision": "drop"})) == [(who, "drop", "")]
    assert decided(annotation({"chosen_class": given, "decision": "unsure"})) == [(who, "unsure", "")]


def test_the_latest_of_one_person_counts_whatever_the_order() -> None:
    first = annotation({"decision": "drop"}, at="2026-03-09T22:16:08Z")
    last = annotation({"decision": "unsure"}, at="2026-03-09T23:59:00+01:00")
    skipped = annotation({"decision": "drop"}, at="2026-03-10T00:00:00Z", was_cancelled=True)
    assert decided(first, last) == decided(last, first) == [("Label Studio user 1", "unsure", "")]
    assert decided(skipped, first) == []


def test_one_file_a_person() -> None:
    people = [3, {"id": 3, "email": "a@b.example"}, {"id": 4, "email": ""}, None]
    found = decided(*(annotation({"decision": "drop"}, who) for who in people))
    assert [name for name, *_ in found] == ["Label Studio user 3", "a@b.example", "Label Studio user 4", ""]


def test_what_a_decision_carries() -> None:
    audit = toy_audit()
    task = make_tasks(audit, kinds=["mislabeled"])[0][0]
    wrong = audit.findings[[f.finding_id for f in audit.findings].index(task["data"]["finding_id"])]
    answer = annotation({"decision": "drop", "note": "=1+1\nno dog"}, at="2026-03-09T23:16:08+01:00")
    (file,) = read_export(exported([task], lambda data: [answer]), "export.json")
    (d,) = file.decisions
    assert (file.name, file.report_id, file.fingerprint) == ("export.json", "toy-0001", "f" * 64)
    assert file.exported_at == d.time == "2026-03-09T22:16:08.000000Z"
    assert (d.id, d.kind, d.rank, d.note) == (wrong.ids[0], "mislabeled", wrong.rank, "=1+1\nno dog")
    check_decisions([file], audit)


def test_two_reports_in_one_project_stay_apart() -> None:
    tasks = make_tasks(toy_audit(), kinds=["mislabeled"])[0][:2]
    tasks[1]["data"]["report_id"] = "toy-0002"
    files = read_export(exported(tasks, lambda data: [annotation({"decision": "drop"})]), "export.json")
    assert [(f.report_id, len(f.decisions)) for f in files] == [("toy-0001", 1), ("toy-0002", 1)]


def test_nested_choices_and_added_controls_are_understood() -> None:
    nested = annotation({"decision": "drop"})
    nested["result"][0]["value"] = {"choices": [["drop"]]}
    assert decided(nested) == [("Label Studio user 1", "drop", "")]
    assert decided(annotation({"decision": "drop", "mood": "fine"})) == [("Label Studio user 1", "drop", "")]


def faulty(change: str) -> Any:
    task = make_tasks(toy_audit(), kinds=["mislabeled"])[0][0]
    sent: Any = exported([task], lambda data: [annotation({"decision": "drop"})])
    found = sent[0]["annotations"][0]
    if change == "no list":
        return {"images": [], "annotations": []}
    if change == "another tool's list":
        return [{"filename": "a.jpg", "regions": []}]
    if change == "list of words":
        return ["a", "b"]
    if change == "tasks before labelling":
        return [task]
    if change == "a task of somebody else":
        sent.append({"id": 9, "data": {"image": "x"}, "annotations": []})
    if change == "a field is gone":
        del sent[0]["data"]["digest"]
    if change == "no questions":
        sent[0]["data"]["questions"] = []
    if change == "unknown kind":
        sent[0]["data"]["questions"][0]["kind"] = "ugly"
    if change == "unknown decision":
        found["result"][0]["value"]["choices"] = ["burn"]
    if change == "two decisions":
        found["result"][0]["value"]["choices"] = ["drop", "unsure"]
    if change == "another config":
        found["result"][0]["from_name"] = "verdict"
    if change == "odd result":
        found["result"] = {"choices": "drop"}
    if change == "odd value":
        found["result"][0]["value"]["choices"] = [3]
    if change == "deep value":
        found["result"][0]["value"]["choices"] = [[[[[["drop"]]]]]]
    if change == "odd time":
        found["updated_at"] = "yesterday"
    if change == "odd person":
        found["completed_by"] = ["me"]
    if change == "odd annotations":
        sent[0]["annotations"] = {"result": []}
    if change == "not our text":
        sent[0]["data"]["label"] = "%FF"
    return sent


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no list", "is no export of Label Studio"),
        ("another tool's list", "holds no annotations"),
        ("list of words", "is no export of Label Studio"),
        ("tasks before labelling", "holds no annotations"),
        ("a task of somebody else", "task 9 was not made by auditor export"),
        ("a field is gone", "lacks 'digest'"),
        ("no questions", "lacks 'questions'"),
        ("unknown kind", "'ugly'"),
        ("unknown decision", "only drop and unsure"),
        ("two decisions", "both 'drop' and 'unsure'"),
        ("another config", "'verdict'"),
        ("odd result", "unknown form"),
        ("odd value", "unknown form"),
        ("deep value", "unknown form"),
        ("odd time", "'yesterday'"),
        ("odd person", "['me']"),
        ("odd annotations", "unknown form"),
        ("not our text", "'%FF'"),
    ],
)
def test_faults_are_one_sentence(change: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_export(faulty(change), "export.json")
    text = str(caught.value)
    assert said in text
    assert text.startswith("export.json")
    assert text.endswith(".")
    assert "\n" not in text


def test_a_class_that_the_dataset_lacks_is_refused_with_the_dataset() -> None:
    audit = toy_audit()
    tasks = make_tasks(audit, kinds=["mislabeled"])[0][:1]
    sent = exported(tasks, lambda data: [annotation({"chosen_class": "unicorn"})])
    with pytest.raises(DataError, match="'unicorn', which is no class of this dataset"):
        check_decisions(read_export(sent, "export.json"), audit)


def test_addresses_of_pictures(tmp_path: Path) -> None:
    assert (
        image_address("https://h/p/", Folder(tmp_path), "cat/a b&c#1?.png")
        == "https://h/p/cat/a%20b%26c%231%3F.png"
    )
    assert image_address("s3://bucket/", Folder(tmp_path), "cat/a b.png") == "s3://bucket/cat/a b.png"
    assert image_address("/d/", Folder(tmp_path), str(tmp_path / "cat" / "a.png")) == "/d/cat/a.png"
    (tmp_path / "caf%E9.png").touch()
    assert image_address("/d/", Folder(tmp_path), "caf%E9.png") == "/d/caf%25E9.png"
    (tmp_path / "caf%E9.png").rename(tmp_path / "caf\udce9.png")
    assert image_address("/d/", Folder(tmp_path), "caf%E9.png") == "/d/caf%E9.png", "the bytes on disk"


def test_every_address_leads_to_its_file(audit: Audit, tasks: list[Any]) -> None:
    path_of = dict(zip(audit.dataset.ids, audit.dataset.table["path"], strict=True))
    for task in tasks:
        address = task["data"]["image"]
        assert address.startswith("/data/local-files/?d=toy/")
        assert not set(address) & set("&#\"'<> \n")
        path = unquote_to_bytes(address.removeprefix("/data/local-files/?d=toy/")).decode()
        assert path == path_of[decode_text(task["data"]["sample_id"])]


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("https://host/photos", "https://host/photos/"),
        ("https://host/get?file=", "https://host/get?file="),
        ("/data/local-files/?d=", "/data/local-files/?d="),
        ("/data/local-files/?d=a/b", "/data/local-files/?d=a/b/"),
        ("s3://bucket/a b", "s3://bucket/a b/"),
    ],
)
def test_prefixes(prefix: str, address: str) -> None:
    task = make_tasks(toy_audit(), prefix, ["mislabeled"])[0][0]
    assert task["data"]["image"] == address + task["data"]["sample_id"]


@pytest.mark.parametrize("prefix", ["", "photos", "javascript:alert(1)", "https://a\nb/", "s3://"])
def test_no_prefix(prefix: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        make_tasks(toy_audit(), prefix)


def test_nothing_to_hand_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="vectors without pictures"):
        make_tasks(toy_audit(images=False))
    with pytest.raises(DataError, match="no flagged sample decodes"):
        write_label_studio(toy_audit(findings={"unreadable": 1}), tmp_path)
    with pytest.raises(DataError, match="flags no sample of these kinds"):
        write_label_studio(toy_audit(findings={"mislabeled": 1}), tmp_path, kinds=["leak"])
    assert list(tmp_path.iterdir()) == []


def test_many_classes_can_be_searched() -> None:
    def searched(classes: int) -> list[str]:
        root = ElementTree.fromstring(labeling_config([f"c{n}" for n in range(classes)]))
        return [field.attrib["toName"] for field in root.iter("Filter")]

    assert (searched(5), searched(200)) == ([], ["chosen_class"])


def test_every_kind_can_be_answered(tmp_path: Path) -> None:
    audit = toy_audit()
    sent = exported(make_tasks(audit)[0], lambda data: [annotation({"chosen_class": data["label"]})])
    (file,) = read_export(sent, "export.json")
    assert {d.kind for d in file.decisions} == set(KINDS) - {"unreadable"}
    assert isinstance(file, DecisionFile)
    assert {d.decision for d in file.decisions} == {"keep"}
    check_decisions([file], audit)
