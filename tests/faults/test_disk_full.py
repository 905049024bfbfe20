"""A disk that is full at any stage: one sentence, nothing half-written called done, and then it goes on."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command, Done
from faults.disk import PAGE, SmallDisk, small_disk
from faults.tally import tally
from faults.world import content, make_photos, set_hooks
from two_versions import audit_rows, fruit

from auditor.writing import save_array

ROOT = Path(__file__).parent.parent.parent
FULL = os.strerror(errno.ENOSPC)
HEADER = 128
"""Bytes of a .npy file before its values."""


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hooks(monkeypatch.setattr)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disk")) as disk:
        yield disk


@pytest.fixture
def disk(mounted: SmallDisk) -> SmallDisk:
    mounted.clear()
    return mounted


@dataclass(frozen=True)
class World:
    """What the commands read, on a disk with room."""

    data: Path
    audit: Path
    before: Path
    after: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    from faults.world import Quarters

    import auditor
    from auditor.audit import run_audit
    from reports.thumbnails import add_thumbnails

    folder = tmp_path_factory.mktemp("world")
    data = make_photos(folder / "photos")
    audit = run_audit(auditor.read_dataset(data), encoder=Quarters())
    auditor.save(add_thumbnails(audit), folder / "audit")
    broken, right = fruit(90, wrong=8)
    return World(data, folder / "audit", audit_rows(broken, folder / "b"), audit_rows(right, folder / "a"))


Words = Callable[[World, Path], Sequence[object]]
AUTO = "drop-duplicates,drop-unreadable"
# fmt: off
COMMANDS: dict[str, Words] = {
    "run": lambda w, d: ("run", w.data, "--out", d / "out"),
    "run over an earlier audit": lambda w, d: ("run", w.data, "--out", d / "out", "--overwrite"),
    "run with its cache": lambda w, d: ("run", w.data, "--out", w.data.parent / "new", "--overwrite",
                                        "--cache", d / "out"),
    "clean": lambda w, d: ("clean", w.audit, "--auto", AUTO, "--materialize", "copy", "--out", d / "out",
                           "--apply"),
    "export of a folder": lambda w, d: ("export", w.audit, "--to", "folder", "--zip", "--out", d / "out"),
    "export of tasks": lambda w, d: ("export", w.audit, "--to", "label-studio", "--out", d / "out"),
    "compare": lambda w, d: ("compare", w.before, w.after, "--out", d / "out"),
    "embed": lambda w, d: ("embed", w.data, "--out", d / "out"),
    "report over an earlier page": lambda w, d: ("report", w.audit, "--out", d / "page.html"),
    "report in parts": lambda w, d: ("report", w.audit, "--out", d / "page.html", "--parts", 2),
    "check": lambda w, d: ("check", w.audit, "--fail-on", "leak>0", "--summary", d / "gate.md"),
}
# fmt: on
EARLIER = {"run over an earlier audit": "out", "report over an earlier page": "page.html"}
"""What is there before the command: the work of the same command, and beside it a file of somebody's."""
STORES = ("run with its cache", "embed")
"""Shards have names that are drawn: what they hold is compared in `test_cache_damage` and `test_kills`."""


class Trial:
    """One command on the small disk: what it writes undisturbed, and how it ends with less room."""

    def __init__(self, name: str, world: World, disk: SmallDisk, command: Command) -> None:
        self.name, self.disk, self.command = name, disk, command
        self.words = COMMANDS[name](world, disk.folder)
        before = disk.free
        assert command(*self.words).code == 0
        self.used = before - disk.free
        self.whole = self._result()
        self.earlier = Path(tempfile.mkdtemp(dir=world.data.parent))
        shutil.copytree(disk.folder, self.earlier, dirs_exist_ok=True)

    def ends_well(self, free: int) -> bool:
        """Run the command with so many bytes free, then with room again."""
        self.disk.clear()
        if self.name in EARLIER:
            shutil.copytree(self.earlier, self.disk.folder, dirs_exist_ok=True)
            (self.disk.folder / "mine.txt").write_text("mine")
        before = self._left()
        self.disk.leave(free)
        stopped = self.command(*self.words)
        self.disk.make_room()
        assert_one_sentence(stopped, self.disk.folder, FULL, "make room")
        left = self._left()
        if self.name == "report in parts":  # a page that stands is whole
            left = {name: data for name, data in left.items() if data != self.whole[name]}
        assert left == before, sorted(left)
        done = self.command(*self.words)
        assert done.code == 0, done.err
        return self._result() == self.whole

    def _result(self) -> dict[str, Any]:
        if self.name in STORES:
            return dict.fromkeys(Path(name).suffix for name in content(self.disk.folder))
        return {name: data for name, data in content(self.disk.folder).items() if name != "mine.txt"}

    def _left(self) -> dict[str, object]:
        """What is there but for the stages that the next run goes on from, and a store, which has no half."""
        kept = ("out.partial", "out") if self.name in STORES else ("out.partial",)
        return {n: d for n, d in content(self.disk.folder).items() if n.split("/")[0] not in kept}


def assert_one_sentence(done: Done, folder: Path, *parts: str) -> None:
    """Assert exit code 2 and one sentence on stderr, warnings aside, that has these parts."""
    said = [line for line in done.err.splitlines() if not line.startswith("auditor: warning: ")]
    assert done.code == 2, (done.code, done.err)
    assert len(said) == 1 and said[0].startswith("auditor: ") and said[0].endswith("."), done.err
    for part in (str(folder), *parts):
        assert part in said[0], said
    assert done.out == ""


