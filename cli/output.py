"""What the commands print: results on stdout, warnings on stderr."""

from __future__ import annotations

import codecs
import io
import os
import sys

from auditor.errors import OutputError, plain


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    """Write characters that the terminal's encoding lacks as JSON would: \\u4e2d."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{a:02x}{b:02x}" for a, b in zip(units[::2], units[1::2], strict=True)), error.end


codecs.register_error("auditor.spell_out", _spell_out)


def prepare_streams() -> None:
    """Let stdout and stderr take every character, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="auditor.spell_out")


def say(text: str) -> None:
    """Print a result on stdout; nothing more when the reader has gone away (as in ``auditor run | head``).

    Raises
    ------
    OutputError
        If stdout is a file and its disk is full.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # Python flushes stdout once more when it ends; to the null device, that cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError(
                f"The result cannot be printed ({error.strerror}); what the command wrote is complete."
            ) from error


def print_warning(sentence: str) -> None:
    """Print a warning on stderr."""
    print(f"auditor: warning: {plain(sentence)}", file=sys.stderr)


def print_error(sentence: str) -> None:
    """Print the one sentence of an error on stderr."""
    print(f"auditor: {plain(sentence)}", file=sys.stderr)
