"""Shared negatives, and which of them hit a row's own positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import NegativeSampler
from support import cases, reference
from support.cases import EXACT


@settings(max_examples=100)
@given(st.data())
def test_shared_is_the_reference_on_anything(data):
    weight = st.sampled_from([0.0, 1e-200, 1e-9, 0.5, 1.0, 1.0, 3.0, 1e4, 1e9, 1e200])
    w = data.draw(st.lists(weight, min_size=1, max_size=12).filter(lambda w: sum(w) > 0), label="weights")
    uniform = data.draw(st.booleans(), label="uniform")
    table = reference.uniform_table(len(w)) if uniform else reference.alias_table(w)
    unique = data.draw(st.booleans(), label="unique")
    positive = sum(u > 0 for u in table.units)
    sampler = NegativeSampler(len(w) if uniform else np.array(w), seed=4, stream=6)
    sampler.set_epoch(8)
    for call in range(3):
        c = data.draw(st.integers(0, positive if unique else 2 * len(w)), label="C")
        ids, log_q, tries = reference.shared(table, c, unique=unique, seed=4, stream=6, epoch=8, call=call)
        answer = sampler.sample_shared(c, unique=unique)
        assert answer.ids.tolist() == ids.tolist()
        assert answer.log_q.tobytes() == log_q.tobytes()
        assert answer.num_tries == tries


# ---- shared negatives -------------------------------------------------------------------------------------


def test_shared_log_q_is_the_expected_count():
    for items, p in ((EXACT, [w / 16 for w in EXACT]), (8, [1 / 8] * 8)):
        sampler = NegativeSampler(items)
        plain = sampler.sample_shared(20, unique=False)
        assert plain.num_tries == 20
        np.testing.assert_allclose(plain.log_q, [math.log(20 * p[i]) for i in plain.ids], rtol=2e-7)
        for c in (1, 2, 4):
            shared = sampler.sample_shared(c)
            assert len(set(shared.ids.tolist())) == c <= shared.num_tries
            wanted = [math.log(-math.expm1(shared.num_tries * math.log1p(-p[i]))) for i in shared.ids]
            np.testing.assert_allclose(shared.log_q, wanted, rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("items", [[0, 5, 0, 1, 1e-9, 3], 4], ids=["table", "uniform"])
def test_shared_takes_everything_of_positive_weight_and_no_more(items):
    sampler = NegativeSampler(items)
    everything = list(range(4)) if items == 4 else [1, 3, 4, 5]
    for _ in range(20):
        assert sorted(sampler.sample_shared(4).ids.tolist()) == everything
    with pytest.raises(ValueError, match=r"num_samples.*4"):
        sampler.sample_shared(5)
    assert set(sampler.sample_shared(5, unique=False).ids.tolist()) <= set(everything)
    assert sampler.sample_shared(0).ids.shape == (0,)
    assert sampler.sample_shared(0).num_tries == 0
    with pytest.raises(ValueError, match="num_samples"):
        sampler.sample_shared(-1)


def test_shared_of_one_item():
    sampler = NegativeSampler([3.0])
    shared = sampler.sample_shared(1)
    assert (shared.ids.tolist(), shared.log_q.tolist(), shared.num_tries) == ([0], [0.0], 1)


def test_shared_does_not_care_about_rows_or_exclusions():
    plain, other = NegativeSampler(EXACT), NegativeSampler(EXACT, exclude=cases.csr([[0, 1, 2, 3]]))
    plain.sample([0] * 5, 3)
    assert plain.sample_shared(3).ids.tolist() == other.sample_shared(3).ids.tolist()


# ---- accidental hits --------------------------------------------------------------------------------------


def test_accidental_hits():
    draw = np.random.default_rng(4)
    lists = [draw.integers(0, 60, size).tolist() for size in (0, 1, 5, 40, 60, 200)]
    exclude = cases.csr(lists)
    sampler = NegativeSampler(60, exclude=exclude)
    rows = draw.integers(0, 6, 50)
    candidates = draw.integers(0, 60, 80)  # with repeats, on purpose
    hits = sampler.accidental_hits(rows, candidates)
    assert hits.dtype == np.bool_
    assert np.array_equal(hits, reference.accidental_hits(rows, candidates, exclude))
    assert hits.any()
    assert not hits.all()
    keep = draw.integers(0, 80, 50)
    assert np.array_equal(
        sampler.accidental_hits(rows, candidates, keep=keep),
        reference.accidental_hits(rows, candidates, exclude, keep),
    )
    assert sampler.accidental_hits([], candidates).shape == (0, 80)
    assert sampler.accidental_hits(rows, []).shape == (50, 0)


def test_in_batch_hits_mask_other_rows_positives_but_not_the_own_column():
    """Two rows with the same positive: each keeps its own column, and the other's same item is masked."""
    sampler = NegativeSampler(5, exclude=cases.csr([[2], [2, 4], [0]]))
    hits = sampler.accidental_hits([0, 1, 2], [2, 2, 0], keep=np.arange(3))
    assert hits.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_accidental_hits_refusals():
    sampler = NegativeSampler(5, exclude=cases.csr([[2], [4]]))
    for arguments, error, says in (
        (([2], [0]), IndexError, "rows"),
        (([0], [5]), IndexError, "candidate_ids"),
        (([0], [-1]), IndexError, "candidate_ids"),
        (([0], [0.0]), TypeError, "candidate_ids"),
        (([0], [[0]]), ValueError, "candidate_ids"),
    ):
        with pytest.raises(error, match=says):
            sampler.accidental_hits(*arguments)
    with pytest.raises(ValueError, match="keep"):
        sampler.accidental_hits([0], [1], keep=[0, 0])
    with pytest.raises(IndexError, match="keep"):
        sampler.accidental_hits([0], [1], keep=[1])
    assert not NegativeSampler(5).accidental_hits([0, 99], [1, 2]).any()
