"""What the fuzz tests share: how many cases, bounds of time and memory, and how files are spoiled.

valid file --spoiled--> bytes with some flipped, cut off, repeated or taken from another valid file
valid JSON --spoiled_json--> a document with values of other types, without keys, with odd texts
"""

from __future__ import annotations

import copy
import faulthandler
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
from faults.tally import tally
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from auditor.errors import AuditError

FAST, NIGHTLY, PAGES = 200, 10_000, 1000
COMMON: dict[str, Any] = {
    "database": None,  # a found case becomes a test of its own, not a file on one machine
    "deadline": None,
    "print_blob": True,
    "phases": [Phase.generate, Phase.shrink],
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("fast", max_examples=FAST, derandomize=True, **COMMON)
settings.register_profile("nightly", max_examples=NIGHTLY, **COMMON)
settings.register_profile("pages", max_examples=PAGES, **COMMON)

MOST_SECONDS = 120
"""A case that takes longer ends the tests with a traceback: even an endless loop in C is told."""
MOST_BYTES = 1 << 30

HUGE = (2**31, 2**63, 2**64, 10**30, -1, -(2**63), 1e308, float("nan"), float("inf"), -0.0)
ODD_TEXTS = (
    "", " ", "\0", "\ufeff", "\u2028", "\x85", "\x1b[31m", "\udcff", "\ud800", "\U0010ffff", "\r", "\n",
    "a\nb", "'", '"', '""', "=1+1", "'=1+1", "__proto__", "..", "../..", "/", "%", "%00", "%E9", "%ED%A0%80",
    "nan", "None", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x" * 5000, "9" * 5000,
    "</script>",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    0.5,
    [],
    {},
    [[]],
    [None],
    {"": None},
    *HUGE,
    *ODD_TEXTS,
)


Check = Callable[..., None]
Strategy: TypeAlias = st.SearchStrategy[Any]


class Fuzz(Protocol):
    """Holds `check` against many cases drawn for its arguments; `reader` names its line in the table."""

    def __call__(self, reader: str, check: Check, **drawn: Strategy) -> None: ...


def hold(
    request: pytest.FixtureRequest, profile: str, reader: str, check: Check, drawn: Mapping[str, Strategy]
) -> None:
    """Hold `check` against drawn cases, within bounds; they are counted in a line of the table of faults."""
    survived = 0

    def bounded(**values: Any) -> None:
        nonlocal survived
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        try:
            check(**values)
            survived += 1
        finally:
            faulthandler.cancel_dump_traceback_later()

    bounded.__name__ = re.sub(r"\W+", "_", check.__qualname__)  # what a derandomized run is seeded by
    failed = 1
    try:
        with bounded_memory(MOST_BYTES):
            settings(settings.get_profile(profile))(given(**drawn)(bounded))()
        failed = 0
    finally:
        tally(request, f"fuzzed {reader}", survived + failed, survived)


def one_sentence(read: Callable[[], object], *words: str) -> None:
    """Hold that `read` raises an `AuditError` of one sentence, with these words in it."""
    with pytest.raises(AuditError) as caught:
        read()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    for word in words:
        assert word in str(caught.value)


@contextmanager
def bounded_memory(most: int) -> Iterator[None]:
    """Fail when the process took more than `most` bytes beside what it had before."""
    with suppress(OSError):  # not every system lets the peak be reset: it then counts from the start
        Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    yield
    grown = _memory("VmHWM") - before
    assert grown <= most, f"{grown:,} bytes of memory more, {most:,} allowed"


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


# Bytes


@st.composite
def spoiled(draw: st.DrawFn, valid: Sequence[bytes], most: int = 4) -> bytes:
    """Draw one of these valid files with up to `most` changes of its bytes."""
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(0, most))):
        data = draw(st.sampled_from(CHANGES))(draw, data, valid)
    return data


def _place(draw: st.DrawFn, data: bytes) -> int:
    """Draw a place, every other time near the start, where headers are."""
    last = max(len(data) - 1, 0)
    return draw(st.integers(0, min(last, 63)) | st.integers(0, last))


