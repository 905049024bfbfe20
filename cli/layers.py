"""`auditor layers`: one backbone at several depths, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options as o
from cli.comparing import Overwrite, Seed

if TYPE_CHECKING:
    from auditor.settings import AuditSettings

EXAMPLE = "Example: auditor layers photos --backbone bundled --out photos-layers"
DEFAULT = "layer1,layer2,layer3,layer4"

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The comparison's folder to make.",
        show_default="NAME-layers, in this folder",
        rich_help_panel=o.OUTPUT,
    ),
]
Layers = Annotated[
    str,
    typer.Option(
        "--layers",
        envvar="AUDITOR_LAYERS",
        metavar="LIST",
        help="Layers, separated by commas and taken in the network's order: layer1 to layer4 (avgpool is "
        "layer4's mean); layers joined by + stand side by side.",
        rich_help_panel=o.MODEL,
    ),
]


def layers(
    data: o.Data,
    out: Out = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    root: o.Root = None,
    layout: o.Layout = "auto",
    follow_links: o.FollowLinks = False,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    names: Layers = DEFAULT,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    device: o.Device = "auto",
    batch_size: o.BatchSize = None,
    workers: o.Workers = 0,
    cache: o.Cache = None,
    offline: o.Offline = False,
) -> None:
    """Compare the layers of one backbone: how the classes come apart from layer to layer."""
    from auditor.comparisons.layers import compare_layers, in_depth_order, run_layers
    from auditor.comparisons.layers_document import layers_document
    from auditor.dataset import ReadOptions
    from auditor.settings import AuditSettings
    from cli.auditing import check_out
    from cli.cache import cache_folder, store_folder
    from cli.comparing import Output
    from cli.data import data_name, read_data
    from cli.models_summary import layers_lines, print_comparison
    from cli.output import print_warning
    from cli.progress import show_progress
    from reports.layers_view import layers_view

    chosen = in_depth_order([name.strip() for name in names.split(",") if name.strip()])
    settings = AuditSettings(
        backbone=backbone or "auto",
        weights=weights,
        device=device,
        offline=offline,
        batch_size=batch_size,
        workers=workers,
        store=store_folder(cache),
        seed=seed,
    )
    target = out or Path(f"{data_name(data)}-layers")
    check_out(target, data)
    output = Output(target, overwrite)
    output.check()
    reading = ReadOptions(
        layout,
        root,
        path_column,
        label_column,
        follow_links=follow_links,
        cache=cache_folder(cache),
        offline=offline,
    )
    dataset = read_data(data, reading, quiet)
    with show_progress(quiet) as progress:
        audits = run_layers(dataset, settings, chosen, progress=progress, warn=print_warning)
        comparison = compare_layers(audits, chosen, seed, progress)
        progress("page", 0, 0)
        document = layers_document(comparison)
        command = _command(dataset.name, chosen, settings)
        page = output.write(document, layers_view(comparison, command), audits)
    print_comparison(document, layers_lines(document), page, as_json, quiet)


def _command(dataset: str, chosen: Sequence[str], settings: AuditSettings) -> str:
    """Return how the comparison was asked for, with paths reduced to names."""
    weights = f" --weights {settings.weights.name}" if settings.weights else ""
    backbone = f" --backbone {settings.backbone}" if settings.backbone != "auto" else ""
    return f"auditor layers {dataset}{backbone}{weights} --layers {','.join(chosen)} --seed {settings.seed}"
