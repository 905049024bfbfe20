"""Where a command computes: `--engine local`, or `--engine ray --address HOST:PORT`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.distributed import RayCluster

ENGINES = ("local", "ray")
STDERR = 2


@dataclass(frozen=True)
class EngineChoice:
    """What was asked for; `UsageError` when it excludes itself."""

    name: str = "local"
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UsageError(f"--engine {self.name} is unknown; known are {' and '.join(ENGINES)}.")
        if self.address is not None and self.name != "ray":
            raise UsageError("--address names a Ray cluster: give --engine ray too.")

    @contextmanager
    def open(self) -> Iterator[RayCluster | None]:
        """Join the cluster for as long as it is needed; None is this machine."""
        if self.name == "local":
            yield None
            return
        from auditor.distributed import open_cluster

        with _own_words_only(), open_cluster(self.address) as cluster:
            yield cluster


@contextmanager
def _own_words_only() -> Iterator[None]:
    """Keep Ray's words off the terminal: what it has to say is raised, and stands in its log files.

    It prints what its machines report to stdout, which is for the result alone, and its native part writes to
    stderr itself, past all settings of its logging. What this program writes goes where it went before.
    """
    with ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w"))  # noqa: PTH123
        kept = os.dup(STDERR)
        stack.callback(os.close, kept)
        if _is_process_stderr():
            own = os.fdopen(kept, "w", 1, sys.stderr.encoding, "backslashreplace", closefd=False)
            stack.callback(own.close)
            stack.enter_context(redirect_stderr(own))
        stack.enter_context(redirect_stdout(nowhere))
        stack.callback(os.dup2, kept, STDERR)
        os.dup2(nowhere.fileno(), STDERR)
        yield


def _is_process_stderr() -> bool:
    try:
        return sys.stderr.fileno() == STDERR
    except (OSError, ValueError, io.UnsupportedOperation):
        return False
