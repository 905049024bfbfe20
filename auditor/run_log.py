"""What happens beside the stages of a run: progress, seconds, warnings, and results kept for the next one.

log.stage("neighbours", make, form, key)   looks under `key`, else makes; tells, times and keeps
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from auditor.arrays import Progress
from auditor.stages import Checkpoints, Form

T = TypeVar("T")


class RunLog:
    """Seconds of each stage and the warnings of a run.

    Parameters
    ----------
    progress : called with (stage, done, total); a stage starts with (stage, 0, 0) and ends with done = total.
    warn : called with each warning as it comes.
    checkpoints : results of an earlier run that was stopped, and of this one; None keeps nothing.
    """

    def __init__(
        self,
        progress: Progress,
        warn: Callable[[str], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.timings: dict[str, float] = {}
        self.warnings: list[str] = []
        self._progress, self._tell, self._checkpoints = progress, warn, checkpoints
        self._total: dict[str, int] = {}

    def stage(
        self,
        name: str,
        make: Callable[[], T],
        form: Form[T] | None = None,
        key: Callable[[], str] | None = None,
    ) -> T:
        """Return the result of a stage: what an earlier run kept of it, else what `make` gives now.

        `timings` has the seconds that making it took, also where that was in the earlier run.

        Parameters
        ----------
        form, key : how the result is stored, and what it depends on; without them it is always made.
        """
        self._progress(name, 0, 0)
        found = self._take(name, form, key)
        if found is None:
            start = time.perf_counter()
            found = make()
            self.timings[name] = time.perf_counter() - start
            self._keep(name, found, form, key)
        total = self._total.get(name, 1)
        self._progress(name, total, total)
        return found

    def progress(self, stage: str, done: int, total: int) -> None:
        """Pass on how far a stage is."""
        self._total[stage] = total
        self._progress(stage, done, total)

    def warn(self, sentence: str) -> None:
        """Keep a warning, and pass it on."""
        self.warnings.append(sentence)
        self.tell(sentence)

    def tell(self, sentence: str) -> None:
        """Pass on a sentence about this machine, which is no part of what was found."""
        if self._tell is not None:
            self._tell(sentence)

    def _take(self, name: str, form: Form[T] | None, key: Callable[[], str] | None) -> T | None:
        if self._checkpoints is None or form is None or key is None:
            return None
        kept = self._checkpoints.load(name, key())
        found = form.read(kept)
        if kept is not None and found is not None:
            self.timings[name] = kept.seconds
        return found

    def _keep(self, name: str, made: T, form: Form[T] | None, key: Callable[[], str] | None) -> None:
        if self._checkpoints is not None and form is not None and key is not None:
            kept = replace(form.pack(made), seconds=self.timings[name])
            self._checkpoints.keep(name, key(), kept)
