"""Little memory: less is done at a time, with a sentence, and the vectors stay the same."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command import Command
from faults.control_group import control_group
from faults.world import Quarters, content, make_photos
from PIL import Image

from auditor import encoding, memory
from auditor.dataset import read_dataset
from auditor.decoding import NO_MEMORY
from auditor.embeddings import run_embedding
from auditor.images import unreadable_facts
from auditor.memory import (
    BATCHES_AT_ONCE,
    BYTES_PER_PIXEL,
    LOOK_AHEAD_BATCHES,
    DecodingRoom,
    InFlight,
    Needs,
    available_bytes,
    plan_work,
)
from auditor.store import Store

ROOT = Path(__file__).parent.parent.parent
MB = 1_000_000
GB = 1000 * MB
PICTURE = memory.USUAL_PIXELS * BYTES_PER_PIXEL


def machine(root: Path, files: dict[str, object]) -> Path:
    """Write files of /proc and /sys as another machine has them."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


MEMINFO = "MemTotal: 64000000 kB\nMemFree: 100 kB\nMemAvailable: 32000000 kB"


def test_without_limits_it_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path, {"proc/meminfo": MEMINFO})) == 32_000_000 * 1024
    assert available_bytes(tmp_path / "another system") is None


GROUP2 = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "0::/user/job",
    "sys/fs/cgroup/user/job/memory.max": 4 * GB,
    "sys/fs/cgroup/user/job/memory.current": 3 * GB,
    "sys/fs/cgroup/user/job/memory.stat": f"anon {GB}\ninactive_file {GB}\nactive_file {GB // 2}",
    "sys/fs/cgroup/user/memory.max": "max",
    "sys/fs/cgroup/user/memory.current": 9 * GB,
}


def test_control_groups_version_2_count_without_files_in_the_cache(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path, GROUP2)) == int(2.5 * GB)
    # The tightest group on the way up decides.
    machine(tmp_path, {"sys/fs/cgroup/user/memory.max": 10 * GB})
    assert available_bytes(tmp_path) == GB
    # Above its limit, as happens for a moment, nothing is left.
    machine(tmp_path, {"sys/fs/cgroup/user/memory.max": 8 * GB})
    assert available_bytes(tmp_path) == 0


@pytest.mark.parametrize("seen", ["/docker/abc", "/"], ids=["the host's path", "the container's path"])
def test_control_groups_version_1(tmp_path: Path, seen: str) -> None:
    here = "sys/fs/cgroup/memory"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": f"5:cpu,cpuacct:{seen}\n4:memory:{seen}\n0::{seen}",
        f"{here}/memory.limit_in_bytes": 2 * GB,
        f"{here}/memory.usage_in_bytes": GB,
        f"{here}/memory.stat": f"cache {GB}\ntotal_inactive_file {100 * MB}\ntotal_active_file 0",
    }
    assert available_bytes(machine(tmp_path, files)) == GB + 100 * MB
    unlimited = {f"{here}/memory.limit_in_bytes": 9223372036854771712}
    assert available_bytes(machine(tmp_path, unlimited)) == 32_000_000 * 1024


@pytest.mark.parametrize(
    ("limit", "name", "used"), [(resource.RLIMIT_AS, "VmSize", 3), (resource.RLIMIT_DATA, "VmData", 1)]
)
def test_limits_of_the_process(
    limit: int, name: str, used: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/status": "VmSize: 3000 kB\nVmData: 1000 kB"})
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (8_192_000, -1) if kind == limit else infinite)
    assert available_bytes(tmp_path) == 8_192_000 - used * 1_024_000, name


def test_this_machine_says_something_sensible() -> None:
    found = available_bytes()
    assert found is None or 10 * MB < found < 100_000 * GB


def test_with_much_memory_or_none_known_nothing_is_said() -> None:
    needs = Needs(batch=10 * MB, network=100 * MB, kept=GB)
    for available in (None, 500 * GB):
        plan, sentence = plan_work(needs, 8, available)
        assert sentence == ""
        assert (plan.workers, plan.ahead, plan.batches) == (8, LOOK_AHEAD_BATCHES, BATCHES_AT_ONCE)
        assert plan.decoding_bytes >= 8 * PICTURE


