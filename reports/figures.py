"""The t-SNE map, or several beside each other. The only file that imports Bokeh.

One document with one figure, found by the page's script under these names (with several: "map-0", "plain-0"):

    plain, flagged     sources with x, y and the class's code; the script adds colours
    focus, links       sources of the ring around the sample in question and of the lines to its neighbours
    map                the figure; tools pan, lasso, box, tap, zoom, hover

Bokeh keeps the axes, the tools and which point lies where. The points themselves are drawn by the script
(static/dots.js), in the colours of the page's style sheet, so that light and dark both work; the ground is
transparent. Nothing in the document is text from the dataset.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.points import GRID, DrawnPoints

MARGIN = 0.03
STATIC_SIDE = 640
"""Longer side in pixels of the picture of the map that stands in for it without JavaScript."""
GREY = 0x8A8D93FF
PALETTE = (0x1F6FEB, 0xD9480F, 0x667766, 0xEEBB66, 0x772299, 0x550000, 0x99AA22, 0xDD77BB)
"""Eight hues that stay apart for all colour-vision deficiencies; --hue-0 to --hue-7 in page.css."""


def bokeh_script() -> str:
    """Return BokehJS as an inline script: the core, nothing that a button or table would need."""
    from bokeh.resources import Resources

    return "\n".join(Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw)


def map_document(points: DrawnPoints) -> dict[str, Any]:
    """Return the map as a Bokeh document and its root, with ids that are the same every time."""
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document

    document = Document(title="map")
    document.add_root(_figure(points))
    plain = json.loads(serialize_json(document.to_json(deferred=False)))
    return _with_stable_ids(plain)


def maps_document(panels: Sequence[DrawnPoints], shape: float) -> dict[str, Any]:
    """Return several maps as one document with a root for each; they share their axes.

    Parameters
    ----------
    panels : maps that lie on one grid.
    shape : width / height of their frames; the axes are widened to it, so that circles stay circles.
    """
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document
    from bokeh.models import Range1d

    width = max((p.width for p in panels), default=GRID) + 2 * MARGIN * GRID
    height = max((p.height for p in panels), default=GRID) + 2 * MARGIN * GRID
    spans = max(width, height * shape), max(height, width / shape)
    middles = width / 2 - MARGIN * GRID, height / 2 - MARGIN * GRID
    ranges = [Range1d(start=m - s / 2, end=m + s / 2) for m, s in zip(middles, spans, strict=True)]
    document = Document(title="maps")
    for number, points in enumerate(panels):
        plot = _figure(points, ranges)
        for model in plot.references():
            if model.name:
                model.name = f"{model.name}-{number}"
        document.add_root(plot)
    return _with_stable_ids(json.loads(serialize_json(document.to_json(deferred=False))))


def _figure(points: DrawnPoints, ranges: Sequence[Any] = ()) -> Any:
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    pad = MARGIN * GRID
    plot = figure(
        name="map",
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        x_range=ranges[0] if ranges else Range1d(start=-pad, end=points.width + pad),
        y_range=ranges[1] if ranges else Range1d(start=-pad, end=points.height + pad),
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
        lod_threshold=None,
    )
    plot.axis.visible = False
    plot.grid.visible = False
    _draw(plot, points)
    plot.toolbar.active_drag = None
    plot.toolbar.active_scroll = None
    return plot


def _draw(plot: Any, points: DrawnPoints) -> None:
    from bokeh.models import ColumnDataSource

    if points.density is not None:
        cloud = ColumnDataSource({"image": [_cloud(points.density)]})
        plot.image_rgba(image="image", source=cloud, x=0, y=0, dw=GRID, dh=GRID, level="underlay")
    links = ColumnDataSource(
        {k: np.zeros(0, dtype=np.uint16) for k in ("x0", "y0", "x1", "y1")}, name="links"
    )
    none: dict[str, Any] = {k: np.zeros(0, dtype=np.uint16) for k in ("x", "y")}
    focus = ColumnDataSource(none, name="focus")
    plain = ColumnDataSource(_columns(points.plain_x, points.plain_y, points.plain_codes), name="plain")
    flagged = ColumnDataSource(
        _columns(points.flagged_x, points.flagged_y, points.flagged_codes), name="flagged"
    )
    dot, diamond = _dot_size(len(points.plain_x)), _diamond_size(len(points.flagged_x))
    # Hidden until the page's script takes over their drawing.
    dots = plot.scatter("x", "y", source=plain, size=dot, name="dots", visible=False)
    diamonds = plot.scatter("x", "y", source=flagged, size=diamond, name="diamonds", visible=False)
    diamonds.glyph.line_width = 1.3 if len(points.flagged_x) < 500 else 0.9
    lines = plot.segment("x0", "y0", "x1", "y1", source=links, name="lines")
    lines.glyph.update(line_width=1.2, line_color="#888888")
    ring = plot.scatter("x", "y", source=focus, size=22, name="ring")
    ring.glyph.update(marker="circle", fill_color=None, line_color="#888888", line_width=2.5)
    for renderer in (dots, diamonds):
        renderer.nonselection_glyph = None
        renderer.selection_glyph = None
    plot.add_tools(*_tools([dots, diamonds]))


def _tools(renderers: list[Any]) -> list[Any]:
    from bokeh.models import (
        BoxSelectTool,
        HoverTool,
        LassoSelectTool,
        PanTool,
        ResetTool,
        TapTool,
        WheelZoomTool,
    )

    return [
        PanTool(name="pan"),
        LassoSelectTool(name="lasso", renderers=renderers, continuous=False),
        BoxSelectTool(name="box", renderers=renderers, continuous=False),
        WheelZoomTool(name="wheel"),
        TapTool(name="tap", renderers=renderers),
        HoverTool(name="hover", renderers=renderers, tooltips=None),
        ResetTool(name="reset"),
    ]


def _columns(x: NDArray[Any], y: NDArray[Any], codes: NDArray[Any]) -> dict[str, Any]:
    return {"x": x, "y": y, "code": codes.astype(np.uint8) if codes.max(initial=0) < 256 else codes}


def _colours(codes: NDArray[Any], hues: Sequence[int]) -> NDArray[np.uint32]:
    """Return one 0xRRGGBBAA number for each point."""
    table = np.array([(PALETTE[h] << 8 | 0xFF) if h >= 0 else GREY for h in hues] or [GREY], dtype=np.uint32)
    return np.asarray(table[codes], dtype=np.uint32)


def _dot_size(count: int) -> float:
    """Return the diameter in pixels: readable on 100 points, no solid mass on 50,000."""
    return float(np.clip(7.5 - 1.1 * np.log10(max(count, 1)), 2.5, 6))


def _diamond_size(count: int) -> float:
    return float(np.clip(15 - 2.7 * np.log10(max(count, 1)), 5.5, 12))


def _cloud(density: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the density as grey of growing opacity, in Bokeh's 0xAABBGGRR order."""
    alpha = (density.astype(np.uint32) * 3) // 5
    return np.asarray((alpha << 24) | 0x938D8A, dtype=np.uint32)


