"""Weights files: read without running code from them, reduced to the ResNet inside, shapes checked.

    file --read_checkpoint--> Checkpoint(tensors, sha256, metadata) --resnet_state--> (architecture,
    state dict)

A checkpoint may be the bare state dict or stand under a key of a training checkpoint, with any prefix
before the names and any head behind the ResNet: only what torchvision's ResNet has up to its average
pooling is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import WeightsError

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "backbone", "encoder")
"""Keys under which training scripts store the state dict, tried in this order."""

_ANCHOR = "layer1.0.conv1.weight"
_SEQUENTIAL_NAMES = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""Positions in ``nn.Sequential(*resnet.children())``, a common way to cut off the head."""

_BLOCKS = {
    (False, 2, 2, 2, 2): "resnet18",
    (False, 3, 4, 6, 3): "resnet34",
    (True, 3, 4, 6, 3): "resnet50",
    (True, 3, 4, 23, 3): "resnet101",
    (True, 3, 8, 36, 3): "resnet152",
}
"""Bottleneck blocks or not, and blocks per layer, of each architecture."""


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds: tensors by name, the file's sha256 and safetensors' metadata."""

    name: str
    state: State
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a state dict from a ``.safetensors`` file or from what ``torch.save`` wrote; no code in it is run.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds anything but tensors in a state dict.
    """
    if not path.is_file():
        raise WeightsError(
            f"Weights file {path} does not exist; give a state dict (.pth, .pt) or a .safetensors file."
        )
    metadata: Mapping[str, str] = {}
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state = _find_state(_read_pickle(path), path)
    return Checkpoint(path.name, state, file_sha256(path), metadata)


def file_sha256(path: Path) -> str:
    """Return the sha256 of the file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_safetensors(path: Path) -> tuple[State, Mapping[str, str]]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except Exception as error:  # safetensors raises its own and several built-in types for a damaged file
        raise WeightsError(f"Weights file {path} is not a readable safetensors file ({error}).") from error


def _read_pickle(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can raise anything
        raise WeightsError(
            f"Weights file {path} is not a plain state dict that can be read without running code from it; "
            "save model.state_dict() with torch.save, or as safetensors."
        ) from error


def _find_state(content: Any, path: Path) -> State:
    """Return the mapping from names to tensors in a loaded checkpoint, at the top or under a usual key."""
    import torch

    candidates = [content]
    if isinstance(content, Mapping):
        candidates += [content[key] for key in STATE_KEYS if key in content]
    for candidate in candidates:
        if isinstance(candidate, Mapping):
            tensors = {str(k): v for k, v in candidate.items() if isinstance(v, torch.Tensor)}
            if any(name.endswith(".weight") for name in tensors):
                return tensors
    found = f"a {type(content).__name__}"
    if isinstance(content, Mapping):
        found += f" with the keys {', '.join(repr(str(key)) for key in list(content)[:5])}"
    raise WeightsError(
        f"Weights file {path} holds no state dict but {found}; save model.state_dict(), bare or under "
        "'state_dict'."
    )


def resnet_state(checkpoint: Checkpoint, wanted: str | None) -> tuple[str, State]:
    """Return the architecture and its weights without the head, names as in torchvision.

    Parameters
    ----------
    checkpoint : from `read_checkpoint`.
    wanted : the architecture that was asked for, or None to take whatever the file holds.

    Raises
    ------
    WeightsError
        If the file holds no torchvision ResNet, several, another one than `wanted`, or values that are
        not finite.
    """
    state = _strip_prefix(checkpoint)
    architecture = _recognise(state)
    if wanted is not None and architecture not in (None, wanted):
        raise WeightsError(
            f"The file {checkpoint.name} looks like {_title(architecture)}, but {wanted} was asked for; "
            f"--backbone {architecture} would fit."
        )
    if architecture is None:
        raise WeightsError(
            f"The file {checkpoint.name} has the blocks of no torchvision ResNet; known are "
            f"{', '.join(_BLOCKS.values())}."
        )
    return architecture, _check_shapes(architecture, state, checkpoint.name)


def _title(architecture: str | None) -> str:
    return f"ResNet-{(architecture or '').removeprefix('resnet')}"


def _strip_prefix(checkpoint: Checkpoint) -> State:
    """Return the tensors of the one ResNet in the checkpoint, without whatever stands before their names."""
    for anchor, names in ((_ANCHOR, {}), ("4.0.conv1.weight", _SEQUENTIAL_NAMES)):
        prefixes = [
            key.removesuffix(anchor)
            for key in checkpoint.state
            if key == anchor or key.endswith("." + anchor)
        ]
        if len(prefixes) > 1:
            raise WeightsError(
                f"The file {checkpoint.name} holds {len(prefixes)} networks "
                f"({', '.join(map(repr, prefixes))}); save the one to use by itself."
            )
        if prefixes:
            inside = {
                k.removeprefix(prefixes[0]): v
                for k, v in checkpoint.state.items()
                if k.startswith(prefixes[0])
            }
            return {".".join((names.get(head, head), *rest)): v for (head, *rest), v in _split(inside)}
    first = next(iter(checkpoint.state), "nothing")
    raise WeightsError(
        f"The file {checkpoint.name} holds no ResNet: {_ANCHOR} is not among its {len(checkpoint.state)} "
        f"tensors (the first is {first})."
    )


def _split(state: State) -> list[tuple[list[str], torch.Tensor]]:
    return [(name.split("."), value) for name, value in state.items()]


def _recognise(state: State) -> str | None:
    """Return the torchvision architecture with these blocks, None when there is none."""
    blocks = [
        len({name.split(".")[1] for name in state if name.startswith(f"layer{i}.")}) for i in (1, 2, 3, 4)
    ]
    return _BLOCKS.get(("layer1.0.conv3.weight" in state, *blocks))  # type: ignore[arg-type]


def _check_shapes(architecture: str, state: State, name: str) -> State:
    """Return exactly the tensors that torchvision's network needs up to its average pooling."""
    import torch
    from torchvision import models

    with torch.device("meta"):
        expected: State = getattr(models, architecture)().state_dict()
    needed = {key: value for key, value in expected.items() if not key.startswith("fc.")}
    out: State = {}
    for key, like in needed.items():
        if key.endswith("num_batches_tracked"):
            out[key] = torch.zeros((), dtype=torch.long)
            continue
        found = tuple(state[key].shape) if key in state else None
        if found != tuple(like.shape):
            raise WeightsError(
                f"The file {name} is no torchvision {_title(architecture)}: {key} needs shape "
                f"{tuple(like.shape)}, found {'none' if found is None else found}."
            )
        if not torch.isfinite(state[key]).all():
            raise WeightsError(f"The file {name} is damaged: {key} holds values that are not finite.")
        out[key] = state[key].float()
    return out
