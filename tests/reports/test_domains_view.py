"""What the page about two domains says, on planted domains and on hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted_domains import audit_of, planted
from stages import make_dataset

from auditor.comparisons.domains import DomainComparison, compare_domains
from auditor.comparisons.domains_document import domains_document
from reports import comparison_view as v
from reports import domain_words as words
from reports.comparison_page import write_comparison_page
from reports.domains_view import domains_view

HOSTILE = ["__proto__", "</script><img src=x onerror=alert(1)>", "=1+1", "a\nb", "\u05d0" * 300]


def compare(story: str, each: int = 40, names: list[str] | None = None) -> DomainComparison:
    vectors, codes, domains = planted(story, each=each)
    labels = codes if names is None else np.array(names, dtype=object)[codes]
    vectors[1] = vectors[5 * each + 1]
    audit = audit_of(make_dataset(labels, domain=domains), vectors, [(1, 5 * each + 1)])
    return compare_domains(audit, "A", "B")


def block(view: v.ComparisonView, title: str) -> v.Block:
    return next(b for b in view.blocks if b.title.startswith(title))


@pytest.mark.parametrize(
    ("story", "tone", "said", "advised"),
    [
        ("separated", "plain", "What is learned on A holds on B", "Remove 1 picture"),
        (
            "overlap",
            "worse",
            "does not hold on B: accuracy falls from",
            "label noise there looks like overlap",
        ),
        ("direction changed", "worse", "does not hold on B", "by other features than on A"),
        ("global shift", "worse", "does not hold on B", "all of B is moved"),
    ],
)
def test_headline_and_advice_follow_the_verdict(story: str, tone: str, said: str, advised: str) -> None:
    view = domains_view(compare(story))
    assert view.tone == tone
    assert said in view.headline
    todo = block(view, "What to do")
    assert isinstance(todo, v.WordsBlock)
    assert any(advised in text for text in todo.paragraphs)
    assert "Label noise inside the test domain looks like overlap." in view.notes


def test_the_pairs_of_the_page_are_those_of_the_document() -> None:
    comparison = compare("misplaced border")
    table = block(domains_view(comparison), "Pairs of classes")
    assert isinstance(table, v.TableBlock)
    parts = domains_document(comparison)["per_pair"]
    assert [row.cells[0].text for row in table.rows] == [f"{p['a']} / {p['b']}" for p in parts]
    assert [row.cells[1].text for row in table.rows] == [p["verdict"] for p in parts]
    assert {len(row.cells) for row in table.rows} == {len(table.columns)} == {len(table.numeric)}
    assert [row.cells[4].value for row in table.rows] == pytest.approx(
        [p["inside_auc"]["estimate"] for p in parts], abs=1e-5
    )


def test_maps_and_matrices_count_the_same() -> None:
    comparison = compare("global shift")
    view = domains_view(comparison)
    matrices = block(view, "Confusion")
    assert isinstance(matrices, v.MatrixBlock)
    for panel, matrix in zip(view.maps, matrices.matrices, strict=True):
        assert panel.marked.sum() == matrix.counts.sum() - np.trace(matrix.counts)
        assert [view.samples[i].label for i in panel.samples] == panel.codes.tolist()
        assert len(panel.positions) == len(panel.samples) == matrix.counts.sum()
    on_both = set(view.maps[0].samples.tolist()) & set(view.maps[1].samples.tolist())
    assert on_both == set()


def test_copies_across_the_domains_are_shown() -> None:
    gallery = block(domains_view(compare("separated")), "Copies in both domains")
    assert isinstance(gallery, v.GalleryBlock)
    (group,) = gallery.groups
    assert [(p.caption, p.second) for p in group.pictures] == [("r00001", "A"), ("r00201", "B")]


def test_every_picture_is_a_known_sample() -> None:
    view = domains_view(compare("overlap"))
    pictures = [p for b in view.blocks if isinstance(b, v.GalleryBlock) for g in b.groups for p in g.pictures]
    assert pictures
    assert all(view.samples[p.sample].id == p.caption for p in pictures)


def test_nothing_can_be_told_of_twenty_samples() -> None:
    view = domains_view(compare("overlap", each=20))
    assert any("10 cannot tell" in line for line in view.lines)
    todo = block(view, "What to do")
    assert isinstance(todo, v.WordsBlock)
    assert "and 4 more pairs. Only 20 independent pictures" in todo.paragraphs[0]


def test_hostile_names_stay_text_on_the_page(tmp_path: Path) -> None:
    comparison = compare("overlap", names=HOSTILE)
    view = domains_view(comparison, "auditor domains x")
    assert view.class_names == tuple(sorted(HOSTILE))
    write_comparison_page(view, [comparison.audit], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert page.count("</script>") == page.count("<script")


def test_two_classes_are_told_that_either_border_is_possible() -> None:
    vectors, codes, domains = planted("misplaced border")
    kept = codes < 2
    dataset = make_dataset(codes[kept], domain=list(np.array(domains)[kept]))
    view = domains_view(compare_domains(audit_of(dataset, vectors[kept]), "A", "B"))
    todo = block(view, "What to do")
    assert isinstance(todo, v.WordsBlock)
    assert "With two classes nothing tells" in todo.paragraphs[0]
    assert "a few labelled pictures from B helps either way" in todo.paragraphs[0]
    assert not any("the shift alone costs" in line for line in view.lines)


def test_right_to_left_names_stand_alone_wherever_a_number_follows() -> None:
    """Without isolation "3 / 7" beside a Hebrew name reads "7 / 3"."""
    name, only = "\u05d0\u05d1\u05d2", "\u05d3\u05d4"
    vectors, codes, domains = planted("overlap")
    labels = np.array([name, "1", "2", "3", only], dtype=object)[codes]
    kept = (codes < 4) | (np.arange(500) < 250)
    places = np.array([{"A": "\u05d5", "B": "B"}[place] for place in domains])
    audit = audit_of(make_dataset(labels[kept], domain=list(places[kept])), vectors[kept])
    view = domains_view(compare_domains(audit, "\u05d5", "B"))
    texts = [view.headline, *view.lines, *view.notes, *view.facts, *(panel.caption for panel in view.maps)]
    for part in view.blocks:
        texts += [part.title, getattr(part, "note", ""), *getattr(part, "columns", ())]
        texts += [cell.text for row in getattr(part, "rows", ()) for cell in row.cells]
        texts += [text for group in getattr(part, "groups", ()) for text in (group.title, group.note)]
        texts += getattr(part, "paragraphs", ())
    for hebrew in (name, only, "\u05d5"):
        assert any(hebrew in text for text in texts)
    for text in texts:
        inside = 0
        for letter in text:
            inside += (letter == "\u2068") - (letter == "\u2069")
            assert inside or not "\u05d0" <= letter <= "\u05ea", text


def test_names_are_cut_in_cells_and_whole_for_who_points_at_them() -> None:
    long = "n" * 300
    view = domains_view(compare("overlap", names=[long, "b", "c", "d", "e"]))
    table = block(view, "Pairs of classes")
    assert isinstance(table, v.TableBlock)
    cell = next(row.cells[0] for row in table.rows if "nnn" in row.cells[0].text)
    assert len(cell.text) < 60
    assert long in cell.whole


def test_digit_names_and_counts_read_as_sentences() -> None:
    comparison = compare("overlap")
    view = domains_view(comparison)
    most = max(comparison.classes, key=lambda one: one.taken)
    told = next(line for line in view.lines if "taken for" in line)
    assert f"{most.taken} of 40 pictures of “{comparison.sides.classes[most.code]}” are taken for “" in told
    assert [words.signed(value) for value in (-0.3, 0.2, -1.6, 4.4)] == ["0", "0", "−2", "+4"]
    lonely = compare("separated", each=40)
    assert not any("+0" in line or "−0 " in line for line in domains_view(lonely).lines)


def test_one_picture_is_one_picture() -> None:
    vectors, codes, domains = planted("separated")
    kept = (np.arange(500) < 250) | (np.arange(500) % 50 == 0)
    dataset = make_dataset(codes[kept], domain=list(np.array(domains)[kept]))
    pairs = compare_domains(audit_of(dataset, vectors[kept]), "A", "B").pairs
    assert {pair.reason.split(";")[0] for pair in pairs} == {
        "Only 1 independent picture of one class in the test domain"
    }


def test_the_page_says_once_what_distances_are() -> None:
    assert "no measure" not in domains_view(compare("separated")).map_note
