"""Write the page: one HTML file that asks for nothing from outside.

    view (what it says) + pictures + map document  ->  template  ->  report.html

The content policy names every script by its hash, so nothing else can run, whatever a class is called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.arrays import Progress, no_progress
from auditor.errors import UsageError
from auditor.results import Audit
from auditor.writing import replace_file
from reports import figures, payload, thumbnails, wording
from reports.options import PageOptions
from reports.questions import Asked, ask, share_out
from reports.rendering import HERE, content_policy, data_url, own_text, static_text, template
from reports.terms import TERMS
from reports.thumbnails import PictureSet
from reports.view import PageView, make_view

SCRIPTS = (
    "elements.js", "explain.js", "sorting.js", "ink.js",
    "base.js", "pictures.js", "answers.js", "decisions.js", "files.js", "dots.js", "map.js", "card.js",
    "picker.js", "gallery.js", "bulk.js", "pairs.js", "tables.js", "saving.js", "main.js",
)  # fmt: skip
"""In the order they build on each other; together they are one module."""
HUES = 8
PAGE_STEPS = 4
"""Questions, view, pictures, page: of about equal length."""
PAIR_ROWS = 200
"""Rows of the table of pairs; the others stand in audit.json."""


@dataclass(frozen=True)
class PageSummary:
    """What was written. `left_out` says in sentences what the page does not show."""

    path: Path
    bytes: int
    findings: int
    findings_shown: int
    pictures: int
    left_out: tuple[str, ...]


def write_page(
    audit: Audit,
    path: str | Path,
    options: PageOptions | None = None,
    asked: Asked | None = None,
    progress: Progress = no_progress,
) -> PageSummary:
    """Write the page of an audit as one self-contained HTML file.

    The same audit and options give the same bytes.

    Parameters
    ----------
    asked : the questions of this page when it is one part of several; all that `options` ask for when None.
    progress : called with ("page", steps done, steps).

    Raises
    ------
    UsageError
        If `options` contradict each other, or `options.image_root` is no web address and no relative path.
    """
    options = options or PageOptions()
    root = _checked_root(options.image_root)
    progress("page", 0, PAGE_STEPS)
    asked = asked or ask(audit, options)
    progress("page", 1, PAGE_STEPS)
    view = make_view(audit, options, asked)
    progress("page", 2, PAGE_STEPS)
    wanted = [sample.id for sample in view.samples if sample.pictured] if view.has_images else []
    pictures = thumbnails.page_pictures(audit, wanted, options.picture_budget)
    left_out = _left_out(view, pictures)
    progress("page", 3, PAGE_STEPS)
    text = render_page(view, pictures, root, left_out)
    data = text.encode("utf-8", "replace")
    path = Path(path)
    replace_file(path, data)
    progress("page", PAGE_STEPS, PAGE_STEPS)
    return PageSummary(
        path,
        len(data),
        sum(asked.found.values()),
        len(view.cards),
        len(pictures.pictures),
        tuple(left_out),
    )


def write_parts(
    audit: Audit, path: Path, options: PageOptions, parts: int, overlap: float
) -> tuple[PageSummary, ...]:
    """Write one page for each of several annotators: report.html -> report-1-of-3.html and so on.

    `overlap` is the share of the questions, in [0, 1], that all parts ask, to see whether people agree.
    """
    shared = share_out(ask(audit, options), parts, overlap, audit.provenance.seed)
    return tuple(
        write_page(audit, path.with_name(f"{path.stem}-{a.part}-of-{a.parts}{path.suffix}"), options, a)
        for a in shared
    )


def render_page(view: PageView, pictures: PictureSet, root: str, left_out: Sequence[str]) -> str:
    """Return the page's HTML."""
    hues = class_hues(view)
    has_map = len(view.points.plain_ids) + len(view.points.flagged_ids) > 0
    data, texts = payload.page_data(view, hues, pictures.pictures, root)
    blocks = [payload.data_block("page-data", data), payload.picture_block(texts)]
    script = static_text(SCRIPTS)
    allowed = [script]
    if has_map:
        # A block, which the script runs once the first pictures are on the screen: it takes its time.
        bokeh = payload.Block("bokeh", "text/plain", "", own_text(figures.bokeh_script()))
        blocks += [bokeh, payload.data_block("map-data", figures.map_document(view.points))]
        allowed.append(bokeh.text)
    return template("page.html.jinja").render(
        view=view,
        csp=content_policy(allowed),
        style=static_text(["page.css"]),
        version=dict(view.explained.footer)["auditor"],
        blocks=blocks,
        script=script,
        terms=TERMS,
        has_pictures=bool(pictures.pictures),
        not_shown=left_out,
        pair_rows=view.pairs[:PAIR_ROWS],
        map_shape=_map_shape(view),
        map_alternative=_map_alternative(view),
        static_map=data_url(figures.static_map(view.points, hues)) if has_map else "",
    )


def class_hues(view: PageView) -> list[int]:
    """Return each class's hue, -1 for grey: the classes of the worst pairs first, at most eight."""
    hues = [-1] * len(view.class_names)
    codes = [code for pair in view.pairs for code in (pair.a, pair.b)]
    if len(hues) <= HUES:
        codes += range(len(hues))
    for hue, code in enumerate(list(dict.fromkeys(codes))[:HUES]):
        hues[code] = hue
    return hues


def _left_out(view: PageView, pictures: PictureSet) -> list[str]:
    lines = [view.not_shown] if view.not_shown else []
    if view.has_images and not pictures.pictures and view.samples:
        lines.append("There are no pictures in this audit: it was made or stored without thumbnails.")
    elif view.has_images and pictures.missing:
        lines.append(
            f"{wording.plural(pictures.missing, 'picture is', 'pictures are')} not here: "
            f"the file does not open or was not stored."
        )
    if pictures.shrunk < 1:
        lines.append(f"Pictures were made smaller ({pictures.shrunk:.0%}) to keep this page small.")
    return lines


def _checked_root(root: str | None) -> str:
    if root is None:
        return ""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", root)
    if scheme and scheme[1].lower() not in ("http", "https", "file"):
        raise UsageError(
            f"The image root {root!r} starts with {scheme[0]!r}; use http:, https:, file: or a relative path."
        )
    return root if root.endswith("/") else f"{root}/"


def _map_shape(view: PageView) -> str:
    """Return width / height of the map's frame: true to the map, but never a thin strip."""
    return f"{min(1.05, max(0.8, view.points.width / max(view.points.height, 1))):.3f}"


def _map_alternative(view: PageView) -> str:
    flagged = len(view.points.flagged_ids)
    samples = wording.plural(len(view.points.plain_ids) + flagged, "sample", "samples")
    classes = wording.plural(len(view.class_names), "class", "classes")
    rest = "Everything on it is also in the findings and tables."
    return f"Map of {samples} in {classes}, {wording.number(flagged)} of them flagged. {rest}"


__all__ = ["HERE", "PageOptions", "PageSummary", "write_page", "write_parts"]
