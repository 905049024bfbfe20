"""Downloads against a server on this machine: success, damage, silence; never longer than 5 seconds."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torchvision import models

from auditor.downloads import NETWORK_SECONDS, WeightsSource, fetch_weights, hub_folder, torchvision_source
from auditor.errors import WeightsError

CONTENT = bytes(range(256)) * 4000
GOOD = hashlib.sha256(CONTENT).hexdigest()[:8]
WAIT = 0.4


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.server.requests.append(kind)  # type: ignore[attr-defined]
        if kind == "silent":
            time.sleep(3 * WAIT)
            return
        if kind == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if kind == "good" else CONTENT[:1000])
        self.wfile.flush()
        if kind == "stalls":
            time.sleep(3 * WAIT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.requests = []  # type: ignore[attr-defined]
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "hub" / "checkpoints"


def source(server: ThreadingHTTPServer, kind: str, prefix: str = GOOD) -> WeightsSource:
    return WeightsSource(f"http://127.0.0.1:{server.server_port}/{kind}/net-{prefix}.pth", prefix, WAIT)


def test_download_then_cache(server: ThreadingHTTPServer, cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = fetch_weights(source(server, "good"), progress=lambda *step: seen.append(step))
    assert path == cache / f"net-{GOOD}.pth"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("download", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert fetch_weights(source(server, "good"), offline=True) == path
    assert server.requests == ["good"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "prefix", "message"),
    [
        ("good", "00000000", "are damaged: their sha256 begins"),
        ("cut", GOOD, "the connection ended after 1000 of|IncompleteRead"),
        ("stalls", GOOD, "timed out"),
        ("silent", GOOD, "no answer within|timed out"),
        ("missing", GOOD, "404"),
    ],
)
def test_failures_leave_nothing_behind(
    server: ThreadingHTTPServer, cache: Path, kind: str, prefix: str, message: str
) -> None:
    start = time.monotonic()
    with pytest.raises(WeightsError, match=message):
        fetch_weights(source(server, kind, prefix))
    assert time.monotonic() - start < 2 * WAIT + 1
    assert not cache.exists() or not list(cache.iterdir())


def test_server_down(cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/net-{GOOD}.pth"
    with pytest.raises(WeightsError, match="bundled"):
        fetch_weights(WeightsSource(url, GOOD))
    assert not cache.exists()


def test_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: released.wait(30))
    start = time.monotonic()
    with pytest.raises(WeightsError, match="no answer within"):
        fetch_weights(WeightsSource("http://weights.invalid/net-00.pth", "00", WAIT))
    assert time.monotonic() - start < WAIT + 1
    released.set()


def test_default_wait_is_under_five_seconds() -> None:
    assert torchvision_source("resnet18").seconds == NETWORK_SECONDS < 5


def test_offline_never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("asked the network"))
    with pytest.raises(WeightsError, match="missing"):
        fetch_weights(torchvision_source("resnet50"), offline=True)


def test_damaged_cache_is_fetched_again(server: ThreadingHTTPServer, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"net-{GOOD}.pth").write_bytes(b"half")
    assert fetch_weights(source(server, "good")).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_torchvision_sources(name: str) -> None:
    found = torchvision_source(name)
    assert found.url == models.get_model_weights(name)["IMAGENET1K_V1"].url
    assert len(found.sha256_prefix) == 8 and int(found.sha256_prefix, 16)


@pytest.mark.parametrize(
    "environment", [{"TORCH_HOME": "/data/torch"}, {"XDG_CACHE_HOME": "/data"}, {"HOME": "/data"}]
)
def test_the_folder_is_torchs_own(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    assert hub_folder() == Path(torch.hub.get_dir())


def test_a_full_disk_is_told_apart_from_a_network_that_fails(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("auditor.downloads._copy", full)
        with pytest.raises(WeightsError, match="No space left on device") as told:
            fetch_weights(source(server, "good"))
    assert str(cache) in str(told.value) and "make room there" in str(told.value)
    assert list(cache.iterdir()) == []
    assert fetch_weights(source(server, "good")).read_bytes() == CONTENT
