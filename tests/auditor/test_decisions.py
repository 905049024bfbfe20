"""Decisions survive the way to a file and back, faults are one sentence, and no copy absolves another."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from answers import decide, other_class, review
from toy import toy_audit

from auditor.arrays import as_ids
from auditor.decisions import (
    DECISION_KINDS,
    LABEL_CHECK,
    SCHEMA,
    SCHEMA_FILE,
    Decision,
    DecisionFile,
    check_decisions,
    json_schema,
    match_decisions,
    newest,
    parse_document,
    read_decisions,
    write_decisions,
)
from auditor.errors import DataError
from auditor.results import Audit
from auditor.review_files import read_reviews

HOSTILE = (
    "01", "None", "NA", "true", "__proto__", "constructor", "=1+1", "'=1+1", "''+x", "-", "@cmd", "\tx",
    "\rx", "a\nb", "a\rb", "a\r\nb", 'say "hi"', "a,b;c\td", "</script><img src=x onerror=alert(1)>",
    "{{7*7}}", "$$x$$", "../..", "\u202eabc", "\U0001f339", " lead and trail ", "x" * 300, "\u2028", "\x00",
    "\x1b[31m", "'", '"', "#", "\\n",
)  # fmt: skip
"""Names of classes, files and people as somebody may have chosen them."""


def hostile_file() -> DecisionFile:
    """Every hostile string in every place that holds text."""
    rows = tuple(
        Decision(
            id=text, digest=f"{n:064x}", kind=DECISION_KINDS[n % len(DECISION_KINDS)], decision="relabel",
            given=text, to=f"{text}!", note=text, time="2026-01-02T03:04:05Z", rank=n,
            first_decision="relabel", first_to=text,
        )
        for n, text in enumerate(HOSTILE)
    )  # fmt: skip
    return DecisionFile("x", "r-1", "f" * 64, "=ann\n\"'", "2026-01-02T03:04:05Z", rows)


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit()


@pytest.mark.parametrize("name", ["x.json", "x.csv", "X.CSV"])
def test_every_text_survives_the_round_trip(name: str, tmp_path: Path) -> None:
    written = replace(hostile_file(), name=name)
    write_decisions(written, tmp_path / name)
    assert read_decisions(tmp_path / name) == (written,)


@pytest.mark.parametrize("annotator", HOSTILE)
def test_every_annotator_survives_as_csv(annotator: str, tmp_path: Path) -> None:
    written = replace(hostile_file(), annotator=annotator, name="x.csv")
    write_decisions(written, tmp_path / "x.csv")
    assert read_decisions(tmp_path / "x.csv") == (written,)


def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path) -> None:
    write_decisions(hostile_file(), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_the_csv_of_several_annotators_comes_back_as_one_file_each(tmp_path: Path) -> None:
    ann, bo = (replace(hostile_file(), annotator=who, name="all.csv") for who in ("ann", "bo"))
    for file in (ann, bo):
        write_decisions(file, tmp_path / f"{file.annotator}.csv")
    head, *rows = (tmp_path / "ann.csv").read_bytes().split(b"\n", 1)
    more = (tmp_path / "bo.csv").read_bytes().split(b"\n", 1)[1]
    (tmp_path / "all.csv").write_bytes(head + b"\n" + rows[0] + more)
    assert read_decisions(tmp_path / "all.csv") == (ann, bo)


@pytest.mark.parametrize("name", ["x.json", "x.csv"])
def test_a_file_without_decisions_is_no_fault(name: str, tmp_path: Path) -> None:
    write_decisions(replace(hostile_file(), decisions=()), tmp_path / name)
    (found,) = read_decisions(tmp_path / name)
    assert found.decisions == ()


def test_a_csv_needs_only_what_says_who_decided_what(tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text(
        "dataset_fingerprint,annotator,id,digest,kind,decision,from,to\nf,ann,a.png,d,leak,drop,cat,\n"
    )
    (found,) = read_decisions(tmp_path / "short.csv")
    assert found == DecisionFile(
        "short.csv", "", "f", "ann", "", (Decision("a.png", "d", "leak", "drop", "cat"),)
    )


def test_reviews_are_read_in_the_order_given(tmp_path: Path) -> None:
    for who in ("ann", "bo"):
        write_decisions(replace(hostile_file(), annotator=who), tmp_path / f"{who}.json")
    found = read_reviews([tmp_path / "bo.json", tmp_path / "ann.json"])
    assert [file.annotator for file in found] == ["bo", "ann"]


def test_counts_say_how_many_of_each() -> None:
    rows = [Decision("a", "d", "leak", said, "cat") for said in ("keep", "drop", "drop")]
    file = replace(hostile_file(), decisions=tuple(rows))
    assert file.counts() == {"keep": 1, "relabel": 0, "drop": 2, "unsure": 0}


# --- The schema


def test_the_packaged_schema_is_the_models() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema()


def test_what_is_written_fits_the_schema(tmp_path: Path) -> None:
    write_decisions(hostile_file(), tmp_path / "x.json")
    document = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    validator.validate(document)
    assert document["counts"] == {"keep": 0, "relabel": len(HOSTILE), "drop": 0, "unsure": 0}


def document_of(**changes: Any) -> dict[str, Any]:
    """A document with one sound decision, changed."""
    row = {
        "id": "a.png", "digest": "d", "kind": "mislabeled", "decision": "relabel", "from": "cat", "to": "dog",
        "note": "", "t": "", "rank": 1,
    }  # fmt: skip
    about = {
        name: changes.pop(name) for name in list(changes) if name in ("schema", "annotator", "report_id")
    }
    row |= {name.rstrip("_"): value for name, value in changes.items()}
    base = {"schema": SCHEMA, "report_id": "r", "dataset_fingerprint": "f", "annotator": "ann"}
    return {**base, "exported_at": "", "counts": {}, **about, "decisions": [row]}


WRONG_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "wrong"}, "decisions[0].kind is 'wrong': Input should be "),
    ({"decision": "maybe"}, "decisions[0].decision is 'maybe': Input should be "),
    ({"id": ""}, "decisions[0].id is '': "),
    ({"id": 7}, "decisions[0].id is 7: Input should be a valid string."),
    ({"rank": -1}, "decisions[0].rank is -1: "),
    ({"rank": "1"}, "decisions[0].rank is '1': "),
    ({"from_": None}, "decisions[0].from is None: "),
    ({"first_decision": "perhaps"}, "decisions[0].first_decision is 'perhaps': "),
    ({"annotator": None}, "annotator is None: "),
    ({"report_id": ["x"]}, "report_id is ['x']: "),
]


@pytest.mark.parametrize(
    ("changes", "sentence"), WRONG_VALUES, ids=[s.split(":")[0] for _, s in WRONG_VALUES]
)
def test_a_wrong_value_is_refused_with_its_place(changes: dict[str, Any], sentence: str) -> None:
    document = document_of(**changes)
    with pytest.raises(DataError) as caught:
        parse_document(document, "mine.json")
    assert str(caught.value).startswith(f"mine.json: {sentence}")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"to": ""}, "a relabel needs another class in 'to'."),
        ({"to": "cat"}, "a relabel needs another class in 'to'."),
        ({"decision": "keep"}, "only a relabel has a class in 'to'."),
    ],
)
def test_a_target_belongs_to_a_relabel(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_document(document_of(**changes), "mine.json")
    assert str(caught.value).startswith("mine.json: decisions[0] is ")
    assert str(caught.value).endswith(sentence)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["id", "digest", "kind", "decision", "from"])
def test_a_missing_value_is_named(name: str) -> None:
    document = document_of()
    del document["decisions"][0][name]
    with pytest.raises(DataError, match=rf"^mine\.json: decisions\[0\]\.{name} is missing\.$"):
        parse_document(document, "mine.json")


@pytest.mark.parametrize(
    "name", ["report_id", "dataset_fingerprint", "annotator", "exported_at", "decisions"]
)
def test_a_missing_part_is_named(name: str) -> None:
    document = document_of()
    del document[name]
    with pytest.raises(DataError, match=rf"^mine\.json: {name} is missing\.$"):
        parse_document(document, "mine.json")


def test_what_later_versions_add_is_passed_over() -> None:
    document = document_of(colour="red")
    document["mood"] = "good"
    assert parse_document(document, "x").decisions[0].to == "dog"


# --- Files that cannot be read


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.json is no whole JSON document "),
        ('{"schema": "auditor.decisions/1", "decis', "x.json is no whole JSON document "),
        ("[" * 100_000, "x.json is no whole JSON document "),
        ("[]", "x.json is no decisions file: its schema is 'list', not 'auditor.decisions/1'."),
        ("{}", "x.json is no decisions file: its schema is None, not 'auditor.decisions/1'."),
        (
            '{"schema": "auditor.decisions/2"}',
            "x.json is no decisions file: its schema is 'auditor.decisions/2'",
        ),
    ],
    ids=["empty", "cut off", "deep", "list", "no schema", "later schema"],
)
def test_what_is_no_decisions_file_is_said(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError) as caught:
        read_decisions(tmp_path / "x.json")
    assert str(caught.value).startswith(sentence)


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    for field in ("id", "note"):
        (tmp_path / "x.json").write_text(json.dumps(document_of(**{field: "\ud800"})))
        with pytest.raises(DataError, match=r"^x\.json holds a character that is no valid text"):
            read_decisions(tmp_path / "x.json")


def test_times_are_checked_and_compared_in_utc(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(document_of(t="yesterday")))
    with pytest.raises(DataError, match=r"decisions\[0\]\.t is 'yesterday': it must be an ISO 8601 time"):
        read_decisions(tmp_path / "x.json")
    (tmp_path / "x.json").write_text(json.dumps(document_of(t="2026-01-01T11:30:00+02:00")))
    assert read_decisions(tmp_path / "x.json")[0].decisions[0].time == "2026-01-01T09:30:00Z"


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(DataError, match=r"^x\.json is no whole JSON document"):
        read_decisions(tmp_path / "x.json")


@pytest.mark.parametrize("name", ["none.json", "none.csv"])
def test_a_missing_file_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"^{name} cannot be read: No such file"):
        read_decisions(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.csv is empty."),
        ("id,label\na,b\n", "x.csv has no column "),
        ("{head}\nf,ann,a,d,leak,drop,cat,,x\n", "x.csv: decisions[0].rank is 'x', not a number."),
        ("{head}\nf,ann,a,d,leak,drop,cat,,\u00b2\n", "x.csv: decisions[0].rank is '\u00b2', not a number."),
        ("{head}\nf,ann,a,d,leak,lose,cat,,1\n", "x.csv: decisions[0].decision is 'lose': "),
        ("{head}\nf,ann,a,d,leak\n", "1 row of x.csv passed over, not 9 fields each"),
    ],
    ids=["empty", "other columns", "rank", "no digit", "decision", "cut off"],
)
def test_a_wrong_csv_is_said(text: str, sentence: str, tmp_path: Path) -> None:
    head = "dataset_fingerprint,annotator,id,digest,kind,decision,from,to,rank"
    (tmp_path / "x.csv").write_text(text.replace("{head}", head), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_decisions(tmp_path / "x.csv")
    assert str(caught.value).startswith(sentence)


# --- Decisions of another dataset


Change = Callable[[Audit, DecisionFile], DecisionFile]


def with_row(file: DecisionFile, **changes: Any) -> DecisionFile:
    return replace(file, decisions=(replace(file.decisions[0], **changes),))


REFUSED: dict[str, tuple[Change, str]] = {
    "other dataset": (
        lambda a, f: replace(f, fingerprint="e" * 64),
        "ann.json was made for another dataset (fingerprint eeeeeeeeeeee, not ffffffffffff): take the "
        "decisions of a page of this audit.",
    ),
    "unknown id": (
        lambda a, f: with_row(f, id="../../passwd"),
        "ann.json decides on '../../passwd', which is no sample of this audit.",
    ),
    "other picture": (
        lambda a, f: with_row(f, digest="0" * 64),
        "ann.json decides on {id!r}, which is no sample of this audit.",
    ),
    "other label": (
        lambda a, f: with_row(f, given="__proto__"),
        "ann.json says that {id!r} is labelled '__proto__'; it is {label!r}.",
    ),
    "unknown class": (
        lambda a, f: with_row(f, to="=1+1"),
        "ann.json relabels {id!r} to '=1+1', which is no class of this dataset.",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_decisions_that_do_not_belong_here_are_refused(fault: str, audit: Audit) -> None:
    sample = audit.findings[3].ids[0]
    row = decide(audit, sample, "mislabeled", "relabel", to=other_class(audit, sample))
    sound = review(audit, "ann", [row])
    check_decisions([sound], audit)
    change, sentence = REFUSED[fault]
    with pytest.raises(DataError) as caught:
        check_decisions([sound, change(audit, sound)], audit)
    assert str(caught.value) == sentence.format(id=sample, label=row.given)


def test_an_empty_file_of_another_dataset_does_no_harm(audit: Audit) -> None:
    check_decisions([replace(review(audit, "ann", []), fingerprint="")], audit)


# --- Which decision counts


def row_at(time: str, decision: str, sample: str = "a", kind: str = "leak") -> Decision:
    return Decision(sample, "d", kind, decision, "cat", time=time)


def file_of(annotator: str, *rows: Decision, name: str = "x.json") -> DecisionFile:
    return DecisionFile(name, "r", "f", annotator, "", rows)


def test_the_newest_of_each_annotator_counts() -> None:
    early, late = row_at("2026-01-01", "keep"), row_at("2026-01-02", "drop")
    for files in (
        [file_of("ann", early), file_of("ann", late)],
        [file_of("ann", late), file_of("ann", early)],
    ):
        assert [d for _, d in newest(files)] == [late]
    both = newest([file_of("ann", early), file_of("bo", late)])
    assert [(f.annotator, d) for f, d in both] == [("ann", early), ("bo", late)]


def test_questions_and_samples_are_apart() -> None:
    rows = (row_at("1", "keep"), row_at("0", "drop", kind="duplicate"), row_at("0", "drop", sample="b"))
    assert [d for _, d in newest([file_of("ann", *rows)])] == list(rows)


def test_of_two_at_one_time_the_later_file_counts() -> None:
    files = [file_of("ann", row_at("", "keep")), file_of("ann", row_at("", "drop"))]
    assert [d.decision for _, d in newest(files)] == ["drop"]


def test_unsigned_files_of_one_name_are_two_annotators_but_a_file_given_twice_is_one() -> None:
    one, two = file_of("", row_at("", "keep")), file_of("", row_at("", "drop"))
    found = [(f.annotator, d.decision) for f, d in newest([one, two, one])]
    assert found == [("x.json", "keep"), ("x.json (2)", "drop")]


# --- Matching to a dataset

PICTURE, OTHER = "1" * 64, "2" * 64


def matched(decisions: list[Decision], samples: list[tuple[str, str, str]]) -> list[int]:
    ids, digests, labels = (as_ids(column) for column in zip(*samples, strict=True))
    found = match_decisions(decisions, ids, digests, labels)
    assert found.dtype == np.int64
    return found.tolist()


def about(
    sample: str, digest: str = PICTURE, label: str = "rose", to: str = "", kind: str = "mislabeled"
) -> Decision:
    return Decision(sample, digest, kind, "relabel" if to else "keep", label, to)


def test_id_and_digest_match_whatever_the_label() -> None:
    assert matched([about("a")], [("b", PICTURE, "rose"), ("a", PICTURE, "tulip")]) == [1]


def test_a_moved_file_is_found_by_its_digest() -> None:
    samples = [("x", OTHER, "rose"), ("new/a", PICTURE, "tulip")]
    assert matched([about("a"), about("a", kind="low_quality")], samples) == [1, 1]


def test_another_picture_under_the_name_is_not_the_sample() -> None:
    assert matched([about("a")], [("a", OTHER, "rose")]) == [-1]
    assert matched([about("a")], [("a", OTHER, "rose"), ("b", PICTURE, "rose")]) == [1]


def test_what_does_not_decode_is_found_by_its_name_only() -> None:
    samples = [("a", "", "rose"), ("b", "", "rose")]
    assert matched([about("a", ""), about("c", "")], samples) == [0, -1]


@pytest.mark.parametrize(("label", "row"), [("rose", 0), ("tulip", 1), ("daisy", -1)])
def test_within_a_digest_the_label_decides(label: str, row: int) -> None:
    samples = [("new/1", PICTURE, "rose"), ("new/2", PICTURE, "tulip")]
    assert matched([about("old", label=label)], samples) == [row]


def test_two_moved_copies_of_one_label_are_unresolved() -> None:
    samples = [("new/1", PICTURE, "rose"), ("new/2", PICTURE, "rose")]
    assert matched([about("old")], samples) == [-1]
    assert matched([about("old"), about("older")], samples) == [-1, -1]


def test_two_copies_under_two_labels_find_their_own_rows_in_any_order() -> None:
    both = [about("r", label="rose"), about("t", label="tulip")]
    samples = [("new/r", PICTURE, "rose"), ("new/t", PICTURE, "tulip")]
    assert matched(both, samples) == [0, 1]
    assert matched(both[::-1], samples) == [1, 0]
    assert matched(both, samples[::-1]) == [1, 0]


@pytest.mark.parametrize("given", ["rose", "tulip"])
@pytest.mark.parametrize("asked", ["mislabeled", LABEL_CHECK, "conflicting_duplicate", "duplicate"])
def test_the_copy_that_was_not_decided_is_never_matched(given: str, asked: str) -> None:
    samples = [("rose.png", PICTURE, "rose"), ("tulip.png", PICTURE, "tulip")]
    (row,) = matched([about(f"{given}.png", label=given, kind=asked)], samples)
    assert samples[row][2] == given
    (moved,) = matched([about(f"gone/{given}.png", label=given, kind=asked)], samples)
    assert samples[moved][2] == given


def test_a_copy_that_went_leaves_the_other_to_its_own_decision() -> None:
    both = [about("rose.png", label="rose"), about("tulip.png", label="tulip")]
    assert matched(both, [("rose.png", PICTURE, "rose")]) == [0, -1]
    assert matched(both, [("new.png", PICTURE, "tulip")]) == [-1, 0]
    assert matched([about("rose.png", label="rose", to="daisy"), both[1]], [("new", PICTURE, "daisy")]) == [
        0,
        -1,
    ]


def test_a_row_matched_by_name_is_nobody_elses() -> None:
    samples = [("a", PICTURE, "rose")]
    assert matched([about("a"), about("b")], samples) == [0, -1]


def test_copies_relabelled_onto_each_other_are_unresolved_once_moved() -> None:
    crossed = [about("r", label="rose", to="tulip"), about("t", label="tulip", to="rose")]
    assert matched(crossed, [("new/1", PICTURE, "rose"), ("new/2", PICTURE, "tulip")]) == [-1, -1]


def test_matching_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    samples = [
        (f"s{i}", f"{rng.integers(25):064x}", "rose" if rng.random() < 0.5 else "tulip") for i in range(60)
    ]
    decisions = [
        about(f"{'moved/' if rng.random() < 0.6 else ''}{i}", d, label) for i, d, label in samples[::2]
    ]
    first = [samples[row][0] if row >= 0 else "" for row in matched(decisions, samples)]
    order = rng.permutation(60).tolist()
    turned = [samples[i] for i in order]
    assert [turned[row][0] if row >= 0 else "" for row in matched(decisions, turned)] == first
    assert len(set(first) - {""}) == sum(map(bool, first)) > 10
