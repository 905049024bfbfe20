"""Results of finished stages: read back as they were, or not at all."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import class_vectors, make_manifest
from toy import toy_audit

import auditor
from auditor import stages
from auditor.arrays import as_ids
from auditor.dataset import ReadOptions
from auditor.errors import DataError
from auditor.results import Audit, Dataset, Duplicates, Map, Neighbours, Probabilities, Scores, Thresholds
from auditor.stages import Kept, StageFolder, dataset_key, digest_of, rows_form

STAGES = ("embed", "neighbours", "duplicates", "probabilities", "scores", "findings", "separation", "map")
MAKERS = {
    "embed": "from_features",
    "neighbours": "find_neighbours",
    "duplicates": "find_duplicates",
    "probabilities": "estimate_probabilities",
    "scores": "score_labels",
    "findings": "find_findings",
    "separation": "measure_separation",
    "map": "make_map",
}


def same(a: object, b: object) -> bool:
    """Tell whether two results are equal to the last bit."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@pytest.fixture(autouse=True)
def keep_quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LEAST_SECONDS", 0.0)


@pytest.fixture
def audit() -> Audit:
    return toy_audit()


@pytest.mark.parametrize("kind", [Neighbours, Duplicates, Probabilities, Scores, Map])
def test_results_with_rows_come_back_to_the_last_bit(kind: Any, audit: Audit, tmp_path: Path) -> None:
    made = next(v for f in fields(audit) if isinstance(v := getattr(audit, f.name), kind))
    form, folder = rows_form(kind, made.ids), StageFolder(tmp_path / "stages")
    folder.keep("stage", "key", form.pack(made))
    assert same(form.read(folder.load("stage", "key")), made)


def test_findings_and_separation_come_back_to_the_last_bit(audit: Audit, tmp_path: Path) -> None:
    folder = StageFolder(tmp_path)
    parts = replace(audit.separation, silhouette=float("nan"), knn_accuracy=1 / 3)
    found = tuple(replace(f, score=min(1.0, f.score + 1e-12)) for f in audit.findings)
    for name, form, made in (("a", stages.FINDINGS, found), ("b", stages.SEPARATION, parts)):
        folder.keep(name, "key", form.pack(made))  # type: ignore[attr-defined]
        assert same(form.read(folder.load(name, "key")), made)  # type: ignore[attr-defined]


def test_a_result_belongs_to_its_key(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path)
    folder.keep("map", "one", Kept({"x": np.arange(3)}, {"y": 1.5}, 7.0))
    assert folder.load("map", "other") is None
    assert folder.load("scores", "one") is None
    kept = folder.load("map", "one")
    assert kept is not None and kept.arrays["x"].tolist() == [0, 1, 2]
    assert (kept.document, kept.seconds) == ({"y": 1.5}, 7.0)
    folder.keep("map", "other", Kept({"x": np.arange(2)}))
    assert folder.load("map", "one") is None
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


def damage_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def damage_changed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_cut, damage_changed, Path.unlink])
@pytest.mark.parametrize("name", ["x.npy", "document.json", "done.json"])
def test_a_damaged_result_is_not_trusted(damage: Any, name: str, tmp_path: Path) -> None:
    folder = StageFolder(tmp_path)
    folder.keep("map", "key", Kept({"x": np.arange(30)}, {"text": "some words"}))
    damage(tmp_path / "map" / name)
    found = folder.load("map", "key")
    assert found is None or (name == "done.json" and found.arrays["x"].tolist() == list(range(30)))


def test_objects_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        StageFolder(tmp_path).keep("map", "key", Kept({"x": as_ids(["a"])}))


def test_a_full_disk_is_told_and_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    monkeypatch.setattr("os.fsync", refuse)
    StageFolder(tmp_path, told.append).keep("map", "key", Kept({"x": np.arange(3)}))
    assert len(told) == 1 and "No space left" in told[0]
    assert list(tmp_path.iterdir()) == []


def test_quick_stages_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LEAST_SECONDS", 2.0)
    folder = StageFolder(tmp_path)
    folder.keep("quick", "key", Kept(seconds=1.9))
    folder.keep("slow", "key", Kept(seconds=2.0))
    assert (folder.load("quick", "key"), folder.load("slow", "key") is None) == (None, False)


