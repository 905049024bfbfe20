"""One tar's pictures and their labels.

    members --stem--> samples: 000042.jpg 000042.cls 000042.json
                         picture <- the suffix that is a picture's
                         label   <- .cls, or a field of .json, or the file or column that was named

Files of one stem, the path up to the first dot of its last part, are one sample: WebDataset's rule.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.sources.containers import is_hidden, safe_names, suffix_of
from auditor.sources.manifests import ALIASES
from auditor.sources.names import IMAGE_SUFFIXES, encode_name
from auditor.sources.tar_index import Listing, Places, list_members

LABEL_FIELDS: tuple[str, ...] = (*ALIASES["label"], "cls")
"""Fields of a sample's .json that are read as its label, most telling first, whatever their case."""
LABEL_BYTES = 1 << 20
"""A file that is longer holds no label."""

_MEMBER = re.compile(r"((?:.*/|)[^./]+)[.]([^/]*)", re.DOTALL)
_SPELLED = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True)
class LabelRule:
    """How the samples of a tar get their label and picture.

    Attributes
    ----------
    column : suffix of a file, field of .json or column beside the tar that the user named; None = usual ones.
    picture : suffix of the picture that the user named, None = the first that is one.
    names : class names by index, from a file beside the tars.
    """

    column: str | None = None
    picture: str | None = None
    names: tuple[str, ...] = ()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of a sample's files that may hold its label, most telling first."""
        return ("cls", "json") if self.column is None else (self.column.lower().lstrip("."), "json")

    def class_of(self, text: str) -> str:
        """Return the class that a label's text means: an index is one where there are names."""
        index = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else len(self.names)
        return self.names[index] if index < len(self.names) else text


@dataclass(frozen=True)
class Shard:
    """What one tar holds: p pictures, in its order.

    names : (p,) of the pictures, safe and unique.
    places : where they lie.
    chosen : (s,) pictures that stand for a sample, of those that have a stem.
    labels : (s,) their labels, "" where there is none.
    passed : counts of what is never read, by kind or suffix.
    label_files : counts of files that may hold labels, by suffix.
    others : counts of pictures of the samples that do not stand for them, by suffix.
    several, pictureless, repeated : samples with several pictures, with none, with the stem of another.
    faults : what is wrong with the tar.
    """

    names: Any
    places: Places
    chosen: NDArray[np.int64]
    labels: Any
    passed: Counter[str]
    label_files: Counter[str]
    others: Counter[str]
    several: int
    pictureless: int
    repeated: int
    faults: tuple[str, ...]


@dataclass
class _Sample:
    """Files of one stem: rows of its pictures by suffix, members that may hold its label by suffix."""

    key: str
    seen: set[str] = field(default_factory=set)
    pictures: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


def index_pictures(file: str) -> tuple[Places, list[str], Listing]:
    """List one tar: places and names of its pictures, and all that it holds.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    listing = list_members(file)
    names = safe_names(listing.names)
    rows = [row for row, name in enumerate(listing.names) if _is_picture(name)]
    shown = [names[row] for row in rows]
    offsets = np.frombuffer(listing.offsets, dtype=np.int64)[rows]
    sizes = np.frombuffer(listing.sizes, dtype=np.int64)[rows]
    return Places(shown, offsets, sizes, listing.stamp), shown, listing


def _is_picture(name: str) -> bool:
    return suffix_of(name) in IMAGE_SUFFIXES and not _in_hidden(name)


def _in_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part not in (".", ".."))


def read_shard(
    file: str, rule: LabelRule, read: Callable[[int, int], bytes], beside: Mapping[str, str]
) -> Shard:
    """Return what one tar holds.

    Parameters
    ----------
    file : name that `open` takes.
    rule : how labels and pictures are found.
    read : gives the bytes of the tar at (offset, size).
    beside : labels by stem from a table beside the tar, for samples that hold none.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    import pyarrow as pa

    places, names, listing = index_pictures(file)
    passed = Counter(listing.passed)
    samples = _group(listing, rule, passed)
    shown = [sample for sample in samples if _choose(sample, rule) is not None]
    found = [_label(sample, listing, rule, read) or beside.get(_stem(sample.key), "") for sample in shown]
    chosen = [_choose(sample, rule) for sample in shown]
    return Shard(
        names=pa.array(names, pa.large_string()),
        places=places,
        chosen=np.array([row for _, row in filter(None, chosen)], dtype=np.int64),
        labels=pa.array(map(rule.class_of, found), pa.large_string()),
        passed=passed,
        label_files=Counter(f".{suffix}" for sample in samples for suffix in sample.labels),
        others=_others(samples, rule),
        several=sum(len(sample.pictures) > 1 for sample in samples),
        pictureless=len(samples) - len(shown),
        repeated=len(samples) - len({sample.key for sample in samples}),
        faults=tuple(listing.faults),
    )


