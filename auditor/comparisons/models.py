"""One dataset through several models: which separates the classes best, who errs, and why.

Audit, Audit, .. --common samples--> JudgedModel, JudgedModel, ..
    ranking        by kNN accuracy, each with a paired difference to the best
    errors         tagging error, model limitation or undecided
    overlaps       whose errors are the same
    ensemble       what averaging gains, which model adds nothing
    maps           each laid over the first
==> ModelComparison (holds the audits, never a merged one)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.arrays import Floats, Progress, no_progress
from auditor.comparisons.alignment import align_map
from auditor.comparisons.common_samples import CommonSamples, find_common
from auditor.comparisons.ensembles import (
    Ensemble,
    ErrorOverlap,
    count_missed,
    measure_ensemble,
    overlap_errors,
)
from auditor.comparisons.judged import JudgedModel, judge_model
from auditor.comparisons.model_errors import DividedErrors, divide_errors
from auditor.comparisons.paired import PairedDifference
from auditor.errors import UsageError
from auditor.results import Audit, Thresholds


@dataclass(frozen=True)
class RankedModel:
    """One model's place. `knn_difference` and `probe_difference` are this model minus the first one."""

    model: int
    knn_difference: PairedDifference
    probe_difference: PairedDifference


@dataclass(frozen=True)
class Ranking:
    """Models by separation, best first: kNN accuracy, then probe accuracy, then name.

    lead_knn, lead_probe : the first minus the second.
    is_clear : the kNN lead is clear, and the probe does not clearly say the opposite.
    """

    models: tuple[RankedModel, ...]
    lead_knn: PairedDifference
    lead_probe: PairedDifference

    @property
    def is_clear(self) -> bool:
        """Tell whether the first model separates better than the second beyond chance."""
        return self.lead_knn.is_above and not self.lead_probe.is_below

    @property
    def best(self) -> int:
        """The first model."""
        return self.models[0].model


@dataclass(frozen=True)
class AlignedMap:
    """A model's own map laid over the reference: ``positions`` (p, 2), `likeness` in [0, 1] to it."""

    positions: Floats
    likeness: float
    method: str
    trustworthiness: float


@dataclass(frozen=True)
class ModelComparison:
    """Several models on one dataset; every tuple is in the order of `audits`."""

    audits: tuple[Audit, ...]
    names: tuple[str, ...]
    common: CommonSamples
    models: tuple[JudgedModel, ...]
    thresholds: Thresholds
    ranking: Ranking
    errors: tuple[DividedErrors, ...]
    overlaps: tuple[ErrorOverlap, ...]
    missed: tuple[int, ...]
    ensemble: Ensemble
    maps: tuple[AlignedMap, ...]
    seed: int


def compare_models(
    audits: Sequence[Audit],
    names: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> ModelComparison:
    """Compare several models on one dataset.

    Parameters
    ----------
    audits : two or more, of the same dataset: other backbones, layers, weights, features or predictions.
    names : one for each; by default backbone and layer, numbered where two are the same.
    seed : of folds and intervals.

    Raises
    ------
    UsageError
        If there are fewer than two audits, or the names do not fit them.
    DataError
        If the audits are of different datasets.
    """
    common = find_common(audits)
    given = checked_names(names, [model_name(audit) for audit in audits])
    bars = shared_thresholds(audits)
    models = judge_models(audits, given, common, bars, seed, progress)
    errors = divide_errors(models, common, bars)
    progress("ensemble", 0, 0)
    return ModelComparison(
        audits=tuple(audits),
        names=given,
        common=common,
        models=models,
        thresholds=bars,
        ranking=rank_models(models, common, seed),
        errors=errors,
        overlaps=overlap_errors(models, common),
        missed=count_missed(models, common),
        ensemble=measure_ensemble(models, common, seed),
        maps=align_maps(audits, models, 0),
        seed=seed,
    )


def judge_models(
    audits: Sequence[Audit],
    names: Sequence[str],
    common: CommonSamples,
    bars: Thresholds,
    seed: int,
    progress: Progress = no_progress,
) -> tuple[JudgedModel, ...]:
    """Judge every audit's vectors on the common samples."""
    models = []
    for done, (name, audit) in enumerate(zip(names, audits, strict=True)):
        progress("models", done, len(audits))
        models.append(judge_model(name, audit, common, bars, seed))
    progress("models", len(audits), len(audits))
    return tuple(models)


def rank_models(models: Sequence[JudgedModel], common: CommonSamples, seed: int) -> Ranking:
    """Rank models by how well their vectors separate the classes.

    Leave-group-out kNN accuracy comes first: of many figures it tells best how well features transfer (arXiv
    2503.18528).
    """
    order = sorted(
        range(len(models)),
        key=lambda m: (
            -models[m].separation.knn_accuracy,
            -models[m].separation.probe_accuracy,
            models[m].name,
        ),
    )
    near = [common.right(model.neighbour_classes) for model in models]
    probe = [common.right(model.probe_guesses) for model in models]
    first, second = order[0], order[1]
    ranked = tuple(
        RankedModel(
            m,
            common.compare(near[m], near[first], seed),
            common.compare(probe[m], probe[first], seed),
        )
        for m in order
    )
    return Ranking(
        ranked,
        common.compare(near[first], near[second], seed),
        common.compare(probe[first], probe[second], seed),
    )


def align_maps(
    audits: Sequence[Audit], models: Sequence[JudgedModel], reference: int
) -> tuple[AlignedMap, ...]:
    """Lay every model's own map over that of the model at position `reference`."""
    target = models[reference].positions
    out = []
    for audit, model in zip(audits, models, strict=True):
        alignment = align_map(model.positions, target)
        # The reference stays as it is, to the last digit.
        moved = target if model is models[reference] else alignment(model.positions)
        out.append(AlignedMap(moved, alignment.likeness, audit.map.method, audit.map.trustworthiness))
    return tuple(out)


def shared_thresholds(audits: Sequence[Audit]) -> Thresholds:
    """Return the audits' thresholds where all have the same, else the defaults: all are judged by one bar."""
    first = audits[0].thresholds
    return first if all(audit.thresholds == first for audit in audits) else Thresholds()


def model_name(audit: Audit) -> str:
    """Return what makes an audit's vectors, and whose predictions it has: "resnet50 layer4 with mine.csv"."""
    backbone, chosen = audit.embeddings.backbone, audit.provenance.settings
    made_by = chosen.get("features") or f"{backbone.name} {backbone.layer}".strip()
    return f"{made_by} with {chosen['predictions']}" if chosen.get("predictions") else str(made_by)


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, numbered where several are the same: "a", "a (2)"."""
    counts: Counter[str] = Counter()
    taken, out = set(names), []
    for name in names:
        counts[name] += 1
        new = name
        while counts[name] > 1 and (new == name or new in taken):
            new = f"{name} ({counts[name]})"
            counts[name] += new in taken
        taken.add(new)
        out.append(new)
    return tuple(out)


def checked_names(names: Sequence[str] | None, usual: Sequence[str]) -> tuple[str, ...]:
    """Return the names, or the usual ones made distinct; UsageError unless each audit has one of its own."""
    if names is None:
        return distinct_names(usual)
    if len(names) != len(usual) or len(set(names)) != len(names):
        raise UsageError(
            f"Each of the {len(usual)} audits needs a name of its own, got {len(names)} names, "
            f"{len(set(names))} of them different."
        )
    return tuple(names)