def _with_stable_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Replace Bokeh's running ids by numbers in order of appearance: same audit, same bytes."""
    names: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(child) for child in node]
        if isinstance(node, dict):
            return {key: name(value) if key == "id" else walk(value) for key, value in node.items()}
        return node

    def name(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(r"p\d+", value):
            return names.setdefault(value, f"m{len(names)}")
        return walk(value)

    return dict(walk(document))


def static_map(points: DrawnPoints, hues: Sequence[int]) -> bytes:
    """Return the map as a WebP picture on a transparent ground; flagged samples are ringed diamonds."""
    from PIL import Image, ImageDraw

    scale = STATIC_SIDE / (max(points.width, points.height, 1) * (1 + 2 * MARGIN))
    pad = MARGIN * max(points.width, points.height) * scale
    width, height = (round(side * scale + 2 * pad) + 1 for side in (points.width, points.height))

    def places(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([x * scale + pad, height - 1 - (y * scale + pad)], axis=1)

    dot, half = _dot_size(len(points.plain_x)) / 2, _diamond_size(len(points.flagged_x)) / 2
    pixels = np.zeros((height, width), dtype=">u4")  # the bytes of 0xRRGGBBAA are red, green, blue, opacity
    _stamp(pixels, places(points.plain_x, points.plain_y), _colours(points.plain_codes, hues), dot)
    picture = Image.fromarray(pixels.view(np.uint8).reshape(height, width, 4), "RGBA")
    draw = ImageDraw.Draw(picture)
    flagged = places(points.flagged_x, points.flagged_y).tolist()
    for (x, y), colour in zip(flagged, _colours(points.flagged_codes, hues).tolist(), strict=True):
        corners = [(x, y - half), (x + half, y), (x, y + half), (x - half, y)]
        draw.polygon(corners, fill=f"#{colour:08x}", outline="#808080ff")
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=70, method=4)
    return out.getvalue()


def _stamp(
    pixels: NDArray[Any], places: NDArray[np.float64], colours: NDArray[np.uint32], radius: float
) -> None:
    """Set the pixels (h, w) within `radius` of each place (n, 2) to its colour."""
    middle = np.floor(places).astype(np.int64)
    reach = int(np.ceil(radius))
    for dy, dx in itertools.product(range(-reach, reach + 1), repeat=2):
        column, row = middle[:, 0] + dx, middle[:, 1] + dy
        near = np.hypot(column + 0.5 - places[:, 0], row + 0.5 - places[:, 1]) <= radius
        near &= (column >= 0) & (column < pixels.shape[1]) & (row >= 0) & (row < pixels.shape[0])
        pixels[row[near], column[near]] = colours[near]
