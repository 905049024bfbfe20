"""Files that vanish, shrink, change or lose permission at every moment of a run.

The run ends with a reason for what it could not read; what it keeps belongs to what it saw, so that a later
run, with the file put back, is the same as if nothing had been.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from faults.tally import tally
from faults.world import Quarters, content, make_photos
from pictures import picture

from auditor import files
from auditor.contents import Folder
from auditor.dataset import read_dataset
from auditor.embeddings import EmbedRun, run_embedding
from auditor.errors import DataError
from auditor.files import read_file
from auditor.results import Dataset
from auditor.storage import load
from auditor.store import Store
from reports.page import write_page
from reports.thumbnails import add_thumbnails

MOMENTS = ("before the run", "before the read", "during the read", "after the read")
VICTIM = "steps/4.png"


@dataclass
class Fault:
    """One file, what happens to it, and how it is put back just as it was."""

    file: Path
    kind: str
    original: bytes = b""
    times: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        facts = self.file.stat()
        self.original, self.times = self.file.read_bytes(), (facts.st_atime_ns, facts.st_mtime_ns)

    def strike(self) -> None:
        KINDS[self.kind](self.file, self.original)

    def put_back(self) -> None:
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(self.original)
        os.utime(self.file, ns=self.times)


def _shrink(file: Path, original: bytes) -> None:
    os.truncate(file, len(original) // 2)


def _grow(file: Path, original: bytes) -> None:
    file.write_bytes(original + b"more")


def _change(file: Path, original: bytes) -> None:
    """Another picture of the same size in bytes, a moment later."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture(3, 77)[:30, :30]).save(buffer, "PNG")
    assert len(buffer.getvalue()) < len(original)
    file.write_bytes(buffer.getvalue().ljust(len(original), b"\0"))


def _replace(file: Path, original: bytes) -> None:
    """Another file under the same name, by one rename."""
    beside = file.with_name("beside.tmp")
    _change(beside.parent / beside.name, original)
    beside.replace(file)


KINDS: dict[str, Callable[[Path, bytes], object]] = {
    "vanishes": lambda file, original: file.unlink(),
    "shrinks": _shrink,
    "grows": _grow,
    "is emptied": lambda file, original: file.write_bytes(b""),
    "changes": _change,
    "is replaced": _replace,
    "becomes a pipe": lambda file, original: (file.unlink(), os.mkfifo(file)),
}
REASONS = ("does not exist", "changed while it was read", "changed during the run", "cut off", "0 bytes",
           "a pipe", "damaged")  # fmt: skip


@dataclass(frozen=True)
class Struck(Folder):
    """A folder in which a fault strikes at one moment of reading one file."""

    fault: Fault = field(kw_only=True)
    moment: str = field(kw_only=True)
    done: list[str] = field(default_factory=list, kw_only=True)

    def _strike(self, path: str, moment: str) -> None:
        if path == VICTIM and moment == self.moment and not self.done:
            self.done.append(moment)
            self.fault.strike()

    def read(self, path: str) -> bytes:
        self._strike(path, "before the read")
        real = os.fstat
        seen: list[int] = []

        def fstat(descriptor: int) -> os.stat_result:
            if seen:  # the second time: all bytes are read
                self._strike(path, "during the read")
            seen.append(descriptor)
            return real(descriptor)

        if path == VICTIM and self.moment == "during the read":
            files.os.fstat = fstat  # type: ignore[attr-defined]
        try:
            return super().read(path)
        finally:
            files.os.fstat = real  # type: ignore[attr-defined]
            self._strike(path, "after the read")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def disturbed(photos: Path, kind: str, moment: str, store: Path) -> tuple[Fault, EmbedRun]:
    """Embed while the fault strikes."""
    dataset = read_dataset(photos)
    fault = Fault(photos / VICTIM, kind)
    if moment == "before the run":
        fault.strike()
    struck = Struck(photos, fault=fault, moment=moment)
    run = run_embedding(replace(dataset, held_by=struck), Quarters(), store=Store(store), workers=1)
    assert struck.done or moment == "before the run"
    return fault, run


