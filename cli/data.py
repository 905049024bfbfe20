"""What DATA means on the command line: a path on this machine, or the address of a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.sources.addresses import address_name, is_address, local_path, shown_address

if TYPE_CHECKING:
    from auditor.results import Dataset
    from auditor.sources.options import ReadOptions


def local_data(data: str) -> Path | None:
    """Return DATA as a path, None where it is an address."""
    return None if is_address(data) else Path(local_path(data))


def read_data(data: str, reading: ReadOptions, quiet: bool) -> Dataset:
    """Read the dataset, and show how far it is."""
    from auditor.dataset import read_dataset
    from cli.progress import show_progress

    with show_progress(quiet) as progress:
        progress("read", 0, 0)
        return read_dataset(data, replace(reading, progress=progress))


def data_name(data: str) -> str:
    """Return what an output is called after: the dataset's folder, or its manifest without the suffix."""
    here = local_data(data)
    if here is None:
        from auditor.sources.tables import TABLE_SUFFIXES

        name = Path(address_name(data))
        return name.stem if name.suffix.lower() in TABLE_SUFFIXES else name.name
    return (here.resolve().name if here.is_dir() else here.stem) or "dataset"


def shown_data(data: str) -> str:
    """Return DATA as it may be shown and stored: an address without its user, password and query."""
    return data if local_data(data) is not None else shown_address(data)
