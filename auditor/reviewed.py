"""The memory of earlier reviews: what was checked and found right is not asked again.

    FILE ..  --read_memory-->  Memory(marks, files)
    Memory + dataset, facts, findings  --leave_out_checked-->  findings that are left, Reviewed

A sample is checked for a question when the majority of those who answered it says about its present label, or
about the sample, that all is well. Kinds that ask the same are one question: `question_of`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.arrays import Ids, as_ids, rows_of
from auditor.decisions import LABEL_CHECK, Decision, DecisionFile, match_decisions, newest, question_of
from auditor.errors import DataError
from auditor.merging import ABOUT_COPIES, majority
from auditor.results import Dataset, Finding, ImageFacts, Reviewed
from auditor.review_files import read_reviews
from auditor.sources.names import examples, plural

ABOUT_LABEL: tuple[str, ...] = (LABEL_CHECK, "conflicting_duplicate")
"""Questions whose answer holds for one label only."""
FORGOTTEN = "unreadable"
"""Kind that is never remembered: what does not decode cannot be found right."""
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Memory:
    """Earlier reviews as they were read; `digests` are the sha256 of the files, `names` their names."""

    files: tuple[DecisionFile, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True)
class _Matched:
    """One annotator's decision and the row of its sample in the dataset, -1 = none."""

    annotator: str
    decision: Decision
    row: int


def read_memory(paths: Sequence[Path]) -> Memory:
    """Read the files of earlier reviews, of whatever version of the dataset.

    Raises
    ------
    DataError
        If a file cannot be read or a value in it is not allowed.
    """
    files = read_reviews(paths)
    try:
        digests = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    except OSError as error:
        raise DataError(f"{Path(error.filename).name} cannot be read: {error.strerror or error}.") from error
    return Memory(files, tuple(path.name for path in paths), digests)


def leave_out_checked(
    memory: Memory, dataset: Dataset, facts: ImageFacts, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], Reviewed, str]:
    """Return the findings that earlier reviews leave to ask about, the figures, and a sentence about them.

    Checked samples are taken out of findings about each sample for itself; findings about a group of copies
    stay until every member was checked. Ranks are counted anew within each kind.
    """
    labels = as_ids(dataset.table["label"])
    found = _match(memory.files, dataset.ids, facts.digest[rows_of(facts.ids, dataset.ids)], labels)
    checked = {(dataset.ids[row], question) for row, question in _checked(found, labels)}
    kept = [left for f in findings if (left := _remaining(f, checked)) is not None]
    lost = [m.decision for m in found if m.row < 0]
    figures = Reviewed(
        files=memory.names,
        sha256=memory.digests,
        decisions=len(found),
        matched=len(found) - len(lost),
        unmatched=len(lost),
        left_out=len(findings) - len(kept),
        left_out_samples=len(_named(findings) - _named(kept)),
    )
    return _rank_anew(kept), figures, _sentence(figures, lost)


def _match(files: Sequence[DecisionFile], ids: Ids, digests: Ids, labels: Ids) -> list[_Matched]:
    """Match the latest decisions of each annotator, those about one version of the dataset together."""
    versions: dict[str, list[DecisionFile]] = {}
    for file in files:
        versions.setdefault(file.fingerprint, []).append(file)
    found: list[_Matched] = []
    for version in versions.values():
        latest = newest(version)
        rows = match_decisions([d for _, d in latest], ids, digests, labels).tolist()
        found += [_Matched(file.annotator, d, row) for (file, d), row in zip(latest, rows, strict=True)]
    return found


def _checked(found: Sequence[_Matched], labels: Ids) -> Iterator[tuple[int, str]]:
    """Yield (row, question) of what was found right and has not changed since."""
    latest: dict[tuple[int, str], dict[str, Decision]] = {}
    targets: dict[int, set[str]] = {}
    for m in found:
        if m.row < 0 or m.decision.kind == FORGOTTEN:
            continue
        said = latest.setdefault((m.row, question_of(m.decision.kind)), {})
        if m.annotator not in said or m.decision.time >= said[m.annotator].time:
            said[m.annotator] = m.decision
        targets.setdefault(m.row, set()).add(m.decision.to)
    for (row, question), said in latest.items():
        explained = set() if question in ABOUT_LABEL else targets[row]
        votes = [_finds_right(d, labels[row], explained) for d in said.values() if d.decision != "unsure"]
        if majority(votes):
            yield row, question


def _finds_right(d: Decision, label: str, explained: set[str]) -> bool:
    """Tell whether a decision approves of a sample that is now labelled `label`.

    `explained` are labels that a review gave the sample: whoever keeps a picture for its quality keeps it
    under the label that it gets in the same review, too.
    """
    if d.decision == "keep":
        return label == d.given or label in explained
    return d.decision == "relabel" and label == d.to


def _remaining(finding: Finding, checked: set[tuple[str, str]]) -> Finding | None:
    """Return the finding about the samples that were not checked, None when there are none."""
    question = question_of(finding.kind)
    open_ones = tuple(i for i in finding.ids if (i, question) not in checked)
    if not open_ones:
        return None
    return finding if finding.kind in ABOUT_COPIES else replace(finding, ids=open_ones)


def _named(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(f.kind, i) for f in findings for i in f.ids}


def _rank_anew(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    counts: Counter[str] = Counter()
    out = []
    for finding in findings:
        counts[finding.kind] += 1
        out.append(replace(finding, rank=counts[finding.kind]))
    return tuple(out)


def _sentence(figures: Reviewed, lost: Sequence[Decision]) -> str:
    """Say what earlier reviews did."""
    source = f"{plural(len(figures.files), 'file')}, {plural(figures.decisions, 'decision')}"
    count = figures.left_out
    done = f"{plural(count, 'finding')} left out, checked before" if count else "no finding left out"
    if not lost:
        return f"Earlier reviews ({source}): {done}; every decision was matched to a sample."
    gone = sum(d.decision == "drop" for d in lost)
    drops = f" ({gone} of them drop it)" if gone else ""
    # A sample that was dropped is gone as it should be: the others are worth a look.
    ids = list(dict.fromkeys(d.id for d in sorted(lost, key=lambda d: d.decision == "drop")))
    short = [i if len(i) <= SHOWN_CHARACTERS else f"{i[:SHOWN_CHARACTERS]}.." for i in ids]
    return (
        f"Earlier reviews ({source}): {done}; {plural(len(lost), 'decision')} could not be matched to a "
        f"sample{drops}: {examples(short)}."
    )
