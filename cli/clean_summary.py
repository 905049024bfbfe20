"""What `clean` says: what changes, how far annotators agree, what to do next; as text or as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.cleaning import Version, version_document
from auditor.errors import plain
from auditor.merging import Answer
from auditor.sources.names import plural
from auditor.version_plan import describe_answer
from cli.output import say

SHOWN_PAIRS, SHOWN_CLASSES, SHOWN_CONFLICTS = 10, 10, 5
WIDTH = 34
"""Characters of a line before its number."""
LONGEST_NAME = 40
"""Characters of a class name in a column of names; --json has all of them."""

CAUSE_WORDS = {
    "conflict": "in conflict",
    "drop-duplicates": "copies (--auto)",
    "drop-near-duplicates": "copies, near copies (--auto)",
    "drop-unreadable": "unreadable (--auto)",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What one call of `clean` did: `written` is None without --apply, False when it was there already."""

    version: Version
    audit_folder: Path
    files: tuple[Path, ...]
    target: Path
    written: bool | None
    conflicts_page: Path | None
    command: str


def print_result(result: Result, as_json: bool) -> None:
    """Print on stdout what changes, or has changed."""
    document = describe_result(result)
    if as_json:
        say(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1))
    else:
        say("\n".join(plain(line) for line in _lines(document, result)))


def describe_result(result: Result) -> Json:
    """Return every number that is printed, and the conflicts."""
    page = result.conflicts_page
    return {
        **version_document(result.version),
        "conflicts": [_conflict(answer) for answer in result.version.conflicts],
        "applied": result.written is not None,
        "changed": result.written is True,
        "version": str(result.target),
        "conflicts_page": None if page is None else str(page),
        "command": result.command,
        "next": _next(result),
    }


def _next(result: Result) -> list[str]:
    """Return the command that audits the version as the first audit was made."""
    words = ["auditor", "run", str(result.target)]
    if not result.version.audit.dataset.has_images:
        return [*words, "--features", "FILE", "--features-ids", "FILE"]
    words += ["--like", str(result.audit_folder)]
    return words + [word for file in result.files for word in ("--reviewed", str(file))]


def _conflict(answer: Answer) -> Json:
    votes = [
        {
            "annotator": v.annotator,
            "decision": v.decision.decision,
            "to": v.decision.to,
            "note": v.decision.note,
        }
        for v in answer.votes
    ]
    return {"id": answer.id, "kind": answer.kind, "votes": votes}


def _lines(document: Json, result: Result) -> Iterator[str]:
    counts = document["counts"]
    yield _headline(counts)
    names = document["annotators"]
    who = f"decisions of {', '.join(names)}" if names else "no decisions"
    auto = document["options"]["auto"]
    yield f"{document['dataset']}: {who}" + (f"; {', '.join(auto)}" if auto else "")
    yield ""
    yield from _change_lines(document)
    if document["listed_twice"]:
        files = plural(document["listed_twice"], "file")
        yield f"Listed twice under one label: {files}; drop one of the two"
        yield ""
    yield from _class_lines(document["thinned"], len(result.version.audit.dataset.classes))
    yield from _conflict_lines(result.version.conflicts, document["options"]["on_conflict"])
    yield from _agreement_lines(document["agreement"])
    yield from _control_lines(document["care"], document["estimate"])
    yield from _last_lines(document, result)


def _headline(counts: Json) -> str:
    if counts["kept"] == counts["samples"]:
        return f"Nothing changes: all {plural(counts['samples'], 'sample')} stay as they are"
    parts = f"{counts['relabelled']:,} relabelled, {counts['kept']:,} as they are"
    if not counts["dropped"]:
        return f"All {plural(counts['samples'], 'sample')} remain: {parts}"
    remaining = f"{counts['remaining']:,} of {plural(counts['samples'], 'sample')} remain"
    return f"{remaining}: {parts}; {counts['dropped']:,} dropped"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 2]}.."


def _number(words: str, count: int, indent: int = 2) -> str:
    return f"{' ' * indent}{words:{WIDTH - indent}}{count:>8,}"


def _change_lines(document: Json) -> Iterator[str]:
    counts = document["counts"]
    yield "Samples"
    yield _number("relabelled", counts["relabelled"])
    pairs = document["relabelled"]
    for pair in pairs[:SHOWN_PAIRS]:
        yield _number(f"{_short(pair['from'])} to {_short(pair['to'])}", pair["samples"], 4)
    if len(pairs) > SHOWN_PAIRS:
        rest = pairs[SHOWN_PAIRS:]
        yield _number(f"{plural(len(rest), 'other pair')}", sum(p["samples"] for p in rest), 4)
    yield _number("dropped", counts["dropped"])
    for part in document["dropped"]:
        words = CAUSE_WORDS.get(part["cause"], part["cause"].replace("_", " "))
        yield _number(words, part["samples"], 4)
    yield _number("kept", counts["kept"])
    stay = counts["conflicts"] if document["options"]["on_conflict"] == "keep" else 0
    reasons = {"label or sample confirmed": counts["confirmed"], "annotators unsure": counts["unsure"],
               "in conflict": stay, "flagged, not decided": counts["not_decided"],
               "not asked about": counts["not_asked"]}  # fmt: skip
    for words, count in reasons.items():
        if count:
            yield _number(words, count, 4)
    yield ""


