"""The view of two versions says what the comparison found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from two_versions import Rows, audit_rows, fruit

import auditor
from auditor.comparisons.versions import CompareOptions, VersionComparison, compare_versions
from reports import write_comparison_page
from reports.comparison_view import GalleryBlock, TableBlock
from reports.versions_view import versions_view
from reports.versions_wording import likelihood, p_value

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}\n__proto__"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> VersionComparison:
    folder = tmp_path_factory.mktemp("view")
    broken, right = fruit()
    train = np.flatnonzero(right.table["split"] == "train")
    kept = right.where(~np.isin(np.arange(len(right.table)), train[:10]))
    audits = [auditor.load(audit_rows(r, folder / n)) for n, r in (("before", broken), ("after", kept))]
    return compare_versions(audits[0], audits[1], CompareOptions(holdout="test"))


def table(comparison: VersionComparison, title: str) -> TableBlock:
    blocks = versions_view(comparison).blocks
    return next(b for b in blocks if isinstance(b, TableBlock) and b.title == title)


def test_both_maps_show_every_sample_in_one_frame(comparison: VersionComparison) -> None:
    view = versions_view(comparison)
    before, after = view.maps
    assert [view.samples[n].id for n in before.samples] == comparison.before.embeddings.ids.tolist()
    assert [view.samples[n].id for n in after.samples] == comparison.after.embeddings.ids.tolist()
    shared = set(before.samples.tolist()) & set(after.samples.tolist())
    assert len(shared) == len(comparison.after.embeddings.ids)
    relabelled = {e.id_before for e in comparison.ledger.entries if e.change == "relabelled"}
    marked = {view.samples[n].id for n in after.samples[after.marked]}
    assert marked == relabelled


def test_the_tables_hold_the_comparisons_numbers(comparison: VersionComparison) -> None:
    rows = {
        row.cells[0].text: row.cells[1].text for row in table(comparison, "What became of every sample").rows
    }
    counts = comparison.ledger.counts()
    assert rows["Relabelled"] == str(counts["relabelled"])
    assert rows["Removed"] == "10"
    words = [row.cells[-1] for row in table(comparison, "Classes before and after").rows]
    assert [cell.text for cell in words] == [c.word for c in comparison.standing.classes]
    assert all((cell.tone == "better") == (cell.text == "better") for cell in words)


def test_the_headline_gives_change_and_interval(comparison: VersionComparison) -> None:
    view = versions_view(comparison)
    assert comparison.verdict == "improved"
    assert view.tone == "better"
    assert likelihood(comparison.gain) in view.headline
    assert "90 % interval" in view.headline


def test_worse_is_told_as_plainly(comparison: VersionComparison) -> None:
    back = compare_versions(comparison.after, comparison.before, CompareOptions(holdout="test"))
    view = versions_view(back)
    assert view.tone == "worse"
    assert view.headline.startswith("Worse: labels of held-out pictures are ")
    assert "less likely" in view.headline


def test_changed_samples_are_shown_with_both_labels(comparison: VersionComparison) -> None:
    view = versions_view(comparison)
    gallery = next(b for b in view.blocks if isinstance(b, GalleryBlock))
    relabelled = next(g for g in gallery.groups if g.title.startswith("Relabelled"))
    for picture in relabelled.pictures:
        entry = next(e for e in comparison.ledger.entries if e.id_before == view.samples[picture.sample].id)
        assert picture.caption == f"{entry.label_before} → {entry.label_after}"


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    broken, right = fruit(150, 6)
    sides = []
    for name, rows in (("before", broken), ("after", right)):
        renamed = rows.table.copy()
        renamed["label"] = renamed["label"].replace("plum", HOSTILE)
        sides.append(auditor.load(audit_rows(Rows(renamed, rows.vectors), tmp_path / name)))
    compared = compare_versions(sides[0], sides[1])
    write_comparison_page(versions_view(compared), sides, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror" in page
    assert "49" not in [
        cell for row in table(compared, "Classes before and after").rows for cell in row.cells
    ]


def test_p_values_are_never_0() -> None:
    assert [p_value(v) for v in (0.0, 0.0123, 1.0)] == ["p < 0.001", "p = 0.012", "p = 1"]
