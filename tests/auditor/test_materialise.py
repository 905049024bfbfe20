"""Safe names, and pictures put into class folders: nothing outside, nothing lost, originals untouched."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from auditor.contents import Folder
from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, OutputError, UsageError
from auditor.images import byte_digest
from auditor.materialise import (
    LONGEST_FILE,
    LONGEST_FOLDER,
    MODES,
    TreeFile,
    check_mode,
    folder_names,
    place_files,
    tree_paths,
)

HOSTILE = (
    "a/b", "..", ".", ".hidden", "", "x" * 300, "é" * 300, "new\nline", "nul\x00", "con", "NUL.txt", "a\\b",
    "=1+1", "__proto__", "</script>", "__MACOSX", "manifest.csv", "100%", "a%2Fb", "a%252Fb", "\u202egpj",
    "😀", "../../x", "~", " ", "-rf", "cat", "(no name)", "tab\there", "\x7f",
)  # fmt: skip
PLAIN = ("=1+1", "__proto__", "100%", "\u202egpj", "😀", "~", "-rf", "cat", "(no name)", "<b>", "Ünï")


def test_folder_names_are_safe_and_unique() -> None:
    names = folder_names(HOSTILE, taken=("manifest.csv",))
    assert set(names) == set(HOSTILE)
    assert len(set(names.values())) == len(HOSTILE)
    for folder in names.values():
        assert folder and not folder.startswith(".")
        assert len(folder.encode()) <= LONGEST_FOLDER
        assert not any(c in "/\\\x7f" or c < " " for c in folder)
        assert folder.lower() not in {"con", "nul.txt", "__macosx", "manifest.csv"}


def test_names_that_need_no_change_keep_it() -> None:
    assert folder_names(PLAIN) == {name: name for name in PLAIN}


def test_encoded_names_read_back() -> None:
    short = [n for n in HOSTILE if len(n.encode()) <= LONGEST_FOLDER and n]
    assert {n: unquote(f) for n, f in folder_names(short).items()} == {n: n for n in short}


def test_the_names_do_not_depend_on_the_order() -> None:
    assert folder_names(HOSTILE) == folder_names(HOSTILE[::-1])


def test_what_stands_for_no_name_gives_way_to_a_class_of_that_name() -> None:
    names = folder_names(["", "(no name)"])
    assert names["(no name)"] == "(no name)"
    assert names[""] != "(no name)"


def test_files_of_one_name_are_numbered_in_order_of_their_ids() -> None:
    ids = ["c", "a", "b", "d"]
    paths = ["one/1.jpg", "two/1.jpg", "three/1.jpg", "four/1-2.jpg"]
    found = tree_paths(ids, paths, [["rose"] * 4], ())
    # 1-2.jpg is a file's own name: it is not given to another.
    assert dict(zip(ids, found, strict=True)) == {
        "a": "rose/1.jpg", "b": "rose/1-3.jpg", "c": "rose/1-4.jpg", "d": "rose/1-2.jpg",
    }  # fmt: skip


def test_one_file_under_two_labels_stands_in_both_folders() -> None:
    found = tree_paths(["1.jpg", "1.jpg#2"], ["1.jpg", "1.jpg"], [["rose", "tulip"]], ())
    assert found == ["rose/1.jpg", "tulip/1.jpg"]
    assert tree_paths(["1.jpg", "1.jpg#2"], ["1.jpg"] * 2, [["rose"] * 2], ()) == [
        "rose/1.jpg",
        "rose/1-2.jpg",
    ]


def test_long_file_names_fit_and_keep_their_suffix() -> None:
    long = [f"d{n}/{'y' * 251}.png" for n in range(3)]
    found = [p.rpartition("/")[2] for p in tree_paths(["a", "b", "c"], long, [["x"] * 3], ())]
    assert found[0] == "y" * 251 + ".png"
    assert len(set(found)) == 3
    assert all(f.endswith(".png") and len(f.encode()) <= LONGEST_FILE for f in found)
    [raw] = tree_paths(["a"], ["%E9" * 100 + ".png"], [["x"]], ())
    assert len(raw.encode()) <= LONGEST_FILE + 2 and raw.endswith(".png")


def test_hidden_files_become_visible_and_no_path_leads_outside() -> None:
    paths = [".hidden.jpg", "../../x.jpg", "a/../../..", "desktop.ini"]
    found = tree_paths(list("abcd"), paths, [["..", "../../y", ".", "z"]], ())
    assert found[0].endswith("/%2Ehidden.jpg")
    for place in found:
        assert not any(part in ("", ".", "..") or part.startswith(".") for part in place.split("/"))


def original(folder: Path, name: str, data: bytes) -> TreeFile:
    file = folder / name
    file.write_bytes(data)
    os.utime(file, ns=(1, 1_000_000_007))
    return TreeFile(name, str(file), byte_digest(data), f"rose/{name}")


@pytest.mark.parametrize("mode", MODES)
def test_files_are_placed_and_originals_stay(mode: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    file = original(tmp_path / "old", "1.jpg", b"picture")
    empty = original(tmp_path / "old", "2.jpg", b"")
    seen: list[int] = []
    place_files(
        [file, empty], Folder(tmp_path), tmp_path / "new", mode, lambda stage, done, total: seen.append(done)
    )
    made = tmp_path / "new" / "rose" / "1.jpg"
    assert made.read_bytes() == b"picture"
    assert made.stat().st_mtime_ns == 1_000_000_007 == Path(file.path).stat().st_mtime_ns
    assert made.is_symlink() == (mode == "symlink")
    assert made.samefile(file.path) == (mode != "copy")
    assert seen == [1, 2]
    if mode == "symlink":
        assert not made.readlink().is_absolute()
        tmp_path.joinpath("old").rename(tmp_path / "elsewhere")
        assert not made.exists()


def test_a_changed_original_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    file = original(tmp_path, "1.jpg", b"picture")
    Path(file.path).write_bytes(b"another")
    with pytest.raises(DataError, match=r"'1\.jpg' has changed since the audit"):
        place_files([file], Folder(tmp_path), tmp_path / "new", "copy")


def test_links_across_file_systems_name_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    file = original(tmp_path, "1.jpg", b"picture")

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(OutputError, match=r"Hard links .*--materialize copy"):
        place_files([file], Folder(tmp_path), tmp_path / "new", "hardlink")


@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_there_is_written_over(mode: str, tmp_path: Path) -> None:
    """As on a file system that takes upper and lower case for equal."""
    new = tmp_path / "new"
    new.mkdir()
    file = original(tmp_path, "1.jpg", b"picture")
    with pytest.raises(OutputError, match="one and the same"):
        place_files([file, file], Folder(tmp_path), new, mode)
    (new / "tulip").mkdir()
    with pytest.raises(OutputError, match="'tulip' and another name"):
        place_files([TreeFile("1", file.path, file.byte_digest, "tulip/1.jpg")], Folder(tmp_path), new, mode)


def test_a_link_is_followed_once(tmp_path: Path) -> None:
    """A hard link to a symbolic link would break when that one goes."""
    (tmp_path / "new").mkdir()
    file = original(tmp_path, "1.jpg", b"picture")
    (tmp_path / "link.jpg").symlink_to("1.jpg")
    linked = TreeFile("l", str(tmp_path / "link.jpg"), file.byte_digest, "rose/link.jpg")
    place_files([linked], Folder(tmp_path), tmp_path / "new", "hardlink")
    assert not (tmp_path / "new" / "rose" / "link.jpg").is_symlink()


def test_hostile_classes_are_read_back_as_folders(tmp_path: Path) -> None:
    new, classes = tmp_path / "new", HOSTILE
    new.mkdir()
    file = original(tmp_path, "1.jpg", b"picture")
    places = tree_paths(list(classes), ["1.jpg"] * len(classes), [classes], ("manifest.csv",))
    place_files(
        [TreeFile("1", file.path, file.byte_digest, place) for place in places],
        Folder(tmp_path),
        new,
        "symlink",
    )
    found = read_dataset(new, ReadOptions(layout="class", follow_links=True))
    assert sorted(found.table["path"]) == sorted(places)
    assert set(found.classes) == set(folder_names(classes, ("manifest.csv",)).values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.jpg", "new"]


def test_an_unknown_mode_is_said() -> None:
    with pytest.raises(UsageError, match="copy, hardlink, symlink, not 'move'"):
        check_mode("move")
