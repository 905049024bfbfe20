"""The same pictures in class folders and inside other files, and what must be equal between their audits."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from pictures import make_folders

from auditor.storage import load

EQUAL_FILES = ("embeddings.npy", "neighbours.npy", "similarities.npy", "probabilities.npy")
NAMED_COLUMNS = ["id", "path", "split"]


def plant(root: Path) -> Path:
    """Class folders with a copy, a copy under another class, a wrong label and a picture that is cut off."""
    make_folders(root, each=8)
    shutil.copy(root / "rings" / "0.png", root / "rings" / "copy.png")
    shutil.copy(root / "rings" / "1.png", root / "waves" / "copy of a ring.png")
    shutil.move(root / "steps" / "7.png", root / "waves" / "step.png")
    (root / "steps" / "cut off.png").write_bytes((root / "steps" / "0.png").read_bytes()[:200])
    return root


def pictures_below(root: Path) -> dict[str, bytes]:
    """Path -> bytes of every picture in class folders, in the order in which they are audited."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return dict(sorted((p.relative_to(root).as_posix(), p.read_bytes()) for p in files))


def add_member(tar: tarfile.TarFile, name: str, data: object) -> None:
    content = data if isinstance(data, bytes) else str(data).encode()
    about = tarfile.TarInfo(name)
    about.size = len(content)
    tar.addfile(about, io.BytesIO(content))


def make_tar(file: Path, members: Iterable[tuple[str, object]]) -> Path:
    """Write a tar of these (name, content), in their order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, data in members:
            add_member(tar, name, data)
    return file


def run(command: Command, data: Path | str, out: Path, cache: Path, *more: object) -> Path:
    done = command("run", data, "--backbone", "bundled", "--out", out, "--cache", cache, *more)
    assert done.code == 0, done.err
    return out


def audits_agree(folders: Path, packed: Path, ids: Mapping[str, str]) -> None:
    """Hold an audit of pictures inside files against that of class folders; `ids` leads to these ids."""
    for name in EQUAL_FILES:
        assert (folders / name).read_bytes() == (packed / name).read_bytes(), name
    one, other = (pd.read_parquet(folder / "samples.parquet") for folder in (folders, packed))
    assert [ids[i] for i in one["id"]] == list(other["id"])
    pd.testing.assert_frame_equal(one.drop(columns=NAMED_COLUMNS), other.drop(columns=NAMED_COLUMNS))
    first, second = load(folders), load(packed)
    assert [(f.kind, [ids[i] for i in f.ids], f.score) for f in first.findings] == [
        (f.kind, list(f.ids), f.score) for f in second.findings
    ]
    assert {f.kind for f in first.findings} >= {
        "unreadable",
        "conflicting_duplicate",
        "duplicate",
        "mislabeled",
    }
    assert np.array_equal(first.facts.byte_digest, second.facts.byte_digest)


def goes_the_whole_way(
    command: Command, monkeypatch: pytest.MonkeyPatch, data: Path | str, packed: Path, tmp_path: Path
) -> None:
    """A second run embeds nothing; the loaded audit gives its page, controls and a cleaned copy of all."""
    with monkeypatch.context() as patched:
        patched.delattr("auditor.backbones.ResNetEncoder.encode")
        patched.delattr("auditor.backbones.ResNetEncoder.prepare")
        again = run(command, data, tmp_path / "again", tmp_path / "cache")
    assert (again / "findings.csv").read_bytes() == (packed / "findings.csv").read_bytes()
    page = (packed / "report.html").read_bytes()
    (packed / "report.html").unlink()
    assert command("report", packed).code == 0
    assert (packed / "report.html").read_bytes() == page
    done = command("report", packed, "--blind", "--controls", "2", "--out", tmp_path / "controls.html")
    assert done.code == 0, done.err
    clean = (
        "clean",
        packed,
        "--auto",
        "drop-unreadable",
        "--out",
        tmp_path / "clean",
        "--materialize",
        "copy",
    )
    done = command(*clean, "--apply")
    assert done.code == 0, done.err
    facts = load(packed).facts
    copied = [p.read_bytes() for p in (tmp_path / "clean").rglob("*.png")]
    assert len(copied) == int(facts.readable.sum())
    assert json.loads((packed / "source.json").read_text())["kind"]
