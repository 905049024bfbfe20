"""The findings folder: the originals under safe names, one picture a name, true names in the tables."""

from __future__ import annotations

import csv
import os
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from handover import HOSTILE, ON_DISK, hostile_audit, on_disk
from toy import toy_audit

from auditor.errors import DataError, OutputError
from auditor.findings_folder import FolderOptions, picture_places, write_findings_folder
from auditor.images import byte_digest
from auditor.results import Audit, as_ids


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return on_disk(toy_audit(), tmp_path / "data")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    return folder


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def restored(cell: str) -> str:
    """What stood in a neutralised cell."""
    return (
        cell[1:]
        if cell.startswith("'") and cell.lstrip("'").startswith(("=", "+", "-", "@", "\t", "\r"))
        else cell
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_every_flagged_picture_is_there_once_and_is_its_original(audit: Audit, out: Path) -> None:
    counts = write_findings_folder(audit, out)
    digest = dict(zip(audit.facts.ids, audit.facts.byte_digest, strict=True))
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    table = rows(out / "labels.csv")
    for row in table:
        assert byte_digest((out / row["filepath"]).read_bytes()) == digest[row["sample_id"]]
        assert row["filepath"] == f"images/{row['label']}/{row['sample_id'].split('/')[1]}"
        assert row["label"] == label[row["sample_id"]]
    unreadable = {i for f in audit.findings if f.kind == "unreadable" for i in f.ids}
    flagged = {i for f in audit.findings for i in f.ids}
    assert {row["sample_id"] for row in table} == flagged - unreadable
    assert set(tree(out)) == {"labels.csv", "classes.csv", *(row["filepath"] for row in table)}
    assert (counts.images, counts.left_out) == (len(table), len(unreadable))
    assert counts.bytes == sum(len(data) for data in tree(out).values())
    scores = [float(row["score"]) for row in table]
    assert scores == sorted(scores)


def test_tags_say_kind_and_suggestion(audit: Audit, out: Path) -> None:
    write_findings_folder(audit, out)
    finding_of = {i: f for f in reversed(audit.findings) for i in f.ids}
    for row in rows(out / "labels.csv"):
        finding = finding_of[row["sample_id"]]
        suggested = [f"suggested:{finding.suggested_label}"] if finding.suggested_label else []
        assert row["tags"].split(",") == [finding.kind, *suggested]
        assert (row["kind"], row["finding_id"], row["reason"]) == (
            finding.kind,
            finding.finding_id,
            finding.reason,
        )


def test_no_column_is_one_that_fiftyone_keeps_for_itself(audit: Audit, out: Path) -> None:
    write_findings_folder(audit, out)
    assert list(rows(out / "labels.csv")[0])[:3] == ["filepath", "label", "tags"]
    assert not {"id", "media_type", "metadata", "created_at"} & set(rows(out / "labels.csv")[0])


def test_hostile_names_stay_inside_and_come_back(tmp_path: Path, out: Path) -> None:
    audit = on_disk(hostile_audit(), tmp_path / "data")
    before = tree(tmp_path / "data")
    write_findings_folder(audit, out, FolderOptions(archive=True))
    assert tree(tmp_path / "data") == before
    assert {p.name for p in tmp_path.iterdir()} == {"data", "deep"}
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    true_name = {restored(r["folder"]): restored(r["label"]) for r in rows(out / "classes.csv")}
    table = rows(out / "labels.csv")
    label = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    assert {restored(row["label"]) for row in table} <= set(HOSTILE)
    for row in table:
        images, folder, name = row["filepath"].split("/")
        assert images == "images"
        assert true_name[folder] == restored(row["label"]) == label[restored(row["sample_id"])]
        assert not {folder, name} & {"", ".", "..", "no_label", "_unlabeled"}
        assert not (set(folder) | set(name)) & set("\\\x00\n\x1f")
        assert len(os.fsencode(name)) <= 255
    assert {row["filepath"] for row in table} == {p for p in tree(out) if p.startswith("images/")}


@pytest.mark.parametrize("name", ON_DISK, ids=ascii)
def test_any_class_name_is_one_folder(name: str) -> None:
    (place,) = picture_places(["x"], [f"{name}/{name}.png"], [name])
    parts = place.split("/")
    assert len(parts) == 3
    assert parts[2].endswith(".png")
    assert not parts[1].startswith(".")


def test_no_two_pictures_have_one_stem() -> None:
    paths = ["train/cat/1.png", "test/cat/1.png", "train/cat/1.jpg", "train/dog/1.png", "train/dog/cat_1.png",
             "train/cat/cat_1.png", "train/cat/A.png", "train/dog/a.png", "train/cat/1-2.png"]  # fmt: skip
    labels = [path.split("/")[1] for path in paths]
    places = picture_places(paths, paths, labels)
    seen = set()
    for place, label in zip(places, labels, strict=True):
        _, folder, name = place.split("/")
        assert folder == label
        seen.add(name.rpartition(".")[0].removeprefix(f"{folder}_").casefold())
    assert len(seen) == len(paths)
    assert {p.rpartition(".")[2] for p in places} == {"png", "jpg"}


def test_names_do_not_depend_on_the_order() -> None:
    paths = [f"{split}/cat/{n}.png" for split in ("train", "test") for n in range(5)]
    forth = dict(zip(paths, picture_places(paths, paths, ["cat"] * 10), strict=True))
    back = dict(zip(paths[::-1], picture_places(paths[::-1], paths[::-1], ["cat"] * 10), strict=True))
    assert forth == back


def test_many_of_one_name_are_numbered_quickly() -> None:
    ids = [f"{n:05d}/1.png" for n in range(20_000)]
    assert len(set(picture_places(ids, ids, ["cat"] * len(ids)))) == len(ids)


def test_links_lead_to_the_originals(audit: Audit, out: Path) -> None:
    counts = write_findings_folder(audit, out, FolderOptions(link=True))
    moved = out.with_name("moved")
    out.rename(moved)
    links = list(moved.rglob("*.png"))
    assert len(links) == counts.images
    assert all(p.is_symlink() and p.resolve().is_relative_to(audit.dataset.root) for p in links)


def test_the_archive_holds_the_class_folders_alone(audit: Audit, out: Path) -> None:
    write_findings_folder(audit, out, FolderOptions(link=True, archive=True))
    with zipfile.ZipFile(out / "imagenet.zip") as archive:
        assert archive.testzip() is None
        packed = {f"images/{name}": archive.read(name) for name in archive.namelist()}
        assert {stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()} == {0o644}
    assert packed == {name: data for name, data in tree(out).items() if name.startswith("images/")}


def test_the_same_audit_gives_the_same_bytes(audit: Audit, out: Path) -> None:
    again = out.with_name("again")
    again.mkdir()
    for folder in (out, again):
        write_findings_folder(audit, folder, FolderOptions(archive=True))
    assert tree(out) == tree(again)


def test_cells_are_neutralised(tmp_path: Path, out: Path) -> None:
    audit = on_disk(toy_audit(classes=("=1+1", "@a", "+b")), tmp_path / "data")
    write_findings_folder(audit, out)
    assert {row["label"] for row in rows(out / "labels.csv")} == {"'=1+1", "'@a", "'+b"}


def test_a_comma_in_a_class_does_not_split_a_tag(tmp_path: Path, out: Path) -> None:
    audit = on_disk(toy_audit(classes=("a,b", "c,d", "e")), tmp_path / "data")
    write_findings_folder(audit, out)
    assert all(
        len(row["tags"].split(",")) == 1 + bool(row["suggested_label"]) for row in rows(out / "labels.csv")
    )


def test_only_the_kinds_asked_for(audit: Audit, out: Path) -> None:
    write_findings_folder(audit, out, FolderOptions(kinds=["leak", "duplicate"]))
    assert {row["kind"] for row in rows(out / "labels.csv")} == {"leak", "duplicate"}


def test_originals_that_are_gone(audit: Audit, out: Path) -> None:
    gone = audit.findings[-1].ids
    for i in gone:
        (audit.dataset.root / i).unlink()
    with pytest.raises(DataError, match=f"{len(gone)} of the .* originals cannot be found, the first is"):
        write_findings_folder(audit, out)
    assert list(out.iterdir()) == []


def test_originals_that_changed(audit: Audit, out: Path) -> None:
    (audit.dataset.root / audit.findings[-1].ids[0]).write_bytes(b"another picture")
    with pytest.raises(DataError, match="has changed since the audit"):
        write_findings_folder(audit, out)


def test_paths_that_no_file_can_have(audit: Audit, out: Path) -> None:
    table = audit.dataset.table.assign(path=as_ids(["a\x00b" * 200] * len(audit.dataset)))
    with pytest.raises(DataError, match="originals cannot be found"):
        write_findings_folder(replace(audit, dataset=replace(audit.dataset, table=table)), out)


def test_links_that_cannot_be_made(audit: Audit, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(OutputError, match=r"Operation not supported.*leave out --link"):
        write_findings_folder(audit, out, FolderOptions(link=True))


def test_nothing_to_hand_over(tmp_path: Path, out: Path) -> None:
    with pytest.raises(DataError, match="vectors without pictures"):
        write_findings_folder(toy_audit(images=False), out)
    with pytest.raises(DataError, match="no flagged sample decodes"):
        write_findings_folder(toy_audit(findings={"unreadable": 2}), out)
