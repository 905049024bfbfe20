"""Map-style datasets as one flat list of items, with what can be told of them before they are read.

Subset(ConcatDataset([a, b]), [7, 0])  --flatten-->  leaves a, b; owner [1, 0]; index [2, 0]
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import AuditError, DataError, UsageError
from auditor.sources.names import encode_name, plural

PROBES = 8
"""Items taken twice while reading: do they come out the same, and do their labels agree with the list?"""

LABEL_BITS = 63
REASON_CHARACTERS = 200

IMAGE_KEYS = ("image", "img", "picture", "pixel_values", "pixels")
LABEL_KEYS = ("label", "labels", "target", "class", "fine_label", "y")
_TORCH, _FOLDER = "torch.utils.data.dataset", "torchvision.datasets.folder"


class Pairs:
    """Pictures and labels side by side, as a dataset."""

    def __init__(self, pictures: Any, labels: Any) -> None:
        self.pictures, self.labels = _by_position(pictures), _by_position(labels)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return self.pictures[row], self.labels[row]


def _by_position(values: Any) -> Any:
    """A pandas column looks a number up in its index."""
    return list(values) if hasattr(values, "iloc") else values


@dataclass(frozen=True)
class Flat:
    """Items of one or more datasets in the order of the whole: item i is ``leaves[owner[i]][index[i]]``."""

    leaves: tuple[Any, ...]
    owner: NDArray[np.int32]
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def only_files(self) -> bool:
        return all(map(is_folder, self.leaves))

    def take(self, row: int) -> tuple[Any, Any]:
        """Return picture and label of an item.

        Raises
        ------
        DataError
            If the dataset raises, or the item is nothing like that.
        """
        leaf, index = self.leaves[self.owner[row]], int(self.index[row])
        try:
            item = leaf[index]
        except AuditError:
            raise
        except Exception as error:  # the user's code may raise anything
            said = str(error).strip().splitlines()
            words = f"the dataset raised {type(error).__name__}{f': {said[0]}' if said else ''}"
            raise DataError(words[:REASON_CHARACTERS]) from None
        return _parts(item)

    def file(self, row: int) -> str:
        """Return the file behind an item of a folder dataset, "" elsewhere."""
        leaf = self.leaves[self.owner[row]]
        return os.path.abspath(leaf.samples[self.index[row]][0]) if is_folder(leaf) else ""  # noqa: PTH100

    def suffix(self, row: int) -> str:
        """Return the suffix of an item's picture: what has no file is read as PNG."""
        return os.path.splitext(self.file(row))[1] or ".png"  # noqa: PTH122

    def rows_of(self, leaf: int) -> list[int]:
        """Return the positions of one leaf's items."""
        rows: list[int] = np.flatnonzero(self.owner == leaf).tolist()
        return rows


def _parts(item: Any) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        image = next((item[key] for key in IMAGE_KEYS if key in item), None)
        label = next((item[key] for key in LABEL_KEYS if key in item), None)
        if image is None:
            raise DataError(
                f"the item has no key {IMAGE_KEYS[0]!r}, only {', '.join(map(repr, item))}"[
                    :REASON_CHARACTERS
                ]
            )
        return image, label
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], item[1]
    raise DataError(f"the item is a {type(item).__name__}, not (picture, label) or a dict of the two")


def flatten(dataset: Any) -> Flat:
    """Return the items of a dataset; those of torch's own Subset and ConcatDataset stand for their parts'."""
    home = getattr(type(dataset), "__module__", "")
    name = type(dataset).__name__
    # Subclasses are left whole: their __getitem__ may do more.
    if home == _TORCH and name == "Subset":
        inner, rows = flatten(dataset.dataset), np.asarray(dataset.indices, dtype=np.int64)
        return Flat(inner.leaves, inner.owner[rows], inner.index[rows])
    if home == _TORCH and name == "ConcatDataset":
        parts = [flatten(part) for part in dataset.datasets]
        starts = np.cumsum([0, *(len(part.leaves) for part in parts)])
        return Flat(
            tuple(leaf for part in parts for leaf in part.leaves),
            np.concatenate([part.owner + start for part, start in zip(parts, starts, strict=False)]),
            np.concatenate([part.index for part in parts]),
        )
    count = len(dataset)
    return Flat((dataset,), np.zeros(count, dtype=np.int32), np.arange(count, dtype=np.int64))


def is_folder(leaf: Any) -> bool:
    """Tell whether a dataset is torchvision's ImageFolder or DatasetFolder, reading files its own way."""
    taken = getattr(getattr(type(leaf), "__getitem__", None), "__module__", "")
    return taken == _FOLDER and getattr(getattr(leaf, "loader", None), "__module__", "") == _FOLDER


