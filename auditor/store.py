"""Facts and vectors on disk, so that a rerun decodes and embeds only what is new.

    folder/ STORE.json               the version of this layout, with a checksum
            facts/<sha256>/          one shard folder per definition of the facts and version of the decoder
            vectors/<sha256>/        one shard folder per backbone key
            parts/<sha256>/          whole shards of a dataset per backbone key, facts and vectors together

    path + size + mtime --> FileFacts (byte digest, pixel digest) --> vector by pixel digest and backbone

A run adds shards as it goes; `auditor embed` writes parts, on one machine or many. Readers take the union.
Killed writers and several writers at once do no harm: see `auditor.shards` and `auditor.vector_parts`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from auditor.arrays import Bools, Floats
from auditor.decoding import heic_version
from auditor.errors import DataError, OutputError
from auditor.images import DIGEST_BYTES, FACTS_VERSION, FileFacts
from auditor.part_files import PartRows
from auditor.results import QUALITY_FACTS, SIGNATURE_SIDE
from auditor.shards import ShardFolder
from auditor.vector_parts import Parts
from auditor.writing import is_temporary, why, write_durably

STORE_VERSION = 1
MARKER_NAME = "STORE.json"
FACTS_NAME = "facts"
VECTORS_NAME = "vectors"
PARTS_NAME = "parts"
ERROR_BYTES = 200
"""A reason is kept up to this length."""

FACTS_AT_ONCE = 1 << 16
"""Facts are looked up in parts of this many, about 100 MB."""

_FOLDER_NAME = re.compile(r"[0-9a-f]{64}")
_FACTS_ROW = np.dtype(
    [
        ("readable", "?"),
        ("error", f"S{ERROR_BYTES}"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("byte_digest", f"S{2 * DIGEST_BYTES}"),
        ("digest", f"S{2 * DIGEST_BYTES}"),
        ("perceptual_hash", "<u8"),
        ("signature", "u1", (SIGNATURE_SIDE * SIGNATURE_SIDE,)),
        ("quality", "<f8", (len(QUALITY_FACTS),)),
    ]
)


class Store:
    """Facts of files and vectors of pictures, kept in one folder.

    Parameters
    ----------
    folder : made when it does not exist.
    warn : called with one sentence for each damaged shard or marker; by default the sentences are logged.

    Raises
    ------
    DataError
        If a newer version of auditor made the folder, or the folder holds other things than a store.
    OutputError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] | None = None) -> None:
        self.folder = Path(folder)
        self._warn = warn or logging.getLogger(__name__).warning
        self._folders: dict[Path, ShardFolder] = {}
        self.parts = Parts(self.folder / PARTS_NAME, facts_version(), self._warn)
        self._open()

    def known_facts(self, keys: Sequence[str]) -> dict[str, FileFacts]:
        """Return the stored facts by key (`Contents.key`); unknown keys are left out."""
        known: dict[str, FileFacts] = {}
        for start in range(0, len(keys), FACTS_AT_ONCE):
            part = keys[start : start + FACTS_AT_ONCE]
            found, rows = self._facts().find(part)
            if rows is not None:
                known.update(zip(compress(part, found.tolist()), _facts_of(rows[found]), strict=True))
            known.update(self.parts.find_facts([key for key in part if key not in known]))
        return known

    def add_facts(self, rows: Mapping[str, FileFacts]) -> None:
        """Keep facts by key; one shard per call, so add many at once.

        Files whose bytes could not be read are left out: permissions change without a new key.
        """
        read = {key: facts for key, facts in rows.items() if facts.byte_digest}
        packed = np.array([_row_of(facts) for facts in read.values()], dtype=_FACTS_ROW)
        with self._writing():
            self._facts().add(list(read), packed)

    def find_vectors(self, backbone_key: str, digests: Sequence[str]) -> tuple[Bools, Floats]:
        """Return which digests have a vector (n,), and the vectors (n, d): zero rows where there is none.

        d is 0 while nothing is stored under this backbone key.
        """
        found, rows = self._vectors(backbone_key).find(digests)
        missing = np.flatnonzero(~found)
        in_parts, vectors = self.parts.of(backbone_key).find_vectors([digests[i] for i in missing.tolist()])
        if vectors is not None and rows is None:
            return in_parts, vectors
        if vectors is not None and rows is not None and vectors.shape[1:] == rows.shape[1:]:
            rows[missing[in_parts]] = vectors[in_parts]
            found[missing] = in_parts
        return found, np.zeros((len(digests), 0), dtype=np.float32) if rows is None else rows

    def has_vectors(self, backbone_key: str, digests: Sequence[str]) -> Bools:
        """Return which digests (n,) have a vector, without reading the vectors."""
        in_parts = self.parts.of(backbone_key).has_vectors(digests)
        return np.asarray(self._vectors(backbone_key).has(digests) | in_parts)

    def add_vectors(self, backbone_key: str, digests: Sequence[str], vectors: Floats) -> None:
        """Keep vectors (n, d) by pixel digest; one shard per call, so add many at once.

        Raises
        ------
        DataError
            If the vectors do not match the digests or are not finite.
        OutputError
            If the folder cannot be written.
        """
        if vectors.ndim != 2 or len(vectors) != len(digests):
            raise DataError(
                f"add_vectors needs one row for each of {len(digests)} digests, got {vectors.shape}."
            )
        if not np.isfinite(vectors).all():
            raise DataError("add_vectors needs finite vectors, got some that are not.")
        with self._writing():
            self._vectors(backbone_key).add(list(digests), np.asarray(vectors, dtype=np.float32))

    def add_part(self, shard: str, rows: PartRows, outcome: Mapping[str, Any]) -> None:
        """Keep a whole shard (`auditor.sharding`), facts and vectors together; `OutputError` as above."""
        with self._writing():
            self.parts.of(rows.backbone).add(shard, rows, outcome)

    def info(self) -> dict[str, int]:
        """Return how many files, bytes, facts and vectors (of all backbones) the store holds."""
        paths = list(self._files())
        counts = {
            kind: sum(len(ShardFolder(folder, "", self._warn)) for folder in self._folders_of(kind))
            + self.parts.count()
            for kind in (FACTS_NAME, VECTORS_NAME)
        }
        return {"files": len(paths), "bytes": sum(_size(path) for path in paths), **counts}

    def clear(self) -> int:
        """Delete what the store wrote, and nothing else; return the bytes freed."""
        freed = 0
        with self._writing():
            for path in list(self._files()):
                freed += _size(path)
                path.unlink(missing_ok=True)
            for kind in (FACTS_NAME, VECTORS_NAME, PARTS_NAME):
                for folder in [*self._folders_of(kind), self.folder / kind]:
                    if folder.is_dir() and not any(folder.iterdir()):
                        folder.rmdir()
        self._folders.clear()
        self.parts = Parts(self.folder / PARTS_NAME, facts_version(), self._warn)
        self._open()
        return freed

    def _open(self) -> None:
        marker = self.folder / MARKER_NAME
        with self._writing():
            if not marker.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                write_durably(marker, _marker(STORE_VERSION))
            content = marker.read_bytes()
        version = _version_of(content)
        if version is None:
            self._mend(marker)
        elif version > STORE_VERSION:
            raise DataError(
                f"The store {self.folder} has version {version} and this auditor reads {STORE_VERSION}; "
                "upgrade auditor or choose another folder."
            )

    def _mend(self, marker: Path) -> None:
        """Write a damaged marker again where all else is a store's: each shard has its own checksum."""
        beside = {p.name for p in self.folder.iterdir() if p != marker and not is_temporary(p)}
        if not beside or beside - {FACTS_NAME, VECTORS_NAME, PARTS_NAME}:
            raise DataError(f"{marker} is no store's marker; choose another folder, or delete it.")
        self._warn(f"{marker} was damaged and is written again.")
        with self._writing():
            write_durably(marker, _marker(STORE_VERSION))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"The store {self.folder} cannot be written ({why(error)})"
            raise OutputError(f"{said}; choose another folder or make room.") from error

    def _facts(self) -> ShardFolder:
        return self._of(FACTS_NAME, facts_version(), _FACTS_ROW)

    def _vectors(self, backbone_key: str) -> ShardFolder:
        return self._of(VECTORS_NAME, backbone_key, np.dtype(np.float32))

    def _of(self, kind: str, key: str, dtype: np.dtype[Any]) -> ShardFolder:
        folder = self.folder / kind / hashlib.sha256(key.encode()).hexdigest()
        return self._folders.setdefault(folder, ShardFolder(folder, key, self._warn, dtype))

    def _folders_of(self, kind: str) -> list[Path]:
        return sorted(
            p for p in (self.folder / kind).glob("*") if _FOLDER_NAME.fullmatch(p.name) and p.is_dir()
        )

    def _files(self) -> Iterator[Path]:
        """Yield every file that a store wrote here."""
        for kind in (FACTS_NAME, VECTORS_NAME):
            for folder in self._folders_of(kind):
                yield from ShardFolder(folder, "", self._warn).files()
        yield from self.parts.files()
        yield from (p for p in self.folder.iterdir() if p.name == MARKER_NAME or is_temporary(p))


