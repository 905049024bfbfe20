"""Whole files of remote folders on this machine's disk: tars, Parquet files and what belongs to them.

    FOLDER/<sha256 of a remote folder's address>/data/<name> ..         as the store has them
                                                /told/<sha256 of name>  version, size, time of what is there

Reading goes through `data` as through any folder. Files are written beside and renamed; one of another size
or time than told, or of another version, is fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from auditor.errors import DataError
from auditor.sources import kept_pictures
from auditor.writing import LEFT_SECONDS, is_temporary, why, write_durably

FOLDER_NAME = "files"

_PLACE_NAME = re.compile(r"[0-9a-f]{64}")


class KeptFiles:
    """Whole files by address and version; safe to use from several threads and processes.

    Parameters
    ----------
    folder : made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def data(self, address: str) -> Path:
        """Return where the files of the remote folder at `address`, told without secrets, are kept."""
        return self._place(address) / "data"

    def has(self, address: str, name: str, version: str) -> bool:
        """Tell whether this version of a file is kept as it was fetched."""
        try:
            told = json.loads(self._told(address, name).read_text("utf-8"))
            facts = (self.data(address) / name).stat()
        except (OSError, ValueError):
            return False
        return bool(told == _facts(version, facts))

    def keep(self, address: str, name: str, version: str, write: Callable[[BinaryIO], object]) -> None:
        """Keep what `write` writes; nothing where it raises.

        Raises
        ------
        DataError
            If the disk cannot be written.
        """
        file, told = self.data(address) / name, self._told(address, name)
        try:
            for above in (file.parent, told.parent):
                above.mkdir(parents=True, exist_ok=True)
            told.unlink(missing_ok=True)  # what it says is about to be no longer true
            write_durably(file, write)
            write_durably(told, json.dumps(_facts(version, file.stat())).encode())
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written ({why(error)})") from None

    def prune(self, address: str, names: Collection[str]) -> None:
        """Delete the files that a remote folder has no longer, and what killed writers left long ago."""
        data = self.data(address)
        for file in _below(data):
            with suppress(OSError):  # another process is as fast
                writing = is_temporary(file) and time.time() - file.stat().st_mtime < LEFT_SECONDS
                if not writing and file.relative_to(data).as_posix() not in names:
                    file.unlink()

    def room(self) -> int:
        """Return how many bytes more are kept here."""
        above = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(above).free - kept_pictures.LEAST_FREE_BYTES
        return max(0, min(kept_pictures.MOST_BYTES - self.info()["file_bytes"], free))

    def info(self) -> dict[str, int]:
        """Return how many files and bytes are kept."""
        sizes = [p.lstat().st_size for place in self._places() for p in _below(place / "data")]
        return {"remote_files": len(sizes), "file_bytes": sum(sizes)}

    def clear(self) -> int:
        """Delete what was kept, and nothing else; return the bytes freed."""
        freed = self.info()["file_bytes"]
        for place in self._places():
            shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # something else is there, or a run that goes on writes into it
            self.folder.rmdir()
        return freed

    def _places(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("*") if _PLACE_NAME.fullmatch(p.name) and p.is_dir())

    def _place(self, address: str) -> Path:
        return self.folder / _digest(address)

    def _told(self, address: str, name: str) -> Path:
        return self._place(address) / "told" / _digest(name)


def _facts(version: str, facts: os.stat_result) -> list[object]:
    return [version, facts.st_size, facts.st_mtime_ns]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _below(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]
