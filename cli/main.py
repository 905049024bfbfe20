"""The `auditor` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from auditor import __version__
from auditor.errors import AuditError
from cli import cache, check, clean, compare, demo, domains, embed, export, layers, models, report, run
from cli.output import prepare_streams, print_error
from cli.settings_file import default_values

EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130

HELP = """Find what is wrong in a labelled image dataset before anyone trains on it.

Options can also be set in the environment (AUDITOR_SEED, AUDITOR_CACHE ..) or in a file, auditor.toml or
\\[tool.auditor] in pyproject.toml. The command line wins over the environment, the environment over the file.
"""

app = typer.Typer(
    name="auditor",
    help=HELP,
    epilog="Example: auditor run photos --out photos-audit",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=run.EXAMPLE)(run.run)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("clean", epilog=clean.EXAMPLE)(clean.clean)
app.command("embed", epilog=embed.EXAMPLE)(embed.embed)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("models", epilog=models.EXAMPLE)(models.models)
app.command("layers", epilog=layers.EXAMPLE)(layers.layers)
app.command("domains", epilog=domains.EXAMPLE)(domains.domains)
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.add_typer(cache.app, name="cache")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"auditor {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take over what the settings file says, under the environment and the command line."""
    context.default_map = default_values(context)


def main() -> None:
    """Run the command: exit code 0 done, 2 wrong usage or unusable data, 130 interrupted."""
    prepare_streams()
    try:
        app()
    except AuditError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_sentence(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _sentence(error: OSError) -> str:
    from auditor.writing import UNWRITABLE, what_helps, why

    where = repr(str(error.filename)) if error.filename else ""
    if error.errno in UNWRITABLE and where:
        return f"{where} cannot be written ({why(error)}): {what_helps(error, 'name another place')}."
    return f"{why(error)} {where}".rstrip() + "."


def _fail(sentence: str) -> None:
    print_error(sentence)
    sys.exit(EXIT_UNUSABLE)


if __name__ == "__main__":
    main()
