"""`auditor embed`: vectors only, for `auditor run --store`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli import options as o

EXAMPLE = "Example: auditor embed photos --out photos-vectors"

Out = Annotated[
    Path,
    typer.Option("--out", metavar="STORE", help="The store to make or add to.", rich_help_panel=o.OUTPUT),
]


def embed(
    data: o.Data,
    out: Out,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    root: o.Root = None,
    layout: o.Layout = "auto",
    follow_links: o.FollowLinks = False,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    layer: o.Layer = None,
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
    """Make the vectors only, for auditor run --store."""
    from auditor.dataset import ReadOptions
    from auditor.settings import AuditSettings, check_settings, open_again, open_encoder
    from auditor.sharding import Embedder, Here, embed_into
    from auditor.store import Store
    from cli.cache import cache_folder
    from cli.cluster import EngineChoice
    from cli.data import read_data, shown_data
    from cli.output import print_warning, say
    from cli.progress import show_progress

    choice = EngineChoice(engine, address)
    settings = AuditSettings(
        backbone or "auto", weights, layer, device, offline=offline, batch_size=batch_size, workers=workers
    )
    check_settings(settings)
    _check_store(out)
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
    for note in dataset.notes:
        print_warning(note)
    with choice.open() as cluster, show_progress(quiet) as progress:
        encoder = open_encoder(settings, print_warning, progress)
        store = Store(out, print_warning)
        embedder = Embedder(encoder, workers, print_warning)
        run = cluster.embedding(open_again(settings, encoder), embedder) if cluster else Here(embedder)
        made = embed_into(store, dataset, embedder.key, run, progress)
    counts = {"store": str(out), "samples": made.samples, "embedded": made.embedded, "new": made.encoded}
    counts |= {"unreadable": made.samples - made.embedded}
    if as_json:
        say(json.dumps(counts))
    elif not quiet:
        say(
            f"{counts['embedded']:,} of {counts['samples']:,} samples have a vector "
            f"({counts['new']:,} pictures new)\nNext      auditor run {shown_data(data)} --store {out}"
        )


def _check_store(out: Path) -> None:
    from auditor.errors import OutputError
    from auditor.store import MARKER_NAME
    from auditor.writing import is_temporary

    # A run that was killed while it made the store leaves a temporary file alone.
    free = not out.exists() or (out.is_dir() and all(map(is_temporary, out.iterdir())))
    if not free and not (out / MARKER_NAME).is_file():
        raise OutputError(f"{str(out)!r} is not empty and is no store: choose another --out.")
