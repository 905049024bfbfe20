"""Nearest samples by cosine: a search over distinct pictures, never the sample itself.

    digest (m,) --> representative (m,)       exact copies are indexed once, by their first row
    distinct vectors (u, d) --> search        k nearest of each distinct picture, itself removed by index
    expand                                    every copy gets its representative's list  ==>  (m, k)

With 300 copies of one picture in the index every list would hold nothing else.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Floats, Ids, Ints, Progress, no_progress
from auditor.errors import DataError
from auditor.machines import HERE, Machines
from auditor.results import Embeddings, Neighbours
from auditor.searching import EXACT_LIMIT, search

DEFAULT_K = 90
"""Three times the map's perplexity of 30; votes use the first ones."""
LARGE_K = 30
"""Enough for votes and duplicates; a map of so many samples is fitted on a part that is searched anew."""
LARGE = 50_000
"""Samples above which `LARGE_K` are found: a million lists of 90 would take 720 MB."""
VOTE_ROWS = 65_536


def neighbours_wanted(m: int) -> int:
    """Return how many neighbours each of m samples gets."""
    return DEFAULT_K if m <= LARGE else LARGE_K


def find_neighbours(
    embeddings: Embeddings,
    digests: Ids,
    k: int | None = None,
    progress: Progress = no_progress,
    exact_limit: int = EXACT_LIMIT,
    machines: Machines = HERE,
) -> Neighbours:
    """Find the k most similar distinct pictures of every sample.

    Parameters
    ----------
    embeddings : unit vectors (m, d).
    digests : (m,) digest of each sample's pixels; equal digests are exact copies.
    k : neighbours wanted, by default `neighbours_wanted`; fewer where fewer distinct pictures exist.
    exact_limit : distinct pictures up to which every pair is compared.
    machines : where they are compared.

    Returns
    -------
    Neighbours
        Similarities descending; ties are ordered by row.
    """
    m = len(embeddings.ids)
    if len(digests) != m:
        raise DataError(f"find_neighbours needs {m} digests, got {len(digests)}.")
    inverse = pd.factorize(np.asarray(digests, dtype=object))[0]
    first = np.unique(inverse, return_index=True)[1]
    k = min(neighbours_wanted(m) if k is None else k, len(first) - 1)
    alone = len(first) == m  # then a million vectors are not copied
    vectors = embeddings.vectors if alone else embeddings.vectors[first]
    found = search(vectors, k, progress, exact_limit, machines=machines)
    indices, similarities = found.indices, found.similarities
    if not alone:
        indices, similarities = first.astype(np.int32)[indices][inverse], similarities[inverse]
    representative = first[inverse].astype(np.int32)
    return Neighbours(embeddings.ids, indices, similarities, representative, found.method, found.recall)


def group_votes(neighbours: Neighbours, groups: Ints, k: int) -> tuple[NDArray[np.int32], Floats]:
    """Return rows and weights (m, k) of each sample's k nearest voters; its own group does not vote.

    Weights are cosines above the k-th one's, in [0, 1], and 0 where there are fewer than k voters.
    """
    m, width = neighbours.indices.shape
    voters = np.full((m, min(k, width)), -1, dtype=np.int32)
    weights = np.zeros(voters.shape, dtype=np.float32)
    for start in range(0, m, VOTE_ROWS):
        part = slice(start, start + VOTE_ROWS)
        indices = neighbours.indices[part]
        allowed = (indices >= 0) & (groups[indices] != groups[part][:, None])
        place = np.cumsum(allowed, axis=1, dtype=np.int32) - 1
        rows, columns = np.nonzero(allowed & (place < k))
        place = place[rows, columns]
        voters[part][rows, place] = indices[rows, columns]
        weights[part][rows, place] = np.maximum(neighbours.similarities[part][rows, columns], 0.0)
    return voters, weights


def voting_codes(representative: Ints, codes: Ints) -> Ints:
    """Label code (m,) with which each row votes: that of most of its exact copies, -1 for a tie."""
    if not len(codes):
        return np.empty(0, dtype=np.int32)
    low, span = int(codes.min()), int(np.ptp(codes)) + 1
    pairs, counts = np.unique(
        representative.astype(np.int64) * span + (codes.astype(np.int64) - low), return_counts=True
    )
    owners, labels = pairs // span, pairs % span + low
    order = np.lexsort((-counts, owners))
    owners, labels, counts = owners[order], labels[order], counts[order]
    owner, first = np.unique(owners, return_index=True)
    vote = np.full(len(codes), -1, dtype=np.int32)
    vote[owner] = labels[first]
    runner = np.minimum(first + 1, len(owners) - 1)
    divided = (runner > first) & (owners[runner] == owner) & (counts[runner] == counts[first])
    vote[owner[divided]] = -1
    return vote[representative]