def test_with_less_memory_less_is_done_and_a_sentence_says_what() -> None:
    needs = Needs(batch=10 * MB, network=100 * MB, kept=0)
    plans = [plan_work(needs, 8, available)[0] for available in range(2 * GB, 0, -10 * MB)]
    for more, less in pairwise(plans):
        assert less.workers <= more.workers and less.ahead <= more.ahead and less.batches <= more.batches
    assert plans[0].workers == 8
    assert plans[-1] == InFlight(workers=1, ahead=1, batches=1, decoding_bytes=0)
    # Whatever is planned fits, as long as anything does.
    for plan, available in zip(plans, range(2 * GB, 0, -10 * MB), strict=True):
        taken = (plan.ahead + plan.batches + 2) * needs.batch + needs.network + plan.decoding_bytes
        assert taken <= max(available * memory.SHARE, 40 * MB + needs.network) + 1
    plan, sentence = plan_work(needs, 8, 500 * MB)
    assert sentence == (
        "Only 500 MB of memory are available, so less is done at a time: 2 instead of 8 pictures read, 1 "
        "instead of 2 batches in the network, 1 instead of 3 waiting; the vectors are the same."
    )


def test_what_stays_until_the_end_counts() -> None:
    needs = Needs(batch=10 * MB, network=100 * MB, kept=0)
    assert plan_work(needs, 2, 4 * GB)[1] == ""
    assert "instead of" in plan_work(replace(needs, kept=3 * GB + 800 * MB), 2, 4 * GB)[1]


