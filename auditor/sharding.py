"""A whole dataset embedded into a store shard by shard, by one function wherever it runs.

    dataset --what the store does not know--> Shard, at most 2,048 rows each
    Shard --embed_shard--> one part of the store (`auditor.vector_parts`), ShardDone

A shard is named by a digest of its ids, their contents' keys, the decoder and the backbone: one whose part
stands is not done again, and two workers that do the same one write the same bytes. `Here` does one after the
other; `auditor.distributed` gives the very same function to a cluster.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import compress, groupby

import numpy as np
import pandas as pd

from auditor.arrays import Progress, no_progress
from auditor.backbones import Encoder
from auditor.contents import reading_threads
from auditor.embeddings import EmbedJob
from auditor.encoding import read_and_encode
from auditor.errors import DataError
from auditor.images import FileFacts
from auditor.memory import Tell, tell_nobody
from auditor.networks import available_cores
from auditor.part_files import PartRows
from auditor.results import TABLE_COLUMNS, Dataset
from auditor.sources.rows import texts
from auditor.store import Store, facts_version

MOST_ROWS = 2_048
"""Rows of a shard: the most that a killed worker has to do again, a minute's work of two cores."""
WANTED_SHARDS, LEAST_ROWS = 32, 256
"""A small dataset has about so many shards, so that there is one for each of several machines; writing one
takes as long as a few pictures."""
KEY_THREADS, KEY_ROWS = 16, 1_024
"""Keys are asked for in threads: on a network drive each waits for an answer."""
LOOKED_UP = 8_192
"""Rows whose facts are held at a time, about 40 MB."""


@dataclass(frozen=True)
class Shard:
    """Rows of a dataset that are embedded together: ids, paths and keys (`Contents.key`), all (n,)."""

    name: str
    ids: tuple[str, ...]
    paths: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class ShardDone:
    """What became of a shard.

    Attributes
    ----------
    rows, encoded, unreadable : rows of the shard, pictures that went through the network, rows without one.
    error : why the first unreadable one is; "" when there is none.
    """

    rows: int
    encoded: int
    unreadable: int
    error: str = ""


@dataclass(frozen=True)
class Embedded:
    """Rows of a dataset, those with a vector in the store, and pictures that were encoded for that."""

    samples: int
    embedded: int
    encoded: int


Run = Callable[[Sequence[Shard], Dataset, Store, Progress], Iterator[ShardDone]]
"""Embeds shards of a dataset into a store, in any order; tells ("embed", rows done, rows to do)."""


def embed_into(
    store: Store, dataset: Dataset, backbone_key: str, run: Run, progress: Progress = no_progress
) -> Embedded:
    """Embed what `store` does not know of a dataset; a shard is in the store as soon as it is done.

    Parameters
    ----------
    dataset : with images.
    backbone_key : of the encoder that `run` uses.
    run : one after the other (`Here`), or a cluster's.
    progress : called with ("embed", rows done, rows to do).

    Raises
    ------
    DataError
        If no picture of the dataset is readable.
    """
    store.parts.of(backbone_key).tidy()
    shards, known = plan_shards(dataset, backbone_key, store)
    done = [known, *(run(shards, dataset, store, progress) if shards else ())]
    unreadable = sum(part.unreadable for part in done)
    if unreadable == len(dataset):
        reason = next((part.error for part in done if part.error), "it is unreadable")
        raise DataError(
            f"None of the {len(dataset)} pictures of {dataset.name} is readable, the first because {reason}."
        )
    return Embedded(len(dataset), len(dataset) - unreadable, sum(part.encoded for part in done))


def plan_shards(dataset: Dataset, backbone_key: str, store: Store) -> tuple[list[Shard], ShardDone]:
    """Return the shards that are to be embedded, and what the store knows of the other rows.

    A shard holds the unknown rows of one stretch of the dataset, or of several that have few: what is left of
    a killed run falls into the same shards again.
    """
    paths, ids = texts(dataset.table["path"]), dataset.ids.tolist()
    keys = _ask_keys(dataset, paths)
    planned: set[str] = set()
    todo: list[int] = []
    errors: list[str] = []
    for start in range(0, len(keys), LOOKED_UP):
        part = keys[start : start + LOOKED_UP]
        known = store.known_facts([key for key in part if key])
        digests = list({facts.digest for facts in known.values() if facts.readable})
        planned.update(compress(digests, store.has_vectors(backbone_key, digests)))
        for row, facts in enumerate(map(known.get, part), start=start):
            if facts is None:
                todo.append(row)
            elif not facts.readable:
                errors.append(facts.error)
            elif facts.digest not in planned:
                planned.add(facts.digest)
                todo.append(row)
    shards = []
    for rows in _cut(todo, rows_per_shard(len(keys))):
        of_rows = [tuple(values[row] for row in rows) for values in (ids, paths, keys)]
        text = json.dumps([backbone_key, facts_version(), *of_rows])
        shards.append(Shard(hashlib.sha256(text.encode()).hexdigest(), *of_rows))
    return shards, ShardDone(len(keys) - len(todo), 0, len(errors), errors[0] if errors else "")


