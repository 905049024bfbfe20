"""The committed kitchen set is what its truth says, and its script is deterministic."""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[2] / "sample_data"
KITCHEN = SAMPLES / "kitchen"
CLASSES = {"avocado", "knife", "pear", "pencil", "spoon"}
PLANTED = {
    "wrong_label": 27,
    "avocado_with_knife": 10,
    "off_topic": 12,
    "exact_copy": 9,
    "near_copy": 12,
    "conflicting_copy": 5,
    "leak": 6,
    "dark": 5,
    "blurred": 5,
    "empty": 4,
    "unreadable": 4,
}


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixel_digest(path: Path) -> str:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, str]]:
    return {row["path"]: row for row in read_rows(KITCHEN / "manifest.csv")}


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, str]]:
    return {row["path"]: row for row in read_rows(KITCHEN / "truth.csv")}


@pytest.fixture(scope="module")
def digests(manifest, truth) -> dict[str, str]:
    readable = (p for p in manifest if truth.get(p, {}).get("problem") != "unreadable")
    return {p: pixel_digest(KITCHEN / p) for p in readable}


def test_the_manifest_names_exactly_the_files(manifest):
    files = {f"images/{p.name}" for p in (KITCHEN / "images").iterdir()}
    assert files == set(manifest)
    assert 650 <= len(files) <= 750


def test_every_class_is_in_every_domain_and_split(manifest):
    cells = Counter((row["label"], row["domain"], row["split"]) for row in manifest.values())
    assert {label for label, _, _ in cells} == CLASSES
    assert len(cells) == 5 * 2 * 2
    assert min(cells.values()) >= 15


def test_as_much_is_planted_as_the_readme_says(truth):
    assert Counter(row["problem"] for row in truth.values()) == PLANTED
    readme = (KITCHEN / "README.md").read_text(encoding="utf-8")
    for problem in ("wrong_label", "avocado_with_knife", "off_topic", "near_copy", "unreadable"):
        assert f"| `{problem}` | {PLANTED[problem]} |" in readme


def test_labels_are_wrong_where_the_truth_says_so_and_in_train_alone(manifest, truth):
    for path, row in truth.items():
        assert row["label"] == manifest[path]["label"]
        wrong = row["right_label"] not in ("", row["label"])
        assert wrong == (row["problem"] in ("wrong_label", "conflicting_copy")), path
        assert manifest[path]["split"] == ("test" if row["problem"] == "leak" else "train")


def test_avocado_towards_knife_is_the_most_frequent_wrong_label(truth):
    wrong = Counter((r["label"], r["right_label"]) for r in truth.values() if r["problem"] == "wrong_label")
    assert wrong.most_common(1)[0][0] == ("avocado", "knife")


def test_only_the_listed_files_do_not_decode(manifest, truth):
    for path in manifest:
        expected = truth.get(path, {}).get("problem") != "unreadable"
        try:
            Image.open(KITCHEN / path).convert("RGB").load()
            readable = True
        except OSError:
            readable = False
        assert readable == expected, path


def test_exact_copies_are_exactly_the_listed_ones(truth, digests):
    listed = {(p, r["of"]) for p, r in truth.items() if r["of"] and r["problem"] != "near_copy"}
    assert all(digests[copy] == digests[original] for copy, original in listed)
    repeated = sum(count - 1 for count in Counter(digests.values()).values())
    assert repeated == len(listed)


def test_copies_lie_where_the_truth_says(manifest, truth):
    for path, row in truth.items():
        if not row["of"]:
            continue
        copy, original = manifest[path], manifest[row["of"]]
        assert original["split"] == "train" and row["of"] not in truth
        assert (copy["label"] != original["label"]) == (row["problem"] == "conflicting_copy")
        same_bytes = (KITCHEN / path).read_bytes() == (KITCHEN / row["of"]).read_bytes()
        assert same_bytes == (row["detail"] == "same bytes"), path