def names_of(leaf: Any) -> tuple[str, ...] | None:
    """Return the class names that a dataset tells, None where it tells none that its labels count."""
    names = getattr(leaf, "classes", None)
    if getattr(leaf, "target_transform", None) is not None or not isinstance(names, (list, tuple)):
        return None
    texts = [", ".join(map(str, n)) if isinstance(n, tuple) else n for n in names]  # synonyms, in ImageNet
    return tuple(texts) if texts and all(isinstance(n, str) for n in texts) else None


def probe(flat: Flat, notes: list[str]) -> dict[int, Any]:
    """Take a few items twice and return their labels by position; pictures that differ are a note."""
    from auditor.sources.pictures import encode_picture

    labels: dict[int, Any] = {}
    objects = np.flatnonzero([not is_folder(leaf) for leaf in flat.leaves])
    rows = np.flatnonzero(np.isin(flat.owner, objects))
    changing = 0
    for row in rows[np.linspace(0, len(rows) - 1, min(PROBES, len(rows)), dtype=int)].tolist():
        try:
            picture, labels[row] = flat.take(row)
            changing += encode_picture(picture) != encode_picture(flat.take(row)[0])
        except DataError:
            continue  # it will be an unreadable sample, or one without a label
    if changing:
        notes.append(
            f"{changing} of {plural(len(labels), 'item')} taken twice gave another picture the second time: "
            "give the dataset without random transforms, or the page shows other pictures than were judged."
        )
    return labels


def labels_of(flat: Flat, leaf: int, probes: Mapping[int, Any], notes: list[str]) -> list[Any]:
    """Return the labels of one leaf's items, as the dataset gives them.

    They come from the list that the dataset keeps, if one fits, else from one pass over the items.
    """
    dataset, rows = flat.leaves[leaf], flat.rows_of(leaf)
    if is_folder(dataset):
        turn = dataset.target_transform or (lambda target: target)
        return [turn(dataset.samples[i][1]) for i in flat.index[rows]]
    listed = _listed_labels(dataset)
    if listed is not None:
        # A transform of targets shows in the items only.
        asked = [row for row in probes if flat.owner[row] == leaf]
        if all(_same(listed[flat.index[row]], probes[row]) for row in asked):
            return [listed[i] for i in flat.index[rows]]
    notes.append(f"Labels of {plural(len(rows), 'item')} were taken by one pass over them.")
    found = []
    for row in rows:
        try:
            found.append(flat.take(row)[1])
        except DataError:
            found.append(None)
    return found


def _listed_labels(dataset: Any) -> list[Any] | None:
    for name in ("targets", "labels"):
        values: Any = getattr(dataset, name, None)
        values = values.tolist() if hasattr(values, "tolist") else values
        if isinstance(values, (list, tuple)) and len(values) == len(dataset):
            return list(values)
    return None


def _same(listed: Any, taken: Any) -> bool:
    try:
        return _plain(listed) == _plain(taken)
    except UsageError:
        return False


def label_texts(labels: Sequence[Any], classes: Sequence[str] | None) -> list[str]:
    """Return labels as class names: whole numbers are named by `classes`, text stays, None is no label.

    Raises
    ------
    UsageError
        If a label is no whole number and no text, or has no name among `classes`.
    """
    texts: list[str] = []
    for label in labels:
        value = _plain(label)
        if value is None:
            texts.append("")
        elif isinstance(value, str):
            texts.append(encode_name(value))
        elif classes is None:
            texts.append(str(value))
        elif 0 <= value < len(classes):
            texts.append(classes[value])
        else:
            raise UsageError(f"Label {value} has no name: there are {plural(len(classes), 'class')}, from 0.")
    return texts


def _plain(label: Any) -> int | str | None:
    """Return a label as a whole number, text, or None where there is none."""
    if hasattr(label, "item") and (label.numel() if hasattr(label, "numel") else label.size) == 1:
        label = label.item()
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, str):
        return label
    if isinstance(label, (bool, int)) or (isinstance(label, float) and label.is_integer()):
        number = int(label)
        if number.bit_length() > LABEL_BITS:
            raise UsageError(f"A label is a number of {number.bit_length()} bits, which counts no classes.")
        return number
    shape = getattr(label, "shape", None)
    what = f"of shape {tuple(shape)}" if shape is not None else repr(label)[:40]
    raise UsageError(
        f"A label is a {type(label).__name__} {what}: each picture needs one class, a whole number or text."
    )
