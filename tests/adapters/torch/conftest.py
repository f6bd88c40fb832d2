"""A time limit for tests of data loaders and trainers, whose processes may wait for each other."""

from __future__ import annotations

import pytest

from support.deadline import deadline


@pytest.fixture(autouse=True)
def in_time(request):
    """Fail a test whose loader or trainer hangs."""
    with deadline(600 if "slow" in request.keywords else 120, "the loader or trainer hangs"):
        yield
