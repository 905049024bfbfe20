"""A disk of a few megabytes that can be filled up to the last page."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MEGABYTES = 24
PAGE = 4096
"""What a tmpfs gives out."""


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs; `folder` is where commands write, beside what fills it."""

    mount: Path

    @property
    def folder(self) -> Path:
        return self.mount / "place"

    @property
    def free(self) -> int:
        """Bytes that can still be written."""
        state = os.statvfs(self.mount)
        return state.f_bavail * state.f_frsize

    def leave(self, free: int) -> None:
        """Fill the disk until so many bytes are free, whole pages."""
        self.make_room()
        with (self.mount / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free - free))

    def make_room(self) -> None:
        """Take away what fills the disk."""
        (self.mount / "filler").unlink(missing_ok=True)

    def clear(self) -> None:
        """Leave the disk empty."""
        self.make_room()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def remount(self, how: str) -> None:
        """Mount it anew as "ro" or "rw", with what is on it."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.mount], check=True)


@contextmanager
def small_disk(mount: Path) -> Iterator[SmallDisk]:
    """Mount a small disk; the test is skipped where that is not allowed."""
    options = ["-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(mount)]
    try:
        made = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no small disk can be mounted here: there is no mount")
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    try:
        disk = SmallDisk(mount)
        disk.clear()
        yield disk
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
