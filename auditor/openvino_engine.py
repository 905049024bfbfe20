"""The feature network in OpenVINO: the faster one on Intel and AMD processors.

    chunk (c, s, s, 3) uint8 -> normalise -> convolutions with their BatchNorm folded in -> means (c, d)
    float32

The graph is written down operation by operation from the weights: OpenVINO's converter would need torch
and trace the network. Each thread has one request whose buffers it uses again and again, and each request is
computed by one thread.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Floats
from auditor.chunks import ChunkedEngine, chunk_size, engine_name
from auditor.errors import AuditError
from auditor.networks import (
    ARCHITECTURES,
    STEM,
    Architecture,
    Convolution,
    FeatureNetwork,
    State,
    available_cores,
)
from auditor.preprocessing import Preprocessing

if TYPE_CHECKING:
    import openvino

BATCH_NORM_EPSILON = 1e-5
"""torch.nn.BatchNorm2d's default, which torchvision's ResNets keep."""


def load_openvino() -> None:
    """Import OpenVINO with its usage statistics off.

    A plain `import openvino` reports itself to Google Analytics and leaves a client id in the home folder,
    unless the package that does so is missing: the library then takes a stub that it carries for this case.

    Raises
    ------
    ImportError
        If OpenVINO is not installed, or does not load on this machine.
    """
    reporter = "openvino_telemetry"
    silence = reporter not in sys.modules
    if silence:
        sys.modules[reporter] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: F401
    finally:
        if silence:
            del sys.modules[reporter]


class OpenVinoEngine(ChunkedEngine):
    """Runs a feature network with OpenVINO on the processor.

    Parameters
    ----------
    network : its weights are read here.
    preprocessing : gives mean and deviation; pixels are normalised inside the graph.
    precision : "fp32" or "bf16".

    Raises
    ------
    AuditError
        If OpenVINO cannot compile the network on this machine.
    """

    def __init__(self, network: FeatureNetwork, preprocessing: Preprocessing, precision: str) -> None:
        load_openvino()
        import openvino

        threads = available_cores()
        super().__init__(chunk_size(preprocessing.size_px), threads)
        self.name = engine_name(precision, "openvino", "cpu")
        model = build_model(network, preprocessing, self.chunk)
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            # Decoding threads share the cores: a network thread must be free to move away from them.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise AuditError(
                f"OpenVINO cannot run the network on this machine ({reason}); with AUDITOR_ENGINE=torch in "
                "the environment torch does."
            ) from error
        self._own = threading.local()
        # OpenVINO's Python module sets itself up when a tensor's data is first seen; two threads that see
        # theirs at once wait for each other forever.
        self.compute(np.zeros((self.chunk, *[preprocessing.size_px] * 2, 3), dtype=np.uint8))

    def compute(self, pictures: NDArray[np.uint8]) -> Floats:
        """Return the vectors (c, d) of one chunk (c, s, s, 3)."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        request = self._own.request
        np.copyto(request.get_input_tensor(0).data, pictures)
        request.infer()
        vectors: Floats = request.get_output_tensor(0).data.copy()
        return vectors


def build_model(network: FeatureNetwork, preprocessing: Preprocessing, chunk: int) -> openvino.Model:
    """Return the graph from (chunk, s, s, 3) uint8 to the layers' means, (chunk, d) float32."""
    import openvino
    from openvino import opset13 as ops

    architecture, state = ARCHITECTURES[network.architecture], network.read()
    size = preprocessing.size_px
    pixels = ops.parameter([chunk, size, size, 3], openvino.Type.u8, name="pixels")
    x = ops.relu(_convolve(_normalise(pixels, preprocessing), STEM, state))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    means = []
    for layer, blocks in zip(("layer1", "layer2", "layer3", "layer4"), architecture.blocks, strict=True):
        for block in range(blocks):
            x = _block(x, architecture, layer, block, state)
        if layer in network.layers:
            means.append(ops.reduce_mean(x, np.array([2, 3], dtype=np.int64), keep_dims=False))
        if layer == network.layers[-1]:
            break
    return openvino.Model([ops.concat(means, axis=1)], [pixels], network.architecture)


def _normalise(pixels: Any, preprocessing: Preprocessing) -> Any:
    """Return (c, 3, s, s) float32: pixels / 255, less the mean, by the deviation."""
    import openvino
    from openvino import opset13 as ops

    mean, std = (
        255 * np.array(values, dtype=np.float32).reshape(1, 3, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    planes = ops.transpose(ops.convert(pixels, openvino.Type.f32), np.array([0, 3, 1, 2], dtype=np.int64))
    return ops.divide(ops.subtract(planes, mean), std)


def _block(x: Any, architecture: Architecture, layer: str, block: int, state: State) -> Any:
    from openvino import opset13 as ops

    *first, last = architecture.block_convolutions(layer, block)
    shortcut = architecture.shortcut(layer, block)
    beside = x if shortcut is None else _convolve(x, shortcut, state)
    for convolution in first:
        x = ops.relu(_convolve(x, convolution, state))
    return ops.relu(ops.add(_convolve(x, last, state), beside))


def _convolve(x: Any, convolution: Convolution, state: State) -> Any:
    from openvino import opset13 as ops

    weight, offset = folded(convolution, state)
    stride, edge = [convolution.stride] * 2, [convolution.kernel // 2] * 2
    # Constants made here: an operation that is handed an array goes through a list of Python numbers.
    kernel, bias = ops.constant(weight), ops.constant(offset.reshape(1, -1, 1, 1))
    return ops.add(ops.convolution(x, kernel, stride, edge, edge, [1, 1]), bias)


def folded(convolution: Convolution, state: State) -> tuple[Floats, Floats]:
    """Return kernel (o, i, k, k) and bias (o,) of a convolution with the BatchNorm behind it folded in."""
    norm = {
        name: state[f"{convolution.norm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    scale = norm["weight"] / np.sqrt(norm["running_var"] + BATCH_NORM_EPSILON)
    kernel = state[f"{convolution.name}.weight"] * scale[:, None, None, None]
    return kernel.astype(np.float32), (norm["bias"] - norm["running_mean"] * scale).astype(np.float32)
