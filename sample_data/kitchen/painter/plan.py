"""Which pictures the set holds and what is wrong with them, before anything is painted.

Picture   one file: what it shows, the label it gets, and the defect planted in it
plan      regular pictures, then planted ones; copies name the key of their original
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from painter.canvas import Rng
from painter.subjects import SUBJECTS

CLASSES = ("avocado", "knife", "pear", "pencil", "spoon")
DOMAINS = ("photo", "drawing")
TRAIN_PER_CELL, TEST_PER_CELL = 45, 15
"""Regular pictures of one class in one domain."""

WRONG: dict[tuple[str, str], int] = {
    ("avocado", "knife"): 10,
    ("knife", "avocado"): 2,
    ("avocado", "pear"): 1,
    ("pear", "avocado"): 1,
    ("avocado", "spoon"): 1,
    ("pear", "knife"): 1,
    ("pear", "pencil"): 1,
    ("pear", "spoon"): 2,
    ("pencil", "avocado"): 2,
    ("pencil", "spoon"): 1,
    ("knife", "pear"): 1,
    ("spoon", "avocado"): 1,
    ("spoon", "knife"): 1,
    ("spoon", "pear"): 2,
}
"""Wrong labels: (label given, what the picture shows) -> how many."""

WITH_KNIFE = 10
EXACT, LOSSLESS_EXACT = 6, 3
CONFLICTING, LEAKS = 5, 6
NEAR = ("jpeg 40", "crop 90 %", "resize 96 px") * 4
UNUSABLE = {"dark": 5, "blurred": 5, "empty": 4}
UNREADABLE = ("truncated", "zero bytes", "web page", "truncated")


@dataclass(frozen=True)
class Picture:
    """One file of the set.

    `shows` is a class, "avocado with knife", an off-topic subject or "nothing"; `problem` is "" for a regular
    picture; `of` is the key of the original of a copy; `path` is given last.
    """

    key: int
    shows: str
    label: str
    domain: str
    split: str
    problem: str = ""
    detail: str = ""
    of: int = -1
    suffix: str = ".jpg"
    path: str = ""

    @property
    def right_label(self) -> str:
        """The class the picture should be filed under; "" where there is none."""
        if self.problem in ("off_topic", "empty", "unreadable"):
            return ""
        return self.shows.split()[0]


def _regular() -> Iterator[Picture]:
    key = 0
    for split, count in (("train", TRAIN_PER_CELL), ("test", TEST_PER_CELL)):
        for label in CLASSES:
            for domain in DOMAINS:
                for number in range(count):
                    suffix = {0: ".png", 1: ".webp"}.get(number, ".jpg") if split == "train" else ".jpg"
                    yield Picture(key, label, label, domain, split, suffix=suffix)
                    key += 1


def _new(rng: Rng) -> Iterator[Picture]:
    """Yield the planted pictures that are painted, not copied; keys are given later."""
    number = 0
    for (label, shows), count in WRONG.items():
        for _ in range(count):
            yield Picture(-1, shows, label, DOMAINS[number % 2], "train", "wrong_label")
            number += 1
    for number in range(WITH_KNIFE):
        yield Picture(-1, "avocado with knife", "avocado", DOMAINS[number % 2], "train", "avocado_with_knife")
    for domain in DOMAINS:
        for number, subject in enumerate(rng.permutation(list(SUBJECTS[domain]))):
            label = CLASSES[number % len(CLASSES)]
            yield Picture(-1, str(subject), label, domain, "train", "off_topic", str(subject))
    for problem, count in UNUSABLE.items():
        for number in range(count):
            label = CLASSES[int(rng.integers(len(CLASSES)))]
            shows = "nothing" if problem == "empty" else label
            yield Picture(-1, shows, label, DOMAINS[number % 2], "train", problem)
    for number, how in enumerate(UNREADABLE):
        label = CLASSES[int(rng.integers(len(CLASSES)))]
        yield Picture(-1, label, label, DOMAINS[number % 2], "train", "unreadable", how)


def _copies(rng: Rng, regular: list[Picture]) -> Iterator[Picture]:
    """Yield copies of regular training pictures, each of another original."""
    train = [p for p in regular if p.split == "train"]
    jpegs = iter(rng.permutation([p.key for p in train if p.suffix == ".jpg"]))
    pngs = iter(rng.permutation([p.key for p in train if p.suffix == ".png"]))
    for number in range(EXACT + LOSSLESS_EXACT):
        same_bytes = number < EXACT
        original = regular[int(next(jpegs if same_bytes else pngs))]
        suffix, how = (".jpg", "same bytes") if same_bytes else (".webp", "same pixels")
        yield replace(original, problem="exact_copy", detail=how, of=original.key, suffix=suffix)
    for how in NEAR:
        original = regular[int(next(jpegs))]
        yield replace(original, problem="near_copy", detail=how, of=original.key)
    for _ in range(CONFLICTING):
        original = regular[int(next(jpegs))]
        other = str(rng.choice([c for c in CLASSES if c != original.label]))
        yield replace(original, label=other, problem="conflicting_copy", detail="same bytes", of=original.key)
    for _ in range(LEAKS):
        original = regular[int(next(jpegs))]
        yield replace(original, split="test", problem="leak", detail="same bytes", of=original.key)


def make_plan(seed: int) -> list[Picture]:
    """Return all pictures of the set, originals before their copies; names tell nothing."""
    rng = np.random.default_rng([seed, 0])
    pictures = list(_regular())
    for picture in [*_new(rng), *_copies(rng, pictures)]:
        pictures.append(replace(picture, key=len(pictures)))
    names = rng.permutation(0xFFFFF)[: len(pictures)]
    return [replace(p, path=f"images/{n:05x}{p.suffix}") for p, n in zip(pictures, names, strict=True)]
