"""Rows with paths become a dataset, whether the paths are files or addresses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auditor.errors import DataError
from auditor.results import Dataset
from auditor.sources.addresses import check_online
from auditor.sources.descriptions import read_descriptions
from auditor.sources.manifests import dataset_of_rows
from auditor.sources.options import ReadOptions
from auditor.sources.remote_rows import dataset_of_remote_rows, first_address
from auditor.sources.rows import Source


def dataset_of_placed_rows(rows: pd.DataFrame, source: Source, options: ReadOptions) -> Dataset:
    """Return the dataset of rows listed on this machine.

    Files start from the source's root, or `options.root` where that is given.

    Raises
    ------
    UsageError
        If the pictures lie in a store that cannot be used.
    DataError
        If none of the pictures is there, or there is no dataset in the rows.
    """
    folders = (source.root,) if not isinstance(options.root, Path) else (source.root, options.root)
    away = first_address(rows, options.root)
    if away is not None:
        check_online(options.offline, away)
        source.descriptions = read_descriptions(folders, source)
        return dataset_of_remote_rows(rows, source, options)
    if isinstance(options.root, Path):
        source.root = options.root
    if not source.root.is_dir():
        raise DataError(f"--root {source.root} is not a folder.")
    source.descriptions = read_descriptions(folders, source)
    return dataset_of_rows(rows, source, options)
