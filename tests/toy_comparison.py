"""A `ComparisonView` with a block of each kind, built on two toy audits: for the tests of the page.

The second audit is the first one with some samples moved on the map and given another label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from toy import toy_audit

from auditor.results import Audit
from reports import comparison_view as v


@dataclass(frozen=True)
class ToyComparison:
    """A view, and the audits that have its pictures."""

    view: v.ComparisonView
    audits: tuple[Audit, ...]


def toy_comparison(
    n: int = 90,
    classes: Sequence[str] = ("cat", "dog", "bird"),
    panels: int = 2,
    tone: v.Tone = "better",
    names: Sequence[str] | None = None,
    seed: int = 0,
    images: bool = True,
    words: str = "words",
) -> ToyComparison:
    """Return a comparison of `panels` maps; `words` stands wherever a view may hold text of its own."""
    audit = toy_audit(
        n, classes, seed, findings={"mislabeled": 6, "off_topic": 2}, names=names, images=images
    )
    ids = audit.map.ids
    codes = audit.dataset.codes_of(ids)
    samples = tuple(v.ShownSample(str(i), int(c)) for i, c in zip(ids, codes, strict=True))
    marked = np.zeros(len(ids), dtype=bool)
    marked[:: max(1, len(ids) // 9)] = True
    view = v.ComparisonView(
        kind="versions",
        name=audit.dataset.name,
        facts=(f"{len(ids)} samples", f"{len(audit.dataset.classes)} classes"),
        headline="The classes separate better after the clean-up.",
        tone=tone,
        lines=("Neighbour accuracy went from 81 % to 88 %, interval +3 to +10 points.", words),
        class_names=audit.dataset.classes,
        samples=samples,
        maps=tuple(_panel(audit, number, codes, marked) for number in range(panels)),
        map_note="The second map starts from the first one.",
        blocks=_blocks(audit, words),
        notes=("12 samples could not be matched.", words),
        footer=(("auditor", "0.3.0"), ("Seed", "0"), ("Command", words)),
        has_images=images,
    )
    return ToyComparison(view, (audit,))


def _panel(audit: Audit, number: int, codes: np.ndarray, marked: np.ndarray) -> v.MapPanel:
    rows = np.arange(len(codes))[number:]
    moved = audit.map.positions + np.random.default_rng(number).normal(size=(len(codes), 2)) * number * 0.4
    return v.MapPanel(
        title=("Before", "After", "Third", "Fourth", "Fifth", "Sixth")[number],
        caption=f"{len(rows)} samples, trust 0.9{number}" + "; placed on the first map" * 4 * (number == 1),
        samples=rows.astype(np.int32),
        positions=moved[rows].astype(np.float32),
        codes=codes[rows].astype(np.int32),
        marked=marked[rows],
        marked_as="relabelled",
    )


def _blocks(audit: Audit, words: str) -> tuple[v.Block, ...]:
    names = audit.dataset.classes
    return (
        v.FigureBlock(
            "Separation",
            ("before", "after"),
            (
                v.Figure("Neighbour accuracy", ("81 %", "88 %"), "+7 points, better", "better"),
                v.Figure("Silhouette", ("0.41", "0.38"), "−0.03, worse", "worse", "On common samples."),
                v.Figure("Flagged", ("38", "37"), "no clear change", "even", words),
            ),
            note="On the samples common to both.",
        ),
        _table(names, words),
        _gallery(names, words),
        v.MatrixBlock("Confusions", tuple(_matrix(t, names, s) for s, t in enumerate(("Before", "After")))),
        v.CurveBlock(
            "From layer to layer",
            ("layer1", "layer2", "layer3", "layer4"),
            tuple(
                v.Curve(name, (0.3 + i / 20, 0.5, None if i else 0.6, 0.9)) for i, name in enumerate(names)
            ),
        ),
        v.WordsBlock("What to collect", (f"More {names[0]}.", words), numbered=True),
        v.WordsBlock("How to read this", (words,)),
        v.TableBlock("Lost", ("Sample",), (False,), (), empty="Every sample was matched."),
    )


def _table(names: Sequence[str], words: str) -> v.TableBlock:
    rows = tuple(
        v.Row(
            (
                v.Cell(name),
                v.Cell(f"{1000 - 7 * i:,}"),
                v.Cell(f"{i} %", float(i)),
                v.Cell(("better", "worse")[i % 2], float(i % 2), ("better", "worse")[i % 2]),  # type: ignore[arg-type]
                v.Cell(words),
            ),
            classes=(i,),
            samples=(i, i + len(names)),
        )
        for i, name in enumerate(names)
    )
    columns = ("Class", "Samples", "Mixed", "Change", "Remark")
    return v.TableBlock("Classes", columns, (False, True, True, False, False), rows, note=words)


def _gallery(names: Sequence[str], words: str) -> v.GalleryBlock:
    groups = tuple(
        v.PictureGroup(
            f"{name} before and after",
            tuple(v.Picture(6 * i + k, f"was {name}", words) for k in range(6)),
            note=words,
            classes=(i,),
        )
        for i, name in enumerate(names[:4])
    )
    return v.GalleryBlock("Relabelled", groups, paired=True)


def _matrix(title: str, names: Sequence[str], seed: int) -> v.Matrix:
    c = len(names)
    counts = np.random.default_rng(seed).integers(0, 4, size=(c, c)) + np.diag(np.full(c, 20))
    return v.Matrix(title, tuple(names), counts.astype(np.int64))


def with_maps(toy: ToyComparison, maps: Sequence[v.MapPanel]) -> ToyComparison:
    """Return the comparison with other maps."""
    return replace(toy, view=replace(toy.view, maps=tuple(maps)))
