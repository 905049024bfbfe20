"""Weights files: every usual wrapping is read, everything else is said plainly."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from auditor.checkpoints import Checkpoint, read_checkpoint, resnet_state
from auditor.errors import WeightsError

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return dict(models.resnet18(num_classes=7).state_dict())


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def assert_same(found: State, state: State) -> None:
    assert set(found) == {name for name in state if not name.startswith("fc.")}
    for name, value in found.items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.backbone.", "module.encoder."])
def test_any_prefix_is_taken_off(state: State, prefix: str) -> None:
    architecture, found = resnet_state(Checkpoint("w", prefixed(state, prefix), ""), None)
    assert architecture == "resnet18"
    assert_same(found, state)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", None])
def test_state_dict_under_usual_keys(state: State, key: str | None, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(state if key is None else {"epoch": 3, key: state}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert_same(resnet_state(checkpoint, "resnet18")[1], state)


def test_safetensors_with_metadata(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path, {"input": "96"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.metadata["input"] == "96"
    assert_same(resnet_state(checkpoint, None)[1], state)


def test_network_cut_off_with_sequential(state: State) -> None:
    resnet = models.resnet18(num_classes=7)
    resnet.load_state_dict(state)
    cut = torch.nn.Sequential(*list(resnet.children())[:-1])
    assert_same(resnet_state(Checkpoint("w", dict(cut.state_dict()), ""), None)[1], state)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_architecture_is_recognised(name: str) -> None:
    with torch.device("meta"):
        meta = getattr(models, name)().state_dict()
    small = {k: torch.zeros(()).expand(v.shape) for k, v in meta.items()}
    assert resnet_state(Checkpoint("w", small, ""), None)[0] == name


def test_wrong_architecture_is_said_plainly(state: State) -> None:
    with pytest.raises(WeightsError, match=r"looks like ResNet-18, but resnet50 was asked for"):
        resnet_state(Checkpoint("w.pth", state, ""), "resnet50")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"conv1.weight": torch.zeros(64, 3, 3, 3)},
            r"conv1.weight needs shape \(64, 3, 7, 7\), found",
        ),
        ({"bn1.bias": torch.full((64,), torch.nan)}, "bn1.bias holds values that are not finite"),
        ({"layer4.1.bn2.weight": None}, r"layer4.1.bn2.weight needs shape \(512,\), found none"),
    ],
)
def test_unfit_tensors(state: State, change: dict[str, torch.Tensor | None], message: str) -> None:
    changed = {k: v for k, v in {**state, **change}.items() if v is not None}
    with pytest.raises(WeightsError, match=message):
        resnet_state(Checkpoint("w", changed, ""), None)


def test_two_networks_in_one_file_are_not_guessed(state: State) -> None:
    both = {**prefixed(state, "student."), **prefixed(state, "teacher.")}
    with pytest.raises(WeightsError, match=r"2 networks .*student.*teacher"):
        resnet_state(Checkpoint("w", both, ""), None)


def test_another_kind_of_network() -> None:
    with pytest.raises(WeightsError, match=r"no ResNet: .* \(the first is features.0.weight\)"):
        resnet_state(Checkpoint("w", {"features.0.weight": torch.zeros(3)}, ""), None)


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
