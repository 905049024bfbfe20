"""Deciding on the page in Chromium: opened from disk, offline; what is saved is what was decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_driver import CLASSES, answers, finding, save, show, shown
from toy import toy_audit

from auditor.controls import draw_controls
from auditor.decisions import check_decisions
from auditor.results import Audit
from reports.options import PageOptions

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(160, CLASSES, seed=2)


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


def test_buttons_move_like_the_arrow_keys(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    first = shown(tab)
    tab.get_by_role("button", name="Next question").click()
    second = shown(tab)
    tab.keyboard.press("Enter")
    assert len({first, second, shown(tab)}) == 3
    tab.keyboard.press("ArrowLeft")
    tab.get_by_role("button", name="Previous question").click()
    assert shown(tab) == first


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
    tab = open_page(audit, options=PageOptions(blind=True, controls=controls)).tab
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
    tab.keyboard.press("z")
    tab.keyboard.press("z")
    tab.keyboard.press("x")
    (again,) = save(tab, tmp_path / "again").decisions
    assert (again.decision, again.first_decision) == ("drop", "keep")


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
