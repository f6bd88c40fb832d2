"""Bad input to samplers of negatives raises a clear error.

The error has the right class, and names the argument, the first bad position, what was wanted and what came.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import equipoise
from equipoise import NegativeSampler
from support import cases
from support.answers import assert_other_errors_pass_through, assert_the_argument_is_named
from support.cases import EXACT, CudaTensor, Raising, RaisingTensor, five

CALLS = [
    (lambda: five().sample([0], 2**62), ValueError, "num_negatives must ask for fewer than 2.60 entries"),
    (lambda: five().sample_shared(2**62, unique=False), ValueError, "num_samples must ask for fewer than"),
    (lambda: equipoise.NegativeSampler(0), ValueError, "items must be in"),
    *(
        (
            lambda items=items: equipoise.NegativeSampler(items),
            TypeError,
            f"items must be an integer, an array of weights or a table, got {type(items).__name__}$",
        )
        for items in (2.5, None, {}, {1, 2}, "abc", True, object())
    ),
    (lambda: equipoise.NegativeSampler(2**70), ValueError, r"items must be in \[1, 4294967295\], got 1180"),
    (lambda: equipoise.NegativeSampler([1, -1]), ValueError, r"items\[1\] must be finite and >= 0, got -1"),
    (lambda: equipoise.NegativeSampler([[1], []]), ValueError, "items must be a rectangular array"),
    (
        lambda: equipoise.NegativeSampler(5, seed=-1),
        ValueError,
        r"seed must be in \[0, 18446744073709551615\], got -1",
    ),
    (lambda: equipoise.NegativeSampler(5, seed=2**64), ValueError, "seed must be in"),
    (lambda: equipoise.NegativeSampler(5, seed="1"), TypeError, "seed must be an integer, got str"),
    (lambda: equipoise.NegativeSampler(5, stream=1.0), TypeError, "stream must be an integer, got float"),
    (
        lambda: equipoise.NegativeSampler(5, exclude=[[0, 2], [1, 2]]),
        TypeError,
        "exclude must be a pair.*list",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=7),
        TypeError,
        r"exclude must be a pair \(indptr, indices\)",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 2, 1], [0, 1])),
        ValueError,
        r"exclude indptr\[2\] must be >= indptr\[1\] = 2, got 1",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([1, 2], [0, 1])),
        ValueError,
        r"exclude indptr\[0\] must be 0, got 1",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([], [])),
        ValueError,
        r"exclude indptr\[0\] must be 0, got an empty array",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 3], [0, 1])),
        ValueError,
        r"exclude indices must have at least indptr\[1\] = 3 entries, got 2",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 2], [0, 5])),
        IndexError,
        r"exclude indices\[1\] must be in \[0, 5\), got 5",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 1], [0.0])),
        TypeError,
        "exclude indices must be integers",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 1], [[0]])),
        ValueError,
        "exclude indices must be 1-D",
    ),
    (lambda: five().sample([0.0], 2), TypeError, "rows must be integers, got float64 array"),
    (lambda: five().sample([True], 2), TypeError, "rows must be integers, got bool array"),
    (lambda: five().sample([0, 3], 2), IndexError, r"rows\[1\] must be in \[0, 3\), got 3"),
    (lambda: five().sample([0, -1], 2), IndexError, r"rows\[1\] must be in \[0, 3\), got -1"),
    (
        lambda: five().sample([0, 2**64], 2),
        IndexError,
        r"rows\[1\] must be in \[0, 3\), got 18446744073709551616",
    ),
    (lambda: equipoise.NegativeSampler(5).sample([2**63], 2), IndexError, r"rows\[0\] must be in"),
    (lambda: equipoise.NegativeSampler(5).sample([-1, 2**64], 2), IndexError, r"rows\[1\] must be in"),
    (lambda: five().sample(CudaTensor(), 2), TypeError, "rows must be in CPU memory, got a CudaTensor"),
    (lambda: five().sample(0, 2), ValueError, "rows must have between 1 and 31 dimensions, got 0"),
    (
        lambda: five().sample(np.zeros((1,) * 32, np.int64), 2),
        ValueError,
        "rows must have between 1 and 31 dimensions, got 32",
    ),
    (lambda: five().sample([[0, 1], [0, 3]], 2), IndexError, r"rows\[1, 1\] must be in \[0, 3\), got 3"),
    (lambda: five().sample([0], -1), ValueError, "num_negatives must be >= 0, got -1"),
    (lambda: five().sample([0], 2.0), TypeError, "num_negatives must be an integer, got float"),
    (
        lambda: five().sample([0], 2, exclude_ids=[5]),
        IndexError,
        r"exclude_ids\[0\] must be in \[-1, 5\), got 5",
    ),
    (
        lambda: five().sample([0], 2, exclude_ids=[-2]),
        IndexError,
        r"exclude_ids\[0\] must be in \[-1, 5\), got -2",
    ),
    (
        lambda: five().sample([0], 2, exclude_ids=[1, 2]),
        ValueError,
        r"exclude_ids must be one id, or have shape \(1,\) or \(1, m\), got \(2,\)",
    ),
    (
        lambda: five().sample([0], 2, exclude_ids=[[[1]]]),
        ValueError,
        r"exclude_ids must be one id, or have shape \(1,\) or \(1, m\), got \(1, 1, 1\)",
    ),
    (
        lambda: five().sample([[0, 1, 0]] * 2, 2, exclude_ids=[[1, 2], [1, 2]]),
        ValueError,
        r"exclude_ids must be one id, or have shape \(2, 3\), \(2, 3, m\) or \(1, m\), got \(2, 2\)",
    ),
    (lambda: five().sample([0], 2, exclude_ids=5), IndexError, r"exclude_ids must be in \[-1, 5\), got 5"),
    (lambda: five().sample([0], 2, exclude_ids=[0.5]), TypeError, "exclude_ids must be integers"),
    (
        lambda: five().sample([0], 2, row_keys=[1, 2]),
        ValueError,
        r"row_keys must have shape \(1,\), that of rows, got \(2,\)",
    ),
    (lambda: five().sample([0], 2, row_keys=[1.0]), TypeError, "row_keys must be integers"),
    (lambda: five().sample([0], 2, row_keys=[2**64]), IndexError, r"row_keys\[0\] must be in \[-9.*, 18.*\)"),
    (lambda: five().sample([0], 2, row_keys=[-(2**63) - 1]), IndexError, r"row_keys\[0\] must be in"),
    (lambda: five().sample([0, 0], 2, row_keys=[2**63, 0.5]), TypeError, "row_keys must be integers"),
    (
        lambda: five().sample([0], 2, on_exhausted="skip"),
        ValueError,
        "on_exhausted must be 'raise', 'mask' or 'replace', got 'skip'",
    ),
    (
        lambda: five().sample([0], 2, on_exhausted=["mask"]),
        TypeError,
        "on_exhausted must be a string, got list",
    ),
    (
        lambda: five().sample([0], 2, on_exhausted="replace"),
        ValueError,
        "on_exhausted='replace' must come with unique=True",
    ),
    (lambda: five().sample([0], 2, unique="yes"), TypeError, "unique must be True or False, got str"),
    (
        lambda: five().sample([1, 0, 2], 1),
        ValueError,
        r"rows\[2\] = 2 has 0 ids of positive weight left, num_negatives=1",
    ),
    (
        lambda: five().sample([1, 0], 3, unique=True),
        ValueError,
        r"rows\[1\] = 0 has 2 ids of positive weight left, unique=True needs 3",
    ),
    (
        lambda: five().sample([[1, 1], [0, 1]], 3, unique=True),
        ValueError,
        r"rows\[1, 0\] = 0 has 2 ids of positive weight left, unique=True needs 3",
    ),
    (
        lambda: equipoise.NegativeSampler(2, exclude=([0, 1], [0]), unknown_rows="none").sample(
            [-7], 3, unique=True
        ),
        ValueError,
        r"rows\[0\] = -7 has 2 ids of positive weight left, unique=True needs 3",
    ),
    (
        lambda: equipoise.NegativeSampler(5, unknown_rows="skip"),
        ValueError,
        "unknown_rows must be 'raise' or 'none', got 'skip'",
    ),
    (
        lambda: equipoise.NegativeSampler(5, unknown_rows=None),
        TypeError,
        "unknown_rows must be a string, got NoneType",
    ),
    (
        lambda: five().log_prob([0, -1], mask=[True]),
        ValueError,
        r"mask must have shape \(2,\), that of ids, got \(1,\)",
    ),
    (lambda: five().log_prob([0, -1], mask=[1, 0]), TypeError, "mask must be a bool array, got int64 array"),
    (
        lambda: five().log_prob([0, -1], mask=[False, True]),
        IndexError,
        r"ids\[1\] must be in \[0, 5\), got -1",
    ),
    (
        lambda: five().accidental_hits([0], [0, -1], mask=[True, True]),
        IndexError,
        r"candidate_ids\[1\] must be in \[0, 5\), got -1",
    ),
    (
        lambda: five().accidental_hits([0], [0, -1], mask=[[True, True]]),
        ValueError,
        r"mask must have shape \(2,\), that of candidate_ids, got \(1, 2\)",
    ),
    (
        lambda: five().sample([2], 1, unique=True, on_exhausted="replace"),
        ValueError,
        r"rows\[0\] = 2 has 0 ids",
    ),
    (lambda: five().sample([0], 1, out=3), TypeError, "out must be a Negatives of arrays, got int"),
    (
        lambda: five().sample(
            [0], 1, out=equipoise.Negatives(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
        ),
        TypeError,
        "out.ids must be of dtype int64, got float64",
    ),
    (
        lambda: five().sample(
            [0], 1, out=equipoise.Negatives(np.zeros((1, 1), np.int64), np.zeros((1, 1)), np.zeros((1, 1)))
        ),
        TypeError,
        "out.log_q must be of dtype float32, got float64",
    ),
    (
        lambda: five().sample_shared(5),
        ValueError,
        "num_samples must be at most 4, the ids of positive weight.* got 5",
    ),
    (lambda: five().sample_shared(-1), ValueError, "num_samples must be >= 0, got -1"),
    (lambda: five().sample_shared(1.0), TypeError, "num_samples must be an integer"),
    (lambda: five().sample_shared(1, unique=1), TypeError, "unique must be True or False, got int"),
    (lambda: five().accidental_hits([3], [0]), IndexError, r"rows\[0\] must be in \[0, 3\), got 3"),
    (
        lambda: five().accidental_hits([0], [5]),
        IndexError,
        r"candidate_ids\[0\] must be in \[0, 5\), got 5",
    ),
    (
        lambda: five().accidental_hits([0], [0], keep=[1]),
        IndexError,
        r"keep\[0\] must be in \[0, 1\), got 1",
    ),
    (
        lambda: five().accidental_hits([0], [0], keep=[0, 0]),
        ValueError,
        r"keep must have shape \(1,\), that of rows, got \(2,\)",
    ),
    (lambda: five().accidental_hits([0], [0.0]), TypeError, "candidate_ids must be integers"),
    (lambda: five().set_epoch(-1), ValueError, r"epoch must be in \[0, 4294967295\], got -1"),
    (lambda: five().set_epoch(0.5), TypeError, "epoch must be an integer"),
    (lambda: five().load_state_dict(3), TypeError, "state must be a mapping"),
    (
        lambda: five().load_state_dict({}),
        ValueError,
        r"state\['sampler'\] must be 'NegativeSampler', got no such key",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "version": 1}),
        ValueError,
        r"state\['version'\] must be 2, that of this sampler, got 1",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "version": True}),
        ValueError,
        r"state\['version'\] must be 2, .* got True",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "fingerprint": np.array([1, 2])}),
        ValueError,
        r"state\['fingerprint'\] must be .* got array\(\[1, 2\]\)",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "rows_drawn": np.array([1, 2])}),
        TypeError,
        r"state\['rows_drawn'\] must be an integer, got int64 array",
    ),
    (
        lambda: five().load_state_dict(five(seed=1).state_dict()),
        ValueError,
        r"state\['fingerprint'\] must be",
    ),
    (
        lambda: five().load_state_dict(five(stream=1).state_dict()),
        ValueError,
        r"state\['fingerprint'\] must be",
    ),
    (
        lambda: five().load_state_dict(equipoise.NegativeSampler([4, 3, 2, 1, 0]).state_dict()),
        ValueError,
        "fingerprint",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "rows_drawn": -1}),
        ValueError,
        r"state\['rows_drawn'\] must be in",
    ),
    (
        lambda: five().load_state_dict({**five().state_dict(), "epoch": "0"}),
        TypeError,
        r"state\['epoch'\] must be an integer",
    ),
]


@pytest.mark.parametrize("case", range(len(CALLS)))
def test_bad_calls_are_refused(case):
    call, error, text = CALLS[case]
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("form", ["csc", "coo", "wide", "explicit zero"])
def test_bad_scipy_matrices_are_refused(form):
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    dense = np.array([[0, 1, 0], [1, 0, 1]])
    if form == "wide":
        with pytest.raises(
            ValueError, match=r"exclude must have 4 columns, one for each item, got shape \(2, 3\)"
        ):
            equipoise.NegativeSampler(4, exclude=sparse.csr_array(dense))
    elif form == "explicit zero":  # only the positions of the entries matter
        csr = sparse.csr_array((np.zeros(1), np.array([2]), np.array([0, 1])), shape=(1, 3))
        assert 2 not in equipoise.NegativeSampler(3, exclude=csr).sample([0], 50).ids
    else:
        with pytest.raises(
            TypeError, match=rf"exclude must be in CSR format, got '{form}': call .tocsr\(\) first"
        ):
            equipoise.NegativeSampler(3, exclude=getattr(sparse, f"{form}_array")(dense))
        got = equipoise.NegativeSampler(3, exclude=sparse.csr_array(dense)).sample([0, 1], 30).ids
        assert 1 not in got[0]
        assert set(got[1].tolist()) == {1}


def test_an_error_leaves_the_state_unchanged():
    s = five(seed=3)
    s.sample([0, 1], 2)
    before = json.dumps(s.state_dict())
    for call, error in (
        (lambda: s.sample([0, 2], 1), ValueError),
        (lambda: s.sample([9], 1), IndexError),
        (lambda: s.sample_shared(9), ValueError),
        (lambda: s.load_state_dict({"version": 1}), ValueError),
        (lambda: s.load_state_dict({**s.state_dict(), "epoch": 5, "rows_drawn": "x"}), TypeError),
        (lambda: s.set_epoch(-3), ValueError),
    ):
        with pytest.raises(error):
            call()
        assert json.dumps(s.state_dict()) == before


def test_bad_arguments_of_the_sampler_are_refused():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0]]))
    for rows in ([2], [-1], np.array([2**63], dtype=np.uint64)):
        with pytest.raises(IndexError, match="rows"):
            sampler.sample(rows, 1)
    for rows in ([0.0], [True], None, ["0"]):
        with pytest.raises(TypeError, match="rows"):
            sampler.sample(rows, 1)
    with pytest.raises(ValueError, match="rows"):
        sampler.sample(0, 1)
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


def test_rows_may_be_exhausted_by_exclude_ids_or_weights():
    sampler = NegativeSampler([0, 2, 0, 1], exclude=cases.csr([[3]]))
    assert sampler.sample([0], 1, exclude_ids=[2]).ids.tolist() == [[1]]
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0], 1, exclude_ids=[1])
    assert not sampler.sample([0], 3, exclude_ids=[1], on_exhausted="mask").mask.any()
    # A row without slots cannot be exhausted.
    assert sampler.sample([0], 0, exclude_ids=[1]).ids.shape == (1, 0)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_the_first_exhausted_row_is_named(n_threads):
    sampler = NegativeSampler(cases.zipf(9), exclude=cases.csr([[], range(9)]))
    rows = np.zeros(60_000, dtype=np.int64)
    rows[[59_999, 31_000, 12_345]] = 1
    with pytest.raises(ValueError, match=r"rows\[12345\]"):
        sampler.sample(rows, 4, n_threads=n_threads)


def test_bad_arguments_of_accidental_hits_are_refused():
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


def test_results_that_are_too_large_raise_memory_error():
    before = five().state_dict()
    s = five()
    for call in (
        lambda: equipoise.UniformTable(5).sample(2**50),
        lambda: s.sample([0], 2**50),
        lambda: s.sample_shared(2**50, unique=False),
    ):
        with pytest.raises(MemoryError):
            call()
    assert s.state_dict() == before


def test_a_tensor_on_an_unknown_device_is_refused():
    class NoDevice(RaisingTensor):
        def __dlpack_device__(self):
            return self.error

    with pytest.raises(TypeError, match="rows must be in CPU memory, got a NoDevice"):
        five().sample(NoDevice(RuntimeError()), 1)


WAYS = {
    "items": equipoise.NegativeSampler,
    "exclude indptr": lambda x: equipoise.NegativeSampler(5, exclude=(x, [0])),
    "exclude indices": lambda x: equipoise.NegativeSampler(5, exclude=([0, 1], x)),
    "seed": lambda x: equipoise.NegativeSampler(5, seed=x),
    "rows": lambda x: five().sample(x, 1),
    "num_negatives": lambda x: five().sample([0], x),
    "exclude_ids": lambda x: five().sample([0], 1, exclude_ids=x),
    "row_keys": lambda x: five().sample([0], 1, row_keys=x),
    "mask": lambda x: five().log_prob([0], mask=x),
    "n_threads": lambda x: five().sample([0], 1, n_threads=x),
    "num_samples": lambda x: five().sample_shared(x),
    "candidate_ids": lambda x: five().accidental_hits([0], x),
    "keep": lambda x: five().accidental_hits([0], [0], keep=x),
    "epoch": lambda x: five().set_epoch(x),
}


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_an_argument_that_raises_is_named(name, kind):
    assert_the_argument_is_named(WAYS[name], name, kind)


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_memory_errors_and_interrupts_pass_through(name, kind):
    assert_other_errors_pass_through(WAYS[name], kind)
