"""Chromium for the browser tests: one browser for all, a fresh offline window for each page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from auditor.results import Audit
from reports.options import PageOptions
from reports.page import write_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Opened:
    """A page in a window, and what it did besides showing itself."""

    tab: Any
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if program is None:
        pytest.fail(f"The browser tests need chromium, none of {', '.join(BROWSERS)} is installed.")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Write the page of an audit and open it from disk with the network off."""
    windows = []

    def open_(
        audit: Audit,
        size: tuple[int, int] = (1366, 768),
        scripts: bool = True,
        before: str = "",
        options: PageOptions | None = None,
        scheme: str = "light",
    ) -> Opened:
        path = tmp_path / "report.html"
        write_page(audit, path, options or PageOptions())
        window = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            offline=True,
            java_script_enabled=scripts,
            color_scheme=scheme,
        )
        windows.append(window)
        opened = Opened(window.new_page())
        if before:
            opened.tab.add_init_script(before)
        opened.tab.on("request", lambda r: opened.requests.append(r.url))
        opened.tab.on("console", lambda m: opened.console.append(f"{m.type}: {m.text}"))
        opened.tab.on("pageerror", lambda e: opened.errors.append(str(e)))
        opened.tab.goto(path.as_uri())
        if scripts:
            opened.tab.wait_for_selector("#gallery .tile, #card .nothing")
            opened.tab.wait_for_selector("#legend li")
        return opened

    yield open_
    for window in windows:
        window.close()
