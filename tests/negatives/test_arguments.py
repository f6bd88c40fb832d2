"""Shapes of rows and of their arguments, rows without exclusions, and masks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from equipoise import AliasTable, Negatives, NegativeSampler, UniformTable
from support import cases

# ---- shapes of arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60,), (12, 5), (3, 4, 5), (60, 1), (1, 60), (0, 7), (7, 0)])
@pytest.mark.parametrize("items", [40, cases.zipf(40)], ids=["uniform", "weights"])
def test_rows_of_any_shape_are_drawn_like_flat_ones(shape, items):
    draw = np.random.default_rng(5)
    exclude = cases.csr([draw.integers(0, 40, 12).tolist() for _ in range(9)])
    rows, keys = draw.integers(0, 9, shape), draw.integers(0, 2**60, shape)
    one, many = draw.integers(-1, 40, shape), draw.integers(-1, 40, (*shape, 3))
    for unique in (False, True):
        for exclude_ids in (None, one, many):
            for row_keys in (None, keys):
                shaped, flat = (NegativeSampler(items, exclude=exclude, seed=2) for _ in range(2))
                more = exclude_ids
                if more is not None:
                    more = more.reshape(rows.size, *more.shape[len(shape) :])
                for _ in range(2):  # the counter of rows advances by the same number
                    got = shaped.sample(
                        rows, 4, exclude_ids=exclude_ids, unique=unique, row_keys=row_keys, n_threads=2
                    )
                    wanted = flat.sample(
                        rows.reshape(-1),
                        4,
                        exclude_ids=more,
                        unique=unique,
                        row_keys=None if row_keys is None else row_keys.reshape(-1),
                    )
                    for name in ("ids", "log_q", "mask"):
                        a, b = getattr(got, name), getattr(wanted, name)
                        assert a.shape == (*shape, 4)
                        assert a.tobytes() == b.tobytes()
                assert shaped.state_dict() == flat.state_dict()
    hits = shaped.accidental_hits(rows, np.arange(40), keep=one % 40)
    assert hits.shape == (*shape, 40)
    assert (
        hits.tobytes() == flat.accidental_hits(rows.ravel(), np.arange(40), keep=one.ravel() % 40).tobytes()
    )


def test_out_has_the_shape_of_the_rows():
    sampler = NegativeSampler(40, seed=2)
    shape = (3, 2, 4)
    out = Negatives(np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_))
    assert sampler.sample(np.zeros((3, 2), np.int64), 4, out=out) is out
    assert out.ids.tolist() == NegativeSampler(40, seed=2).sample([0] * 6, 4).ids.reshape(shape).tolist()
    with pytest.raises(ValueError, match=r"out.ids must have shape \(6, 4\), got \(3, 2, 4\)"):
        sampler.sample([0] * 6, 4, out=out)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (0,)])
def test_exclude_ids_may_be_the_same_for_all_rows(shape):
    rows = np.zeros(shape, np.int64)
    for few in (7, np.int32(7), np.array(7), [[7]], [[7, -1, 7]], [[7, 3, 1, 0]], -1, np.empty((1, 0), int)):
        each = np.broadcast_to(np.reshape(few, (1,) * len(shape) + (-1,)), (*shape, np.size(few)))
        got, wanted = (
            NegativeSampler(9, seed=1).sample(rows, 4, unique=True, exclude_ids=ids) for ids in (few, each)
        )
        assert got.ids.tobytes() == wanted.ids.tobytes()
        assert got.log_q.tobytes() == wanted.log_q.tobytes()


def test_ids_per_row_come_before_ids_for_all_rows():
    """An array of shape (1, m) for rows of shape (1, m) has one id per row."""
    got = NegativeSampler(2).sample([[0, 0]], 5, exclude_ids=[[0, 1]])
    assert got.ids.tolist() == [[[1] * 5, [0] * 5]]


# ---- unknown rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [12, cases.zipf(12)], ids=["uniform", "weights"])
def test_unknown_rows_have_no_exclusions(items):
    exclude = cases.csr([[0, 1, 2], [], list(range(11))])
    rows = np.array([0, 3, -1, 1, 2**63 - 1, -(2**63), 2, 7])
    known = np.array([0, 1, 1, 1, 1, 1, 2, 1])  # row 1 has no exclusions
    keys = np.arange(8)
    sampler = NegativeSampler(items, exclude=exclude, unknown_rows="none", seed=4)
    strict = NegativeSampler(items, exclude=exclude, seed=4)
    for more in ({}, {"exclude_ids": 5}, {"row_keys": keys}):
        for unique in (False, True):
            got, wanted = (
                s.sample(r, 3, unique=unique, on_exhausted="mask", **more)
                for s, r in ((sampler, rows), (strict, known))
            )
            for name in ("ids", "log_q", "mask"):
                assert getattr(got, name).tobytes() == getattr(wanted, name).tobytes()
    hits = sampler.accidental_hits(rows, np.arange(12))
    assert hits.tolist() == strict.accidental_hits(known, np.arange(12)).tolist()
    assert sampler.state_dict() == strict.state_dict()  # a state does not depend on unknown rows
    sampler.load_state_dict(strict.state_dict())
    assert repr(sampler) == repr(strict)
    copied = pickle.loads(pickle.dumps(sampler))
    assert copied.sample(rows, 2, on_exhausted="mask").ids.shape == (8, 2)
    with pytest.raises(IndexError, match=r"rows\[1\] must be in \[0, 3\), got 3"):
        strict.sample(rows, 3)


def test_unknown_rows_make_no_difference_without_exclusions():
    rows = [-5, 2**62, 0]
    both = [NegativeSampler(9, unknown_rows=how).sample(rows, 4).ids.tolist() for how in ("raise", "none")]
    assert both[0] == both[1]
    empty = NegativeSampler(9, exclude=([0], []), unknown_rows="none")
    assert empty.sample(rows, 4).ids.tolist() == both[0]


# ---- masks ------------------------------------------------------------------------------------------------


def test_masked_results_pass_through():
    sampler = NegativeSampler([5, 1, 1, 1], exclude=([0, 3], [0, 1, 2]))
    got = sampler.sample([0, 0], 3, unique=True, on_exhausted="mask")
    assert got.ids.tolist() == [[3, -1, -1]] * 2
    for table in (sampler, AliasTable([5, 1, 1, 1])):
        log_p = table.log_prob(got.ids, mask=got.mask)
        assert log_p[:, 0].tolist() == table.log_prob([3, 3]).tolist()
        assert log_p[:, 1:].tolist() == [[0.0, 0.0]] * 2
    assert AliasTable([5, 1, 1, 1]).prob(got.ids, mask=got.mask).tolist() == [[0.125, 0.0, 0.0]] * 2
    assert UniformTable(4).prob(got.ids, mask=got.mask).tolist() == [[0.25, 0.0, 0.0]] * 2
    hits = sampler.accidental_hits([0], [0, -1, 3, 1, 99], mask=[True, False, True, False, False])
    assert hits.tolist() == [[True, False, False, False, False]]
    with pytest.raises(IndexError, match=r"ids\[0, 1\] must be in \[0, 4\), got -1"):
        sampler.log_prob(got.ids)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, object, ">i4"])
def test_masks_do_not_change_what_they_are_given(dtype):
    ids, mask = np.array([3, 0, 100], dtype).tolist(), np.array([True, True, False])
    given = ids if dtype is object else np.array(ids, dtype)
    kept = np.array(given)
    assert AliasTable([1, 0, 1, 2]).prob(given, mask=mask).tolist() == [0.5, 0.25, 0.0]
    assert np.array(given).tolist() == kept.tolist()
    assert mask.tolist() == [True, True, False]
    assert AliasTable([1, 1]).prob(9, mask=False) == 0.0
