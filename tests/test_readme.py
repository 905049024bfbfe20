"""The README is true: its Python runs, its commands and options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
NAMED_TESTS = sorted(set(re.findall(r"`(test_\w+)`", README)))
COMMANDS = re.findall(r"^    .*?(auditor [a-z].*?)(?:\s+#.*)?$", README, flags=re.MULTILINE)


def node_of(words: list[str]) -> tuple[object, list[str]]:
    """The command that `words` start with, and its arguments."""
    node = get_command(app)
    while words and hasattr(node, "commands"):
        assert words[0] in node.commands, f"the README names an unknown command: {words[0]}"
        node, words = node.commands[words[0]], words[1:]
    return node, words


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    node, arguments = node_of(shlex.split(line)[1:])
    known = {opt for param in node.params for opt in param.opts}
    assert {word for word in arguments if word.startswith("-")} <= known


def test_the_tests_that_it_names_exist() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    known = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.M)}
    assert len(NAMED_TESTS) > 40 and set(NAMED_TESTS) <= known


def test_the_readme_shows_every_command() -> None:
    assert len(SNIPPETS) == 2
    named = {tuple(line.split()[1:2]) for line in COMMANDS}
    assert {(name,) for name in get_command(app).commands} <= named


@pytest.mark.slow
@pytest.mark.parametrize("code", SNIPPETS)
def test_python_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    if "write_page" in code:
        assert "<html" in (tmp_path / "kitchen.html").read_text(encoding="utf-8")[:500]
