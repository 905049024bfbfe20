"""Nearest samples by cosine: exact search over distinct pictures, never the sample itself.

    digest (m,) --> representative (m,)       exact copies are indexed once, by their first row
    distinct vectors (u, d) --> search        k nearest of each distinct picture, itself removed by index
    expand                                    every copy gets its representative's list  ==>  (m, k)

With 300 copies of one picture in the index every list would hold nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids, Ints, Progress, no_progress
from auditor.errors import DataError
from auditor.results import Embeddings, Neighbours

DEFAULT_K = 90
"""Three times the map's perplexity of 30; votes use the first ones."""
QUERY_BLOCK = 4096

Hits = tuple[int, NDArray[np.int64], Floats]
"""First row of a block, found rows (b, k) and their cosines (b, k)."""


def find_neighbours(
    embeddings: Embeddings, digests: Ids, k: int = DEFAULT_K, progress: Progress = no_progress
) -> Neighbours:
    """Find the k most similar distinct pictures of every sample.

    Parameters
    ----------
    embeddings : unit vectors (m, d).
    digests : (m,) digest of each sample's pixels; equal digests are exact copies.
    k : neighbours wanted; fewer are found when fewer distinct pictures exist.

    Returns
    -------
    Neighbours
        Similarities descending; ties are ordered by row.
    """
    if len(digests) != len(embeddings.ids):
        raise DataError(f"find_neighbours needs {len(embeddings.ids)} digests, got {len(digests)}.")
    _, first, inverse = np.unique(digests.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, inverse = first[order], rank[inverse]
    k = min(k, len(first) - 1)
    near, similar = search(embeddings.vectors[first], k, progress)
    expanded = np.where(near >= 0, first[near], -1)
    return Neighbours(
        ids=embeddings.ids,
        indices=expanded[inverse].astype(np.int32),
        similarities=similar[inverse],
        representative=first[inverse].astype(np.int32),
    )


def search(vectors: Floats, k: int, progress: Progress = no_progress) -> tuple[NDArray[np.int64], Floats]:
    """Search unit rows (u, d) among themselves: indices (u, k) and cosines (u, k), the row itself left out.

    One more than k is asked for; the row itself is removed by its index, since with near copies it need not
    come first.
    """
    u = len(vectors)
    if k < 1:
        return np.empty((u, 0), np.int64), np.empty((u, 0), np.float32)
    top = _torch_search if sys.platform == "darwin" else _faiss_search
    indices, similarities = np.empty((u, k), np.int64), np.empty((u, k), np.float32)
    for start, found, cosine in top(np.ascontiguousarray(vectors), k + 1):
        stop = start + len(found)
        own = found == np.arange(start, stop)[:, None]
        own[~own.any(axis=1), -1] = True
        indices[start:stop] = found[~own].reshape(-1, k)
        similarities[start:stop] = np.clip(cosine[~own].reshape(-1, k), -1.0, 1.0)
        progress("neighbours", stop, u)
    order = np.lexsort((indices, -similarities), axis=1)
    return np.take_along_axis(indices, order, 1), np.take_along_axis(similarities, order, 1)


def _faiss_search(vectors: Floats, k: int) -> Iterator[Hits]:
    _check_processor()
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    for start in range(0, len(vectors), QUERY_BLOCK):
        similarities, indices = index.search(vectors[start : start + QUERY_BLOCK], k)
        yield start, indices, similarities


def _torch_search(vectors: Floats, k: int) -> Iterator[Hits]:
    """Search on macOS, where torch and faiss each bring an OpenMP runtime and can crash together."""
    import torch

    rows = torch.from_numpy(vectors)
    for start in range(0, len(rows), QUERY_BLOCK):
        similarities, indices = torch.topk(rows[start : start + QUERY_BLOCK] @ rows.T, k, dim=1)
        yield start, indices.numpy(), similarities.numpy()


def _check_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Say that faiss needs AVX2 before its import crashes without it."""
    if not cpuinfo.exists():
        return
    text = cpuinfo.read_text()
    if "flags" in text and "avx2" not in text:
        raise DataError("This processor has no AVX2, which faiss-cpu needs: run the audit on a newer one.")


def group_votes(neighbours: Neighbours, groups: Ints, k: int) -> tuple[NDArray[np.int32], Floats]:
    """Return rows and weights (m, k) of each sample's k nearest voters; its own group does not vote.

    Weights are cosines above the k-th one's, in [0, 1], and 0 where there are fewer than k voters.
    """
    indices, similarities = neighbours.indices, neighbours.similarities
    allowed = (indices >= 0) & (groups[indices] != groups[:, None])
    allowed &= np.cumsum(allowed, axis=1) <= k
    width = min(k, indices.shape[1])
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :width]
    taken = np.take_along_axis(allowed, order, 1)
    weights = np.where(taken, np.take_along_axis(similarities, order, 1), 0.0)
    return (
        np.where(taken, np.take_along_axis(indices, order, 1), -1).astype(np.int32),
        np.maximum(weights, 0.0).astype(np.float32),
    )


def voting_codes(representative: Ints, codes: Ints) -> Ints:
    """Label code (m,) with which each row votes: that of most of its exact copies, -1 for a tie."""
    pairs, counts = np.unique(np.stack([representative, codes], axis=1), axis=0, return_counts=True)
    order = np.lexsort((-counts, pairs[:, 0]))
    pairs, counts = pairs[order], counts[order]
    owner, first = np.unique(pairs[:, 0], return_index=True)
    vote = np.full(len(codes), -1, dtype=np.int32)
    vote[owner] = pairs[first, 1]
    runner = np.minimum(first + 1, len(pairs) - 1)
    divided = (runner > first) & (pairs[runner, 0] == owner) & (counts[runner] == counts[first])
    vote[owner[divided]] = -1
    return vote[representative]
