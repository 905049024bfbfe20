"""Groups that are left out as a whole, and the folds and weights that follow from them.

duplicate groups + the user's `group` column --> independent groups (m,) --> folds (m,)
copies of one picture                        --> weights (m,) that sum to 1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Ids, Ints
from auditor.results import Dataset, Duplicates

FOLDS = 10

Array = NDArray[np.float64]


def independent_groups(dataset: Dataset, duplicates: Duplicates) -> Ints:
    """Number the groups (m,) that are left out as a whole: copies joined with the user's `group` column.

    Samples that share a duplicate group or a user group are in one group; every other sample is its own.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    m = len(duplicates.ids)
    user = dataset.column_of("group", duplicates.ids)
    given = user != ""
    user_codes = np.unique(user[given].astype(str), return_inverse=True)[1]
    copies = duplicates.group >= 0
    copy_nodes = m + duplicates.group[copies]
    user_nodes = m + (duplicates.group.max(initial=-1) + 1) + user_codes
    rows = np.concatenate([np.flatnonzero(copies), np.flatnonzero(given)])
    columns = np.concatenate([copy_nodes, user_nodes]).astype(np.int64)
    size = int(max(m, columns.max(initial=-1) + 1))
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:m]
    return np.unique(component, return_inverse=True)[1].astype(np.int32)


def groups_per_class(groups: Ints, codes: Ints, classes: int) -> NDArray[np.int64]:
    """Count the independent groups (c,) in which each class occurs."""
    width = int(groups.max(initial=0)) + 1
    pairs = np.unique(codes.astype(np.int64) * width + groups)
    return np.bincount(pairs // width, minlength=classes)


def copy_weights(duplicates: Duplicates) -> Array:
    """Weights (m,) that let all copies of one picture count as one sample."""
    weights = np.ones(len(duplicates.ids))
    member = duplicates.group >= 0
    sizes = np.bincount(duplicates.group[member])
    weights[member] = 1.0 / sizes[duplicates.group[member]]
    return weights


def assign_folds(ids: Ids, groups: Ints, codes: Ints, seed: int, folds: int = FOLDS) -> Ints:
    """Assign each sample (m,) a fold so that groups stay whole and every class spreads over the folds.

    Groups are drawn in the order of their smallest id, so the order of the rows does not count.
    """
    rng = np.random.default_rng(seed)
    by_id = np.argsort(ids, kind="stable")
    _, first = np.unique(groups[by_id], return_index=True)
    leaders = by_id[np.sort(first)]
    order = leaders[rng.permutation(len(leaders))]
    order = order[np.argsort(codes[order], kind="stable")]
    fold_of_group = np.empty(int(groups.max(initial=-1)) + 1, dtype=np.int32)
    fold_of_group[groups[order]] = np.arange(len(order)) % folds
    return fold_of_group[groups]
