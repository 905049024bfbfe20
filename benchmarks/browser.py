"""Chromium with a clock of ours inside the page, so that no time of the driver's is counted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = {"width": 1366, "height": 768}
CLOCK = Path(__file__).with_name("page_clock.js")


@dataclass(frozen=True)
class Window:
    """One page in a window of its own; times are milliseconds by the page's clock."""

    tab: Any

    def opened(self) -> dict[str, float]:
        """Return when the first `pictures` and the `map` were painted, from the start of the navigation."""
        return dict(self.tab.evaluate("clock.opened"))

    def time_input(self, act: Callable[[], None]) -> float:
        """Return how long the page takes for the key or click that `act` gives it."""
        self.tab.evaluate("() => { window.taken = clock.next() }")
        act()
        return float(self.tab.evaluate("taken"))

    def time_call(self, script: str) -> float:
        """Return how long the page takes for what this JavaScript does."""
        self.tab.evaluate(f"() => {{ window.taken = clock.run(() => {{ {script} }}) }}")
        return float(self.tab.evaluate("taken"))


@dataclass(frozen=True)
class Chromium:
    """A running browser."""

    browser: Any

    @contextmanager
    def window(self, path: Path) -> Iterator[Window]:
        """Open a page from disk with the network off."""
        context = self.browser.new_context(viewport=SIZE, offline=True)
        tab = context.new_page()
        tab.add_init_script(path=CLOCK)
        tab.goto(path.as_uri())
        try:
            yield Window(tab)
        finally:
            context.close()

    def name(self) -> str:
        """Return version and renderer; SwiftShader is Chromium's for machines without a graphics card."""
        tab = self.browser.new_page()
        renderer = tab.evaluate(
            "(() => { const gl = document.createElement('canvas').getContext('webgl');"
            " const names = gl && gl.getExtension('WEBGL_debug_renderer_info');"
            " return names ? gl.getParameter(names.UNMASKED_RENDERER_WEBGL) : 'no WebGL' })()"
        )
        tab.close()
        software = "software rendering, no GPU" if "SwiftShader" in renderer else renderer
        return f"Chromium {self.browser.version}, {software}, {SIZE['width']} x {SIZE['height']}"


@contextmanager
def open_chromium() -> Iterator[Chromium]:
    """Start the Chromium of this machine."""
    from playwright.sync_api import sync_playwright

    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise SystemExit(f"This needs Chromium: none of {', '.join(PROGRAMS)} is installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield Chromium(browser)
        browser.close()
