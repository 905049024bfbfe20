"""What the commands print: results on stdout, warnings on stderr."""

from __future__ import annotations

import os
import sys


def say(text: str) -> None:
    """Print a result on stdout; nothing more when the reader has gone away (as in ``auditor run | head``)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends; to the null device, that cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_warning(sentence: str) -> None:
    """Print a warning on stderr."""
    print(f"auditor: warning: {plain(sentence)}", file=sys.stderr)


def print_error(sentence: str) -> None:
    """Print the one sentence of an error on stderr."""
    print(f"auditor: {plain(sentence)}", file=sys.stderr)


def plain(text: str) -> str:
    """Return `text` with control and direction characters written out: names cannot steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
