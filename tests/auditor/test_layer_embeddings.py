"""Several layers in one pass: the same vectors as each layer alone, one decode, resumed from the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pictures import make_folders

from auditor import encoding, engines
from auditor.backbones import BUNDLED_PREPROCESSING, LayerEncoder, load_encoder, load_layers
from auditor.dataset import read_dataset
from auditor.embeddings import run_embedding
from auditor.engines import structured_pictures
from auditor.errors import UsageError
from auditor.layer_embeddings import embed_layers
from auditor.results import Dataset
from auditor.store import Store

LAYERS = ("layer1", "layer2", "layer3+layer4", "layer4")


def no_warning(sentence: str) -> None:
    pytest.fail(sentence)


@pytest.fixture(scope="module", autouse=True)
def in_fp32() -> Iterator[None]:
    """The same precision on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "computes_in_bf16", lambda device: False)
        yield


@pytest.fixture(scope="module")
def layers(in_fp32: None) -> tuple[LayerEncoder, ...]:
    return load_layers(LAYERS, "bundled", device="cpu", warn=no_warning)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(make_folders(tmp_path_factory.mktemp("photos") / "photos", each=10))


def test_each_layer_is_what_it_is_alone(layers: tuple[LayerEncoder, ...]) -> None:
    batch = structured_pictures(5, layers[0].input_size)
    for layer in layers:
        alone = load_encoder("bundled", layer=layer.backbone.layer, device="cpu", warn=no_warning)
        assert layer.backbone == alone.backbone
        np.testing.assert_array_equal(layer.encode(batch), alone.encode(batch))
    assert [layer.backbone.dimensions for layer in layers] == [64, 128, 256 + 512, 512]


@pytest.mark.skipif(not engines.openvino_works(), reason="openvino is not installed here")
def test_openvinos_rounded_layers_are_not_taken_for_a_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDITOR_ENGINE", raising=False)
    monkeypatch.setattr(engines, "computes_in_bf16", lambda device: True)
    batch = structured_pictures(5, BUNDLED_PREPROCESSING.size_px)
    for layer in load_layers(LAYERS, "bundled", device="cpu", warn=no_warning):
        alone = load_encoder("bundled", layer=layer.backbone.layer, device="cpu", warn=no_warning)
        assert alone.backbone.precision.startswith("bf16") and layer.backbone.key() != alone.backbone.key()
        assert engines.mean_cosine(layer.encode(batch), alone.encode(batch)) > 0.999


def test_one_pass_fills_the_store_for_every_layer(
    layers: tuple[LayerEncoder, ...], dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    real = encoding.read_image_at
    monkeypatch.setattr(encoding, "read_image_at", lambda *a: (read.append(a), real(*a))[1])
    store = Store(tmp_path / "store")
    assert embed_layers(dataset, layers, store, workers=2) == len(read) == len(dataset)
    assert embed_layers(dataset, layers, store) == 0
    for layer in layers:
        alone = load_encoder("bundled", layer=layer.backbone.layer, device="cpu", warn=no_warning)
        found = run_embedding(dataset, alone, store=Store(tmp_path / "store"))
        assert (found.decoded, found.encoded) == (0, 0)
        np.testing.assert_array_equal(
            found.embeddings.vectors, run_embedding(dataset, alone).embeddings.vectors
        )
    assert len(read) == len(dataset) * (1 + len(layers))  # those of the runs without a store


def test_a_layer_that_is_known_is_not_stored_again(
    layers: tuple[LayerEncoder, ...], dataset: Dataset, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    run_embedding(
        dataset, load_encoder("bundled", layer="layer1", device="cpu", warn=no_warning), store=store
    )
    before = store.info()
    embed_layers(dataset, layers, store)
    after = store.info()
    assert after["facts"] == before["facts"] == len(dataset)
    assert before["vectors"] == len(dataset) and after["vectors"] == len(LAYERS) * len(dataset)


@pytest.mark.parametrize(
    "wrong", [("layer4", "avgpool"), ("layer1",), (), ("layer3+layer4", "layer4+layer3")]
)
def test_layers_must_be_two_different_outputs(wrong: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="two or more different outputs"):
        load_layers(wrong, "bundled", warn=no_warning)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(UsageError, match="'layer5' is unknown"):
        load_layers(("layer1", "layer5"), "bundled", warn=no_warning)
