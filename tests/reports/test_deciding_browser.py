"""Deciding on the page in Chromium: opened from disk, offline; what is saved is what was decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import toy_audit

from auditor.controls import draw_controls
from auditor.decisions import Decision, DecisionFile, check_decisions, read_decisions
from auditor.results import Audit
from reports.options import PageOptions

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
CLASSES = ("bird", "cat", "dog", "eel")


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(160, CLASSES, seed=2)


def shown(tab: Any) -> str:
    """Id of the question in sight."""
    return str(tab.locator("#card").get_attribute("data-finding"))


def show(tab: Any, kind: str) -> None:
    tab.locator(f"#chips [data-kind={kind}]").click()


def answers(tab: Any) -> dict[str, str]:
    """Key of each answer in sight to its words."""
    script = "[...document.querySelectorAll('.answer')].map(b => [b.dataset.key, b.firstChild.textContent])"
    return dict(tab.evaluate(script))


def save(tab: Any, folder: Path, name: str = "Ann") -> DecisionFile:
    with tab.expect_download() as waiting:
        tab.click("#save")
        if tab.locator("#name-box").is_visible():
            tab.fill("#name-text", name)
            tab.keyboard.press("Enter")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return read_decisions(path)[0]


def load(tab: Any, path: Path) -> str:
    """Load a decisions file and return what the page says about it."""
    tab.evaluate("document.querySelector('#told').hidden = true")
    tab.set_input_files("#load-file", path)
    tab.wait_for_selector("#told:not([hidden])")
    return str(tab.locator("#told").inner_text())


def finding(audit: Audit, kind: str, place: int = 0) -> Any:
    return [f for f in audit.findings if f.kind == kind][place]


def test_ten_questions_by_keys_alone_and_the_file_says_what_was_decided(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    opened = open_page(audit)
    tab = opened.tab
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    by_id = {f.finding_id: f for f in audit.findings}
    expected: dict[tuple[str, str], tuple[str, str]] = {}
    tab.focus("#card")
    done = []
    for key in "KRXUKRXUKR":
        while key not in answers(tab):
            tab.keyboard.press("ArrowRight")
        asked = by_id[shown(tab)]
        tab.keyboard.press(key.lower())
        assert shown(tab) != asked.finding_id
        assert tab.evaluate("document.activeElement.id") == "card"
        word = {"K": "keep", "R": "relabel", "X": "drop", "U": "unsure"}[key]
        to = asked.suggested_label if key == "R" else ""
        for i in asked.ids:
            expected[(i, asked.kind)] = (word, to)
        done.append(asked)
    assert tab.locator("#done").inner_text() == "10"
    tab.keyboard.press("z")
    assert shown(tab) == done[-1].finding_id
    for i in done[-1].ids:
        del expected[(i, done[-1].kind)]
    assert tab.locator("#done").inner_text() == "9"

    file = save(tab, tmp_path)
    assert {(d.id, d.kind): (d.decision, d.to) for d in file.decisions} == expected
    assert all(d.given == label[d.id] for d in file.decisions)
    assert file.annotator == "Ann"
    check_decisions([file], audit)
    assert [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))] == []
    assert opened.errors == []


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


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("unreadable", {"X", "K"}),
        ("conflicting_duplicate", {"1", "2", "3", "4", "/", "K", "X", "U"}),
        ("leak", {"1", "2", "K", "U"}),
        ("mislabeled", {"K", "R", "/", "X", "U"}),
        ("ambiguous", {"K", "R", "/", "X", "U"}),
        ("off_topic", {"K", "X", "U"}),
        ("low_quality", {"K", "X", "U"}),
        ("duplicate", {"1", "2", "K"}),
    ],
)
def test_each_kind_asks_its_question_with_its_answers(
    kind: str, keys: set[str], open_page: Open, audit: Audit
) -> None:
    tab = open_page(audit).tab
    show(tab, kind)
    found = answers(tab)
    assert {key for key in found if "R" not in keys or not key.isdigit()} == keys
    assert tab.locator(".answer[aria-pressed=true]").count() == 0
    looks = tab.evaluate(
        "[...document.querySelectorAll('.answer-row .answer')].map(b => { const s = getComputedStyle(b);"
        "return [s.backgroundColor, s.color, s.borderColor, s.fontWeight].join() })"
    )
    assert len(set(looks)) == 1


@pytest.mark.parametrize(
    ("kind", "key", "rows"),
    [
        ("conflicting_duplicate", "1", [("keep", ""), ("drop", "")]),
        ("conflicting_duplicate", "2", [("keep", ""), ("relabel", "first")]),
        ("conflicting_duplicate", "3", [("drop", ""), ("keep", "")]),
        ("conflicting_duplicate", "k", [("keep", ""), ("keep", "")]),
        ("leak", "1", [("keep", ""), ("drop", "")]),
        ("leak", "2", [("drop", ""), ("keep", "")]),
        ("duplicate", "1", [("keep", ""), ("drop", "")]),
        ("duplicate", "2", [("drop", ""), ("keep", "")]),
    ],
)
def test_an_answer_about_copies_decides_each_of_them(
    kind: str, key: str, rows: list[tuple[str, str]], open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    tab = open_page(audit).tab
    show(tab, kind)
    tab.keyboard.press(key)
    asked = finding(audit, kind)
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    wanted = [(word, label[asked.ids[0]] if to else "") for word, to in rows]
    saved = {d.id: (d.decision, d.to) for d in save(tab, tmp_path).decisions if d.kind == kind}
    assert [saved[i] for i in asked.ids] == wanted


def test_another_class_is_found_by_typing(open_page: Open, tmp_path: Path) -> None:
    names = [f"class {i:04d}" for i in range(1000)]
    audit = toy_audit(1000, names, findings={"mislabeled": 3})
    tab = open_page(audit).tab
    asked = finding(audit, "mislabeled")
    while shown(tab) != asked.finding_id:
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("/")
    tab.keyboard.type("0777")
    assert tab.locator("#picker-list li").all_inner_texts() == ["class 0777"]
    tab.keyboard.press("Enter")
    (decision,) = save(tab, tmp_path).decisions
    assert (decision.id, decision.decision, decision.to) == (asked.ids[0], "relabel", "class 0777")
    tab.keyboard.press("/")
    tab.keyboard.press("Escape")
    assert not tab.locator("#picker").is_visible()
    assert tab.locator("#done").inner_text() == "1"


def test_a_choice_is_decided_at_once_and_taken_back_at_once(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    tab = open_page(audit).tab
    chosen = [f for f in audit.findings if f.kind == "mislabeled"]
    show(tab, "mislabeled")
    tab.click("#bulk-open")
    tab.get_by_role("button", name="Relabel each to its suggestion").click()
    saved = {(d.id, d.to) for d in save(tab, tmp_path).decisions}
    assert saved == {(i, f.suggested_label) for f in chosen for i in f.ids}
    tab.keyboard.press("z")
    assert tab.locator("#done").inner_text() == "0"

    tab.keyboard.press("Escape")
    flagged = {i for f in audit.findings for i in f.ids}
    order = [i for i in audit.map.ids if i in flagged]
    tab.evaluate("Bokeh.documents[0].get_model_by_name('flagged').selected.indices = [0, 1, 2, 3, 4, 5]")
    expected = {f.finding_id for f in audit.findings if set(f.ids) & set(order[:6])}
    tab.click("#bulk-open")
    tab.get_by_role("button", name="Keep as they are").click()
    assert tab.locator("#done").inner_text() == str(len(expected))


def test_a_hundred_decisions_can_be_undone(open_page: Open) -> None:
    audit = toy_audit(400, CLASSES, findings={"mislabeled": 130})
    tab = open_page(audit).tab
    for _ in range(120):
        tab.keyboard.press("k")
    assert tab.locator("#done").inner_text() == "120"
    for _ in range(120):
        tab.keyboard.press("z")
    assert tab.locator("#done").inner_text() == "0"


def test_keys_decide_nothing_while_text_is_typed(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    for field in ("#find-class", ".note"):
        tab.focus(field)
        tab.keyboard.type("kxu1?z/")
        assert tab.locator("#done").inner_text() == "0"
        assert not tab.locator("dialog[open]").count()
        tab.fill(field, "")


def test_open_only_and_order_leave_out_and_sort(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    show(tab, "mislabeled")
    tab.select_option("#order", "suspect")
    ids = tab.evaluate("[...document.querySelectorAll('#gallery .tile')].map(t => t.dataset.id)")
    assert ids == [f.ids[0] for f in audit.findings if f.kind == "mislabeled"]
    tab.focus("#card")
    tab.keyboard.press("k")
    assert tab.locator("#gallery .tile[data-decided]").count() == 1
    tab.check("#todo")
    assert tab.locator("#gallery .tile").count() == len(ids) - 1
    tab.keyboard.press("k")
    tab.keyboard.press("k")
    assert tab.locator("#gallery .tile").count() == len(ids) - 3
    tab.keyboard.press("z")
    assert tab.locator("#gallery .tile").count() == len(ids) - 2


def test_a_blind_page_shows_nothing_before_the_first_answer_and_keeps_both(
    open_page: Open, audit: Audit, tmp_path: Path
) -> None:
    controls = draw_controls(audit, 5, seed=0)
    pictured = replace(audit, thumbnails={**audit.thumbnails})
    tab = open_page(pictured, options=PageOptions(blind=True, controls=controls)).tab
    show(tab, "label_check")
    flagged = [f for f in audit.findings if f.kind in ("mislabeled", "ambiguous")]
    assert tab.locator("#gallery .tile").count() == len(flagged) + 5
    tiles = tab.locator("#gallery .tile .to").all_inner_texts()
    assert set(tiles) == {"Label to check"}
    reasons = {f.reason for f in flagged}
    text = tab.locator("#card").inner_text()
    assert not any(reason in text for reason in reasons)
    assert "Looks like" not in text and "R" not in answers(tab)

    asked = finding(audit, "mislabeled")
    tab.locator(f'#gallery .tile[data-id="{asked.ids[0]}"]').click()
    tab.keyboard.press("k")
    assert tab.locator("[data-test=reveal]").is_visible()
    assert asked.reason in tab.locator("#card").inner_text()
    tab.keyboard.press("r")
    (decision,) = save(tab, tmp_path).decisions
    assert (decision.kind, decision.decision, decision.to) == (
        "label_check", "relabel", asked.suggested_label,
    )  # fmt: skip
    assert (decision.first_decision, decision.first_to) == ("keep", "")
    assert decision.rank == 0


def test_nothing_on_a_blind_page_tells_controls_from_flagged_samples(open_page: Open, audit: Audit) -> None:
    controls = draw_controls(audit, 8, seed=0)
    tab = open_page(audit, options=PageOptions(blind=True, controls=controls)).tab
    show(tab, "label_check")
    shapes: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for tile in tab.locator("#gallery .tile").all():
        tile.click()
        words = tab.evaluate(
            "[...document.querySelectorAll('#card *')].filter(e => !e.closest('.definitions'))"
            ".map(e => e.tagName + '.' + e.className).join(' ')"
        )
        question = tab.locator("#question").inner_text().split()[0]
        shapes[tile.get_attribute("data-id") in controls].add((words, question))
    assert shapes[True] & shapes[False]
    assert len(shapes[True] | shapes[False]) == 1
    points = tab.evaluate("Bokeh.documents[0].get_model_by_name('flagged').data.x.length")
    flagged = {i for f in audit.findings for i in f.ids} | set(controls)
    assert points == len([i for i in audit.map.ids if i in flagged])


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
    tab.keyboard.press("z")
    second = save(tab, tmp_path, "Ben")
    assert (second.annotator, second.decisions) == ("Ben", first.decisions)


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


STATES = {
    "start": [],
    "decided": ["k", "k", "x"],
    "picker": ["/"],
    "help": ["?"],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(state: str, scheme: str, open_page: Open, audit: Audit) -> None:
    import axe_playwright_python

    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
    tab = open_page(audit, scheme=scheme).tab
    for key in STATES[state]:
        tab.keyboard.press(key)
    tab.evaluate(source)
    found = tab.evaluate("axe.run({exclude: [['#map']]})")
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_printing_shows_the_question_without_buttons_and_fits_the_paper(
    open_page: Open, audit: Audit
) -> None:
    tab = open_page(audit, size=(794, 1123)).tab
    tab.emulate_media(media="print")
    assert tab.locator("#card").is_visible()
    assert not tab.locator("#save").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 794
    assert tab.pdf(format="A4").startswith(b"%PDF")
