"""The output folder: whole or not there, never two writers, nothing of the user's lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auditor import workspace
from auditor.errors import DataError, OutputError, UsageError
from auditor.workspace import Contents
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
    version = Contents("a version", lambda folder: False, lambda folder: ())
    with workspace.Workspace(tmp_path / "out", version, False, {}) as made:
        assert not made.stages.exists()
        made.finish()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_killed_between_its_two_renames_loses_no_audit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_audit(out, "first")
    out.rename(tmp_path / "out.old")
    with pytest.raises(OutputError, match="--overwrite"):
        write_audit(out, "second")
    assert (out / "audit.json").read_text() == "first"


def test_a_partial_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "out.partial" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="move them away"):
        write_audit(tmp_path / "out", "first")
    assert mine.read_text() == "mine"
