"""The options that several commands share, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA, MODEL, OUTPUT, MACHINE = "Dataset", "Vectors", "Output", "Machine"

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder per class, or a manifest (.csv, .parquet, .jsonl); or the address of "
        "one: https://, s3:// and others. Or tars or Parquet files with the pictures inside, a saved Hugging "
        "Face dataset, an imagefolder.",
    ),
]
PathColumn = Annotated[
    str | None,
    typer.Option(
        "--path-column",
        metavar="NAME",
        help="Column with the file's path, or with the pictures; in tars the suffix of the picture.",
        rich_help_panel=DATA,
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        metavar="NAME",
        help="Column with the label; in tars the suffix of its file (txt), or its field in .json.",
        rich_help_panel=DATA,
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Folder or address that a manifest's paths start from. Default: the manifest's own.",
        rich_help_panel=DATA,
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        "--layout",
        envvar="AUDITOR_LAYOUT",
        metavar="LEVELS",
        help="What the folder levels mean: class, split/class or domain/class. Default: seen from the tree.",
        rich_help_panel=DATA,
    ),
]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        envvar="AUDITOR_FOLLOW_LINKS",
        help="Follow links that lead out of a folder of class folders.",
        rich_help_panel=DATA,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        envvar="AUDITOR_BACKBONE",
        metavar="NAME",
        help="auto, bundled, resnet18, resnet34, resnet50, resnet101 or resnet152. auto is ResNet-50, or the "
        "bundled small net when its weights cannot be had.",
        show_default="auto",
        rich_help_panel=MODEL,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        envvar="AUDITOR_WEIGHTS",
        metavar="FILE",
        help="Your own ResNet weights: a state dict (.pt, .pth) or .safetensors.",
        rich_help_panel=MODEL,
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        envvar="AUDITOR_LAYER",
        metavar="NAME",
        help="Take the vectors after layer1, layer2, layer3, layer4 or avgpool; several joined by +.",
        show_default="avgpool; bundled: layer3+layer4",
        rich_help_panel=MODEL,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        envvar="AUDITOR_DEVICE",
        metavar="NAME",
        help="auto, cpu or cuda.",
        rich_help_panel=MACHINE,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        envvar="AUDITOR_BATCH_SIZE",
        metavar="N",
        help="Pictures that the network sees at once.",
        show_default="64",
        rich_help_panel=MACHINE,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        envvar="AUDITOR_WORKERS",
        metavar="N",
        help="Threads that read pictures; 0 is one for each core.",
        rich_help_panel=MACHINE,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="local is this machine; ray is the machines of a Ray cluster, which all need to see the data "
        "and the store under the same paths.",
        rich_help_panel=MACHINE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="The Ray cluster to join, with --engine ray.",
        show_default="the one that runs here, else one is started",
        rich_help_panel=MACHINE,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="AUDITOR_CACHE",
        metavar="DIR",
        help="Where facts, vectors and fetched pictures are kept for the next run.",
        show_default="the user's cache folder",
        rich_help_panel=MACHINE,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        envvar="AUDITOR_OFFLINE",
        help="Never use the network: no data at an address, weights from the cache or the bundled file.",
        rich_help_panel=MACHINE,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        envvar="AUDITOR_SEED",
        metavar="N",
        help="Seed of the folds and the map.",
        rich_help_panel=MODEL,
    ),
]
LimitReport = Annotated[
    int,
    typer.Option(
        "--limit-report",
        envvar="AUDITOR_LIMIT_REPORT",
        metavar="N",
        min=0,
        help="Findings shown on the page, shared out by kind; all of them are in findings.csv.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an audit that is there already.", rich_help_panel=OUTPUT),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the summary as one JSON document.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.", rich_help_panel=OUTPUT),
]
