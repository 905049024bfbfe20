"""A small dataset of vectors, audited before and after a clean-up, for the tests of `compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import auditor
from auditor.results import Audit, Thresholds

CLASSES = ("apple", "pear", "plum")


@dataclass(frozen=True)
class Rows:
    """Samples of one version: a manifest and its vectors."""

    table: pd.DataFrame
    vectors: np.ndarray

    def where(self, keep: np.ndarray) -> Rows:
        return Rows(self.table[keep].reset_index(drop=True), self.vectors[keep])

    def relabelled(self, ids: Sequence[str], labels: Sequence[str]) -> Rows:
        table = self.table.copy()
        table.loc[table["id"].isin(ids), "label"] = table.loc[table["id"].isin(ids), "id"].map(
            dict(zip(ids, labels, strict=True))
        )
        return replace(self, table=table)


def fruit(n: int = 300, wrong: int = 20, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows with `wrong` labels in the training split, and the same rows repaired; a third is held out."""
    rng = np.random.default_rng(seed)
    code = rng.integers(len(CLASSES), size=n)
    centres = np.eye(len(CLASSES), 12) * 2.2
    vectors = (centres[code] + 0.55 * rng.normal(size=(n, 12)) + 0.3).astype(np.float32)
    ids = [f"{CLASSES[c]}/{row:03d}.png" for row, c in enumerate(code)]
    split = np.where(np.arange(n) % 3 == 0, "test", "train")
    right = pd.DataFrame({"id": ids, "path": ids, "label": [CLASSES[c] for c in code], "split": split})
    broken = right.copy()
    for row in rng.permutation(np.flatnonzero(split == "train"))[:wrong]:
        broken.loc[row, "label"] = CLASSES[(code[row] + 1) % len(CLASSES)]
    return Rows(broken, vectors), Rows(right, vectors)


def audit_rows(rows: Rows, folder: Path, change: Callable[[Audit], Audit] = lambda audit: audit) -> Path:
    """Audit rows as given features and save the audit in `folder`."""
    folder.mkdir(parents=True)
    rows.table.to_csv(folder / "manifest.csv", index=False)
    np.save(folder / "vectors.npy", rows.vectors)
    dataset = auditor.read_dataset(folder / "manifest.csv", auditor.ReadOptions(images=False))
    settings = auditor.AuditSettings(features=folder / "vectors.npy", thresholds=Thresholds())
    auditor.save(change(auditor.run_audit(dataset, settings)), folder / "audit")
    return folder / "audit"
