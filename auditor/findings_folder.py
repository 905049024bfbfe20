"""The flagged samples as a folder of pictures, for FiftyOne, CVAT and whatever reads class folders.

    DIR / images / class / file     copies of the originals, or links to them
          labels.csv                one row a sample, lowest score first: filepath, label, tags, the finding
          classes.csv               folder, label: the classes' true names
          imagenet.zip              on request: the class folders alone, CVAT's "ImageNet 1.0"

    class "a/b"                      -->  folder "a%2Fb" (`materialise.folder_names`)
    cat/1.png, dog/1.png, cat/1.jpg  -->  cat/1.png, dog/1-2.png, cat/1-3.jpg

In the tables a cell that a spreadsheet would run has a quote in front (`tables.csv_text`).

No two files have one stem, in whatever folders: CVAT and Datumaro name a picture by that, and would make one
picture with two labels of them. Formats: FiftyOne's ImageClassificationDirectoryTree and CSVDataset
(https://docs.voxel51.com/user_guide/import_datasets.html), CVAT's ImageNet
(https://docs.cvat.ai/docs/dataset_management/formats/format-imagenet/).
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from auditor.arrays import Progress, no_progress
from auditor.errors import DataError, OutputError
from auditor.label_studio import encode_text, nothing_flagged, questions_of
from auditor.materialise import TreeFile, folder_names, place_files
from auditor.results import Audit, Finding
from auditor.tables import csv_text

IMAGES, LABELS_FILE, CLASSES_FILE, ARCHIVE = "images", "labels.csv", "classes.csv", "imagenet.zip"
UNLABELLED: tuple[str, ...] = ("_unlabeled", "no_label")
"""Folders that FiftyOne and Datumaro read as "no class"."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold; one time for all, so that the same audit gives the same bytes."""


@dataclass(frozen=True)
class FolderOptions:
    """How the folder is made.

    link : symbolic links to the originals in place of copies.
    archive : write `ARCHIVE` too.
    kinds : finding kinds to write; empty is all of them.
    """

    link: bool = False
    archive: bool = False
    kinds: Sequence[str] = ()


@dataclass(frozen=True)
class FolderCounts:
    """What was written: `images`, samples `left_out` because they do not decode, `bytes` of all files."""

    images: int
    left_out: int
    bytes: int


@dataclass(frozen=True)
class _Flagged:
    """One sample to write: its row in the dataset, its findings by precedence, its place under `IMAGES`."""

    row: int
    findings: list[Finding]
    place: str


def write_findings_folder(
    audit: Audit, folder: Path, options: FolderOptions | None = None, progress: Progress = no_progress
) -> FolderCounts:
    """Write the flagged samples of `audit` into `folder`, which exists and holds none of these names.

    Raises
    ------
    DataError
        If the audit is of vectors alone, nothing is left to write, or an original is gone or has changed.
    OutputError
        If links cannot be made here.
    """
    options = options or FolderOptions()
    flagged, left_out = _flagged(audit, options.kinds)
    files = [_file(audit, sample) for sample in flagged]
    _check_originals(audit, files)
    if options.link:
        _check_links(folder)
    mode = "symlink" if options.link else "copy"
    place_files(files, audit.dataset.contents, folder, mode, progress)
    _write_csv(_table(audit, flagged), folder / LABELS_FILE)
    _write_csv(_classes(audit, flagged), folder / CLASSES_FILE)
    if options.archive:
        _write_archive(folder, [sample.place for sample in flagged], progress)
    made = [LABELS_FILE, CLASSES_FILE, *(sample.place for sample in flagged)]
    made += [ARCHIVE] if options.archive else []
    size = sum((folder / name).lstat().st_size for name in made)
    return FolderCounts(len(flagged), left_out, size)


def _flagged(audit: Audit, kinds: Sequence[str]) -> tuple[list[_Flagged], int]:
    if not audit.facts.checked:
        raise DataError("This audit is of vectors without pictures: there are no originals to hand over.")
    row_of = {i: row for row, i in enumerate(audit.dataset.ids)}
    asked = questions_of(audit, kinds)
    shown = [i for i in asked if audit.facts.readable[row_of[i]]]
    left_out = len(asked) - len(shown)
    if not shown:
        raise nothing_flagged(left_out)
    shown.sort(key=lambda i: asked[i][0].score)
    table = audit.dataset.table
    rows = [row_of[i] for i in shown]
    places = picture_places(shown, [table["path"][r] for r in rows], [table["label"][r] for r in rows])
    made = zip(rows, shown, places, strict=True)
    return [_Flagged(row, asked[i], place) for row, i, place in made], left_out


