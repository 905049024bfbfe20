"""Hold an audit of a kitchen set against its truth.csv.

    truth.csv   path, problem, label, right_label, of, detail
    findings    finding_id, rank, kind, id, ..          (`Audit.findings_frame()` or findings.csv)
    ==> Row     what was asked for, what was found, the bound, whether it holds

Copies are found when one finding of the right kind names copy and original. Anything invented is counted
against the pictures that could have been mistaken for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from auditor.results import Audit, ClassPair, Duplicates

COPY_KINDS = {
    "exact_copy": "duplicate",
    "conflicting_copy": "conflicting_duplicate",
    "leak": "leak",
    "near_copy": "duplicate",
}
EXACT = {
    "exact_copy": "exact copies",
    "conflicting_copy": "conflicting copies",
    "leak": "copies across splits",
}
UNUSABLE = ("dark", "blurred", "empty")
PAIR = ("avocado", "knife")

Pair = frozenset[str]


@dataclass(frozen=True)
class Row:
    """One line of the table; `passed` says whether `measured` keeps the `bound`."""

    what: str
    measured: str
    bound: str
    passed: bool


def kitchen_table(findings: pd.DataFrame, audit: Audit, truth: pd.DataFrame) -> list[Row]:
    """Return one row for each bound.

    Parameters
    ----------
    findings : columns `rank`, `kind` and `id`; `rank` counts the findings of a kind from 1, worst first.
    audit : of the same set; its exact copies, class pairs and number of pictures are used.
    truth : truth.csv read as `str`.
    """
    found = _Found(findings, len(audit.dataset))
    return [
        _unreadable(found, truth),
        *_exact_copies(found, audit.duplicates, truth),
        *_near_copies(found, truth),
        *_unusable(found, truth),
        _within_first(found, truth, ("wrong_label", "mislabeled"), 1.5, 0.85),
        _within_first(found, truth, ("off_topic", "off_topic"), 2.0, 0.80),
        *_pairs(audit.separation.pairs),
        *_with_knife(found, truth),
    ]


@dataclass(frozen=True)
class _Found:
    """Findings of a set of `pictures` files."""

    findings: pd.DataFrame
    pictures: int

    def ids(self, kind: str, first: float = float("inf")) -> set[str]:
        """Samples that the first findings of a kind name."""
        chosen = (self.findings["kind"] == kind) & (self.findings["rank"] <= first)
        return set(self.findings.loc[chosen, "id"])

    def groups(self, kind: str) -> list[set[str]]:
        """Samples of each finding of a kind."""
        of_kind = self.findings[self.findings["kind"] == kind]
        return [set(ids) for _, ids in of_kind.groupby("rank")["id"]]


def _planted(truth: pd.DataFrame, problem: str) -> set[str]:
    return set(truth.loc[truth["problem"] == problem, "path"])


def _planted_pairs(truth: pd.DataFrame, problem: str) -> set[Pair]:
    rows = truth[truth["problem"] == problem]
    return {frozenset(pair) for pair in zip(rows["path"], rows["of"], strict=True)}


def _families(pairs: Iterable[Pair]) -> dict[str, str]:
    """Name the original of every copy and of the original itself; copies are pairs with one original."""
    family: dict[str, str] = {}
    for pair in sorted(map(sorted, pairs)):
        heads = {family.get(path, path) for path in pair}
        head = min(heads)
        family |= dict.fromkeys(pair, head) | {p: head for p, h in family.items() if h in heads}
    return family


def _share(what: str, hits: int, planted: int, least: float) -> Row:
    return Row(what, f"{hits} of {planted}", f">= {least:.0%}", hits >= least * planted)


def _false(what: str, wrong: int, sound: int, most: float) -> Row:
    return Row(what, f"{wrong} of {sound}", f"<= {most:.0%}", wrong <= most * sound)


def _all_and_none(what: str, hits: int, planted: int, invented: int) -> Row:
    measured = f"{hits} of {planted}, {invented} invented"
    return Row(what, measured, "all, none invented", hits == planted and not invented)


def _unreadable(found: _Found, truth: pd.DataFrame) -> Row:
    planted, flagged = _planted(truth, "unreadable"), found.ids("unreadable")
    return _all_and_none("unreadable files", len(planted & flagged), len(planted), len(flagged - planted))


def _exact_copies(found: _Found, duplicates: Duplicates, truth: pd.DataFrame) -> Iterator[Row]:
    family = _families(pair for problem in EXACT for pair in _planted_pairs(truth, problem))
    identical = _identical_pairs(duplicates)
    invented = [p for p in identical if len({family.get(path, path) for path in p}) > 1]
    for problem, name in EXACT.items():
        planted, groups = _planted_pairs(truth, problem), found.groups(COPY_KINDS[problem])
        hits = sum(pair in identical and any(pair <= group for group in groups) for pair in planted)
        strange = sum(not any(pair <= group for pair in planted) for group in groups)
        # `duplicate` holds near copies too, so there only identical pictures count as invented.
        yield _all_and_none(name, hits, len(planted), len(invented) if problem == "exact_copy" else strange)


def _identical_pairs(duplicates: Duplicates) -> set[Pair]:
    """Copies whose pixels equal those of their group's reference, paired with it and with each other."""
    same: dict[int, list[str]] = {}
    members = duplicates.identical & (duplicates.group >= 0)
    for row in members.nonzero()[0]:
        same.setdefault(int(duplicates.representative[row]), []).append(str(duplicates.ids[row]))
    return {frozenset((a, b)) for ids in same.values() for a in ids for b in ids if a < b}


