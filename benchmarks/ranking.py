"""Compare how label errors are ranked on forty fixed settings, next to what others rank by.

    python benchmarks/ranking.py DATA [--cache DIR] [--only TEXT] [--part NAME]

DATA holds cifar10n-5k, pacs-photo-cartoon and flowers5; see the README beside this file. Every figure is the
mean of three seeds. `--cache` keeps vectors and what the baselines gave, so that only the audit is run again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from label_noise import average_precision, precision_at_errors
from pipeline import Bench
from ranking_baselines import NAMES, RECIPE, TUNED, baseline_qualities
from ranking_cases import Cases
from ranking_off_topic import measure_off_topic
from ranking_own import Own, judge_case, mean_of
from ranking_pairs import measure_pairs
from ranking_rare import measure_rare
from ranking_settings import DUPLICATED, SEEDS, SETTINGS, Setting
from tables import machine, print_table

WORST_LOSS = 0.01
"""AP that `label_quality` may lie below the better recipe in one setting."""
LEAST_GAIN = 0.03
"""AP that it gains over the recipe with defaults, in the mean."""
LEAST_IN_GROUPS = 0.9
SUGGESTION_SLACK = 0.05
PARTS = {"rare": measure_rare, "pairs": measure_pairs, "off_topic": measure_off_topic}


@dataclass(frozen=True)
class Measured:
    """Means over seeds of one setting: the audit's figures, AP and precision of each baseline by name."""

    setting: Setting
    own: Own
    ap: dict[str, float]
    precision: dict[str, float]

    @property
    def gain(self) -> float:
        """AP over the better of the recipe with defaults and the tuned one, chosen by the right labels."""
        return self.own.ap - max(self.ap[RECIPE], self.ap[TUNED])


def measure(setting: Setting, cases: Cases, cache: Path | None) -> Measured:
    """Judge a setting with all seeds."""
    runs: list[Own] = []
    ap: dict[str, list[float]] = {name: [] for name in NAMES}
    at: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in SEEDS:
        case = cases.draw(setting, seed)
        runs.append(judge_case(case, seed))
        for name, quality in baseline_qualities(case.vectors, case.given, seed, cache).items():
            ap[name].append(average_precision(case.wrong, quality))
            at[name].append(precision_at_errors(case.wrong, quality))
    return Measured(setting, mean_of(runs), _means(ap), _means(at))


def _means(runs: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in runs.items()}


def print_ranking(found: list[Measured]) -> None:
    """Print AP by setting, the means, and the bounds on them."""
    rows: list[tuple[object, ...]] = []
    for one in found:
        others = [one.ap[name] for name in NAMES]
        rows.append((one.setting.name, one.own.ap, *others, one.gain, one.gain >= -WORST_LOSS))
    means = np.mean([row[1:-1] for row in rows], axis=0).tolist()
    gain, over_defaults = means[-1], means[0] - means[1 + NAMES.index(RECIPE)]
    rows.append(("mean", *means, None))
    header = ("setting", "auditor", *NAMES, "auditor - better recipe", ">= -0.01")
    print_table("Average precision of the ranking by label quality", header, rows)
    worst = min(one.gain for one in found)
    over_tuned = means[0] - means[1 + NAMES.index(TUNED)]
    bounds = [
        ("least of auditor - better recipe", worst, ">= -0.01", worst >= -WORST_LOSS),
        ("mean of auditor - better recipe", gain, "> 0", gain > 0),
        ("mean of auditor - tuned recipe", over_tuned, "> 0", over_tuned > 0),
        ("mean of auditor - recipe with defaults", over_defaults, ">= 0.03", over_defaults >= LEAST_GAIN),
        ("settings where auditor is first of all", _first(found), "", None),
    ]
    print_table("Bounds on the ranking", ("", "measured", "bound", ""), bounds)
    print_precision(found)


def _first(found: list[Measured]) -> str:
    count = sum(one.own.ap >= max(one.ap.values()) for one in found)
    return f"{count} of {len(found)}"


def print_precision(found: list[Measured]) -> None:
    """Print the precision among as many samples as there are wrong labels."""
    figures = [[one.own.precision, *[one.precision[name] for name in NAMES]] for one in found]
    rows: list[tuple[object, ...]] = [
        (one.setting.name, *row) for one, row in zip(found, figures, strict=True)
    ]
    rows.append(("mean", *np.mean(figures, axis=0).tolist()))
    print_table("Precision at the number of wrong labels", ("setting", "auditor", *NAMES), rows)


def print_groups(found: list[Measured]) -> None:
    """Print how many wrong labels are within the budget, in groups of near copies and alone."""
    rows: list[tuple[object, ...]] = []
    chosen = [one for one in found if one.setting.kind == DUPLICATED]
    for one in chosen:
        ratio = one.own.in_groups / one.own.alone
        rows.append((one.setting.name, one.own.in_groups, one.own.alone, ratio, ratio >= LEAST_IN_GROUPS))
    header = ("setting", "recall in groups", "recall alone", "ratio", ">= 0.9")
    print_table("Wrong labels in groups of near copies, among the number of wrong labels", header, rows)


def print_suggestions(found: list[Measured]) -> None:
    """Print how often a found error's suggestion is right, beside the accuracy of the probabilities."""
    rows: list[tuple[object, ...]] = []
    for one in found:
        held = one.own.suggested >= one.own.accuracy - SUGGESTION_SLACK
        rows.append((one.setting.name, one.own.suggested, one.own.accuracy, held))
    header = ("setting", "suggestion right", "accuracy on right labels", ">= accuracy - 0.05")
    print_table("Suggestions for the wrong labels among the number of wrong labels", header, rows)


def print_counts(found: list[Measured]) -> None:
    """Print numbers of wrong labels beside what the audit says about them; no bound."""
    rows = [
        (one.setting.name, *[round(getattr(one.own, name), 1) for name in names])
        for names in [("wrong", "upper", "flagged", "hits", "planned")]
        for one in found
    ]
    header = ("setting", "wrong", "upper indication", "flagged", "of these wrong", "expected by the plan")
    print_table("How many labels are wrong", header, rows)


def measure_settings(settings: Iterable[Setting], cases: Cases, cache: Path | None) -> None:
    """Measure settings and print all tables that follow from them."""
    found = [measure(setting, cases, cache) for setting in settings]
    print_ranking(found)
    print_groups(found)
    print_suggestions(found)
    print_counts(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps vectors and baselines for the next time"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="settings whose name holds this text")
    parser.add_argument("--part", choices=("settings", *PARTS), help="one part instead of all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench.open(options.cache or Path(scratch))
        print(machine())
        print(f"backbone: {bench.encoder.backbone}")
        print(f"{len(SEEDS)} seeds; the recipe to beat is the better of {RECIPE!r} and {TUNED!r}")
        if options.part in (None, "settings"):
            chosen = [setting for setting in SETTINGS if options.only in setting.name]
            measure_settings(chosen, Cases(options.data, bench), options.cache)
        for name, part in PARTS.items():
            if options.part in (None, name):
                part(options.data, bench)


if __name__ == "__main__":
    main()
