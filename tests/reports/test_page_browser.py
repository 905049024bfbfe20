"""The page in Chromium: opened from disk, offline."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Command
from hostile import HOSTILE
from toy import toy_audit

from auditor.results import Audit
from auditor.storage import load

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

SOURCE = "(name) => Bokeh.documents[0].get_model_by_name(name)"


@pytest.fixture(scope="module")
def audit() -> Audit:
    return toy_audit(160, seed=2)


def colours(tab: Any, source: str) -> list[int]:
    return list(tab.evaluate(f"Array.from(({SOURCE})('{source}').data.color)"))


def tiles(tab: Any) -> list[str]:
    return list(tab.evaluate("[...document.querySelectorAll('#gallery .tile')].map(t => t.dataset.id)"))


def test_the_page_asks_for_nothing_and_says_no_error(open_page: Open, audit: Audit) -> None:
    opened = open_page(audit)
    opened.tab.wait_for_timeout(300)
    assert [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))] == []
    assert sum(u.startswith("file:") for u in opened.requests) == 1
    assert opened.errors == []
    assert [line for line in opened.console if line.startswith(("error", "warning"))] == []


def test_code_from_text_is_blocked(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    # In a task of its own: what the debugger itself evaluates may use eval.
    attempt = "try { window.eval('1'); done('ran') } catch (error) { done(error.name) }"
    assert tab.evaluate(f"new Promise((done) => setTimeout(() => {{ {attempt} }}))") == "EvalError"
    late = (
        "const s = document.createElement('script'); s.textContent = 'window.x = 1'; document.head.append(s)"
    )
    tab.evaluate(f"{{ {late} }}")
    assert tab.evaluate("window.x") is None


def test_choosing_a_pair_greys_the_map_and_filters_the_gallery(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    before, all_tiles = colours(tab, "plain"), tiles(tab)
    pair = audit.separation.pairs[0]
    tab.locator("#pairs .pair > button").first.click()
    after = colours(tab, "plain")
    codes = tab.evaluate(f"Array.from(({SOURCE})('plain').data.code)")
    inside = {audit.dataset.classes.index(pair.a), audit.dataset.classes.index(pair.b)}
    assert all((a == b) == (code in inside) for a, b, code in zip(before, after, codes, strict=True))
    assert len({a for a, code in zip(after, codes, strict=True) if code not in inside}) == 1

    label = dict(zip(audit.dataset.table["id"], audit.dataset.table["label"], strict=True))
    expected = {
        f.ids[0]
        for f in audit.findings
        if {pair.a, pair.b} <= {*(label[i] for i in f.ids), f.suggested_label}
    }
    assert set(tiles(tab)) == expected
    assert 0 < len(expected) == pair.flagged < len(all_tiles)
    tab.keyboard.press("Escape")
    assert tiles(tab) == all_tiles
    assert colours(tab, "plain") == before


def test_points_chosen_on_the_map_filter_the_gallery(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    drawn = audit.map.ids.tolist()
    flagged = {i for f in audit.findings for i in f.ids}
    order = [i for i in drawn if i in flagged]
    tab.evaluate(f"({SOURCE})('flagged').selected.indices = [0, 2, 3]")
    chosen = {order[0], order[2], order[3]}
    assert set(tiles(tab)) == {f.ids[0] for f in audit.findings if chosen & set(f.ids)}
    assert "3 points on the map" in tab.locator("#status").inner_text()
    tab.get_by_role("button", name="Show all").click()
    assert len(tiles(tab)) == len(audit.findings)
    assert tab.evaluate(f"({SOURCE})('flagged').selected.indices.length") == 0


def test_a_lasso_drawn_with_the_mouse_chooses_points(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    box = tab.locator("#map").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=5)
    tab.mouse.up()
    tab.wait_for_selector("#status button")
    with_vector = set(audit.map.ids)
    assert set(tiles(tab)) == {f.ids[0] for f in audit.findings if set(f.ids) & with_vector}


def test_choosing_a_card_marks_its_points(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    tab.locator("#gallery .tile").nth(4).click()
    chosen = tab.locator("#gallery .tile").nth(4).get_attribute("data-id")
    focus = tab.evaluate(f"({SOURCE})('focus').data")
    place = tab.evaluate(
        f"(() => {{ const d = ({SOURCE})('flagged').data; return [Array.from(d.x), Array.from(d.y)] }})()"
    )
    flagged = {i for f in audit.findings for i in f.ids}
    row = [i for i in audit.map.ids if i in flagged].index(chosen)
    assert (focus["x"][0], focus["y"][0]) == (place[0][row], place[1][row])
    finding = next(f for f in audit.findings if f.ids[0] == chosen)
    assert tab.locator("#card").get_attribute("data-finding") == finding.finding_id
    assert finding.reason in tab.locator("#card").inner_text()


def test_finding_a_class_greys_the_rest(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    tab.fill("#find-class", "dog")
    codes = tab.evaluate(f"Array.from(({SOURCE})('plain').data.code)")
    dog = audit.dataset.classes.index("dog")
    other = {c for c, code in zip(colours(tab, "plain"), codes, strict=True) if code != dog}
    own = {c for c, code in zip(colours(tab, "plain"), codes, strict=True) if code == dog}
    assert len(own) == len(other) == 1
    assert own != other


RANDOM_FILTERS = """async (pictures) => {
  const expected = new Map(pictures);
  const all = (where) => document.querySelectorAll(where);
  let seed = 7;
  const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
  const click = (where) => { const list = all(where); list[random(list.length || 1)]?.click(); };
  const flagged = Bokeh.documents[0].get_model_by_name("flagged");
  const lasso = () => {
    const rows = Array.from({length: 1 + random(9)}, () => random(flagged.data.x.length));
    flagged.selected.indices = rows;
  };
  const key = () => new KeyboardEvent("keydown", {key: "Escape", bubbles: true});
  const escape = () => document.body.dispatchEvent(key());
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const sort = () => {
    const order = document.querySelector("#order");
    order.value = ["alike", "suspect"][random(2)];
    order.dispatchEvent(new Event("change"));
  };
  const actions = [lasso, escape, escape, sort, () => click("#chips button"), () => click("#todo"),
                   () => click("#pairs .pair > button"), () => click("#legend button"),
                   () => click("#gallery .tile"), () => press("k"), () => press("z")];
  let compared = 0;
  const sizes = new Set();
  for (let round = 0; round < 1000; round++) {
    actions[random(actions.length)]();
    await Promise.resolve();
    const list = all("#gallery .tile");
    sizes.add(list.length);
    for (const tile of list) {
      const image = tile.querySelector("img[src]");
      if (!image) continue;
      if (image.src.split(",")[1] !== expected.get(tile.dataset.id)) return `${tile.dataset.id} in ${round}`;
      compared++;
    }
  }
  return [compared, sizes.size];
}"""


def test_a_picture_always_belongs_to_its_sample(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    pictures = [[i, base64.b64encode(t.data).decode()] for i, t in audit.thumbnails.items()]
    compared, sizes = tab.evaluate(RANDOM_FILTERS, pictures)
    assert compared > 1500
    assert sizes > 4


def test_hostile_names_run_nothing_and_show_literally(open_page: Open) -> None:
    names = [f"{HOSTILE[i % len(HOSTILE)]}/{i}" for i in range(110)]
    audit = toy_audit(110, HOSTILE, seed=1, names=names)
    named = replace(audit, dataset=replace(audit.dataset, name=HOSTILE[0]))
    opened = open_page(named)
    tab = opened.tab
    for opener in tab.locator("#class-table .opener").all():
        opener.click()
    for tile in range(tab.locator("#gallery .tile").count()):
        tab.locator("#gallery .tile").nth(tile).click()
    tab.locator("#pairs .pair > button").first.click()
    assert tab.evaluate("window.hacked") is None
    assert (
        tab.evaluate("document.querySelectorAll('img:not([data-sample]):not([alt]), svg[onload]').length")
        == 0
    )
    assert opened.errors == []
    assert tab.title() == f"{HOSTILE[0]}: audit"
    shown = tab.evaluate("[...document.querySelectorAll('#class-table .name')].map(e => e.textContent)")
    assert set(HOSTILE) <= set(shown)
    legend = tab.evaluate("[...document.querySelectorAll('#legend bdi')].map(e => e.textContent)")
    assert set(legend) <= set(HOSTILE)
    assert tab.evaluate("({}).polluted") is None


def test_keys_move_and_do_nothing_in_a_text_field(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    card = tab.locator("#card")
    first = card.get_attribute("data-finding")
    tab.keyboard.press("ArrowRight")
    second = card.get_attribute("data-finding")
    assert second != first
    tab.keyboard.press("ArrowLeft")
    assert card.get_attribute("data-finding") == first
    tab.focus("#find-class")
    for key in ("ArrowRight", "k", "x", "ArrowDown"):
        tab.keyboard.press(key)
    assert card.get_attribute("data-finding") == first
    tab.fill("#find-class", "")
    tab.locator("#chips button").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    kind = tab.locator("#chips button").nth(1).get_attribute("data-kind")
    assert len(tiles(tab)) == sum(f.kind == kind for f in audit.findings)


def test_the_table_of_pairs_sorts_by_keyboard(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    head = tab.locator("#pair-table thead button").nth(5)
    head.focus()
    tab.keyboard.press("Enter")
    flagged = [int(t) for t in tab.locator("#pair-table tbody tr td:nth-child(6)").all_inner_texts()]
    assert flagged == sorted((p.flagged for p in audit.separation.pairs), reverse=True)
    assert tab.locator("#pair-table [aria-sort]").count() == 1


def test_a_class_opens_to_its_typical_pictures(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    row = tab.locator("#class-table [data-test=class-row]").first
    row.locator(".opener").click()
    assert tab.locator("[data-test=typical] img").count() == 6
    row.locator(".opener").click()
    assert tab.locator("[data-test=typical]").count() == 0


@pytest.mark.parametrize("size", [(360, 780), (390, 844), (1366, 768)])
def test_nothing_is_wider_than_the_window(open_page: Open, size: tuple[int, int]) -> None:
    audit = toy_audit(66, HOSTILE, names=[f"{'folder' * 30}/{i}" for i in range(66)])
    tab = open_page(audit, size=size).tab
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_question_comes_first_on_a_phone(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit, size=(390, 844)).tab
    look, map_ = tab.locator("#look").bounding_box(), tab.locator(".map-panel").bounding_box()
    assert look["y"] < 844 / 2
    assert look["y"] < map_["y"]


def test_three_columns_stand_side_by_side(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    boxes = [tab.locator(s).bounding_box() for s in (".map-panel", ".look-panel", ".pairs-panel")]
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    assert all(box["y"] + box["height"] <= 768 for box in boxes)


def test_without_scripts_the_numbers_and_a_picture_of_the_map_are_there(
    open_page: Open, audit: Audit
) -> None:
    tab = open_page(audit, scripts=False).tab
    assert tab.locator("[data-test=headline]").is_visible()
    assert tab.locator("[data-test=class-row]").count() == len(audit.dataset.classes)
    picture = tab.locator("img.static-map")
    assert picture.is_visible()
    assert picture.bounding_box()["width"] > 300
    assert not tab.locator("#look").is_visible()


def test_other_layouts_open_without_an_error(open_page: Open) -> None:
    shapes = (
        toy_audit(images=False),
        replace(toy_audit(), thumbnails={}),
        toy_audit(findings={}),
        toy_audit(80, ("a", "b"), findings={"off_topic": 1}),
        toy_audit(findings={"unreadable": 3}),
    )
    for audit in shapes:
        opened = open_page(audit)
        assert opened.errors == []
        assert len(tiles(opened.tab)) == len(audit.findings)


def test_a_large_page_keeps_every_tile_reachable(open_page: Open) -> None:
    audit = toy_audit(900, findings={"mislabeled": 300}, seed=4)
    tab = open_page(audit).tab
    assert len(tiles(tab)) < 300
    for _ in range(70):
        tab.keyboard.press("ArrowRight")
    assert tab.locator("#card .card-place").inner_text().startswith("71 of 300")
    assert tab.locator("#gallery [aria-current=true]").count() == 1


POINT_ON_SCREEN = """(row) => {
  const get = (name) => Bokeh.documents[0].get_model_by_name(name);
  const {x_range, y_range} = get("map"), {x, y} = get("flagged").data;
  const box = document.querySelector("#map").getBoundingClientRect();
  const across = (x[row] - x_range.start) / (x_range.end - x_range.start);
  const up = (y[row] - y_range.start) / (y_range.end - y_range.start);
  return [box.x + across * box.width, box.y + (1 - up) * box.height];
}"""


def test_a_point_names_itself_and_opens_its_question(open_page: Open, audit: Audit) -> None:
    tab = open_page(audit).tab
    flagged = {i for f in audit.findings for i in f.ids}
    order = [i for i in audit.map.ids if i in flagged]
    finding = next(f for f in audit.findings if f.kind == "off_topic")
    x, y = tab.evaluate(POINT_ON_SCREEN, order.index(finding.ids[0]))
    tab.mouse.move(x - 3, y)
    tab.mouse.move(x, y)
    tab.wait_for_selector("#map-tip img")
    assert finding.ids[0] in tab.locator("#map-tip").inner_text()
    tab.mouse.click(x, y)
    tab.wait_for_function(f"document.querySelector('#card').dataset.finding === '{finding.finding_id}'")
    assert len(tiles(tab)) == len(audit.findings)


@pytest.mark.slow
def test_the_page_of_the_sample_kitchen(open_page: Open, command: Command, tmp_path: Path) -> None:
    kitchen = Path(__file__).parents[2] / "sample_data" / "kitchen" / "manifest.csv"
    done = command("run", kitchen, "--out", tmp_path / "audit", "--backbone", "bundled")
    assert done.code == 0, done.err
    opened = open_page(load(tmp_path / "audit"))
    tab = opened.tab
    tab.wait_for_selector("#gallery .tile img[src]")
    before, all_tiles = colours(tab, "plain"), tiles(tab)
    tab.locator("#pairs .pair > button").first.click()
    assert colours(tab, "plain") != before
    assert 0 < len(tiles(tab)) < len(all_tiles)
    assert [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))] == []
    assert opened.errors == []
    assert [line for line in opened.console if line.startswith(("error", "warning"))] == []
