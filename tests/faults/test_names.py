"""Names that may be anything, from the folder through the page and the decisions to the cleaned version."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from answers import decide, review
from command import Command
from faults.world import Quarters
from hostile import HOSTILE
from pictures import picture
from PIL import Image

from auditor.dataset import ReadOptions, read_dataset
from auditor.decisions import Decision, write_decisions
from auditor.materialise import LONGEST_FILE, tree_paths
from auditor.results import Audit
from auditor.storage import load

SUFFIX = ".png"
ONE_CHARACTER = [chr(code) for code in (*range(1, 128), 0x85, 0xA0, 0xAD, 0x600, 0x200B, 0x200D, 0x2028,
                                        0x2029, 0x202E, 0x2066, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0xE0001)
                 if chr(code) != "/"]  # fmt: skip
WORDS = [
    *(name for name in HOSTILE if "/" not in name and len(name.encode()) < LONGEST_FILE - len(SUFFIX)),
    "-rf", "--help", "-", "~", "$(touch hacked)", "`touch hacked`", "; touch hacked", "| touch hacked",
    "a && b", "*", "?", "[a-z]", "{a,b}", "!!", "%00", "%2e%2e%2f", "%", "100%", "%E9", "%s%n", "{0}", "\\",
    "..\\..\\x", "C:\\x", "\u2025", "\uff0e\uff0e", "\u2024\u2024", "x..", "x.", "x ", " x", "a\u0338", "'",
    '"', "con", "NUL", "aux", "COM1", "lpt9", "prn", "nul.tar", "null", "None", "NA", "true", "01", "1e5",
    "n" * (LONGEST_FILE - len(SUFFIX)), "é" * ((LONGEST_FILE - len(SUFFIX)) // 2),
]  # fmt: skip
TWINS = [
    ("Twin", "twin"),
    (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    ("\u212b", "\u00c5"),
    ("ß", "ss"),
    ("ı", "i"),
]
"""Names that some file systems take for one."""
RAW = [bytes([byte]) for byte in range(128, 256)] + [b"\xe9%E9", b"\xc3\x28", b"\xed\xa0\x80", b"\xff\xfe"]
"""Not UTF-8."""


def names() -> Iterator[bytes]:
    """Names of files without their suffix, each in its bytes."""
    for text in (*ONE_CHARACTER, *WORDS, *(name for pair in TWINS for name in pair)):
        yield text.encode()
    yield from RAW


CLASSES = [*(n for n in WORDS[:14] if not n.startswith(".")), "con", "Twin", "twin", "x ", "-rf", "%2e%2e%2f"]
RAW_CLASSES = [b"kl\xe4sse", b"kl%E4sse"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every name once, shared out over folders that are called as badly."""
    root = os.fsencode(tmp_path_factory.mktemp("names") / "photos")
    folders = [*dict.fromkeys(name.encode() for name in CLASSES), *RAW_CLASSES]
    made = 0
    for number, name in enumerate(dict.fromkeys(names())):
        folder = os.path.join(root, folders[number % len(folders)])  # noqa: PTH118 - bytes
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        with open(os.path.join(folder, name + SUFFIX.encode()), "xb") as file:  # noqa: PTH118, PTH123
            Image.fromarray(picture(number % len(folders) % 4, number)).save(file, "PNG")
        made += 1
    assert made > 300
    return Path(os.fsdecode(root))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def decisions(audit: Audit) -> list[Decision]:
    """Every third sample is dropped, every third gets the next class, the others are kept."""
    made = []
    classes = audit.dataset.classes
    for row, sample in enumerate(audit.dataset.ids):
        if row % 3 == 0:
            made.append(decide(audit, sample, "mislabeled", "drop"))
        elif row % 3 == 1:
            other = classes[(int(audit.dataset.codes[row]) + 1) % len(classes)]
            made.append(decide(audit, sample, "mislabeled", "relabel", to=other, note=sample))
        else:
            made.append(decide(audit, sample, "mislabeled", "keep"))
    return made


@pytest.mark.parametrize(("form", "mode"), [("json", "copy"), ("csv", "symlink")])
def test_every_name_comes_through(
    form: str, mode: str, photos: Path, tmp_path: Path, command: Command, toy: Quarters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = command("run", photos, "--out", tmp_path / "audit")
    assert done.code == 0, done.err
    audit = load(tmp_path / "audit")
    on_disk = sum(len(files) for _, _, files in os.walk(os.fsencode(photos)))
    hidden = sum(f.startswith(b".") for _, _, files in os.walk(os.fsencode(photos)) for f in files)
    assert len(audit.dataset) == on_disk - hidden and audit.facts.readable.all()
    assert len(set(audit.facts.digest)) == len(audit.dataset)
    check_findings(audit, tmp_path / "audit")

    write_decisions(review(audit, "ana", decisions(audit)), tmp_path / f"ana.{form}")
    words = ["clean", tmp_path / "audit", tmp_path / f"ana.{form}", "--out", tmp_path / "new", "--apply"]
    done = command(*words, "--materialize", mode)
    assert done.code == 0, done.err
    after = check_version(audit, tmp_path / "new")
    done = command("run", tmp_path / "new", "--out", tmp_path / "again", "-q")
    assert done.code == 0, done.err
    again = load(tmp_path / "again")
    assert dict(zip(again.dataset.ids, again.dataset.table["label"], strict=True)) == after
    # Nothing that a name said was done.
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["audit", f"ana.{form}", "new", "again"])


