"""The blocks of the page of two versions: figures, ledger, classes, pairs, pictures, how it was judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from auditor.comparisons.ledger import LedgerEntry
from auditor.comparisons.standing import BETTER, WORSE, ClassChange, PairChange, Two
from auditor.comparisons.versions import VersionComparison
from reports.comparison_view import (
    Block,
    Cell,
    Figure,
    FigureBlock,
    GalleryBlock,
    Picture,
    PictureGroup,
    Row,
    TableBlock,
    Tone,
    WordsBlock,
)
from reports.model_blocks import share
from reports.versions_samples import LedgerSamples
from reports.versions_wording import TONES, short_likelihood
from reports.wording import number

SHOWN_PICTURES = 24
"""Pictures of each part of the ledger; ledger.csv has all."""
LISTED_UNRESOLVED = 200
PARTS: tuple[tuple[str, str, str], ...] = (
    ("change", "relabelled", "Relabelled"),
    ("change", "removed", "Removed"),
    ("change", "added", "Added"),
    ("finding", "fixed", "No longer flagged"),
    ("finding", "newly flagged", "Newly flagged"),
    ("finding", "still flagged", "Still flagged"),
    ("finding", "checked", "Still flagged, but checked and found right"),
    ("change", "unresolved", "Unresolved: which is which cannot be told"),
)
"""Field of the ledger, its value, and what the page calls it."""


def blocks(comparison: VersionComparison, shown: LedgerSamples) -> tuple[Block, ...]:
    """Return the page's blocks in reading order."""
    unresolved = [e for e in comparison.ledger.entries if e.change == "unresolved"]
    return (
        _figures(comparison),
        _ledger_table(comparison),
        _class_table(comparison),
        _pair_table(comparison),
        _gallery(comparison, shown),
        *([_unresolved_table(unresolved)] if unresolved else []),
        WordsBlock("How this was judged", tuple(_how(comparison)), numbered=True),
    )


def _figures(comparison: VersionComparison) -> FigureBlock:
    standing, held = comparison.standing, comparison.held
    rows = []
    if held:
        rows += [
            Figure(
                "3 nearest, held out",
                *_shares(held.knn_accuracy),
                tone=_tone(comparison, held.knn_accuracy),
                note="not touched by the clean-up",
            ),
            Figure(
                "Linear probe, held out",
                *_shares(held.probe_accuracy),
                tone=_tone(comparison, held.probe_accuracy),
            ),
        ]
    low, high = (100 * v for v in (standing.knn_change.low, standing.knn_change.high))
    rows += [
        Figure(
            "Neighbours, same samples",
            *_shares(standing.common.knn_accuracy),
            note=f"in both versions; 90 % interval of the change {low:+.1f} to {high:+.1f}",
        ),
        Figure("Linear probe, same samples", *_shares(standing.common.probe_accuracy)),
        Figure("Silhouette, same samples", *_plain(standing.common.silhouette)),
        Figure("Neighbours, all samples", *_shares(standing.all.knn_accuracy)),
        Figure("Linear probe, all samples", *_shares(standing.all.probe_accuracy)),
        Figure("Silhouette, all samples", *_plain(standing.all.silhouette)),
    ]
    return FigureBlock(
        "How well the classes separate",
        ("before", "after"),
        tuple(rows),
        note="Share of the samples whose label their neighbours, or a probe that never saw them, give. "
        "Figures on the cleaned data rise also when only doubtful samples were taken away: the verdict does "
        "not rest on them.",
    )


def _tone(comparison: VersionComparison, values: Two) -> Tone:
    """Colour a held-out change only where it goes the way of the verdict."""
    verdict = TONES[comparison.verdict]
    goes = "better" if values[1] > values[0] else "worse" if values[1] < values[0] else "even"
    return verdict if verdict == goes else "plain"


