"""Settings from a file: `auditor.toml`, else `[tool.auditor]` in `pyproject.toml`, of the current folder.

seed = 3                an option's long name without the dashes, for every command that has it
limit-report = 500
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from auditor.errors import UsageError


def default_values(context: typer.Context) -> dict[str, Any]:
    """Return click's `default_map`: for each command the file's settings that it has an option for.

    Raises
    ------
    UsageError
        If the file is no TOML, or names an option that no command has.
    """
    name, found = _read_settings(Path())
    if not found:
        return {}
    known: set[str] = set()
    values = dict(_values(context.command, found, known))
    unknown = sorted(set(found) - known)
    if unknown:
        raise UsageError(f"{name} sets {unknown[0]!r}, which is no option: see auditor run --help.")
    return values


def _values(group: Any, found: dict[str, Any], known: set[str]) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield name, dict(_values(command, found, known))
            continue
        options = {opt.removeprefix("--"): param for param in command.params for opt in param.opts}
        own = {key: options[key] for key in found if key in options}
        known.update(own)
        yield name, {param.name: _value(param, found[key]) for key, param in own.items()}


def _value(param: Any, said: Any) -> Any:
    """Return one text for an option that can be repeated as a list, or click takes it letter by letter."""
    return [said] if getattr(param, "multiple", False) and isinstance(said, str) else said


def _read_settings(folder: Path) -> tuple[str, dict[str, Any]]:
    own, project = folder / "auditor.toml", folder / "pyproject.toml"
    if own.is_file():
        return own.name, _read_toml(own)
    if project.is_file():
        settings = _read_toml(project).get("tool", {}).get("auditor", {})
        return "[tool.auditor] in pyproject.toml", settings if isinstance(settings, dict) else {}
    return "", {}


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file.name} in this folder cannot be read as TOML: {error}.") from error
