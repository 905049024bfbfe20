"""A new version as files: what changes, what resolves, what is refused; the originals never change."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import file_path
from PIL import Image
from toy import toy_audit

from auditor.arrays import as_ids
from auditor.cleaning import CleanOptions, WriteOptions, plan_version, version_document, write_version
from auditor.dataset import ReadOptions, fingerprint, read_dataset
from auditor.decisions import Decision, DecisionFile, write_decisions
from auditor.errors import AuditError, DataError, OutputError, UsageError
from auditor.images import byte_digest
from auditor.materialise import MODES
from auditor.results import Audit
from auditor.sources.names import locate

HOSTILE = (
    "a/b", "..", ".hidden", "x" * 300, "new\nline", "carriage\rreturn", "con", "=1+1", "'=1",
    '"quoted", comma', "</script>", "__proto__", "manifest.csv", "01", "NA", "\u202egpj", "😀", "../../x",
)  # fmt: skip
FILES = (
    "1.jpg",
    "=1+1.png",
    "new\nline.png",
    'q"uote, comma.png',
    "100%41.png",
    "a\\b.png",
    "😀.png",
    "z" * 251 + ".png",
)
TREES = (None, *MODES)


def picture(folder: Path, name: str, number: int) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), number % 256, np.uint8)).save(file, "PNG")


def audit_of(root: Path, rows: Sequence[tuple[str, str]], **columns: Sequence[str]) -> Audit:
    """An audit of files that exist: (path, label) of each row, ids as the readers give them."""
    seen: dict[str, int] = {}
    ids = []
    for path, _ in rows:
        seen[path] = seen.get(path, 0) + 1
        ids.append(path if seen[path] == 1 else f"{path}#{seen[path]}")
    classes = tuple(sorted({label for _, label in rows}))
    made = toy_audit(n=len(rows), classes=classes, findings={}, names=ids)
    table = made.dataset.table.assign(
        path=[p for p, _ in rows], label=[c for _, c in rows], **{"split": "", **columns}
    )
    digests = as_ids([byte_digest(Path(locate(str(root), path)).read_bytes()) for path, _ in rows])
    dataset = replace(made.dataset, root=root, table=table, descriptions={classes[0]: "=what counts"})
    facts = replace(made.facts, digest=digests, byte_digest=digests)
    mark = fingerprint(dataset.ids, digests, as_ids(table["label"]))
    return replace(made, dataset=dataset, facts=facts, provenance=replace(made.provenance, fingerprint=mark))


def rows_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["path"], table["label"], strict=True))


def decided(audit: Audit, changes: dict[str, str], who: str = "ana") -> DecisionFile:
    """Relabel to a class, or drop for ""."""
    labels = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
    digests = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
    made = tuple(
        Decision(i, digests[i], "label_check", "relabel" if to else "drop", labels[i], to)
        for i, to in changes.items()
    )
    mark = audit.provenance
    return DecisionFile(f"{who}.json", mark.report_id, mark.fingerprint, who, "", made)


def state(root: Path) -> dict[str, tuple[str, int]]:
    """Digest and mtime of every file under a folder."""
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.lstat().st_mtime_ns)
        for p in sorted(root.rglob("*")) if p.is_file()
    }  # fmt: skip


def read_csv(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))


@pytest.fixture
def photos(tmp_path: Path) -> Audit:
    """Three classes of four pictures as class folders."""
    rows = [(f"{label}/{n}.png", label) for label in ("lily", "rose", "tulip") for n in range(4)]
    for number, (path, _) in enumerate(rows):
        picture(tmp_path / "photos", path, number)
    return audit_of(tmp_path / "photos", rows)


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[Audit, dict[str, str]]]:
    """Every hostile class, files of hostile names in one folder, one of them listed under two labels."""
    root = tmp_path / "photos"
    rows = [(f"in/{name}", HOSTILE[n % len(HOSTILE)]) for n, name in enumerate(FILES)]
    rows += [(f"more/{n}/1.jpg", label) for n, label in enumerate(HOSTILE)]
    rows += [("in/1.jpg", "01"), ("../beside.png", "NA"), ("in/caf%E9.png", "NA")]
    for number, (path, _) in enumerate(rows):
        if "%E9" not in path:
            picture(root, path, number)
    raw = os.fsencode(root / "in") + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes((root / "in" / "1.jpg").read_bytes() + b"\0")
    audit = audit_of(root, rows)
    changes = {"in/1.jpg": "__proto__", "in/1.jpg#2": "=1+1", "more/3/1.jpg": "", "in/caf%E9.png": "../../x"}
    yield audit, changes
    assert {p.name for p in tmp_path.iterdir()} <= {"photos", "beside.png", "new"}


def test_exactly_the_decided_labels_change(photos: Audit, tmp_path: Path) -> None:
    before = state(tmp_path / "photos")
    version = plan_version(photos, [decided(photos, {"rose/1.png": "tulip", "lily/0.png": ""})])
    assert write_version(version, tmp_path / "new")
    found = read_dataset(tmp_path / "new")
    want = photos.dataset.table.set_index("id")["label"].drop("lily/0.png")
    want["rose/1.png"] = "tulip"
    assert found.table.set_index("id")["label"].to_dict() == want.to_dict()
    for row, i in enumerate(found.ids):
        assert Path(file_path(found, row)).samefile(tmp_path / "photos" / i)
    assert found.descriptions == {"lily": "=what counts"}
    assert state(tmp_path / "photos") == before
    record = json.loads((tmp_path / "new" / "version.json").read_text())
    digests = dict(zip(photos.facts.ids, photos.facts.digest, strict=True))
    after = fingerprint(found.ids, as_ids([digests[i] for i in found.ids]), as_ids(found.table["label"]))
    assert record["fingerprint_after"] == after
    assert record["fingerprint"] == photos.provenance.fingerprint
    assert record["plan"] == version.plan.digest
    assert record["counts"] == version_document(version)["counts"]


@pytest.mark.parametrize("mode", TREES)
def test_hostile_names_survive_the_round_trip(
    mode: str | None, hostile: tuple[Audit, dict[str, str]], tmp_path: Path
) -> None:
    audit, changes = hostile
    originals = state(tmp_path)
    write_version(plan_version(audit, [decided(audit, changes)]), tmp_path / "new", WriteOptions(mode))
    found = read_dataset(tmp_path / "new")
    want = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True)) | changes
    assert dict(zip(found.ids, found.table["label"], strict=True)) == {i: c for i, c in want.items() if c}
    digests = dict(zip(audit.facts.ids, audit.facts.byte_digest, strict=True))
    for row, i in enumerate(found.ids):
        assert byte_digest(Path(file_path(found, row)).read_bytes()) == digests[i]
    assert not any("file does not exist" in note for note in found.notes)
    journal = read_csv(tmp_path / "new" / "journal.csv")
    assert len(journal) == len(audit.dataset)
    assert {k: v for k, v in state(tmp_path).items() if "/new/" not in k} == originals
    if mode is not None:
        tree = read_dataset(tmp_path / "new", ReadOptions(layout="class"))
        assert sorted(tree.table["path"]) == sorted(found.table["path"])
        assert {"01", "NA", "=1+1", "__proto__", "%2E.%2F..%2Fx"} <= set(tree.classes)


def test_the_journal_says_what_happened_to_every_sample(photos: Audit, tmp_path: Path) -> None:
    files = [decided(photos, {"rose/1.png": "tulip", "lily/0.png": ""}, who) for who in ("ana", "ben")]
    write_version(plan_version(photos, files), tmp_path / "new")
    rows = {row["id"]: row for row in read_csv(tmp_path / "new" / "journal.csv")}
    assert list(rows) == photos.dataset.ids.tolist()
    assert rows["rose/1.png"] == {
        "id": "rose/1.png", "digest": photos.facts.digest[5], "action": "relabelled", "label_before": "rose",
        "label_after": "tulip", "path_before": "rose/1.png", "path_after": "../photos/rose/1.png",
        "why": "control: relabel to tulip (ana, ben)", "annotators": "ana; ben", "note": "",
    }  # fmt: skip
    assert (rows["lily/0.png"]["label_after"], rows["lily/0.png"]["path_after"]) == ("", "")
    assert rows["tulip/0.png"]["why"] == "not asked"


@pytest.mark.parametrize("mode", TREES)
def test_twice_is_once(mode: str | None, photos: Audit, tmp_path: Path) -> None:
    version = plan_version(photos, [decided(photos, {"rose/1.png": "tulip"})])
    assert write_version(version, tmp_path / "new", WriteOptions(mode))
    before = state(tmp_path)
    assert not write_version(version, tmp_path / "new", WriteOptions(mode))
    assert state(tmp_path) == before
    other = plan_version(photos, [decided(photos, {"rose/1.png": "lily"})])
    for refused, options in (
        (other, WriteOptions(mode)),
        (version, WriteOptions("copy" if not mode else None)),
    ):
        with pytest.raises(OutputError, match="--overwrite"):
            write_version(refused, tmp_path / "new", options)
    assert state(tmp_path) == before
    assert write_version(other, tmp_path / "new", WriteOptions(mode, overwrite=True))
    assert read_dataset(tmp_path / "new").table.set_index("id")["label"]["rose/1.png"] == "lily"
    assert {k: v for k, v in state(tmp_path).items() if "/photos/" in k} == {
        k: v for k, v in before.items() if "/photos/" in k
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "photos"]


def test_a_version_that_lost_a_file_is_not_the_same(photos: Audit, tmp_path: Path) -> None:
    version = plan_version(photos)
    write_version(version, tmp_path / "new", WriteOptions("copy"))
    (tmp_path / "new" / "rose" / "1.png").unlink()
    with pytest.raises(OutputError, match="--overwrite"):
        write_version(version, tmp_path / "new", WriteOptions("copy"))


def test_overwriting_keeps_what_people_put_there_or_refuses(photos: Audit, tmp_path: Path) -> None:
    new, version = tmp_path / "new", plan_version(photos)
    write_version(version, new, WriteOptions("copy"))
    (new / "notes.txt").write_text("mine")
    write_version(version, new, WriteOptions(overwrite=True))
    assert (new / "notes.txt").read_text() == "mine"
    assert not (new / "rose").exists()
    (new / "rose").mkdir()
    (new / "rose" / "mine.png").write_text("mine")
    with pytest.raises(OutputError, match="at 'rose'"):
        write_version(version, new, WriteOptions("copy", overwrite=True))
    (new / "rose" / "mine.png").unlink()
    (new / "rose").rmdir()
    write_version(version, new, WriteOptions("copy", overwrite=True))
    (new / "rose" / "mine.png").write_text("mine")
    with pytest.raises(OutputError, match="its class folders"):
        write_version(version, new, WriteOptions(overwrite=True))
    assert (new / "rose" / "mine.png").read_text() == "mine"


def test_only_what_clean_wrote_is_overwritten(photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "manifest.csv").write_text("mine")
    with pytest.raises(OutputError, match="holds no dataset version"):
        write_version(plan_version(photos), tmp_path / "new", WriteOptions(overwrite=True))
    assert (tmp_path / "new" / "manifest.csv").read_text() == "mine"


@pytest.mark.parametrize("place", ["photos/new", "photos/rose/new", "photos", "."])
def test_a_folder_the_next_run_would_read_is_refused(place: str, photos: Audit, tmp_path: Path) -> None:
    before = state(tmp_path)
    with pytest.raises(OutputError, match=r"inside the dataset|the audited dataset itself"):
        write_version(plan_version(photos), tmp_path / place, WriteOptions(overwrite=True))
    assert state(tmp_path) == before


def test_inside_a_dataset_with_a_manifest_is_allowed(photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "photos" / "manifest.csv").write_text("path,label\n")
    write_version(plan_version(photos), tmp_path / "photos" / "new")
    assert read_dataset(tmp_path / "photos" / "new").table["path"][0] == "../lily/0.png"
    asked = replace(
        photos, provenance=replace(photos.provenance, command="auditor run photos --layout class")
    )
    with pytest.raises(OutputError, match="inside the dataset"):
        write_version(plan_version(asked), tmp_path / "photos" / "newer")


def test_a_version_of_a_version_does_not_replace_it(photos: Audit, tmp_path: Path) -> None:
    write_version(plan_version(photos), tmp_path / "new", WriteOptions("copy"))
    first = read_dataset(tmp_path / "new")
    again = audit_of(tmp_path / "new", rows_of(first.table))
    version = plan_version(again, [decided(again, {"rose/1.png": ""})])
    with pytest.raises(OutputError, match="the audited dataset itself"):
        write_version(version, tmp_path / "new", WriteOptions(overwrite=True))
    # Also where the manifest lies elsewhere and only the pictures are in it.
    (tmp_path / "lists").mkdir()
    outside = audit_of(tmp_path / "lists", [(f"../new/{p}", c) for p, c in rows_of(first.table)])
    with pytest.raises(OutputError, match="the audited dataset itself"):
        write_version(plan_version(outside), tmp_path / "new", WriteOptions(overwrite=True))


@pytest.mark.parametrize("mode", TREES)
def test_an_original_that_is_gone_stops_it(mode: str | None, photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "photos" / "rose" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 12 pictures not found under .*'rose/1\.png'.*--root"):
        write_version(plan_version(photos), tmp_path / "new", WriteOptions(mode))
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]
    dropped = plan_version(photos, [decided(photos, {"rose/1.png": ""})])
    assert write_version(dropped, tmp_path / "new", WriteOptions(mode))


def test_an_original_that_changed_is_not_copied(photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "photos" / "tulip" / "3.png").write_bytes(b"another")
    with pytest.raises(DataError, match=r"'tulip/3\.png' has changed since the audit"):
        write_version(plan_version(photos), tmp_path / "new", WriteOptions("copy"))
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


def test_moved_pictures_are_found_under_root(photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "photos").rename(tmp_path / "moved")
    write_version(plan_version(photos), tmp_path / "new", WriteOptions(root=tmp_path / "moved"))
    assert read_dataset(tmp_path / "new").table["path"][0] == "../moved/lily/0.png"


def test_paths_resolve_where_a_folder_above_is_a_link(photos: Audit, tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/down")
    write_version(plan_version(photos), tmp_path / "link" / "new")
    assert len(read_dataset(tmp_path / "link" / "new")) == 12
    assert len(read_dataset(tmp_path / "deep" / "down" / "new")) == 12


def test_splits_and_domains_become_levels(photos: Audit, tmp_path: Path) -> None:
    splits = ["train", "test"] * 6
    audit = audit_of(photos.dataset.root, rows_of(photos.dataset.table), split=splits)
    write_version(plan_version(audit), tmp_path / "new", WriteOptions("symlink"))
    tree = read_dataset(tmp_path / "new", ReadOptions(layout="split/class"))
    assert sorted(zip(tree.table["path"], tree.table["label"], tree.table["split"], strict=True)) == sorted(
        (f"{split}/{path}", label, split)
        for path, label, split in zip(
            audit.dataset.table["path"], audit.dataset.table["label"], splits, strict=True
        )
    )
    splits[0] = ""
    audit = replace(
        audit, dataset=replace(audit.dataset, table=audit.dataset.table.assign(split=splits, domain="a/b"))
    )
    write_version(plan_version(audit), tmp_path / "both", WriteOptions("symlink"))
    found = read_dataset(tmp_path / "both")
    assert found.table["path"][0] == "a%2Fb/(no split)/lily/0.png"
    assert found.table["split"].tolist() == splits


def test_vectors_without_pictures(tmp_path: Path) -> None:
    audit = toy_audit(images=False, findings={"duplicate": 1})
    audit = replace(audit, dataset=replace(audit.dataset, root=tmp_path / "photos"))
    there = audit.dataset.ids[0]
    picture(tmp_path / "photos", there, 1)
    version = plan_version(audit, options=CleanOptions(auto=("drop-duplicates",)))
    with pytest.raises(UsageError, match="vectors without pictures"):
        write_version(version, tmp_path / "new", WriteOptions("copy"))
    write_version(version, tmp_path / "new")
    found = read_dataset(tmp_path / "new", ReadOptions(images=False))
    assert len(found) == len(audit.dataset) - 1
    assert found.table["path"][0] == f"../photos/{there}"
    assert found.table["path"][1] == audit.dataset.table["path"][1]


def test_nothing_left_is_nothing_to_write(photos: Audit, tmp_path: Path) -> None:
    version = plan_version(photos, [decided(photos, dict.fromkeys(photos.dataset.ids, ""))])
    with pytest.raises(UsageError, match="nothing is left"):
        write_version(version, tmp_path / "new")


@pytest.mark.parametrize("fault", ["fingerprint", "class", "id", "label"])
def test_decisions_that_do_not_fit_change_nothing(fault: str, photos: Audit) -> None:
    file = decided(photos, {"rose/1.png": "tulip"})
    [one] = file.decisions
    changed = {
        "fingerprint": replace(file, fingerprint="0" * 64),
        "class": replace(file, decisions=(replace(one, to="daisy"),)),
        "id": replace(file, decisions=(replace(one, id="rose/9.png"),)),
        "label": replace(file, decisions=(replace(one, given="lily"),)),
    }[fault]
    with pytest.raises(DataError, match=r"ana\.json"):
        plan_version(photos, [changed])


def test_more_files_are_part_of_the_version_or_nothing_is(photos: Audit, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "conflicts.html").write_text("half")
        raise AuditError("no page")

    with pytest.raises(AuditError, match="no page"):
        write_version(plan_version(photos), tmp_path / "new", add=fail)
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]

    def add(folder: Path) -> None:
        (folder / "conflicts.html").write_text("page")

    assert write_version(plan_version(photos), tmp_path / "new", add=add)
    assert "conflicts.html" in json.loads((tmp_path / "new" / "version.json").read_text())["entries"]


def test_review_figures_are_part_of_the_document(photos: Audit) -> None:
    files = [decided(photos, {"rose/1.png": "tulip", "rose/2.png": "tulip"}, "ana"),
             decided(photos, {"rose/1.png": "tulip", "rose/2.png": "lily"}, "ben")]  # fmt: skip
    document = version_document(plan_version(photos, files))
    assert document["agreement"]["answers"]["raw"] == 0.5
    assert document["care"]["controls"]["reviewed"] == 2
    assert document["estimate"]["samples"] == 12
    assert json.loads(json.dumps(document, allow_nan=False)) is not None


def test_cells_that_a_spreadsheet_would_run_are_neutralised(
    hostile: tuple[Audit, dict[str, str]], tmp_path: Path
) -> None:
    audit, changes = hostile
    write_version(plan_version(audit, [decided(audit, changes, "=cmd")]), tmp_path / "new")
    for name in ("manifest.csv", "journal.csv", "classes.csv"):
        cells = [cell for row in read_csv(tmp_path / "new" / name) for cell in row.values()]
        assert cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    frame = pd.read_csv(tmp_path / "new" / "journal.csv", dtype=str, keep_default_na=False)
    assert len(frame) == len(audit.dataset)


def test_a_file_whose_two_labels_become_one_is_told(tmp_path: Path) -> None:
    for number, name in enumerate(("1.png", "2.png", "3.png")):
        picture(tmp_path / "photos", name, number)
    audit = audit_of(
        tmp_path / "photos", [("1.png", "rose"), ("1.png", "tulip"), ("2.png", "rose"), ("3.png", "tulip")]
    )
    assert version_document(plan_version(audit))["listed_twice"] == 0
    version = plan_version(audit, [decided(audit, {"1.png#2": "rose"})])
    assert version_document(version)["listed_twice"] == 1
    write_version(version, tmp_path / "new", WriteOptions("copy"))
    found = read_dataset(tmp_path / "new")
    assert dict(zip(found.ids, found.table["path"], strict=True)) == {
        "1.png": "rose/1.png", "1.png#2": "rose/1-2.png", "2.png": "rose/2.png", "3.png": "tulip/3.png",
    }  # fmt: skip


def test_a_name_that_spells_another_ones_bytes_stays_its_own(tmp_path: Path) -> None:
    for label in ("rose", "tulip"):
        for number in range(10):
            picture(tmp_path / "photos", f"{label}/{number}.png", number)
    picture(tmp_path / "photos", "rose/caf%E9.png", 50)
    picture(tmp_path, "raw.png", 60)
    (tmp_path / "raw.png").rename(os.fsdecode(os.fsencode(tmp_path / "photos" / "rose") + b"/caf\xe9.png"))
    first = read_dataset(tmp_path / "photos")
    audit = audit_of(tmp_path / "photos", rows_of(first.table))
    assert len(audit.dataset) == 22
    write_version(plan_version(audit), tmp_path / "new")
    found = read_dataset(tmp_path / "new")
    assert len(found) == 22
    for row in range(22):
        assert byte_digest(Path(file_path(found, row)).read_bytes()) == audit.facts.byte_digest[row]


@pytest.mark.parametrize("out", [".", ".."])
def test_an_output_without_a_name_is_refused(
    out: str, photos: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError):
        write_version(plan_version(photos), Path(out))


def test_the_same_from_python(photos: Audit, tmp_path: Path) -> None:
    import auditor

    files = auditor.read_reviews([saved(decided(photos, {"rose/1.png": "tulip"}), tmp_path / "ana.json")])
    version = auditor.plan_version(photos, files, auditor.CleanOptions(on_conflict="drop"))
    assert auditor.write_version(version, tmp_path / "new", auditor.WriteOptions())
    assert auditor.read_dataset(tmp_path / "new").table["label"][5] == "tulip"


def saved(file: DecisionFile, path: Path) -> Path:
    write_decisions(file, path)
    return path
