"""The decisions file in Chromium: saved, loaded, refused, kept by the browser."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_driver import CLASSES, answers, finding, load, save
from toy import toy_audit

from auditor.decisions import Decision, DecisionFile, check_decisions, read_decisions, write_decisions
from auditor.results import Audit
from reports.options import PageOptions

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(160, CLASSES, seed=2)


def test_a_reload_and_a_loaded_file_restore_everything(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    tab = open_page(audit).tab
    for key in ("1", "k", "2", "k", "r", "x", "u", "1"):
        tab.keyboard.press(key)
    tab.locator(".note").fill('=note, "quoted"\nnot')
    tab.locator("#card").focus()
    tab.keyboard.press("k")
    first = save(tab, tmp_path)
    assert any(d.note for d in first.decisions)
    with tab.expect_download() as waiting:
        tab.click("#save-table")
    table = tmp_path / "table.csv"
    waiting.value.save_as(table)
    assert read_decisions(table)[0].decisions == first.decisions

    tab.wait_for_timeout(400)
    tab.reload()
    tab.wait_for_selector("#gallery .tile")
    assert save(tab, tmp_path).decisions == first.decisions

    for name in ("decisions-Ann.json", "table.csv"):
        fresh = open_page(audit).tab
        assert fresh.locator("#done").inner_text() == "0"
        assert "Loaded" in load(fresh, tmp_path / name)
        assert save(fresh, tmp_path / "again").decisions == first.decisions


def test_somebody_else_can_start_over_and_it_can_be_undone(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    tab = open_page(audit).tab
    tab.keyboard.press("k")
    tab.keyboard.press("k")
    first = save(tab, tmp_path)
    tab.keyboard.press("?")
    assert "“Ann”" in tab.locator("#whose").inner_text()
    tab.click("#start-over")
    assert tab.locator("#done").inner_text() == "0"
    tab.keyboard.press("k")
    second = save(tab, tmp_path / "ben", "Ben")
    assert second.annotator == "Ben"
    assert len(second.decisions) < len(first.decisions)
    tab.keyboard.press("z")
    tab.keyboard.press("z")
    again = save(tab, tmp_path / "again")
    assert (again.annotator, again.decisions) == ("Ann", first.decisions)


def test_decisions_of_others_are_shown_but_never_saved_as_ones_own(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    asked = [finding(audit, "mislabeled", n) for n in range(2)]
    files = tuple(
        DecisionFile(who, "r", audit.provenance.fingerprint, who, "", tuple(
            Decision(i, digest[i], f.kind, "drop", label[i], time="2026-01-01T00:00:00Z") for i in f.ids
        ))
        for who, f in zip(("Ann", "Ben"), asked, strict=True)
    )  # fmt: skip
    tab = open_page(audit, options=PageOptions(decisions=files)).tab
    assert tab.locator("#done").inner_text() == "2"
    assert save(tab, tmp_path, "Cleo").decisions == ()
    tab.keyboard.press("k")
    own = save(tab, tmp_path / "own").decisions
    assert own and not {d.id for d in own} & {i for f in asked for i in f.ids}

    write_decisions(files[0], tmp_path / "ann.json")
    other = open_page(audit).tab
    other.keyboard.press("k")
    mine = save(other, tmp_path / "mine", "Dan").decisions
    assert "Ann’s and not in the file" in load(other, tmp_path / "ann.json")
    assert save(other, tmp_path / "still").decisions == mine
    other.keyboard.press("z")
    assert other.locator("#done").inner_text() == "1"


def test_undoing_a_load_takes_back_all_of_it(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    tab = open_page(audit).tab
    tab.keyboard.press("k")
    tab.locator(".note").fill("mine")
    tab.locator("#card").focus()
    tab.keyboard.press("k")
    save(tab, tmp_path)
    others = frozenset(f.finding_id for f in audit.findings[4:])
    part = open_page(audit, options=PageOptions(only=others)).tab
    load(part, tmp_path / "decisions-Ann.json")
    part.locator("#card").focus()
    part.keyboard.press("z")
    part.keyboard.press("z")
    assert save(part, tmp_path / "after", "Ben").decisions == ()


def test_a_file_that_changes_nothing_can_be_undone(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    empty = DecisionFile("", "r", audit.provenance.fingerprint, "Ann", "", ())
    write_decisions(empty, tmp_path / "empty.json")
    opened = open_page(audit)
    assert "Loaded 0 decisions" in load(opened.tab, tmp_path / "empty.json")
    opened.tab.keyboard.press("z")
    assert opened.errors == []


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_saved_by_a_spreadsheet_is_read(
    delimiter: str, open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    tab = open_page(audit).tab
    tab.keyboard.press("k")
    first = save(tab, tmp_path)
    write_decisions(first, tmp_path / "plain.csv")
    rows = list(csv.reader((tmp_path / "plain.csv").read_text("utf-8").splitlines()))
    rows.append([""] * len(rows[0]))
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "table.csv").write_text("\ufeff" + text + "\r\n", encoding="utf-8", newline="")
    assert read_decisions(tmp_path / "table.csv")[0].decisions == first.decisions
    fresh = open_page(audit).tab
    load(fresh, tmp_path / "table.csv")
    assert save(fresh, tmp_path / "again").decisions == first.decisions


def test_a_note_survives_a_reload_without_a_decision(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    tab.locator(".note").fill("look again")
    tab.wait_for_timeout(400)
    tab.reload()
    tab.wait_for_selector("#gallery .tile")
    assert tab.locator(".note").input_value() == "look again"


def test_half_a_group_is_not_decided(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    asked = finding(audit, "duplicate")
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    i = asked.ids[0]
    row = Decision(i, digest[i], "duplicate", "drop", label[i], rank=1)
    half = DecisionFile("", "r", audit.provenance.fingerprint, "Ann", "", (row,))
    write_decisions(half, tmp_path / "half.json")
    tab = open_page(audit).tab
    load(tab, tmp_path / "half.json")
    assert tab.locator("#done").inner_text() == "0"
    assert save(tab, tmp_path / "again").decisions == (row,)


def broken(file: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**file, **changes})


def test_a_wrong_file_is_refused_in_one_sentence_and_changes_nothing(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    tab = open_page(audit).tab
    tab.keyboard.press("k")
    file = json.loads(json.dumps(vars(save(tab, tmp_path)), default=vars))
    good = json.loads((tmp_path / "decisions-Ann.json").read_text("utf-8"))
    assert file["annotator"] == "Ann"
    row = good["decisions"][0]
    cases = {
        "other.json": (broken(good, dataset_fingerprint="0" * 64), "another dataset"),
        "cut.json": (json.dumps(good)[:-40], "cut off"),
        "class.json": (
            broken(good, decisions=[{**row, "decision": "relabel", "to": "unicorn"}]), "unicorn",
        ),
        "sample.json": (broken(good, decisions=[{**row, "digest": "0"}]), "does not fit"),
        "word.json": (broken(good, decisions=[{**row, "decision": "maybe"}]), "maybe"),
        "else.json": ("[1, 2]", "no decisions file"),
        "cut.csv": ('id,digest,kind,decision,from,to\n"a', "cut off"),
        "else.csv": ("a,b\n1,2\n", "columns"),
    }  # fmt: skip
    for name, (text, words) in cases.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        told = load(tab, tmp_path / name)
        assert told.startswith(f"{name} cannot be loaded") and words in told
        assert told.endswith("Nothing was changed.")
        assert tab.locator("#done").inner_text() == "1"


def test_decisions_of_another_page_stay_in_the_file(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    asked = finding(audit, "mislabeled")
    tab = open_page(audit).tab
    tab.locator(f'#gallery .tile[data-id="{asked.ids[0]}"]').click()
    tab.keyboard.press("r")
    first = save(tab, tmp_path)
    others = frozenset(f.finding_id for f in audit.findings if f.finding_id != asked.finding_id)
    part = open_page(audit, options=PageOptions(only=others)).tab
    assert "another page" in load(part, tmp_path / "decisions-Ann.json")
    part.keyboard.press("k")
    both = save(part, tmp_path / "both")
    assert set(first.decisions) < set(both.decisions)


def test_a_page_starts_with_earlier_decisions(open_page: Open, audit: Audit) -> None:
    asked = finding(audit, "mislabeled")
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digest = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    i = asked.ids[0]
    made = Decision(i, digest[i], "mislabeled", "drop", label[i], time="2026-01-01T00:00:00Z")
    file = DecisionFile("a.json", "r", audit.provenance.fingerprint, "Ann", "", (made,))
    tab = open_page(audit, options=PageOptions(decisions=(file,))).tab
    assert tab.locator("#done").inner_text() == "1"
    assert tab.locator("#gallery .tile[data-decided]").get_attribute("data-id") == i


NO_STORAGE = (
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
)


def test_without_storage_the_page_says_so_and_works(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    opened = open_page(audit, before=NO_STORAGE)
    tab = opened.tab
    assert tab.locator("#not-kept").is_visible()
    tab.keyboard.press("k")
    assert len(save(tab, tmp_path).decisions) > 0
    assert opened.errors == []
    assert not open_page(audit).tab.locator("#not-kept").is_visible()


def test_leaving_with_unsaved_decisions_asks_once(open_page: Open, audit: Audit, tmp_path: Path) -> None:
    tab = open_page(audit).tab
    asks = "(() => { const e = new Event('beforeunload', {cancelable: true}); return !dispatchEvent(e) })()"
    assert tab.evaluate(asks) is False
    tab.keyboard.press("k")
    assert tab.evaluate(asks) is True
    assert tab.evaluate(asks) is False
    tab.keyboard.press("k")
    assert tab.evaluate(asks) is True
    tab.keyboard.press("k")
    save(tab, tmp_path)
    assert tab.evaluate(asks) is False


HOSTILE = (
    "</script><img src=x onerror=window.hacked=1>", '"><svg onload=window.hacked=1>', "{{7*7}}", "$$x$$",
    "__proto__", "constructor", "עברית", "😀", "line\nbreak", "=1+1", "'=1", "n" * 300, " blank ",
)  # fmt: skip


def test_hostile_names_survive_the_way_out_and_back(open_page: Open, tmp_path: Path) -> None:
    names = [f"{HOSTILE[i % len(HOSTILE)]}/{i}" for i in range(130)]
    audit = toy_audit(130, HOSTILE, seed=1, names=names)
    opened = open_page(audit)
    tab = opened.tab
    total = tab.locator("#gallery .tile").count()
    for _ in range(total):
        tab.keyboard.press("r" if "R" in answers(tab) else "1" if "1" in answers(tab) else "k")
    tab.click("#save")
    tab.fill("#name-text", HOSTILE[0])
    with tab.expect_download() as waiting:
        tab.keyboard.press("Enter")
    path = tmp_path / "saved.json"
    waiting.value.save_as(path)
    file = read_decisions(path)[0]
    assert file.annotator == HOSTILE[0][:80]
    check_decisions([file], audit)
    assert {d.id for d in file.decisions} == {i for f in audit.findings for i in f.ids}
    with tab.expect_download() as waiting:
        tab.click("#save-table")
    waiting.value.save_as(tmp_path / "saved.csv")
    assert read_decisions(tmp_path / "saved.csv")[0].decisions == file.decisions
    fresh = open_page(audit).tab
    load(fresh, tmp_path / "saved.csv")
    assert save(fresh, tmp_path / "again").decisions == file.decisions
    assert tab.evaluate("window.hacked") is None
    assert opened.errors == []
