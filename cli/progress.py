"""Progress on stderr: stage, rate and time left, only when a person watches a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from auditor.arrays import Progress


IN_SHARES = ("probabilities", "scores", "separation", "save", "page")
"""Stages that count shares of their work: a number of them a second would tell nobody anything."""


@contextmanager
def show_progress(quiet: bool) -> Iterator[Progress]:
    """Yield a progress function for the engine; silent when `quiet` or when stderr is no terminal."""
    from auditor.arrays import no_progress

    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    with _bars() as bars:
        yield _Stages(bars)


class _Stages:
    """One line per stage; a stage that cannot count its work shows a moving bar until the next one starts."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None)
        self._bars.update(self._tasks[stage], completed=done, total=total or None)


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Count(ProgressColumn):
        """Done of total and rate; megabytes for a download, nothing for a stage that cannot count."""

        def render(self, task: Task) -> Text:
            if not task.total or task.total <= 1:
                return Text("")
            if task.description in IN_SHARES:
                return Text(f"{task.percentage:.0f} %")
            unit, scale = ("MB", 1e6) if task.description == "download" else ("", 1.0)
            rate = f"  {task.speed / scale:,.0f} {unit}/s" if task.speed else ""
            return Text(f"{task.completed / scale:,.0f}/{task.total / scale:,.0f}{rate}")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Count(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        transient=True,
    )
