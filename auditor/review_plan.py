"""How many wrong labels the annotator will meet along the list of findings, and how many there may be.

mislabeled findings, worst first --> chance that the label is a mistake --> running sum  ==>  review plan
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import rows_of
from auditor.finding_inputs import FindingInputs
from auditor.mistakes import chance_of_mistake, find_mistakes
from auditor.results import Finding

REVIEW_STEPS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Lengths of the review list for which the plan says how many errors to expect."""

Plan = tuple[tuple[int, float], ...]


def plan_review(findings: tuple[Finding, ...], inputs: FindingInputs) -> Plan:
    """Return (first findings reviewed, errors expected among them) along the `mislabeled` list.

    A finding counts with the share of its label's probability that mistakes explain, as far as they can be
    told from overlap by the samples whose class is clear. An indication until reviewed random controls make
    it an estimate.
    """
    first = [finding.ids[0] for finding in findings if finding.kind == "mislabeled"]
    if not first:
        return ()
    chances, codes = inputs.probabilities.values, inputs.codes
    rows = rows_of(inputs.probabilities.ids, first)
    mistakes = find_mistakes(chances, codes, inputs.groups)
    return add_up(chance_of_mistake(chances[rows], codes[rows], mistakes))


def add_up(chances: NDArray[np.floating]) -> Plan:
    """Running sum of the findings' chances (f,) at `REVIEW_STEPS` and at the end."""
    expected = np.cumsum(chances)
    steps = [n for n in REVIEW_STEPS if n < len(expected)] + [len(expected)]
    return tuple((n, round(float(expected[n - 1]), 1)) for n in steps)
