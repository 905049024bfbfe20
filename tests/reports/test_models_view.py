"""The views of several models and layers: what they say is what was measured; hostile names stay text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_audits import planted_dataset, predict, true_codes, vector_audit, view
from stages import make_dataset

from auditor.comparisons.layers import compare_layers
from auditor.comparisons.models import ModelComparison, compare_models
from auditor.comparisons.paired import PairedDifference
from auditor.results import Audit
from reports.comparison_view import (
    ComparisonView,
    CurveBlock,
    FigureBlock,
    GalleryBlock,
    MatrixBlock,
    TableBlock,
)
from reports.layers_view import layers_view
from reports.model_blocks import nats, points
from reports.models_view import advice, models_view

WRONG, MISSED = (4, 30, 31, 77), (10, 50, 93)
HOSTILE = ("</script><img src=x onerror=alert(1)>", "=1+1", "__proto__")


def audits() -> list[Audit]:
    codes, dataset = true_codes(), planted_dataset(WRONG)
    seen = codes.copy()
    seen[list(MISSED)] = (seen[list(MISSED)] + 1) % 3
    return [vector_audit(dataset, view(c, seed), f"model {seed}") for seed, c in ((1, codes), (2, seen))]


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    return compare_models(audits(), ["good", "poor"])


def block(found: ComparisonView, title: str) -> TableBlock:
    (table,) = (b for b in found.blocks if b.title == title and isinstance(b, TableBlock))
    return table


def gallery(found: ComparisonView, title: str) -> GalleryBlock:
    (made,) = (b for b in found.blocks if b.title == title and isinstance(b, GalleryBlock))
    return made


def pictured(made: GalleryBlock, found: ComparisonView) -> set[str]:
    return {found.samples[p.sample].id for group in made.groups for p in group.pictures}


def test_galleries_show_the_planted_samples(compared: ModelComparison) -> None:
    found = models_view(compared)
    assert pictured(gallery(found, "Tagging errors"), found) == {f"r{row:05d}" for row in WRONG}
    limits = gallery(found, "Limits of a model")
    assert pictured(limits, found) == {f"r{row:05d}" for row in MISSED}
    assert [group.title for group in limits.groups] == ["poor: 3 samples"]
    assert found.lines[0].startswith("4 misclassified samples look wrongly labelled")


def test_counts_in_the_tables_are_those_of_the_engine(compared: ModelComparison) -> None:
    rows = block(models_view(compared), "Why samples are misclassified").rows
    assert [[cell.text for cell in row.cells[:5]] for row in rows] == [
        ["good", "4", "4", "0", "0"],
        ["poor", "7", "4", "3", "0"],
    ]
    overlap = block(models_view(compared), "Whose errors are the same").rows[0]
    assert [cell.text for cell in overlap.cells[1:6]] == ["4", f"{4 * 7 / 180:.1f}", "0", "3", "0.57"]


def test_maps_share_one_frame_and_mark_the_errors(compared: ModelComparison) -> None:
    found = models_view(compared)
    good, poor = found.maps
    assert good.positions.shape == poor.positions.shape == (180, 2)
    np.testing.assert_array_equal(good.samples, poor.samples)
    np.testing.assert_allclose(good.positions.mean(axis=0), poor.positions.mean(axis=0), atol=1e-3)
    assert (good.marked.sum(), poor.marked.sum()) == (4, 7)
    assert {found.samples[i].id for i in good.samples[good.marked]} == {f"r{row:05d}" for row in WRONG}


def test_headline_names_the_best_only_where_it_is_clear(compared: ModelComparison) -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    clear = compare_models(
        [vector_audit(dataset, view(codes, 2, 1.5)), vector_audit(dataset, view(codes, 1))],
        ["weak", "strong"],
    )
    said = models_view(clear)
    assert said.headline.startswith("strong separates the classes best: 100.0 %") and said.tone == "plain"
    same = models_view(compare_models([audits()[0]] * 2, ["a", "b"]))
    assert same.headline.startswith("a and b separate the classes equally well") and same.tone == "plain"
    assert any("no independent model" in note for note in same.notes)
    assert "All models have the same vectors: there is nothing to average." in same.lines
    table = block(same, "What each model adds to the others")
    assert [row.cells[1].text for row in table.rows] == ["last one left", "same vectors as a"]


def test_predictions_are_shown_and_doubted(compared: ModelComparison) -> None:
    first, second = audits()
    with_said = models_view(compare_models([predict(first, true_codes()), second], ["mine", "other"]))
    table = block(with_said, "Which model separates the classes best")
    assert table.columns[-1] == "Own classifier"
    own = {row.cells[0].text: row.cells[-1].text for row in table.rows}
    assert own == {"mine": f"{100 * (1 - len(WRONG) / 180):.1f} %", "other": "none given"}
    assert any("learned wrong labels by heart" in note for note in with_said.notes)
    (matrix,) = (b for b in with_said.blocks if isinstance(b, MatrixBlock))
    assert [m.note for m in matrix.matrices] == [
        "of the predictions that were given",
        "of the probe, out of sample",
    ]
    assert (
        "Own classifier" not in block(models_view(compared), "Which model separates the classes best").columns
    )


def test_figures_of_the_ensemble(compared: ModelComparison) -> None:
    (figures,) = (b for b in models_view(compared).blocks if isinstance(b, FigureBlock))
    assert figures.figures[0].values[1] == f"{100 * compared.ensemble.accuracy:.1f} %"
    assert all(len(figure.values) == len(figures.columns) for figure in figures.figures)


def test_layers_draw_a_curve_of_each_class_and_of_all() -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    made = [
        vector_audit(dataset, view(codes, s, a), "net", "a" * 64) for s, a in ((1, 0.5), (2, 3.0), (3, 8.0))
    ]
    found = layers_view(compare_layers(made, ["layer1", "layer2", "layer3"]))
    overall, classes = (b for b in found.blocks if isinstance(b, CurveBlock))
    assert overall.steps == ("layer1", "layer2", "layer3")
    near = overall.curves[0].values
    assert near[0] is not None and near[-1] == 1.0 and near[0] + 0.2 < near[-1]
    assert {curve.name for curve in classes.curves} == {"0", "1", "2"}
    assert (
        found.headline.startswith("From layer1 to layer3 the classes come apart") and found.tone == "better"
    )
    assert {row.cells[-2].text for row in block(found, "Pairs of classes from layer to layer").rows} == {
        "comes apart"
    }


def test_hostile_names_stay_text(compared: ModelComparison) -> None:
    codes, names = true_codes(), sorted(HOSTILE)
    dataset = make_dataset([names[c] for c in codes])
    made = [vector_audit(dataset, view(codes, seed, 2.0)) for seed in (1, 2)]
    found = models_view(compare_models(made, HOSTILE[:2]))
    assert found.class_names == tuple(names)
    assert {row.cells[0].text for row in block(found, "Each class").rows} == set(names)
    assert [panel.title for panel in found.maps] == list(HOSTILE[:2])
    net = vector_audit(dataset, view(codes, 1, 2.0), "net", "a" * 64)
    layered = compare_layers([replace(net), net], HOSTILE[:2])
    assert layers_view(layered).maps[0].title == HOSTILE[0]


def test_differences_in_words() -> None:
    assert points(PairedDifference(0.029, (0.021, 0.038), 0.001, 99)) == "+2.9 (2.1 to 3.8)"
    assert points(PairedDifference(-0.0001, (-0.0002, 0.0), 1.0, 99)) == "0.0 (0.0 to 0.0)"
    assert nats(PairedDifference(0.0118, (0.0027, 0.0224), 0.01, 99)) == "+0.012 (0.003 to 0.022)"
    assert nats(PairedDifference(-0.0001, (-0.0002, 0.0), 1.0, 99)) == "0.000 (0.000 to 0.000)"


def test_a_lower_log_loss_is_better() -> None:
    """The complement of another view: log loss falls with it, and the figure is in the better colour."""
    codes = np.arange(240) % 3
    left, right = np.where(codes == 2, 1, codes), np.where(codes == 0, 1, codes)
    made = [vector_audit(make_dataset(codes), view(c, s, 4.0)) for c, s in ((left, 1), (right, 2))]
    said = models_view(compare_models(made, ["left", "right"]))
    for row in block(said, "What each model adds to the others").rows:
        assert row.cells[3].text.startswith("-") and row.cells[3].tone == "better"
        assert row.cells[3].value is not None and row.cells[3].value < 0
    (figures,) = (b for b in said.blocks if isinstance(b, FigureBlock))
    assert figures.figures[1].change.startswith("-") and figures.figures[1].tone == "better"


def test_weak_evidence_is_told_where_the_errors_are(compared: ModelComparison) -> None:
    """Three overlapping classes: what looks wrong is called a question."""
    dataset = planted_dataset((*WRONG, 100, 110, 120, 130, 140, 150))
    made = [vector_audit(dataset, view(true_codes(), seed, 2.0), f"model {seed}") for seed in (1, 2)]
    found = models_view(compare_models(made, ["a", "b"]))
    assert gallery(found, "Tagging errors").note.startswith("Questions rather than findings")
    assert not gallery(models_view(compared), "Tagging errors").note.startswith("Questions")
    assert pictured(gallery(found, "Tagging errors"), found)
    assert "a right label can look wrong too" in found.lines[0]


def test_few_groups_name_no_winner_and_say_why() -> None:
    codes = true_codes()
    dataset = make_dataset(codes, group=[f"person {i % 5}" for i in range(len(codes))])
    made = [vector_audit(dataset, view(codes, s, a)) for s, a in ((1, 1.0), (2, 8.0))]
    said = models_view(compare_models(made, ["weak", "strong"]))
    assert said.headline.startswith(
        "Which model separates the classes best cannot be told from 5 independent groups: strong leads"
    )
    assert any("only 5 independent groups" in note for note in said.notes)


def test_no_note_stands_above_an_empty_list_of_tagging_errors() -> None:
    dataset = make_dataset(true_codes())
    made = [vector_audit(dataset, view(true_codes(), seed), f"model {seed}") for seed in (1, 2)]
    found = gallery(models_view(compare_models(made, ["a", "b"])), "Tagging errors")
    assert not found.groups and found.note == "" and found.empty


def test_a_sure_loss_is_no_matter_of_chance() -> None:
    """A good model and four weak ones that are alike: averaging harms, and no advice says otherwise."""
    codes, rng = np.arange(240) % 4, np.random.default_rng(0)
    dataset, centres = make_dataset(codes), np.eye(8)[:4][codes]
    weak = 2.2 * centres + rng.normal(size=(240, 8))
    vectors = [3.6 * centres + rng.normal(size=(240, 8))]
    vectors += [weak + 0.2 * rng.normal(size=(240, 8)) for _ in range(4)]
    found = compare_models([vector_audit(dataset, v) for v in vectors], list("abcde"))
    assert found.ensemble.accuracy_gain.is_below
    said = advice(found)
    assert "Do not average all models: a alone gets more right, beyond chance." in said
    left = {found.names[c.model] for c in found.ensemble.contributions if c.left_at}
    assert {line for line in said if line.startswith("Leave")} == {
        f"Leave {name} out: the others do as well without it." for name in left
    }


def test_audits_with_equal_vectors_are_told_and_not_advised_against() -> None:
    first, second = audits()
    said = models_view(compare_models([predict(first, true_codes()), first, second], ["mine", "a", "b"]))
    words = [row.cells[1].text for row in block(said, "What each model adds to the others").rows]
    assert words[0] == "same vectors as a: its predictions are not part of the average"
    assert said.lines[1].startswith("Averaging the 2 models with vectors of their own gets")
    assert not any("mine" in line for line in said.lines[1:])


def test_right_to_left_names_stay_apart_from_the_figures_beside_them() -> None:
    name, kept = "\u05e9\u05dc\u05d5\u05dd 12", "\u2068\u05e9\u05dc\u05d5\u05dd 12\u2069"
    codes = np.arange(240) % 2
    dataset = make_dataset([(name, "plain")[c] for c in codes])
    made = [vector_audit(dataset, view(codes, s, 1.0), "net", "a" * 64) for s in (1, 2)]
    found = models_view(compare_models(made, [name, "other"]))
    assert kept in block(found, "Why samples are misclassified").rows[1].cells[-1].text
    assert block(found, "Whose errors are the same").rows[0].cells[0].text == f"{kept} and other"
    assert block(found, "Pairs of classes").rows[0].cells[0].text == f"plain and {kept}"
    pairs = block(layers_view(compare_layers(made, ["x", "y"])), "Pairs of classes from layer to layer")
    assert pairs.rows[0].cells[0].text == f"plain and {kept}"
