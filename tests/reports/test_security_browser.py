"""In Chromium: no text of an audit runs, whoever wrote it, when everything on the page was opened once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hostile_words import PAYLOADS, hostile_words

from reports.options import PageOptions

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@pytest.mark.parametrize("root", [None, "https://example.org/pictures"], ids=["alone", "with links"])
def test_no_word_of_the_dataset_runs(open_page: Open, root: str | None) -> None:
    opened = open_page(hostile_words(), options=PageOptions(image_root=root))
    tab = opened.tab
    seen = set()
    for number in range(tab.locator("#gallery .tile").count()):
        tab.locator("#gallery .tile").nth(number).click()
        seen |= set(tab.evaluate("[...document.querySelectorAll('#card, #card *')].map(e => e.textContent)"))
    for opener in tab.locator("#class-table .opener, #pairs .pair > button, summary").all():
        if opener.is_visible():
            opener.click()
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("document.querySelectorAll('svg[onload], img[onerror], #card script').length") == 0
    links = tab.evaluate("[...document.querySelectorAll('a')].map(a => a.protocol + a.getAttribute('href'))")
    assert links and all(link.startswith(("https:", "file:#")) for link in links)
    assert opened.errors == []
    assert [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))] == []
    shown = " ".join(seen)
    assert all(word.replace("\u2028", "") in shown.replace("\u2028", "") for word in PAYLOADS)
