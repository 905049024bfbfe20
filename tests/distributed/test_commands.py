"""`auditor embed` and `auditor run` with --engine ray: the result of one machine, errors in one sentence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command
from pictures import make_folders

from auditor import probes, searching, sharding
from auditor.store import Store

ROOT = Path(__file__).parent.parent.parent
SAME = (
    "findings.json",
    "findings.csv",
    "samples.parquet",
    "details.parquet",
    "neighbours.npy",
    "similarities.npy",
    "probabilities.npy",
    "embeddings.npy",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = make_folders(tmp_path / "photos", each=24)
    (root / "waves" / "wrong.png").write_bytes((root / "rings" / "3.png").read_bytes())
    (root / "steps" / "broken.png").write_bytes(b"no picture")
    return root


def store_contents(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.glob("parts/*/*")}


def test_a_cluster_finds_what_one_machine_finds(
    nodes: Any, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled, ray = ("--backbone", "bundled"), ("--engine", "ray", "--address", nodes.address)
    monkeypatch.setattr(searching, "QUERY_BLOCK", 16)
    monkeypatch.setattr(searching, "BASE_BLOCK", 32)
    monkeypatch.setattr(probes, "SUM_ROWS", 4)
    monkeypatch.setattr(sharding, "LEAST_ROWS", 16)
    there = command("embed", data, "--out", tmp_path / "there", *bundled, *ray, "--json")
    assert (there.code, there.err) == (0, "")
    here = command("embed", data, "--out", tmp_path / "here", *bundled, "--json")
    told = [json.loads(done.out) for done in (there, here)]
    assert {**told[0], "store": ""} == {**told[1], "store": ""} and told[0]["unreadable"] == 1
    assert store_contents(tmp_path / "there") == store_contents(tmp_path / "here")
    assert len(store_contents(tmp_path / "here")) == 10, "five shards"

    monkeypatch.delattr("auditor.backbones.ResNetEncoder.encode")  # nothing is embedded again
    for name, choice in (("many", ray), ("one", ())):
        out, store = tmp_path / name, tmp_path / "there"
        done = command("run", data, "--store", store, "--out", out, *bundled, *choice, "--json")
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out)["counts"]["conflicting_duplicate"]["findings"] == 1
    for file in SAME:
        assert (tmp_path / "many" / file).read_bytes() == (tmp_path / "one" / file).read_bytes(), file


def test_without_ray_the_line_that_installs_it_is_named(
    data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ("embed", data, "--out", tmp_path / "store", "--backbone", "bundled", "--engine", "ray")
    done = command(*words)
    assert done.code == 2 and done.out == ""
    assert 'pip install "dataset-auditor[ray]"' in done.err and len(done.err.splitlines()) == 1
    assert not (tmp_path / "store").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "dataset-auditor"
    assert project["optional-dependencies"]["ray"][0].startswith("ray[data]>=")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (("--engine", "spark"), "known are local and ray"),
        (("--address", "127.0.0.1:6379"), "give --engine ray too"),
        (("--engine", "ray", "--address", "head"), "head is no address of a Ray cluster: "),
        (("--engine", "ray", "--address", "ray://head:10001"), "--address or RAY_ADDRESS is host:port"),
    ],
)
@pytest.mark.parametrize("start", [("embed", "--out"), ("run", "--store")])
def test_choices_that_cannot_be_are_one_sentence(
    start: tuple[str, str], choice: tuple[str, ...], words: str, data: Path, tmp_path: Path, command: Command
) -> None:
    Store(tmp_path / "store")
    done = command(start[0], data, start[1], tmp_path / "store", "--backbone", "bundled", *choice)
    assert done.code == 2 and done.out == ""
    assert words in done.err and len(done.err.splitlines()) == 1


def test_a_cluster_that_is_not_there_is_one_sentence(
    data: Path, tmp_path: Path, command: Command, silent_port: int
) -> None:
    where = f"127.0.0.1:{silent_port}"
    begin = time.monotonic()
    done = command("embed", data, "--out", tmp_path / "store", "--engine", "ray", "--address", where)
    assert done.code == 2 and time.monotonic() - begin < 30
    assert f"No Ray cluster answers at {where}" in done.err and len(done.err.splitlines()) == 1


def test_the_address_in_the_environment_is_asked_first(
    data: Path, tmp_path: Path, command: Command, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{silent_port}")
    done = command("embed", data, "--out", tmp_path / "store", "--engine", "ray")
    assert done.code == 2 and f"No Ray cluster answers at 127.0.0.1:{silent_port}" in done.err


def test_something_else_at_the_address_is_one_sentence(
    data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.distributed.ANSWER_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(
            target=lambda: server.accept()[0].sendall(b"HTTP/1.1 400\r\n\r\n"), daemon=True
        ).start()
        where = f"127.0.0.1:{server.getsockname()[1]}"
        done = command("embed", data, "--out", tmp_path / "store", "--engine", "ray", "--address", where)
    assert done.code == 2
    assert where in done.err and len(done.err.splitlines()) == 1


def test_ctrl_c_is_130_and_the_same_command_goes_on(nodes: Any, tmp_path: Path) -> None:
    data, store = make_folders(tmp_path / "photos", each=400), tmp_path / "store"
    words = [
        "embed",
        data,
        "--out",
        store,
        "--backbone",
        "bundled",
        "--engine",
        "ray",
        "--address",
        nodes.address,
    ]
    stopped = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "AUDITOR_CACHE": str(tmp_path / "cache")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background jobs ignore Ctrl-C, and so would what the tests start there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 120
    while not list(store.glob("parts/*/*.done")):
        assert stopped.poll() is None and time.monotonic() < end, stopped.communicate()
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    out, err = stopped.communicate(timeout=60)
    assert (stopped.returncode, out, err) == (130, "", "")
    assert len(list(store.glob("parts/*/*.done"))) < 5


def test_nothing_is_reported_to_anybody(nodes: Any) -> None:
    from auditor.distributed import open_cluster

    with open_cluster(nodes.address):
        from ray._common.usage import usage_lib

        assert not usage_lib.usage_stats_enabled()
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_vectors_of_a_cluster_are_those_of_the_store(nodes: Any, data: Path, tmp_path: Path) -> None:
    """What `map` and `share` send and bring back is not changed on the way."""
    from auditor.distributed import open_cluster

    rows = np.random.default_rng(0).normal(size=(500, 30)).astype(np.float32)
    with open_cluster(nodes.address) as cluster:
        handle = cluster.share(rows)
        made = list(cluster.map(np.multiply, [(handle, np.float32(2))] * 3))
        kept = cluster.start(np.add, [(handle, handle)])
        (again,) = cluster.fetch(cluster.start(np.subtract, [(kept[0], handle)]))
    for other in made:
        np.testing.assert_array_equal(other, rows * 2)
    np.testing.assert_array_equal(again, rows)
