"""The dataclasses that flow from stage to stage, checked when made.

    n samples, m of them with a vector, d dimensions, k neighbours, c classes

    Dataset -> ImageFacts -> Embeddings -> Neighbours -> Duplicates -> Probabilities -> Scores
            -> Separation -> Finding .. -> Map  ==>  Audit

Every array type carries the ``ids`` of its rows. Rows join by id (`rows_of`), never by position.
`ImageFacts` has n rows in dataset order; all types after it have the m rows of `Embeddings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats, Ids, Ints, as_ids, check_array, check_range, rows_of
from auditor.contents import Contents, Folder
from auditor.errors import DataError

KINDS: tuple[str, ...] = (
    "unreadable",
    "conflicting_duplicate",
    "leak",
    "mislabeled",
    "ambiguous",
    "off_topic",
    "low_quality",
    "duplicate",
)
"""Finding kinds, highest precedence first."""

QUALITY_FACTS: tuple[str, ...] = ("dark", "bright", "blurry", "low_information", "odd_shape")
"""Quality scores kept for each image; in [0, 1], low = suspect (see `auditor.quality`)."""

SIGNATURE_SIDE = 64
"""Side in pixels of the grey thumbnail kept for each image to confirm near copies."""

TABLE_COLUMNS: tuple[str, ...] = ("id", "path", "label", "domain", "split", "group")


@dataclass(frozen=True)
class Dataset:
    """A labelled image dataset; nothing is decoded yet.

    Attributes
    ----------
    name : folder or manifest name, for people.
    root : folder that `path` is relative to.
    classes : the class names, sorted, each with at least one sample.
    table : one row per sample, `TABLE_COLUMNS`, all `str`, "" where there is none.
    notes : what was passed over or changed while reading, one sentence each, with counts.
    descriptions : a line of definition per class, from an optional classes.csv.
    has_images : False when the rows are the user's own vectors and there is nothing to decode.
    source_rows : (n,) row number of each sample in its source, from 0, where rows were set aside or
        collapsed; joins the user's vectors when they come without ids. None when unknown.
    source_count : rows of the source; 0 when unknown.
    held_by : where the pictures' bytes are when they are no files below `root`.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    has_images: bool = True
    source_rows: NDArray[np.int64] | None = None
    source_count: int = 0
    held_by: Contents | None = None

    def __post_init__(self) -> None:
        if tuple(self.table.columns) != TABLE_COLUMNS:
            raise DataError(f"Dataset.table needs {TABLE_COLUMNS}, got {tuple(self.table.columns)}.")
        if self.table["id"].duplicated().any():
            first = self.table["id"][self.table["id"].duplicated()].iloc[0]
            raise DataError(f"Dataset ids must be unique, {first!r} stands twice.")
        unknown = set(self.table["label"].unique()) - set(self.classes)
        if unknown:
            raise DataError(f"{len(unknown)} labels are not among the classes, e.g. {min(unknown)!r}.")

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def contents(self) -> Contents:
        """Where the pictures' bytes are, by `path`."""
        return self.held_by or Folder(self.root)

    @cached_property
    def ids(self) -> Ids:
        """Ids of the samples, (n,), in dataset order; not to be changed."""
        ids = as_ids(self.table["id"])
        ids.flags.writeable = False
        return ids

    @cached_property
    def codes(self) -> Ints:
        """Index into `classes` of each sample's given label, (n,); not to be changed."""
        codes = pd.Index(self.classes).get_indexer(pd.Index(self.table["label"])).astype(np.int32)
        codes.flags.writeable = False
        return np.asarray(codes)

    def codes_of(self, ids: Ids) -> Ints:
        """Class codes of the given labels of these ids, in their order."""
        return np.asarray(self.codes[rows_of(self.ids, ids)], dtype=np.int32)

    def column_of(self, column: str, ids: Ids) -> Ids:
        """Values of one table column for these ids, in their order."""
        return as_ids(self.table[column])[rows_of(self.ids, ids)]


