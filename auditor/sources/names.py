"""File names as text, and back.

    bytes on disk  --os.fsdecode-->  str with lone surrogates  --encode_name-->  str that is valid UTF-8
    b"caf\\xe9.jpg"                   "caf\\udce9.jpg"                            "caf%E9.jpg"

Names that are UTF-8 stay as they are, a ``%`` in them too; so `locate` tries the literal name first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from urllib.parse import unquote_to_bytes

from auditor.faults import short

HEIC_SUFFIXES: frozenset[str] = frozenset({".heic", ".heif", ".hif"})
"""Suffixes of pictures that pillow-heif decodes; without it they are unreadable, and the reason says so."""

IMAGE_SUFFIXES: frozenset[str] = HEIC_SUFFIXES | frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .avif .avifs .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm .pfm"  # noqa: SIM905
    " .jp2 .j2k .jpx .jpf .jpc .j2c .tga .ico .icns .pcx .dds .sgi .rgb .rgba .bw .psd .xbm .xpm .qoi .mpo"
    " .im .msp".split()
)
"""Suffixes, lower case, of pictures; all others are those that Pillow decodes by itself."""

SHOWN_CHARACTERS = 200
"""Of a name in a sentence; a file's name has at most 255 bytes, a label may be a book."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def encode_name(name: str) -> str:
    """Return `name` as valid Unicode: bytes that are not UTF-8, and any ``%`` beside, become ``%XX``."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        return "".join(map(_encode_character, name))
    return name


def _encode_character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how os.fsdecode carries the byte
        return f"%{code - 0xDC00:02X}"
    if 0xD800 <= code <= 0xDFFF:
        return _encode_bytes(character.encode("utf-8", "surrogatepass"))
    return "%25" if character == "%" else character


def _encode_bytes(raw: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in raw)


def encode_entries(names: Sequence[str]) -> list[str]:
    """Return the encoded names of one folder's entries, unique like the entries themselves.

    Where an encoded name is the literal name of another entry, every byte of it is encoded.
    """
    encoded = [encode_name(name) for name in names]
    literal = {name for name, text in zip(names, encoded, strict=True) if name == text}
    return [
        _encode_bytes(os.fsencode(name)) if text != name and text in literal else text
        for name, text in zip(names, encoded, strict=True)
    ]


def locate(root: str, path: str) -> str:
    """Return the name under which `open` finds the encoded `path`, relative to `root` or absolute.

    The literal name is tried first, then folder by folder the decoded one. When neither exists the
    literal name comes back, so that an error names what was asked for.
    """
    literal = os.path.join(root, path)  # noqa: PTH118 - a Path would cost 10 times as much per image
    if "%" not in path or _exists(literal):
        return literal
    here = "/" if path.startswith("/") else root
    for part in path.strip("/").split("/"):
        step = os.path.join(here, part)  # noqa: PTH118
        if "%" in part and not _exists(step):
            step = os.path.join(here, os.fsdecode(unquote_to_bytes(part)))  # noqa: PTH118
        here = step
    return here if _exists(here) else literal


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL in the name
        return False


def count_phrase(counts: Iterable[tuple[str, int]]) -> str:
    """Return e.g. ``"7 .txt, 2 hidden"``, most frequent first."""
    ordered = sorted(counts, key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {what}" for what, n in ordered)


def plural(n: int, noun: str) -> str:
    """Return e.g. ``"1 row"``, ``"1,200 rows"`` or ``"3 classes"``."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}{ending}"


def examples(values: Sequence[str], limit: int = 3) -> str:
    """Return the first few values, quoted, and how many more there are."""
    shown = ", ".join(short(v, SHOWN_CHARACTERS) for v in values[:limit])
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit:,} more"
