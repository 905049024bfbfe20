"""Results of finished stages on disk, so that a run that was stopped goes on from the last of them.

    FOLDER / neighbours / done.json        {key, seconds, files: {name: [bytes, sha256]}, sha256}, the last
                          document.json    what is no array
                          indices.npy ..   the arrays
           / probabilities / ..

A result is used again only under its own key: a digest of all that the stages depend on, from the labels to
the version of each library. What is cut off, changed or of another key is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from auditor import __version__
from auditor.arrays import Ids, as_ids
from auditor.documents import finding_part, read_finding
from auditor.errors import DataError
from auditor.images import digest_facts
from auditor.results import (
    Backbone,
    ClassPair,
    ClassSeparation,
    Dataset,
    Embeddings,
    Finding,
    ImageFacts,
    Separation,
)
from auditor.writing import save_array, why

LEAST_SECONDS = 2.0
"""A stage that was quicker is not kept: making it again costs less than it is worth."""
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "faiss-cpu", "torch", "cleanlab", "openTSNE")
"""Another version of one of these may give other figures."""
DONE, DOCUMENT = "done.json", "document.json"
HASHED_BYTES = 1 << 24

T = TypeVar("T")
Array = NDArray[Any]


@dataclass(frozen=True)
class Kept:
    """A stage's result as it is stored: `arrays` of plain numbers, `document` of what JSON can say."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    document: Any = None
    seconds: float = 0.0


class Checkpoints(Protocol):
    """Where `run_audit` looks for results of an earlier run, and keeps those of this one."""

    def load(self, stage: str, key: str) -> Kept | None:
        """Return what was kept under this key, None when there is nothing that can be trusted."""

    def keep(self, stage: str, key: str, result: Kept) -> None:
        """Keep the result of a finished stage."""


class StageFolder:
    """Checkpoints in a folder, made when there is something to keep.

    Parameters
    ----------
    folder : see the module docstring.
    tell : called with a sentence when a result cannot be kept or is damaged; the run goes on without.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = lambda sentence: None) -> None:
        self._folder, self._tell = folder, tell

    def load(self, stage: str, key: str) -> Kept | None:
        folder = self._folder / stage
        if not (folder / DONE).is_file():
            return None
        try:
            done = _read_done(folder)
            return _read(folder, done) if done["key"] == key else None
        except (OSError, EOFError, AttributeError, KeyError, TypeError, ValueError):
            self._tell(f"What an earlier run kept of the stage {stage!r} is damaged and is made again.")
            return None

    def keep(self, stage: str, key: str, result: Kept) -> None:
        if result.seconds < LEAST_SECONDS:
            return
        beside = self._folder / f"{stage}.new"
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            _write(beside, key, result)
            shutil.rmtree(self._folder / stage, ignore_errors=True)
            beside.rename(self._folder / stage)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            self._tell(
                f"The stage {stage!r} cannot be kept in {str(self._folder)!r} for a run that goes on "
                f"({why(error)})."
            )


def _write(folder: Path, key: str, result: Kept) -> None:
    for name, values in result.arrays.items():
        with (folder / f"{name}.npy").open("wb") as array:
            save_array(array, values)
    text = json.dumps(result.document, separators=(",", ":"))
    (folder / DOCUMENT).write_text(text, encoding="ascii")
    files = {file.name: [file.stat().st_size, _file_digest(file)] for file in sorted(folder.iterdir())}
    done = {"key": key, "seconds": result.seconds, "files": files}
    sealed = {**done, "sha256": digest_of(done)}
    (folder / DONE).write_text(json.dumps(sealed, indent=1) + "\n", encoding="ascii")
    for file in folder.iterdir():
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())


def _read_done(folder: Path) -> dict[str, Any]:
    done: dict[str, Any] = json.loads((folder / DONE).read_text(encoding="ascii"))
    if done.pop("sha256") != digest_of(done):
        raise ValueError("the checksum does not match")
    return done


def _read(folder: Path, done: Mapping[str, Any]) -> Kept:
    if not _is_whole(folder, done["files"]):
        raise ValueError("a file is not what was written")
    names = [name.removesuffix(".npy") for name in done["files"] if name.endswith(".npy")]
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
    document = json.loads((folder / DOCUMENT).read_text(encoding="ascii"))
    return Kept(arrays, document, float(done["seconds"]))


def _is_whole(folder: Path, files: Mapping[str, tuple[int, str]]) -> bool:
    # The sizes of all first: a file that is cut off need not be read.
    if any((folder / name).stat().st_size != size for name, (size, _) in files.items()):
        return False
    return all(_file_digest(folder / name) == digest for name, (_, digest) in files.items())


def _file_digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while block := handle.read(HASHED_BYTES):
            digest.update(block)
    return digest.hexdigest()


def digest_of(*parts: object) -> str:
    """Return the sha256, hex, of arrays, texts, dataclasses and what JSON can say, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest.update, part)
    return digest.hexdigest()


