"""The samples of both versions on one list, and the two maps that show them.

Ledger --> LedgerSamples: every sample once, with its place in either audit --> MapPanel before, after
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.ledger import LedgerEntry
from auditor.comparisons.versions import VersionComparison
from auditor.results import Audit, Map
from reports.comparison_view import MapPanel, ShownSample
from reports.wording import number


class LedgerSamples:
    """Every sample of the ledger, once, with its place in both audits."""

    def __init__(self, comparison: VersionComparison) -> None:
        self.code = {name: code for code, name in enumerate(comparison.classes)}
        self.samples: list[ShownSample] = []
        self.place: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self.changed: set[int] = set()
        for entry in comparison.ledger.entries:
            self._add(entry)

    def _add(self, entry: LedgerEntry) -> None:
        number = len(self.samples)
        label = self.code[entry.label_after or entry.label_before]
        side = 0 if entry.id_before else 1
        self.samples.append(ShownSample(entry.id_before or entry.id_after, label, side))
        for place, name in zip(self.place, (entry.id_before, entry.id_after), strict=True):
            if name:
                place[name] = number
        if entry.change:
            self.changed.add(number)

    def number(self, entry: LedgerEntry) -> int:
        """Return the position of an entry's sample."""
        return self.place[0][entry.id_before] if entry.id_before else self.place[1][entry.id_after]

    def panel(self, title: str, audit: Audit, layout: Map, marked_as: str) -> MapPanel:
        """Return one map; samples that changed are marked."""
        place = self.place[0 if title == "Before" else 1]
        numbers = np.array([place[i] for i in layout.ids], dtype=np.int32)
        codes: NDArray[np.int32] = np.array(
            [self.code[name] for name in audit.dataset.classes], dtype=np.int32
        )
        return MapPanel(
            title=title,
            caption=f"{number(len(numbers))} samples, trust {layout.trustworthiness:.2f}",
            samples=numbers,
            positions=layout.positions,
            codes=codes[audit.dataset.codes_of(layout.ids)],
            marked=np.array([n in self.changed for n in numbers.tolist()], dtype=bool),
            marked_as=marked_as,
        )
