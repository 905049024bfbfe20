"""What the page's script gets: a view as columns of plain JSON, and all pictures as one base64 text.

    page-data    classes, kinds, samples (columns), cards, pairs, points; gzip + base64 when large
    map-data     the Bokeh document
    pictures     WebP files in base64, one after the other; samples say where each starts

Class names and ids are only ever values in lists, never keys: a class may be called __proto__.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from auditor.decisions import SCHEMA, decision_row
from auditor.results import Thumbnail
from reports import wording
from reports.points import PointsView
from reports.review import ReviewView
from reports.selection import MEMBERS_SHOWN
from reports.terms import TERMS
from reports.view import CardView, PageView, PairView

COMPRESS_FROM = 60_000
"""Characters of JSON from which on it is stored compressed; shorter stays readable in the page's source."""


@dataclass(frozen=True)
class Block:
    """One script element that holds data; `text` is safe inside of it."""

    id: str
    type: str
    encoding: str
    text: Markup


def data_block(block_id: str, value: object, compress_from: int = COMPRESS_FROM) -> Block:
    """Return JSON as a data block."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if len(text) < compress_from:
        # Inside a script element only these could end it or start a comment.
        safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        return Block(block_id, "application/json", "", Markup(safe))
    packed = gzip.compress(text.encode("utf-8", "surrogatepass"), 9, mtime=0)
    return Block(block_id, "text/plain", "gzip", Markup(base64.b64encode(packed).decode()))


def picture_block(texts: Sequence[str]) -> Block:
    """Return all pictures, already in base64, as one block."""
    return Block("pictures", "text/plain", "", Markup("".join(texts)))


def page_data(
    view: PageView, hues: Sequence[int], pictures: Mapping[str, Thumbnail], root: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the page's data, and the base64 texts of its pictures in the order they are laid down."""
    spots, texts = _lay_down(view, pictures)
    data = {
        "classes": list(view.class_names),
        "hues": list(hues),
        "hasImages": view.has_images,
        "kinds": [[k.kind, k.name, k.findings, k.shown, wording.score_name(k.kind)] for k in view.kinds],
        "samples": {
            "id": [s.id for s in view.samples],
            "path": [s.path if s.path != s.id else 0 for s in view.samples],
            "label": [s.label for s in view.samples],
            "place": [s.place for s in view.samples],
            "digest": [s.digest or 0 for s in view.samples],
            "picture": spots,
        },
        "cards": [_card(card) for card in view.cards],
        "pairs": [_pair(pair) for pair in view.pairs],
        "typical": [[row.code, list(row.typical)] for row in view.classes],
        "definitions": _definitions(view),
        "points": _points(view.points),
        "terms": {key: TERMS[key] for key in _SCRIPT_TERMS},
        "root": root,
        "review": _review(view.review),
    }
    return data, texts


_SCRIPT_TERMS = ("label_quality", "clarity", "typicality", "picture_quality", "similarity")


def _lay_down(view: PageView, pictures: Mapping[str, Thumbnail]) -> tuple[list[Any], list[str]]:
    """Return for each sample [start, length, width, height] or 0, and the texts."""
    spots: list[Any] = []
    texts: list[str] = []
    start = 0
    for sample in view.samples:
        picture = pictures.get(sample.id)
        if picture is None:
            spots.append(0)
            continue
        text = base64.b64encode(picture.data).decode()
        spots.append([start, len(text), picture.width, picture.height])
        texts.append(text)
        start += len(text)
    return spots, texts


def _card(card: CardView) -> dict[str, Any]:
    return {
        "finding": card.finding_id,
        "kind": card.kind,
        "rank": card.rank,
        "question": card.question,
        "reason": card.reason,
        "score": card.score,
        "members": [list(member) for member in card.members],
        "suggested": card.suggested,
        "near": [[n.sample, n.similarity, n.copies] for n in card.neighbours],
        "probabilities": [list(p) for p in card.probabilities],
        "facts": [list(fact) for fact in card.facts],
        "votes": [list(vote) for vote in card.votes],
    }


def _definitions(view: PageView) -> list[str]:
    by_code = {row.code: row.description for row in view.classes}
    return [by_code.get(code, "") for code in range(len(view.class_names))]


def _review(review: ReviewView) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "report": review.report_id,
        "fingerprint": review.fingerprint,
        "page": review.page_id,
        "blind": review.blind,
        "annotator": review.annotator,
        "decisions": [decision_row(d) for d in review.decisions],
        "membersShown": MEMBERS_SHOWN,
    }


def _pair(pair: PairView) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "counts": [pair.a_as_b, pair.b_as_a],
        "flagged": pair.flagged,
        "share": pair.share,
        "direction": pair.direction,
        "shape": pair.shape,
        "advice": pair.advice,
        "examples": [list(pair.a_near_b), list(pair.b_near_a)],
    }


def _points(points: PointsView) -> dict[str, Any]:
    return {
        "plain": points.plain_ids.tolist(),
        "flagged": points.flagged_ids.tolist(),
        "cards": [list(cards) for cards in points.cards],
    }
