"""Engines: the same vectors from each, whatever the batch and the cores; one rule says which is used."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from auditor import engines
from auditor.arrays import Floats
from auditor.backbones import BUNDLED_PREPROCESSING, BUNDLED_WEIGHTS
from auditor.checkpoints import read_checkpoint, resnet_state
from auditor.chunks import Engine, LazyEngine
from auditor.engines import choose_engine, mean_cosine, openvino_works, structured_pictures
from auditor.errors import UsageError
from auditor.networks import ARCHITECTURES, FeatureNetwork, State, parse_layer
from auditor.openvino_engine import OpenVinoEngine, folded
from auditor.preprocessing import Preprocessing
from auditor.torch_engine import TorchEngine

needs_openvino = pytest.mark.skipif(not openvino_works(), reason="openvino is not installed here")
Make = Callable[[FeatureNetwork, Preprocessing], Engine]


def torch_fp32(network: FeatureNetwork, preprocessing: Preprocessing) -> Engine:
    return TorchEngine(network, preprocessing, "cpu", "fp32")


def torch_bf16(network: FeatureNetwork, preprocessing: Preprocessing) -> Engine:
    return TorchEngine(network, preprocessing, "cpu", "bf16")


def openvino_fp32(network: FeatureNetwork, preprocessing: Preprocessing) -> Engine:
    return OpenVinoEngine(network, preprocessing, "fp32")


def no_warning(sentence: str) -> None:
    pytest.fail(sentence)


def bundled(layer: str) -> FeatureNetwork:
    state = resnet_state(read_checkpoint(BUNDLED_WEIGHTS), "resnet18")[1]
    return FeatureNetwork("resnet18", parse_layer(layer), lambda: state)


def random_weights(architecture: str) -> State:
    """Weights of every shape, none of them a default, that keep values in range through all layers."""
    rng = np.random.default_rng(0)
    state: State = {}
    for name, shape in ARCHITECTURES[architecture].parameter_shapes().items():
        if len(shape) == 4:
            values = rng.normal(0, np.sqrt(1 / np.prod(shape[1:])), shape)
        else:
            low, high = {"bias": (-0.1, 0.1), "running_mean": (-0.1, 0.1)}.get(
                name.split(".")[-1], (0.8, 1.2)
            )
            values = rng.uniform(low, high, shape)
        state[name] = values.astype(np.float32)
    return state


@needs_openvino
def test_openvino_has_computed_once_before_its_threads_start() -> None:
    """Two threads that see their first tensor at once wait for each other forever."""
    seen: list[str] = []

    class Seen(OpenVinoEngine):
        def compute(self, pictures: NDArray[np.uint8]) -> Floats:
            seen.append(threading.current_thread().name)
            return super().compute(pictures)

    Seen(bundled("layer1"), BUNDLED_PREPROCESSING, "fp32")
    assert seen == [threading.current_thread().name]


@needs_openvino
@pytest.mark.parametrize("layer", ["layer1", "layer2+layer4", "layer3+layer4", "avgpool"])
def test_openvino_gives_torchs_vectors(layer: str) -> None:
    network, pictures = bundled(layer), structured_pictures(5, 64)
    found, wanted = (
        make(network, BUNDLED_PREPROCESSING).run(pictures) for make in (openvino_fp32, torch_fp32)
    )
    assert found.dtype == wanted.dtype == np.float32 and found.shape == (5, sum(network.widths))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.max())


@needs_openvino
@pytest.mark.parametrize("architecture", ["resnet34", "resnet50"])
def test_openvino_builds_every_kind_of_block(architecture: str) -> None:
    state = random_weights(architecture)
    network = FeatureNetwork(architecture, ("layer1", "layer2", "layer4"), lambda: state)
    preprocessing, pictures = (
        Preprocessing(32, 32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)),
        structured_pictures(3, 32),
    )
    found, wanted = (make(network, preprocessing).run(pictures) for make in (openvino_fp32, torch_fp32))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.max())


def test_folding_is_the_convolution_and_then_the_norm() -> None:
    convolution = ARCHITECTURES["resnet18"].block_convolutions("layer2", 0)[0]
    state = random_weights("resnet18")
    kernel, bias = (torch.from_numpy(array) for array in folded(convolution, state))
    inputs = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 64, 9, 9)).astype(np.float32))
    weight, norm = (
        torch.from_numpy(state["layer2.0.conv1.weight"]),
        [
            torch.from_numpy(state[f"layer2.0.bn1.{name}"])
            for name in ("running_mean", "running_var", "weight", "bias")
        ],
    )
    wanted = torch.nn.functional.batch_norm(torch.conv2d(inputs, weight, None, 2, 1), *norm)
    assert torch.allclose(torch.conv2d(inputs, kernel, bias, 2, 1), wanted, atol=1e-5)


@pytest.mark.parametrize("make", [torch_fp32, torch_bf16, pytest.param(openvino_fp32, marks=needs_openvino)])
def test_a_vector_does_not_depend_on_its_batch(make: Make) -> None:
    engine = make(bundled("layer3+layer4"), BUNDLED_PREPROCESSING)
    batch = structured_pictures(70, 64)
    vectors = engine.run(batch)
    order = np.random.default_rng(0).permutation(70)
    np.testing.assert_array_equal(engine.run(batch[order]), vectors[order])
    np.testing.assert_array_equal(engine.run(batch[41:44]), vectors[41:44])


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
def test_a_vector_does_not_depend_on_the_cores(library: str) -> None:
    code = (
        "import hashlib, os; cores = sorted(os.sched_getaffinity(0)); os.sched_setaffinity(0, cores[:{}]);"
        "from auditor.backbones import load_encoder; from auditor.engines import structured_pictures;"
        "vectors = load_encoder('bundled', device='cpu', warn=print).encode(structured_pictures(40, 64));"
        "print(hashlib.sha256(vectors.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code.format(cores)],
            env={**os.environ, "AUDITOR_ENGINE": library},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for cores in (1, 2)
    }
    assert len(found) == 1 and len(found.pop().strip()) == 64


@needs_openvino
def test_openvino_needs_no_torch_and_tells_nobody(tmp_path: Path) -> None:
    """No torch, nothing printed, no connection; the package that counts uses is not even loaded."""
    code = (
        "import sys; sys.addaudithook(lambda event, _: event.startswith('socket.') and sys.exit(event));"
        "from auditor.backbones import load_encoder; from auditor.engines import structured_pictures;"
        "encoder = load_encoder('bundled', device='cpu', warn=print);"
        "assert encoder.backbone.precision.endswith('(openvino, cpu)');"
        "encoder.encode(structured_pictures(2, 64));"
        "assert not {'torch', 'torchvision', 'openvino_telemetry'} & set(sys.modules);"
        "import openvino; assert callable(openvino.convert_model)"  # others in the process may want that
    )
    environment = {**os.environ, "AUDITOR_ENGINE": "openvino", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def test_torchs_threads_are_left_alone() -> None:
    before = torch.get_num_threads()
    torch_fp32(bundled("layer1"), BUNDLED_PREPROCESSING).run(structured_pictures(3, 64))
    assert torch.get_num_threads() == before


def test_bf16_keeps_fp32s_directions() -> None:
    network, pictures = bundled("layer3+layer4"), structured_pictures(16, 64)
    fast, plain = (make(network, BUNDLED_PREPROCESSING).run(pictures) for make in (torch_bf16, torch_fp32))
    assert mean_cosine(fast, plain) >= engines.SAME_COSINE
    assert not np.array_equal(fast, plain)


class Fake:
    """An engine of random vectors: bf16's have nothing to do with fp32's, or are the same."""

    built: list[str] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, network: FeatureNetwork, preprocessing: Preprocessing, *rest: str) -> None:
        self.name = f"{rest[-1]} (fake)"
        Fake.built.append(self.name)

    def run(self, batch: NDArray[np.uint8]) -> Floats:
        rng = np.random.default_rng(self.name == "bf16 (fake)" and batch.shape[1] == 9)
        return rng.normal(size=(len(batch), 4)).astype(np.float32)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(engines, "OpenVinoEngine", Fake)
    monkeypatch.setattr(engines, "TorchEngine", Fake)
    monkeypatch.delenv("AUDITOR_ENGINE", raising=False)
    Fake.built = []
    return Fake


@pytest.mark.parametrize(("side", "name"), [(8, "bf16 (fake)"), (9, "fp32 (fake)")])
def test_bf16_where_it_is_fast_and_right(
    side: int, name: str, fakes: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "computes_in_bf16", lambda device: True)
    warnings: list[str] = []
    engine = choose_engine(bundled("layer1"), Preprocessing(side, side), "cpu", warnings.append)
    assert engine.name == name
    assert [("mean cosine" in sentence) for sentence in warnings] == [True] * (side == 9)


@pytest.mark.parametrize(
    ("vendor", "flags", "fast"),
    [
        ("GenuineIntel", "avx512_bf16 avx512_fp16", False),
        ("GenuineIntel", "amx_bf16 amx_tile", True),
        ("AuthenticAMD", "avx512_bf16 avx512_fp16", True),
        ("AuthenticAMD", "avx512f avx512_vnni", False),
    ],
)
def test_bf16_is_for_processors_that_are_faster_in_it(
    vendor: str, flags: str, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text(f"vendor_id\t: {vendor}\nflags\t\t: fpu {flags} sse\n")
    monkeypatch.setattr(engines, "CPU_FACTS", facts)
    engines._processor_prefers_bf16.cache_clear()
    assert engines.computes_in_bf16("cpu") == fast
    monkeypatch.setattr(engines, "CPU_FACTS", tmp_path / "none")
    engines._processor_prefers_bf16.cache_clear()
    assert not engines.computes_in_bf16("cpu")
    engines._processor_prefers_bf16.cache_clear()


def test_nothing_is_built_until_it_runs(fakes: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "computes_in_bf16", lambda device: False)
    engine = choose_engine(bundled("layer1"), BUNDLED_PREPROCESSING, "cpu", no_warning)
    assert engine.name.startswith("fp32 (") and not fakes.built
    engine.run(structured_pictures(1, 64))
    engine.run(structured_pictures(1, 64))
    assert fakes.built == ["fp32 (fake)"]


def test_the_promised_name_is_the_engines() -> None:
    for library in ("torch", *(["openvino"] if openvino_works() else [])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AUDITOR_ENGINE", library)
            patch.setattr(engines, "computes_in_bf16", lambda device: False)
            lazy = choose_engine(bundled("layer1"), BUNDLED_PREPROCESSING, "cpu", no_warning)
        assert isinstance(lazy, LazyEngine)
        assert lazy.name == lazy._build().name == f"fp32 ({library}, cpu)"


@pytest.mark.parametrize(
    ("asked", "device", "works", "library"),
    [
        ("", "cpu", True, "openvino"),
        ("", "cpu", False, "torch"),
        ("", "cuda", True, "torch"),
        ("torch", "cpu", True, "torch"),
        ("openvino", "cpu", True, "openvino"),
    ],
)
def test_which_library(
    asked: str, device: str, works: bool, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDITOR_ENGINE", asked)
    monkeypatch.setattr(engines, "openvino_works", lambda: works)
    assert engines.choose_library(device) == library


@pytest.mark.parametrize(("asked", "device"), [("openvino", "cuda"), ("openvino", "cpu"), ("onnx", "cpu")])
def test_a_library_that_cannot_be_had(asked: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_ENGINE", asked)
    monkeypatch.setattr(engines, "openvino_works", lambda: False)
    with pytest.raises(UsageError, match=f"AUDITOR_ENGINE={asked}"):
        engines.choose_library(device)