def _shares(values: Two) -> tuple[tuple[str, str], str]:
    change = 100 * (values[1] - values[0])
    return (_percent(values[0]), _percent(values[1])), "" if math.isnan(
        change
    ) else f"{_signed(change, 1)} points"


def _plain(values: Two) -> tuple[tuple[str, str], str]:
    return (_digits(values[0]), _digits(values[1])), _signed(values[1] - values[0], 3)


def _signed(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else share(value)


def _digits(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}".replace("-", "−")


def _ledger_table(comparison: VersionComparison) -> TableBlock:
    counts = comparison.ledger.counts()
    rows = []
    for field, value, name in PARTS:
        if counts[value] or value in (
            "relabelled",
            "removed",
            "added",
            "fixed",
            "newly flagged",
            "still flagged",
        ):
            entries = [e for e in comparison.ledger.entries if getattr(e, field) == value]
            rows.append(Row((Cell(name), Cell(number(counts[value]), counts[value]), Cell(_kinds(entries)))))
    rows.append(
        Row(
            (
                Cell("Neither changed nor flagged"),
                Cell(number(counts["unchanged"]), counts["unchanged"]),
                Cell(""),
            )
        )
    )
    return TableBlock(
        "What became of every sample",
        ("", "Samples", "Findings"),
        (False, True, False),
        tuple(rows),
        note="A sample may stand in two rows, such as relabelled and no longer flagged. ledger.csv lists "
        "each. Both audits are judged by the thresholds of the earlier one.",
    )


def _kinds(entries: Sequence[LedgerEntry]) -> str:
    """Return the kinds of findings among entries, before where they had one, else after."""
    counts: dict[str, int] = {}
    for entry in entries:
        kind = entry.kind_before or entry.kind_after
        if kind:
            counts[kind] = counts.get(kind, 0) + 1
    worst = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in worst)


def _class_table(comparison: VersionComparison) -> TableBlock:
    where = "held-out pictures" if comparison.held else "samples with an unchanged label"
    return TableBlock(
        "Classes before and after",
        (
            "Class",
            "Samples",
            "Neighbours right",
            "Change",
            "Probe right",
            "Change",
            "Silhouette",
            "Labels became",
            "Told",
        ),
        (False, True, True, True, True, True, True, False, False),
        tuple(_class_row(change, code) for code, change in enumerate(comparison.standing.classes)),
        note=f"Shares over the samples that both versions have. Labels became: how much likelier the {where} "
        "of the class make their label, with its 90 % interval. Better or worse is said where that is clear "
        "after adjusting for the number of classes.",
    )


def _class_row(change: ClassChange, code: int) -> Row:
    common, sizes = change.common, change.all.samples
    return Row(
        (
            Cell(change.name),
            Cell(f"{sizes[0]:,} → {sizes[1]:,}", float(sizes[1] - sizes[0])),
            Cell(_arrow(common.knn_accuracy), common.knn_accuracy[1]),
            Cell(*_points(common.knn_accuracy)),
            Cell(_arrow(common.probe_accuracy), common.probe_accuracy[1]),
            Cell(*_points(common.probe_accuracy)),
            Cell(
                _signed(common.silhouette[1] - common.silhouette[0], 3),
                common.silhouette[1] - common.silhouette[0],
            ),
            Cell(short_likelihood(change.gain) if change.gain.samples else "–", change.gain.estimate),
            _word(change.word, change.gain.z),
        ),
        classes=(code,),
    )


def _arrow(values: Two) -> str:
    return f"{_percent(values[0])} → {_percent(values[1])}"


def _points(values: Two) -> tuple[str, float | None]:
    change = 100 * (values[1] - values[0])
    return (_signed(change, 1), change) if not math.isnan(change) else ("–", None)


def _word(word: str, z: float) -> Cell:
    tones: dict[str, Tone] = {BETTER: "better", WORSE: "worse"}
    return Cell(word, z, tones.get(word, "plain"))


