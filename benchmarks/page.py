"""Measure the annotator's page: bytes, seconds to build it, and what an annotator waits for in Chromium.

    python benchmarks/page.py [--photographs DIR]

The reference set has 50,000 samples, 100 classes and 2,000 findings; see reference.py. The page is opened
from disk with the network off. Times in the browser are taken inside the page: from the time stamp of the key
or click to the end of the frame that shows what it did, pictures and map included; page_clock.js says how. A
line passes when its median does; the worst of its repetitions stands beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from browser import Chromium, Window, open_chromium
from reference import FINDINGS, class_names, paint_photographs, read_photographs, reference_audit
from tables import machine, print_table

from auditor.results import Audit
from reports.page import write_page

MB = 1e6
SAMPLES, CLASSES, MANY_CLASSES = 50_000, 100, 1000
REPEATS, OPENINGS = 8, 4
ANSWER_MS, PICKER_MS = 100, 50
SINGLE_KINDS = (
    "ambiguous",
    "off_topic",
    "low_quality",
    "duplicate",
    "conflicting_duplicate",
    "leak",
    "unreadable",
)
"""What is left to decide after the wrong labels."""


@dataclass(frozen=True)
class Line:
    """One measurement; it passes when the median of `values` is at most `target`."""

    what: str
    unit: str
    values: Sequence[float]
    target: float

    def cells(self) -> tuple[object, ...]:
        middle = statistics.median(self.values)
        digits = 0 if self.unit == "ms" else 2
        numbers = [f"{v:.{digits}f} {self.unit}" for v in (middle, max(self.values), self.target)]
        return self.what, *numbers, f"{middle / self.target:.2f}", middle <= self.target


def build_lines(audit: Audit, folder: Path) -> list[Line]:
    """Write the page with and without pictures and measure both; the first build warms up."""
    with_pictures = write_page(audit, folder / "page.html").bytes
    bare = replace(audit, thumbnails={})
    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        without = write_page(bare, folder / "bare.html").bytes
        seconds.append(time.perf_counter() - start)
    return [
        Line("page with pictures", "MB", [with_pictures / MB], 20),
        Line("page without pictures", "MB", [without / MB], 3),
        Line("building it without pictures", "s", seconds[1:], 2),
    ]


def opening_lines(chromium: Chromium, path: Path) -> list[Line]:
    """Open the page several times; its map counts when nothing more is drawn."""
    times = []
    for _ in range(OPENINGS):
        with chromium.window(path) as window:
            times.append(window.opened())
    return [
        Line("opening: first pictures", "s", [t["pictures"] / 1000 for t in times], 1.5),
        Line("opening: map drawn", "s", [t["map"] / 1000 for t in times], 3),
    ]


def each(
    window: Window,
    what: str,
    act: Callable[[int], None],
    before: Callable[[int], None] = lambda i: None,
    times: int = REPEATS,
    target: float = ANSWER_MS,
) -> Line:
    """Time a key or click several times; `before` is not timed."""
    taken = []
    for i in range(times):
        before(i)
        window.tab.wait_for_timeout(100)
        taken.append(window.time_input(lambda i=i: act(i)))
    return Line(what, "ms", taken, target)


def filter_lines(window: Window) -> list[Line]:
    tab = window.tab
    chips, pairs = tab.locator("#chips button"), tab.locator("#pairs .pair > button")
    lines = [
        each(window, "filter by kind", lambda i: chips.nth(1 + i % 6).click(), lambda i: show_all(window)),
        each(window, "filter by pair of classes", lambda i: pairs.nth(i % 4).click()),
    ]
    show_all(window)
    tab.focus("#find-class")
    name = class_names(CLASSES)[CLASSES // 2]
    lines.append(each(window, "find a class, each key", lambda i: tab.keyboard.press(name[i])))
    tab.fill("#find-class", "")
    taken = []
    for i in range(REPEATS):
        show_all(window)
        tab.wait_for_timeout(100)
        taken.append(window.time_call(choose_area(i)))
    lines.append(Line("choose an area of the map", "ms", taken, ANSWER_MS))
    area, button = (lambda i: tab.evaluate(choose_area(i))), tab.locator("#status button")
    lines.append(each(window, "show all again", lambda i: button.click(), area))
    return lines


def choose_area(number: int) -> str:
    """Return JavaScript that chooses a tenth of the points, as a lasso does."""
    part = f"Array.from({{length: Math.floor(n / 10)}}, (_, i) => ({number * 37} + 7 * i) % n)"
    select = f"const n = source.data.x.length; source.selected.indices = {part};"
    return (
        "for (const name of ['plain', 'flagged']) {"
        f" const source = Bokeh.documents[0].get_model_by_name(name); {select} }}"
    )


def show_all(window: Window) -> None:
    window.tab.evaluate("document.querySelector('#status button')?.click()")


def show_kind(window: Window, kind: str) -> None:
    show_all(window)
    window.tab.locator(f"#chips [data-kind={kind}]").click()


def decision_lines(window: Window) -> list[Line]:
    """Decide by keys and at once; afterwards all wrong labels are decided."""
    show_kind(window, "mislabeled")
    lines = [
        each(window, f"decide by key: {key.upper()}", lambda i, key=key: window.tab.keyboard.press(key))
        for key in ("k", "r", "x")
    ]
    lines.append(each(window, "undo", lambda i: window.tab.keyboard.press("z")))
    check_decided(window, 2 * REPEATS)
    bulk, many = window.tab.locator("#bulk-answers button").first, []
    undone = []
    for _ in range(OPENINGS):
        window.tab.click("#bulk-open")
        many.append(window.time_input(bulk.click))
        undone.append(window.time_input(lambda: window.tab.keyboard.press("z")))
    lines.append(Line("decide about 900 at once", "ms", many, ANSWER_MS))
    lines.append(Line("undo them", "ms", undone, ANSWER_MS))
    window.tab.click("#bulk-open")
    bulk.click()
    show_kind(window, "ambiguous")
    lines.append(each(window, "decide by key after 900 others", lambda i: window.tab.keyboard.press("k")))
    return lines


def check_decided(window: Window, count: int) -> None:
    """Stop if the page has not done what was timed."""
    done = window.tab.locator("#done").inner_text()
    if done != f"{count:,}":
        raise SystemExit(f"The page says that {done} questions are decided; it should be {count:,}.")


def returning_lines(window: Window) -> list[Line]:
    """Decide all that is left, save, and open the page again."""
    tab = window.tab
    for kind in SINGLE_KINDS:
        show_kind(window, kind)
        tab.click("#bulk-open")
        tab.locator("#bulk-answers button").first.click()
    total = sum(FINDINGS.values())
    tab.click("#save")
    tab.fill("#name-text", "A. N.")
    tab.keyboard.press("Enter")
    save = each(window, f"save {total:,} decisions", lambda i: tab.click("#save"), times=OPENINGS)
    times = []
    for _ in range(OPENINGS):
        tab.reload()
        times.append(window.opened()["pictures"] / 1000)
    check_decided(window, total)
    return [save, Line(f"opening with {total:,} decisions restored: first pictures", "s", times, 1.5)]


def picker_line(window: Window, classes: int) -> Line:
    window.opened()
    show_kind(window, "mislabeled")
    window.tab.keyboard.press("/")
    name = class_names(classes)[classes // 2]
    what = f"search one of {classes:,} classes, each key"
    return each(window, what, lambda i: window.tab.keyboard.press(name[i]), target=PICKER_MS)


def measure(folder: Path, photographs: Path | None) -> tuple[str, list[Line]]:
    """Return the browser's name and all lines."""
    pool = read_photographs(photographs) if photographs else paint_photographs()
    audit = reference_audit(SAMPLES, CLASSES, FINDINGS, pool)
    many = reference_audit(5 * MANY_CLASSES, MANY_CLASSES, {"mislabeled": 60}, pool)
    lines = build_lines(audit, folder)
    write_page(many, folder / "many.html")
    with open_chromium() as chromium:
        lines += opening_lines(chromium, folder / "page.html")
        with chromium.window(folder / "page.html") as window:
            window.opened()
            for part in (filter_lines, decision_lines, returning_lines):
                lines += part(window)
        with chromium.window(folder / "many.html") as window:
            lines.append(picker_line(window, MANY_CLASSES))
        return chromium.name(), lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photographs", type=Path, metavar="DIR", help="cut the pictures from those in this folder"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        name, lines = measure(Path(scratch), options.photographs)
    print(f"{machine()}\n{name}")
    title = f"page: {SAMPLES:,} samples, {CLASSES} classes, {sum(FINDINGS.values()):,} findings"
    print_table(
        title, ("", "median", "worst", "target", "median / target", ""), (line.cells() for line in lines)
    )


if __name__ == "__main__":
    main()