def picture_places(ids: Sequence[str], paths: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return where each picture goes, ``images/class/file``, in the order of `ids`; no two have one stem.

    Parameters
    ----------
    ids : (n,) the first in their order keeps the name that several want.
    paths : (n,) of the originals; the last part is the file's name.
    labels : (n,) their classes, any text.
    """
    folders = folder_names(labels, UNLABELLED)
    used: set[str] = set()
    counts: dict[str, int] = {}
    places = [""] * len(ids)
    for n in sorted(range(len(ids)), key=lambda n: ids[n]):
        folder = folders[labels[n]]
        stem, suffix = _safe_name(paths[n].rpartition("/")[2])
        name, number = stem, counts.get(stem, 1)
        while (seen := _seen_as(name, folder)) in used:
            number += 1
            name = f"{stem}-{number}"
        used.add(seen)
        counts[stem] = number
        places[n] = f"{IMAGES}/{folder}/{name}{suffix}"
    return places


def _safe_name(name: str) -> tuple[str, str]:
    """Return a file's stem, as safe as a folder's name, and its suffix where it has a plain one."""
    stem, dot, ending = name.rpartition(".")
    suffix = dot + ending
    if not (stem and _SUFFIX.fullmatch(suffix)):
        stem, suffix = name, ""
    return folder_names([stem])[stem], suffix


def _seen_as(stem: str, folder: str) -> str:
    """Return what tells pictures apart in the tools: CVAT takes the class off the front of a name."""
    return stem.removeprefix(f"{folder}_").casefold()


def _file(audit: Audit, sample: _Flagged) -> TreeFile:
    path, ids, digests = audit.dataset.table["path"], audit.facts.ids, audit.facts.byte_digest
    return TreeFile(str(ids[sample.row]), str(path[sample.row]), str(digests[sample.row]), sample.place)


def _check_originals(audit: Audit, files: Sequence[TreeFile]) -> None:
    contents = audit.dataset.contents
    named = [(file.id, contents.file(file.path)) for file in files]
    # What lies inside another file shows when it is copied.
    gone = [i for i, name in named if name is not None and not os.path.isfile(name)]  # noqa: PTH113
    if gone:
        raise DataError(
            f"{len(gone):,} of the {len(files):,} originals cannot be found, the first is {gone[0]!r}: put "
            f"the dataset back to {contents.place!r}, where it was audited, or run the audit again."
        )


def _check_links(folder: Path) -> None:
    trial = folder / "link"
    try:
        trial.symlink_to(IMAGES)
    except OSError as error:
        raise OutputError(
            f"Symbolic links cannot be made in {str(folder.parent)!r} ({error.strerror}): leave out --link."
        ) from error
    trial.unlink()


def _table(audit: Audit, flagged: Sequence[_Flagged]) -> pd.DataFrame:
    """One row a sample; no column is called id, which FiftyOne keeps for itself."""
    group_of = dict(zip(audit.duplicates.ids, audit.duplicates.group.tolist(), strict=True))
    table, rows = audit.dataset.table, []
    for sample in flagged:
        i, label = table["id"][sample.row], table["label"][sample.row]
        first = sample.findings[0]
        suggested = next((f.suggested_label for f in sample.findings if f.suggested_label), "")
        row = {
            "filepath": sample.place,
            "label": label,
            "tags": _tags(sample.findings, suggested),
            "suggested_label": suggested,
            "kind": first.kind,
            "score": first.score,
            "rank": first.rank,
            "finding_id": first.finding_id,
            "duplicate_group": group_of.get(i, -1),
            "reason": " ".join(f.reason for f in sample.findings),
            "sample_id": i,
            "digest": audit.facts.digest[sample.row],
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _tags(findings: Sequence[Finding], suggested: str) -> str:
    """Return the kinds and the suggestion, joined by commas; a comma in a class name is encoded."""
    kinds = list(dict.fromkeys(f.kind for f in findings))
    if suggested:
        kinds.append("suggested:" + encode_text(suggested).replace(",", "%2C"))
    return ",".join(kinds)


def _classes(audit: Audit, flagged: Sequence[_Flagged]) -> pd.DataFrame:
    labels = audit.dataset.table["label"]
    found = {sample.place.split("/")[1]: labels[sample.row] for sample in flagged}
    return pd.DataFrame(sorted(found.items()), columns=["folder", "label"])


def _write_csv(frame: pd.DataFrame, file: Path) -> None:
    file.write_text(csv_text(frame), encoding="utf-8", newline="")


def _write_archive(folder: Path, places: Sequence[str], progress: Progress) -> None:
    """Zip the class folders, without `IMAGES` above them; pictures are compressed as they are."""
    with zipfile.ZipFile(folder / ARCHIVE, "x") as archive:
        for done, place in enumerate(sorted(places), start=1):
            entry = zipfile.ZipInfo(place.removeprefix(f"{IMAGES}/"), _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (folder / place).read_bytes())
            progress("archive", done, len(places))
