"""What findings are made of, and the quality faults among it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auditor.arrays import Bools, Ints
from auditor.groups import independent_groups
from auditor.neighbours import group_votes
from auditor.results import (
    Dataset,
    Duplicates,
    Embeddings,
    ImageFacts,
    Neighbours,
    Probabilities,
    Scores,
    Thresholds,
)

SHOWN_NEIGHBOURS = 10
FLOOD = 0.5
"""A quality fault that this share of the pictures has is a property of the dataset, not a finding."""
FAULTS = {
    "dark": "too dark",
    "bright": "too bright",
    "blurry": "blurred",
    "low_information": "nearly empty",
    "odd_shape": "oddly long or wide",
    "tiny": "tiny",
}


@dataclass(frozen=True)
class FindingInputs:
    """What the findings are made of; all parts belong to one audit."""

    dataset: Dataset
    facts: ImageFacts
    embeddings: Embeddings
    neighbours: Neighbours
    duplicates: Duplicates
    probabilities: Probabilities
    scores: Scores
    thresholds: Thresholds

    @cached_property
    def codes(self) -> Ints:
        """Class codes (m,) of the given labels."""
        return self.dataset.codes_of(self.embeddings.ids)

    @cached_property
    def voters(self) -> Ints:
        """Nearest pictures (m, 10) of other groups, -1 where there are fewer."""
        return group_votes(self.neighbours, self.groups, SHOWN_NEIGHBOURS)[0]

    @cached_property
    def groups(self) -> Ints:
        """Independent groups (m,): copies and user groups are left out as a whole."""
        return independent_groups(self.dataset, self.duplicates)

    @cached_property
    def faults(self) -> dict[str, Bools]:
        """Quality faults: name to (n,) flags in dataset order; floods are left out."""
        return {
            name: flags
            for name, flags in quality_faults(self).items()
            if flags.mean() <= FLOOD or name == "tiny"
        }


def quality_faults(inputs: FindingInputs) -> dict[str, Bools]:
    """Flag each quality fault: name of `FAULTS` to (n,) in dataset order."""
    facts, bars = inputs.facts, inputs.thresholds
    if not facts.checked:
        return {}
    flags = {name: facts.readable & (facts.quality[name] < getattr(bars, name)) for name in facts.quality}
    side = np.minimum(facts.width, facts.height)
    return {**flags, "tiny": facts.readable & (side < bars.tiny_side_px)}


def flooding_faults(inputs: FindingInputs) -> dict[str, int]:
    """Faults that most pictures have, with their number: worth one warning instead of a finding each."""
    kept = inputs.faults
    return {name: int(flags.sum()) for name, flags in quality_faults(inputs).items() if name not in kept}