def _near_copies(found: _Found, truth: pd.DataFrame) -> Iterator[Row]:
    """Near copies found, and pictures in a group with one that is no copy of them."""
    planted = _planted_pairs(truth, "near_copy")
    groups = [group for kind in set(COPY_KINDS.values()) for group in found.groups(kind)]
    hits = sum(any(pair <= group for group in groups) for pair in planted)
    family = _families(pair for problem in COPY_KINDS for pair in _planted_pairs(truth, problem))
    mixed = [group for group in groups if len({family.get(path, path) for path in group}) > 1]
    yield _share("near copies found", hits, len(planted), 0.90)
    yield _false("pictures in false groups", len(set().union(*mixed)), found.pictures, 0.02)


def _unusable(found: _Found, truth: pd.DataFrame) -> Iterator[Row]:
    flagged, planted = found.ids("low_quality"), {p: _planted(truth, p) for p in UNUSABLE}
    for problem, paths in planted.items():
        yield _share(f"{problem} pictures found", len(paths & flagged), len(paths), 0.90)
    unusable = set().union(*planted.values())
    sound = found.pictures - len(unusable) - len(_planted(truth, "unreadable"))
    yield _false("sound pictures called unusable", len(flagged - unusable), sound, 0.02)


def _within_first(
    found: _Found, truth: pd.DataFrame, what: tuple[str, str], times: float, least: float
) -> Row:
    problem, kind = what
    planted = _planted(truth, problem)
    first = int(times * len(planted))
    hits = len(planted & found.ids(kind, first))
    return _share(f"{problem} in the first {first} of {kind}", hits, len(planted), least)


def _pairs(pairs: tuple[ClassPair, ...]) -> Iterator[Row]:
    first = pairs[0] if pairs else ClassPair("", "", 0.0, 0, 0, 0)
    is_first = {first.a, first.b} == set(PAIR)
    yield Row("class pair that confuses most", f"{first.a} and {first.b}", " and ".join(PAIR), is_first)
    pair = next((p for p in pairs if {p.a, p.b} == set(PAIR)), first)
    there, back = (pair.a_as_b, pair.b_as_a) if pair.a == PAIR[0] else (pair.b_as_a, pair.a_as_b)
    larger = {pair.a, pair.b} == set(PAIR) and there > back
    yield Row("avocado taken for knife, knife for avocado", f"{there}, {back}", "the first is larger", larger)


def _with_knife(found: _Found, truth: pd.DataFrame) -> Iterator[Row]:
    planted = _planted(truth, "avocado_with_knife")
    unsure, wrong = (len(planted & found.ids(kind)) for kind in ("ambiguous", "mislabeled"))
    yield _share("avocados with a knife: ambiguous", unsure, len(planted), 0.70)
    yield _false("avocados with a knife: mislabeled", wrong, len(planted), 0.20)