def _group(listing: Listing, rule: LabelRule, passed: Counter[str]) -> list[_Sample]:
    """Return the samples in order of their first file; a suffix that stands again starts another one."""
    samples: list[_Sample] = []
    current: dict[str, _Sample] = {}
    row = 0
    for member, name in enumerate(listing.names):
        picture = _is_picture(name)
        parts = _MEMBER.fullmatch(name)
        if _in_hidden(name):
            passed["hidden"] += 1
        elif parts is None:
            passed[suffix_of(name) or "without suffix"] += 1
        else:
            key, suffix = parts[1], parts[2].lower()
            sample = current.get(key)
            if sample is None or suffix in sample.seen:
                sample = current[key] = _Sample(key)
                samples.append(sample)
            sample.seen.add(suffix)
            if suffix in rule.suffixes:
                sample.labels[suffix] = member
            elif picture:
                sample.pictures[suffix] = row
            else:
                passed[suffix_of(name) or "without suffix"] += 1
        row += picture
    return samples


def _choose(sample: _Sample, rule: LabelRule) -> tuple[str, int] | None:
    """Return suffix and row of the picture that stands for a sample, a plain one before ``seg.png``."""
    if rule.picture is not None:
        suffix = rule.picture.lower().lstrip(".")
        return (suffix, sample.pictures[suffix]) if suffix in sample.pictures else None
    plain = (item for item in sample.pictures.items() if "." not in item[0])
    return next(plain, next(iter(sample.pictures.items()), None))


def _others(samples: Sequence[_Sample], rule: LabelRule) -> Counter[str]:
    others = Counter[str]()
    for sample in samples:
        if len(sample.pictures) > 1 or rule.picture is not None:
            chosen = _choose(sample, rule)
            others.update(f".{s}" for s in sample.pictures if chosen is None or s != chosen[0])
    return others


def _stem(key: str) -> str:
    return key[key.rfind("/") + 1 :]


def _label(sample: _Sample, listing: Listing, rule: LabelRule, read: Callable[[int, int], bytes]) -> str:
    for suffix in rule.suffixes:
        member = sample.labels.get(suffix)
        if member is None or listing.sizes[member] > LABEL_BYTES:
            continue
        data = read(listing.offsets[member], listing.sizes[member])
        text = encode_name(data.decode("utf-8-sig", "surrogateescape").strip())
        found = text if suffix != "json" else _field(text, rule.column)
        if found:
            return found
    return ""


def _field(text: str, column: str | None) -> str:
    """Return the label in a sample's JSON, "" where there is none."""
    try:
        record = _SPELLED.decode(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(record, dict):
        return ""
    return next((said for said in map(_spell, _wanted(record, column)) if said), "")


def _wanted(record: Mapping[str, Any], column: str | None) -> Iterator[Any]:
    names: Sequence[str] = LABEL_FIELDS if column is None else (column,)
    if column is not None and column in record:
        yield record[column]
    plain = {key.strip().lower(): value for key, value in record.items()}
    for name in names:
        yield plain.get(name.strip().lower())


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return encode_name(value.strip()) if isinstance(value, str) else ""
