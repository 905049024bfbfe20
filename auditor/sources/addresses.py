"""Addresses of remote stores: told from folders, and shown without what must stay secret.

https://user:key@host/photos?sig=..    shown as    https://host/photos
"""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import quote, unquote, unquote_to_bytes

from auditor.errors import UsageError
from auditor.sources.names import encode_name

HTTP = frozenset({"http", "https"})

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
_SIGNATURE = re.compile(
    r"x-(amz|goog|oss|cos|ms)-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|sig|sv|se|st|sp|sr|spr|sip|srt|ss|skoid|sktid|skt|ske|sks|skv|token|access_token",
    re.IGNORECASE,
)
"""Names in the queries of signed addresses: of Amazon, Google, Alibaba, Azure and content networks."""
_SAFE = "/!$'()*+,;=:@~"
"""Characters of a path that need no percent sign; quoted they mean the same."""


def is_address(source: object) -> bool:
    """Tell whether `source` is the address of a remote store, such as ``s3://bucket/photos``."""
    return isinstance(source, str) and scheme_of(source) not in ("", "file")


def scheme_of(text: str) -> str:
    """Return the scheme before ``://``, lower case, "" where there is none."""
    match = _ADDRESS.match(text)
    return match[1].lower() if match else ""


def local_path(source: str) -> str:
    """Return the path that a ``file://`` address means; all else stays."""
    if scheme_of(source) != "file":
        return source
    rest = source.partition("://")[2]
    return os.fsdecode(unquote_to_bytes(rest[rest.find("/") :] if "/" in rest else rest))


def split_address(address: str) -> tuple[str, str, str, str]:
    """Return scheme, authority (user and host, or bucket), path and query of an address.

    Only addresses of the web have a query; elsewhere a question mark belongs to the name.
    """
    scheme, rest = scheme_of(address), address.partition("://")[2]
    query = ""
    if scheme in HTTP:
        rest = rest.partition("#")[0]
        rest, mark, query = rest.partition("?")
        query = mark + query
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path, query


def shown_address(address: str) -> str:
    """Return an address without user, password and query, and without a slash at its end."""
    scheme, authority, path, _ = split_address(address)
    user, at, host = authority.rpartition("@")
    # A container stands where a user stands in abfs://container@account/: that is no secret.
    kept = at and scheme not in HTTP and ":" not in user
    return f"{scheme}://{authority if kept else host}{path}".rstrip("/")


def store_of(address: str) -> tuple[str, str]:
    """Return scheme and host or bucket: addresses with the same ones lie in one store."""
    return split_address(shown_address(address))[:2]


def same_place(one: str, other: str) -> bool:
    """Tell whether two addresses mean the same folder, asked for with the same user and query."""
    first, second = split_address(one), split_address(other)
    return (*first[:2], first[2].rstrip("/"), first[3]) == (*second[:2], second[2].rstrip("/"), second[3])


def folder_above(address: str) -> str:
    """Return the address of the folder that a file lies in, with the same query."""
    scheme, authority, path, query = split_address(address)
    return f"{scheme}://{authority}{path.rstrip('/').rpartition('/')[0]}{query}"


def told_by_query(query: str) -> str:
    """Return what a query says beside who may read and until when: two with the same mean one file."""
    parts = re.split(r"[&;]", query.removeprefix("?"))
    return "&".join(part for part in parts if part and not _SIGNATURE.fullmatch(part.partition("=")[0]))


def public_address(address: str) -> str:
    """Return an address as it may be written and is understood: no secrets, one spelling of its path."""
    scheme, authority, path, _ = split_address(shown_address(address))
    return f"{scheme}://{authority}{tidy_path(path) if scheme in HTTP else path}"


def address_name(address: str) -> str:
    """Return the name of the folder or file at an address, or its host, as text."""
    scheme, authority, path, _ = split_address(address)
    name = posixpath.basename(path.rstrip("/"))
    if scheme in HTTP:
        name = unquote(name)
    return encode_name(name) or authority.rpartition("@")[2].partition(":")[0] or scheme


def without_secrets(message: str, address: str) -> str:
    """Return a message in which nothing secret of `address` stands any more."""
    _, authority, _, query = split_address(address)
    user = authority.rpartition("@")[0]
    secrets = [query[1:], *re.split(r"[&;]", query[1:]), user, *user.split(":")]
    secrets += [part.partition("=")[2] for part in re.split(r"[&;]", query[1:])]
    for secret in sorted({s for s in secrets if len(s) > 2}, key=len, reverse=True):
        for spelled in {secret, unquote(secret)}:
            message = message.replace(spelled, "***")
    return _USERINFO.sub("***@", message)


def quote_path(path: str) -> str:
    """Return a path as an address of the web spells it."""
    return quote(path, safe=_SAFE)


def tidy_path(quoted: str) -> str:
    """Return an address's path spelled as `quote_path` spells it, whatever way it was spelled."""
    return "/".join(quote(unquote_to_bytes(part), safe=_SAFE) for part in quoted.split("/"))


def path_text(quoted: str) -> str:
    """Return the names in an address's path as text, as those of a folder's files are.

    What is no text, or holds a slash, keeps its percent signs; `quote_path` does not lead back from there.
    """
    return "/".join(map(_part_text, quoted.split("/")))


def _part_text(part: str) -> str:
    raw = unquote_to_bytes(part)
    if b"/" in raw or b"\0" in raw:
        return part
    try:
        # Python's own server spells a byte that is not UTF-8 as the surrogate that stands for it.
        return encode_name(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return encode_name(os.fsdecode(raw))


def check_online(offline: bool, address: object) -> None:
    """Raise `UsageError` for an address where the network is not to be used."""
    if offline and is_address(address):
        raise UsageError(
            f"{shown_address(str(address))} is read over the network, which --offline forbids: leave it "
            "out, or name files on this machine."
        )
