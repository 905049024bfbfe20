"""Which engine this machine runs a network with: a rule, no race, so the same machine chooses the same.

device      library                                      precision
cuda        torch                                        bf16 where the GPU has it
cpu         OpenVINO where it is installed, else torch   bf16 where the processor is faster in it

bf16 is used only when it keeps these weights' directions, which the network itself has to tell; otherwise
an engine is built when it first runs. AUDITOR_ENGINE=torch (or openvino) in the environment overrides the
library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.chunks import Engine, LazyEngine, engine_name
from auditor.errors import UsageError
from auditor.networks import FeatureNetwork
from auditor.openvino_engine import OpenVinoEngine, load_openvino
from auditor.preprocessing import Preprocessing
from auditor.torch_engine import TorchEngine

LIBRARIES = ("openvino", "torch")
LIBRARY_VARIABLE = "AUDITOR_ENGINE"

CHECK_PICTURES = 8

SAME_COSINE = 0.999
"""Mean cosine to the fp32 vectors below which a faster precision is not used."""

GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")
"""Files that a GPU's driver makes on Linux: desktop, Jetson, WSL, AMD."""

CPU_FACTS = Path("/proc/cpuinfo")

Warn = Callable[[str], None]


def choose_engine(network: FeatureNetwork, preprocessing: Preprocessing, device: str, warn: Warn) -> Engine:
    """Return the fastest engine of this machine whose vectors keep their direction.

    bf16 is used where the device computes in it and the mean cosine to fp32, measured on a few structured
    pictures with these very weights, is at least `SAME_COSINE`; otherwise fp32.
    """
    device = resolve_device(device)
    library = choose_library(device)

    def build(precision: str) -> Engine:
        if library == "openvino":
            return OpenVinoEngine(network, preprocessing, precision)
        return TorchEngine(network, preprocessing, device, precision)

    if not computes_in_bf16(device):
        return LazyEngine(engine_name("fp32", library, device), lambda: build("fp32"))
    plain, fast = build("fp32"), build("bf16")
    batch = structured_pictures(CHECK_PICTURES, preprocessing.size_px)
    cosine = mean_cosine(fast.run(batch), plain.run(batch))
    if cosine >= SAME_COSINE:
        return fast
    warn(
        f"bf16 changes these weights' vectors (mean cosine {cosine:.4f} to fp32), so the slower fp32 is used."
    )
    return plain


def choose_library(device: str) -> str:
    """Return "openvino" or "torch".

    Raises
    ------
    UsageError
        If the environment asks for another one, or for OpenVINO where it cannot run.
    """
    asked = os.environ.get(LIBRARY_VARIABLE, "")
    if asked and asked not in LIBRARIES:
        raise UsageError(f"{LIBRARY_VARIABLE}={asked} is unknown; known are {' and '.join(LIBRARIES)}.")
    if asked == "openvino" and not (device == "cpu" and openvino_works()):
        raise UsageError(
            f"{LIBRARY_VARIABLE}=openvino needs device 'cpu' and the package openvino; unset the variable."
        )
    if asked:
        return asked
    return "openvino" if device == "cpu" and openvino_works() else "torch"


@cache
def openvino_works() -> bool:
    """Tell whether OpenVINO is installed and loads on this machine."""
    try:
        load_openvino()
    except (ImportError, OSError):
        return False
    return True


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"; UsageError for what this machine does not have."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"Device {device!r} is unknown; known are auto, cpu and cuda.")
    # Asking torch means seconds of loading it, for nothing where no GPU has a driver.
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise UsageError(
            "Device 'cuda' was asked for, but torch finds no CUDA device; 'cpu' or 'auto' work here."
        )
    return "cpu"


def _may_have_gpu() -> bool:
    if sys.platform == "linux":
        return any(Path(name).exists() for name in GPU_DEVICES)
    return sys.platform != "darwin"


def computes_in_bf16(device: str) -> bool:
    """Tell whether the device multiplies in bf16 faster than in fp32.

    Of the processors those with AMX do, and AMD's with AVX-512's bf16 instructions: ResNet-50 ran there at
    111 pictures a second in bf16 and 53 in fp32. On an Intel processor that has these instructions and no
    AMX it ran at 20 and 32.
    """
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _processor_prefers_bf16()


@cache
def _processor_prefers_bf16() -> bool:
    """Read it from Linux; elsewhere "no" is the safe answer."""
    try:
        facts = CPU_FACTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return " amx_bf16" in facts or ("AuthenticAMD" in facts and " avx512_bf16" in facts)


def structured_pictures(count: int, side_px: int) -> NDArray[np.uint8]:
    """Return pictures (count, side, side, 3) of waves and blocks: unlike noise, they spread the vectors."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    waves = rng.uniform(-25, 25, size=(count, 3, 2))
    phase = waves[..., 0, None, None] * x + waves[..., 1, None, None] * y
    pictures = 127.5 + 127.5 * np.sin(phase)
    for picture in pictures:
        top, left = rng.integers(0, side_px // 2, size=2)
        picture[:, top : top + side_px // 2, left : left + side_px // 3] = rng.uniform(0, 255, size=(3, 1, 1))
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1)).astype(np.uint8)


def mean_cosine(a: Floats, b: Floats) -> float:
    """Return the mean cosine of matching rows; 0 when a value is not finite."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.einsum("ij,ij->i", a, b) / np.maximum(norms, 1e-30)
    return float(cosines.mean()) if np.isfinite(cosines).all() else 0.0
