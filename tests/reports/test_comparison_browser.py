"""The page of a comparison in Chromium: opened from disk, offline."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import HOSTILE
from toy_comparison import ToyComparison, toy_comparison

from reports import comparison_view as v
from reports.comparison_page import write_comparison_page
from reports.panels import panel_points

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@dataclass
class Opened:
    tab: Any
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def open_comparison(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Write the page of a comparison and open it from disk with the network off."""
    windows = []

    def open_(
        toy: ToyComparison, size: tuple[int, int] = (1366, 768), scripts: bool = True, scheme: str = "light"
    ) -> Opened:
        path = tmp_path / "report.html"
        write_comparison_page(toy.view, toy.audits, path)
        window = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            offline=True,
            java_script_enabled=scripts,
            color_scheme=scheme,
        )
        windows.append(window)
        opened = Opened(window.new_page())
        opened.tab.on("request", lambda r: opened.requests.append(r.url))
        opened.tab.on("console", lambda m: opened.console.append(f"{m.type}: {m.text}"))
        opened.tab.on("pageerror", lambda e: opened.errors.append(str(e)))
        opened.tab.goto(path.as_uri())
        if scripts and toy.view.maps:
            opened.tab.wait_for_selector("[data-drag=lasso][aria-pressed=true]")
            opened.tab.wait_for_timeout(100)
        return opened

    yield open_
    for window in windows:
        window.close()


@pytest.fixture(scope="module")
def toy() -> ToyComparison:
    return toy_comparison(150)


GET = "(name) => Bokeh.documents[0].get_model_by_name(name)"


def colours(tab: Any, source: str) -> list[int]:
    return list(tab.evaluate(f"Array.from(({GET})('{source}').data.color)"))


def rings(tab: Any, panel: int) -> list[tuple[int, int]]:
    return [
        tuple(p)
        for p in tab.evaluate(f"(d => Array.from(d.x, (x, i) => [x, d.y[i]]))(({GET})('focus-{panel}').data)")
    ]


ON_SCREEN = """([panel, x, y]) => {
  const { x_range, y_range } = Bokeh.documents[0].get_model_by_name(`map-${panel}`);
  const box = document.querySelector(`#map-${panel}`).getBoundingClientRect();
  const across = (x - x_range.start) / (x_range.end - x_range.start);
  const up = (y - y_range.start) / (y_range.end - y_range.start);
  return [box.x + across * box.width, box.y + (1 - up) * box.height];
}"""


def lone_sample(toy: ToyComparison) -> tuple[int, list[tuple[int, int]]]:
    """A marked sample that stands apart on the first map, and its place on each."""
    drawn = panel_points(toy.view)
    every = np.stack(
        [np.r_[drawn[0].plain_x, drawn[0].flagged_x], np.r_[drawn[0].plain_y, drawn[0].flagged_y]]
    )
    marked = np.stack([drawn[0].flagged_x, drawn[0].flagged_y]).astype(float)
    apart = np.sort(np.hypot(*(marked[:, :, None] - every[:, None, :].astype(float))), axis=1)[:, 1]
    known = np.isin(drawn[0].marked_samples, drawn[1].marked_samples)
    sample = int(drawn[0].marked_samples[np.argmax(np.where(known, apart, -1))])
    rows = [p.marked_samples.tolist().index(sample) for p in drawn]
    return sample, [(int(p.flagged_x[r]), int(p.flagged_y[r])) for p, r in zip(drawn, rows, strict=True)]


@pytest.mark.parametrize("panels", [1, 2, 3, 6])
def test_the_page_asks_for_nothing_and_says_no_error(open_comparison: Open, panels: int) -> None:
    opened = open_comparison(toy_comparison(60, panels=panels))
    opened.tab.wait_for_timeout(200)
    assert [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))] == []
    assert sum(u.startswith("file:") for u in opened.requests) == 1
    assert opened.errors == []
    assert [line for line in opened.console if line.startswith(("error", "warning"))] == []
    boxes = [opened.tab.locator(f"#map-{i} canvas").first.bounding_box() for i in range(panels)]
    assert all(box["width"] > 250 and box["height"] > 200 for box in boxes)
    rows = {round(box["y"]) for box in boxes}
    assert len(rows) == (2 if panels == 6 else 1)


