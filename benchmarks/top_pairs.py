"""Hold the class pairs that an audit calls the most confusing against the pairs that people confuse.

    python benchmarks/top_pairs.py DATA [--cache DIR]

DATA holds cifar10n-5k: worst.csv has the labels that people gave, truth.csv the right ones. What people
confuse is counted between the two; the audit sees worst.csv alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sources import clean_labels
from tables import machine, print_table

from auditor.audit import run_audit
from auditor.dataset import read_dataset
from auditor.results import Audit
from auditor.settings import AuditSettings

EXPECTED = (("cat", "dog"), ("automobile", "truck"), ("deer", "horse"))
FIRST, LISTED = 5, 10

Pair = tuple[str, str]


@dataclass(frozen=True)
class Confused:
    """Two classes, a before b: pictures of a that people called b, of b that they called a, and the mean of
    both directions' shares of their class, which is also how the audit scores a pair."""

    pair: Pair
    a_as_b: int
    b_as_a: int
    score: float


def people_confuse(audit: Audit, data: Path) -> list[Confused]:
    """Return the pairs that people confuse, worst first."""
    right, given = clean_labels(data, audit.dataset), audit.dataset.table["label"]
    called = Counter(zip(right.tolist(), given.tolist(), strict=True))
    sizes = Counter(right.tolist())
    classes = audit.dataset.classes
    found = [
        Confused((a, b), called[a, b], called[b, a], (called[a, b] / sizes[a] + called[b, a] / sizes[b]) / 2)
        for n, a in enumerate(classes)
        for b in classes[n + 1 :]
    ]
    return sorted(found, key=lambda c: (-c.score, c.pair))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = options.cache or Path(scratch)
        settings = AuditSettings(backbone="bundled", device="cpu", offline=True, store=store)
        audit = run_audit(read_dataset(options.data / "cifar10n-5k" / "worst.csv"), settings)
    print(machine())
    print_pairs(audit, people_confuse(audit, options.data))


def print_pairs(audit: Audit, people: list[Confused]) -> None:
    """Print the audit's first pairs, those of people, and whether the expected ones come first."""
    place = {c.pair: n for n, c in enumerate(people, start=1)}
    counts = {c.pair: c.a_as_b + c.b_as_a for c in people}
    pairs = audit.separation.pairs
    found = {(p.a, p.b) if p.a < p.b else (p.b, p.a): n for n, p in enumerate(pairs, start=1)}
    rows = [
        (" / ".join(pair), n, p.score, p.a_as_b + p.b_as_a, p.flagged, place[pair], counts[pair])
        for (pair, n), p in zip(found.items(), pairs, strict=True)
    ]
    header = ("pair", "place", "score", "confused", "flagged", "place with people", "confused by people")
    print_table("worst.csv: the audit's first pairs", header, rows[:LISTED])
    theirs = [
        (" / ".join(c.pair), n, c.score, c.a_as_b + c.b_as_a, found.get(c.pair))
        for n, c in enumerate(people[:LISTED], start=1)
    ]
    header = ("pair", "place", "score", "confused by people", "place in the audit")
    print_table("The pairs that people confuse", header, theirs)
    first = [pair for pair, n in found.items() if n <= FIRST]
    held = [(" / ".join(pair), found.get(pair), pair in first) for pair in EXPECTED]
    print_table(f"Among the audit's first {FIRST}", ("pair", "place", ""), held)
    print(f"\n{len({c.pair for c in people[:FIRST]} & set(first))} of the first {FIRST} are the same.")


if __name__ == "__main__":
    main()
