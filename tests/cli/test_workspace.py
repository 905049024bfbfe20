"""The output folder: whole or not there, never two writers, nothing of the user's lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor import workspace
from auditor.errors import DataError, OutputError, UsageError
from auditor.workspace import FolderKind
from cli.workspace import Workspace, check_target


def write_audit(out: Path, text: str, overwrite: bool = False) -> None:
    with Workspace(out, overwrite, {"seed": 0}) as workspace:
        (workspace.folder / "audit.json").write_text(text)
        workspace.finish()


def test_becomes_the_audit_by_a_rename(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with Workspace(out, False, {}) as workspace:
        assert workspace.folder == tmp_path / "deep" / "out.partial"
        (workspace.folder / "audit.json").write_text("1")
        assert not out.exists()
        workspace.finish()
    assert [p.name for p in out.iterdir()] == ["audit.json"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_run_that_failed(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), Workspace(tmp_path / "a" / "b" / "out", False, {}) as workspace:
        (workspace.folder / "embeddings.npy").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_keeps_the_earlier_audit(tmp_path: Path) -> None:
    write_audit(tmp_path / "out", "first")
    with pytest.raises(ValueError), Workspace(tmp_path / "out", True, {}):
        raise ValueError
    assert (tmp_path / "out" / "audit.json").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_overwrite_replaces_the_audit_and_keeps_what_people_put_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_audit(out, "first")
    (out / "decisions.json").write_text("an afternoon of work")
    (out / "predictions.npy").write_text("of the first audit")
    write_audit(out, "second", overwrite=True)
    assert {p.name: p.read_text() for p in out.iterdir()} == {
        "audit.json": "second",
        "decisions.json": "an afternoon of work",
    }
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("taken", ["file", "foreign", "audit"])
def test_what_is_there_is_not_touched(taken: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if taken == "file":
        out.write_text("mine")
    elif taken == "foreign":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        write_audit(out, "first")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError):
        write_audit(out, "second")
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(OutputError) if taken != "audit" else pytest.raises(OutputError, match="--overwrite"):
        check_target(out, overwrite=False)


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_audit(tmp_path / "out", "first")
    assert (tmp_path / "out" / "audit.json").is_file()


def test_a_second_writer_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Workspace(out, False, {}) as first:
        (first.folder / "audit.json").write_text("first")
        with pytest.raises(OutputError, match="Another run"), Workspace(out, True, {}):
            pass
        first.finish()
    assert (out / "audit.json").read_text() == "first"


def test_a_killed_run_leaves_a_folder_that_the_next_one_takes_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import os, signal, sys; from pathlib import Path; from cli.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1]), False, {}) as w:\n"
        "    (w.folder / 'leftover').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parent.parent.parent
    killed = subprocess.run([sys.executable, "-c", code, str(out)], cwd=root, check=False)
    assert killed.returncode == -9
    assert (tmp_path / "out.partial" / "leftover").exists()
    write_audit(out, "second")
    assert [p.name for p in out.iterdir()] == ["audit.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def stopped_run(out: Path, error: type[BaseException], text: str) -> None:
    with pytest.raises(error), Workspace(out, False, {}) as workspace:
        workspace.stages.mkdir()
        (workspace.stages / "map").write_text(text)
        (workspace.folder / "embeddings.npy").write_text("half")
        raise error("stopped")


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_stages_outlive_a_run_that_was_stopped_and_nothing_else_does(
    error: type[BaseException], tmp_path: Path
) -> None:
    stopped_run(tmp_path / "out", error, "kept")
    left = sorted(p.name for p in (tmp_path / "out.partial").iterdir())
    assert left == ["lock", "stages"]
    with Workspace(tmp_path / "out", False, {}) as workspace:
        assert (workspace.stages / "map").read_text() == "kept"
        (workspace.folder / "audit.json").write_text("done")
        workspace.finish()
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["out", "out/audit.json"]


@pytest.mark.parametrize("error", [DataError, UsageError])
def test_an_error_of_the_data_leaves_no_stages(error: type[BaseException], tmp_path: Path) -> None:
    stopped_run(tmp_path / "deep" / "out", error, "not kept")
    assert list(tmp_path.iterdir()) == []


def test_stages_are_not_for_folders_of_another_kind(tmp_path: Path) -> None:
    stopped_run(tmp_path / "out", KeyboardInterrupt, "of an audit")
    version = FolderKind("a version", lambda folder: False, lambda folder: ())
    with workspace.Workspace(tmp_path / "out", version, False, {}) as made:
        assert not made.stages.exists()
        made.finish()
    assert list((tmp_path / "out").iterdir()) == []


WORK = "an afternoon of work"


def replace_audit(out: Path) -> None:
    """Put an audit in the place of an earlier one, with the results of a stage on the way."""
    with Workspace(out, True, {}) as workspace:
        workspace.stages.mkdir()
        (workspace.stages / "map").write_text("kept")
        (workspace.folder / "audit.json").write_text("second")
        (workspace.folder / "embeddings.npy").write_text("second")
        workspace.finish()


def killed_before(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that kills itself before it opens, renames or removes the so-manieth time."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, _: object) -> None:
            if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("goes_on", ["with --overwrite", "without"])
def test_a_kill_at_any_step_of_replacing_an_audit_loses_nothing(goes_on: str, tmp_path: Path) -> None:
    seen = set()
    for step in range(100):
        out = tmp_path / f"{step}" / "out"
        write_audit(out, "first")
        (out / "decisions.json").write_text(WORK)
        (out / "details.parquet").write_text("of the first audit")
        if not killed_before(step, lambda out=out: replace_audit(out)):
            break
        if goes_on == "without":
            with pytest.raises(OutputError, match="--overwrite"):
                write_audit(out, "third")
        found = (out / "audit.json").read_text() if out.exists() else "between two renames"
        seen.add(found)
        write_audit(out, "third", overwrite=True)
        assert {p.name: p.read_text() for p in out.iterdir()} == {
            "audit.json": "third",
            "decisions.json": WORK,
        }
        assert [p.name for p in out.parent.iterdir()] == ["out"]
    between = {"between two renames"} if goes_on == "with --overwrite" else set()
    assert seen == {"first", "second", *between} and step > 10


def test_a_run_killed_between_its_two_renames_loses_no_audit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_audit(out, "first")
    make_interrupted(out)
    with pytest.raises(OutputError, match="--overwrite"):
        write_audit(out, "second")
    assert (out / "audit.json").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def make_interrupted(out: Path) -> None:
    partial = out.with_name(f"{out.name}.partial")
    partial.mkdir()
    (partial / "lock").touch()
    out.rename(partial / workspace.REPLACED)


def test_an_earlier_audit_is_not_put_back_over_another_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_audit(out, "first")
    make_interrupted(out)
    out.mkdir()
    (out / "audit.json").write_text("somebody's")
    with pytest.raises(OutputError, match="move one of them away"):
        write_audit(out, "second", overwrite=True)
    assert (out / "audit.json").read_text() == "somebody's"
    assert (tmp_path / "out.partial" / workspace.REPLACED / "audit.json").read_text() == "first"


def test_a_backup_beside_the_output_is_somebody_s(tmp_path: Path) -> None:
    write_audit(tmp_path / "out", "first")
    (tmp_path / "out").rename(tmp_path / "out.old")
    for name in ("second", "third"):
        write_audit(tmp_path / "out", name, overwrite=True)
    assert (tmp_path / "out.old" / "audit.json").read_text() == "first"


def test_the_last_rename_that_fails_leaves_the_earlier_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "out", Path.rename
    write_audit(out, "first")

    def fail(path: Path, target: Path) -> Path:
        if path.name == "out.partial":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match=r"out.*Input/output error"):
        patch.setattr(Path, "rename", fail)
        write_audit(out, "second", overwrite=True)
    assert (out / "audit.json").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_output_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "out"
    out.symlink_to(tmp_path / "elsewhere" / "audit")
    write_audit(out, "first")
    (out / "decisions.json").write_text(WORK)
    write_audit(out, "second", overwrite=True)
    assert out.is_symlink() and (out / "decisions.json").read_text() == WORK
    assert (tmp_path / "elsewhere" / "audit" / "audit.json").read_text() == "second"
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["audit"]


def test_a_partial_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "out.partial" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="move them away"):
        write_audit(tmp_path / "out", "first")
    assert mine.read_text() == "mine"
