"""torchvision's published weights: from torch.hub's cache, else downloaded within bounded time and checked.

WeightsSource(url, sha256_prefix) --fetch_weights--> a file in TORCH_HOME/hub/checkpoints
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from auditor.arrays import Progress, no_progress
from auditor.checkpoints import file_sha256
from auditor.errors import WeightsError
from auditor.writing import UNWRITABLE, what_helps, why

NETWORK_SECONDS = 4.0
"""Longest wait for an answer, and for the next bytes: a sentence stands on the screen within 5 seconds."""

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class WeightsSource:
    """Where weights are published: the sha256 of the file begins with `sha256_prefix`."""

    url: str
    sha256_prefix: str
    seconds: float = NETWORK_SECONDS

    @property
    def file_name(self) -> str:
        """Name of the file, as torch.hub stores it."""
        return self.url.rsplit("/", 1)[-1]


PUBLISHED = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
}
"""Files of torchvision's IMAGENET1K_V1 weights; their names end with the start of their sha256."""

PUBLISHED_AT = "https://download.pytorch.org/models/"


def torchvision_source(architecture: str) -> WeightsSource:
    """Return the source of torchvision's IMAGENET1K_V1 weights."""
    name = PUBLISHED[architecture]
    return WeightsSource(PUBLISHED_AT + name, name.rsplit("-", 1)[-1].split(".")[0])


def hub_folder() -> Path:
    """Return torch.hub's folder, as torch derives it from the environment."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub"


def fetch_weights(source: WeightsSource, *, offline: bool = False, progress: Progress = no_progress) -> Path:
    """Return the path of the weights in torch.hub's cache, downloading them when they are not there.

    Raises
    ------
    WeightsError
        Within 5 seconds when the network does not answer; at once when `offline` and the cache has no
        sound copy; when what came does not have the published hash. Nothing half-written stays behind.
    """
    target = hub_folder() / "checkpoints" / source.file_name
    if target.is_file() and file_sha256(target).startswith(source.sha256_prefix):
        return target
    if offline:
        state = "damaged" if target.is_file() else "missing"
        raise WeightsError(
            f"The weights {source.file_name} are {state} in {target.parent} and the network is not to be "
            "used; '--backbone bundled' works without it."
        )
    try:
        _download(source, target, progress)
    except (OSError, HTTPException) as error:
        raise WeightsError(_what_failed(source, target, error)) from error
    return target


def _what_failed(source: WeightsSource, target: Path, error: OSError | HTTPException) -> str:
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        helps = what_helps(error, "use '--backbone bundled'")
        return f"The weights {source.file_name} cannot be kept in {target.parent} ({why(error)}): {helps}."
    return (
        f"The weights {source.file_name} could not be downloaded from {_host(source)} ({error}); "
        "'--backbone bundled' works without a network."
    )


def _host(source: WeightsSource) -> str:
    return source.url.split("/")[2]


def _download(source: WeightsSource, target: Path, progress: Progress) -> None:
    """Download beside the target, check the hash, then rename: the cache never holds a part."""
    with contextlib.closing(_open(source)) as response:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=target.name, suffix=".partial", dir=target.parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                _copy(response, file, progress)
            found = file_sha256(partial)
            if not found.startswith(source.sha256_prefix):
                raise WeightsError(
                    f"The weights {source.file_name} from {_host(source)} are damaged: their sha256 begins "
                    f"with {found[:8]}, published is {source.sha256_prefix}; try again, or use "
                    "'--backbone bundled'."
                )
            partial.chmod(0o644)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _open(source: WeightsSource) -> HTTPResponse:
    """Open the address in bounded time.

    The request runs in a thread because urllib's timeout covers neither the name look-up nor the sum of
    several attempts.
    """
    answers: queue.Queue[HTTPResponse | Exception] = queue.Queue()

    def request() -> None:
        try:
            answers.put(urllib.request.urlopen(source.url, timeout=source.seconds))
        except Exception as error:  # handed to the waiting caller, who raises it
            answers.put(error)

    threading.Thread(target=request, daemon=True).start()
    try:
        answer = answers.get(timeout=source.seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {source.seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _copy(response: HTTPResponse, file: IO[bytes], progress: Progress) -> None:
    """Copy the body; OSError when it ends early or stalls (the socket's timeout holds for each read)."""
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    while chunk := response.read(CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        progress("download", done, max(total, done))
    if done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")
