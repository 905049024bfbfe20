"""Arrays, ids and progress: what every stage shares.

    Ids (m,) object of str     Floats float32     Ints int32     Bools bool

Rows join by id (`rows_of`), never by position.
"""

from __future__ import annotations

import ast
import math
import re
import sys
import tokenize
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.faults import SHOWN_CHARACTERS

Ids = NDArray[np.object_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]


class Progress(Protocol):
    """Called by long stages: `done` of `total` units of `stage` are finished."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def no_progress(stage: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def as_ids(values: Sequence[str] | pd.Series | NDArray[Any]) -> Ids:
    """Return ids as a one-dimensional object array of `str`."""
    if isinstance(values, pd.Series):
        values = values.to_numpy(dtype=object)  # ten times as fast to walk through
    out = np.empty(len(values), dtype=object)
    out[:] = [str(v) for v in values]
    return out


def rows_of(ids: Ids, wanted: Sequence[str] | Ids) -> NDArray[np.int64]:
    """Return the row of each wanted id.

    Raises
    ------
    DataError
        If an id is not among `ids`.
    """
    wanted = np.asarray(wanted, dtype=object)
    if wanted is ids or (len(wanted) == len(ids) and (wanted == ids).all()):
        return np.arange(
            len(ids), dtype=np.int64
        )  # the usual case, and an index of a million ids takes a second
    rows = pd.Index(ids).get_indexer(pd.Index(wanted))
    if (rows < 0).any():
        missing = wanted[rows < 0]
        raise DataError(f"{len(missing)} ids are unknown here, the first is {missing[0]!r}.")
    return np.asarray(rows, dtype=np.int64)


def check_array(owner: object, name: str, shape: tuple[int | None, ...], kind: str) -> None:
    """Check one array field: `kind` is numpy's dtype kind ('f', 'i', 'b', 'u', 'O')."""
    value = getattr(owner, name)
    what = f"{type(owner).__name__}.{name}"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kind:
        got = getattr(value, "dtype", type(value).__name__)
        raise DataError(f"{what} needs an array of kind {kind!r}, got {got}.")
    same_rank = value.ndim == len(shape)
    if not same_rank or any(w is not None and w != g for w, g in zip(shape, value.shape, strict=True)):
        wanted = tuple("any" if w is None else w for w in shape)
        raise DataError(f"{what} needs shape {wanted}, got {value.shape}.")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        bad = int((~np.isfinite(value)).sum())
        raise DataError(f"{what} holds {bad} values of {value.size} that are not finite.")


def check_range(owner: object, name: str, low: float, high: float) -> None:
    """Check that the values of one array field lie in [low, high]."""
    value = getattr(owner, name)
    if value.size and (value.min() < low or value.max() > high):
        what = f"{type(owner).__name__}.{name}"
        raise DataError(f"{what} must lie in [{low}, {high}], found [{value.min():.6g}, {value.max():.6g}].")


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""Versions of the .npy format that hold plain numbers and texts."""
_HEADER_BYTES = 10_000
"""Longest header that numpy reads."""
_LONG = re.compile(r"(?<=\d)L\b")
"""Python 2 wrote numbers as 10L."""


def read_array(file: Path, mapped: bool = False) -> NDArray[Any]:
    """Return the array in a .npy file, mapped into memory if asked; nothing pickled is ever loaded.

    Raises
    ------
    DataError
        Why it holds no array of plain numbers or texts; the shape that it claims is believed only when the
        file is long enough for it.
    """
    try:
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # of headers by Python 2
            _check_header(file)
            array: NDArray[Any] = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
        if array.dtype.kind == "U" and not _are_characters(array):
            raise DataError("its texts hold what is no character")
        return array
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError("its array does not fit into memory") from error
    except (EOFError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"it is damaged: {said[:SHOWN_CHARACTERS]}") from error


def _check_header(file: Path) -> None:
    """Raise for what numpy would unpickle, and for a shape that needs more than the file holds."""
    with file.open("rb") as opened:
        start = opened.read(len(np.lib.format.MAGIC_PREFIX))
        if start != np.lib.format.MAGIC_PREFIX:
            archive = start.startswith(b"PK")
            raise DataError("it is an archive: write one array" if archive else "it is no .npy file")
        opened.seek(0)
        version = np.lib.format.read_magic(opened)
        if version not in _HEADERS:
            raise DataError(f"it is of version {version[0]}.{version[1]} of the .npy format")
        opened.seek(0)
        try:
            check_types(opened)
            opened.seek(len(np.lib.format.MAGIC_PREFIX) + 2)
            shape, _, dtype = _HEADERS[version](opened)
        except (SyntaxError, tokenize.TokenError) as error:  # the header is Python text
            raise DataError("its header is damaged") from error
        left = file.stat().st_size - opened.tell()
    if dtype.hasobject:
        raise DataError("it holds Python objects")
    if dtype.kind == "V":
        raise DataError(f"it holds neither numbers nor texts, but {str(dtype)[:SHOWN_CHARACTERS]}")
    needed = math.prod(shape) * max(dtype.itemsize, 1)
    if min(shape, default=0) < 0 or needed > left:
        raise DataError(f"it is cut off: {left:,} bytes are no array {shape} of {dtype}")


def _are_characters(texts: NDArray[np.str_]) -> bool:
    """Tell whether an array of texts holds nothing beyond Unicode, which Python fails on."""
    codes = np.ascontiguousarray(texts).astype(texts.dtype.newbyteorder("=")).view(np.uint32)
    return codes.size == 0 or int(codes.max()) <= sys.maxunicode


def check_types(opened: BinaryIO) -> None:
    """Raise `ValueError` for a .npy file whose header asks for a type that numpy must not be given.

    numpy divides by the numbers in the brackets of types of times, and a zero among them ends the process.
    The header is any Python literal, so it is read as one. `opened` is read from its start.

    Raises
    ------
    ValueError, SyntaxError, RecursionError, MemoryError, TypeError
        If there is no such header.
    """
    major = opened.read(len(np.lib.format.MAGIC_PREFIX) + 2)[-2:-1]
    width = 2 if major == b"\1" else 4
    length = int.from_bytes(opened.read(width), "little")
    text = opened.read(min(length, _HEADER_BYTES)).decode("latin-1")
    try:
        header = ast.literal_eval(text.strip())
    except SyntaxError:
        header = ast.literal_eval(_LONG.sub("", text.strip()))
    if not isinstance(header, dict):
        raise ValueError("its header is no dictionary")
    _refuse_times(header.get("descr"))


def _refuse_times(descr: object) -> None:
    if isinstance(descr, str) and "[" in descr:
        raise ValueError("it holds times")
    if isinstance(descr, (list, tuple)):
        for part in descr:
            _refuse_times(part)
