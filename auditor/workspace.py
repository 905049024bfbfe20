"""An output folder, so that nothing half-written is ever called done.

    <OUT>.partial/   work in progress: `lock`, held while a run writes, and `started.json`, who began it
                     `stages/`, results of finished stages: they outlive a run that was stopped
    <OUT>.old/       what is being replaced, for the moment of two renames
    <OUT>/           the finished folder, by one rename

`Contents` says what kind of folder it is: an audit, or a version of a dataset.

The lock belongs to the process and ends with it, so what a killed run left behind is taken over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from auditor.errors import AuditError, OutputError

STARTED, LOCK, STAGES = "started.json", "lock", "stages"


@dataclass(frozen=True)
class Contents:
    """What a finished folder is.

    Attributes
    ----------
    noun : how sentences call it, with its article.
    is_done : tells whether a folder holds a finished one.
    own_names : names of the entries in a finished folder that are not the user's.
    goes_on : a run that was stopped leaves the results of its stages to the next one.
    """

    noun: str
    is_done: Callable[[Path], bool]
    own_names: Callable[[Path], Container[str]]
    goes_on: bool = False

    @property
    def bare_noun(self) -> str:
        """The noun without its article."""
        return self.noun.partition(" ")[2]


class Workspace:
    """Context of one run that writes a folder: a fresh `<OUT>.partial` that `finish` turns into `<OUT>`.

    Left without `finish`, everything that was made is removed again, but for `stages` when no error of the
    data or of the request ended the run: the next run for the same folder goes on from them.

    Parameters
    ----------
    out : the folder to make.
    contents : what it is going to be.
    overwrite : replace one that is there; what in it is the user's is carried over.
    settings : what the run was asked for; its fingerprint stands in the folder while the run works.

    Raises
    ------
    OutputError
        If `out` is taken, another run writes it, or it cannot be made.
    """

    def __init__(self, out: Path, contents: Contents, overwrite: bool, settings: Any) -> None:
        if out.name in ("", ".."):
            raise OutputError(f"The output {str(out)!r} is no folder that can be made: choose another --out.")
        self.out, self.contents, self.overwrite = out, contents, overwrite
        self.folder = out.with_name(out.name + ".partial")
        self._old = out.with_name(out.name + ".old")
        self._mark = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        self._made: list[Path] = []
        self._lock: IO[str] | None = None

    @property
    def stages(self) -> Path:
        """Folder of the results that outlive a run that was stopped; made by whoever keeps one."""
        return self.folder / STAGES

    def __enter__(self) -> Self:
        check_target(self.out, self.contents, self.overwrite)
        try:
            self._made = _make_folders(self.folder)
            self._lock = _take_lock(self.folder, self.out)
            self._recover()
            check_target(self.out, self.contents, self.overwrite)
            _empty(self.folder, keep=(LOCK, STAGES) if self.contents.goes_on else (LOCK,))
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
        """Make the work the finished folder, in one rename; an earlier one stays until then."""
        (self.folder / STARTED).unlink()
        shutil.rmtree(self.stages, ignore_errors=True)
        if self.out.exists():
            self.out.rename(self._old)
        self.folder.rename(self.out)
        (self.out / LOCK).unlink()
        if self._old.exists():
            self._carry_over()
            shutil.rmtree(self._old)
        self._made = []
        self._release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = error is not None and not isinstance(error, AuditError)
        self._give_up(keep_stages=stopped and self.stages.is_dir())

    def _recover(self) -> None:
        """Put back the earlier folder of a run that was killed between its two renames."""
        if self._old.is_dir() and not self.out.exists():
            self._old.rename(self.out)

    def _carry_over(self) -> None:
        """Keep what people put into the folder, such as their decisions."""
        own = self.contents.own_names(self._old)
        for entry in self._old.iterdir():
            if entry.name not in own and not (self.out / entry.name).exists():
                entry.rename(self.out / entry.name)

    def _give_up(self, keep_stages: bool = False) -> None:
        if self._lock is not None:
            if keep_stages:
                _empty(self.folder, keep=(LOCK, STAGES))
            else:
                shutil.rmtree(self.folder, ignore_errors=True)
            self._release()
        for folder in reversed(self._made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = None


def check_target(out: Path, contents: Contents, overwrite: bool) -> None:
    """Raise `OutputError` unless `out` is free, empty, or what may be replaced."""
    if out.exists() and not out.is_dir():
        raise OutputError(
            f"--out {str(out)!r} is a file, and {contents.noun} is a folder: choose another one."
        )
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not contents.is_done(out):
        raise OutputError(
            f"The output folder {str(out)!r} is not empty and holds no {contents.bare_noun}: choose another "
            "--out."
        )
    if not overwrite:
        raise OutputError(
            f"{str(out)!r} holds {contents.noun} already: add --overwrite to replace it, or choose another "
            "--out."
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


def _empty(folder: Path, keep: Container[str]) -> None:
    for entry in folder.iterdir():
        if entry.name not in keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