def check_findings(audit: Audit, folder: Path) -> None:
    """findings.csv and the page name every flagged sample, and nothing of it is markup or a formula."""
    with (folder / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row[name] for row in rows for name in ("id", "path", "label", "suggested_label", "reason")]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in texts)
    named = [i for finding in audit.findings for i in finding.ids]
    assert [re.sub(r"^'('*[=+\-@\t\r])", r"\1", row["id"]) for row in rows] == named
    page = (folder / "report.html").read_text(encoding="utf-8")
    for name in HOSTILE[:2]:
        assert name not in page
    "".join(audit.dataset.ids).encode()


def check_version(audit: Audit, new: Path) -> dict[str, str]:
    """Return the labels that remain by id; each file is the original's bytes, at its own place inside."""
    dataset = read_dataset(new)
    want = {d.id: d.to or d.given for d in decisions(audit) if d.decision != "drop"}
    assert dict(zip(dataset.ids, dataset.table["label"], strict=True)) == want
    originals = [audit.dataset.contents.file(path) for path in audit.dataset.table["path"]]
    before = dict(zip(audit.dataset.ids, originals, strict=True))
    places = set()
    for sample, path in zip(dataset.ids, dataset.table["path"], strict=True):
        file = Path(str(dataset.contents.file(path)))
        assert file.parent.parent == new and ".." not in Path(path).parts
        places.add(str(file))
        assert digest(file) == digest(Path(str(before[sample])))
    assert len(places) == len(want)
    by_class = read_dataset(new, ReadOptions(layout="class"))
    assert len(by_class) == len(want) and len(by_class.classes) == len(dataset.classes)
    for place in new.iterdir():
        assert not place.name.startswith(".") and place.name.lower() not in {"con", "nul", "aux", "prn"}
    return want


def test_names_that_some_file_systems_take_for_one_stay_apart(photos: Path) -> None:
    dataset = read_dataset(photos)
    assert {"Twin", "twin"} <= set(dataset.classes)
    files = {i.rpartition("/")[2] for i in dataset.ids}
    for one, other in TWINS:
        assert one != other and {one + SUFFIX, other + SUFFIX} <= files


@pytest.mark.parametrize("name", ["con", "NUL.png", "aux.tar.jpg", "COM1.png", "lpt9.JPG", "prn.webp"])
def test_a_cleaned_version_has_no_name_that_windows_keeps_for_a_device(name: str) -> None:
    [path] = tree_paths([name], [f"x/{name}"], [[name.partition(".")[0]]], ())
    for part, asked in zip(path.split("/"), (name.partition(".")[0], name), strict=True):
        assert unquote(part) == asked and part[0] == "%"


def test_a_manifest_may_say_everything_that_a_folder_cannot(tmp_path: Path, command: Command,
                                                            toy: Quarters) -> None:  # fmt: skip
    """Classes of any text, also those that no folder can be called."""
    classes = [
        "..",
        ".",
        "../../up",
        "/etc",
        "a/b",
        "a\\b",
        "x" * 400,
        "nul\x00",
        "con",
        "CON",
        "manifest.csv",
    ]
    rows = []
    for kind, name in enumerate(classes):
        for number in range(3):
            file = tmp_path / f"{kind}-{number}.png"
            Image.fromarray(picture(kind % 4, 20 * kind + number)).save(file)
            rows.append({"path": file.name, "label": name})
    pd.DataFrame(rows).to_json(tmp_path / "labels.jsonl", orient="records", lines=True)
    done = command("run", tmp_path / "labels.jsonl", "--out", tmp_path / "audit", "-q")
    assert done.code == 0, done.err
    new = tmp_path / "deep" / "new"
    done = command(
        "clean",
        tmp_path / "audit",
        "--out",
        new,
        "--apply",
        "--auto",
        "drop-unreadable",
        "--materialize",
        "copy",
    )
    assert done.code == 0, done.err
    dataset = read_dataset(new)
    assert set(dataset.classes) == set(classes)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["new"]
    assert sum(p.is_file() for p in new.rglob("*.png")) == len(rows)
    assert all(len(p.relative_to(new).parts) == 2 for p in new.rglob("*.png"))
