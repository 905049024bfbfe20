"""Pack labelled picture folders into one array for `train.py`.

    DATA/<folders of SOURCES> --> OUT/pictures.npy (n, 72, 72, 3) uint8
                                  OUT/labels.npz   label (n,), source (n,), class_names (c,),
                                                   first_class (s + 1,)

Classes are numbered through all sources: source j has the classes first_class[j] to first_class[j + 1].

    python benchmarks/backbone/pack.py DATA OUT
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 72
SUFFIXES = {".jpg", ".jpeg", ".png"}

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """Class folders that match any of `patterns` under the data folder; folders of one name are one class.

    most : at most so many pictures of a class, the first by name; 0 takes all.
    """

    name: str
    patterns: tuple[str, ...]
    most: int = 0

    def classes(self, data: Path) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for pattern in self.patterns:
            for folder in sorted(p for p in data.glob(pattern) if p.is_dir()):
                files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
                found.setdefault(folder.name, []).extend(files)
        return {name: files[: self.most or None] for name, files in sorted(found.items()) if files}


SOURCES = (
    Source("Tiny ImageNet", ("tinyimagenet32/train/*",)),
    Source("Imagenette", ("imagenette224/train/*", "imagenette224/val/*")),
    Source("Imagewoof", ("imagewoof224/train/*", "imagewoof224/val/*")),
    Source("Caltech-101", ("caltech101/101_ObjectCategories/*",)),
    Source("Fruits-360", ("fruits60/Training/*",), most=150),
    Source("TrashNet", ("trashnet/dataset-resized/*",)),
    Source("clothing-dataset-small", ("clothing-small/train/*",)),
    Source("GroceryStoreDataset", ("grocery/dataset/train/*/*",)),
)


def square(path: Path) -> Picture | None:
    """Return the central square at `SIDE_PX`, None when the file does not decode."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
            rgb = image.convert("RGB")
    except OSError:
        return None
    side = min(rgb.size)
    left, top = (rgb.width - side) / 2, (rgb.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(rgb.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, box=box))


def rows(data: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield (file, class name, number of its source), class after class."""
    for number, source in enumerate(SOURCES):
        classes = source.classes(data)
        print(f"{source.name}: {len(classes)} classes, {sum(map(len, classes.values()))} pictures")
        for name, files in classes.items():
            yield from ((file, f"{source.name}/{name}", number) for file in files)


def pack(data: Path, out: Path) -> None:
    """Write the two files; pictures that do not decode are left out and counted."""
    table = list(rows(data))
    with ThreadPoolExecutor() as pool:
        squares = list(pool.map(square, (file for file, _, _ in table), chunksize=64))
    kept = [(name, source) for (_, name, source), one in zip(table, squares, strict=True) if one is not None]
    class_names = list(dict.fromkeys(name for name, _ in kept))
    source_of_class = np.array([dict(kept)[name] for name in class_names])
    number = {name: i for i, name in enumerate(class_names)}
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "pictures.npy", np.stack([one for one in squares if one is not None]))
    np.savez(
        out / "labels.npz",
        label=np.array([number[name] for name, _ in kept]),
        source=np.array([source for _, source in kept]),
        class_names=np.array(class_names),
        first_class=np.searchsorted(source_of_class, np.arange(len(SOURCES) + 1)),
    )
    print(f"{len(kept)} pictures of {len(class_names)} classes; {len(table) - len(kept)} did not decode")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    pack(arguments.data, arguments.out)
