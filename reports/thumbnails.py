"""Which pictures at which size fit the page's budget; what was left out is said.

    flagged samples    up to 384 px, shrinking to 160 px at 2,000 findings
    typical pictures   six for each class, 96 px
    pair examples      six for each direction of the pairs listed, 96 px
    neighbours         five for each finding, 64 px

A sample has one picture, the largest of its parts. The page counts them in base64, a third larger.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from auditor.arrays import Progress, no_progress
from auditor.errors import DataError
from auditor.results import Audit, Thumbnail
from auditor.sources.names import plural
from reports import selection
from reports.options import DEFAULT_LIMIT, PICTURE_BUDGET
from reports.originals import NEIGHBOUR_SIDE, encode_originals, in_threads

FLAGGED_SIDE_MAX, FLAGGED_SIDE_MIN = 384, 160
EXAMPLE_SIDE = 96
MANY_FINDINGS = 2000
"""From here on flagged pictures have their smallest planned side."""
FEW_FINDINGS = 300
"""Up to here they have their largest."""
SIDE_FLOOR = 24
"""No picture is made smaller than this, whatever the budget."""
SHRINK_ROUNDS = 6


@dataclass(frozen=True)
class PictureSet:
    """The pictures of one page; `shrunk` is the factor their sides were multiplied with, 1 = as planned."""

    pictures: Mapping[str, Thumbnail]
    missing: int
    shrunk: float


def planned_sides(audit: Audit, limit: int = DEFAULT_LIMIT) -> dict[str, int]:
    """Return the longer side in pixels of every picture the page shows, by sample id."""
    shown = selection.choose_findings(audit.findings, limit)
    sides: dict[str, int] = {}

    def want(ids: Iterable[str], side: int) -> None:
        for i in ids:
            sides[i] = max(side, sides.get(i, 0))

    members = [i for finding in shown for i in finding.ids[: selection.MEMBERS_SHOWN]]
    want(members, flagged_side(len(members)))
    group_of = selection.group_index(audit)
    for finding in shown:
        want((i for i, _ in selection.distinct_neighbours(finding.evidence, group_of)), NEIGHBOUR_SIDE)
    for ids in selection.typical_ids(audit):
        want(ids, EXAMPLE_SIDE)
    confusions = selection.Confusions(audit)
    for pair in audit.separation.pairs[: selection.PAIRS_LISTED]:
        want(confusions.examples(pair.a, pair.b), EXAMPLE_SIDE)
        want(confusions.examples(pair.b, pair.a), EXAMPLE_SIDE)
    return sides


def add_thumbnails(audit: Audit, limit: int = DEFAULT_LIMIT, progress: Progress = no_progress) -> Audit:
    """Return the audit with the pictures its page needs, decoded from the original files.

    Files that do not open any more, or are not the ones that were judged, get none: the page shows a
    placeholder, and a warning of the audit counts them. Sides shrink until the pictures fit the page's
    budget.
    """
    if not audit.dataset.has_images:
        return audit
    readable = set(audit.facts.ids[audit.facts.readable])
    sides = {i: side for i, side in planned_sides(audit, limit).items() if i in readable}
    pictures, lost = encode_originals(audit, sides, lambda done, total: progress("thumbnails", done, total))
    audit = replace(audit, thumbnails=fit_budget(pictures)[0])
    return _with_warning(audit, _lost_sentence(lost)) if lost else audit


def _lost_sentence(lost: Mapping[str, str]) -> str:
    first, reason = next(iter(lost.items()))
    return (
        f"The page shows no picture of {plural(len(lost), 'sample')} whose file is not the one any more that "
        f"was judged, the first is {first!r} ({reason}): run again for what is there now."
    )


def _with_warning(audit: Audit, sentence: str) -> Audit:
    made = audit.provenance
    return replace(audit, provenance=replace(made, warnings=(*made.warnings, sentence)))


def add_control_pictures(audit: Audit, controls: Sequence[str]) -> Audit:
    """Return the audit with the pictures of control samples too, decoded from the original files.

    They have the size of flagged pictures, or size would tell them apart.

    Raises
    ------
    DataError
        If an original file is not there: a control without a picture could not be judged.
    """
    if not audit.dataset.has_images:
        return audit
    flagged = [t for f in audit.findings for i in f.ids if (t := audit.thumbnails.get(i))]
    side = max((max(t.width, t.height) for t in flagged), default=FLAGGED_SIDE_MAX)
    pictures, lost = encode_originals(audit, dict.fromkeys(controls, side))
    if lost:
        first, reason = next(iter(lost.items()))
        raise DataError(
            f"Control samples are drawn from the dataset, and {first!r} does not open ({reason}) under "
            f"{audit.dataset.contents.place!r}: make this page where the pictures lie as they were judged."
        )
    return replace(audit, thumbnails={**audit.thumbnails, **pictures})


def page_pictures(audit: Audit, wanted: Iterable[str], budget: int = PICTURE_BUDGET) -> PictureSet:
    """Return the stored pictures of the samples that the page names, shrunk where they pass the budget."""
    wanted = list(wanted)
    there = {i: audit.thumbnails[i] for i in wanted if i in audit.thumbnails}
    pictures, shrunk = fit_budget(there, budget)
    return PictureSet(pictures, len(wanted) - len(there), shrunk)


def fit_budget(
    pictures: Mapping[str, Thumbnail], budget: int = PICTURE_BUDGET
) -> tuple[dict[str, Thumbnail], float]:
    """Return the pictures, all made smaller by one factor where together they pass `budget` bytes."""
    fitted, factor = dict(pictures), 1.0
    for _ in range(SHRINK_ROUNDS):
        total = sum(len(t.data) for t in fitted.values())
        if total <= budget:
            break
        # Bytes fall more slowly than the area, hence the exponent below that of a square root.
        factor *= (budget / total) ** 0.6
        smaller = in_threads(partial(shrink, factor=factor), list(pictures.values()))
        fitted = dict(zip(pictures, smaller, strict=True))
    return fitted, factor


def flagged_side(count: int) -> int:
    """Return the longer side in pixels of each of `count` flagged pictures.

    Their common area stays about the same between the two ends.
    """
    if count <= FEW_FINDINGS:
        return FLAGGED_SIDE_MAX
    side: float = FLAGGED_SIDE_MAX * (FEW_FINDINGS / count) ** _SIDE_EXPONENT
    return max(FLAGGED_SIDE_MIN, round(side))


_SIDE_EXPONENT = float(np.log(FLAGGED_SIDE_MAX / FLAGGED_SIDE_MIN) / np.log(MANY_FINDINGS / FEW_FINDINGS))


def shrink(thumbnail: Thumbnail, factor: float) -> Thumbnail:
    """Return a picture with its sides multiplied by `factor`, the longer one at least `SIDE_FLOOR`."""
    from PIL import Image

    from auditor.images import encode_thumbnail

    side = max(SIDE_FLOOR, round(max(thumbnail.width, thumbnail.height) * factor))
    with Image.open(io.BytesIO(thumbnail.data)) as picture:
        return encode_thumbnail(np.asarray(picture.convert("RGB")), side)
