"""A Ray cluster of three machines of one core each, all of them on this one, started once for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
NODES = 3


@pytest.fixture(scope="session")
def started() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        # What the nodes start inherits it: the modules of the tests, and no word to anybody.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        yield cluster
        cluster.shutdown()


@pytest.fixture
def nodes(started: Any) -> Any:
    """The cluster, with as many machines as before, whatever the last test did to them."""
    while len(started.list_all_nodes()) < NODES:
        started.add_node(wait=False, **NODE)
    started.wait_for_nodes()
    return started