@dataclass(frozen=True)
class ImageFacts:
    """What one decode tells about each file, n rows in dataset order.

    `quality` maps each of `QUALITY_FACTS` to (n,) scores in [0, 1], low = suspect. Rows that are not
    readable carry a reason in `error`, an empty `digest` and scores of 1. `checked` is False when there
    were no images to decode; `digest` is then the digest of the user's vector.
    """

    ids: Ids
    readable: Bools
    error: Ids
    width: Ints
    height: Ints
    byte_digest: Ids
    digest: Ids
    perceptual_hash: NDArray[np.uint64]
    signature: NDArray[np.uint8]
    quality: Mapping[str, Floats]
    checked: bool = True

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name, kind in (("ids", "O"), ("error", "O"), ("byte_digest", "O"), ("digest", "O")):
            check_array(self, name, (n,), kind)
        for name, kind in (("readable", "b"), ("width", "i"), ("height", "i"), ("perceptual_hash", "u")):
            check_array(self, name, (n,), kind)
        side = SIGNATURE_SIDE if self.checked else 0
        check_array(self, "signature", (n, side, side), "u")
        if self.checked and set(self.quality) != set(QUALITY_FACTS):
            raise DataError(f"ImageFacts.quality needs {QUALITY_FACTS}, got {tuple(self.quality)}.")


