"""Do faster engines and precisions find the same? Vectors, neighbours and findings beside plain fp32 torch.

    python benchmarks/precision_parity.py DATA

With the bundled weights, on cifar10n-5k (aggregate.csv) and the PACS photographs. bf16 is shown also where
this machine would not choose it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tables import machine, print_table

from auditor import AuditSettings, read_dataset, run_audit
from auditor.arrays import Floats
from auditor.backbones import BUNDLED_LAYER, BUNDLED_PREPROCESSING, BUNDLED_WEIGHTS, ResNetEncoder
from auditor.checkpoints import read_checkpoint, resnet_state
from auditor.chunks import Engine
from auditor.engines import mean_cosine, openvino_works
from auditor.networks import FeatureNetwork, parse_layer
from auditor.openvino_engine import OpenVinoEngine
from auditor.results import Audit, Backbone, Dataset
from auditor.torch_engine import TorchEngine

NEIGHBOURS = 10
BOUND_COSINE, BOUND_NEIGHBOURS, BOUND_FINDINGS = 0.999, 0.97, 0.97


@dataclass(frozen=True)
class Found:
    """What one engine makes of a dataset: unit vectors (m, d), nearest rows (m, k), flagged ids."""

    vectors: Floats
    nearest: list[set[int]]
    flagged: set[str]

    @classmethod
    def of(cls, audit: Audit) -> Found:
        flagged = {i for f in audit.findings if f.kind == "mislabeled" for i in f.ids}
        nearest = [set(row.tolist()) for row in audit.neighbours.indices[:, :NEIGHBOURS]]
        return cls(audit.embeddings.vectors, nearest, flagged)


def encoders() -> Iterator[tuple[str, ResNetEncoder]]:
    """Yield the engines; plain torch first."""
    checkpoint = read_checkpoint(BUNDLED_WEIGHTS)
    state = resnet_state(checkpoint, "resnet18")[1]
    network = FeatureNetwork("resnet18", parse_layer(BUNDLED_LAYER), lambda: state)
    for precision in ("fp32", "bf16"):
        yield _encoder(TorchEngine(network, BUNDLED_PREPROCESSING, "cpu", precision), checkpoint.sha256)
    for precision in ("fp32", "bf16") if openvino_works() else ():
        yield _encoder(OpenVinoEngine(network, BUNDLED_PREPROCESSING, precision), checkpoint.sha256)


def _encoder(engine: Engine, sha256: str) -> tuple[str, ResNetEncoder]:
    preprocessing = BUNDLED_PREPROCESSING
    backbone = Backbone("bundled", BUNDLED_LAYER, sha256, 768, preprocessing.describe(), engine.name)
    return engine.name, ResNetEncoder(backbone, preprocessing, engine)


def rows(dataset: Dataset, name: str) -> Iterator[tuple[object, ...]]:
    """Yield a line for each engine but the first, beside the first."""
    plain: Found | None = None
    for engine, encoder in encoders():
        found = Found.of(run_audit(dataset, AuditSettings(), encoder=encoder))
        if plain is None:
            plain = found
            continue
        cosine = mean_cosine(found.vectors, plain.vectors)
        shared = [len(a & b) / NEIGHBOURS for a, b in zip(found.nearest, plain.nearest, strict=True)]
        both, either = found.flagged & plain.flagged, found.flagged | plain.flagged
        agreement = len(both) / len(either) if either else 1.0
        holds = cosine >= BOUND_COSINE and np.mean(shared) >= BOUND_NEIGHBOURS and agreement >= BOUND_FINDINGS
        yield (
            name,
            engine,
            f"{cosine:.7f}",
            float(np.mean(shared)),
            len(plain.flagged),
            agreement,
            bool(holds),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    data = parser.parse_args().data
    sets = {
        "cifar10n-5k": read_dataset(data / "cifar10n-5k" / "aggregate.csv"),
        "PACS photographs": read_dataset(data / "pacs-photo-cartoon" / "photo"),
    }
    table = [row for name, dataset in sets.items() for row in rows(dataset, name)]
    header = ("", "engine", "mean cosine", "same neighbours", "mislabeled", "of these the same", "")
    print(machine())
    print_table("Beside plain torch in fp32, bundled weights", header, table)
    print(f"\nbounds: {BOUND_COSINE}, {BOUND_NEIGHBOURS}, {BOUND_FINDINGS}")


if __name__ == "__main__":
    main()