def _class_lines(thinned: list[Json], classes: int) -> Iterator[str]:
    if not thinned:
        return
    yield "Classes left empty or with fewer than 3 samples"
    for part in thinned[:SHOWN_CLASSES]:
        yield f"  {part['class']}: {part['after']:,} of {part['before']:,} left"
    if len(thinned) > SHOWN_CLASSES:
        yield f"  and {len(thinned) - SHOWN_CLASSES:,} more"
    if classes - sum(part["after"] == 0 for part in thinned) < 2:
        yield "  an audit needs at least two classes"
    yield ""


def _conflict_lines(conflicts: tuple[Answer, ...], on_conflict: str) -> Iterator[str]:
    if not conflicts:
        return
    what = "stay as they are" if on_conflict == "keep" else "are dropped"
    count = plural(len({answer.id for answer in conflicts}), "sample")
    yield f"Conflicts: {count}, which {what} (--on-conflict {on_conflict})"
    for answer in conflicts[:SHOWN_CONFLICTS]:
        yield f"  {answer.id}"
        yield f"    {describe_answer(answer)}"
    if len(conflicts) > SHOWN_CONFLICTS:
        yield f"  and {len(conflicts) - SHOWN_CONFLICTS:,} more answers"
    yield ""


def _agreement_lines(part: Json) -> Iterator[str]:
    if len(part["annotators"]) < 2:
        return
    if not part["shared"]:
        yield "Agreement: no question was answered by two annotators"
        yield ""
        return
    yield f"Agreement on {plural(part['shared'], 'question')} that several answered, of {part['items']:,}"
    yield _figure("the same answer", part["answers"]["raw"], percent=True)
    if part["decisions"]["raw"] != part["answers"]["raw"]:
        yield _figure("the same but for the class", part["decisions"]["raw"], percent=True)
    if len(part["annotators"]) == 2:
        yield _figure("Cohen's kappa", part["answers"]["kappa"])
    if len(part["annotators"]) > 2 or part["answers"]["alpha"] is not None:
        yield _figure("Krippendorff's alpha", part["answers"]["alpha"])
    pairs = [p for p in part["pairwise"] if p["items"]] if len(part["pairwise"]) > 1 else []
    for pair in sorted(pairs, key=lambda p: p["raw"])[:SHOWN_PAIRS]:
        kappa = "not defined" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        names, count = " and ".join(pair["annotators"]), plural(pair["items"], "question")
        yield f"    {names}: {pair['raw']:.1%} of {count}, kappa {kappa}"
    yield ""


def _figure(words: str, value: float | None, percent: bool = False) -> str:
    shown = "not defined" if value is None else f"{value:.1%}" if percent else f"{value:.2f}"
    return f"  {words:{WIDTH - 2}}{shown:>8}"


def _control_lines(care: Json, estimate: Json | None) -> Iterator[str]:
    controls, flagged = care["controls"], care["flagged"]
    if controls["reviewed"]:
        yield "Care: controls are samples that the audit has nothing against, mixed in unmarked"
        for words, part in (("of controls", controls), ("of flagged labels", flagged)):
            settled = part["kept"] + part["relabelled"] + part["dropped"]
            if settled:
                share = part["relabelled"] / settled
                yield f"  {words:20}{part['relabelled']:,} of {settled:,} relabelled ({share:.1%})"
    if care["first_answers"]:
        yield (
            f"  {care['changed']:,} of {plural(care['first_answers'], 'first answer')} changed when the "
            f"suggestion was shown, {care['changed_to_suggestion']:,} to the suggestion"
        )
    if estimate is not None:
        yield (
            f"  wrong labels in the audited dataset: about {estimate['estimate']:,.0f} of "
            f"{estimate['samples']:,}, {estimate['level']:.0%} interval {estimate['low']:,.0f} to "
            f"{estimate['high']:,.0f}"
        )
    if controls["reviewed"] or care["first_answers"]:
        yield ""


def _last_lines(document: Json, result: Result) -> Iterator[str]:
    if result.conflicts_page is not None:
        yield f"Page      {result.conflicts_page} (what annotators disagree about)"
    if result.written is None:
        yield f"Apply     {document['command']}"
        return
    if result.written:
        yield f"Version   {result.target} (manifest.csv lists what remains, journal.csv says why)"
    else:
        yield f"Version   {result.target} holds just this version already: nothing was written"
    yield f"Next      {shlex.join(document['next'])}"
