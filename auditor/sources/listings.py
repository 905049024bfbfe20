"""What lies in a remote folder: each folder is listed once.

    s3, gcs, memory ..   one `find` for everything below, or one `ls` for a folder
    http, https          the page that a server writes for a folder: its links, and the text beside each

The text beside a link tells the date and size where a server writes them, so a change there is a new version.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from auditor.errors import DataError
from auditor.faults import short
from auditor.sources.addresses import path_text, quote_path, split_address, tidy_path
from auditor.sources.names import SHOWN_CHARACTERS
from auditor.sources.stores import Entry, NotFoundError, RemoteFolder

THREADS = 16
"""Folders listed at a time: each waits for the network."""
MOST_FOLDERS = 100_000
"""So many folders of a server of the web are listed; one that makes up its answers has no end."""
ALIKE = 5
"""So many folders with the same names, each inside the one before, are a circle of links."""
FIND_FROM = 200
"""From so many folders on, one listing of everything is asked for instead of one each."""


@dataclass(frozen=True)
class _Stop:
    """A folder still to be listed; `above` are the names in the folders around it, the nearest last."""

    path: str
    above: tuple[frozenset[tuple[str, bool]], ...]


class Listing:
    """The listings of one remote folder and what lies below it, asked for when first needed."""

    def __init__(self, folder: RemoteFolder) -> None:
        self.folder = folder
        self._known: dict[str, list[Entry] | None] = {}

    def inside(self, path: str = "") -> list[Entry]:
        """Return what lies in one folder, "" for the top; DataError when it cannot be listed."""
        if path not in self._known:
            self._known[path] = self._list(path)
        return self._known[path] or []

    def below(self) -> list[Entry]:
        """Return everything below the top.

        Raises
        ------
        DataError
            If a folder cannot be listed: what is missing would be missed in silence.
        """
        if not self.folder.is_web:
            return [e for info in self.folder.find() if (e := self.folder.entry_of(info)) is not None]
        found: list[Entry] = []
        level, listed = [_Stop("", ())], 0
        while level:
            listed += len(level)
            if listed > MOST_FOLDERS:
                raise DataError(
                    f"{self.folder.shown} has more than {MOST_FOLDERS:,} folders: name one further down, or "
                    "a manifest."
                )
            inside = self._in_threads([stop.path for stop in level])
            found += [entry for entries in inside for entry in entries]
            level = [
                below
                for stop, entries in zip(level, inside, strict=True)
                for below in self._enter(stop, entries)
            ]
        return found

    def _enter(self, stop: _Stop, entries: Sequence[Entry]) -> list[_Stop]:
        """Return the folders to be listed next; `DataError` where they lead in a circle."""
        names = frozenset((posixpath.basename(e.path), e.is_folder) for e in entries)
        folders = [e.path for e in entries if e.is_folder and not _is_hidden(e.path)]
        lineage = (*stop.above, names)
        if folders and len(lineage) == ALIKE and len(set(lineage)) == 1:
            raise DataError(
                f"{self.folder.shown} leads in a circle: {stop.path[:80]!r} and the {ALIKE - 1} folders "
                "above it hold the same names; name a folder further down, or a manifest."
            )
        return [_Stop(path, lineage[1 - ALIKE :]) for path in folders]

    def of_folders(self, paths: Sequence[str]) -> dict[str, list[Entry] | None]:
        """Return what lies in each of these folders, None where the store gives no listing of one."""
        if len(paths) >= FIND_FROM and not self.folder.is_web:
            inside: dict[str, list[Entry] | None] = {path: [] for path in paths}
            for entry in self.below():
                listed = inside.get(posixpath.dirname(entry.path))
                if listed is not None:
                    listed.append(entry)
            return inside
        with ThreadPoolExecutor(THREADS, thread_name_prefix="list") as pool:
            return dict(zip(paths, pool.map(self._inside_if_listed, paths), strict=True))

    def _inside_if_listed(self, path: str) -> list[Entry] | None:
        try:
            return self.inside(path)
        except NotFoundError:
            # A server of the web may have pictures in a folder that it shows no page for.
            return None if self.folder.is_web else []
        except DataError:
            return None

    def _in_threads(self, paths: Sequence[str]) -> list[list[Entry]]:
        if len(paths) == 1:
            return [self.inside(paths[0])]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="list") as pool:
            return list(pool.map(self.inside, paths))

    def _list(self, path: str) -> list[Entry]:
        try:
            if self.folder.is_web:
                return self._list_page(path)
            infos = self.folder.ls(self.folder.locate(path))
        except DataError as error:
            where = (
                f"the folder {short(path, SHOWN_CHARACTERS)} of {self.folder.shown}"
                if path
                else self.folder.shown
            )
            raise type(error)(f"{where} cannot be listed: {error}.") from None
        return [e for info in infos if (e := self.folder.entry_of(info)) is not None and e.path != path]

    def _list_page(self, path: str) -> list[Entry]:
        """Return the entries that a server's page about a folder links to."""
        spelled = self._spelled(path)
        here = f"{path}/" if path else "", f"{spelled}/" if spelled else ""
        page = self.folder.read(*here)
        _, authority, place, _ = split_address(self.folder.locate(*here))
        base = tidy_path(place.rstrip("/")) + "/"
        links = _Links()
        links.feed(page.decode("utf-8", "replace"))
        links.close()
        entries: dict[str, Entry] = {}
        for link, beside in links.found:
            part = _part_below(base, authority, link)
            if not part:
                continue
            name = part.rstrip("/")
            text = f"{path}/{path_text(name)}" if path else path_text(name)
            whole = f"{spelled or quote_path(path)}/{name}" if path else name
            odd = whole if quote_path(text) != whole else ""
            entries.setdefault(name, Entry(text, part.endswith("/"), None, " ".join(beside.split()), odd))
        return list(entries.values())

    def _spelled(self, path: str) -> str:
        """Return how an address spells a folder, "" where `quote_path` tells."""
        above = self._known.get(posixpath.dirname(path)) or []
        return next((e.spelled for e in above if e.path == path), "") if path else ""


def _part_below(base: str, authority: str, link: str) -> str:
    """Return the one path part below `base` that a link leads to, "" when it leads elsewhere.

    Links with a query sort the listing by another column, those that begin with ".." lead up.
    """
    try:
        whole = urljoin(f"http://here{base}", link)
    except ValueError:
        return ""
    scheme, host, path, query = split_address(whole)
    if scheme not in ("http", "https") or query or host not in ("here", authority.rpartition("@")[2]):
        return ""
    path = tidy_path(path)
    part = path[len(base) :] if path.startswith(base) else ""
    return part if part and "/" not in part.rstrip("/") and part.strip("/") not in (".", "..") else ""


def _is_hidden(path: str) -> bool:
    return posixpath.basename(path).startswith(".")


class _Links(HTMLParser):
    """Collects (href, text up to the next link) of every link; the link's own text is not counted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._inside = False

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over ``<![..`` as browsers do; the library asserts that it knows the word behind."""
        return self.parse_bogus_comment(i, bool(report))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            return
        href = next((value for name, value in attrs if name == "href" and value), None)
        if href is not None:
            self._inside = True
            self.found.append((href, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self.found and not self._inside:
            href, beside = self.found[-1]
            self.found[-1] = (href, beside + data)
