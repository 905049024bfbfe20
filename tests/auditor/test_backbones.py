"""Backbones: names, fallbacks, layers, and vectors equal to torchvision's own in plain fp32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from auditor import backbones
from auditor.arrays import Floats
from auditor.backbones import Encoder, load_encoder
from auditor.downloads import WeightsSource
from auditor.engines import mean_cosine, structured_pictures
from auditor.errors import UsageError, WeightsError
from auditor.networks import ARCHITECTURES
from auditor.preprocessing import Preprocessing


def no_warning(sentence: str) -> None:
    pytest.fail(sentence)


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return load_encoder("bundled", warn=no_warning)


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    return calibrated("resnet18", 1000, 96)


def calibrated(name: str, classes: int, side_px: int) -> torch.nn.Module:
    """A random network whose BatchNorms know their inputs; without that all vectors point the same way."""
    torch.manual_seed(0)
    resnet: torch.nn.Module = getattr(models, name)(num_classes=classes)
    for module in resnet.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    pictures = torch.from_numpy(structured_pictures(8, side_px)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        resnet.train()(pictures)
    return resnet.eval()


def hooked(resnet: torch.nn.Module, layer: str, pictures: list[Image.Image]) -> Floats:
    """Plain fp32 torchvision: its own transforms, one forward hook, the mean over the picture."""
    seen: list[torch.Tensor] = []
    handle = getattr(resnet, layer).register_forward_hook(lambda m, i, out: seen.append(out.mean(dim=(2, 3))))
    transform = models.ResNet50_Weights.IMAGENET1K_V1.transforms()
    with torch.no_grad():
        for picture in pictures:
            resnet(transform(picture)[None])
    handle.remove()
    return torch.cat(seen).numpy()


def photographs(count: int) -> list[Image.Image]:
    """Pictures of several sizes, contrasts and structures."""
    rng = np.random.default_rng(3)
    pictures = []
    for i, waves in enumerate(structured_pictures(count, 160)):
        blocks = Image.fromarray(rng.integers(0, 256, (3 + 9 * i, 3 + 9 * i, 3), dtype=np.uint8))
        pixels = np.asarray(blocks.resize((160, 160)) if i % 2 else waves)
        contrast = rng.uniform(0.1, 1)
        shade = rng.uniform(0, 255 * (1 - contrast), 3)
        picture = Image.fromarray((pixels * contrast + shade).astype(np.uint8))
        pictures.append(picture.resize([(320, 240), (200, 300), (256, 256), (500, 333)][i % 4]))
    return pictures


def least_cosine(a: Floats, b: Floats) -> float:
    return min(mean_cosine(x[None], y[None]) for x, y in zip(a, b, strict=True))


def encode(encoder: Encoder, pictures: list[Image.Image]) -> Floats:
    return encoder.encode(np.stack([encoder.prepare(np.asarray(p)) for p in pictures]))


@pytest.mark.slow
def test_own_resnet50_equals_torchvision(tmp_path: Path) -> None:
    resnet = calibrated("resnet50", 10, 96)
    state = {"module." + key: value for key, value in resnet.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7}, tmp_path / "own.pth")
    warnings: list[str] = []
    encoder = load_encoder("auto", weights=tmp_path / "own.pth", warn=warnings.append)
    assert encoder.backbone.dimensions == 2048 and encoder.backbone.name == "resnet50 (own weights)"
    pictures = photographs(8)
    found, wanted = encode(encoder, pictures), hooked(resnet, "avgpool", pictures)
    assert found.shape == (8, 2048) and found.dtype == np.float32
    assert least_cosine(found, wanted) >= 0.999
    # Random weights point all pictures much the same way; what differs between them must agree too.
    centre = wanted.mean(axis=0)
    assert least_cosine(found - centre, wanted - centre) >= 0.98
    assert least_cosine(np.roll(found, 1, axis=0) - centre, wanted - centre) < 0.5
    assert any("trained on these very labels" in sentence for sentence in warnings)


@pytest.mark.parametrize(("layer", "dimensions"), [("layer1", 64), ("layer2", 128), ("layer3", 256)])
def test_layers_equal_torchvision(
    layer: str, dimensions: int, resnet: torch.nn.Module, tmp_path: Path
) -> None:
    torch.save(resnet.state_dict(), tmp_path / "own.pt")
    encoder = load_encoder("resnet18", weights=tmp_path / "own.pt", layer=layer, warn=lambda _: None)
    assert (encoder.backbone.layer, encoder.backbone.dimensions) == (layer, dimensions)
    pictures = photographs(4)
    assert mean_cosine(encode(encoder, pictures), hooked(resnet, layer, pictures)) >= 0.999


def test_joined_layers_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    # In bf16 OpenVINO's rounding of a layer depends on what else is computed.
    monkeypatch.setattr("auditor.engines.computes_in_bf16", lambda device: False)
    bundled = load_encoder("bundled", warn=no_warning)
    pictures = photographs(4)
    parts = [
        encode(load_encoder("bundled", layer=layer, warn=no_warning), pictures)
        for layer in ("layer3", "layer4")
    ]
    assert bundled.backbone.dimensions == 256 + 512
    np.testing.assert_array_equal(encode(bundled, pictures), np.concatenate(parts, axis=1))


def test_a_vector_does_not_depend_on_its_batch(bundled: Encoder) -> None:
    batch = structured_pictures(70, bundled.input_size)
    vectors = bundled.encode(batch)
    order = np.random.default_rng(0).permutation(70)
    np.testing.assert_array_equal(bundled.encode(batch[order]), vectors[order])
    np.testing.assert_array_equal(bundled.encode(batch[41:44]), vectors[41:44])
    np.testing.assert_array_equal(bundled.encode(batch[:1]), vectors[:1])


def test_bundled_network_tells_pictures_apart(bundled: Encoder) -> None:
    vectors = bundled.encode(structured_pictures(16, bundled.input_size))
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosines = (unit @ unit.T)[~np.eye(16, dtype=bool)]
    assert np.isfinite(vectors).all() and cosines.max() < 0.995


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: load_encoder("resnet99", warn=no_warning),
            "'resnet99' is unknown; known are auto, bundled, resn",
        ),
        (
            lambda: load_encoder("bundled", layer="fc", warn=no_warning),
            "'fc' is unknown; known are layer1, layer2",
        ),
        (lambda: load_encoder("bundled", layer="layer1+", warn=no_warning), "Layer '' is unknown"),
        (
            lambda: load_encoder("bundled", device="tpu", warn=no_warning),
            "'tpu' is unknown; known are auto, cpu",
        ),
    ],
)
def test_unknown_requests(ask: Callable[[], Encoder], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask()


def test_auto_without_a_network_is_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        backbones,
        "torchvision_source",
        lambda name: WeightsSource("http://127.0.0.1:9/net-00.pth", "00", 0.5),
    )
    for offline in (False, True):
        warnings: list[str] = []
        encoder = load_encoder("auto", offline=offline, warn=warnings.append)
        assert encoder.backbone.name == "bundled"
        assert len(warnings) == 1 and "bundled ResNet-18 is used instead of ResNet-50" in warnings[0]
    with pytest.raises(WeightsError, match="could not be downloaded"):
        load_encoder("resnet50", warn=no_warning)


def test_published_weights_come_from_the_cache(
    resnet: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    target = tmp_path / "hub" / "checkpoints" / "net-.pth"
    target.parent.mkdir(parents=True)
    torch.save(resnet.state_dict(), target)
    monkeypatch.setattr(
        backbones, "torchvision_source", lambda name: WeightsSource("http://127.0.0.1:9/net-.pth", "")
    )
    encoder = load_encoder("resnet18", offline=True, warn=no_warning)
    assert (encoder.backbone.name, encoder.backbone.dimensions, encoder.input_size) == ("resnet18", 512, 224)
    # Published weights are known by their hash, and read when there is something to encode.
    with pytest.raises(WeightsError, match="looks like ResNet-18, but resnet34"):
        encode(load_encoder("resnet34", offline=True, warn=no_warning), photographs(1))


def test_safetensors_state_their_input_size(tmp_path: Path) -> None:
    state = {key: value.contiguous() for key, value in models.resnet18().state_dict().items()}
    save_file(state, tmp_path / "own.safetensors", {"input": "96"})
    assert load_encoder(weights=tmp_path / "own.safetensors", warn=lambda _: None).input_size == 96


def test_the_preset_is_torchvisions() -> None:
    for name in ARCHITECTURES:
        preset = models.get_model_weights(name)["IMAGENET1K_V1"].transforms()
        assert (
            Preprocessing(
                preset.resize_size[0],
                preset.crop_size[0],
                preset.interpolation.value,
                mean=tuple(preset.mean),
                std=tuple(preset.std),
            )
            == backbones.IMAGENET_PREPROCESSING
        )
