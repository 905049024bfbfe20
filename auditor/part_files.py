"""One shard's facts and vectors as a Parquet file, and the marker that says that it is whole.

    PartRows --write_part--> <shard>.parquet     id, key, facts, vector (d) float32, a row a picture
                             <shard>.done        JSON {shard, rows, sha256, facts, backbone, outcome, seal},
                                                 last; `seal` is the sha256 of what stands before it
    read_part --> what it is looked up by        read_vectors, read_facts --> some of its rows

Any other program reads the files as tables.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.images import FileFacts
from auditor.results import SIGNATURE_SIDE
from auditor.writing import write_durably

PART_SUFFIX, DONE_SUFFIX = ".parquet", ".done"
FACTS = (
    "readable",
    "error",
    "width",
    "height",
    "byte_digest",
    "digest",
    "perceptual_hash",
    "signature",
    "quality",
)
"""Columns that hold `FileFacts`, by its names."""

Places = NDArray[np.int64]


class PartError(Exception):
    """A part does not hold what its writer wrote."""


@dataclass(frozen=True)
class PartRows:
    """The rows of one part.

    Attributes
    ----------
    ids, keys, facts : (n,) ids, keys (`Contents.key`, "" where it cannot be told) and facts.
    vectors : (n, d), zero where unreadable.
    facts_version, backbone : how facts and vectors were made (`auditor.store`, `Backbone.key`).
    """

    ids: Sequence[str]
    keys: Sequence[str]
    facts: Sequence[FileFacts]
    vectors: Floats
    facts_version: str
    backbone: str


@dataclass(frozen=True)
class Part:
    """What a part is looked up by; `facts_version` says how its facts were made."""

    path: Path
    facts_version: str
    keys: tuple[str, ...]
    digests: tuple[str, ...]


def write_part(folder: Path, shard: str, rows: PartRows, outcome: Mapping[str, Any]) -> None:
    """Write the part of one shard, its marker last; durable and visible to everyone when this returns.

    `outcome` is kept in the marker: what else there is to say about the shard, as JSON.
    """
    content = _parquet(rows)
    told = {
        "shard": shard,
        "rows": len(rows.ids),
        "sha256": hashlib.sha256(content).hexdigest(),
        "facts": rows.facts_version,
        "backbone": rows.backbone,
        "outcome": dict(outcome),
    }
    write_durably(folder / (shard + PART_SUFFIX), content)
    sealed = {**told, "seal": _seal(told)}
    write_durably(folder / (shard + DONE_SUFFIX), (json.dumps(sealed, indent=1) + "\n").encode())


def _seal(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _parquet(rows: PartRows) -> bytes:
    """Return a part's bytes: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    quality = np.array([facts.quality for facts in rows.facts], dtype=np.float64)
    columns = {
        "id": pa.array(rows.ids, pa.string()),
        "key": pa.array(rows.keys, pa.string()),
        **{name: pa.array([getattr(f, name) for f in rows.facts], _arrow_type(name)) for name in FACTS[:-1]},
        "quality": _lists(quality),
        "vector": _lists(np.ascontiguousarray(rows.vectors, dtype=np.float32)),
    }
    out = io.BytesIO()
    # Floats do not compress, and they are nearly all of it.
    pq.write_table(pa.table(columns), out, compression="none", use_dictionary=False, write_statistics=False)
    return out.getvalue()


def _arrow_type(name: str) -> Any:
    import pyarrow as pa

    kinds = {
        "readable": pa.bool_(),
        "width": pa.int32(),
        "height": pa.int32(),
        "perceptual_hash": pa.uint64(),
        "signature": pa.binary(SIGNATURE_SIDE * SIGNATURE_SIDE),
    }
    return kinds.get(name, pa.string())


def _lists(values: NDArray[Any]) -> Any:
    """Return the rows of (n, d) as lists of one length."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def read_part(marker: Path) -> Part:
    """Read what a part is looked up by, after its bytes are checked.

    Raises
    ------
    PartError
        If the marker or the part is damaged.
    OSError
        If one of them cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    told = read_marker(marker)
    try:
        content = marker.with_suffix(PART_SUFFIX).read_bytes()
    except FileNotFoundError:
        raise PartError("its Parquet file is missing") from None
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise PartError("its bytes are not those that were written")
    try:
        table = pq.read_table(pa.BufferReader(content), columns=["key", "digest"])
        keys, digests = table["key"].to_pylist(), table["digest"].to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise PartError(str(error)) from None
    return Part(marker.with_suffix(PART_SUFFIX), told["facts"], tuple(keys), tuple(digests))


def read_marker(marker: Path) -> Mapping[str, Any]:
    """Return what a marker tells; `PartError` when it is damaged."""
    try:
        told = json.loads(marker.read_bytes())
        if told.pop("seal") == _seal(told) and told["shard"] == marker.stem:
            return dict(told)
    except (AttributeError, ValueError, KeyError, TypeError):
        pass
    raise PartError("its marker is not what a writer writes")


def read_vectors(path: Path, rows: Places) -> NDArray[Any]:
    """Return the vectors (b, d) of some rows of a part."""
    import pyarrow.parquet as pq

    column = pq.read_table(path, columns=["vector"])["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), -1)
    return np.asarray(vectors[rows], dtype=np.float32)


def read_facts(path: Path, rows: Places) -> NDArray[Any]:
    """Return the facts (b,) of some rows of a part, as objects."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=list(FACTS)).take(rows)
    out = np.zeros(len(rows), dtype=object)
    columns = (table[name].to_pylist() for name in FACTS)
    for i, values in enumerate(zip(*columns, strict=True)):
        named = dict(zip(FACTS, values, strict=True))
        out[i] = FileFacts(**{**named, "quality": tuple(named["quality"])})
    return out
