"""Measure how far samples that did not change move on the map when others do.

    python benchmarks/map_shift.py DATA [--cache DIR] [--manifest worst.csv]

DATA holds cifar10n-5k. A map is made of one version and continued on another, in which a share of the
samples is gone, or new, or under another label. Shifts are shares of the first map's width, so that the two
can be drawn in one frame. Beside it stands what a map from scratch of the second version would do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pipeline import Bench
from tables import machine, print_table

from auditor.arrays import Bools, Ids, rows_of
from auditor.dataset import read_dataset
from auditor.embeddings import embed
from auditor.neighbours import find_neighbours
from auditor.projection import continue_map, make_map
from auditor.results import Embeddings, Map, Neighbours

SHARES = (0.02, 0.05, 0.10)
MOST_SHIFT = 0.03
"""Median shift of unchanged samples that is allowed, as a share of the map's width."""


@dataclass(frozen=True)
class Version:
    """The vectors of one version and their neighbours."""

    embeddings: Embeddings
    neighbours: Neighbours


@dataclass(frozen=True)
class Timed:
    """A map and the seconds that it took."""

    map: Map
    seconds: float


@dataclass(frozen=True)
class Pictures:
    """All vectors (m, d) and the digests (m,) of their pictures."""

    embeddings: Embeddings
    digests: Ids

    @classmethod
    def read(cls, manifest: Path, bench: Bench) -> Pictures:
        facts, vectors = embed(read_dataset(manifest), bench.encoder, store=bench.store)
        return cls(vectors, facts.digest[rows_of(facts.ids, vectors.ids)])

    def version(self, kept: Bools) -> Version:
        """Return the version of these pictures (m,)."""
        whole = self.embeddings
        vectors = Embeddings(whole.ids[kept], whole.vectors[kept], whole.backbone)
        return Version(vectors, find_neighbours(vectors, self.digests[kept]))


def clock(make: Callable[[], Map]) -> Timed:
    start = time.perf_counter()
    made = make()
    return Timed(made, time.perf_counter() - start)


def changes(count: int, seed: int) -> Iterator[tuple[str, Bools, Bools]]:
    """Yield what changes, and which pictures (count,) are in the version before and in the one after."""
    every = np.ones(count, dtype=np.bool_)
    # A vector does not depend on its label: one line stands for every share.
    yield "relabelled, any share", every, every
    for share in SHARES:
        rng = np.random.default_rng([seed, round(share * 100)])
        rest = every.copy()
        rest[rng.choice(count, round(share * count), replace=False)] = False
        yield f"{share:.0%} removed", every, rest
        yield f"{share:.0%} added", rest, every


def shifts(before: Map, after: Map) -> NDArray[np.float64]:
    """Return how far each sample of both maps has moved, as shares of the first map's width."""
    stays = set(after.ids.tolist())
    common = [i for i in before.ids.tolist() if i in stays]
    old = before.positions[rows_of(before.ids, common)].astype(np.float64)
    new = after.positions[rows_of(after.ids, common)]
    width = float(np.ptp(before.positions, axis=0).max())
    return np.asarray(np.linalg.norm(new - old, axis=1) / width)


def measure(pictures: Pictures, seed: int) -> Iterator[tuple[object, ...]]:
    """Yield one row of the table for each change."""
    maps: dict[bytes, tuple[Version, Timed]] = {}

    def from_scratch(kept: Bools) -> tuple[Version, Timed]:
        if kept.tobytes() not in maps:
            made = pictures.version(kept)
            maps[kept.tobytes()] = made, clock(lambda: make_map(made.embeddings, made.neighbours, seed))
        return maps[kept.tobytes()]

    for what, kept_before, kept_after in changes(len(pictures.embeddings.ids), seed):
        before, first = from_scratch(kept_before)
        after, fresh = from_scratch(kept_after)
        row = {i: n for n, i in enumerate(before.embeddings.ids.tolist())}
        rows = np.array([row.get(i, -1) for i in after.embeddings.ids.tolist()], dtype=np.int64)
        inputs = (first.map, rows, after.embeddings, after.neighbours, seed)
        continued = clock(lambda inputs=inputs: continue_map(*inputs))
        moved, jumped = shifts(first.map, continued.map), shifts(first.map, fresh.map)
        trust, fresh_trust = continued.map.trustworthiness, fresh.map.trustworthiness
        yield (
            what, float(np.median(moved)), float(np.quantile(moved, 0.95)), trust, round(continued.seconds),
            float(np.median(jumped)), fresh_trust, round(fresh.seconds),
            bool(np.median(moved) <= MOST_SHIFT),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors for the next time")
    parser.add_argument("--manifest", default="worst.csv", help="worst.csv or aggregate.csv")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench.open(options.cache or Path(scratch))
        pictures = Pictures.read(options.data / "cifar10n-5k" / options.manifest, bench)
    header = (
        "changed", "median shift", "95 %", "trust", "seconds",
        "from scratch: median shift", "trust", "seconds", "",
    )  # fmt: skip
    title = f"{options.manifest}: median shift at most {MOST_SHIFT}"
    print_table(title, header, measure(pictures, options.seed))


if __name__ == "__main__":
    main()
