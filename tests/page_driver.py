"""How the browser tests use the page: look at the question, answer it, save and load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auditor.decisions import DecisionFile, read_decisions
from auditor.results import Audit

CLASSES = ("bird", "cat", "dog", "eel")


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
