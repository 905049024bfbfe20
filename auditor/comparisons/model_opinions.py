"""What some models say together, out of sample, about the given labels.

weights (models,), probabilities (p, c) of each --weighed mean--> Opinion of r rows
Opinion + the bars of an audit's findings       --> against, supporting (r,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ints
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel
from auditor.groups import copy_weights, groups_per_class
from auditor.results import Thresholds

BLOCK_ROWS = 8_192

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Opinion:
    """What some models say together about the labels of r samples.

    own, best : (r,) probability of the given label and of the best other class, whose code is `other`.
    fair : (r,) probability of the given label as if all classes were equally frequent.
    """

    own: Floats
    fair: Floats
    best: Floats
    other: Ints


@dataclass(frozen=True)
class Judge:
    """Holds probabilities against the given labels, with the bars of an audit's findings."""

    common: CommonSamples
    bars: Thresholds

    @cached_property
    def _groups(self) -> NDArray[np.int64]:
        return groups_per_class(self.common.groups, self.common.codes, len(self.common.dataset.classes))

    @cached_property
    def _sizes(self) -> Array:
        classes = len(self.common.dataset.classes)
        sizes = np.bincount(self.common.codes, copy_weights(self.common.duplicates), classes)
        return np.asarray(np.maximum(sizes, 1.0))

    def ask(self, models: Sequence[JudgedModel], weights: Array, rows: NDArray[np.int64]) -> Opinion:
        """Return what the models' out-of-sample probabilities say on (weighed) average in these rows."""
        parts = [
            self._ask_block(models, weights, rows[start : start + BLOCK_ROWS])
            for start in range(0, max(len(rows), 1), BLOCK_ROWS)
        ]
        return Opinion(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _ask_block(
        self, models: Sequence[JudgedModel], weights: Array, rows: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats, Ints]:
        chances = np.zeros((len(rows), len(self._sizes)))
        shares = weights / max(float(weights.sum()), 1e-12)
        # By name, so that the order of the audits does not change the last digit.
        for share, model in sorted(zip(shares, models, strict=True), key=lambda pair: pair[1].name):
            if share > 0:
                chances += share * model.probabilities.values[rows]
        each, codes = np.arange(len(rows)), self.common.codes[rows]
        balanced = chances / self._sizes
        fair = balanced[each, codes] / np.maximum(balanced.sum(axis=1), 1e-12)
        own = chances[each, codes].copy()
        chances[each, codes] = -1.0
        other = chances.argmax(axis=1)
        best = np.maximum(chances[each, other], 0.0)
        floats = (np.asarray(x, dtype=np.float32) for x in (own, fair, best))
        return (*floats, other.astype(np.int32))

    def against(self, opinion: Opinion, rows: NDArray[np.int64]) -> Bools:
        """Flags (r,): the label is most unlikely and another class clearly likelier, as in `mislabeled`."""
        codes = self.common.codes[rows]
        judged = self._groups > self.bars.judged_groups
        bar = self.bars.mislabeled_quality * np.minimum(1.0, self._groups / self.bars.sure_groups)[codes]
        wrong = (np.maximum(opinion.own, opinion.fair) < bar) & judged[codes]
        return np.asarray(wrong & (opinion.best >= self.bars.mislabeled_probability) & judged[opinion.other])

    def supporting(self, opinion: Opinion) -> Bools:
        """Flags (r,): the given label is clearly the likeliest."""
        return np.asarray(opinion.own >= self.bars.mislabeled_probability)
