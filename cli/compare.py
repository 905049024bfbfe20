"""`auditor compare`: did the clean-up help?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.errors import plain
from cli import options as o
from cli.comparing import Overwrite, Seed
from cli.output import say

if TYPE_CHECKING:
    from auditor.comparisons.versions import CompareOptions

EXAMPLE = "Example: auditor compare photos-audit photos-2-audit --holdout test --out compared"
EVIDENCE = "Evidence"
UNMARKED = dict.fromkeys(range(0x2066, 0x206A))
"""Direction marks that the page puts around names; a terminal shows names without."""

Before = Annotated[Path, typer.Argument(metavar="BEFORE", help="The audit of the earlier version.")]
After = Annotated[
    Path,
    typer.Argument(metavar="AFTER", help="The audit of the later version, made with run --like BEFORE."),
]
Holdout = Annotated[
    str | None,
    typer.Option(
        "--holdout",
        metavar="SPLIT",
        help="A split that the clean-up left alone, such as test: it can show that the change is an "
        "improvement.",
        rich_help_panel=EVIDENCE,
    ),
]
Controls = Annotated[
    list[Path] | None,
    typer.Option(
        "--controls",
        metavar="FILE",
        help="Decisions saved from a page of BEFORE written with report --blind --controls. Can be repeated.",
        rich_help_panel=EVIDENCE,
    ),
]
Second = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--second",
        metavar="BEFORE2 AFTER2",
        help="The same two versions through another backbone, as support.",
        rich_help_panel=EVIDENCE,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The comparison's folder to make.",
        show_default="AFTER-compared, in this folder",
        rich_help_panel=o.OUTPUT,
    ),
]


def compare(
    before: Before,
    after: After,
    holdout: Holdout = None,
    controls: Controls = None,
    second: Second = None,
    out: Out = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Compare two versions of a dataset: do the classes separate better, or is it chance?"""
    from auditor.comparisons.versions import compare_versions
    from auditor.comparisons.versions_document import ledger_frame, versions_document
    from auditor.machines import calm_blas
    from auditor.settings import AuditSettings, check_settings
    from auditor.storage import load
    from auditor.tables import csv_text
    from cli.comparing import Output
    from cli.progress import show_progress
    from reports.versions_view import versions_view
    from reports.versions_wording import headline

    check_settings(AuditSettings(seed=seed))
    output = Output(out or Path(f"{after.resolve().name}-compared"), overwrite)
    output.check()
    options = _options(holdout, controls or (), second, seed)
    audits = [load(before), load(after)]
    with show_progress(quiet) as progress, calm_blas(audits[0].embeddings):
        comparison = compare_versions(audits[0], audits[1], options, progress)
        progress("page", 0, 0)
        document = versions_document(comparison)
        view = versions_view(comparison, _command(before, after, options, controls or (), second))
        page = output.write(document, view, audits, csv_text(ledger_frame(comparison)))
    if as_json:
        say(json.dumps({**document, "page": str(page)}, ensure_ascii=False, allow_nan=False, indent=1))
    elif not quiet:
        say(
            "\n".join(
                plain(line.translate(UNMARKED))
                for line in _lines(document, headline(comparison), view.lines, page)
            )
        )


def _options(
    holdout: str | None, controls: Sequence[Path], second: tuple[Path, Path] | None, seed: int
) -> CompareOptions:
    from auditor.comparisons.versions import CompareOptions
    from auditor.review_files import read_reviews
    from auditor.storage import load

    reviews = tuple(read_reviews(controls)) if controls else ()
    other = None if second is None else (load(second[0]), load(second[1]))
    return CompareOptions(holdout or "", reviews, other, seed)


def _command(
    before: Path,
    after: Path,
    options: CompareOptions,
    controls: Sequence[Path],
    second: tuple[Path, Path] | None,
) -> str:
    """Return the command with paths reduced to names."""
    words = ["auditor", "compare", before.resolve().name, after.resolve().name]
    words += ["--holdout", options.holdout] if options.holdout else []
    words += [part for file in controls for part in ("--controls", file.name)]
    words += ["--second", *(folder.resolve().name for folder in second)] if second else []
    return shlex.join(words + (["--seed", str(options.seed)] if options.seed else []))


def _lines(document: dict[str, Any], headline: str, evidence: Sequence[str], page: Path) -> Iterator[str]:
    yield headline
    yield from evidence
    yield ""
    yield from _figure_lines(document)
    ledger = document["ledger"]
    told = [f"{count:,} {name}" for name, count in ledger.items() if count and name != "unchanged"]
    yield f"Samples   {', '.join(told) if told else 'no change'}"
    for group, names in (("per_class", ("name",)), ("per_pair", ("a", "b"))):
        yield from _word_lines(document[group], names)
    for note in document["notes"]:
        yield f"Note      {note}"
    yield f"Page      {page}"
    yield f"Ledger    {page.parent / 'ledger.csv'}"


def _figure_lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{'':26}{'before':>8}{'after':>8}"
    held = document["evidence"]["held_out"]
    rows = (
        [("3 nearest, held out", held["knn_accuracy"]), ("probe, held out", held["probe_accuracy"])]
        if held
        else []
    )
    for where, title in (("common", "same samples"), ("all", "all samples")):
        part = document["overall"][where]
        rows += [(f"neighbours, {title}", part["knn_accuracy"]), (f"probe, {title}", part["probe_accuracy"])]
    for name, part in rows:
        shares = ["–" if part[side] is None else f"{part[side]:.1%}" for side in ("before", "after")]
        yield f"{name:26}{shares[0]:>8}{shares[1]:>8}"
    yield ""


def _word_lines(parts: Sequence[dict[str, Any]], names: tuple[str, ...]) -> Iterator[str]:
    for word in ("better", "worse"):
        found = [" / ".join(part[name] for name in names) for part in parts if part["change"] == word]
        if found:
            left = f"; and {len(found) - 8} more" if len(found) > 8 else ""
            yield f"{word.capitalize():10}{'; '.join(found[:8])}{left}"
