"""What the page of a comparison says, as plain frozen dataclasses: sorted, rounded and worded.

    ComparisonView
      headline, tone, lines, facts   the header
      samples                        every sample that a map or a picture shows; the rest points into it
      maps                           side by side in one frame, linked by sample
      blocks                         figures, tables, galleries, matrices, curves, words; in reading order
      notes, footer                  what to know beside, where it comes from

Each kind of comparison has a module that makes this view; `reports.comparison_page` turns it into HTML.
Classes are named by their code, the position in `class_names`; samples by their position in `samples`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats

Tone = Literal["better", "worse", "even", "plain"]
"""How a change is told: in colour, and always in words too. "plain" judges nothing."""


@dataclass(frozen=True)
class ShownSample:
    """One sample. `audit` is the position of the audit that has its picture; `label` a class code or -1."""

    id: str
    label: int
    audit: int = 0


@dataclass(frozen=True)
class MapPanel:
    """One map: ``positions`` (p, 2) in the frame that all panels share, ``samples`` (p,), ``codes`` (p,).

    A sample on several panels is linked by its number in `samples`. ``marked`` (p,) points are drawn as
    diamonds, `marked_as` says what they are ("relabelled", "misclassified").
    """

    title: str
    caption: str
    samples: NDArray[np.int32]
    positions: Floats
    codes: NDArray[np.int32]
    marked: NDArray[np.bool_]
    marked_as: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure: its name, its values in the order of `FigureBlock.columns`, the change in words."""

    name: str
    values: tuple[str, ...]
    change: str = ""
    tone: Tone = "plain"
    note: str = ""


@dataclass(frozen=True)
class FigureBlock:
    """A few figures, large: e.g. columns ("before", "after")."""

    title: str
    columns: tuple[str, ...]
    figures: tuple[Figure, ...]
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table. `value` sorts where the text does not; `tone` colours a word of change.

    `whole` is the text with its names not cut, for who points at it; "" where nothing is cut.
    """

    text: str
    value: float | None = None
    tone: Tone = "plain"
    whole: str = ""


@dataclass(frozen=True)
class Row:
    """One row; `classes` are lit on the maps when it is chosen, `samples` too."""

    cells: tuple[Cell, ...]
    classes: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableBlock:
    """A table that the keyboard sorts. `numeric` says which columns hold numbers."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[Row, ...]
    note: str = ""
    empty: str = "Nothing to show."


@dataclass(frozen=True)
class Picture:
    """One picture of a gallery with up to two short lines under it."""

    sample: int
    caption: str = ""
    second: str = ""


@dataclass(frozen=True)
class PictureGroup:
    """Pictures that belong together, under a heading; `classes` are lit on the maps when it is chosen."""

    title: str
    pictures: tuple[Picture, ...]
    note: str = ""
    classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class GalleryBlock:
    """Groups of pictures, one under the other, or side by side two at a time where `paired`."""

    title: str
    groups: tuple[PictureGroup, ...]
    note: str = ""
    paired: bool = False
    empty: str = "Nothing to show."


@dataclass(frozen=True)
class Matrix:
    """One confusion matrix (c, c) of counts over `names`, rows given label, columns taken for."""

    title: str
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    note: str = ""


@dataclass(frozen=True)
class MatrixBlock:
    """Confusion matrices side by side."""

    title: str
    matrices: tuple[Matrix, ...]
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """One line over the steps of a `CurveBlock`; values in [0, 1], None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class CurveBlock:
    """Lines over a few named steps (layers, models); drawn as SVG and told as a table."""

    title: str
    steps: tuple[str, ...]
    curves: tuple[Curve, ...]
    note: str = ""


@dataclass(frozen=True)
class WordsBlock:
    """Paragraphs in plain words, or a numbered list."""

    title: str
    paragraphs: tuple[str, ...]
    numbered: bool = False


Block = FigureBlock | TableBlock | GalleryBlock | MatrixBlock | CurveBlock | WordsBlock


@dataclass(frozen=True)
class ComparisonView:
    """See the module docstring."""

    kind: Literal["versions", "domains", "models", "layers"]
    name: str
    facts: tuple[str, ...]
    headline: str
    tone: Tone
    lines: tuple[str, ...]
    class_names: tuple[str, ...]
    samples: tuple[ShownSample, ...]
    maps: tuple[MapPanel, ...]
    map_note: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    footer: tuple[tuple[str, str], ...]
    has_images: bool = True