def _pair_table(comparison: VersionComparison) -> TableBlock:
    code = {name: number for number, name in enumerate(comparison.classes)}
    return TableBlock(
        "Pairs that mix, before and after",
        ("A", "B", "A looks like B", "B looks like A", "Share", "Flagged", "Told"),
        (False, False, True, True, True, True, False),
        tuple(_pair_row(p, (code[p.a], code[p.b])) for p in comparison.standing.pairs),
        note="Counts out of sample, on all samples of each version. Share: mean part of both classes that is "
        "taken for the other.",
        empty="No two classes are taken for each other, before or after.",
    )


def _pair_row(p: PairChange, codes: tuple[int, int]) -> Row:
    def counts(values: tuple[int, int]) -> Cell:
        return Cell(f"{values[0]:,} → {values[1]:,}", float(values[1] - values[0]))

    return Row(
        (
            Cell(p.a),
            Cell(p.b),
            counts(p.a_as_b),
            counts(p.b_as_a),
            Cell(_arrow(p.score), p.score[0]),
            counts(p.flagged),
            _word(p.word, p.gain.z),
        ),
        classes=codes,
    )


def _gallery(comparison: VersionComparison, shown: LedgerSamples) -> GalleryBlock:
    groups = []
    for field, value, name in PARTS:
        entries = [e for e in comparison.ledger.entries if getattr(e, field) == value]
        if entries:
            left = len(entries) - SHOWN_PICTURES
            groups.append(
                PictureGroup(
                    f"{name} ({number(len(entries))})",
                    tuple(Picture(shown.number(e), *_captions(e)) for e in entries[:SHOWN_PICTURES]),
                    note=f"{number(left)} more stand in ledger.csv." if left > 0 else "",
                )
            )
    return GalleryBlock(
        "The samples that changed", tuple(groups), empty="No sample changed and none is flagged."
    )


def _captions(entry: LedgerEntry) -> tuple[str, str]:
    label = (
        f"{entry.label_before} → {entry.label_after}"
        if entry.change == "relabelled"
        else entry.label_after or entry.label_before
    )
    kinds = [kind.replace("_", " ") for kind in (entry.kind_before, entry.kind_after)]
    if kinds[0] and kinds[1] and kinds[0] != kinds[1]:
        return label, f"{kinds[0]} → {kinds[1]}"
    return label, kinds[0] or kinds[1]


def _unresolved_table(entries: Sequence[LedgerEntry]) -> TableBlock:
    rows = [
        Row(
            (
                Cell(e.id_before or e.id_after),
                Cell("before" if e.id_before else "after"),
                Cell(e.label_before or e.label_after),
            )
        )
        for e in entries[:LISTED_UNRESOLVED]
    ]
    return TableBlock(
        "Unresolved",
        ("File", "Version", "Label"),
        (False, False, False),
        tuple(rows),
        note="Copies of one picture under changed names and labels: which of them is which cannot be told.",
    )


def _how(comparison: VersionComparison) -> Iterator[str]:
    yield (
        "Samples are the same when name and pixels are; else when the pixels occur once in both versions, or "
        "once under that label. So a file that moved to another class folder is relabelled."
    )
    yield (
        "A linear probe and the neighbours' vote are trained on the labels before, and again on the labels "
        "after. Both sides are asked about the same pictures; copies count once and are left out together."
    )
    yield (
        "Improved needs evidence that the clean-up could not shape: pictures that it did not touch, or "
        "people who did not know which labels were suspected. On held-out pictures the gain must be clear, "
        "and the labels before must have been worse than right labels."
    )
    yield (
        "Without that, the gain is held against what tidying alone would win: labels are drawn from the "
        "model itself, so that none is wrong, and the same number of samples of each class is removed and "
        f"relabelled by the lowest score, {comparison.inner.draws or 99} times."
    )
    yield (
        "Better and worse per class and pair are adjusted for how many were looked at (Benjamini and "
        "Hochberg), so that at most one in ten of those named is expected to be chance."
    )
