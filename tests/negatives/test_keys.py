"""Keys of the rows of a batch: those of the reference, distinct where they must be, and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.negatives.keys import keys_by_batch, keys_by_index
from support import reference

KEYS = {"index": (keys_by_index, reference.keys_by_index), "batch": (keys_by_batch, reference.keys_by_batch)}
INDICES = st.integers(0, 9) | st.integers(-(2**63), 2**63 - 1)
either = pytest.mark.parametrize("key", KEYS)


def array(indices):
    return np.array(indices, np.int64)


@either
@given(st.lists(INDICES, min_size=1, max_size=40))
def test_keys_match_the_reference(key, indices):
    keys, wanted = KEYS[key]
    got = keys(array(indices))
    assert got.dtype == np.uint64
    assert got.tolist() == wanted(indices)


@either
def test_large_batches_match_the_reference(key):
    keys, wanted = KEYS[key]
    indices = np.random.default_rng(0).integers(0, 3_000, 8_192)
    given = indices.copy()
    assert keys(indices).tolist() == wanted(indices.tolist())
    assert (indices == given).all()


def test_known_answers():
    """These are promised: they decide the negatives of users' runs."""
    again = [12142246912865228989, 5242590886738503557]
    assert keys_by_index(array([5, -1, 5, 5])).tolist() == [5, 2**64 - 1, *again]
    places = [5343080303570089712, 1033794975904898394, 8280675428931946827]
    assert keys_by_batch(array([5, -1, 5])).tolist() == places


def test_an_index_has_the_same_keys_in_any_batch():
    rng = np.random.default_rng(1)
    known = {}
    for _ in range(20):
        indices = rng.integers(0, 50, 60)
        for index, key in zip(indices.tolist(), keys_by_index(indices).tolist(), strict=True):
            known.setdefault(index, set()).add(key)
    wanted = {i: set(reference.keys_by_index([i] * len(keys))) for i, keys in known.items()}
    assert known == wanted


def test_no_two_keys_are_equal():
    """2e6 random keys of 64 bits agree with P < 2e-7, and these keys never change."""
    occurrences = keys_by_index(np.repeat(np.arange(1_000), 1_000))
    assert np.unique(occurrences).size == occurrences.size
    batches = np.arange(800_000).reshape(100, -1)
    keys = np.concatenate([keys_by_batch(batch) for batch in (*batches, *batches[:, ::-1])])
    assert np.unique(keys).size == keys.size


def test_each_index_and_its_place_decide_all_keys_of_a_batch():
    batch = array([3, 1, 4, 1, 5])
    others = [array([3, 1, 4, 1, 6]), array([1, 3, 4, 1, 5]), array([3, 1, 4, 1]), array([3, 1, 4, 1, 5, 9])]
    keys = set(keys_by_batch(batch).tolist())
    assert len(keys) == 5
    for other in others:
        assert not keys & set(keys_by_batch(other).tolist())