def _feed(update: Callable[[Any], None], part: object) -> None:
    if isinstance(part, np.ndarray) and part.dtype.kind == "O":
        texts = [str(value) for value in part]
        # Lengths beside, so that no choice of names makes two lists look the same.
        _feed(update, np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
        update("".join(texts).encode("utf-8", "surrogatepass"))
    elif isinstance(part, np.ndarray):
        update(f"{part.dtype.str}{part.shape}".encode())
        step = max(1, HASHED_BYTES // max(1, part[:1].nbytes))
        for start in range(0, len(part), step):  # by blocks: a mapped file needs no memory
            update(np.ascontiguousarray(part[start : start + step]).data)
    elif is_dataclass(part):
        for f in fields(part):
            _feed(update, f.name)
            _feed(update, getattr(part, f.name))
    elif isinstance(part, Mapping):
        for name in sorted(part):
            _feed(update, name)
            _feed(update, part[name])
    else:
        text = json.dumps(part).encode()
        update(f"{len(text)}:".encode() + text)


@cache
def engine_key() -> str:
    """Return a digest of this version of the engine, its source included, and of the libraries it uses."""
    source = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(file.read_bytes())
    return digest_of(__version__, source.hexdigest(), [_version(name) for name in LIBRARIES])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def dataset_key(dataset: Dataset) -> str:
    """Return a digest of everything in a dataset that a result may depend on."""
    columns = [dataset.table[name].to_numpy(dtype=object) for name in dataset.table.columns]
    return digest_of(list(dataset.classes), *columns)


@dataclass(frozen=True)
class Form(Generic[T]):
    """How one stage's result is stored and read."""

    pack: Callable[[T], Kept]
    unpack: Callable[[Kept], T]

    def read(self, kept: Kept | None) -> T | None:
        """Return the stored result, None when there is none or when it does not fit together."""
        try:
            return None if kept is None else self.unpack(kept)
        except (DataError, KeyError, TypeError, ValueError):
            return None


def rows_form(kind: type[T], ids: Ids) -> Form[T]:
    """Return the form of a result that has a row for each of `ids`: its arrays, and plain values beside."""

    def pack(result: T) -> Kept:
        values = {f.name: getattr(result, f.name) for f in fields(cast(Any, kind)) if f.name != "ids"}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        return Kept(arrays, {name: value for name, value in values.items() if name not in arrays})

    def unpack(kept: Kept) -> T:
        return cast(Any, kind)(ids=ids, **kept.arrays, **kept.document)  # type: ignore[no-any-return]

    return Form(pack, unpack)


def features_form(ids: Ids) -> Form[tuple[ImageFacts, Embeddings]]:
    """Return the form of the user's own vectors and their facts."""

    def pack(result: tuple[ImageFacts, Embeddings]) -> Kept:
        facts, made = result
        digests = np.frombuffer(bytes.fromhex("".join(facts.digest)), dtype=np.uint8)
        arrays: dict[str, Array] = {"vectors": made.vectors, "digests": digests.reshape(len(ids), -1)}
        return Kept(arrays, asdict(made.backbone))

    def unpack(kept: Kept) -> tuple[ImageFacts, Embeddings]:
        digests = as_ids([row.tobytes().hex() for row in kept.arrays["digests"]])
        made = Embeddings(ids, kept.arrays["vectors"], Backbone(**kept.document))
        return digest_facts(ids, digests), made

    return Form(pack, unpack)


FINDINGS: Form[tuple[Finding, ...]] = Form(
    lambda findings: Kept(document=[finding_part(f) for f in findings]),
    lambda kept: tuple(read_finding(part) for part in kept.document),
)


def _read_separation(kept: Kept) -> Separation:
    part = kept.document
    classes = tuple(ClassSeparation(**{**c, "mixed_with": tuple(c["mixed_with"])}) for c in part["classes"])
    pairs = tuple(ClassPair(**p) for p in part["pairs"])
    return Separation(**{**part, **kept.arrays, "classes": classes, "pairs": pairs})


def _pack_separation(separation: Separation) -> Kept:
    document = asdict(separation)
    return Kept({"confusion": document.pop("confusion")}, document)


SEPARATION: Form[Separation] = Form(_pack_separation, _read_separation)
