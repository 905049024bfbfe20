"""A control group of Linux: it gives so much memory, as a container does, and kills what takes more."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def control_group(limit_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield what a child process calls to enter the group; the test is skipped where none can be made."""
    folder, limit = _place()
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        try:
            (folder / limit).write_text(str(limit_bytes))
        except OSError as error:
            pytest.skip(f"no control group can limit memory here: {error.strerror}")
        yield lambda: (folder / "cgroup.procs").write_text(str(os.getpid())) and None
    finally:
        with suppress(OSError):
            folder.rmdir()


def _place() -> tuple[Path, str]:
    """Return where a group below this process's own would be, and the name of its limit."""
    name, root = f"auditor-{uuid.uuid4().hex[:8]}", Path("/sys/fs/cgroup")
    own = Path("/proc/self/cgroup")
    groups = dict(line.split(":")[1:3] for line in own.read_text().splitlines()) if own.exists() else {}
    if "memory" in groups:
        return root / "memory" / groups["memory"].lstrip("/") / name, "memory.limit_in_bytes"
    return root / groups.get("", "/").lstrip("/") / name, "memory.max"
