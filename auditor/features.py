"""The user's own vectors in place of a backbone's.

    vectors (r, d) [+ ids (r,)] --matched by id or by position, scaled to unit length--> Embeddings
    lengths that differ much    --centred, a constant coordinate added first--> Embeddings (m, d + 1)

Everything after takes dot products of vectors for their cosines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Ids, Progress, as_ids, no_progress
from auditor.errors import DataError
from auditor.images import digest_facts, vector_digests
from auditor.results import Backbone, Dataset, Embeddings, ImageFacts

Array = NDArray[np.float64]

LENGTH_VARIATION = 0.5
"""Standard deviation of the vectors' lengths over their mean above which length tells classes apart; pooled
features of networks have 0.1 to 0.3."""
BLOCK_ROWS = 16_384
"""Rows checked and scaled at a time, so that a mapped file needs little memory beside the result."""


def from_features(
    dataset: Dataset,
    vectors: NDArray[Any],
    ids: Ids | None = None,
    *,
    rows: NDArray[np.int64] | None = None,
    progress: Progress = no_progress,
) -> tuple[ImageFacts, Embeddings]:
    """Return facts and embeddings made of the user's vectors (r, d), in dataset order.

    Parameters
    ----------
    dataset : the samples.
    vectors : (r, d) numbers, one row a sample; scaled to unit length here. Where their
        lengths differ much (`LENGTH_VARIATION`) direction alone would lose what length tells: they are
        centred and get a constant coordinate first.
    ids : (r,) the sample of each row; rows of other samples are left aside. None: r is n and rows go by
        position.
    rows : (n,) the row of each sample, from `vector_rows`, in place of `ids`.
    progress : called with ("embed", rows done, rows).

    Raises
    ------
    DataError
        If type, shape or ids do not fit, or a needed row is zero or not finite.
    """
    found = _rows_of_samples(dataset, vectors, ids, rows)
    names, n = dataset.ids, len(found)
    centre, lengths = np.zeros(vectors.shape[1]), np.empty(n)
    unit = np.empty((n, vectors.shape[1]), dtype=np.float32)
    digests: list[str] = []
    for part in _blocks(n):
        block = _checked_block(vectors[found[part]], names[part])
        centre += block.sum(axis=0) / n
        lengths[part] = np.linalg.norm(block, axis=1)
        unit[part] = block / lengths[part, None]
        digests += vector_digests(unit[part])
        progress("embed", part.stop, n)
    # A lifted row depends on all others: only what was given knows a sample again in another version.
    uneven = bool(lengths.std() > LENGTH_VARIATION * lengths.mean())
    if uneven:
        digests, unit = [], np.empty((n, vectors.shape[1] + 1), dtype=np.float32)
        for part in _blocks(n):
            given = vectors[found[part]]
            digests += vector_digests(given.astype(np.float32))
            unit[part] = _lift(given.astype(np.float64), centre, lengths)
    backbone = Backbone(
        name="own features",
        layer="",
        weights_sha256="",
        dimensions=unit.shape[1],
        preprocessing="centred, a constant coordinate added, since their lengths differ" if uneven else "",
        precision=str(vectors.dtype),
    )
    return digest_facts(names, as_ids(digests)), Embeddings(names, unit, backbone)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS))


def _lift(block: Array, centre: Array, lengths: Array) -> Array:
    """Lay points (b, d) on a sphere in d + 1 dimensions so that near points stay near, (b, d + 1).

    Directions alone would mix a class at the origin with all others. In units of the root mean square
    distance from the centre, with a constant 1 appended, the angle between two points follows their distance.
    """
    spread = np.sqrt(max(float((lengths**2).mean() - centre @ centre), 1e-24))
    lifted = np.hstack([(block - centre) / spread, np.ones((len(block), 1))])
    return np.asarray(lifted / np.linalg.norm(lifted, axis=1, keepdims=True))


def _rows_of_samples(
    dataset: Dataset, vectors: NDArray[Any], ids: Ids | None, rows: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return the row of `vectors` for each sample, after checking type, shape and ids."""
    if vectors.dtype.kind not in "fiu":
        raise DataError(f"Features need real numbers, found the type {vectors.dtype}.")
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise DataError(f"Features need the shape (samples, dimensions), found {vectors.shape}.")
    if rows is not None:
        return rows
    if ids is None:
        if len(vectors) != len(dataset):
            raise DataError(
                f"Features need one row per sample: {dataset.name} has {len(dataset)} samples, found "
                f"{len(vectors)} rows; with a file of ids they are matched by id."
            )
        return np.arange(len(dataset))
    if len(ids) != len(vectors):
        raise DataError(f"Features have {len(vectors)} rows, but their id file names {len(ids)}.")
    if len(set(ids)) != len(ids):
        raise DataError(f"The id file of the features names {len(ids) - len(set(ids))} ids twice.")
    found = pd.Index(ids).get_indexer(pd.Index(dataset.ids))
    if (found < 0).any():
        missing = dataset.ids[found < 0]
        raise DataError(
            f"{len(missing)} of {len(dataset)} samples have no row in the features, the first is "
            f"{missing[0]!r}."
        )
    return np.asarray(found, dtype=np.int64)


def _checked_block(block: NDArray[Any], ids: Ids) -> Array:
    """Return rows as float64: squares of float16 or of large float32 values overflow in their own type."""
    exact = block.astype(np.float64)
    bad = ~np.isfinite(exact).all(axis=1)
    if bad.any():
        raise DataError(f"Features hold values that are not finite, the first in the row of {ids[bad][0]!r}.")
    empty = ~exact.any(axis=1)
    if empty.any():
        raise DataError(f"Features hold rows of zeros, the first is that of {ids[empty][0]!r}.")
    return exact
