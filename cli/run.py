"""`auditor run`: audit a dataset and write the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import UsageError
from cli import options as o

EXAMPLE = "Example: auditor run photos/manifest.csv --backbone bundled --out photos-audit"

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The audit folder to make.",
        show_default="NAME-audit, in this folder",
        rich_help_panel=o.OUTPUT,
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(
        "--features",
        metavar="FILE",
        help="Your own vectors (.npy, one row per row of the manifest); no pictures are read.",
        rich_help_panel=o.MODEL,
    ),
]
FeaturesIds = Annotated[
    Path | None,
    typer.Option(
        "--features-ids",
        metavar="FILE",
        help="Ids of the rows of --features: .txt with one per line, .csv with a column id, .npy.",
        rich_help_panel=o.MODEL,
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="FILE",
        help="Class probabilities of your classifier (.csv, .parquet, .npy) to report beside.",
        rich_help_panel=o.MODEL,
    ),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Vectors made by auditor embed, used instead of the cache.",
        rich_help_panel=o.MODEL,
    ),
]
Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        metavar="AUDIT",
        help="Take backbone, layer and thresholds from an earlier audit, so that the two compare.",
        rich_help_panel=o.MODEL,
    ),
]
Reviewed = Annotated[
    list[Path] | None,
    typer.Option(
        "--reviewed",
        metavar="FILE",
        help="Decisions of an earlier review: what was checked there is not asked again. Can be repeated.",
        rich_help_panel=o.DATA,
    ),
]


def run(
    context: typer.Context,
    data: o.Data,
    out: Out = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    root: o.Root = None,
    layout: o.Layout = "auto",
    follow_links: o.FollowLinks = False,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    layer: o.Layer = None,
    features: Features = None,
    features_ids: FeaturesIds = None,
    predictions: Predictions = None,
    store: StoreFolder = None,
    like: Like = None,
    reviewed: Reviewed = None,
    seed: o.Seed = 0,
    overwrite: o.Overwrite = False,
    limit_report: o.LimitReport = 2000,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    device: o.Device = "auto",
    batch_size: o.BatchSize = None,
    workers: o.Workers = 0,
    cache: o.Cache = None,
    offline: o.Offline = False,
    engine: o.Engine = "local",
    address: o.Address = None,
) -> None:
    """Audit a labelled image dataset and write the page."""
    from auditor.dataset import ReadOptions
    from auditor.settings import AuditSettings, settings_like
    from auditor.store import MARKER_NAME
    from cli.auditing import Request, run_request
    from cli.cache import cache_folder, store_folder
    from cli.cluster import EngineChoice

    if store is not None and not (store / MARKER_NAME).is_file():
        raise UsageError(f"There is no store {str(store)!r}: make it with auditor embed DATA --out STORE.")
    if features is not None:
        _refuse_typed(context, ("backbone", "layer"), "Features are vectors already and need no --{}")
    settings = AuditSettings(
        backbone=backbone or "auto",
        weights=weights,
        layer=layer,
        device=device,
        offline=offline,
        batch_size=batch_size,
        workers=workers,
        features=features,
        features_ids=features_ids,
        predictions=predictions,
        reviewed=tuple(reviewed or ()),
        store=store or store_folder(cache),
        seed=seed,
    )
    if like is not None:
        _refuse_typed(context, ("backbone", "layer"), "--like takes the {} from the earlier audit")
        settings = settings_like(like, settings)
    reading = ReadOptions(
        layout,
        root,
        path_column,
        label_column,
        images=features is None,
        follow_links=follow_links,
        cache=cache_folder(cache),
        offline=offline,
    )
    choice = EngineChoice(engine, address)
    run_request(Request(data, reading, settings, out, overwrite, limit_report, as_json, quiet, choice))


def _refuse_typed(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that say nothing here; values from the environment or a settings file give way."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{why.format(name)}: leave out --{name}.")
