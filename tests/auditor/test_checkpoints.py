"""Weights files: every usual wrapping is read, everything else is said plainly."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torchvision import models

from auditor.checkpoints import Checkpoint, read_checkpoint, resnet_state
from auditor.errors import WeightsError
from auditor.networks import ARCHITECTURES, State

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    torch.manual_seed(0)
    return dict(models.resnet18(num_classes=7).state_dict())


@pytest.fixture(scope="module")
def state(tensors: Tensors) -> State:
    return {name: value.numpy() for name, value in tensors.items()}


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def assert_same(found: State, state: State) -> None:
    needed = {name for name in state if not name.startswith("fc.") and "num_batches" not in name}
    assert set(found) == needed
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, state[name], err_msg=name)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.backbone.", "module.encoder."])
def test_any_prefix_is_taken_off(state: State, prefix: str) -> None:
    architecture, found = resnet_state(Checkpoint("w", prefixed(state, prefix), ""), None)
    assert architecture == "resnet18"
    assert_same(found, state)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", None])
def test_state_dict_under_usual_keys(tensors: Tensors, state: State, key: str | None, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(tensors if key is None else {"epoch": 3, key: tensors}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert_same(resnet_state(checkpoint, "resnet18")[1], state)


def test_safetensors_with_metadata(tensors: Tensors, state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, {"input": "96"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.metadata["input"] == "96"
    assert_same(resnet_state(checkpoint, None)[1], state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_half_precision_is_read_as_fp32(
    tensors: Tensors, dtype: torch.dtype, name: str, tmp_path: Path
) -> None:
    half = {k: v.to(dtype).contiguous() if v.is_floating_point() else v for k, v in tensors.items()}
    save: Callable[..., None] = save_file if name.endswith("safetensors") else torch.save
    save(half, tmp_path / name)
    found = resnet_state(read_checkpoint(tmp_path / name), "resnet18")[1]
    assert_same(found, {k: v.float().numpy() for k, v in half.items()})


def test_network_cut_off_with_sequential(tensors: Tensors, state: State) -> None:
    resnet = models.resnet18(num_classes=7)
    resnet.load_state_dict(tensors)
    cut = torch.nn.Sequential(*list(resnet.children())[:-1]).state_dict()
    arrays = {name: value.numpy() for name, value in cut.items()}
    assert_same(resnet_state(Checkpoint("w", arrays, ""), None)[1], state)


def torchvisions_shapes(name: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in getattr(models, name)().state_dict().items()}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_are_torchvisions(name: str) -> None:
    shapes = torchvisions_shapes(name)
    wanted = {k: v for k, v in shapes.items() if "fc." not in k and "num_batches" not in k}
    assert ARCHITECTURES[name].parameter_shapes() == wanted


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_is_recognised(name: str) -> None:
    zero = np.zeros((), dtype=np.float32)
    small = {key: np.broadcast_to(zero, shape) for key, shape in torchvisions_shapes(name).items()}
    assert resnet_state(Checkpoint("w", small, ""), None)[0] == name


def test_wrong_architecture_is_said_plainly(state: State) -> None:
    with pytest.raises(WeightsError, match=r"looks like ResNet-18, but resnet50 was asked for"):
        resnet_state(Checkpoint("w.pth", state, ""), "resnet50")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"conv1.weight": np.zeros((64, 3, 3, 3))},
            r"conv1.weight needs shape \(64, 3, 7, 7\), found",
        ),
        ({"bn1.bias": np.full(64, np.nan)}, "bn1.bias holds values that are not finite"),
        ({"layer4.1.bn2.weight": None}, r"layer4.1.bn2.weight needs shape \(512,\), found none"),
    ],
)
def test_unfit_tensors(state: State, change: dict[str, NDArray[Any] | None], message: str) -> None:
    changed = {k: v for k, v in {**state, **change}.items() if v is not None}
    with pytest.raises(WeightsError, match=message):
        resnet_state(Checkpoint("w", changed, ""), None)


def test_two_networks_in_one_file_are_not_guessed(state: State) -> None:
    both = {**prefixed(state, "student."), **prefixed(state, "teacher.")}
    with pytest.raises(WeightsError, match=r"2 networks .*student.*teacher"):
        resnet_state(Checkpoint("w", both, ""), None)


def test_another_kind_of_network() -> None:
    with pytest.raises(WeightsError, match=r"no ResNet: .* \(the first is features.0.weight\)"):
        resnet_state(Checkpoint("w", {"features.0.weight": np.zeros(3)}, ""), None)


def _touch(path: str) -> None:
    Path(path).touch()


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return _touch, (self.path,)


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "w.pth", tmp_path / "ran"
    torch.save(Hostile(mark), path)
    with pytest.raises(WeightsError, match="not a plain state dict"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(3)])
def test_a_pickle_that_is_not_a_state_dict(content: object, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match="holds no state dict but a"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("data", [b"", b"not weights", pickle.dumps({"a": 1}, protocol=2)])
def test_damaged_files(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=name):
        read_checkpoint(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")
