"""Help, version, settings from files and the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import Command
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parent.parent.parent
COMMANDS = [
    ["run"],
    ["report"],
    ["clean"],
    ["embed"],
    ["export"],
    ["check"],
    ["compare"],
    ["models"],
    ["layers"],
    ["domains"],
    ["demo"],
    ["cache", "info"],
    ["cache", "clear"],
]
SEEDED = (["run"], ["compare"], ["models"], ["layers"], ["domains"], ["demo"])


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_one_example_and_explains_every_option(words: list[str], command: Command) -> None:
    done = command(*words, "--help")
    assert done.code == 0
    text = plain(done.out)
    assert text.count("Example: auditor " + " ".join(words)) == 1
    node = get_command(app)
    for word in words:
        node = node.commands[word]
    options = [param for param in node.params if param.opts[0].startswith("-")]
    assert options
    assert all(getattr(param, "help", "") for param in options)
    names = {opt for param in options for opt in param.opts}
    assert "--json" in names
    assert ("--seed" in names) == (words in SEEDED)


def test_version_is_the_packages_own(command: Command) -> None:
    from importlib.metadata import version

    done = command("--version")
    assert (done.code, done.out.strip()) == (0, f"auditor {version('dataset-auditor')}")


def test_help_is_there_at_once() -> None:
    def seconds() -> float:
        before = os.times()
        words = [sys.executable, "-m", "cli.main", "--help"]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Of the processor, and the best of a few: other work on the machine is no fault of the command.
    assert min(seconds() for _ in range(3)) < 0.5


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "cli.main", "cache", "info", "--cache", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def given_values(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict:
    """The settings that `run` would audit with."""
    caught: dict = {}

    def keep(request: object) -> None:
        caught["request"] = request

    monkeypatch.setattr("cli.auditing.run_request", keep)
    monkeypatch.chdir(tmp_path)
    done = command("run", "data", *arguments)
    assert done.code == 0, done.err
    return {"seed": caught["request"].settings.seed, "limit": caught["request"].limit_report}


def test_command_line_over_environment_over_file(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given_values(command, tmp_path, monkeypatch) == {"seed": 0, "limit": 2000}
    (tmp_path / "pyproject.toml").write_text("[tool.auditor]\nseed = 1\nlimit-report = 7\n")
    assert given_values(command, tmp_path, monkeypatch) == {"seed": 1, "limit": 7}
    monkeypatch.setenv("AUDITOR_SEED", "2")
    assert given_values(command, tmp_path, monkeypatch) == {"seed": 2, "limit": 7}
    assert given_values(command, tmp_path, monkeypatch, "--seed", "3") == {"seed": 3, "limit": 7}
    (tmp_path / "auditor.toml").write_text("limit-report = 9\n")
    assert given_values(command, tmp_path, monkeypatch) == {"seed": 2, "limit": 9}


@pytest.mark.parametrize("text", ["sead = 1\n", "seed = \n", 'seed = "many"\n'])
def test_a_wrong_settings_file_is_said(
    text: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "auditor.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = command("run", "data")
    assert done.code == 2
    assert "Traceback" not in done.err