def _marker(version: int) -> bytes:
    """Return what stands in a store's marker."""
    about = {"what": "auditor store", "version": version}
    return (json.dumps({**about, "crc": _crc(about)}) + "\n").encode()


def _version_of(content: bytes) -> int | None:
    """Return the version that a store's marker names, None when it is damaged or another's file."""
    try:
        told = json.loads(content)
        version, crc = int(told["version"]), told.pop("crc", None)
        # The first markers had no checksum.
        whole = told["what"] == "auditor store" and crc in (None, _crc(told))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    return version if whole else None


def _crc(about: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(about).encode())


def facts_version() -> str:
    """Return what facts are made by, so that others do not count as theirs."""
    # Another Pillow may decode a JPEG to slightly other pixels, and digests are compared. What pillow-heif
    # decodes is unreadable without it.
    heic = f", pillow-heif {version}" if (version := heic_version()) else ""
    return f"facts {FACTS_VERSION}, Pillow {PIL.__version__}{heic}"


def _row_of(facts: FileFacts) -> tuple[Any, ...]:
    return (
        facts.readable,
        facts.error.encode()[:ERROR_BYTES],
        facts.width,
        facts.height,
        facts.byte_digest.encode(),
        facts.digest.encode(),
        facts.perceptual_hash,
        np.frombuffer(facts.signature, dtype=np.uint8),
        facts.quality,
    )


def _facts_of(rows: NDArray[Any]) -> Iterator[FileFacts]:
    """Yield the facts of each row; whole columns are converted, which is faster than row by row."""
    plain = {name: rows[name].tolist() for name in _FACTS_ROW.names or () if name != "signature"}
    texts = ("error", "byte_digest", "digest")
    for i in range(len(rows)):
        values = {name: column[i] for name, column in plain.items()}
        values |= {name: values[name].decode(errors="ignore") for name in texts}
        values["quality"] = tuple(values["quality"])
        yield FileFacts(signature=rows["signature"][i].tobytes(), **values)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # Another process cleared it meanwhile.
        return 0
