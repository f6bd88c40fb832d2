"""Options and fixtures of all tests: slow tests, other seeds, real data sets, threads of the library."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# There is no deadline, since a shared machine may stall any example, and no example is stored on disk.
settings.register_profile(
    "equipoise", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("equipoise")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that take over ten seconds each")
    parser.addoption(
        "--seeds", default="0", help="seeds of the statistical tests: 7, or 0-99 (any of them passes)"
    )


def pytest_report_header():
    import equipoise

    return f"equipoise {equipoise.__version__}, backend {equipoise.backend()}"


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes over ten seconds: run with --slow"))


def pytest_generate_tests(metafunc):
    if "any_seed" in metafunc.fixturenames:
        first, _, last = metafunc.config.getoption("--seeds").partition("-")
        metafunc.parametrize("any_seed", range(int(first), int(last or first) + 1))


@pytest.fixture
def own_threads(monkeypatch):
    """Count the threads that the library starts from now on."""
    from equipoise._runtime import chunks
    from support.answers import Threads

    threads = Threads()
    monkeypatch.setattr(chunks, "start_new_thread", threads.start)
    return threads


@pytest.fixture(scope="session")
def data_dir():
    """Return the folder of real data sets, which are too large to ship or belong to others."""
    folder = os.environ.get("EQUIPOISE_DATA")
    if not folder:
        pytest.skip("EQUIPOISE_DATA is not set: it names a folder of real data sets, which are not shipped")
    if not Path(folder).is_dir():
        pytest.skip(f"EQUIPOISE_DATA is {folder}, which is no folder")
    return Path(folder)
