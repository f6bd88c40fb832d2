"""Every public draw and answer still has its recorded digest.

The digests were recorded before the package was split into sub-packages. They hold
on both backends, on every CPU path, for any number of threads, and with the oldest supported NumPy,
scikit-learn and imbalanced-learn. ``tests/support/recorded`` has the cases and says how to record a new one.
"""

from __future__ import annotations

import numpy as np
import pytest

from support.recorded import BEFORE, CASES, digest_of, recorded_digests
from support.recorded.before import REFUSED


@pytest.mark.parametrize("name", CASES)
def test_an_answer_has_its_recorded_digest(name):
    assert digest_of(CASES[name]()) == recorded_digests().get(name, "not recorded")


def test_digests_and_cases_have_the_same_names():
    assert sorted(recorded_digests()) == sorted(CASES)


def test_every_old_file_is_read_by_a_case():
    names = {path.stem for path in BEFORE.iterdir()} - {"table", "rows", "states", *REFUSED}
    assert all(any(f"[{name}]" in case or case.startswith(name) for case in CASES) for name in names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(2), np.array([0.0, -0.0])),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2), np.zeros(2, np.int64)),
        (1.0, np.nextafter(1.0, 2.0).item()),
        ([1, [2, 3]], [[1, 2], 3]),
        (True, 1),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_different_answers_have_different_digests(one, other):
    assert digest_of(one) != digest_of(other)
