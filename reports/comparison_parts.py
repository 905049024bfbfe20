"""The blocks of a comparison as the template draws them: cut to what a page can hold, with a number each.

Block  ->  Part(kind, id, block, and for tables, matrices and curves what is drawn of them)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reports import comparison_view as v
from reports.curves import ChartView, chart_view
from reports.panels import TABLE_ROWS

MATRIX_CLASSES = 20
SHOTS_FIRST = 24
"""Pictures of a group that show at once; a button shows the others."""
LONG_TEXT = 40
"""Characters from which on a cell's text may be clamped, so that pointing at it shows the whole of it."""
GROUPS_FIRST = 12
"""Groups of a gallery that show at once; a button shows the others."""

KINDS: tuple[tuple[type, str], ...] = (
    (v.FigureBlock, "figures"),
    (v.TableBlock, "table"),
    (v.GalleryBlock, "gallery"),
    (v.MatrixBlock, "matrices"),
    (v.CurveBlock, "curves"),
    (v.WordsBlock, "words"),
)


@dataclass(frozen=True)
class DrawnCell:
    """A table cell with the value that sorts it, "" where its text does; `title` is its text when long."""

    text: str
    value: str
    tone: v.Tone
    title: str


@dataclass(frozen=True)
class DrawnRow:
    """A table row; classes and samples as the page's numbers, separated by commas."""

    cells: tuple[DrawnCell, ...]
    classes: str
    samples: str


@dataclass(frozen=True)
class DrawnMatrix:
    """A confusion matrix; a cell is (count, share of its row)."""

    title: str
    names: tuple[str, ...]
    cells: tuple[tuple[tuple[int, float], ...], ...]
    note: str


@dataclass(frozen=True)
class Part:
    """One block; `cut` says what of it is not shown."""

    kind: str
    id: str
    block: v.Block
    rows: tuple[DrawnRow, ...] = ()
    matrices: tuple[DrawnMatrix, ...] = ()
    chart: ChartView | None = None
    cut: str = ""


def make_parts(blocks: Sequence[v.Block], number_of: dict[int, int]) -> tuple[Part, ...]:
    """Return the blocks in their order; `number_of` gives the page's number of a sample."""
    return tuple(_part(block, f"part-{i + 1}", number_of) for i, block in enumerate(blocks))


def _part(block: v.Block, part_id: str, number_of: dict[int, int]) -> Part:
    kind = next(name for known, name in KINDS if isinstance(block, known))
    part = Part(kind, part_id, block)
    if isinstance(block, v.TableBlock):
        rows = tuple(_row(row, block.numeric, number_of) for row in block.rows[:TABLE_ROWS])
        return replace(part, rows=rows, cut=_cut_sentence(len(rows), len(block.rows)))
    if isinstance(block, v.MatrixBlock):
        matrices, cut = draw_matrices(block.matrices)
        return replace(part, matrices=matrices, cut=cut)
    if isinstance(block, v.CurveBlock):
        return replace(part, chart=chart_view(block))
    return part


def _cut_sentence(shown: int, total: int) -> str:
    return f"The first {shown:,} of {total:,} rows; all stand in comparison.json." if shown < total else ""


def _row(row: v.Row, numeric: Sequence[bool], number_of: dict[int, int]) -> DrawnRow:
    cells = tuple(_cell(c, is_number) for c, is_number in zip(row.cells, numeric, strict=True))
    return DrawnRow(cells, numbers(row.classes), numbers(number_of[s] for s in row.samples))


def numbers(values: Iterable[int]) -> str:
    """Return numbers as one text for an attribute."""
    return ",".join(str(int(value)) for value in values)


def _cell(cell: v.Cell, numeric: bool) -> DrawnCell:
    value = _read_number(cell.text) if cell.value is None and numeric else cell.value
    text = "" if value is None else f"{value:.10g}"
    title = cell.whole or (cell.text if len(cell.text) > LONG_TEXT else "")
    return DrawnCell(cell.text, "none" if numeric and value is None else text, cell.tone, title)


def _read_number(text: str) -> float | None:
    """Return the number that a cell starts with, e.g. "1,004" or "−3.5 %"; None when there is none."""
    first = (text.replace("−", "-").replace(",", "").replace("%", " ").split() or [""])[0]
    try:
        value = float(first)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def draw_matrices(matrices: Sequence[v.Matrix]) -> tuple[tuple[DrawnMatrix, ...], str]:
    """Return the matrices with the same classes in the same order, and what was left out.

    Where they are over the same classes, those that are confused most in all of them together are kept.
    """
    same = len({m.names for m in matrices}) == 1
    together = worst_classes([m.counts for m in matrices]) if same else None
    drawn = [_matrix(m, worst_classes([m.counts]) if together is None else together) for m in matrices]
    most = max((len(m.names) for m in matrices), default=0)
    if most <= MATRIX_CLASSES:
        return tuple(drawn), ""
    rest = f"of {most:,}; the others stand in comparison.json."
    return tuple(drawn), f"The {MATRIX_CLASSES} classes that are confused most, {rest}"


def worst_classes(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the positions of the classes with the largest shares off the diagonal, at most 20, ascending."""
    worst = np.zeros(len(counts[0]))
    for matrix in counts:
        wrong = matrix - np.diag(np.diag(matrix))
        worst += wrong.sum(axis=1) / np.maximum(matrix.sum(axis=1), 1)
        worst += wrong.sum(axis=0) / np.maximum(matrix.sum(axis=0), 1)
    return np.sort(np.argsort(-worst, kind="stable")[:MATRIX_CLASSES])


def _matrix(matrix: v.Matrix, kept: NDArray[np.int64]) -> DrawnMatrix:
    part = matrix.counts[np.ix_(kept, kept)]
    sizes = np.maximum(matrix.counts[kept].sum(axis=1), 1)
    shares = np.round(part / sizes[:, None], 3)
    cells = tuple(
        tuple(zip(row, share, strict=True)) for row, share in zip(part.tolist(), shares.tolist(), strict=True)
    )
    return DrawnMatrix(matrix.title, tuple(matrix.names[i] for i in kept.tolist()), cells, matrix.note)
