"""Run `auditor` with these arguments while every way to the network is watched, and say what was asked of it.

    network_watch.py run photos ..  -->  {"code": 0, "asked": ["socket.connect .."], "packets": {..}}

Python's own calls are refused and listed. What a library does below Python is seen in the system's counters,
which start from zero where this runs in a network of its own (`unshare --net`).
"""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import sys
from pathlib import Path
from typing import Any

CALLS = (
    "connect",
    "getaddrinfo",
    "gethostbyname",
    "gethostbyaddr",
    "getnameinfo",
    "sendto",
    "sendmsg",
    "bind",
)
COUNTED = ("Tcp:ActiveOpens", "Udp:OutDatagrams", "Ip:OutRequests", "Ip:OutNoRoutes", "Ip6OutRequests",
           "Ip6OutNoRoutes", "Udp6OutDatagrams")  # fmt: skip
NOWHERE = "8.8.8.8"


def watch() -> list[str]:
    """Refuse every call to the network from now on; return the list that they are added to."""
    asked: list[str] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event.removeprefix("socket.") in CALLS or event in ("urllib.Request", "http.client.connect"):
            asked.append(f"{event} {arguments[-1]!r}")
            raise OSError(f"{event} is refused: this test has no network.")

    sys.addaudithook(refuse)
    return asked


def packets() -> dict[str, int]:
    """What left this network, or tried to, since it was made; names of IPv6 counters hold no colon."""
    found: dict[str, int] = {}
    names: list[str] = []
    for line in Path("/proc/self/net/snmp").read_text().splitlines():
        kind, *words = line.split()
        if words[0].lstrip("-").isdigit():
            found |= {f"{kind}{name}": int(value) for name, value in zip(names, words, strict=True)}
        names = words
    six = Path("/proc/self/net/snmp6")
    found |= (
        {n: int(v) for n, v in (line.split() for line in six.read_text().splitlines())}
        if six.exists()
        else {}
    )
    return {name: found.get(name, 0) for name in COUNTED}


def ask_in_python() -> None:
    for call in (
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.socket().connect((NOWHERE, 80)),
    ):
        try:
            call()
        except OSError:
            continue
        raise AssertionError("the network was not refused")


def ask_below_python() -> None:
    libc = ctypes.CDLL(None)
    address = struct.pack("<H", socket.AF_INET) + struct.pack(">H4s8x", 80, socket.inet_aton(NOWHERE))
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        assert libc.connect(libc.socket(socket.AF_INET, kind, 0), address, len(address)) != 0


def main() -> None:
    asked = watch()
    checks = {"--ask-in-python": ask_in_python, "--ask-below-python": ask_below_python}
    if sys.argv[1] in checks:
        checks[sys.argv[1]]()
        code = 0
    else:
        from cli.main import main as auditor

        try:
            auditor()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
    print(json.dumps({"code": code, "asked": asked, "packets": packets()}))


if __name__ == "__main__":
    main()
