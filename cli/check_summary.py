"""The result of `auditor check` as a table for the terminal and as Markdown for a job's summary.

    GateResult --result_lines--> headline, one line a check, what failed first
               --markdown------> headline, a table of checks, the worst samples of each kind that failed
                                 --SummaryFile.write--> FILE, or added to the file that GitHub names

Class and file names are hostile: in Markdown they stand in code spans, where nothing is markup and nothing
becomes a link, and a pipe, which would end a table's cell even there, stands between two of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import OutputError, UsageError, plain
from auditor.gate import Check, GateResult, show_figure
from auditor.gate_figures import AuditFigures, FlaggedSample, Measure
from auditor.results import KINDS
from auditor.writing import replace_file
from cli.output import print_warning

GITHUB, GITHUB_VARIABLE = "github", "GITHUB_STEP_SUMMARY"
MOST_BYTES = 1_000_000
"""GitHub drops a job summary above 1024 kB as a whole."""
MARK = "<!-- auditor check -->"
"""First line of every summary: a file that starts with it may be replaced."""
CUT = "\nThe summary is cut here: job summaries above 1,000 kB are not shown.\n"
WORST = 5
TERMINAL_NAME, MARKDOWN_NAME = 60, 200
"""Characters after which a name is shortened."""


def result_lines(result: GateResult) -> Iterator[str]:
    """Yield the verdict, then the checks in columns, those that failed first."""
    yield f"{_verdict(result)}: {_shorten(_about(result.audit), TERMINAL_NAME)}"
    yield ""
    header = ["", "fails when", "found", "baseline"]
    rows = [header, *([_word(c), *_cells(c, TERMINAL_NAME)] for c in result.failed_first)]
    kept = header if result.baseline else header[:-1]
    widths = [max(len(plain(row[j])) for row in rows) for j in range(len(kept))]
    for row in rows:
        cells = (plain(cell).ljust(width) for cell, width in zip(row, widths, strict=False))
        yield "  " + "  ".join(cells).rstrip()
    yield ""


def markdown(result: GateResult) -> str:
    """Return the whole result as Markdown (GitHub's), without links."""
    return (
        "\n".join([MARK, f"## Dataset gate: {_verdict(result).lower()}", "", *_markdown_lines(result)]) + "\n"
    )


def cut_to(text: str, most: int) -> str:
    """Return `text` in at most so many bytes of UTF-8: cut after a whole line, and a sentence says so."""
    if len(text.encode()) <= most:
        return text
    kept, room = [], most - len(CUT.encode())
    for line in text.splitlines(keepends=True):
        room -= len(line.encode())
        if room < 0:
            break
        kept.append(line)
    return "".join(kept) + CUT


@dataclass(frozen=True)
class SummaryFile:
    """Where the Markdown goes; `appended` is True for the file that GitHub names, which others write too."""

    path: Path
    appended: bool

    @classmethod
    def find(cls, asked: str) -> SummaryFile:
        """Find the file that --summary names.

        Raises
        ------
        UsageError
            If it is GitHub's and we are not in one of its jobs.
        OutputError
            If it cannot be a file, or is one that somebody else wrote.
        """
        if asked != GITHUB:
            path = Path(asked)
            _check_own(path)
            return cls(path, False)
        named = os.environ.get(GITHUB_VARIABLE, "")
        if not named:
            raise UsageError(
                f"--summary github adds to the file that ${GITHUB_VARIABLE} names, which is not set here: "
                "name a file, such as gate.md."
            )
        return cls(Path(named), True)

    def write(self, result: GateResult) -> None:
        """Write the result, or add it to what stands there."""
        text = markdown(result)
        if not self.appended:
            replace_file(self.path, _encode(cut_to(text, MOST_BYTES)))
            return
        room = MOST_BYTES - (self.path.stat().st_size if self.path.exists() else 0)
        if room < len(CUT.encode()):
            print_warning("The job's summary is full already: the result of the gate was not added.")
            return
        with self.path.open("ab") as file:
            file.write(_encode(cut_to(text, room)))


def _encode(text: str) -> bytes:
    # Names from files need not be valid text.
    return text.encode("utf-8", "backslashreplace")


def _check_own(path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise OutputError(f"--summary {str(path)!r} cannot be written: name a file in a folder that exists.")
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if not file.read(len(MARK)) == MARK.encode():
                raise OutputError(
                    f"--summary {str(path)!r} is a file that auditor check did not write: name another one."
                )


def _verdict(result: GateResult) -> str:
    count, failed = len(result.checks), sum(not check.passed for check in result.checks)
    checks = "check" if count == 1 else "checks"
    return f"Failed {failed} of {count} {checks}" if failed else f"Passed {count} {checks}"


def _about(audit: AuditFigures) -> str:
    samples, classes = audit.samples, len(audit.classes)
    return f"{audit.document['dataset']['name']}, {samples:,} samples, {classes:,} classes"


def _word(check: Check) -> str:
    return "PASS" if check.passed else "FAIL"


def _cells(check: Check, most: int) -> tuple[str, str, str]:
    """Return condition, found figure and baseline's figure, the class name shortened."""
    return _shorten(str(check.condition), most), _found(check, check.value), _before(check)


def _found(check: Check, value: Measure | None) -> str:
    if value is None:
        return check.reason
    shown = show_figure(check.condition, value.number)
    if not check.condition.share or value.total is None:
        return shown
    return f"{shown} ({int(value.number * value.total):,} of {value.total:,})"


def _before(check: Check) -> str:
    if check.baseline is not None:
        return _found(check, check.baseline)
    return check.reason if check.condition.relative and check.value is not None else ""


def _shorten(text: str, most: int) -> str:
    """Return `text` with its middle left out where it is too long; both ends tell names apart."""
    if len(text) <= most:
        return text
    half = (most - 4) // 2
    return f"{text[:half]} .. {text[-half:]}"


def _markdown_lines(result: GateResult) -> Iterator[str]:
    yield f"- Audited: {_code(_about(result.audit))}"
    if result.baseline:
        yield f"- Baseline: {_code(_about(result.baseline))}"
    yield ""
    header = ["result", "fails when", "found", *(["baseline"] if result.baseline else [])]
    yield from _table(header, (_markdown_row(c) for c in result.failed_first))
    done: set[tuple[str, str | None]] = set()
    for check in result.failed_first:
        kind, name = check.condition.name.partition(".")[0], check.condition.class_name
        if not check.passed and kind in KINDS and (kind, name) not in done:
            done.add((kind, name))
            yield from _worst_lines(kind, name, result.audit.worst(kind, name, WORST))


def _markdown_row(check: Check) -> list[str]:
    condition, found, before = _cells(check, MARKDOWN_NAME)
    word = "PASS" if check.passed else "**FAIL**"
    return [word, _code(condition), found, before]


def _worst_lines(kind: str, class_name: str | None, worst: Sequence[FlaggedSample]) -> Iterator[str]:
    if not worst:
        return
    of_class = "" if class_name is None else f" in {_code(class_name)}"
    count = "worst sample" if len(worst) == 1 else f"worst {len(worst)} samples"
    yield from ("", f"### {kind.replace('_', ' ')}{of_class}: the {count}", "")
    rows = (
        [_code(s.id), _code(s.label), _code(s.suggested), f"{s.score:.3g}", _code(s.reason)] for s in worst
    )
    yield from _table(["sample", "label", "looks like", "score", "why"], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        # A row may have more cells than the header: without a baseline its column is left out.
        yield f"| {' | '.join(row[: len(header)])} |"


def _code(text: str) -> str:
    """Return `text` in code spans, so that it shows as it is wherever it stands; "" stays empty."""
    pieces = plain(_shorten(text, MARKDOWN_NAME)).split("|")
    return "&#124;".join(_span(piece) for piece in pieces)


def _span(text: str) -> str:
    """Return one code span: its fence is longer than any run of backticks inside."""
    if not text:
        return ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    # One space at each end is taken off where both are there; a text of spaces alone is kept as it is.
    pad = " " if text.strip() and (text[0] in "` " or text[-1] in "` ") else ""
    fence = "`" * (longest + 1)
    return f"{fence}{pad}{text}{pad}{fence}"