def _flip(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def _number(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    """Put a telling number of 2 or 4 bytes somewhere, as sizes and offsets are written."""
    size, order = draw(st.sampled_from([2, 4])), draw(st.sampled_from(["little", "big"]))
    value = draw(st.sampled_from([0, 1, 2**7, 2**15 - 1, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1]))
    at = _place(draw, data)
    raw = (value % 2 ** (8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    return data[:at] + raw + data[at + size :]


def _cut(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    return data[: _place(draw, data)]


def _remove(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + data[at + draw(st.integers(1, 64)) :]


def _repeat(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    at, length = _place(draw, data), draw(st.integers(1, 64))
    return data[:at] + data[at : at + length] * draw(st.integers(2, 50)) + data[at + length :]


def _splice(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    other = draw(st.sampled_from(valid))
    return data[: _place(draw, data)] + other[_place(draw, other) :]


def _insert(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.binary(min_size=1, max_size=16)) + data[at:]


CHANGES = (_flip, _flip, _number, _number, _cut, _remove, _repeat, _splice, _insert)


# JSON


@st.composite
def spoiled_json(draw: st.DrawFn, valid: Sequence[Any], most: int = 3) -> bytes:
    """Draw the text of one of these documents with up to `most` values or keys changed, or its bytes."""
    document = copy.deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, most))):
        document = _change(draw, document)
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    data = text.encode(draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16"])), "surrogatepass")
    broken = draw(st.sampled_from([_same] * 6 + [_nest, _digits, _double_keys, _cut, _flip]))
    return broken(draw, data, [data])


def _change(draw: st.DrawFn, document: Any) -> Any:
    """Return the document with one value replaced, removed, repeated, or moved to another place."""
    holder, key = None, None
    found = document
    while isinstance(found, (dict, list)) and found and (holder is None or draw(st.integers(0, 9))):
        holder, key = (
            found,
            draw(st.sampled_from(list(found) if isinstance(found, dict) else range(len(found)))),
        )
        found = holder[key]
    what = draw(st.sampled_from(["odd", "odd", "odd", "remove", "repeat", "another", "key"]))
    if holder is None or draw(st.integers(0, 99)) == 0:
        return _odd(draw)
    if what == "odd":
        holder[key] = _odd(draw)
    elif what == "remove":
        del holder[key]
    elif what == "repeat":
        holder[key] = found * draw(st.integers(2, 5)) if isinstance(found, list) else [found]
    elif what == "another":
        values = list(holder.values()) if isinstance(holder, dict) else holder
        holder[key] = copy.deepcopy(draw(st.sampled_from(values)))
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(ODD_TEXTS))] = holder.pop(key)
    return document


def _odd(draw: st.DrawFn) -> Any:
    return copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))


def _same(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    return data


def _nest(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    """Put a value many levels deep where a value stands."""
    depth = draw(st.sampled_from([100, 450, 900, 990, 5000, 100_000]))
    opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
    inner = opening * depth + b"1" + closing * depth
    places = [m.end() for m in re.finditer(rb"[:\[,] ", data)] or [0]
    at = draw(st.sampled_from(places))
    end = re.compile(rb'"(?:[^"\\]|\\.)*"|[^,\]}]*').match(data, at)
    return data[:at] + inner + data[end.end() if end else at :]


def _digits(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    """Put a number of more digits than Python reads where a number stands."""
    numbers = [m.span() for m in re.finditer(rb"(?<=[:\[,] )-?\d+(\.\d+)?", data)] or [(0, 0)]
    start, end = draw(st.sampled_from(numbers))
    return data[:start] + b"9" * draw(st.sampled_from([400, 5000])) + data[end:]


def _double_keys(draw: st.DrawFn, data: bytes, valid: Sequence[bytes]) -> bytes:
    """Say some keys of the first object again, with other values."""
    keys = re.findall(rb'"[a-z_]+"(?=: )', data) or [b'"a"']
    value = json.dumps(_odd(draw)).encode()
    return data.replace(b"{", b"{" + draw(st.sampled_from(keys)) + b": " + value + b", ", 1)