def test_near_copies_look_like_their_originals(truth):
    for path, row in truth.items():
        if row["problem"] != "near_copy" or row["detail"].startswith("crop"):
            continue
        a, b = (np.asarray(Image.open(KITCHEN / p).convert("L").resize((64, 64))) for p in (path, row["of"]))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97, path


def test_names_tell_nothing(manifest, truth):
    """Neither the order of names nor the suffix may tell which pictures are planted."""
    ranks = {p: i for i, p in enumerate(sorted(manifest))}
    planted = np.array([ranks[p] for p in truth]) / len(ranks)
    assert abs(planted.mean() - 0.5) < 0.1
    assert {Path(p).suffix for p in manifest} == {".jpg", ".png", ".webp"}


def test_both_sets_are_small():
    suffixes = {".jpg", ".png", ".webp", ".csv", ".md", ".py"}
    total = sum(p.stat().st_size for p in SAMPLES.rglob("*") if p.suffix in suffixes)
    assert total < 6_000_000


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(KITCHEN))
    try:
        import make_kitchen

        yield make_kitchen
    finally:
        sys.path.remove(str(KITCHEN))


def some_of_each(plan):
    """One picture of every kind of defect, and one regular one of every class in each domain."""
    seen = {}
    for picture in plan:
        kind = picture.problem or (picture.label, picture.domain)
        seen.setdefault(kind, picture)
    originals = {p.of for p in seen.values()}
    return [p for p in plan if p in seen.values() or p.key in originals]


def test_the_committed_tables_are_the_script_s(script):
    plan = script.make_plan(7)
    assert [",".join(r) for r in script.manifest_rows(plan)] == lines_of("manifest.csv")
    assert [",".join(r) for r in script.truth_rows(plan)] == lines_of("truth.csv")


def lines_of(name: str) -> list[str]:
    return (KITCHEN / name).read_text(encoding="utf-8").splitlines()[1:]


def test_the_committed_pictures_are_the_script_s(script):
    """Libraries round differently from version to version; the pictures stay the same to the eye."""
    chosen = [p for p in script.make_plan(7) if not p.problem][:: len(CLASSES) * 17]
    assert len(chosen) > 5
    for picture in chosen:
        made = np.asarray(Image.open(io.BytesIO(script.make_file(picture, 7))).convert("RGB"), dtype=float)
        kept = np.asarray(Image.open(KITCHEN / picture.path).convert("RGB"), dtype=float)
        assert np.abs(made - kept).mean() < 4, picture.path


def test_the_same_seed_makes_the_same_files_and_another_seed_others(script):
    plan, other = script.make_plan(3), script.make_plan(4)
    assert plan == script.make_plan(3)
    assert script.manifest_rows(plan) != script.manifest_rows(other)
    chosen = some_of_each(plan)
    first, second = script.make_files(chosen, 3), script.make_files(chosen, 3, workers=2)
    assert first == second
    changed = script.make_files(chosen, 4)
    painted = [p for p in chosen if p.problem != "unreadable"]
    assert all(first[p.key] != changed[p.key] for p in painted)


def test_every_seed_plants_the_same_numbers(script):
    for seed in range(5):
        plan = script.make_plan(seed)
        assert Counter(p.problem for p in plan if p.problem) == PLANTED
        assert len({p.path for p in plan}) == len(plan)


def test_a_set_is_written_with_its_tables(script, tmp_path, monkeypatch):
    chosen = some_of_each(script.make_plan(5))
    monkeypatch.setattr(script, "make_plan", lambda seed: chosen)
    assert script.write_set(tmp_path, 5) == chosen
    rows, truth = read_rows(tmp_path / "manifest.csv"), read_rows(tmp_path / "truth.csv")
    assert {r["path"] for r in rows} == {f"images/{p.name}" for p in (tmp_path / "images").iterdir()}
    assert {r["problem"] for r in truth} == set(PLANTED)
    assert all((tmp_path / r["of"]).is_file() for r in truth if r["of"])
