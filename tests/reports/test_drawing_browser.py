"""What the page draws by itself: the map's points, pixel by pixel, and the tiles near the question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from toy import toy_audit

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

DRAWN = """() => {
  const get = (name) => Bokeh.documents[0].get_model_by_name(name);
  const { ctx, canvas } = Bokeh.index.find_one(get("map")).canvas_view.primary;
  const { width, height } = canvas;
  const { data } = ctx.getImageData(0, 0, width, height);
  const { x_range, y_range } = get("map");
  const points = ["plain", "flagged"].flatMap((name) => {
    const { x, y, color } = get(name).data;
    return Array.from(x, (_, i) => [
      (x[i] - x_range.start) / (x_range.end - x_range.start) * width,
      height - (y[i] - y_range.start) / (y_range.end - y_range.start) * height,
      color[i], Number(name === "flagged"),
    ]);
  });
  return { points, width, height, pixels: Array.from(data) };
}"""
ALONE_PX = 14
"""Farther than this from any other point nothing else is drawn over one."""


def lone_points(drawn: dict[str, Any]) -> list[tuple[int, list[int], bool]]:
    """Return colour, the pixel in its middle and whether it is flagged, of the points that stand alone."""
    places = np.array([p[:2] for p in drawn["points"]])
    pixels = np.array(drawn["pixels"], dtype=int).reshape(drawn["height"], drawn["width"], 4)
    far = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(places))
    inside = ((places > 2) & (places < np.array([drawn["width"], drawn["height"]]) - 2)).all(axis=1)
    alone = np.flatnonzero((far.min(axis=1) > ALONE_PX) & inside)
    return [
        (
            drawn["points"][i][2],
            pixels[int(places[i][1]), int(places[i][0])].tolist(),
            bool(drawn["points"][i][3]),
        )
        for i in alone
    ]


def assert_drawn(tab: Any) -> None:
    tab.wait_for_timeout(150)
    found = lone_points(tab.evaluate(DRAWN))
    assert {flagged for _, _, flagged in found} == {True, False}
    assert len(found) > 10
    for colour, pixel, _ in found:
        assert pixel == [colour >> 24, colour >> 16 & 255, colour >> 8 & 255, 255]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_point_has_its_colour_on_the_map(open_page: Open, scheme: str) -> None:
    tab = open_page(toy_audit(70, findings={"off_topic": 20}, seed=6), scheme=scheme).tab
    hide = "Bokeh.documents[0].get_model_by_name(name).visible = false"
    tab.evaluate(f"for (const name of ['ring', 'lines']) {hide}")
    assert_drawn(tab)
    tab.locator("[data-zoom=in]").click()
    assert_drawn(tab)
    tab.locator("#legend button").first.click()
    assert_drawn(tab)


def test_the_points_of_a_chosen_class_lie_above_the_grey_ones(open_page: Open) -> None:
    classes = [f"class {i}" for i in range(12)]
    tab = open_page(toy_audit(3000, classes, findings={"mislabeled": 4}, seed=1)).tab
    tab.fill("#find-class", "class 7")
    tab.wait_for_timeout(150)
    drawn = tab.evaluate(DRAWN)
    pixels = np.array(drawn["pixels"], dtype=int).reshape(drawn["height"], drawn["width"], 4)
    colours = [p[2] for p in drawn["points"]]
    chosen = min(set(colours), key=colours.count)
    rgba = [chosen >> 24, chosen >> 16 & 255, chosen >> 8 & 255, 255]
    middles = [pixels[int(y), int(x)].tolist() for x, y, colour, _ in drawn["points"] if colour == chosen]
    assert len(middles) == 250
    assert (
        sum(middle == rgba for middle in middles) > 225
    )  # the others lie between four pixels or under a flagged one


def test_a_tall_window_is_filled_with_tiles(open_page: Open) -> None:
    tab = open_page(toy_audit(900, findings={"mislabeled": 450}, seed=4), size=(3840, 2160)).tab
    tab.wait_for_timeout(150)
    gallery = "document.querySelector('#gallery')"
    assert tab.evaluate(f"{gallery}.scrollHeight > {gallery}.clientHeight")
    assert len(tab.locator("#gallery .tile").all()) < 450


def test_far_from_the_start_only_the_tiles_near_the_question_are_made(open_page: Open) -> None:
    tab = open_page(toy_audit(1800, findings={"mislabeled": 800}, seed=4)).tab
    tab.evaluate("document.querySelector('#gallery').scrollTop = 1e6")
    numbers = "[...document.querySelectorAll('#gallery .tile')].map(t => Number(t.dataset.card))"
    for _ in range(30):
        if tab.evaluate(numbers)[-1] >= 730:
            break
        tab.evaluate("document.querySelector('#gallery').scrollTop = 1e6")
        tab.wait_for_timeout(40)
    tab.locator("#gallery [data-card='720']").click()
    near = tab.evaluate(numbers)
    assert near[0] > 600
    assert near == list(range(near[0], near[0] + len(near)))
    assert tab.locator("#gallery [aria-current=true]").get_attribute("data-card") == "720"
    assert tab.evaluate("document.activeElement.dataset.card") == "720"
    for _ in range(40):
        tab.evaluate("document.querySelector('#gallery').scrollTop = 0")
        tab.wait_for_timeout(40)
        if tab.evaluate(numbers)[0] == 0:
            break
    assert tab.evaluate(numbers)[:3] == [0, 1, 2]
