"""What `models` and `layers` print: the verdict first, then a short aligned table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.comparisons.models import distinct_names, model_name
from auditor.comparisons.paired import LEAST_GROUPS
from auditor.errors import UsageError, plain
from cli.output import say

if TYPE_CHECKING:
    from auditor.results import Audit

WIDEST_NAME = 40
SHOWN_PAIRS = 5


def audit_names(folders: Sequence[Path], audits: Sequence[Audit]) -> tuple[str, ...]:
    """Return backbone and layer (or features) of each audit; the folder too where several are the same.

    Of folders with one name the one above is named too.
    """
    names = [model_name(audit) for audit in audits]
    paths = [folder.resolve() for folder in folders]
    own = [path.name for path in paths]
    beside = Counter(zip(names, own, strict=True))
    told = [
        name
        if names.count(name) == 1
        else f"{name} ({path.name})"
        if beside[name, path.name] == 1
        else f"{name} ({path.parent.name}/{path.name})"
        for name, path in zip(names, paths, strict=True)
    ]
    return distinct_names(told)


def check_distinct(folders: Sequence[Path]) -> None:
    """Raise UsageError where one audit is given twice."""
    twice = [path for path, times in Counter(folder.resolve() for folder in folders).items() if times > 1]
    if twice:
        raise UsageError(f"The audit {twice[0].name!r} is given twice: name each audit once.")


def print_comparison(
    document: dict[str, Any], lines: Iterable[str], page: Path, as_json: bool, quiet: bool
) -> None:
    """Print the document of comparison.json alone, or the summary and where the page is."""
    if as_json:
        say(json.dumps({**document, "page": str(page)}, ensure_ascii=False, allow_nan=False, indent=1))
    elif not quiet:
        say("\n".join(plain(line) for line in (*lines, f"Page      {page}")))


def models_lines(document: dict[str, Any]) -> Iterator[str]:
    """Return the summary of several models, line by line."""
    yield _verdict(document, "separates the classes best")
    yield _dataset_line(document)
    yield ""
    ranked = sorted(document["models"], key=lambda part: part["rank"])
    width = _width(part["name"] for part in ranked)
    yield (
        f"{'Model':{width}}  neighbours   probe  silhouette  misclassified  tagging errors  limits  undecided"
    )
    for part in ranked:
        yield (
            f"{_short(part['name']):{width}}  {part['knn_accuracy']:>10.1%}  {part['probe_accuracy']:>6.1%}"
            f"  {part['silhouette']:>10.2f}  {part['misclassified']:>13,}  {part['tagging_errors']:>14,}"
            f"  {part['model_limitations']:>6,}  {part['undecided']:>9,}"
        )
    yield ""
    together = document["ensemble"]
    gain = together["accuracy_gain"]
    against = f"{_points(gain)} points against {together['best_single']}"
    yield f"Ensemble  {together['accuracy']:.1%} right, {against}"
    for part in together["contributions"]:
        if part["verdict"] == "adds nothing":
            yield f"          {part['model']} adds nothing"
        elif part["verdict"] == "cannot tell":
            yield f"          whether {part['model']} adds anything cannot be told"
        elif part["same_vectors_as"] is not None:
            yield f"          {part['model']} has the same vectors as {part['same_vectors_as']}"
    if not document["evidence"]["independent"]:
        yield "Evidence  not independent for every model: layers of one network, or models that err alike"


def layers_lines(document: dict[str, Any]) -> Iterator[str]:
    """Return the summary of one backbone's layers, line by line."""
    rise = document["evidence"]["rise"]
    yield (
        f"From {rise['from']} to {rise['to']}: {_points(rise['knn_accuracy'])} points more of the samples "
        "lie among their own class."
    )
    yield _verdict(document, "separates the classes best")
    yield _dataset_line(document)
    yield ""
    width = _width(part["name"] for part in document["layers"])
    yield f"{'Layer':{width}}  neighbours   probe  silhouette  mixed classes"
    for part in document["layers"]:
        yield (
            f"{_short(part['name']):{width}}  {part['knn_accuracy']:>10.1%}  {part['probe_accuracy']:>6.1%}"
            f"  {part['silhouette']:>10.2f}  {part['mixed']:>13,}"
        )
    yield ""
    for story in ("together again", "never apart"):
        pairs = [part for part in document["per_pair"] if part["story"] == story]
        if pairs:
            named = "; ".join(f"{part['a']} and {part['b']}" for part in pairs[:SHOWN_PAIRS])
            left = len(pairs) - SHOWN_PAIRS
            yield f"{story.capitalize():15} {named}" + (f"; and {left} more" if left > 0 else "")


def _verdict(document: dict[str, Any], what: str) -> str:
    lead = f"{_points(document)} points before {document['second']}"
    if document["verdict"] == document["first"]:
        return f"{document['first']} {what}: {lead}."
    if lead.startswith("+0.0 ") or lead.startswith("-0.0 "):
        return f"{document['first']} and {document['second']} separate the classes equally well."
    few = f" from {document['groups']} independent groups" if document["groups"] < LEAST_GROUPS else ""
    return f"Which {document['kind'][:-1]} {what} cannot be told{few}: {document['first']} is {lead}."


def _dataset_line(document: dict[str, Any]) -> str:
    dataset = document["dataset"]
    left = sum(part["samples"] for part in dataset["left_out"])
    more = f", {left:,} left out that not every audit has" if left else ""
    return f"{dataset['name']}: {dataset['samples']:,} samples, {len(dataset['classes'])} classes{more}"


def _points(difference: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in difference["interval"])
    return f"{100 * difference['estimate']:+.1f} ({low:.1f} to {high:.1f})"


def _short(name: str) -> str:
    return name if len(name) <= WIDEST_NAME else name[: WIDEST_NAME - 2] + ".."


def _width(names: Iterable[str]) -> int:
    return max(5, *(len(_short(name)) for name in names))
