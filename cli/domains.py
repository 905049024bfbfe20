"""`auditor domains`: one class set in two domains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from auditor.errors import plain
from cli import options as o
from cli.comparing import Overwrite, Seed
from cli.output import say
from cli.report import AuditFolder

EXAMPLE = "Example: auditor domains kitchen-audit --train photo --test drawing --out kitchen-domains"
SHOWN_PAIRS = 10

Train = Annotated[
    str,
    typer.Option(
        "--train", metavar="NAME", help="The domain (or split) that is learned from.", rich_help_panel=o.DATA
    ),
]
Test = Annotated[
    str,
    typer.Option(
        "--test",
        metavar="NAME",
        help="The domain (or split) that it is applied to.",
        rich_help_panel=o.DATA,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The folder to make.",
        show_default="AUDIT-domains, in this folder",
        rich_help_panel=o.OUTPUT,
    ),
]


def domains(
    audit: AuditFolder,
    train: Train,
    test: Test,
    out: Out = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Compare two domains of one audit: does what is learned in one hold in the other, and if not, why?"""
    from auditor.comparisons.domains import compare_domains
    from auditor.comparisons.domains_document import domains_document
    from auditor.settings import AuditSettings, check_settings
    from auditor.storage import load
    from cli.comparing import Output
    from cli.progress import show_progress
    from reports.domains_view import domains_view

    check_settings(AuditSettings(seed=seed))
    name = audit.resolve().name
    output = Output(out or Path(f"{name}-domains"), overwrite)
    output.check()
    loaded = load(audit)
    with show_progress(quiet) as progress:
        comparison = compare_domains(loaded, train, test, seed, progress)
        progress("page", 0, 0)
        document = domains_document(comparison)
        command = f"auditor domains {name} --train {train} --test {test}"
        page = output.write(document, domains_view(comparison, command), [loaded])
    if as_json:
        say(json.dumps({**document, "page": str(page)}, ensure_ascii=False, allow_nan=False, indent=1))
    elif not quiet:
        say("\n".join(plain(line) for line in _lines(document, page)))


def _lines(document: dict[str, Any], page: Path) -> Iterator[str]:
    train, test = document["train"], document["test"]
    accuracy = document["accuracy"]
    found = {
        "holds": f"What is learned on {train['name']} holds on {test['name']}.",
        "does not hold": f"What is learned on {train['name']} does not hold on {test['name']}.",
        "cannot tell": f"Whether what is learned on {train['name']} holds on {test['name']} cannot be told.",
    }
    yield found[document["verdict"]]
    yield document["reason"]
    yield ""
    yield f"Accuracy  {_share(accuracy['train'])} on {train['name']}, {train['samples']:,} samples"
    yield f"          {_share(accuracy['test'])} on {test['name']}, {test['samples']:,} samples"
    yield f"          {_share(accuracy['test_centred'])} with the shift between the two taken off"
    yield ""
    yield from _pair_lines(document)
    for note in document["notes"]:
        yield f"Note      {note}"
    leaks = len(document["leaks"])
    if leaks:
        yield f"Copies    {leaks:,} {'picture is' if leaks == 1 else 'pictures are'} in both domains"
    yield f"Page      {page}"


def _pair_lines(document: dict[str, Any]) -> Iterator[str]:
    pairs = document["per_pair"]
    yield "Pairs of classes, those that confuse most first"
    for pair in pairs[:SHOWN_PAIRS]:
        taken = pair["test"]
        yield (
            f"  {pair['verdict']:18}{pair['a']} as {pair['b']}: {taken['a_as_b']:,}, "
            f"{pair['b']} as {pair['a']}: {taken['b_as_a']:,}"
        )
    if len(pairs) > SHOWN_PAIRS:
        yield f"  and {len(pairs) - SHOWN_PAIRS:,} more on the page"
    yield ""


def _share(part: dict[str, Any]) -> str:
    low, high = part["interval"]
    return f"{part['estimate']:.1%} ({low:.1%} to {high:.1%})"
