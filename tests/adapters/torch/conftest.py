"""A time limit for tests of data loaders and trainers, whose processes may wait for each other."""

from __future__ import annotations

import multiprocessing

import pytest

from support.deadline import deadline

# Otherwise, each worker that a fork server starts would import torch anew, as spawned ones do.
multiprocessing.set_forkserver_preload(["torch", "equipoise.torch"])


@pytest.fixture(autouse=True)
def in_time(request):
    """Fail a test whose loader or trainer hangs."""
    with deadline(600 if "slow" in request.keywords else 120, "the loader or trainer hangs"):
        yield
