"""The output folder, so that no half-written audit is ever called done.

    <OUT>.partial/   work in progress: `lock`, held while a run writes, and `started.json`, who began it
    <OUT>.old/       the audit that is being replaced, for the moment of two renames
    <OUT>/           the finished audit, by one rename

The lock belongs to the process and ends with it, so what a killed run left behind is taken over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from auditor.errors import OutputError

STARTED, LOCK = "started.json", "lock"


class Workspace:
    """Context of one run that writes an audit: a fresh `<OUT>.partial` that `finish` turns into `<OUT>`.

    Left without `finish`, by an error or Ctrl-C, everything that was made is removed again.

    Parameters
    ----------
    out : the audit folder to make.
    overwrite : replace an audit that is there; files in it that are not auditor's are carried over.
    settings : what the run was asked for; its fingerprint stands in the folder while the run works.

    Raises
    ------
    OutputError
        If `out` is taken, another run writes it, or it cannot be made.
    """

    def __init__(self, out: Path, overwrite: bool, settings: Any) -> None:
        self.out, self.overwrite = out, overwrite
        self.folder = out.with_name(out.name + ".partial")
        self._old = out.with_name(out.name + ".old")
        self._mark = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        self._made: list[Path] = []
        self._lock: IO[str] | None = None

    def __enter__(self) -> Workspace:
        check_target(self.out, self.overwrite)
        try:
            self._made = _make_folders(self.folder)
            self._lock = _take_lock(self.folder, self.out)
            self._recover()
            check_target(self.out, self.overwrite)
            _empty(self.folder, keep=LOCK)
            started = {"pid": os.getpid(), "fingerprint": self._mark}
            (self.folder / STARTED).write_text(json.dumps(started) + "\n", encoding="utf-8")
        except OSError as error:
            self._give_up()
            raise OutputError(
                f"The output folder {str(self.out)!r} cannot be made: {error.strerror}."
            ) from error
        except OutputError:
            self._give_up()
            raise
        return self

    def finish(self) -> None:
        """Make the work the audit, in one rename; an earlier audit stays until then."""
        (self.folder / STARTED).unlink()
        if self.out.exists():
            self.out.rename(self._old)
        self.folder.rename(self.out)
        (self.out / LOCK).unlink()
        if self._old.exists():
            _carry_over(self._old, self.out)
            shutil.rmtree(self._old)
        self._made = []
        self._release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up()

    def _recover(self) -> None:
        """Put back the earlier audit of a run that was killed between its two renames."""
        if self._old.is_dir() and not self.out.exists():
            self._old.rename(self.out)

    def _give_up(self) -> None:
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._release()
        for folder in reversed(self._made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = None


def check_target(out: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless `out` is free, empty, or an audit that may be replaced."""
    from auditor.storage import is_audit

    if out.exists() and not out.is_dir():
        raise OutputError(f"--out {str(out)!r} is a file, and an audit is a folder: choose another one.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not is_audit(out):
        raise OutputError(
            f"The output folder {str(out)!r} is not empty and holds no audit: choose another --out."
        )
    if not overwrite:
        raise OutputError(
            f"{str(out)!r} holds an audit already: add --overwrite to replace it, or choose another --out."
        )


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; return those that were missing, outermost first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _take_lock(folder: Path, out: Path) -> IO[str]:
    """Lock `folder` for this process, or raise `OutputError` when another one holds it."""
    if not (folder / LOCK).exists() and any(folder.iterdir()):
        raise OutputError(
            f"{str(folder)!r} is needed for work in progress and holds other files: move them away."
        )
    while True:
        file = (folder / LOCK).open("a", encoding="utf-8")
        if not _lock_file(file):
            file.close()
            raise OutputError(
                f"Another run is writing {str(out)!r}: wait until it ends, or choose another --out."
            )
        if _is_at(file, folder / LOCK):
            return file
        # The lock's file was removed or renamed between opening and locking: that run has just ended.
        file.close()
        folder.mkdir(parents=True, exist_ok=True)


def _lock_file(file: IO[str]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _empty(folder: Path, keep: str) -> None:
    for entry in folder.iterdir():
        if entry.name != keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _carry_over(old: Path, new: Path) -> None:
    """Keep what people put into the audit folder, such as their decisions."""
    from auditor.storage import AUDIT_FILES

    for entry in old.iterdir():
        if entry.name not in AUDIT_FILES and not (new / entry.name).exists():
            entry.rename(new / entry.name)
