"""The page cannot run, load or send anything, whatever the dataset and its annotators are called.

Beside these: `test_no_word_of_the_dataset_runs` and
`test_hostile_names_run_nothing_and_show_literally` (in a browser),
`test_hostile_names_run_nothing_show_literally_and_fit` (comparisons, in a browser),
`test_the_policy_names_every_script_and_allows_no_eval`, `test_hostile_names_are_escaped`.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hostile_words import PAYLOADS, hostile_words
from toy import toy_audit

from reports import write_page

STATIC = Path(__file__).parent.parent / "reports" / "static"


class Markup(HTMLParser):
    """The elements of a page with their attributes, and the texts outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))


def test_no_word_of_the_dataset_becomes_markup(tmp_path: Path) -> None:
    write_page(toy_audit(110, [f"class {i}" for i in range(10)]), tmp_path / "plain.html")
    write_page(hostile_words(), tmp_path / "hostile.html")
    plain, hostile = (Markup((tmp_path / f"{name}.html").read_text("utf-8")) for name in ("plain", "hostile"))
    tags = {tag for tag, _ in plain.elements}
    assert {tag for tag, _ in hostile.elements} <= tags
    for tag in ("script", "style", "textarea", "title", "meta", "link", "svg", "form", "iframe", "base"):
        assert sum(t == tag for t, _ in hostile.elements) == sum(t == tag for t, _ in plain.elements), tag
    for tag, attributes in hostile.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action", "formaction", "data"):
            assert not re.match(r"\s*javascript:", attributes.get(name, ""), re.IGNORECASE)
    text = (tmp_path / "hostile.html").read_text("utf-8")
    markup = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    assert "49" not in re.findall(r">([^<]*)<", markup)  # {{7*7}} was not computed
    assert html.escape(PAYLOADS[0]) in markup


def test_nothing_on_the_page_may_be_loaded_or_sent(tmp_path: Path) -> None:
    write_page(hostile_words(), tmp_path / "page.html")
    page = Markup((tmp_path / "page.html").read_text("utf-8"))
    (policy,) = [a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"  # for connect-src, frame-src, object-src, worker-src ..
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/=]+'", source) for source in rules["script-src"].split())
    assert rules["base-uri"] == rules["form-action"] == "'none'" and rules["img-src"] == "data: blob:"
    for tag, attributes in page.elements:
        for name in ("src", "href"):
            assert re.match(r"data:|#|$", attributes.get(name, "")), (tag, attributes)


MAKES_MARKUP_OR_CODE = re.compile(
    r"\beval\(|\bFunction\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc"
)


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.name)
def test_no_script_of_the_page_makes_markup_or_code_from_text(file: Path) -> None:
    assert not MAKES_MARKUP_OR_CODE.search(file.read_text(encoding="utf-8"))
