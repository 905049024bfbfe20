"""A small, valid `Audit` made of generated vectors, for the tests of storage, reports and the command line.

Labels, vectors, probabilities, neighbours, findings and pictures belong together: a mislabeled sample lies
in its suggested class, copies share vector and digest, an unreadable sample has no vector, and every
thumbnail is a pattern that no other sample has.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from auditor import results as r

FINDINGS: Mapping[str, int] = {
    "unreadable": 1,
    "conflicting_duplicate": 1,
    "leak": 1,
    "mislabeled": 6,
    "ambiguous": 3,
    "off_topic": 2,
    "low_quality": 2,
    "duplicate": 1,
}
GROUPS = ("conflicting_duplicate", "leak", "duplicate")
DIMENSIONS, BLOCK = 16, 2000
BACKBONE = r.Backbone("toy", "pooled", "0" * 64, DIMENSIONS, "none", "fp32")


@dataclass(frozen=True)
class _Plan:
    """Who plays which part: `parts` lists (kind, rows); `look` is the class a row's vector lies in."""

    parts: list[tuple[str, tuple[int, ...]]]
    label: np.ndarray
    look: np.ndarray
    vectors: np.ndarray
    copy_of: np.ndarray


def toy_audit(
    n: int = 60,
    classes: Sequence[str] = ("cat", "dog", "bird"),
    seed: int = 0,
    findings: Mapping[str, int] = FINDINGS,
    names: Sequence[str] | None = None,
    images: bool = True,
) -> r.Audit:
    """Return an audit of `n` samples with as many findings of each kind as `findings` says.

    `names` are the samples' ids (default: class/number.png); ``images=False`` makes the features-only form.
    """
    classes = tuple(sorted(classes))
    plan = _plan(n, len(classes), np.random.default_rng(seed), findings)
    labels = [classes[c] for c in plan.label]
    ids = r.as_ids(names if names is not None else [f"{labels[i]}/{i:05d}.png" for i in range(n)])
    dataset = _dataset(ids, labels, classes, plan, images)
    keep = np.ones(n, dtype=bool)
    keep[[rows[0] for kind, rows in plan.parts if kind == "unreadable"]] = False
    rows = np.flatnonzero(keep)
    vectors, codes = plan.vectors[rows], plan.label[rows].astype(np.int32)
    back = np.full(n, -1, dtype=np.int32)
    back[rows] = np.arange(len(rows))
    copy = back[plan.copy_of[rows]]
    neighbours = _neighbours(ids[rows], vectors, copy)
    probabilities = _probabilities(ids[rows], vectors, len(classes))
    duplicates = _duplicates(ids[rows], copy)
    scores = _scores(probabilities, codes, neighbours)
    found = _findings(plan, dataset, neighbours, scores, probabilities)
    wrong = sum(f.kind == "mislabeled" for f in found)
    return r.Audit(
        dataset=dataset,
        facts=_facts(ids, plan, keep, images),
        embeddings=r.Embeddings(ids[rows], vectors, BACKBONE),
        neighbours=neighbours,
        duplicates=duplicates,
        probabilities=probabilities,
        scores=scores,
        separation=_separation(dataset.classes, codes, probabilities, neighbours, found, labels, ids),
        findings=found,
        map=r.Map(ids[rows], _positions(vectors, seed), "toy projection", 0.91, len(rows)),
        thresholds=r.Thresholds(),
        label_errors=r.LabelErrors(wrong, wrong * 2),
        review_plan=tuple((k, round(k * 0.7, 1)) for k in range(0, wrong + 1, max(1, wrong // 5))),
        provenance=r.Provenance(
            "0.1.0", "toy-0001", "f" * 64, "auditor run toy", seed, {"k": 10}, {"embed": 1.0}, ("A toy.",)
        ),
        thumbnails=_thumbnails(ids, plan, found) if images else {},
    )


def _plan(n: int, c: int, rng: np.random.Generator, findings: Mapping[str, int]) -> _Plan:
    order = iter(rng.permutation(n).tolist())
    parts = [
        (kind, tuple(next(order) for _ in range(2 if kind in GROUPS else 1)))
        for kind in r.KINDS
        for _ in range(findings.get(kind, 0))
    ]
    label, copy_of = np.arange(n) % c, np.arange(n)
    look, noise = label.copy(), rng.normal(size=(n, DIMENSIONS)) * 0.22
    for kind, rows in parts:
        if kind in GROUPS:
            copy_of[rows[1]] = rows[0]
            label[rows[1]] = (label[rows[0]] + (kind == "conflicting_duplicate")) % c
        if kind == "mislabeled":
            look[rows[0]] = (label[rows[0]] + 1) % c
    centres = _centres(c)
    vectors = centres[look] + noise
    for kind, rows in parts:
        if kind == "ambiguous":
            vectors[rows[0]] += centres[(label[rows[0]] + 1) % c]
        if kind == "off_topic":
            vectors[rows[0]] = rng.normal(size=DIMENSIONS)
    vectors = vectors[copy_of]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return _Plan(parts, label, look[copy_of], vectors.astype(np.float32), copy_of)


def _centres(c: int) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(c, DIMENSIONS))
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


def _dataset(ids: r.Ids, labels: list[str], classes: Sequence[str], plan: _Plan, images: bool) -> r.Dataset:
    split = np.full(len(ids), "train", dtype=object)
    split[[rows[1] for kind, rows in plan.parts if kind == "leak"]] = "test"
    table = pd.DataFrame({"id": ids, "path": ids, "label": labels, "domain": "", "split": split, "group": ""})
    notes = ("2 files were passed over: their suffix is no picture's.",)
    described = {classes[0]: f"What counts as {classes[0]}."}
    return r.Dataset("toy", Path("/nowhere/toy"), tuple(classes), table, notes, described, has_images=images)


def _facts(ids: r.Ids, plan: _Plan, keep: np.ndarray, images: bool) -> r.ImageFacts:
    n = len(ids)
    digests = [hashlib.sha256(str(int(i)).encode()).hexdigest() if k else ""
               for i, k in zip(plan.copy_of, keep, strict=True)]  # fmt: skip
    quality = {name: np.ones(n, dtype=np.float32) for name in r.QUALITY_FACTS}
    for kind, rows in plan.parts:
        if kind == "low_quality":
            quality["dark"][rows[0]] = 0.1
    side = r.SIGNATURE_SIDE if images else 0
    size = np.where(keep & images, 64, 0).astype(np.int32)
    errors = r.as_ids(["" if k else "the file ends early" for k in keep])
    zeros = np.zeros(n, dtype=np.uint64)
    signature = np.zeros((n, side, side), dtype=np.uint8)
    digest = r.as_ids(digests)
    return r.ImageFacts(
        ids, keep, errors, size, size, digest, digest, zeros, signature, quality if images else {}, images
    )


def _neighbours(ids: r.Ids, vectors: np.ndarray, copy: np.ndarray, k: int = 10) -> r.Neighbours:
    """Brute force, within blocks of `BLOCK` rows so that large toys stay cheap."""
    m = len(ids)
    indices = np.full((m, k), -1, dtype=np.int32)
    similarities = np.full((m, k), -1, dtype=np.float32)
    for start in range(0, m, BLOCK):
        rows = np.arange(start, min(start + BLOCK, m))
        similar = vectors[rows] @ vectors[rows].T
        hidden = (copy[rows] != rows)[None, :] | (copy[rows][:, None] == copy[rows][None, :])
        similar[hidden] = -1
        best = np.argsort(-similar, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(similar, best, axis=1)
        found = best.shape[1]
        indices[rows, :found] = np.where(near > -1, rows[best], -1)
        similarities[rows, :found] = near
    return r.Neighbours(ids, indices, similarities, copy.astype(np.int32))


def _probabilities(ids: r.Ids, vectors: np.ndarray, c: int) -> r.Probabilities:
    logits = 8 * vectors @ _centres(c).T.astype(np.float32)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    return r.Probabilities(ids, values.astype(np.float32), np.ones(c, dtype=bool), "toy")


def _duplicates(ids: r.Ids, copy: np.ndarray) -> r.Duplicates:
    group = np.full(len(ids), -1, dtype=np.int32)
    for number, row in enumerate(np.flatnonzero(copy != np.arange(len(ids)))):
        group[[row, copy[row]]] = number
    return r.Duplicates(ids, group, copy.astype(np.int32), copy != np.arange(len(ids)))


def _scores(p: r.Probabilities, codes: np.ndarray, neighbours: r.Neighbours) -> r.Scores:
    m, c = p.values.shape
    own = p.values[np.arange(m), codes]
    other = p.values.copy()
    other[np.arange(m), codes] = -1
    joint = np.zeros((c, c), dtype=np.int64)
    np.add.at(joint, (codes, p.values.argmax(axis=1)), 1)
    vote = (codes[neighbours.indices] == codes[:, None]).mean(axis=1).astype(np.float32)
    typical = np.clip(neighbours.similarities[:, :3].mean(axis=1), 0, 1)
    clear = np.abs(own - other.max(axis=1))
    return r.Scores(p.ids, own, clear, typical, vote, other.argmax(axis=1).astype(np.int32),
                    np.clip(other.max(axis=1), 0, 1), joint)  # fmt: skip


def _findings(plan: _Plan, dataset: r.Dataset, near: r.Neighbours, scores: r.Scores,
              p: r.Probabilities) -> tuple[r.Finding, ...]:  # fmt: skip
    ids, row_of = dataset.ids, {i: row for row, i in enumerate(near.ids)}
    label_of = dict(zip(ids, dataset.table["label"], strict=True))
    made: list[r.Finding] = []
    worst_first = {i: float(scores.label_quality[row]) for i, row in row_of.items()}
    parts = sorted(plan.parts, key=lambda p: (r.KINDS.index(p[0]), worst_first.get(ids[p[1][0]], 0.0)))
    for kind, rows in parts:
        names = tuple(str(ids[i]) for i in rows)
        row = row_of.get(names[0], -1)
        score = float(scores.label_quality[row]) if row >= 0 else 0.0
        listed = [j for j in near.indices[row].tolist() if j >= 0] if row >= 0 else []
        neighbours = tuple(
            (near.ids[j], label_of[near.ids[j]], float(s))
            for j, s in zip(listed, near.similarities[row], strict=False)
        )
        top = np.argsort(-p.values[row])[:3] if row >= 0 else []
        members = tuple((i, "identical") for i in names) if kind in GROUPS else ()
        evidence = r.Evidence(
            neighbours, tuple((dataset.classes[t], float(p.values[row, t])) for t in top), members
        )
        suggested = dataset.classes[scores.suggested[row]] if kind in ("mislabeled", "ambiguous") else ""
        reason = f"{sum(v[1] == suggested for v in neighbours)} of {len(neighbours)} nearest pictures agree."
        rank = 1 + sum(f.kind == kind for f in made)
        made.append(r.Finding(f"{kind}-{rank:05d}", kind, rank, names, score, reason, suggested, evidence))
    return tuple(made)


def _separation(classes: Sequence[str], codes: np.ndarray, p: r.Probabilities, near: r.Neighbours,
                found: tuple[r.Finding, ...], labels: list[str], ids: r.Ids) -> r.Separation:  # fmt: skip
    c = len(classes)
    confusion = np.zeros((c, c), dtype=np.int64)
    np.add.at(confusion, (codes, p.values.argmax(axis=1)), 1)
    size = np.maximum(np.bincount(codes, minlength=c), 1)
    label_of = dict(zip(ids, labels, strict=True))
    between: dict[frozenset[str], int] = {}
    for f in found:
        if f.suggested_label or f.kind == "conflicting_duplicate":
            key = frozenset({*(label_of[i] for i in f.ids), f.suggested_label or label_of[f.ids[0]]})
            between[key] = between.get(key, 0) + 1
    pairs = [
        r.ClassPair(classes[a], classes[b], float(confusion[a, b] / size[a] + confusion[b, a] / size[b]) / 2,
                    int(confusion[a, b]), int(confusion[b, a]),
                    between.get(frozenset((classes[a], classes[b])), 0))
        for a in range(c) for b in range(a + 1, c) if confusion[a, b] + confusion[b, a]
    ]  # fmt: skip
    pairs.sort(key=lambda pair: (-pair.score, pair.a, pair.b))
    hit = (codes[near.indices] == codes[:, None]).mean(axis=1) > 0.5
    known = [
        r.ClassSeparation(name, int((codes == i).sum()),
                          float(hit[codes == i].mean()) if (codes == i).any() else 0.0,
                          float(confusion[i, i] / size[i]), 0.4, "mixed" if mixed else "separated", mixed)
        for i, name in enumerate(classes)
        for mixed in [tuple(q.b if q.a == name else q.a for q in pairs[:3] if name in (q.a, q.b))]
    ]  # fmt: skip
    return r.Separation(float(hit.mean()), float(np.trace(confusion) / len(codes)), 0.4, tuple(known),
                        tuple(pairs[:1000]), confusion)  # fmt: skip


def _positions(vectors: np.ndarray, seed: int) -> np.ndarray:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    return (30 * vectors @ turn[:, :2]).astype(np.float32)


def _thumbnails(ids: r.Ids, plan: _Plan, found: tuple[r.Finding, ...]) -> dict[str, r.Thumbnail]:
    wanted = set(ids.tolist())
    if len(ids) > BLOCK:
        wanted = {i for f in found for i in (*f.ids, *(v[0] for v in f.evidence.neighbours[:5]))}
    broken = {ids[rows[0]] for kind, rows in plan.parts if kind == "unreadable"}
    return {
        i: thumbnail(row, int(plan.look[row])) for row, i in enumerate(ids) if i in wanted and i not in broken
    }


def thumbnail(row: int, tone: int = 0, size: tuple[int, int] = (24, 18)) -> r.Thumbnail:
    """Return a picture that belongs to `row` alone, coloured by `tone`."""
    rng = np.random.default_rng([row, tone])
    base = np.random.default_rng(tone).integers(40, 200, size=3)
    cells = np.clip(base + rng.integers(-40, 41, size=(6, 8, 1)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(cells).resize(size, Image.Resampling.NEAREST)
    out = io.BytesIO()
    picture.save(out, "WEBP", lossless=True)
    return r.Thumbnail(*size, out.getvalue())
