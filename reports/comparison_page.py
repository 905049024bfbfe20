"""Write the page of a comparison: one HTML file that asks for nothing from outside.

view (what it says) + pictures + document of the maps  ->  template  ->  report.html

The content policy names every script by its hash, as on the page of an audit.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.results import Audit, Thumbnail
from auditor.writing import replace_file
from reports import figures, payload, wording
from reports.comparison_parts import GROUPS_FIRST, SHOTS_FIRST, make_parts
from reports.comparison_pictures import comparison_pictures
from reports.comparison_view import ComparisonView
from reports.options import PICTURE_BUDGET
from reports.panels import PageSamples, PanelPoints, class_hues, page_samples, panel_points
from reports.rendering import content_policy, data_url, own_text, static_text, template
from reports.terms import TERMS
from reports.thumbnails import PictureSet

SCRIPTS = (
    "elements.js", "explain.js", "sorting.js", "ink.js", "pictures.js", "dots.js",
    "comparison_choice.js", "comparison_maps.js", "comparison_map_tools.js", "comparison_blocks.js",
    "comparison_enlarge.js", "comparison.js",
)  # fmt: skip
"""In the order they build on each other; together they are one module."""
TITLES: Mapping[str, str] = {
    "versions": "before and after",
    "domains": "two domains",
    "models": "models compared",
    "layers": "layers compared",
}
TONE_WORDS: Mapping[str, str] = {"better": "Better", "worse": "Worse", "even": "No clear change", "plain": ""}
CONTENTS_FROM = 5
"""Blocks from which on the page starts with links to them."""
NARROWEST, WIDEST = 0.85, 1.25
"""Width / height of a map's frame."""


@dataclass(frozen=True)
class ComparisonPageSummary:
    """What was written. `left_out` says in sentences what the page does not show."""

    path: Path
    bytes: int
    pictures: int
    left_out: tuple[str, ...]


def write_comparison_page(
    view: ComparisonView, audits: Sequence[Audit], path: str | Path, picture_budget: int = PICTURE_BUDGET
) -> ComparisonPageSummary:
    """Write the page of a comparison as one self-contained HTML file.

    The same view, audits and original files give the same bytes.

    Parameters
    ----------
    audits : the audits compared; `ShownSample.audit` is a position in them.
    picture_budget : bytes of all pictures together before base64.
    """
    panels = panel_points(view)
    samples = page_samples(view, panels)
    pictures = comparison_pictures(view, audits, samples, picture_budget)
    left_out = _left_out(view, panels, pictures)
    data = _render(view, panels, samples, pictures, left_out).encode("utf-8", "replace")
    path = Path(path)
    replace_file(path, data)
    return ComparisonPageSummary(path, len(data), len(pictures.pictures), tuple(left_out))


def _render(
    view: ComparisonView,
    panels: Sequence[PanelPoints],
    samples: PageSamples,
    pictures: PictureSet,
    left_out: Sequence[str],
) -> str:
    hues = class_hues(view)
    data, texts = page_data(view, panels, samples, pictures.pictures, hues)
    blocks = [payload.data_block("page-data", data), payload.picture_block(texts)]
    script = static_text(SCRIPTS)
    allowed = [script]
    shape = map_shape(panels)
    if panels:
        bokeh = payload.Block("bokeh", "text/plain", "", own_text(figures.bokeh_script()))
        blocks += [bokeh, payload.data_block("map-data", figures.maps_document(panels, shape))]
        allowed.append(bokeh.text)
    number_of = dict(zip(samples.all.tolist(), range(len(samples.all)), strict=True))
    return template("comparison.html.jinja").render(
        view=view,
        title=TITLES[view.kind],
        tone_word=TONE_WORDS[view.tone],
        csp=content_policy(allowed),
        style=static_text(["page.css", "comparison.css"]),
        blocks=blocks,
        script=script,
        terms=TERMS,
        has_pictures=bool(pictures.pictures),
        pictured=frozenset(pictures.pictures),
        not_shown=left_out,
        panels=[_panel_words(panel) for panel in panels],
        static_maps=[data_url(figures.static_map(panel, [*hues, -1])) for panel in panels],
        marks=list(dict.fromkeys(p.marked_as or "marked" for p in panels if len(p.marked_samples))),
        map_shape=f"{shape:.3f}",
        parts=make_parts(view.blocks, number_of),
        number_of=number_of,
        contents=len(view.blocks) >= CONTENTS_FROM,
        shots_first=SHOTS_FIRST,
        groups_first=GROUPS_FIRST,
    )


def page_data(
    view: ComparisonView,
    panels: Sequence[PanelPoints],
    samples: PageSamples,
    pictures: Mapping[str, Thumbnail],
    hues: Sequence[int],
) -> tuple[dict[str, Any], list[str]]:
    """Return what the page's script gets, and the base64 texts of the pictures in the order laid down.

    Samples are named by the page's numbers. A class code of -1 becomes the number of classes: grey, no name.
    """
    spots, texts = _lay_down(samples, pictures)
    named = [view.samples[i] for i in samples.all.tolist()]
    none = len(view.class_names)
    data = {
        "classes": list(view.class_names),
        "hues": list(hues),
        "hasImages": view.has_images,
        "samples": {
            "id": [s.id for s in named],
            "label": [s.label if s.label >= 0 else none for s in named],
            "picture": spots,
        },
        "panels": [
            {"plain": samples.numbers(p.plain_samples), "flagged": samples.numbers(p.marked_samples)}
            for p in panels
        ],
    }
    return data, texts


def map_shape(panels: Sequence[PanelPoints]) -> float:
    """Return width / height of each map's frame: true to the maps, but never a strip."""
    if not panels:
        return 1.0
    return min(WIDEST, max(NARROWEST, panels[0].width / max(panels[0].height, 1)))


def _lay_down(samples: PageSamples, pictures: Mapping[str, Thumbnail]) -> tuple[list[Any], list[str]]:
    """Return for each sample [start, length, width, height] or 0, and the texts."""
    spots: list[Any] = []
    texts: list[str] = []
    start = 0
    for number in samples.all.tolist():
        picture = pictures.get(str(number))
        if picture is None:
            spots.append(0)
            continue
        text = base64.b64encode(picture.data).decode()
        spots.append([start, len(text), picture.width, picture.height])
        texts.append(text)
        start += len(text)
    return spots, texts


def _panel_words(panel: PanelPoints) -> dict[str, str]:
    marked, drawn = len(panel.marked_samples), len(panel.plain_samples) + len(panel.marked_samples)
    words = f"{wording.isolate(panel.title)}: map of {wording.plural(drawn, 'sample', 'samples')}"
    if marked:
        words += f", {wording.number(marked)} of them {panel.marked_as or 'marked'}"
    rest = "The tables below hold the numbers."
    caption = " · ".join(part for part in (panel.caption, panel.left_out) if part)
    return {"title": panel.title, "caption": caption, "alternative": f"{words}. {rest}"}


def _left_out(view: ComparisonView, panels: Sequence[PanelPoints], pictures: PictureSet) -> list[str]:
    lines = []
    if view.has_images and not pictures.pictures and (pictures.missing or panels):
        lines.append("There are no pictures: the audits hold none, and the original files do not open.")
    elif pictures.missing:
        missing = wording.plural(pictures.missing, "picture is", "pictures are")
        lines.append(f"{missing} not here: the file is gone, has changed, or does not open.")
    if pictures.shrunk < 1:
        lines.append(f"Pictures were made smaller ({pictures.shrunk:.0%}) to keep this page small.")
    return lines