def differing(one: EmbedRun, other: EmbedRun) -> list[str]:
    """Ids whose facts or vectors are not the same in two runs of one dataset."""
    wrong = (one.facts.error != other.facts.error) | (one.facts.byte_digest != other.facts.byte_digest)
    wrong |= one.facts.digest != other.facts.digest
    found = set(one.facts.ids[wrong])
    vectors = [dict(zip(r.embeddings.ids, r.embeddings.vectors, strict=True)) for r in (one, other)]
    common = vectors[0].keys() & vectors[1].keys()
    found |= vectors[0].keys() ^ vectors[1].keys()
    found |= {i for i in common if not np.array_equal(vectors[0][i], vectors[1][i])}
    return sorted(found)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that(kind: str, moment: str, photos: Path, tmp_path: Path) -> None:
    whole = run_embedding(read_dataset(photos), Quarters())
    fault, run = disturbed(photos, kind, moment, tmp_path / "store")
    assert set(differing(whole, run)) <= {VICTIM}
    row = run.facts.ids.tolist().index(VICTIM)
    if moment == "after the read":
        assert differing(whole, run) == []
    elif not run.facts.readable[row]:
        assert any(reason in run.facts.error[row] for reason in REASONS), run.facts.error[row]
    # What lies there now is judged by the next run, from the same store, as if there had been no other.
    for put_back in (lambda: None, fault.put_back):
        put_back()
        later = run_embedding(read_dataset(photos), Quarters(), store=Store(tmp_path / "store"))
        assert differing(later, run_embedding(read_dataset(photos), Quarters())) == []
    assert differing(later, whole) == []


