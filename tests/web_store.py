"""A server on this machine that counts what it is asked for, and fails as it is told."""

from __future__ import annotations

import base64
import functools
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

HANG_S = 1.0


class WebStore:
    """Serves `folder` at `url`.

    asked : how often each path was asked for, without percent signs and query.
    faults : what happens the next times a path is asked for: a status, "reset", "short" or "hang".
    pages : what is sent for a folder instead of the list that the server makes.
    listing : False shows no list of any folder.
    login : "user:password" that is needed, None lets everybody in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: Counter[str] = Counter()
        self.queries: set[str] = set()
        self.faults: defaultdict[str, list[int | str]] = defaultdict(list)
        self.pages: dict[str, str] = {}
        self.listing = True
        self.login: str | None = None
        handler = functools.partial(_Handler, self, directory=str(folder))
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def pictures_asked(self) -> dict[str, int]:
        return {path: n for path, n in self.asked.items() if not path.endswith("/")}

    @property
    def folders_asked(self) -> dict[str, int]:
        return {path: n for path, n in self.asked.items() if path.endswith("/")}

    def forget(self) -> None:
        self.asked.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(folder: Path) -> Iterator[WebStore]:
    store = WebStore(folder)
    try:
        yield store
    finally:
        store.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections that were broken on purpose, or by who waited long enough."""


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, store: WebStore, *args: object, **options: object) -> None:
        self.store = store
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        path = unquote(path)
        self.store.asked[path] += 1
        self.store.queries.add(query)
        login = self.store.login
        if login and self.headers["Authorization"] != f"Basic {base64.b64encode(login.encode()).decode()}":
            self.send_error(401)
            return
        faults = self.store.faults[path]
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int):
            self.send_error(fault)
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "short":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"half of it")
            self.close_connection = True
        else:
            if fault == "hang":
                time.sleep(HANG_S)
            self._answer(path)

    def _answer(self, path: str) -> None:
        page = self.store.pages.get(path)
        if page is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page.encode())))
        self.end_headers()
        self.wfile.write(page.encode())

    def list_directory(self, path: object) -> object:  # type: ignore[override]
        if self.store.listing:
            return super().list_directory(path)  # type: ignore[arg-type]
        self.send_error(403)
        return None
