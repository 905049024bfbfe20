"""Why a sample's label is asked about: its nearest neighbours, its likely classes, and both in plain words.

    rows (w,) --> neighbours of other groups with their cosines, most probable classes --> Evidence, reason

Arrays are looked up for many rows at once: a hundred thousand findings take seconds, not minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from auditor.finding_inputs import FindingInputs
from auditor.results import Evidence

SHOWN_PROBABILITIES = 3
BLOCK = 2048
"""Rows looked up at a time."""

Rows = NDArray[np.int64]


def explain(inputs: FindingInputs, kind: str, rows: Rows) -> Iterator[tuple[str, Evidence]]:
    """Yield the reason and the evidence of each of these rows (w,) of the embeddings.

    Parameters
    ----------
    kind : "mislabeled", "ambiguous" or "off_topic".
    """
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        reasons = _distances(inputs, part) if kind == "off_topic" else _doubts(inputs, kind, part)
        yield from zip(reasons, _evidence(inputs, part), strict=True)


def _evidence(inputs: FindingInputs, rows: Rows) -> Iterator[Evidence]:
    ids, codes, names = inputs.embeddings.ids, inputs.codes, inputs.dataset.classes
    voters, near = inputs.voters[rows], inputs.neighbours.indices[rows]
    column = (near[:, None, :] == voters[:, :, None]).argmax(axis=2)
    cosine = np.take_along_axis(inputs.neighbours.similarities[rows], column, 1).tolist()
    chances = inputs.probabilities.values[rows]
    top = np.argsort(-chances, axis=1, kind="stable")[:, :SHOWN_PROBABILITIES]
    likely = np.take_along_axis(chances, top, 1).tolist()
    for near_one, cosines, classes, values in zip(voters.tolist(), cosine, top.tolist(), likely, strict=True):
        yield Evidence(
            neighbours=tuple(
                (ids[j], names[codes[j]], round(similarity, 4))
                for j, similarity in zip(near_one, cosines, strict=True)
                if j >= 0
            ),
            probabilities=tuple((names[j], round(p, 4)) for j, p in zip(classes, values, strict=True)),
        )


def _doubts(inputs: FindingInputs, kind: str, rows: Rows) -> Iterator[str]:
    """Yield why each label is doubted: what the most alike pictures are called, and what the model says."""
    names, voters = inputs.dataset.classes, inputs.voters[rows]
    given, other = inputs.codes[rows], inputs.scores.suggested[rows]
    voting = voters >= 0
    agreeing = (voting & (inputs.codes[voters] == other[:, None])).sum(axis=1)
    values = inputs.probabilities.values[rows]
    places = np.arange(len(rows))
    columns = (agreeing, voting.sum(axis=1), given, other, values[places, given], values[places, other])
    for count, of, a, b, chance_a, chance_b in zip(*(column.tolist() for column in columns), strict=True):
        alike = f"{count} of the {of} most alike pictures are {names[b]}"
        if kind == "mislabeled":
            yield f"{alike}. The model gives {names[b]} {chance_b:.2f}, {names[a]} {chance_a:.2f}."
        else:
            yield f"Both {names[a]} ({chance_a:.2f}) and {names[b]} ({chance_b:.2f}) fit; {alike}."


def _distances(inputs: FindingInputs, rows: Rows) -> Iterator[str]:
    for typicality in inputs.scores.typicality[rows].tolist():
        ratio = 1.0 / max(typicality, 1e-3)
        yield f"No picture is close: its most alike pictures are {ratio:.1f} times as far away as usual."