@pytest.mark.nightly
def test_a_thousand_disturbed_runs(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    photos, rng = make_photos(tmp_path / "photos"), np.random.default_rng(0)
    whole = run_embedding(read_dataset(photos), Quarters())
    tried, survived, lost = 1_000, 0, 0
    for number in range(tried):
        kind, moment = str(rng.choice(list(KINDS))), str(rng.choice(MOMENTS))
        store = tmp_path / f"store{number}"
        fault, run = disturbed(photos, kind, moment, store)
        lost += len(set(differing(whole, run)) - {VICTIM})
        fault.put_back()
        later = run_embedding(read_dataset(photos), Quarters(), store=Store(store))
        lost += len(differing(later, whole))
        survived += differing(later, whole) == []
        shutil.rmtree(store)
    tally(request, "files that vanish, shrink or change", tried, survived, lost)
    assert (survived, lost) == (tried, 0)


def test_a_file_that_changes_takes_nothing_from_its_copies(photos: Path, tmp_path: Path) -> None:
    copies = ["rings/0.png", "rings/copy.png", "steps/conflict.png"]
    store = Store(tmp_path / "store")
    run_embedding(read_dataset(photos), Quarters(), store=store)
    # Another encoder: facts are known, vectors are not, so one of the copies is read for all three.
    other = replace(Quarters(), backbone=replace(Quarters().backbone, layer="other"))
    dataset = read_dataset(photos)
    whole = run_embedding(dataset, other)

    class Gone(Folder):
        def read(self, path: str) -> bytes:
            if path == copies[0]:
                raise DataError("the file does not exist")
            return super().read(path)

    run = run_embedding(replace(dataset, held_by=Gone(photos)), other, store=store)
    assert differing(run, whole) == [copies[0]]
    assert set(copies[1:]) <= set(run.embeddings.ids)


def test_a_file_without_permission_is_unreadable_until_it_has_some(
    photos: Path, tmp_path: Path, command: Command, toy: Quarters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the system's answer is made up."""
    real = os.open

    def refuse(path: object, *more: object, **named: object) -> int:
        if str(path).endswith(VICTIM):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *more, **named)  # type: ignore[arg-type]

    words = ["run", photos, "--cache", tmp_path / "cache", "--out"]
    with monkeypatch.context() as refused:
        refused.setattr(os, "open", refuse)
        done = command(*words, tmp_path / "without")
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "without" / "findings.csv").set_index("id")
    assert table.at[VICTIM, "kind"] == "unreadable"
    assert "permission denied" in table.at[VICTIM, "reason"]
    assert command(*words, tmp_path / "with").code == 0
    assert command("run", photos, "--cache", tmp_path / "fresh", "--out", tmp_path / "whole").code == 0
    assert content(tmp_path / "with") == content(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_permissions_of_the_file_system(photos: Path) -> None:
    (photos / VICTIM).chmod(0)
    with pytest.raises(DataError, match="the file may not be read: permission denied"):
        Folder(photos).read(VICTIM)


def test_a_folder_without_permission_is_counted(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("steps"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    dataset = read_dataset(photos)
    assert dataset.classes == ("rings", "waves")
    assert dataset.notes[0] == "Passed over: 1 folder not read (Permission denied)."


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_no_other_picture_than_the_one_judged(
    kind: str, photos: Path, tmp_path: Path, command: Command, toy: Quarters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    struck = ["rings/wrong.png", "rings/copy.png"]
    faults = [Fault(photos / name, kind) for name in struck]
    whole = tmp_path / "whole"
    assert command("run", photos, "--out", whole).code == 0

    def strike_first(audit: object, *more: object) -> object:
        for fault in faults:
            fault.strike()
        return add_thumbnails(audit, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("cli.auditing.add_thumbnails", strike_first)
    done = command("run", photos, "--out", tmp_path / "audit", "-q")
    assert done.code == 0, done.err
    audit, before = load(tmp_path / "audit"), load(whole)
    assert set(before.thumbnails) - set(audit.thumbnails) == set(struck)
    assert all(audit.thumbnails[i].data == before.thumbnails[i].data for i in audit.thumbnails)
    warning = audit.provenance.warnings[-1]
    assert warning.startswith("The page shows no picture of 2 samples whose file is not the one any more")
    assert (
        warning in done.err
        and warning.split(", the first")[0] in (tmp_path / "audit" / "report.html").read_text()
    )
    # Findings are about what was judged, whatever has become of it.
    for name in ("samples.parquet", "findings.csv", "embeddings.npy"):
        assert (tmp_path / "audit" / name).read_bytes() == (whole / name).read_bytes()


def test_a_page_of_what_is_no_longer_there_is_written(photos: Path, tmp_path: Path, command: Command,
                                                      toy: Quarters) -> None:  # fmt: skip
    assert command("run", photos, "--out", tmp_path / "audit").code == 0
    audit = load(tmp_path / "audit")
    photos.rename(tmp_path / "moved")
    made = add_thumbnails(audit)
    assert not made.thumbnails
    assert f"no picture of {len(audit.thumbnails)} samples" in made.provenance.warnings[-1]
    write_page(made, tmp_path / "page.html")
    assert "There are no pictures in this audit" in (tmp_path / "page.html").read_text()


def test_what_changes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, real = tmp_path / "x.png", os.fstat
    for change in (lambda: file.write_bytes(b"longer than before"), lambda: os.truncate(file, 1),
                   lambda: os.utime(file, ns=(5, 5))):  # fmt: skip
        file.write_bytes(b"content")
        calls: list[int] = []

        def fstat(
            descriptor: int, calls: list[int] = calls, change: Callable[[], object] = change
        ) -> os.stat_result:
            calls.append(descriptor)
            if len(calls) == 2:
                change()
            return real(descriptor)

        monkeypatch.setattr(files.os, "fstat", fstat)
        with pytest.raises(DataError, match="the file changed while it was read"):
            read_file(file)
    monkeypatch.setattr(files.os, "fstat", real)
    assert read_file(file) == b"content"


def test_every_other_row_can_vanish(photos: Path, tmp_path: Path) -> None:
    dataset: Dataset = read_dataset(photos)
    whole = run_embedding(dataset, Quarters())
    gone = dataset.ids[::2].tolist()
    for name in gone:
        (photos / name).rename(tmp_path / name.replace("/", "-"))
    run = run_embedding(dataset, Quarters(), store=Store(tmp_path / "store"))
    assert differing(run, whole) == sorted(gone)
    assert set(run.facts.error[::2]) == {"the file does not exist"}
    for name in gone:
        (tmp_path / name.replace("/", "-")).rename(photos / name)
    later = run_embedding(dataset, Quarters(), store=Store(tmp_path / "store"))
    assert differing(later, whole) == [] and later.decoded == len(gone)
