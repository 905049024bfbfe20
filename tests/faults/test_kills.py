"""kill -9 at any step: the next run ends with what an undisturbed one gives."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faults.running import run_jobs
from faults.tally import tally
from faults.world import Quarters, content, make_photos, rows_lost

from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.store import Store

KILLED, TAKEN = -9, 2
KILLS = 20
SEED = 6
WORK = "an afternoon of work"


@dataclass
class Place:
    """A folder in which commands run: undisturbed, killed at a step, and again."""

    folder: Path
    jobs: list[dict[str, Any]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.steps")

    def plan(self, words: Sequence[object], **how: Any) -> None:
        """Add a command to those that `run_places` runs; its output is `out`, its steps are those in here."""
        self.folder.mkdir(exist_ok=True)
        said = self.folder.with_name(f"{self.folder.name}.{len(self.jobs)}.txt")
        asked = [str(word) for word in (*words, "--out", self.out)]
        if words[0] == "run":
            asked += ["--cache", str(self.folder / "cache")]
        self.jobs.append({"words": asked, "said": said, "watch": self.folder, **how})

    def said(self) -> str:
        return "\n".join(Path(job["said"]).read_text() for job in self.jobs)

    def steps(self) -> list[str]:
        """What the run that logged them did on the disk, in order."""
        return self.log.read_text().splitlines()

    def first(self, pattern: str) -> int:
        """Number of the first step that a pattern describes."""
        found = [n for n, step in enumerate(self.steps()) if re.fullmatch(pattern, step)]
        assert found, "\n".join(self.steps())
        return found[0]

    def names(self) -> list[str]:
        return sorted(p.name for p in self.folder.iterdir())


def run_places(places: Sequence[Place]) -> None:
    """Run what is planned in all of them, in one process."""
    codes = iter(run_jobs([job for place in places for job in place.jobs]))
    for place in places:
        place.codes = [next(codes) for _ in place.jobs]


def undisturbed(folder: Path, *words: object) -> Place:
    """Run a command and log its steps."""
    place = Place(folder / "whole")
    place.plan(words, log=place.log)
    run_places([place])
    assert place.codes == [0], place.said()
    return place


def killed(folder: Path, words: Sequence[object], moments: Sequence[dict[str, Any]]) -> list[Place]:
    """Run a command again and again, each time killed at another moment and then run once more."""
    places = []
    for number, moment in enumerate(moments):
        place = Place(folder / f"place {number}")
        place.plan(words, **moment)
        place.plan(words)
        places.append(place)
    run_places(places)
    return places


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return undisturbed(tmp_path_factory.mktemp("run"), "run", data)


MOMENTS = {
    "a shard of vectors is stored": r"os\.rename /cache/store/vectors/.*\.keys\..*",
    "the probabilities are kept": r"open /out\.partial/stages/probabilities\.new/done\.json",
    "audit.json is written": r"open /out\.partial/audit\.json",
    "the folder gets its name": r"os\.rename /out\.partial",
    "the folder has its name": r"os\.remove /out/lock",
}


@pytest.fixture(scope="module")
def stopped(data: Path, whole: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    steps = [{"step": whole.first(pattern)} for pattern in MOMENTS.values()]
    return dict(zip(MOMENTS, killed(tmp_path_factory.mktemp("stopped"), ["run", data], steps), strict=True))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_when(moment: str, stopped: dict[str, Place], whole: Place) -> None:
    place = stopped[moment]
    assert place.codes[0] == KILLED
    assert ended_well(place, whole), place.said()
    assert rows_lost(whole.out, place.out) == 0


def ended_well(place: Place, whole: Place) -> bool:
    """Say whether the audit of an undisturbed run is there, and nothing beside it that such a run leaves not.

    A run that was killed when its folder was there already is refused the second time: its work is done.
    """
    done = place.codes[1] == 0 or (place.codes[1] == TAKEN and "holds an audit already" in place.said())
    return done and place.names() == whole.names() and content(place.out) == content(whole.out)


@pytest.mark.nightly
def test_twenty_kills_of_a_run(
    data: Path, whole: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Half of them before a step that is drawn, half at a time that is drawn."""
    start = time.monotonic()
    undisturbed(tmp_path, "run", data)
    seconds = time.monotonic() - start
    draw = random.Random(SEED)
    moments: list[dict[str, Any]] = [{"step": draw.randrange(len(whole.steps()))} for _ in range(KILLS // 2)]
    moments += [{"seconds": draw.uniform(0, seconds / 2)} for _ in range(KILLS // 2)]
    places = killed(tmp_path, ["run", data], moments)
    survived = sum(ended_well(place, whole) for place in places)
    lost = sum(rows_lost(whole.out, place.out) for place in places)
    tally(request, "kill -9 of auditor run", KILLS, survived, lost)
    assert sum(place.codes[0] == KILLED for place in places) > KILLS // 2
    assert (survived, lost) == (KILLS, 0)


@pytest.mark.nightly
def test_kills_while_an_audit_is_replaced(
    data: Path, whole: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At each step from the documents to the end; what people put beside the audit is there afterwards."""
    words = ["run", data, "--overwrite"]
    trial = undisturbed(tmp_path, *words)
    trial.jobs.clear()
    trial.plan(words, log=trial.log)
    run_places([trial])
    moments = range(trial.first(r"open /out\.partial/audit\.json"), len(trial.steps()))
    places = [Place(tmp_path / f"replaced {moment}") for moment in moments]
    for place, moment in zip(places, moments, strict=True):
        place.plan(words)
        place.plan(words, step=moment)
        place.plan(words)
    run_first(places)
    survived = 0
    for place in places:
        kept = (place.out / "decisions.json").read_text() == WORK
        (place.out / "decisions.json").unlink()
        right = place.codes == [0, KILLED, 0] and place.names() == whole.names()
        survived += kept and right and content(place.out) == content(whole.out)
    lost = sum(rows_lost(whole.out, place.out) for place in places)
    tally(request, "kill -9 while an audit is replaced", len(places), survived, lost)
    assert (survived, lost) == (len(places), 0) and len(places) >= 5


def run_first(places: Sequence[Place]) -> None:
    """Run the first job of each, let somebody work on what it made, then run the others."""
    planned = [place.jobs for place in places]
    for place in places:
        place.jobs = place.jobs[:1]
    run_places(places)
    first = [place.codes for place in places]
    for place, jobs in zip(places, planned, strict=True):
        (place.out / "decisions.json").write_text(WORK)
        place.jobs = jobs[1:]
    run_places(places)
    for place, codes in zip(places, first, strict=True):
        place.codes = codes + place.codes


@pytest.mark.nightly
def test_kills_of_clean(whole: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = [
        "clean",
        whole.out,
        "--auto",
        "drop-duplicates,drop-unreadable",
        "--materialize",
        "copy",
        "--apply",
    ]
    version = undisturbed(tmp_path, *words)
    draw = random.Random(SEED)
    places = killed(tmp_path, words, [{"step": draw.randrange(len(version.steps()))} for _ in range(KILLS)])
    right, found = content(version.out), [content(place.out) for place in places]
    survived = sum(place.codes == [KILLED, 0] and f == right for place, f in zip(places, found, strict=True))
    lost = sum(f.get(name) != data for f in found for name, data in right.items())
    tally(request, "kill -9 of auditor clean --apply", KILLS, survived, lost)
    assert (survived, lost) == (KILLS, 0)


@pytest.mark.nightly
def test_kills_of_embed(data: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = ["embed", data]
    steps = len(undisturbed(tmp_path, *words).steps())
    draw = random.Random(SEED)
    places = killed(tmp_path, words, [{"step": draw.randrange(steps)} for _ in range(KILLS)])
    dataset = read_dataset(data)
    right = run_embedding(dataset, Quarters()).embeddings.vectors
    survived = lost = 0
    for place in places:
        warnings: list[str] = []
        again = run_embedding(dataset, Quarters(), store=Store(place.out, warnings.append))
        survived += place.codes == [KILLED, 0] and (again.decoded, again.encoded, warnings) == (0, 0, [])
        lost += int((again.embeddings.vectors != right).any(axis=1).sum())
    tally(request, "kill -9 of auditor embed", KILLS, survived, lost)
    assert (survived, lost) == (KILLS, 0)
