"""How much memory there is, and how much work may be under way within it.

    cgroup, RLIMIT_AS, RLIMIT_DATA, MemAvailable --the least--> available_bytes
    available_bytes, what a run needs            --plan_work--> InFlight: workers, batches, room to decode
    room to decode                               --DecodingRoom--> large pictures wait for each other

Only how much is done at a time changes, never the shape of a batch: the vectors stay the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import AuditError
from auditor.reading import clock_stopped
from auditor.sources.names import plural

BATCHES_AT_ONCE = 2
"""Batches in the network at a time."""
LOOK_AHEAD_BATCHES = 3
"""Decoded batches that may wait for the network; more would only hold memory."""

BYTES_PER_PIXEL = 18
"""Memory that a pixel takes while a picture is decoded and looked at, in copies of 3 and 4 bytes.

Measured: 10 for JPEG and PNG, 13 with transparency, 18 for WebP; only values of 32 bits take more, 32.
"""
USUAL_PIXELS = 2_000_000
"""What every thread should have room for without waiting; a dataset's pictures are seldom larger."""
UNKNOWN_BYTES = 1 << 32
"""Room for pictures being decoded where the system does not say what is available."""
SHARE = 0.5
"""Of what is available; the rest is for what comes after, and for other programs."""
BYTES_PER_SAMPLE = 3_000
"""What is known of one picture, beside its vector."""

Tell = Callable[[str], None]
"""Takes a sentence about this machine: it concerns the run, not what the run finds."""

CGROUP2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))
CGROUP1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file"))


def tell_nobody(sentence: str) -> None:
    """Keep a sentence to oneself."""


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory that this process can still take, None where the system does not say.

    Parameters
    ----------
    root : below it lie proc and sys.
    """
    found = [*_cgroup_rooms(root), *_limit_rooms(root / "proc/self/status")]
    kilobytes = _numbers(root / "proc/meminfo").get("MemAvailable:")
    if kilobytes is not None:
        found.append(kilobytes * 1024)
    return max(0, min(found)) if found else None


@contextmanager
def enough_memory(what: str, samples: int) -> Iterator[None]:
    """Turn a want of memory, or of threads, which have memory of their own, into one sentence.

    Raises
    ------
    AuditError
        Naming what was done to how many samples.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "start new thread" not in str(error):
            raise
        there = available_bytes()
        left = "" if there is None else f" of which {there / 1e6:,.0f} MB are left"
        raise AuditError(
            f"{what} {plural(samples, 'picture')} takes more memory than this process may have{left}: free "
            "memory, raise its limit, or audit the dataset in parts."
        ) from error


def _cgroup_rooms(root: Path) -> Iterator[int]:
    """Yield what the control groups around this process leave: limit less usage, files in the cache aside."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            base, names = root / "sys/fs/cgroup", CGROUP2
        elif "memory" in controllers.split(","):
            base, names = root / "sys/fs/cgroup/memory", CGROUP1
        else:
            continue
        # In a container the path may be the host's: then only the group at the top is to be seen.
        here = base / path.lstrip("/")
        for folder in (here, *here.parents):
            if folder.is_relative_to(base):
                yield from _group_room(folder, *names)


def _group_room(folder: Path, limit_name: str, usage_name: str, cached: tuple[str, ...]) -> Iterator[int]:
    limit, usage = _text(folder / limit_name).strip(), _text(folder / usage_name).strip()
    if limit.isdigit() and usage.isdigit():
        facts = _numbers(folder / "memory.stat")
        yield int(limit) - int(usage) + sum(facts.get(name, 0) for name in cached)


def _limit_rooms(status: Path) -> Iterator[int]:
    """Yield what the limits of this process (ulimit -v, -d) leave."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _numbers(status)
    for limit, name in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        soft = resource.getrlimit(limit)[0]
        if soft != resource.RLIM_INFINITY and name in used:
            yield soft - used[name] * 1024


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _numbers(file: Path) -> dict[str, int]:
    """Return the first two words of each line, where the second is a number."""
    words = (line.split() for line in _text(file).splitlines())
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdigit()}


@dataclass(frozen=True)
class InFlight:
    """How much is under way at a time.

    workers : threads that read pictures.
    ahead : batches that may wait decoded.
    batches : batches in the network.
    decoding_bytes : room for the pictures that are being decoded.
    """

    workers: int
    ahead: int
    batches: int
    decoding_bytes: int


@dataclass(frozen=True)
class Needs:
    """Bytes that a run takes: one batch of squares, the network at work, and what stays until the end."""

    batch: int
    network: int
    kept: int


def plan_work(needs: Needs, workers: int, available: int | None) -> tuple[InFlight, str]:
    """Return how much may be under way, and a sentence when that is less than usual, else ""."""
    usual_picture = USUAL_PIXELS * BYTES_PER_PIXEL
    if available is None:
        return InFlight(workers, LOOK_AHEAD_BATCHES, BATCHES_AT_ONCE, UNKNOWN_BYTES), ""
    free = int(SHARE * (available - needs.kept)) - needs.network
    for plan in _plans(workers):
        # One batch is being filled and one being taken over, beside those that wait and those at work.
        left = free - (plan.ahead + plan.batches + 2) * needs.batch
        if left >= plan.workers * usual_picture:
            break
    made = InFlight(plan.workers, plan.ahead, plan.batches, max(left, 0))
    return made, "" if plan == next(_plans(workers)) else _sentence(made, workers, available)


def _plans(workers: int) -> Iterator[InFlight]:
    """Yield what could be under way, from the usual down to the least."""
    ahead, batches = LOOK_AHEAD_BATCHES, BATCHES_AT_ONCE
    while True:
        yield InFlight(workers, ahead, batches, 0)
        if (workers, ahead, batches) == (1, 1, 1):
            return
        workers, ahead, batches = max(1, workers // 2), max(1, ahead - 1), max(1, batches - 1)


def _sentence(made: InFlight, workers: int, available: int) -> str:
    return (
        f"Only {available / 1e6:,.0f} MB of memory are available, so less is done at a time: {made.workers} "
        f"instead of {workers} pictures read, {made.batches} instead of {BATCHES_AT_ONCE} batches in the "
        f"network, {made.ahead} instead of {LOOK_AHEAD_BATCHES} waiting; the vectors are the same."
    )


class DecodingRoom:
    """Lets pictures be decoded side by side while they fit; one alone may always be.

    Parameters
    ----------
    limit_bytes : of all pictures being decoded, by `BYTES_PER_PIXEL`.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held: dict[Hashable, int] = {}
        self._changed = threading.Condition()

    def enter(self, who: Hashable, pixels: int) -> None:
        """Wait until a picture of so many pixels fits; `who` holds its room until it leaves."""
        need = pixels * BYTES_PER_PIXEL
        with self._changed:
            if not self._fits(need):
                with clock_stopped():
                    self._changed.wait_for(lambda: self._fits(need))
            self._held[who] = need

    def enter_alone(self, who: Hashable) -> None:
        """Wait until nobody else is here, and keep others out."""
        self.enter(who, self._limit)

    def leave(self, who: Hashable) -> None:
        """Give back the room that `who` holds, if any."""
        with self._changed:
            if self._held.pop(who, None) is not None:
                self._changed.notify_all()

    def _fits(self, need: int) -> bool:
        return not self._held or sum(self._held.values()) + need <= self._limit