def test_code_from_text_is_blocked(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy).tab
    attempt = "try { window.eval('1'); done('ran') } catch (error) { done(error.name) }"
    assert tab.evaluate(f"new Promise((done) => setTimeout(() => {{ {attempt} }}))") == "EvalError"


DRAWN = """(panel) => {
  const get = (name) => Bokeh.documents[0].get_model_by_name(`${name}-${panel}`);
  const { ctx, canvas } = Bokeh.index.find_one(get("map")).canvas_view.primary;
  const { width, height } = canvas;
  const { data } = ctx.getImageData(0, 0, width, height);
  const { x_range, y_range } = get("map");
  const { x, y, color } = get("flagged").data;
  return Array.from(x, (_, i) => {
    const column = Math.floor((x[i] - x_range.start) / (x_range.end - x_range.start) * width);
    const row = Math.floor(height - (y[i] - y_range.start) / (y_range.end - y_range.start) * height);
    return [color[i], ...data.slice(4 * (row * width + column), 4 * (row * width + column) + 4)];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marked_points_have_their_colour_on_every_map(
    open_comparison: Open, toy: ToyComparison, scheme: str
) -> None:
    tab = open_comparison(toy, scheme=scheme).tab
    for panel in (0, 1):
        drawn = tab.evaluate(DRAWN, panel)
        right = [[r, g, b, a] == [c >> 24, c >> 16 & 255, c >> 8 & 255, 255] for c, r, g, b, a in drawn]
        assert len(right) > 5
        assert np.mean(right) > 0.8  # some lie under another one


def test_a_class_in_the_legend_greys_the_rest_on_all_maps(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy).tab
    before = [colours(tab, f"plain-{i}") for i in (0, 1)]
    button = tab.locator("#legend button").nth(1)
    button.click()
    code = list(toy.view.class_names).index(button.inner_text())
    for panel in (0, 1):
        codes = tab.evaluate(f"Array.from(({GET})('plain-{panel}').data.code)")
        after = colours(tab, f"plain-{panel}")
        assert all((a == b) == (c == code) for a, b, c in zip(after, before[panel], codes, strict=True))
    assert button.get_attribute("aria-pressed") == "true"
    tab.keyboard.press("Escape")
    assert [colours(tab, f"plain-{i}") for i in (0, 1)] == before


def test_a_table_row_lights_its_class_and_shows_its_pictures(
    open_comparison: Open, toy: ToyComparison
) -> None:
    tab = open_comparison(toy).tab
    row = next(b for b in toy.view.blocks if isinstance(b, v.TableBlock)).rows[2]
    button = tab.locator("[data-test=rows] tbody tr").nth(2).locator("button")
    button.focus()
    tab.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert tab.locator("#strip li").count() == len(row.samples)
    codes = tab.evaluate(f"Array.from(({GET})('plain-1').data.code)")
    own = {c for c, code in zip(colours(tab, "plain-1"), codes, strict=True) if code == row.classes[0]}
    assert len(own) == 1
    assert len(rings(tab, 0)) == len(row.samples)
    tab.keyboard.press("Enter")
    assert tab.locator("#strip").is_hidden()
    assert rings(tab, 0) == []


def test_finding_a_class_and_a_group_light_it(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy).tab
    before, other = colours(tab, "plain-0"), colours(tab, "plain-1")
    tab.fill("#find-class", "do")
    codes = tab.evaluate(f"Array.from(({GET})('plain-0').data.code)")
    dog = toy.view.class_names.index("dog")
    same = {code for a, b, code in zip(colours(tab, "plain-0"), before, codes, strict=True) if a == b}
    assert same == {dog}
    tab.fill("#find-class", "")
    assert colours(tab, "plain-0") == before
    tab.locator(".group h3 button").first.click()
    lit = [a == b for a, b in zip(colours(tab, "plain-1"), other, strict=True)]
    codes = tab.evaluate(f"Array.from(({GET})('plain-1').data.code)")
    assert all(same for same, code in zip(lit, codes, strict=True) if code == 0)
    assert len(lit) / 4 < sum(lit) < len(lit) / 2


def test_hovering_a_sample_rings_it_on_every_map(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy).tab
    sample, places = lone_sample(toy)
    x, y = tab.evaluate(ON_SCREEN, [0, *places[0]])
    tab.mouse.move(x - 4, y)
    tab.mouse.move(x, y)
    tab.wait_for_selector("#map-tip img")
    shown = toy.view.samples[sample]
    assert shown.id in tab.locator("#map-tip").inner_text()
    picture = tab.locator("#map-tip img").get_attribute("src").split(",")[1]
    assert base64.b64decode(picture) == toy.audits[0].thumbnails[shown.id].data
    assert [rings(tab, i) for i in (0, 1)] == [[place] for place in places]
    tab.mouse.move(5, 5)
    tab.wait_for_selector("#map-tip", state="hidden")
    assert rings(tab, 1) == []


def test_a_lasso_shows_the_pictures_and_lights_the_samples_on_the_other_map(
    open_comparison: Open, toy: ToyComparison
) -> None:
    tab = open_comparison(toy).tab
    box = tab.locator("#map-1").bounding_box()
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.02)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=5)
    tab.mouse.up()
    tab.wait_for_selector("#strip li")
    words = tab.locator("#chosen span").inner_text()
    chosen = int(words.split()[0])
    drawn = panel_points(toy.view)[1]
    middle = drawn.width / 2
    left = {
        int(s)
        for s, x in zip(
            [*drawn.plain_samples, *drawn.marked_samples], [*drawn.plain_x, *drawn.flagged_x], strict=True
        )
        if x < middle
    }
    assert abs(chosen - len(left)) <= 5  # those next to the line
    faint = max(set(colours(tab, "plain-0")), key=colours(tab, "plain-0").count)
    lit = sum(c != faint for c in [*colours(tab, "plain-0"), *colours(tab, "flagged-0")])
    assert lit == chosen
    assert tab.locator("#strip img").count() == min(chosen, 60)
    tab.get_by_role("button", name="Show all").click()
    assert tab.locator("#strip").is_hidden()


def test_moving_and_zooming_one_map_moves_all(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy).tab
    start = f"[0, 1].map((i) => ({GET})(`map-${{i}}`).x_range.start)"
    first = tab.evaluate(start)
    assert first[0] == first[1]
    tab.locator("#map-0").focus()
    tab.keyboard.press("ArrowRight")
    moved = tab.evaluate(start)
    assert moved[0] == moved[1] > first[0]
    tab.locator("[data-zoom=in]").click()
    closer = tab.evaluate(start)
    assert closer[0] == closer[1] > moved[0]
    tab.locator("[data-zoom=reset]").click()
    assert tab.evaluate(start) == first
    tab.locator("[data-drag=pan]").click()
    box = tab.locator("#map-1").bounding_box()
    tab.mouse.move(box["x"] + 200, box["y"] + 200)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 120, box["y"] + 200, steps=4)
    tab.mouse.up()
    dragged = tab.evaluate(start)
    assert dragged[0] == dragged[1] > first[0]


def test_a_picture_is_enlarged_by_keyboard_and_leafed_through(
    open_comparison: Open, toy: ToyComparison
) -> None:
    tab = open_comparison(toy).tab
    group = next(b for b in toy.view.blocks if isinstance(b, v.GalleryBlock)).groups[0]
    first, second = (toy.view.samples[p.sample] for p in group.pictures[:2])
    tab.locator(".group .shot").first.focus()
    tab.keyboard.press("Enter")
    dialog = tab.locator("#enlarge")
    assert first.id in dialog.inner_text()
    assert group.pictures[0].caption in dialog.inner_text()
    tab.keyboard.press("ArrowRight")
    assert second.id in dialog.inner_text()
    picture = tab.locator("#enlarge img").get_attribute("src").split(",")[1]
    assert base64.b64decode(picture) == toy.audits[0].thumbnails[second.id].data
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert tab.evaluate("document.activeElement.className") == "shot"


def test_tables_sort_by_keyboard_with_unknown_numbers_last(open_comparison: Open) -> None:
    toy = toy_comparison()
    cells = (("b", "10"), ("c", "–"), ("a", "9"), ("d", "1,004"))
    rows = tuple(v.Row((v.Cell(n), v.Cell(t))) for n, t in cells)
    table = v.TableBlock("T", ("Name", "Number"), (False, True), rows)
    tab = open_comparison(replace(toy, view=replace(toy.view, blocks=(table,), maps=()))).tab
    head = tab.locator("[data-test=rows] thead button").nth(1)
    head.focus()
    names = "[...document.querySelectorAll('[data-test=rows] tbody th')].map((e) => e.textContent).join('')"
    tab.keyboard.press("Enter")
    assert tab.evaluate(names) == "dbac"
    tab.keyboard.press("Enter")
    assert tab.evaluate(names) == "abdc"
    tab.locator("[data-test=rows] thead button").first.click()
    assert tab.evaluate(names) == "abcd"


def test_many_pictures_and_groups_open_on_request(open_comparison: Open) -> None:
    toy = toy_comparison(120)
    group = v.PictureGroup("Many", tuple(v.Picture(i) for i in range(60)))
    tab = open_comparison(replace(toy, view=replace(toy.view, blocks=(v.GalleryBlock("G", (group,)),)))).tab
    assert tab.locator(".group .shot:visible").count() == 24
    tab.get_by_role("button", name="Show 36 more").click()
    assert tab.locator(".group .shot:visible").count() == 60
    groups = tuple(v.PictureGroup(f"Group {i}", (v.Picture(i),)) for i in range(30))
    tab = open_comparison(replace(toy, view=replace(toy.view, blocks=(v.GalleryBlock("G", groups),)))).tab
    assert tab.locator(".group:visible").count() == 12
    tab.get_by_role("button", name="Show 18 more groups").click()
    assert tab.locator(".group:visible").count() == 30
    assert tab.evaluate("document.activeElement.closest('.group').textContent.trim()").startswith("Group 12")


@pytest.mark.parametrize("size", [(390, 844), (1366, 768)])
def test_a_name_of_300_characters_leaves_the_numbers_in_sight(
    open_comparison: Open, size: tuple[int, int]
) -> None:
    toy = toy_comparison(60, ("n" * 300, "many words " * 27, "bird"), words="short")
    tab = open_comparison(toy, size=size).tab
    heights = "(e) => e.map((one) => one.getBoundingClientRect().height)"
    assert max(tab.eval_on_selector_all("[data-test=rows] tbody tr", heights)) < 90
    assert max(tab.eval_on_selector_all(".part h3", heights)) < 80
    titles = tab.eval_on_selector_all("[data-test=rows] tbody th", "(e) => e.map((one) => one.title)")
    assert titles == ["", "many words " * 27, "n" * 300]
    assert set(titles[1:]) <= set(tab.eval_on_selector_all(".confusion th", "(e) => e.map((x) => x.title)"))


def test_a_card_shows_five_lines_of_its_caption_and_the_dialog_all(open_comparison: Open) -> None:
    toy = toy_comparison(60)
    text = "What this picture shows, in many words. " * 20 + "The point."
    group = v.PictureGroup("One", (v.Picture(0, text, "short"),))
    tab = open_comparison(replace(toy, view=replace(toy.view, blocks=(v.GalleryBlock("G", (group,)),)))).tab
    caption = tab.locator(".group .shot-words bdi").first
    lines = caption.evaluate(
        "(e) => Math.round(e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))"
    )
    assert lines == 5
    tab.locator(".group .shot").click()
    words = tab.locator("#enlarge-words .large-line").first
    assert words.text_content() == text
    assert words.evaluate("(e) => e.scrollHeight <= Math.max(e.clientHeight, e.offsetHeight) + 1")


@pytest.mark.parametrize("size", [(360, 780), (1366, 768)])
def test_hostile_names_run_nothing_show_literally_and_fit(
    open_comparison: Open, size: tuple[int, int]
) -> None:
    names = [f"{HOSTILE[i % len(HOSTILE)]}/{i}" for i in range(110)]
    toy = toy_comparison(110, HOSTILE, names=names, words=HOSTILE[0], panels=3)
    maps = tuple(replace(m, title=t, marked_as=t) for m, t in zip(toy.view.maps, HOSTILE[8:], strict=True))
    blocks = toy.view.blocks
    view = replace(
        toy.view, name=HOSTILE[0], maps=maps, headline=HOSTILE[10], facts=HOSTILE[:2], blocks=blocks
    )
    opened = open_comparison(replace(toy, view=view), size=size)
    tab = opened.tab
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    for button in tab.locator(".lights").all():
        button.click()
    for button in tab.locator("#legend button").all():
        button.click()
    tab.locator(".shot:visible").first.click()
    assert tab.evaluate("window.hacked") is None
    assert opened.errors == []
    assert tab.title() == f"{HOSTILE[0]}: before and after"
    shown = tab.evaluate("[...document.querySelectorAll('[data-test=rows] .name')].map((e) => e.textContent)")
    assert set(HOSTILE) <= set(shown)
    legend = tab.evaluate("[...document.querySelectorAll('#legend button bdi')].map((e) => e.textContent)")
    assert len(legend) == 8 and set(legend) <= set(HOSTILE)
    assert tab.evaluate("({}).polluted") is None


def test_without_scripts_numbers_and_pictures_of_the_maps_are_there(
    open_comparison: Open, toy: ToyComparison
) -> None:
    tab = open_comparison(toy, scripts=False).tab
    for part in ("headline", "verdict", "figure", "rows", "matrix", "curve-table", "group", "note"):
        assert tab.locator(f"[data-test={part}]").first.is_visible(), part
    pictures = tab.locator("img.static-map")
    assert pictures.count() == 2
    assert all(pictures.nth(i).bounding_box()["width"] > 300 for i in (0, 1))
    assert tab.locator(".chart polyline").first.is_visible()
    assert not tab.locator("#maps").is_visible()


def test_maps_lie_side_by_side_on_a_desktop_and_stacked_on_a_phone(
    open_comparison: Open, toy: ToyComparison
) -> None:
    tab = open_comparison(toy).tab
    one, two = (tab.locator(f"#map-{i}").bounding_box() for i in (0, 1))
    assert one["x"] + one["width"] < two["x"]
    assert one["y"] == two["y"]
    assert two["y"] + two["height"] <= 768
    tab = open_comparison(toy, size=(360, 780)).tab
    one, two = (tab.locator(f"#map-{i}").bounding_box() for i in (0, 1))
    assert one["y"] + one["height"] < two["y"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(open_comparison: Open, scheme: str) -> None:
    import axe_playwright_python

    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
    tab = open_comparison(toy_comparison(tone="worse"), scheme=scheme).tab
    tab.evaluate(source)
    for step in ("", ".part-table .lights", ".group .shot"):
        if step:
            tab.locator(step).first.click()
        found = tab.evaluate("axe.run({exclude: [['.map']]})")
        serious = [
            (w["id"], [n["html"][:160] for n in w["nodes"][:3]])
            for w in found["violations"]
            if w["impact"] in ("serious", "critical")
        ]
        assert serious == [], step


def test_the_page_fits_the_paper(open_comparison: Open, toy: ToyComparison) -> None:
    tab = open_comparison(toy, size=(794, 1123)).tab
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    frames = [tab.locator(".map-frame").nth(i).bounding_box() for i in (0, 1)]
    pictures = [tab.locator(".print-map").nth(i).bounding_box() for i in (0, 1)]
    assert all(abs(a["width"] - b["width"]) <= 3 for a, b in zip(frames, pictures, strict=True))
    assert pictures[0]["width"] > 300
    assert tab.evaluate("document.documentElement.scrollWidth") <= 794
    assert not tab.locator("[data-drag=pan]").is_visible()
    assert tab.locator("[data-test=verdict]").is_visible()
    for scroll in tab.locator(".scroll").all():
        assert scroll.evaluate("(e) => e.scrollHeight <= e.clientHeight + 1")
    assert len(tab.pdf(format="A4")) > 10_000
