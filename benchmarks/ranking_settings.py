"""The settings on which rankings are compared: fixed before any method was tuned on them.

    Setting = set of vectors x kind of wrong labels x share of wrong labels, three seeds each

people          labels that people really gave (CIFAR-10N); the seeds are those of subsets and folds
symmetric       a wrong label is any other class alike
class-dependent each class is mistaken for one other, similar class; the targets are all different
duplicated      symmetric; half of the wrong labels stand in groups of 2 to 5 near copies that share it, as
                many right ones do too; the `group` column tells the audit, the baselines do not use it
"""

from __future__ import annotations

from dataclasses import dataclass

SEEDS = (0, 1, 2)
PEOPLE, SYMMETRIC, DEPENDENT, DUPLICATED = "people", "symmetric", "class-dependent", "duplicated"
CIFAR, PHOTO, DIGITS, KITCHEN = "cifar10n-5k", "pacs photo", "digits", "kitchen"


@dataclass(frozen=True)
class Mixture:
    """Synthetic Gaussian classes in 64 dimensions.

    `sizes` are the samples of the smallest and the largest class, those between spread geometrically; with
    two classes the first is the large one. `distance` is the mean distance of two class centres, in
    standard deviations of the noise around a sample's place within its class (`ranking_cases.draw_mixture`).
    """

    classes: int
    sizes: tuple[int, int]
    distance: float


@dataclass(frozen=True)
class Setting:
    """One set of vectors with one kind and share of wrong labels.

    `source` is `CIFAR`, `PHOTO`, `DIGITS`, `KITCHEN` or a mixture; `rate` is the share of wrong labels, for
    `PEOPLE` the name of the manifest.
    """

    source: str | Mixture
    kind: str
    rate: float | str

    @property
    def name(self) -> str:
        return f"{self.where}, {self.kind} {self.rate if isinstance(self.rate, str) else f'{self.rate:.0%}'}"

    @property
    def where(self) -> str:
        """Name of the set of vectors."""
        if isinstance(self.source, str):
            return self.source
        least, most = self.source.sizes
        sizes = f"{least}" if least == most else f"{least}-{most}"
        return f"mixture {self.source.classes:,} x {sizes} at {self.source.distance:g}"


def _pictures(source: str, *kinds: tuple[str, tuple[float, ...]]) -> list[Setting]:
    return [Setting(source, kind, rate) for kind, rates in kinds for rate in rates]


def _mixtures() -> list[Setting]:
    """Strong and weak vectors: a linear classifier on half of the right labels reaches .96-.99 and
    .38-.77; .98 on the lopsided weak one, where the large class alone is .98."""
    return [
        Setting(Mixture(2, (5_000, 5_000), 4.0), SYMMETRIC, 0.10),
        Setting(Mixture(2, (5_000, 5_000), 1.5), SYMMETRIC, 0.20),
        Setting(Mixture(2, (100, 5_000), 4.0), SYMMETRIC, 0.05),
        Setting(Mixture(2, (100, 5_000), 2.0), DUPLICATED, 0.05),
        Setting(Mixture(50, (100, 100), 8.0), DEPENDENT, 0.20),
        Setting(Mixture(50, (100, 100), 4.0), SYMMETRIC, 0.10),
        Setting(Mixture(50, (20, 1_000), 8.0), SYMMETRIC, 0.05),
        Setting(Mixture(50, (20, 1_000), 4.0), DEPENDENT, 0.10),
        Setting(Mixture(1_000, (20, 20), 10.0), SYMMETRIC, 0.10),
        Setting(Mixture(1_000, (20, 20), 6.0), DEPENDENT, 0.10),
    ]


_RATES = (0.05, 0.10, 0.20, 0.40)

SETTINGS: tuple[Setting, ...] = (
    Setting(CIFAR, PEOPLE, "aggregate"),
    Setting(CIFAR, PEOPLE, "worst"),
    *_pictures(CIFAR, (SYMMETRIC, _RATES), (DEPENDENT, _RATES), (DUPLICATED, _RATES)),
    *_pictures(PHOTO, (SYMMETRIC, (0.05, 0.20)), (DEPENDENT, (0.10, 0.40)), (DUPLICATED, (0.10, 0.20))),
    *_pictures(DIGITS, (SYMMETRIC, (0.10, 0.40)), (DEPENDENT, (0.05, 0.20)), (DUPLICATED, (0.05, 0.40))),
    *_pictures(KITCHEN, (SYMMETRIC, (0.20,)), (DEPENDENT, (0.10, 0.40)), (DUPLICATED, (0.20,))),
    *_mixtures(),
)