@dataclass(frozen=True)
class Backbone:
    """Which network made the vectors; two audits compare only when all of it is equal."""

    name: str
    layer: str
    weights_sha256: str
    dimensions: int
    preprocessing: str
    precision: str

    def key(self) -> str:
        """One line that tells this backbone from every other."""
        return "|".join(str(getattr(self, f.name)) for f in fields(self))


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors (m, d) float32 of the samples that could be embedded."""

    ids: Ids
    vectors: Floats
    backbone: Backbone

    def __post_init__(self) -> None:
        check_array(self, "vectors", (len(self.ids), self.backbone.dimensions), "f")
        norms = np.einsum("ij,ij->i", self.vectors, self.vectors)
        if len(norms) and np.abs(norms - 1).max() > 1e-3:
            raise DataError(
                f"Embeddings.vectors must have unit length, found squared length {norms.min():.4g} "
                f"to {norms.max():.4g}."
            )


@dataclass(frozen=True)
class Neighbours:
    """Nearest samples by cosine, descending, never the sample itself.

    ``indices[i, j]`` is a row of `ids`, or -1 with similarity -1 where fewer than k exist. Exact copies
    are searched once: only a representative of each stands in the lists, and never in the lists of its
    own copies. ``representative[i]`` is the row that stands for sample i. `recall` is the share in [0, 1] of
    the ten nearest that an approximate `method` found, measured on a sample; None where it is exact.
    """

    ids: Ids
    indices: Ints
    similarities: Floats
    representative: Ints
    method: str = "exact"
    recall: float | None = None

    def __post_init__(self) -> None:
        m = len(self.ids)
        check_array(self, "indices", (m, None), "i")
        check_array(self, "similarities", self.indices.shape, "f")
        check_array(self, "representative", (m,), "i")
        for name, least in (("indices", -1), ("representative", 0)):
            check_range(self, name, least, m - 1)
        if (self.indices == np.arange(m, dtype=np.int32)[:, None]).any():
            raise DataError("Neighbours.indices must never name the sample itself.")


@dataclass(frozen=True)
class Duplicates:
    """Groups of copies and near copies: ``group[i]`` is the group's number, -1 = alone.

    ``representative[i]`` is the row the sample was linked to (itself when alone); ``identical[i]`` says
    that its pixels equal those of the representative. No chains: every member matches the representative.
    """

    ids: Ids
    group: Ints
    representative: Ints
    identical: Bools

    def __post_init__(self) -> None:
        m = len(self.ids)
        for name, kind in (("group", "i"), ("representative", "i"), ("identical", "b")):
            check_array(self, name, (m,), kind)
        check_range(self, "representative", 0, m - 1)


@dataclass(frozen=True)
class Probabilities:
    """Out-of-sample class probabilities (m, c); a sample's whole group was left out with it.

    ``judged[j]`` is False for classes with too few independent groups to be judged.
    """

    ids: Ids
    values: Floats
    judged: Bools
    method: str

    def __post_init__(self) -> None:
        check_array(self, "values", (len(self.ids), len(self.judged)), "f")
        check_range(self, "values", 0.0, 1.0 + 1e-5)
        sums = self.values.sum(axis=1)
        if len(sums) and np.abs(sums - 1).max() > 1e-3:
            raise DataError(
                f"Probabilities.values: rows must sum to 1, found {sums.min():.4g} to {sums.max():.4g}."
            )


@dataclass(frozen=True)
class Scores:
    """Scores in [0, 1], low = suspect, and the most probable class other than the given one.

    label_quality : does the given label fit? low = probably mislabeled.
    clarity : is one class clearly ahead? low = ambiguous.
    typicality : does the image look like any class of the dataset? low = off-topic.
    neighbour_vote : share of the similarity-weighted neighbours that carry the given label.
    suggested : (m,) class code of the best other class; suggested_probability its probability.
    confident_joint : (c, c) counts, rows given label, columns likely label (Northcutt et al. 2021).
    """

    ids: Ids
    label_quality: Floats
    clarity: Floats
    typicality: Floats
    neighbour_vote: Floats
    suggested: Ints
    suggested_probability: Floats
    confident_joint: NDArray[np.int64]

    def __post_init__(self) -> None:
        m, c = len(self.ids), len(self.confident_joint)
        for name in ("label_quality", "clarity", "typicality", "neighbour_vote", "suggested_probability"):
            check_array(self, name, (m,), "f")
            check_range(self, name, 0.0, 1.0)
        check_array(self, "suggested", (m,), "i")
        check_range(self, "suggested", 0, c - 1)
        check_array(self, "confident_joint", (c, c), "i")


@dataclass(frozen=True)
class ClassSeparation:
    """How well one class stands apart. `verdict`: "separated", "mixed" or "not judged"."""

    name: str
    samples: int
    knn_accuracy: float
    probe_accuracy: float
    silhouette: float
    verdict: str
    mixed_with: tuple[str, ...]


@dataclass(frozen=True)
class ClassPair:
    """Two classes that confuse: ``a_as_b`` samples labelled a look like b out of sample, and back.

    `score` in [0, 1], high = confuse most: the mean of both directions' shares of their class.
    `flagged` counts the findings between the two.
    """

    a: str
    b: str
    score: float
    a_as_b: int
    b_as_a: int
    flagged: int


@dataclass(frozen=True)
class Separation:
    """How well the classes separate; all figures leave the sample's group out.

    confusion : (c, c) counts, rows given label, columns most probable class out of sample.
    pairs : worst first, at most 1,000.
    """

    knn_accuracy: float
    probe_accuracy: float
    silhouette: float
    classes: tuple[ClassSeparation, ...]
    pairs: tuple[ClassPair, ...]
    confusion: NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Why something was flagged: nearest neighbours and the class probabilities behind it.

    neighbours : (id, given label, cosine similarity), nearest first, the own copies left out.
    probabilities : (class, probability), highest first, at most three.
    members : (id, what ties it to the finding), e.g. ("a.jpg", "identical").
    facts : further named numbers, e.g. {"brightness": 0.03}.
    """

    neighbours: tuple[tuple[str, str, float], ...] = ()
    probabilities: tuple[tuple[str, float], ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One question to the annotator about one sample, or about a group of copies.

    `score` in [0, 1], low = suspect; `rank` counts from 1 within the kind, worst first.
    `suggested_label` is "" where the kind carries no suggestion.
    """

    finding_id: str
    kind: str
    rank: int
    ids: tuple[str, ...]
    score: float
    reason: str
    suggested_label: str = ""
    evidence: Evidence = field(default_factory=Evidence)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"Unknown finding kind {self.kind!r}; known are {', '.join(KINDS)}.")
        if not 0.0 <= self.score <= 1.0:
            raise DataError(f"Finding.score must lie in [0, 1], got {self.score}.")


@dataclass(frozen=True)
class Map:
    """The t-SNE map: ``positions`` (m, 2) float32. Distances on it are no measure.

    `trustworthiness` in [0, 1], high = the map's neighbours are neighbours in the full space
    (Venna and Kaski 2001), measured on `trust_rows` rows. `method` says how it was made.
    """

    ids: Ids
    positions: Floats
    method: str
    trustworthiness: float
    trust_rows: int

    def __post_init__(self) -> None:
        check_array(self, "positions", (len(self.ids), 2), "f")


@dataclass(frozen=True)
class LabelErrors:
    """How many labels look wrong.

    flagged : samples that `mislabeled` findings name, the headline.
    upper_indication : the confident joint's count; class overlap counts as errors too, so an upper one.
    estimate, interval : from reviewed random controls only, else None.
    """

    flagged: int
    upper_indication: int
    estimate: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Reviewed:
    """What earlier reviews did to the findings (`auditor.reviewed`).

    files, sha256 : names and digests of the files.
    decisions : the latest of each annotator about each question; `matched` and `unmatched` to a sample.
    left_out : findings that are gone because their samples were checked before.
    left_out_samples : samples that a finding named and does not any more, each counted once for a kind.
    """

    files: tuple[str, ...]
    sha256: tuple[str, ...]
    decisions: int
    matched: int
    unmatched: int
    left_out: int
    left_out_samples: int


@dataclass(frozen=True)
class Provenance:
    """Where an audit comes from. Paths in `command` are reduced to names.

    `reviewed` says what earlier reviews did to the findings, None where there were none.
    """

    auditor_version: str
    report_id: str
    fingerprint: str
    command: str
    seed: int
    settings: Mapping[str, Any]
    timings: Mapping[str, float]
    warnings: tuple[str, ...]
    reviewed: Reviewed | None = None


@dataclass(frozen=True)
class Thumbnail:
    """One WebP picture for the page: no metadata, `width` x `height` pixels."""

    width: int
    height: int
    data: bytes


@dataclass(frozen=True)
class Audit:
    """Everything an audit found. `findings` are sorted by kind (order of `KINDS`), then worst first.

    `review_plan` holds (findings reviewed, errors expected among them), an indication until controls
    are reviewed. `thumbnails` maps a sample id to its picture; empty until the page needs them.
    """

    dataset: Dataset
    facts: ImageFacts
    embeddings: Embeddings
    neighbours: Neighbours
    duplicates: Duplicates
    probabilities: Probabilities
    scores: Scores
    separation: Separation
    findings: tuple[Finding, ...]
    map: Map
    thresholds: Thresholds
    label_errors: LabelErrors
    review_plan: tuple[tuple[int, float], ...]
    provenance: Provenance
    predictions: Probabilities | None = None
    thumbnails: Mapping[str, Thumbnail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = self.embeddings.ids
        for part in (self.neighbours, self.duplicates, self.probabilities, self.scores, self.map):
            if len(part.ids) != len(ids) or (part.ids != ids).any():
                name = type(part).__name__
                raise DataError(f"{name} has {len(part.ids)} rows, not the {len(ids)} embedded ones.")

    def findings_frame(self) -> pd.DataFrame:
        """Return findings as a table: one row per finding and member, columns of findings.csv."""
        members = as_ids([i for f in self.findings for i in f.ids])
        owner = np.repeat(np.arange(len(self.findings)), [len(f.ids) for f in self.findings])
        table = self.dataset.table.iloc[rows_of(self.dataset.ids, members)].reset_index(drop=True)
        group = pd.Series(self.duplicates.group, index=pd.Index(self.duplicates.ids, dtype=object))

        def each(name: str) -> pd.Series:
            values = pd.Series([getattr(f, name) for f in self.findings])
            return values.iloc[owner].reset_index(drop=True)

        return pd.DataFrame(
            {
                **{name: each(name) for name in ("finding_id", "rank", "kind")},
                **{name: table[name] for name in ("id", "path", "label")},
                **{name: each(name) for name in ("suggested_label", "score")},
                "duplicate_group": group.reindex(members, fill_value=-1).to_numpy(),
                "reason": each("reason"),
            }
        )


@dataclass(frozen=True)
class Thresholds:
    """Absolute bars, stored in the audit; a rerun with ``--like`` takes them over.

    Probabilities, similarities, shares and quality scores are in [0, 1] unless a unit stands in the name.

    Attributes
    ----------
    mislabeled_quality, mislabeled_probability : label quality below the one, another class above the other.
    sure_groups : independent groups from which a class gets the full bars; with fewer both move in proportion
        towards certainty, 0 and 1, since a handful of pictures says little about a class.
    ambiguous_second, ambiguous_sum : the given and the best other class: the lower has at least the one, both
        together the other ..
    ambiguous_surprise : .. and the other class is this unusual among samples of the given one, in robust
        standard deviations (`auditor.scores.rate_surprise`).
    off_topic_typicality, off_topic_probability : typicality and the most probable class, both below.
    near_copy_cosine : similarity from which two pictures are compared on their pixels.
    near_copy_pixels, near_copy_plain : correlation of their edges from which they are near copies; the latter
        where a picture has little detail.
    dark, bright, blurry, low_information, odd_shape : quality scores below which a picture is poor.
    tiny_side_px : shorter side below which a picture is tiny.
    judged_groups : independent groups a class needs beside the one left out.
    mixed_share : score of a class pair from which the two are called mixed.
    """

    mislabeled_quality: float = 0.08
    mislabeled_probability: float = 0.56
    sure_groups: int = 20
    ambiguous_second: float = 0.06
    ambiguous_sum: float = 0.55
    ambiguous_surprise: float = 2.0
    off_topic_typicality: float = 0.45
    off_topic_probability: float = 0.80
    near_copy_cosine: float = 0.80
    near_copy_pixels: float = 0.96
    near_copy_plain: float = 0.985
    dark: float = 0.32
    bright: float = 0.12
    blurry: float = 0.20
    low_information: float = 0.06
    odd_shape: float = 0.35
    tiny_side_px: int = 16
    judged_groups: int = 3
    mixed_share: float = 0.04
