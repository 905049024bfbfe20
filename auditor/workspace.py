"""An output folder, so that nothing half-written is ever called done.

    <OUT>.partial/   work in progress: `lock`, held while a run writes, and `started.json`, who began it
                     `stages/`, results of finished stages: they outlive a run that was stopped
                     `.replaced/`, the earlier folder, moved in here just before
    <OUT>/           the finished folder, by one rename; `lock` goes last, when all is tidied up

`FolderKind` says what kind of folder it is: an audit, or a version of a dataset.

The lock belongs to the process and ends with it, so what a killed run left behind is taken over, and what it
had not tidied up after the rename is tidied up by the next one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from auditor.errors import AuditError, OutputError
from auditor.writing import UNWRITABLE, what_helps, why

STARTED, LOCK, STAGES = "started.json", "lock", "stages"
REPLACED, DROPPED = ".replaced", ".dropped"


@dataclass(frozen=True)
class FolderKind:
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
    data or of the request ended the run: the next run for the same folder goes on from them. A disk that
    takes no more is told as an `OutputError`.

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

    def __init__(self, out: Path, contents: FolderKind, overwrite: bool, settings: Any) -> None:
        if out.name in ("", ".."):
            raise OutputError(f"The output {str(out)!r} is no folder that can be made: choose another --out.")
        # A link stays one: what it leads to is made or replaced.
        self.out = Path(os.path.realpath(out)) if out.is_symlink() else out
        self.contents, self.overwrite = contents, overwrite
        self.folder = self.out.with_name(self.out.name + ".partial")
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
                f"The output folder {str(self.out)!r} cannot be made ({why(error)}): "
                f"{what_helps(error, 'choose another --out')}."
            ) from error
        except BaseException:
            self._give_up()
            raise
        return self

    def finish(self) -> None:
        """Make the work the finished folder, in one rename; an earlier one stays until then."""
        (self.folder / STARTED).unlink()
        shutil.rmtree(self.stages, ignore_errors=True)
        if self.out.exists():
            self.out.rename(self.folder / REPLACED)
        self.folder.rename(self.out)
        _tidy(self.out, self.contents)
        self._made = []
        self._release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = error is not None and not isinstance(error, AuditError)
        kept = stopped and self.stages.is_dir()
        self._give_up(keep_stages=kept)
        if isinstance(error, OSError) and self._is_about_writing(error):
            goes_on = " The same command goes on from what is finished." if kept else ""
            raise OutputError(
                f"The {self.contents.bare_noun} {str(self.out)!r} cannot be written ({why(error)}): "
                f"{what_helps(error, 'choose another --out')}.{goes_on}"
            ) from error

    def _is_about_writing(self, error: OSError) -> bool:
        """Tell whether the disk refused what this run writes into its folder, not what it reads."""
        if not isinstance(error.filename, str | bytes):
            return error.errno in UNWRITABLE
        name = Path(os.path.realpath(os.fsdecode(error.filename)))
        return any(name.is_relative_to(os.path.realpath(folder)) for folder in (self.folder, self.out))

    def _recover(self) -> None:
        """Put the earlier folder back where a run was killed, or failed, between its two renames."""
        replaced = self.folder / REPLACED
        if not replaced.is_dir():
            return
        if self.out.is_dir() and not any(self.out.iterdir()):
            self.out.rmdir()
        if self.out.exists():
            raise OutputError(
                f"{str(replaced)!r} is {self.contents.noun} that a run was about to replace when it was "
                f"killed, and {str(self.out)!r} is there again: move one of them away."
            )
        replaced.rename(self.out)

    def _give_up(self, keep_stages: bool = False) -> None:
        """Remove what was made, as far as the disk lets us: the next run empties the folder in any case."""
        with suppress(OSError, OutputError):
            if self._lock is not None:
                self._recover()
                _empty(self.folder, keep=(LOCK, STAGES) if keep_stages else (LOCK,))
                if not keep_stages:
                    shutil.rmtree(self.folder)
            for folder in reversed(self._made):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = None


def check_target(out: Path, contents: FolderKind, overwrite: bool) -> None:
    """Raise `OutputError` unless `out` is free, empty, or what may be replaced."""
    _tidy_left(out, contents)
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


def _tidy(out: Path, contents: FolderKind) -> None:
    """Remove what a finished folder has from its making; the lock last, which says that there is some.

    What people put into the earlier folder, such as their decisions, is kept.
    """
    replaced = out / REPLACED
    if replaced.is_dir():
        own = contents.own_names(replaced)
        for entry in replaced.iterdir():
            if entry.name not in own and not (out / entry.name).exists():
                entry.rename(out / entry.name)
        # Under another name: what is left of it when a run is killed here must not be taken for people's.
        replaced.rename(out / DROPPED)
    if (out / DROPPED).is_dir():
        shutil.rmtree(out / DROPPED)
    (out / LOCK).unlink()


def _tidy_left(out: Path, contents: FolderKind) -> None:
    """Tidy up what a run left that was killed when its folder was there already."""
    left = out / LOCK
    with suppress(OSError):  # a folder that cannot be written is told by whoever writes it
        if not left.is_file() or left.stat().st_size or not contents.is_done(out):
            return
        with left.open("a", encoding="utf-8") as lock:
            if not _lock_file(lock):
                raise OutputError(_busy(out))
            if _is_at(lock, left):
                _tidy(out, contents)


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; return those that were missing, outermost first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _take_lock(folder: Path, out: Path) -> IO[str]:
    """Lock `folder` for this process, or raise `OutputError` when another one holds it."""
    while True:
        # Another run may end meanwhile and take the folder away.
        folder.mkdir(parents=True, exist_ok=True)
        try:
            names = {entry.name for entry in folder.iterdir()}
            if names and LOCK not in names:
                raise OutputError(
                    f"{str(folder)!r} is needed for work in progress and holds other files: move them away."
                )
            file = (folder / LOCK).open("a", encoding="utf-8")
        except FileNotFoundError:
            continue
        if not _lock_file(file):
            file.close()
            raise OutputError(_busy(out))
        if _is_at(file, folder / LOCK):
            return file
        file.close()


def _busy(out: Path) -> str:
    return f"Another run is writing {str(out)!r}: wait until it ends, or choose another --out."


def _lock_file(file: IO[str]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
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