def rows_per_shard(rows: int) -> int:
    """Return how many of a dataset's rows a shard covers."""
    return max(LEAST_ROWS, min(MOST_ROWS, -(-rows // WANTED_SHARDS)))


def _cut(todo: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield these rows, ascending, stretch by stretch of `size`; thin stretches come together."""
    shard: list[int] = []
    for _, stretch in groupby(todo, key=lambda row: row // size):
        rows = list(stretch)
        if shard and len(shard) + len(rows) > size:
            yield shard
            shard = []
        shard += rows
    if shard:
        yield shard


def _ask_keys(dataset: Dataset, paths: Sequence[str]) -> list[str]:
    """Return the key of each path (n)."""

    def ask(start: int) -> list[str]:
        return [dataset.contents.key(path) for path in paths[start : start + KEY_ROWS]]

    with ThreadPoolExecutor(KEY_THREADS, "keys") as pool:
        return [key for keys in pool.map(ask, range(0, len(paths), KEY_ROWS)) for key in keys]


@dataclass(frozen=True)
class Embedder:
    """What embeds shards: an encoder and decoding threads, 0 takes one per core, at least 2.

    `tell` is called with a sentence where memory allows less at a time than usual.
    """

    encoder: Encoder
    workers: int = 0
    tell: Tell = tell_nobody

    @property
    def key(self) -> str:
        """The key of the backbone."""
        return self.encoder.backbone.key()


@dataclass(frozen=True)
class Here:
    """Embeds shards in this process, one after the other."""

    embedder: Embedder

    def __call__(
        self, shards: Sequence[Shard], dataset: Dataset, store: Store, progress: Progress
    ) -> Iterator[ShardDone]:
        rows, before = sum(len(shard.ids) for shard in shards), 0
        said: list[str] = []

        def tell_once(sentence: str) -> None:
            if not said:  # each shard says it, with what is available then
                said.append(sentence)
                self.embedder.tell(sentence)

        def pass_on(stage: str, done: int, total: int) -> None:
            progress(stage, before + done, rows)

        embedder = replace(self.embedder, tell=tell_once)
        for shard in shards:
            yield embed_shard(shard, dataset, embedder, store, pass_on)
            before += len(shard.ids)
            progress("embed", before, rows)


def embed_shard(
    shard: Shard, source: Dataset, embedder: Embedder, store: Store, progress: Progress = no_progress
) -> ShardDone:
    """Embed the pictures of one shard and put them into the store as one part, unless it is there already.

    Parameters
    ----------
    source : the dataset, or one with its contents and no rows.
    progress : called with ("embed", pictures done, pictures of the shard).

    Raises
    ------
    DataError
        If none of the pictures is here what it was where the dataset was read.
    OutputError
        If the store cannot be written.
    WeightsError
        If the network gives values that are not finite.
    """
    # Without its keys a shard's name does not say what is in it.
    if all(shard.keys) and (outcome := store.parts.of(embedder.key).outcome(shard.name)) is not None:
        return ShardDone(**outcome)
    job = _ShardJob.start(_rows_of(shard, source), embedder.encoder, None)
    if any(shard.keys) and not {*job.keys} & {*shard.keys} - {""}:
        raise DataError(
            f"{platform.node()} does not see the pictures that the dataset was read from, the first is "
            f"{shard.paths[0]!r}: all machines need DATA under the same path."
        )
    workers = embedder.workers or reading_threads(source.contents, available_cores())
    read_and_encode(job, range(len(shard.ids)), workers, progress, embedder.tell)
    facts = job.all_facts()
    bad = [f for f in facts if not f.readable]
    done = ShardDone(len(facts), job.encoded, len(bad), bad[0].error if bad else "")
    part = job.part(shard)
    if part.ids:
        store.add_part(shard.name, part, asdict(done))
    return done


def _rows_of(shard: Shard, source: Dataset) -> Dataset:
    """Return the shard as a dataset; labels are of no use here."""
    table = pd.DataFrame("", index=range(len(shard.ids)), columns=list(TABLE_COLUMNS), dtype=object)
    table["id"], table["path"] = list(shard.ids), list(shard.paths)
    return Dataset(source.name, source.root, ("",), table, held_by=source.contents)


@dataclass
class _ShardJob(EmbedJob):
    """The job of one shard; `lasting` are the rows whose facts hold for their key."""

    lasting: set[int] = field(default_factory=set)

    def add_facts(self, row: int, facts: FileFacts, lasting: bool) -> None:
        super().add_facts(row, facts, lasting)
        if lasting and facts.byte_digest:
            self.lasting.add(row)

    def save_if_due(self) -> None:
        """Wait: a part is written whole."""

    def part(self, shard: Shard) -> PartRows:
        """Return the rows to keep: what could not be opened, or changed meanwhile, is tried again."""
        kept, facts = sorted(self.lasting), self.all_facts()
        vectors = np.zeros((len(kept), self.vectors.shape[1]), dtype=np.float32)
        for place, row in enumerate(kept):
            if facts[row].readable:
                vectors[place] = self.vectors[self.row_of[facts[row].digest]]
        return PartRows(
            [shard.ids[row] for row in kept],
            [self.keys[row] for row in kept],
            [facts[row] for row in kept],
            vectors,
            facts_version(),
            self.encoder.backbone.key(),
        )