def levels(used: int, count: int) -> list[int]:
    """Return free bytes from none to one page too few, `count` of them at equal distances."""
    pages = used // PAGE - 1
    return sorted({pages * n // max(1, count - 1) * PAGE for n in range(count)})


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told_and_with_room_it_goes_on(
    name: str, world: World, disk: SmallDisk, command: Command
) -> None:
    trial = Trial(name, world, disk, command)
    for free in levels(trial.used, 3):
        assert trial.ends_well(free), free


@pytest.mark.nightly
@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_full_at_many_sizes(
    name: str, world: World, disk: SmallDisk, command: Command, request: pytest.FixtureRequest
) -> None:
    trial = Trial(name, world, disk, command)
    tried, failed = levels(trial.used, 40 if name.startswith("run") else 12), []
    for free in tried:
        try:
            failed += [] if trial.ends_well(free) else [(free, "another result")]
        except AssertionError as error:
            failed.append((free, str(error)))
    tally(request, "a disk that is full", len(tried), len(tried) - len(failed))
    assert not failed


def test_a_limit_on_the_size_of_files_is_told_and_without_it_it_goes_on(
    world: World, tmp_path: Path, command: Command
) -> None:
    """The shell's `ulimit -f`: needs no mount, so it runs where a disk cannot be made."""
    words = ("run", world.data, "--out")
    assert command(*words, tmp_path / "whole").code == 0
    whole = content(tmp_path / "whole")
    sizes = sorted({(tmp_path / "whole" / name).stat().st_size for name in whole})
    for size in (1, sizes[0], sizes[len(sizes) // 2], sizes[-1]):
        out = tmp_path / f"at most {size - 1}"
        with files_at_most(size - 1):
            stopped = command(*words, out)
        assert_one_sentence(stopped, out, os.strerror(errno.EFBIG))
        assert command(*words, out).code == 0
        assert content(out) == whole
        shutil.rmtree(out)


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_cannot_be_written_is_told(world: World, disk: SmallDisk, command: Command) -> None:
    trial = Trial("run over an earlier audit", world, disk, command)
    before = content(disk.folder)
    for words in (
        trial.words,
        COMMANDS["embed"](world, disk.folder / "new"),
        COMMANDS["clean"](world, disk.folder / "new"),
    ):
        disk.remount("ro")
        try:
            stopped = command(*words)
        finally:
            disk.remount("rw")
        assert_one_sentence(stopped, disk.folder, os.strerror(errno.EROFS), "choose another")
        assert content(disk.folder) == before


@pytest.mark.parametrize(
    ("at", "number"),
    [
        ("samples.parquet", errno.EDQUOT),
        ("embeddings.npy", errno.EIO),
        ("findings.csv", errno.EROFS),
        ("audit.json", errno.EIO),
        ("report.html", errno.EDQUOT),
    ],
)
def test_any_answer_of_the_disk_goes_the_same_way(
    at: str, number: int, world: World, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", world.data, "--out", tmp_path / "out", "--overwrite")
    assert command(*words).code == 0
    before = content(tmp_path / "out")
    with monkeypatch.context() as patch:
        refuse(patch, at, number)
        assert_one_sentence(command(*words), tmp_path / "out", os.strerror(number), "choose another --out")
    assert content(tmp_path / "out") == before
    assert command(*words).code == 0
    assert content(tmp_path / "out") == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def refuse(patch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let the disk refuse the content of a file of this name, as `write` does: without saying of which."""
    from auditor import storage, tables
    from reports import page

    def wrap(owner: Any, attribute: str, place: int) -> None:
        write = getattr(owner, attribute)

        def refusing(*values: Any, **named: Any) -> Any:
            if Path(values[place]).name == name:
                raise OSError(number, os.strerror(number))
            return write(*values, **named)

        patch.setattr(owner, attribute, refusing)

    wrap(tables, "write_table", 1)
    wrap(storage, "_write_array", 1)
    wrap(storage, "_write_text", 1)
    wrap(storage, "_write_json", 1)
    wrap(page, "replace_file", 0)


def test_a_stage_that_cannot_be_kept_is_told_and_the_run_goes_on(
    disk: SmallDisk, world: World, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("auditor.workspace.Workspace.stages", disk.folder / "stages")
    disk.leave(0)
    done = command("run", world.data, "--out", tmp_path / "out")
    disk.make_room()
    assert done.code == 0, done.err
    warnings = [line for line in done.err.splitlines() if "cannot be kept" in line]
    assert warnings and all(FULL in line and str(disk.folder) in line for line in warnings)
    assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("bytes_missing", [1, 100, PAGE - 1, PAGE])
def test_the_last_bytes_of_an_array_are_not_lost_without_an_error(
    bytes_missing: int, disk: SmallDisk
) -> None:
    """numpy alone says nothing when the last page of a file does not fit."""
    disk.leave(4 * PAGE)
    values = np.zeros(disk.free + bytes_missing - HEADER, dtype=np.uint8)
    with pytest.raises(OSError, match=FULL), (disk.folder / "array.npy").open("wb") as file:
        save_array(file, values)


def test_a_full_stdout_is_told(world: World) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "check", str(world.audit), "--fail-on", "leak>0"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert_one_sentence(
        Done(done.returncode, "", done.stderr), Path(), FULL, "what the command wrote is complete"
    )