def test_digests_tell_apart_what_differs(audit: Audit) -> None:
    ids = as_ids(["ab", "c"])
    different = [
        digest_of(*parts)
        for parts in (
            (ids,), (as_ids(["a", "bc"]),), (as_ids(["abc"]),), ("ab", "c"), (["ab", "c"],), ("a", "bc"),
            (np.arange(4),), (np.arange(4, dtype=np.int32),), (np.arange(4).reshape(2, 2),),
            (Thresholds(),), (replace(Thresholds(), dark=0.5),), (audit.facts,),
            (replace(audit.facts, quality={}, checked=False, signature=np.zeros((60, 0, 0), np.uint8)),),
        )
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    assert digest_of(audit.facts, ids) == digest_of(toy_audit().facts, as_ids(["ab", "c"]))


@pytest.mark.parametrize("column", ["label", "domain", "split", "group", "id"])
def test_every_column_of_a_dataset_counts(column: str, audit: Audit) -> None:
    table = audit.dataset.table.copy()
    table[column] = [f"{v}!" if n == 5 and column != "label" else v for n, v in enumerate(table[column])]
    if column == "label":
        table.loc[5, "label"] = "dog" if table.loc[5, "label"] != "dog" else "cat"
    assert dataset_key(replace(audit.dataset, table=table)) != dataset_key(audit.dataset)


class Stopped(BaseException):
    """As if somebody pressed Ctrl-C."""


@pytest.fixture
def work(tmp_path: Path) -> tuple[Dataset, auditor.AuditSettings]:
    manifest = make_manifest(tmp_path / "labels.csv")
    np.save(tmp_path / "v.npy", class_vectors())
    dataset = auditor.read_dataset(manifest, ReadOptions(images=False))
    return dataset, auditor.AuditSettings(features=tmp_path / "v.npy")


def stop_in(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Stopped(stage)

    monkeypatch.setattr(f"auditor.audit.{MAKERS[stage]}", stop)


def results(audit: Audit) -> list[object]:
    """Everything but the seconds."""
    plain = replace(audit, provenance=replace(audit.provenance, timings={}))
    return [getattr(plain, f.name) for f in fields(plain) if f.name != "dataset"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_stopped_in_any_stage_goes_on_to_the_same_result(
    stage: str, work: tuple[Dataset, auditor.AuditSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = auditor.run_audit(*work), StageFolder(tmp_path / "stages")
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        stop_in(stage, patched)
        auditor.run_audit(*work, checkpoints=folder)
    before = STAGES[: STAGES.index(stage)]
    kept = {p.name for p in (tmp_path / "stages").iterdir()} if before else set()
    assert kept == set(before)
    with monkeypatch.context() as patched:
        for done in before:
            stop_in(done, patched)
        again = auditor.run_audit(*work, checkpoints=folder)
    assert list(again.provenance.timings) == list(whole.provenance.timings)
    assert all(map(same, results(again), results(whole)))


@pytest.mark.parametrize("change", ["label", "seed", "threshold", "vector"])
def test_what_was_kept_is_not_used_for_anything_else(
    change: str, work: tuple[Dataset, auditor.AuditSettings], tmp_path: Path
) -> None:
    folder = StageFolder(tmp_path / "stages")
    dataset, settings = work
    auditor.run_audit(dataset, settings, checkpoints=folder)
    if change == "label":
        table = dataset.table.copy()
        table.loc[0, "label"] = table.loc[1, "label"]
        dataset = replace(dataset, table=table)
    elif change == "seed":
        settings = replace(settings, seed=1)
    elif change == "threshold":
        settings = replace(settings, thresholds=replace(Thresholds(), mislabeled_quality=0.5))
    else:
        vectors = class_vectors()
        vectors[0] = vectors[1] + 0.25
        np.save(tmp_path / "v.npy", vectors)
    again = auditor.run_audit(dataset, settings, checkpoints=folder)
    assert all(map(same, results(again), results(auditor.run_audit(dataset, settings))))


def test_nothing_is_written_without_checkpoints(
    work: tuple[Dataset, auditor.AuditSettings], tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    auditor.run_audit(*work)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_result_that_does_not_fit_is_made_again(audit: Audit) -> None:
    form = rows_form(Duplicates, audit.duplicates.ids)
    kept = form.pack(audit.duplicates)
    assert form.read(Kept({**kept.arrays, "more": np.arange(2)}, kept.document)) is None
    assert form.read(Kept({n: v[1:] for n, v in kept.arrays.items()}, kept.document)) is None
    with pytest.raises(DataError):
        form.unpack(Kept({n: v[1:] for n, v in kept.arrays.items()}, kept.document))
