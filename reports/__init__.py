"""Pages: an audit or a comparison in, one self-contained HTML file out.

reports.write_page(reports.add_thumbnails(audit), "page.html")
reports.write_comparison_page(view, audits, "comparison.html")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.comparison_page import write_comparison_page
    from reports.conflicts import write_conflicts_page
    from reports.options import PageOptions
    from reports.page import PageSummary, write_page, write_parts
    from reports.thumbnails import add_thumbnails

_HOMES = {
    "PageOptions": "options",
    "PageSummary": "page",
    "add_thumbnails": "thumbnails",
    "write_comparison_page": "comparison_page",
    "write_conflicts_page": "conflicts",
    "write_page": "page",
    "write_parts": "page",
}
"""Where each public name lives: imported when first used."""

__all__ = [
    "PageOptions",
    "PageSummary",
    "add_thumbnails",
    "write_comparison_page",
    "write_conflicts_page",
    "write_page",
    "write_parts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"reports.{_HOMES[name]}"), name)
