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

import numpy as np
from numpy.typing import NDArray

from auditor.errors import WeightsError
from auditor.networks import ARCHITECTURES, State

if TYPE_CHECKING:
    import torch

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


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds: arrays by name, the file's sha256 and safetensors' metadata."""

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

    # Read as arrays, torch is not needed: seconds of start that a small audit does not have to wait.
    framework = "pt" if _holds_bf16(path) else "np"
    try:
        with safe_open(path, framework=framework) as file:
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = file.metadata() or {}
    except Exception as error:  # safetensors raises its own and several built-in types for a damaged file
        raise _unreadable(path, error) from error
    return (_arrays(values) if framework == "pt" else values), metadata


def _holds_bf16(path: Path) -> bool:
    """Tell whether a tensor has the type that numpy does not know."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            return any(file.get_slice(name).get_dtype() == "BF16" for name in file.keys())  # noqa: SIM118
    except Exception as error:  # as in _read_safetensors
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"Weights file {path} is not a readable safetensors file ({error}).")


def _arrays(tensors: Mapping[str, torch.Tensor]) -> State:
    import torch

    return {
        name: value.detach().to(torch.float32 if value.is_floating_point() else value.dtype).numpy()
        for name, value in tensors.items()
    }


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
                return _arrays(tensors)
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
            f"{', '.join(ARCHITECTURES)}."
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


def _split(state: State) -> list[tuple[list[str], NDArray[Any]]]:
    return [(name.split("."), value) for name, value in state.items()]


def _recognise(state: State) -> str | None:
    """Return the torchvision architecture with these blocks, None when there is none."""
    blocks = tuple(
        len({name.split(".")[1] for name in state if name.startswith(f"layer{i}.")}) for i in (1, 2, 3, 4)
    )
    found = ("layer1.0.conv3.weight" in state, blocks)
    return next((name for name, a in ARCHITECTURES.items() if (a.bottleneck, a.blocks) == found), None)


def _check_shapes(architecture: str, state: State, name: str) -> State:
    """Return exactly the weights that torchvision's network needs up to its average pooling, in fp32."""
    out: State = {}
    for key, shape in ARCHITECTURES[architecture].parameter_shapes().items():
        found = state[key].shape if key in state else None
        if found != shape:
            raise WeightsError(
                f"The file {name} is no torchvision {_title(architecture)}: {key} needs shape "
                f"{shape}, found {'none' if found is None else found}."
            )
        out[key] = state[key].astype(np.float32, copy=False)
        if not np.isfinite(out[key]).all():
            raise WeightsError(f"The file {name} is damaged: {key} holds values that are not finite.")
    return out
