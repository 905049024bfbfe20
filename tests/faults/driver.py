"""A process that runs `auditor` again and again, and kills those runs at a moment that was asked for.

    python driver.py < JOBS   -->   one line a job: its exit code, -9 where it was killed

    JOBS   [{words: [..],           the command line
             said: FILE,            where stdout and stderr go
             watch: FOLDER,         steps are what is made, renamed or removed below it
             log: FILE,             writes the steps there, a line each
             step: N,               killed before the step of this number
             seconds: S,            killed after so long
             meet: [STAGE, MINE, THEIRS]}]   at this stage makes the file MINE and waits for THEIRS

Every job is a fork of one process that has loaded all it needs, so that a run takes a second, not five.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOADED = ("auditor.audit", "auditor.cleaning", "cli.main", "cli.auditing",
          "faiss", "openTSNE", "cleanlab", "sklearn.discriminant_analysis", "reports.page",
          "reports.figures", "reports.thumbnails")  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime")
PATIENCE_SECONDS = 120.0

Job = dict[str, Any]


def main() -> None:
    """Run the jobs on stdin one after the other."""
    jobs: list[Job] = json.load(sys.stdin)
    sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]
    for name in LOADED:
        importlib.import_module(name)
    from faults.world import set_hooks

    set_hooks(_set)
    for job in jobs:
        child = os.fork()
        if child == 0:
            _run(job)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _set(name: str, value: Any) -> None:
    module, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(module), attribute, value)


def _run(job: Job) -> None:
    said = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(said, 1)
    os.dup2(said, 2)
    _set("cli.auditing.show_progress", show := _waiting(job.get("meet")))
    _set("cli.progress.show_progress", show)
    if "seconds" in job:
        timer = threading.Timer(job["seconds"], _die)
        timer.daemon = True
        timer.start()
    if "watch" in job:
        sys.addaudithook(_Steps(job))
    from cli.main import main as run

    sys.argv = ["auditor", *job["words"]]
    code = 0
    try:
        run()
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Steps:
    """An audit hook that counts, logs, and kills."""

    def __init__(self, job: Job) -> None:
        self._watched = str(job["watch"])
        self._end = job.get("step", -1)
        self._log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) if "log" in job else -1
        self._count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in STEPS and not (event == "open" and _is_written(arguments)):
            return
        path = _path(event, arguments)
        if not path.startswith(self._watched):
            return
        if self._count == self._end:
            _die()
        self._count += 1
        if self._log >= 0:
            os.write(self._log, f"{event} {path.removeprefix(self._watched)}\n".encode())


def _path(event: str, arguments: tuple[Any, ...]) -> str:
    path = arguments[0]
    if not isinstance(path, str | bytes):
        return ""
    if event in ("os.remove", "os.rmdir") and arguments[1] >= 0:  # as rmtree does, beside an open folder
        return os.path.join(os.readlink(f"/proc/self/fd/{arguments[1]}"), os.fsdecode(path))  # noqa: PTH118, PTH115
    return os.fsdecode(path)


def _is_written(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return any(c in mode for c in "wax+") if isinstance(mode, str) else bool((flags or 0) & WRITES)


def _waiting(meet: list[str] | None) -> Any:
    @contextmanager
    def show_progress(quiet: bool) -> Iterator[Any]:
        yield progress

    met: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        if meet is None or met or stage != meet[0] or not done:
            return
        met.append(stage)
        Path(meet[1]).touch()
        end = time.monotonic() + PATIENCE_SECONDS
        while not Path(meet[2]).exists():
            if time.monotonic() > end:
                raise TimeoutError(f"{meet[2]} did not come")
            time.sleep(0.01)

    return show_progress


if __name__ == "__main__":
    main()
