"""The samples that a page names, each once; everything else points at them by number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from auditor.results import Audit
from reports import selection


@dataclass(frozen=True)
class SampleView:
    """One sample that the page names; `label` is a class code, `digest` "" where nothing is asked."""

    id: str
    path: str
    label: int
    place: str
    digest: str
    pictured: bool


class Samples:
    """Collects the samples that are named, each once, and knows their rows in the dataset."""

    def __init__(self, audit: Audit) -> None:
        table = audit.dataset.table
        self._index = pd.Index(table["id"])
        self._path, self._label = table["path"].to_numpy(), audit.dataset.codes
        self._split, self._domain = table["split"].to_numpy(), table["domain"].to_numpy()
        self._digest = audit.facts.digest
        self._number: dict[str, int] = {}
        self.views: list[SampleView] = []
        groups = audit.duplicates.group
        sizes = np.bincount(groups[groups >= 0], minlength=1)
        self.group_of = selection.group_index(audit)
        self._size = sizes.tolist()

    def add(self, sample_id: str, pictured: bool = True) -> int:
        """Return the number of this sample on the page."""
        if sample_id not in self._number:
            row = int(self._index.get_loc(sample_id))
            place = " ".join(p for p in (self._domain[row], self._split[row]) if p)
            self._number[sample_id] = len(self.views)
            view = SampleView(sample_id, str(self._path[row]), int(self._label[row]), place, "", pictured)
            self.views.append(view)
        number = self._number[sample_id]
        if pictured and not self.views[number].pictured:
            self.views[number] = replace(self.views[number], pictured=True)
        return number

    def member(self, sample_id: str, pictured: bool) -> int:
        """Return the number of a sample that is decided about: it is named with its digest."""
        number = self.add(sample_id, pictured)
        digest = str(self._digest[int(self._index.get_loc(sample_id))])
        self.views[number] = replace(self.views[number], digest=digest)
        return number

    def copies(self, sample_id: str) -> int:
        """Return how many copies of this sample there are, itself included."""
        group = self.group_of.get(sample_id, -1)
        return 1 if group < 0 else int(self._size[group])
