"""Fixtures: a cluster of each engine for a module, and a time limit for tests that hang."""

from __future__ import annotations

import os

import pytest

from support.clusters import Engine, nothing_left
from support.deadline import deadline

WARNINGS = (
    # Ray Data warns about its own defaults, which nobody has set here.
    "ignore::DeprecationWarning:ray.data.context",
    # Old versions of Ray leave logs and a process to the garbage collector.
    "ignore:Exception ignored in. <(_io.FileIO|function Popen.__del__)"
    ":pytest.PytestUnraisableExceptionWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "distributed":
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def in_time(request):
    """Fail a test if its cluster hangs."""
    with deadline(600 if "slow" in request.keywords else 120, "the cluster hangs"):
        yield


@pytest.fixture(scope="module")
def dask_cluster():
    distributed = pytest.importorskip("distributed", reason="dask is not installed (extra 'dask')")
    import dask

    # Workers die in these tests, and Dask gives up after 15 s if none has replaced them.
    patience = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    with (
        nothing_left(),
        dask.config.set(patience),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray_cluster():
    with nothing_left():
        # No telemetry, no progress bars, and no token in the user's home.
        os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        ray = pytest.importorskip("ray", reason="ray is not installed (extra 'ray')")
        pytest.importorskip("ray.data", reason="ray[data] is not installed (extra 'ray')")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**28)
        try:
            ray.data.DataContext.get_current().enable_progress_bars = False
            yield ray
        finally:
            ray.shutdown()


@pytest.fixture(scope="module", params=["frame", "bag", "ray"])
def engine(request):
    request.getfixturevalue("ray_cluster" if request.param == "ray" else "dask_cluster")
    return Engine(request.param)
