"""How often `auditor compare` claims an improvement where there is one, and where there is none.

    python benchmarks/verdicts.py DATA [--cache DIR] [--nulls 200] [--repairs 50] [--samples 1500]

DATA holds cifar10n-5k; its right labels are the truth. Every run draws `--samples` pictures, holds a quarter
of them out and makes two versions of the rest: a clean-up that changes 5 %, of one of the kinds in
tests/versions.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from pipeline import Bench
from sources import clean_labels
from tables import machine, print_table

from auditor.comparisons.evidence import measure_held, measure_inner
from auditor.comparisons.gains import Judge
from auditor.comparisons.verdicts import VERDICTS, judge_evidence
from auditor.dataset import read_dataset
from auditor.embeddings import embed
from auditor.machines import calm_blas
from auditor.results import Embeddings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from versions import HARMS, NULLS, REPAIRS, as_case, frame_of, make_versions

MOST_CLAIMS, LEAST_FOUND = 15 / 200, 40 / 50
NO_PAIRS = np.zeros((0, 2), dtype=np.int64)


def compare_once(
    vectors: Embeddings, codes: np.ndarray, kind: str, seed: int, options: tuple[int, bool]
) -> str:
    """Return the verdict on one clean-up; `options`: pictures drawn, and whether some are held out."""
    samples, holdout = options
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(codes))[:samples]
    case = as_case(vectors.vectors[rows], codes[rows], rng)
    judge = Judge.of(frame_of(case, *make_versions(kind, case, seed), seed))
    held_rows = case.held if holdout else np.zeros(len(rows), dtype=bool)
    held = measure_held(judge, held_rows, "test", NO_PAIRS) if holdout else None
    return judge_evidence(held, measure_inner(judge, held_rows, NO_PAIRS, seed))


def table(
    vectors: Embeddings, codes: np.ndarray, kinds: tuple[str, ...], runs: int, options: tuple[int, bool]
) -> Counter[str]:
    """Print verdicts by kind and return how often each was given."""
    found = {kind: Counter() for kind in kinds}
    for number in range(runs):
        kind = kinds[number % len(kinds)]
        found[kind][compare_once(vectors, codes, kind, number // len(kinds), options)] += 1
    total = sum(found.values(), Counter())
    rows = [(kind, sum(c.values()), *(c[v] for v in VERDICTS)) for kind, c in found.items()]
    where = "a quarter held out" if options[1] else "nothing held out"
    print_table(f"{runs} comparisons, {where}", ("clean-up", "runs", *VERDICTS), rows)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors for the next time")
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--repairs", type=int, default=50)
    parser.add_argument("--samples", type=int, default=1500)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench.open(options.cache or Path(scratch))
        dataset = read_dataset(options.data / "cifar10n-5k" / "worst.csv")
        _, vectors = embed(dataset, bench.encoder, store=bench.store)
    labels = dict(zip(dataset.ids, clean_labels(options.data, dataset).tolist(), strict=True))
    codes = np.unique([labels[i] for i in vectors.ids], return_inverse=True)[1].astype(np.int32)
    with calm_blas(vectors):
        repaired = table(vectors, codes, REPAIRS, options.repairs, (options.samples, True))
        harmed = table(vectors, codes, HARMS, options.repairs, (options.samples, True))
        nulls = [
            table(vectors, codes, NULLS, options.nulls, (options.samples, held)) for held in (True, False)
        ]
    claims = [c["improved"] + c["consistent with better labels"] for c in (harmed, *nulls)]
    found = repaired["improved"]
    rows = [
        ("true repairs called improved", found, options.repairs, found >= LEAST_FOUND * options.repairs),
        ("random relabellings that claim anything", claims[0], options.repairs, claims[0] == 0),
        *(
            (
                f"nulls that claim anything, {where}",
                count,
                options.nulls,
                count <= MOST_CLAIMS * options.nulls,
            )
            for where, count in zip(("a quarter held out", "nothing held out"), claims[1:], strict=True)
        ),
    ]
    print_table("Claims", ("", "claims", "of", ""), rows)


if __name__ == "__main__":
    main()
