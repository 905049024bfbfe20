"""Photographs per second: the network alone in every engine this machine has, and the loader.

    python benchmarks/embedding_speed.py PHOTOGRAPHS WEIGHTS [--engines torch,openvino] [--seconds 10]

PHOTOGRAPHS and WEIGHTS are what `whole_run.py --keep` leaves. The network's rate is the median of repeated
runs over the same 64 squares. The loader's is that of threads, one for each core, over bytes in memory:
decoded alone, decoded to the network's square, and with the facts that an audit needs of every file
(digests, hash, signature, quality).
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tables import machine, print_table

from auditor.backbones import IMAGENET_PREPROCESSING
from auditor.checkpoints import read_checkpoint, resnet_state
from auditor.chunks import Engine
from auditor.decoding import decode_image
from auditor.engines import openvino_works
from auditor.images import decode_rgb, read_image
from auditor.networks import FeatureNetwork, available_cores
from auditor.openvino_engine import OpenVinoEngine
from auditor.torch_engine import TorchEngine, feature_stages

PICTURES = 64
LOADED = 400
SCRIPT_BATCH = 32
BOUND_LOADER = 0.7


def rate(work: Callable[[], object], pictures: int, seconds: float) -> float:
    """Return pictures per second of the median run, after one to get warm."""
    work()
    took: list[float] = []
    while sum(took) < seconds:
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return pictures / statistics.median(took)


def script_network(network: FeatureNetwork) -> Callable[[NDArray[np.uint8]], object]:
    """Return torchvision's network as a script runs it: fp32, planes, batches, all cores on one layer."""
    import torch

    torch.set_num_threads(available_cores())
    stages = feature_stages(network)

    def run(batch: NDArray[np.uint8]) -> None:
        inputs = torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous() / 255
        with torch.inference_mode():
            for start in range(0, len(inputs), SCRIPT_BATCH):
                stages(inputs[start : start + SCRIPT_BATCH]).mean(dim=(2, 3))

    return run


def engines(network: FeatureNetwork, libraries: list[str]) -> Iterator[tuple[str, Engine]]:
    """Yield our engines of these libraries at both precisions."""
    for precision in ("fp32", "bf16"):
        if "torch" in libraries:
            yield f"torch {precision}", TorchEngine(network, IMAGENET_PREPROCESSING, "cpu", precision)
        if "openvino" in libraries and openvino_works():
            yield f"openvino {precision}", OpenVinoEngine(network, IMAGENET_PREPROCESSING, precision)


def network_rates(weights: Path, squares: NDArray[np.uint8], libraries: list[str], seconds: float) -> None:
    state = resnet_state(read_checkpoint(weights), "resnet50")[1]
    network = FeatureNetwork("resnet50", ("layer4",), lambda: state)
    script = script_network(network)
    base = rate(lambda: script(squares), len(squares), seconds)
    rows = [("torchvision, fp32, as in the script", base, 1.0)]
    for name, engine in engines(network, libraries):
        found = rate(lambda engine=engine: engine.run(squares), len(squares), seconds)  # type: ignore[misc]
        rows.append((name, found, found / base))
    print_table("The network alone, ResNet-50 at 224 px", ("", "photographs/s", "ratio"), rows)


def bare(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def to_square(data: bytes) -> None:
    IMAGENET_PREPROCESSING.prepare(decode_rgb(data))


def with_facts(data: bytes) -> None:
    rgb, _ = read_image(data)
    assert rgb is not None
    IMAGENET_PREPROCESSING.prepare(rgb)


def loader_rates(files: list[bytes], seconds: float) -> None:
    works = {
        "decoded alone (Pillow)": bare,
        "decoded, turned, checked": decode_image,
        "decoded to the network's square": to_square,
        "the same with the facts": with_facts,
    }
    with ThreadPoolExecutor(available_cores()) as pool:
        rates = {
            name: rate(lambda work=work: list(pool.map(work, files)), len(files), seconds)  # type: ignore[misc]
            for name, work in works.items()
        }
    base = rates["decoded alone (Pillow)"]
    rows = [
        (name, found, found / base, BOUND_LOADER, found / base >= BOUND_LOADER)
        for name, found in rates.items()
    ]
    print_table("The loader", ("", "photographs/s", "ratio", "bound", ""), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photographs", type=Path, metavar="PHOTOGRAPHS")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("--engines", default="torch,openvino")
    parser.add_argument("--seconds", type=float, default=10.0, help="at least so long each")
    options = parser.parse_args()
    files = [path.read_bytes() for path in sorted(options.photographs.rglob("*.jpg"))[:LOADED]]
    print(machine())
    loader_rates(files, options.seconds / 2)
    squares = np.stack([IMAGENET_PREPROCESSING.prepare(decode_rgb(data)) for data in files[:PICTURES]])
    network_rates(options.weights, squares, options.engines.split(","), options.seconds)


if __name__ == "__main__":
    main()
