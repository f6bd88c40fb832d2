"""The result of a search belongs to the caller."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from support.points import points


def test_the_result_is_the_callers_own():
    got = equipoise.nearest_neighbors(points("uniform", 40, 3, np.float32), 4)
    for a in (got.indices, got.distances):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata
    with pytest.raises(AttributeError):
        got.indices = None
