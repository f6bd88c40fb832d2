"""Negatives: forms of exclusions, exhausted rows, ``out``, shapes, refusals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from equipoise import Negatives, NegativeSampler
from support import cases
from support.answers import equal, within
from support.cases import EXACT

# ---- exclusion --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_exclude_of_any_integer_dtype(dtype):
    lists = [[3, 1], [], [0, 2, 0]]
    indptr, indices = cases.csr(lists, dtype)
    wanted = NegativeSampler(EXACT, exclude=cases.csr(lists)).sample([0, 1, 2], 5)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1, 2], 5), wanted)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices.tolist())).sample([0, 1, 2], 5), wanted)
    bad = indices.copy()
    bad[1] = 4
    with pytest.raises(IndexError, match="exclude"):
        NegativeSampler(EXACT, exclude=(indptr, bad))


def test_exclude_is_not_written_to_and_not_looked_at_again():
    indptr, indices = cases.csr([[3, 1, 3], [0]])
    before = indices.copy()
    sampler = NegativeSampler(EXACT, exclude=(indptr, indices))
    assert np.array_equal(indices, before)
    indices[:] = 2
    indptr[1] = 0
    answer = sampler.sample([0] * 100, 4)
    assert set(answer.ids.ravel().tolist()) == {0, 2}


def test_exclude_as_a_scipy_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    indptr, indices = cases.csr([[3, 1], [0]])
    matrix = sparse.csr_matrix((np.zeros(3), indices, indptr), shape=(2, 4))
    wanted = NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1], 5)
    assert equal(NegativeSampler(EXACT, exclude=matrix).sample([0, 1], 5), wanted)
    with pytest.raises(ValueError, match="exclude"):
        NegativeSampler(5, exclude=matrix)
    with pytest.raises(TypeError, match="exclude"):
        NegativeSampler(4, exclude=matrix.tocsc())


def test_exclude_ids_of_one_column():
    sampler = NegativeSampler(EXACT)
    keys = [1, 2, 3]
    flat = sampler.sample([0, 1, 2], 5, exclude_ids=[3, -1, 0], row_keys=keys)
    assert equal(flat, sampler.sample([0, 1, 2], 5, exclude_ids=[[3], [-1], [0]], row_keys=keys))
    assert 3 not in flat.ids[0]
    assert 0 not in flat.ids[2]
    none = sampler.sample([0, 1, 2], 5, exclude_ids=[-1, -1, -1], row_keys=keys)
    assert equal(none, sampler.sample([0, 1, 2], 5, row_keys=keys))


# ---- exhausted rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [[1, 0, 2, 3], 4], ids=["table", "uniform"])
def test_on_exhausted(items):
    all_of_it = list(range(4))
    sampler = NegativeSampler(items, exclude=cases.csr([[], all_of_it, [0, 1], [0, 1, 2]]))
    for unique in (False, True):
        with pytest.raises(ValueError, match=r"row 1\b|rows\[\d\].*\b1\b"):
            sampler.sample([0, 1], 2, unique=unique)
        masked = sampler.sample([0, 1], 2, unique=unique, on_exhausted="mask")
        assert masked.mask.tolist() == [[True, True], [False, False]]
        assert masked.ids[1].tolist() == [-1, -1]
        assert masked.log_q[1].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"\b3\b.*\b1\b"):
        sampler.sample([3], 2, unique=True)
    part = sampler.sample([2, 3], 4, unique=True, on_exhausted="mask")
    assert part.mask.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert sorted(part.ids[0, :2].tolist()) == [2, 3]
    assert part.ids[1].tolist() == [3, -1, -1, -1]
    again = sampler.sample([2, 3], 60, unique=True, on_exhausted="replace")
    assert again.mask.all()
    assert sorted(again.ids[0, :2].tolist()) == [2, 3]
    assert set(again.ids[0, 2:].tolist()) == {2, 3}
    assert set(again.ids[1].tolist()) == {3}
    p = [Fraction(w, 5) for w in (0, 0, 2, 3)] if items != 4 else [Fraction(1, 2)] * 4
    assert all(within(log_q, p[i]) for i, log_q in zip(again.ids[0, 2:], again.log_q[0, 2:], strict=True))
    with pytest.raises(ValueError, match=r"\b1\b"):
        sampler.sample([1], 1, unique=True, on_exhausted="replace")


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_the_first_exhausted_row_is_named(n_threads):
    sampler = NegativeSampler(cases.zipf(9), exclude=cases.csr([[], range(9)]))
    rows = np.zeros(60_000, dtype=np.int64)
    rows[[59_999, 31_000, 12_345]] = 1
    with pytest.raises(ValueError, match=r"rows\[12345\]"):
        sampler.sample(rows, 4, n_threads=n_threads)


def test_exhausted_by_exclude_ids_and_by_weights():
    sampler = NegativeSampler([0, 2, 0, 1], exclude=cases.csr([[3]]))
    assert sampler.sample([0], 1, exclude_ids=[2]).ids.tolist() == [[1]]
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0], 1, exclude_ids=[1])
    assert not sampler.sample([0], 3, exclude_ids=[1], on_exhausted="mask").mask.any()
    # Nothing is asked of an exhausted row without slots.
    assert sampler.sample([0], 0, exclude_ids=[1]).ids.shape == (1, 0)


def test_a_call_that_raises_leaves_everything_as_it_was():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    untouched = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0, 1], 3)
    with pytest.raises(ValueError, match="num_samples"):
        sampler.sample_shared(5)
    assert equal(sampler.sample([0], 9), untouched.sample([0], 9))
    assert sampler.sample_shared(3).ids.tolist() == untouched.sample_shared(3).ids.tolist()


# ---- out, shapes, refusals --------------------------------------------------------------------------------


def test_out():
    sampler = NegativeSampler(cases.zipf(100))
    wanted = sampler.sample([0, 1], 3, row_keys=[5, 6])
    out = Negatives(np.full((2, 3), -7), np.full((2, 3), np.nan, np.float32), np.zeros((2, 3), bool))
    assert sampler.sample([0, 1], 3, row_keys=[5, 6], out=out) is out
    assert equal(out, wanted)
    for field, bad, error in (
        ("ids", np.zeros((2, 3), np.int32), TypeError),
        ("log_q", np.zeros((2, 3)), TypeError),
        ("mask", np.zeros((2, 3), np.uint8), TypeError),
        ("ids", np.zeros((3, 2), np.int64), ValueError),
        ("log_q", np.zeros((2, 6), np.float32)[:, ::2], ValueError),
        ("mask", np.zeros(6, bool), ValueError),
    ):
        fields = {"ids": out.ids, "log_q": out.log_q, "mask": out.mask} | {field: bad}
        with pytest.raises(error, match=field):
            sampler.sample([0, 1], 3, out=Negatives(**fields))
    with pytest.raises(TypeError, match="out"):
        sampler.sample([0, 1], 3, out=(out.ids, out.log_q, out.mask))


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    w, exclude = cases.zipf(100), cases.csr([[3], [1, 2]])
    wanted = NegativeSampler(w, exclude=exclude).sample([0, 1], 3, exclude_ids=[5, -1], row_keys=[8, 9])
    sampler = NegativeSampler(torch.tensor(w), exclude=tuple(torch.tensor(part) for part in exclude))
    out = Negatives(
        torch.zeros(2, 3, dtype=torch.int64).numpy(), np.zeros((2, 3), np.float32), np.zeros((2, 3), bool)
    )
    answer = sampler.sample(
        torch.tensor([0, 1]),
        3,
        exclude_ids=torch.tensor([5, -1], dtype=torch.int32),
        row_keys=torch.tensor([8, 9]),
        out=out,
    )
    assert answer is out
    assert equal(out, wanted)
    with pytest.raises(TypeError, match="rows"):
        sampler.sample(torch.tensor([0.0]), 3)


def test_answers_are_frozen_and_writable_inside():
    answer = NegativeSampler(9).sample([0, 1], 3)
    with pytest.raises(AttributeError):
        answer.ids = None
    for array in (answer.ids, answer.log_q, answer.mask):
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.shape == (2, 3)
    for shape in ((0, 3), (2, 0), (0, 0)):
        assert NegativeSampler(9).sample([0] * shape[0], shape[1]).ids.shape == shape


def test_refusals():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0]]))
    for rows in ([2], [-1], np.array([2**63], dtype=np.uint64)):
        with pytest.raises(IndexError, match="rows"):
            sampler.sample(rows, 1)
    for rows in ([0.0], [True], None, ["0"]):
        with pytest.raises(TypeError, match="rows"):
            sampler.sample(rows, 1)
    with pytest.raises(ValueError, match="rows"):
        sampler.sample([[0, 1]], 1)
    with pytest.raises(ValueError, match="num_negatives"):
        sampler.sample([0], -1)
    with pytest.raises(TypeError, match="num_negatives"):
        sampler.sample([0], 1.0)
    for bad in ([4], [-2], [[0, 4]]):
        with pytest.raises(IndexError, match="exclude_ids"):
            sampler.sample([0], 1, exclude_ids=bad)
    for bad in ([0, 1], [[[0]]]):
        with pytest.raises(ValueError, match="exclude_ids"):
            sampler.sample([0], 1, exclude_ids=bad)
    with pytest.raises(TypeError, match="exclude_ids"):
        sampler.sample([0], 1, exclude_ids=[0.0])
    with pytest.raises(ValueError, match="row_keys"):
        sampler.sample([0], 1, row_keys=[0, 1])
    with pytest.raises(TypeError, match="row_keys"):
        sampler.sample([0], 1, row_keys=[0.5])
    with pytest.raises(ValueError, match="on_exhausted"):
        sampler.sample([0], 1, on_exhausted="ignore")
    with pytest.raises(ValueError, match="seed"):
        NegativeSampler(4, seed=-1)
    with pytest.raises(ValueError, match="stream"):
        NegativeSampler(4, stream=2**64)
    for indptr, error in (
        ([1, 2], ValueError),
        ([0, 2, 1, 2], ValueError),
        ([0, 3], ValueError),
        ([0.0, 2.0], TypeError),
    ):
        with pytest.raises(error, match="exclude"):
            NegativeSampler(4, exclude=(indptr, [0, 1]))
    for indices in ([0, 4], [0, -1]):
        with pytest.raises(IndexError, match="exclude"):
            NegativeSampler(4, exclude=([0, 2], indices))


# ---- memory and upkeep ------------------------------------------------------------------------------------


def test_exclusions_take_4_bytes_a_pair_and_16_a_row():
    rows, each = 1000, 30
    indices = np.random.default_rng(0).integers(0, 300, (rows, each))  # with duplicates
    sampler = NegativeSampler(
        np.ones(300), exclude=(np.arange(0, rows * each + 1, each), indices.reshape(-1))
    )
    held = [a for a in vars(sampler).values() if isinstance(a, np.ndarray)]
    distinct = sum(len(set(row)) for row in indices.tolist())
    assert sum(a.nbytes for a in held) == 4 * distinct + 16 * rows + 8
    assert all(a.base is None for a in held)
