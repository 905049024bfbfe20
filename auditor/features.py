"""The user's own vectors in place of a backbone's.

    vectors (r, d) [+ ids (r,)] --matched by id or by position, scaled to unit length--> Embeddings

Everything after takes dot products of vectors for their cosines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids, rows_of
from auditor.errors import DataError
from auditor.images import vector_facts
from auditor.results import Backbone, Dataset, Embeddings, ImageFacts

BLOCK_ROWS = 65_536
"""Rows checked and scaled at a time, so that a mapped file needs little memory beside the result."""


def from_features(
    dataset: Dataset, vectors: NDArray[Any], ids: Ids | None = None
) -> tuple[ImageFacts, Embeddings]:
    """Return facts and embeddings made of the user's vectors (r, d), in dataset order.

    Parameters
    ----------
    dataset : the samples.
    vectors : (r, d) numbers, one row a sample; scaled to unit length here.
    ids : (r,) the sample of each row; rows of other samples are left aside. None: r is n and rows go by
        position.

    Raises
    ------
    DataError
        If type, shape or ids do not fit, or a needed row is zero or not finite.
    """
    rows = _rows_of_samples(dataset, vectors, ids)
    unit = np.empty((len(dataset), vectors.shape[1]), dtype=np.float32)
    for start in range(0, len(dataset), BLOCK_ROWS):
        part = rows[start : start + BLOCK_ROWS]
        unit[start : start + len(part)] = _unit_block(vectors[part], dataset.ids[start : start + len(part)])
    backbone = Backbone(
        name="own features",
        layer="",
        weights_sha256="",
        dimensions=unit.shape[1],
        preprocessing="",
        precision=str(vectors.dtype),
    )
    return vector_facts(dataset.ids, unit), Embeddings(dataset.ids, unit, backbone)


def _rows_of_samples(dataset: Dataset, vectors: NDArray[Any], ids: Ids | None) -> NDArray[np.int64]:
    """Return the row of `vectors` for each sample, after checking type, shape and ids."""
    if vectors.dtype.kind not in "fiu":
        raise DataError(f"Features need real numbers, found the type {vectors.dtype}.")
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise DataError(f"Features need the shape (samples, dimensions), found {vectors.shape}.")
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
    given = set(ids)
    missing = [i for i in dataset.ids if i not in given]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(dataset)} samples have no row in the features, the first is "
            f"{missing[0]!r}."
        )
    return rows_of(ids, dataset.ids)


def _unit_block(block: NDArray[Any], ids: Ids) -> Floats:
    # Lengths in float64: squares of float16 or of large float32 values overflow in their own type.
    exact = block.astype(np.float64)
    bad = ~np.isfinite(exact).all(axis=1)
    if bad.any():
        raise DataError(f"Features hold values that are not finite, the first in the row of {ids[bad][0]!r}.")
    lengths = np.linalg.norm(exact, axis=1)
    if not lengths.all():
        raise DataError(f"Features hold rows of zeros, the first is that of {ids[lengths == 0][0]!r}.")
    unit: Floats = (exact / lengths[:, None]).astype(np.float32)
    return unit
