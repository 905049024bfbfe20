"""Layers of one backbone: what rises, what falls back, and the committed digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_audits import true_codes, vector_audit, view
from pictures import make_folders
from stages import make_dataset

from auditor import encoding
from auditor.audit import run_audit
from auditor.comparisons.layer_pairs import COMES_APART, NEVER_APART, TOGETHER_AGAIN, UNCLEAR
from auditor.comparisons.layers import compare_layers, in_depth_order, run_layers
from auditor.comparisons.layers_document import layers_document
from auditor.dataset import read_dataset
from auditor.errors import UsageError
from auditor.results import Audit, Dataset
from auditor.settings import AuditSettings

DIGITS = Path(__file__).parents[2] / "sample_data" / "digits"


def merged(codes: np.ndarray, a: int, b: int, seed: int) -> np.ndarray:
    """Vectors in which the two classes are one cloud, all others far apart."""
    return view(np.where(codes == b, a, codes), seed)


def net(dataset: Dataset, vectors: np.ndarray) -> Audit:
    return vector_audit(dataset, vectors, "net", "a" * 64)


def test_pairs_are_followed_from_layer_to_layer() -> None:
    codes = np.arange(240) % 4
    dataset = make_dataset(codes)
    first, last = merged(codes, 0, 1, 1), merged(codes, 1, 2, 3)
    found = compare_layers(
        [net(dataset, first), net(dataset, view(codes, 2)), net(dataset, last)], list("xyz")
    )
    told = {(p.a, p.b): p for p in found.pairs}
    assert {key: p.story for key, p in told.items()} == {("0", "1"): COMES_APART, ("1", "2"): TOGETHER_AGAIN}
    again = told["1", "2"]
    assert again.scores[0] < 0.04 and again.scores[1] == 0.0 and again.scores[2] > 0.3
    assert again.change is not None and again.change.interval[0] > 0.2 and again.against in (0, 1)
    assert again.change.groups < 120  # one half of the two classes' groups
    assert found.pairs[0] is again  # what was lost stands first
    document = layers_document(found)
    assert [part["layer"] for part in document["per_pair"][0]["layers"]] == ["x", "y", "z"]


def test_a_pair_that_no_layer_separates() -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    found = compare_layers([net(dataset, merged(codes, 0, 1, s)) for s in (1, 2)], ["x", "y"])
    assert [(p.a, p.b, p.story) for p in found.pairs] == [("0", "1", NEVER_APART)]
    assert not found.ranking.is_clear and layers_document(found)["verdict"] == "cannot tell"


def test_layers_that_differ_by_chance_tell_no_story() -> None:
    """Four layers equally good, noise of their own: of several datasets none has a pair that changes."""
    codes = np.arange(400) % 8
    dataset = make_dataset(codes)
    claims, listed = 0, 0
    for seed in range(5):
        layers = [net(dataset, view(codes, 10 * seed + layer, 2.4)) for layer in range(4)]
        pairs = compare_layers(layers, list("wxyz")).pairs
        listed += sum(pair.story == UNCLEAR for pair in pairs)
        claims += any(pair.story in (COMES_APART, TOGETHER_AGAIN) for pair in pairs)
    assert claims <= 1 and listed >= 10


def test_rise_is_last_minus_first() -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    weak, strong = net(dataset, view(codes, 1, 1.5)), net(dataset, view(codes, 2))
    up, down = compare_layers([weak, strong], ["x", "y"]), compare_layers([strong, weak], ["x", "y"])
    assert up.rise_knn.interval[0] > 0.1 and up.rise_knn.estimate == -down.rise_knn.estimate
    figures = [m.separation.knn_accuracy for m in up.models]
    assert up.rise_knn.estimate == pytest.approx(figures[1] - figures[0])
    assert layers_document(up)["verdict"] == "y" and layers_document(down)["verdict"] == "x"
    np.testing.assert_array_equal(up.maps[1].positions, up.models[1].positions)


def test_layers_of_two_backbones_are_refused() -> None:
    codes = true_codes()
    dataset = make_dataset(codes)
    two = [vector_audit(dataset, view(codes, s), name) for s, name in ((1, "one"), (2, "two"))]
    with pytest.raises(UsageError, match="of one backbone, these audits of one, two"):
        compare_layers(two)
    with pytest.raises(UsageError, match="give pictures, not features"):
        run_layers(dataset)


def test_features_without_a_network_are_no_layers() -> None:
    codes = true_codes()
    two = [vector_audit(make_dataset(codes), view(codes, seed), "features") for seed in (1, 2)]
    with pytest.raises(UsageError, match="given features tell of none"):
        compare_layers(two, ["a", "b"])


def test_layers_are_taken_in_the_order_of_the_network() -> None:
    given = ["avgpool", "layer1+layer3", "layer2", "layer3", "layer1"]
    assert in_depth_order(given) == ("layer1", "layer2", "layer3", "layer1+layer3", "avgpool")
    with pytest.raises(UsageError, match="'layer9' is unknown"):
        in_depth_order(["layer9", "layer1"])


@pytest.mark.slow
def test_one_decode_for_all_layers_and_the_same_audits_as_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In bf16 OpenVINO's layers of one pass differ from each alone, and are named so.
    monkeypatch.setattr("auditor.engines.computes_in_bf16", lambda device: False)
    dataset = read_dataset(make_folders(tmp_path / "photos", each=8))
    read: list[object] = []
    real = encoding.read_image_at
    monkeypatch.setattr(encoding, "read_image_at", lambda *a: (read.append(a), real(*a))[1])
    settings = AuditSettings(backbone="bundled", device="cpu", offline=True, batch_size=8)
    audits = run_layers(dataset, settings, ["layer1", "layer3+layer4"])
    assert len(read) == len(dataset)
    alone = run_audit(dataset, AuditSettings(backbone="bundled", layer="layer1", device="cpu", offline=True))
    np.testing.assert_array_equal(audits[0].embeddings.vectors, alone.embeddings.vectors)
    np.testing.assert_array_equal(audits[0].map.positions, alone.map.positions)
    assert audits[0].embeddings.backbone == alone.embeddings.backbone
    assert audits[1].embeddings.backbone.layer == "layer3+layer4"
    assert audits[0].separation.knn_accuracy == alone.separation.knn_accuracy


@pytest.mark.slow
def test_digits_come_apart_from_layer_to_layer() -> None:
    whole = read_dataset(DIGITS)
    table = whole.table.groupby("label").head(60).reset_index(drop=True)
    dataset = Dataset(whole.name, whole.root, whole.classes, table)
    settings = AuditSettings(backbone="bundled", device="cpu", offline=True)
    found = compare_layers(run_layers(dataset, settings))
    near = [model.separation.knn_accuracy for model in found.models]
    probe = [model.separation.probe_accuracy for model in found.models]
    assert near[-1] > near[0] + 0.03 and probe[-1] > probe[0] + 0.02
    assert near[1] > near[0] and near[2] > near[1] - 0.02 and near[3] > near[2] - 0.02
    assert found.rise_knn.interval[0] > 0
    assert found.layers == ("layer1", "layer2", "layer3", "layer4")
