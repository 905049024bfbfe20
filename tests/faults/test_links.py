"""Links and special files: what is followed, what is passed over and counted; no reading without end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from command import Command
from faults.world import Quarters
from pictures import make_folders, write_picture

from auditor.contents import Folder
from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError
from auditor.files import MAX_FILE_BYTES, read_file
from auditor.storage import load

FOLLOW = ReadOptions(follow_links=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with one picture each; `elsewhere` beside them is another's."""
    for name in ("a", "b"):
        write_picture(tmp_path / "set" / name / "1.png", 0, 0)
    write_picture(tmp_path / "elsewhere" / "2.png", 1, 1)
    write_picture(tmp_path / "elsewhere" / "deep" / "3.png", 1, 2)
    return tmp_path / "set"


def link(place: Path, target: Path | str) -> Path:
    place.symlink_to(target)
    return place


def ids(root: Path, options: ReadOptions | None = None) -> list[str]:
    return list(read_dataset(root, options).ids)


def test_links_out_of_the_dataset_are_counted_and_followed_only_if_asked(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    link(root / "c", elsewhere)
    link(root / "a" / "file.png", elsewhere / "2.png")
    link(root / "b" / "relative.png", "../../elsewhere/2.png")
    link(root / "b" / "notes.txt", elsewhere / "2.png")  # no picture's name
    dataset = read_dataset(root)
    assert list(dataset.ids) == ["a/1.png", "b/1.png"]
    assert dataset.notes == (
        "Passed over: 1 .txt.",
        "Not followed: 3 links out of the dataset, the first is 'a/file.png'; --follow-links follows them.",
    )
    followed = read_dataset(root, FOLLOW)
    assert list(followed.ids) == [
        "a/1.png", "a/file.png", "b/1.png", "b/relative.png", "c/2.png", "c/deep/3.png",
    ]  # fmt: skip
    assert followed.notes == ("Passed over: 1 .txt.",)


def test_a_dataset_of_links_alone_says_how_to_follow_them(root: Path) -> None:
    for name in ("a", "b"):
        (root / name / "1.png").unlink()
        link(root / name / "1.png", root.parent / "elsewhere" / "2.png")
    with pytest.raises(DataError, match=r"No images in set.* 2 links out .*'a/1.png'; --follow-links"):
        read_dataset(root)
    assert ids(root, FOLLOW) == ["a/1.png", "b/1.png"]


def test_links_inside_the_dataset_are_followed(root: Path) -> None:
    link(root / "a" / "absolute.png", root / "b" / "1.png")
    link(root / "a" / "relative.png", "../b/1.png")
    link(root / "c", root / "b")
    # Out and back again: where a link ends is what counts.
    link(root / "b" / "detour.png", link(root.parent / "back", root / "a") / "1.png")
    dataset = read_dataset(root)
    assert list(dataset.ids) == [
        "a/1.png", "a/absolute.png", "a/relative.png", "b/1.png", "b/detour.png", "c/1.png", "c/detour.png",
    ]  # fmt: skip
    assert dataset.notes == ()


def test_a_folder_whose_name_only_starts_alike_is_outside(root: Path) -> None:
    write_picture(root.parent / "set-2" / "x.png", 0, 3)
    link(root / "a" / "x.png", "../../set-2/x.png")
    assert ids(root) == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize("options", [ReadOptions(), FOLLOW], ids=["as it is", "followed"])
def test_loops_of_links_end(root: Path, options: ReadOptions) -> None:
    link(root / "a" / "self.png", "self.png")
    link(root / "a" / "there.png", "back.png")
    link(root / "a" / "back.png", "there.png")
    link(root / "a" / "up", "../..")
    link(root / "a" / "here", ".")
    link(root / "b" / "here too", root / "b")
    link(root / "b" / "gone.png", "nowhere.png")
    dataset = read_dataset(root, options)
    around = 3 if options.follow_links else 2
    assert dataset.notes[0] == f"Passed over: 4 broken link, {around} link to a folder around it."
    # Followed out of the dataset, "up" leads to its neighbours, once, and never back into it.
    found = sorted(set(dataset.ids) - {"a/1.png", "b/1.png"})
    if options.follow_links:
        assert found == ["a/up/elsewhere/2.png", "a/up/elsewhere/deep/3.png"]
    else:
        assert found == [] and "the first is 'a/up'" in dataset.notes[1]


def test_a_dataset_that_is_a_link_itself_is_read(root: Path) -> None:
    link(root / "a" / "inside.png", root / "b" / "1.png")
    there = link(root.parent / "link", root)
    assert ids(there) == ids(root) == ["a/1.png", "a/inside.png", "b/1.png"]
    assert ids(link(root.parent / "link of a link", there)) == ids(root)


def test_a_folder_that_goes_away_while_it_is_listed_is_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(root / "c" / "1.png", 2, 0)
    real = os.stat

    def stat(path: str, **options: bool) -> os.stat_result:
        if str(path) == str(root / "c"):
            (root / "c" / "1.png").unlink(missing_ok=True)
            (root / "c").rmdir()
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    dataset = read_dataset(root)
    assert list(dataset.ids) == ["a/1.png", "b/1.png"]
    assert dataset.notes == ("Passed over: 1 folder not read (No such file or directory).",)


def version(root: Path, command: Command, mode: str, toy: Quarters) -> Path:
    """A version of a small dataset, made by `auditor clean`."""
    data, audit, new = root.parent / "data", root.parent / "audit", root.parent / "new"
    make_folders(data)
    done = command("run", data, "--out", audit, "-q")
    assert done.code == 0, done.err
    done = command(
        "clean", audit, "--out", new, "--apply", "--auto", "drop-unreadable", "--materialize", mode
    )
    assert done.code == 0, done.err
    return new


def test_links_that_clean_wrote_are_followed_and_no_others_there(
    root: Path, command: Command, toy: Quarters
) -> None:
    new = version(root, command, "symlink", toy)
    link(new / "rings" / "theirs.png", root / "a" / "1.png")
    link(new / "more", root / "a")
    by_class = ReadOptions(layout="class")
    dataset = read_dataset(new, by_class)
    assert len(dataset) == 24 and all((new / i).is_symlink() for i in dataset.ids)
    assert "2 links out of the dataset, the first is 'more'" in " ".join(dataset.notes)
    # Without its record, or its manifest, nothing says whose links these are.
    for name in ("version.json", "manifest.csv"):
        content = (new / name).read_bytes()
        (new / name).write_bytes(b"{}")
        with pytest.raises(DataError, match="26 links out of the dataset"):
            read_dataset(new, by_class)
        (new / name).write_bytes(content)
    # Its manifest names every file, so nobody is asked.
    assert len(read_dataset(new)) == 24


def test_a_link_in_a_version_of_copies_is_another_ones(root: Path, command: Command, toy: Quarters) -> None:
    new = version(root, command, "copy", toy)
    (new / "rings" / "0.png").unlink()
    link(new / "rings" / "0.png", root / "a" / "1.png")
    dataset = read_dataset(new, ReadOptions(layout="class"))
    assert len(dataset) == 23 and "1 link out of the dataset" in " ".join(dataset.notes)


def test_follow_links_on_the_command_line(root: Path, command: Command, toy: Quarters) -> None:
    data = make_folders(root.parent / "data")
    link(data / "more", make_folders(root.parent / "others") / "waves")
    done = command("run", data, "--out", root.parent / "one")
    assert done.code == 0 and "1 link out of the dataset, the first is 'more'" in done.err
    assert len(load(root.parent / "one").dataset) == 24
    done = command("run", data, "--out", root.parent / "two", "--follow-links")
    assert done.code == 0 and "out of the dataset" not in done.err, done.err
    audit = load(root.parent / "two")
    assert len(audit.dataset) == 32 and "more" in audit.dataset.classes
    assert audit.provenance.command.endswith("--follow-links")
    done = command("embed", data, "--out", root.parent / "store", "--follow-links", "--json")
    assert done.code == 0 and '"samples": 32' in done.out, done.err


@pytest.fixture
def special(root: Path) -> Iterator[dict[str, Path]]:
    """A pipe, a socket and a device, each beside `root`, and links to them."""
    places = {name: root.parent / f"{name}.png" for name in ("pipe", "socket", "device")}
    os.mkfifo(places["pipe"])
    link(places["device"], "/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(root.parent)  # the name of a socket is 107 bytes at most
        listening.bind("socket.png")
        os.chdir(here)
        yield places


def test_special_files_are_passed_over_and_counted(root: Path, special: dict[str, Path]) -> None:
    for name, place in special.items():
        link(root / "a" / f"{name}.png", place)
    os.mkfifo(root / "b" / "own.png")
    for options in (ReadOptions(), FOLLOW):
        dataset = read_dataset(root, options)
        assert list(dataset.ids) == ["a/1.png", "b/1.png"]
        assert dataset.notes == ("Passed over: 4 not a file.",)


@pytest.mark.parametrize("more", [0, 10], ids=["asked for one by one", "in a listed folder"])
def test_a_manifest_that_names_special_files_gets_reasons(
    more: int, root: Path, special: dict[str, Path], command: Command, toy: Quarters
) -> None:
    data = make_folders(root.parent / "data")
    os.mkfifo(data / "rings" / "own.png")
    rows = [f"data/{p.relative_to(data)},{p.parent.name}" for p in sorted(data.rglob("?.png"))]
    rows += [f"{place},rings" for place in special.values()]
    rows += ["data/rings/own.png,rings", "/dev/zero,rings"]
    link(root.parent / "linked.png", root / "a" / "1.png")
    rows += ["linked.png,waves"]  # a manifest names its files: links are followed
    for number in range(more):
        (root.parent / f"{number}.txt").touch()
        rows.append(f"{number}.txt,steps")
    (root.parent / "labels.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    done = command("run", root.parent / "labels.csv", "--out", root.parent / "audit", "-q")
    assert done.code == 0, done.err
    audit = load(root.parent / "audit")
    reasons = dict(zip(audit.facts.ids, audit.facts.error, strict=True))
    assert reasons["linked.png"] == ""
    told = {name: text for name, text in reasons.items() if text and not name.endswith(".txt")}
    pipe, device = "this is a pipe, not a file", "this is a device, not a file"
    assert {name.rpartition("/")[2]: text for name, text in told.items()} == {
        "pipe.png": pipe, "own.png": pipe, "socket.png": "this is a socket, not a file",
        "device.png": device, "zero": device,
    }  # fmt: skip
    table = pd.read_csv(root.parent / "audit" / "findings.csv")
    assert set(table[table.kind == "unreadable"].id) == {name for name, text in reasons.items() if text}


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as sparse:
        sparse.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match=r"has 1,073,741,825 bytes, more than the limit of 1,073,741,824"):
        read_file(file)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkdir, "this is a folder, not a file"),
        (os.mkfifo, "this is a pipe, not a file"),
        (lambda name: Path(name).symlink_to("/dev/null"), "this is a device, not a file"),
        (lambda name: Path(name).symlink_to(name), "the file cannot be read: Too many levels of symbolic"),
        (lambda name: Path(name).symlink_to("nowhere"), "the file does not exist"),
    ],
)
def test_what_is_no_file_is_never_opened(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(DataError, match=reason):
        Folder(tmp_path).read("x.png")
