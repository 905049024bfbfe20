"""How far one model's word counts about another one's errors.

    errors of both --Cohen's kappa--> agreement beyond chance
    skill of the other: what its probe gets right beyond chance
    weight = (1 - agreement; for a layer of the same network at most `SAME_NETWORK_WEIGHT`) * skill

Judges with equal vectors share one weight. A model that errs where the other errs is no second opinion, and
one that knows little is none either. Wrong labels make independent models err alike, so the agreement is
taken where the models together do not speak against the label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.arrays import Bools
from auditor.comparisons.common_samples import CommonSamples
from auditor.comparisons.judged import JudgedModel, same_vectors
from auditor.comparisons.model_opinions import Judge

SAME_NETWORK_WEIGHT = 0.5
"""Most that another layer of the same network weighs: it saw the picture through the same eyes."""
SHRINK_SAMPLES = 10
"""So many misclassified samples with no agreement are added: two samples alone show no dependence."""

Array = NDArray[np.float64]


def weigh_others(m: int, models: Sequence[JudgedModel], agreement: Array) -> Array:
    """Return what each model's word about model m's errors weighs, (models,) in [0, 1]; m's own is 0."""
    weights = 1.0 - agreement[m]
    for other, model in enumerate(models):
        # A classifier whose predictions were given is not the network behind the vectors.
        if models[m].predictions is None and same_network(models[m], model):
            weights[other] = min(weights[other], SAME_NETWORK_WEIGHT)
    weights[m] = 0.0
    return np.asarray(weights * _shares([k for k in range(len(models)) if k != m], models))


def _shares(judges: Sequence[int], models: Sequence[JudgedModel]) -> Array:
    """Return one part (models,) for each of the judges: those with equal vectors share a whole one."""
    parts = np.ones(len(models))
    for k in judges:
        parts[k] = 1.0 / sum(same_vectors(models[k], models[other]) for other in judges)
    return parts


def skill_of(model: JudgedModel, common: CommonSamples) -> float:
    """Return what the probe gets right beyond chance, in [0, 1]: kappa of its guesses and the labels."""
    right = float(common.right(model.probe_guesses).mean())
    shares = [
        np.bincount(said[common.once], minlength=len(common.dataset.classes)) / len(common.once)
        for said in (common.codes, model.probe_guesses)
    ]
    chance = float(shares[0] @ shares[1])
    return max(0.0, (right - chance) / (1 - chance)) if chance < 1 else 0.0


def same_network(a: JudgedModel, b: JudgedModel) -> bool:
    """Tell whether two models are layers of one network: their weights have the same digest."""
    return a.backbone.weights_sha256 != "" and a.backbone.weights_sha256 == b.backbone.weights_sha256


def agreement_matrix(models: Sequence[JudgedModel], judge: Judge) -> Array:
    """Agreement (models, models) in [0, 1] beyond chance of the row's errors with the column's probe's.

    Over samples that count once and that the models together do not speak against; 1 where two models have
    equal vectors.
    """
    common = judge.common
    equal = _shares(range(len(models)), models)
    rest = common.once[~judge.against(judge.ask(models, equal, common.once), common.once)]
    codes = common.codes[rest]
    probes = [m.probe_guesses[rest] != codes for m in models]
    own = [m.guesses[rest] != codes for m in models]
    out = np.eye(len(models))
    for a, first in enumerate(models):
        for b, second in enumerate(models):
            if a != b and first.predictions is None and same_vectors(first, second):
                out[a, b] = 1.0
            elif a != b:
                out[a, b] = max(0.0, shrunk_kappa(own[a], probes[b]))
    return out


def kappa(a: Bools, b: Bools) -> float:
    """Cohen's kappa of two yes-no answers (n,): 1 = always alike, 0 = as by chance or nothing varies."""
    if not len(a):
        return 0.0
    p, q = float(a.mean()), float(b.mean())
    chance = p * q + (1 - p) * (1 - q)
    return (float((a == b).mean()) - chance) / (1 - chance) if chance < 1 else 0.0


def shrunk_kappa(a: Bools, b: Bools) -> float:
    """Kappa drawn towards 0 as by `SHRINK_SAMPLES` more errors without agreement: few errors show nothing."""
    either = int((a | b).sum())
    return kappa(a, b) * either / (either + SHRINK_SAMPLES)