def test_large_pictures_wait_for_each_other_and_one_alone_is_always_let_in() -> None:
    room = DecodingRoom(100 * BYTES_PER_PIXEL)
    inside: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def decode(number: int, pixels: int) -> None:
        room.enter(number, pixels)
        with lock:
            inside.append(pixels)
            most.append(sum(inside) if len(inside) > 1 else 0)
        time.sleep(0.002)
        with lock:
            inside.remove(pixels)
        room.leave(number)

    sizes = [30, 80, 500, 10, 10, 60, 100, 1, 99] * 6
    threads = [threading.Thread(target=decode, args=(n, pixels)) for n, pixels in enumerate(sizes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(most) == len(sizes) and not inside and max(most) <= 100


def test_a_run_with_little_memory_gives_the_same_vectors_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(make_photos(tmp_path / "photos"))
    whole = run_embedding(dataset, Quarters(), workers=8)
    for available in (50 * MB, 0):
        monkeypatch.setattr(encoding, "available_bytes", lambda room=available: room)
        told: list[str] = []
        run = run_embedding(dataset, Quarters(), workers=8, tell=told.append)
        np.testing.assert_array_equal(run.embeddings.vectors, whole.embeddings.vectors)
        assert len(told) == 1 and f"Only {available // MB} MB of memory are available" in told[0]
        assert "1 instead of 8 pictures read" in told[0]


def test_the_sentence_is_for_whoever_runs_it_and_no_part_of_the_audit(
    tmp_path: Path, command: Command, toy: Quarters, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos")
    assert command("run", photos, "--cache", tmp_path / "one", "--out", tmp_path / "whole").code == 0
    monkeypatch.setattr(encoding, "available_bytes", lambda: 50 * MB)
    done = command("run", photos, "--cache", tmp_path / "two", "--out", tmp_path / "audit")
    assert done.code == 0 and "warning: Only 50 MB of memory are available" in done.err
    assert content(tmp_path / "audit") == content(tmp_path / "whole")


@pytest.mark.parametrize("lasting", [False, True], ids=["for a moment", "for good"])
def test_a_picture_that_does_not_fit_is_tried_alone_and_not_remembered(
    lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, store = read_dataset(make_photos(tmp_path / "photos")), Store(tmp_path / "store")
    whole = run_embedding(dataset, Quarters())
    real = encoding.read_image_at
    tried: list[str] = []

    def read(contents: object, path: str, *more: object) -> object:
        tried.append(path)
        if path == "rings/3.png" and (lasting or tried.count(path) == 1):
            return None, unreadable_facts(NO_MEMORY, "0" * 32)
        return real(contents, path, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as short:
        short.setattr(encoding, "read_image_at", read)
        run = run_embedding(dataset, Quarters(), store=store)
    assert tried.count("rings/3.png") == 2 and len(tried) == len(dataset) + 1
    wrong = run.facts.error != whole.facts.error
    assert list(run.facts.error[wrong]) == ([NO_MEMORY] if lasting else [])
    again = run_embedding(dataset, Quarters(), store=Store(tmp_path / "store"))
    assert again.decoded == int(lasting)
    assert (again.facts.error == whole.facts.error).all()
    np.testing.assert_array_equal(again.embeddings.vectors, whole.embeddings.vectors)


LIMITED = """
import importlib, resource, sys, threading
threading.stack_size(1 << 20)
def put(name, value):
    module, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(module), attribute, value)
from faults.world import set_hooks
set_hooks(put)
from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.memory import available_bytes
from faults.world import Quarters
import numpy as np
data, out, spare = sys.argv[1], sys.argv[2], int(sys.argv[3])
dataset = read_dataset(data)
used = [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData")][0]
resource.setrlimit(resource.RLIMIT_DATA, (used + spare, used + spare))
assert 0.8 * spare < available_bytes() <= spare
run = run_embedding(dataset, Quarters(), workers=8, tell=print)
np.savez(out, vectors=run.embeddings.vectors, readable=run.facts.readable)
"""


def run_limited(data: Path, out: Path, spare: int) -> str:
    """Embed in a process that may take so many bytes more; return what it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(data), str(out), str(spare)],
        env=environment, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_a_real_limit_in_which_all_pictures_at_once_would_not_fit(tmp_path: Path) -> None:
    """Pictures of 16 million pixels, 160 MB each while decoded, in eight threads."""
    for number in range(8):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4000, 4000), (number * 30, 90, 200 - number)).save(place, compress_level=1)
    whole = run_embedding(read_dataset(tmp_path / "photos"), Quarters(), workers=2)
    for spare, sentence in ((1_200 * MB, ""), (700 * MB, "4 instead of 8 pictures read")):
        said = run_limited(tmp_path / "photos", tmp_path / "limited.npz", spare)
        assert sentence in said and bool(said) == bool(sentence)
        limited = np.load(tmp_path / "limited.npz")
        assert limited["readable"].all() and len(limited["vectors"]) == 8
        np.testing.assert_array_equal(limited["vectors"], whole.embeddings.vectors)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="control groups are Linux's")
def test_a_run_in_a_control_group_is_not_killed(tmp_path: Path) -> None:
    """A container's limit, which the kernel holds by killing: eight pictures at once would take 1.3 GB."""
    rng = np.random.default_rng(0)
    for number in range(24):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        small.resize((4000, 4000), Image.Resampling.NEAREST).save(place, compress_level=1)
    line = [sys.executable, "-m", "cli.main", "run", "photos", "--backbone", "bundled", "--workers", "8"]
    free = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    said = {}
    for out, enter in (("whole", None), ("limited", 900 * MB)):
        with control_group(enter) if enter else nullcontext(None) as group:
            done = subprocess.run(
                [*line, "--out", out, "--cache", f"cache {out}"],
                cwd=tmp_path, env=free, text=True, capture_output=True, timeout=300, check=False,
                preexec_fn=group,
            )  # fmt: skip
        assert done.returncode == 0, (out, done.returncode, done.stderr)
        said[out] = done.stderr
    assert "instead of 8 pictures read" in said["limited"] and "instead of" not in said["whole"]
    for name in ("embeddings.npy", "findings.csv", "samples.parquet"):
        assert (tmp_path / "limited" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
