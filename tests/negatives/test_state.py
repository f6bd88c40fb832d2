"""Samplers of negatives can be resumed, copied and pickled: keys, counters, epochs and states."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from equipoise import AliasTable, LogUniformTable, NegativeSampler
from equipoise._runtime import state
from support import cases
from support.answers import equal
from support.cases import EXACT


def parts(sampler, rows, keys, order, step, **how):
    """Draw the same rows in another order and in batches of `step`, and restore the order."""
    ids, log_q = np.empty((len(rows), 5), dtype=np.int64), np.empty((len(rows), 5), dtype=np.float32)
    for at in range(0, len(order), step):
        some = order[at : at + step]
        answer = sampler.sample(rows[some], 5, row_keys=keys[some], **how)
        ids[some], log_q[some] = answer.ids, answer.log_q
    return ids, log_q


@pytest.mark.parametrize("items", ["table", "uniform"])
@pytest.mark.parametrize("unique", [False, True])
def test_keyed_rows_do_not_depend_on_their_batch(items, unique):
    n, b = 500, 400
    draw = np.random.default_rng(2)
    exclude = cases.csr([draw.integers(0, n, 30).tolist() for _ in range(50)])
    sampler = NegativeSampler(n if items == "uniform" else cases.zipf(n), exclude=exclude, seed=9)
    rows, keys = draw.integers(0, 50, b), draw.integers(-(2**62), 2**62, b)
    whole = sampler.sample(rows, 5, row_keys=keys, unique=unique)
    for step in (1, 7, 64, 400):
        ids, log_q = parts(sampler, rows, keys, draw.permutation(b), step, unique=unique)
        assert np.array_equal(ids, whole.ids)
        assert np.array_equal(log_q, whole.log_q)
    for n_threads in (2, 5):
        assert equal(sampler.sample(rows, 5, row_keys=keys, unique=unique, n_threads=n_threads), whole)


def test_the_same_key_twice_gives_the_same_words():
    sampler = NegativeSampler(cases.zipf(100))
    answer = sampler.sample([1, 2, 3], 6, row_keys=[44, 44, 45])
    assert answer.ids[0].tolist() == answer.ids[1].tolist() != answer.ids[2].tolist()


def test_keys_are_twos_complement():
    sampler = NegativeSampler(cases.zipf(100))
    signed = sampler.sample([0, 0], 6, row_keys=np.array([-1, -(2**63)]))
    unsigned = sampler.sample([0, 0], 6, row_keys=np.array([2**64 - 1, 2**63], dtype=np.uint64))
    assert equal(signed, unsigned)
    # A list may hold both extremes, for which NumPy has no integer dtype.
    mixed = sampler.sample([0] * 4, 6, row_keys=[-1, 2**63, 2**64 - 1, -(2**63)])
    assert mixed.ids.tolist() == [signed.ids[i].tolist() for i in (0, 1, 0, 1)]
    narrow = sampler.sample([0], 6, row_keys=np.array([-1], dtype=np.int8))
    assert narrow.ids.tolist() == signed.ids[:1].tolist()


def test_keyed_calls_do_not_advance_the_counter():
    one, two = NegativeSampler(cases.zipf(100)), NegativeSampler(cases.zipf(100))
    one.sample([0] * 10, 4, row_keys=range(10))
    one.sample_shared(3)
    assert equal(one.sample([0] * 3, 4), two.sample([0] * 3, 4))


@pytest.mark.parametrize("n_threads", [1, 4])
def test_counted_rows_do_not_depend_on_batches(n_threads):
    whole = NegativeSampler(cases.zipf(100), seed=1).sample([5] * 100, 4)
    sampler = NegativeSampler(cases.zipf(100), seed=1)
    split = [sampler.sample([5] * size, 4, n_threads=n_threads) for size in (1, 0, 30, 2, 67)]
    assert np.array_equal(np.concatenate([part.ids for part in split]), whole.ids)
    assert np.array_equal(np.concatenate([part.log_q for part in split]), whole.log_q)


def test_python_threads_share_a_sampler():
    """Keyed calls from eight threads, one of which makes the prefix sums, give the rows of one thread."""
    w = cases.pareto(20_000)
    exclude = cases.csr([np.argsort(w)[5:].tolist()])

    def sampler():
        return NegativeSampler(w, exclude=exclude, seed=3)

    shared, keys = sampler(), np.arange(4000).reshape(40, 100)
    rows = np.zeros(100, dtype=np.int64)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda some: shared.sample(rows, 3, row_keys=some), keys))
    alone = sampler().sample(np.zeros(4000, dtype=np.int64), 3, row_keys=keys.ravel())
    assert np.array_equal(np.concatenate([answer.ids for answer in answers]), alone.ids)
    # Counted calls use each number of a row once, in any order.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared.sample([0], 3).ids[0].tolist(), range(400)))
    assert sorted(answers) == sorted(sampler().sample([0] * 400, 3).ids.tolist())


def test_different_addresses_give_different_draws():
    """Change the seed, the stream, the epoch and the kind of key."""

    def ids(seed=0, stream=0, epoch=0, keys=None):
        sampler = NegativeSampler(10**9, seed=seed, stream=stream)
        sampler.set_epoch(epoch)
        return tuple(sampler.sample([0] * 3, 2, row_keys=keys).ids.ravel().tolist())

    keyed = [0, 1, 2]
    answers = [
        ids(),
        ids(seed=1),
        ids(seed=2**64 - 1),
        ids(stream=1),
        ids(stream=2**32),
        ids(epoch=1),
        ids(epoch=2**32 - 1),
        ids(keys=keyed),
        ids(keys=keyed, epoch=1),
        ids(keys=keyed, seed=1),
        ids(keys=keyed, stream=1),
    ]
    assert len(set(answers)) == len(answers)
    assert len({i for answer in answers for i in answer}) == 6 * len(answers)


def test_set_epoch_resets_the_counters():
    sampler = NegativeSampler(cases.zipf(100))
    first, shared = sampler.sample([0] * 5, 4), sampler.sample_shared(10)
    sampler.set_epoch(1)
    other = sampler.sample([0] * 5, 4)
    assert not np.array_equal(other.ids, first.ids)
    sampler.set_epoch(0)
    assert equal(sampler.sample([0] * 5, 4), first)
    assert sampler.sample_shared(10).ids.tolist() == shared.ids.tolist()
    for epoch in (-1, 2**32):
        with pytest.raises(ValueError, match="epoch"):
            sampler.set_epoch(epoch)
    with pytest.raises(TypeError, match="epoch"):
        sampler.set_epoch(1.0)


def make(**other):
    configuration = {
        "items": cases.zipf(100),
        "exclude": cases.csr([[1, 2], [3]]),
        "seed": 6,
        "stream": 2,
    } | other
    return NegativeSampler(configuration.pop("items"), **configuration)


def test_state_survives_json():
    sampler = make()
    sampler.set_epoch(3)
    sampler.sample([0, 1, 1], 4)
    sampler.sample_shared(5)
    state = json.loads(json.dumps(sampler.state_dict()))
    wanted = sampler.sample([1, 0], 4), sampler.sample_shared(5)
    fresh = make()
    fresh.load_state_dict(state)
    assert equal(fresh.sample([1, 0], 4), wanted[0])
    assert fresh.sample_shared(5).ids.tolist() == wanted[1].ids.tolist()
    # The state belongs to the caller, and later draws do not change it.
    again = make()
    again.load_state_dict(state)
    assert equal(again.sample([1, 0], 4), wanted[0])


@pytest.mark.parametrize(
    "other",
    [
        {"items": cases.zipf(101)},
        {"items": cases.zipf(100) ** 2},
        {"items": 100},
        {"exclude": None},
        {"exclude": cases.csr([[1, 2], [4]])},
        {"exclude": cases.csr([[1], [2, 3]])},
        {"seed": 7},
        {"stream": 3},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_foreign_state_is_refused(other):
    state = make().state_dict()
    foreign = make(**other)
    before = foreign.state_dict()
    with pytest.raises(ValueError, match="state"):
        foreign.load_state_dict(state)
    assert foreign.state_dict() == before


def test_a_state_fits_the_same_configuration_in_another_form():
    state = make().state_dict()
    make(items=AliasTable(cases.zipf(100))).load_state_dict(state)
    make(exclude=cases.csr([[2, 1, 2], [3, 3]])).load_state_dict(state)


def test_malformed_states_are_refused():
    good = make().state_dict()
    for bad in (
        {},
        {**good, "version": 99},
        *({k: v for k, v in good.items() if k != gone} for gone in good),
    ):
        with pytest.raises(ValueError, match="state"):
            make().load_state_dict(bad)
    for bad in (None, [], "state", 3):
        with pytest.raises(TypeError, match="state"):
            make().load_state_dict(bad)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_independent(copied):
    sampler = make()
    sampler.set_epoch(2)
    sampler.sample([0], 4)
    other = copied(sampler)
    wanted = sampler.sample([0, 1], 4)
    sampler.sample([0] * 9, 4)
    assert equal(other.sample([0, 1], 4), wanted)


@pytest.mark.parametrize(
    "items",
    [cases.zipf(100), 100, AliasTable(cases.zipf(100)), LogUniformTable(100)],
    ids=lambda x: type(x).__name__,
)
def test_equal_samplers_have_equal_pickles(items):
    """Pickles leave out what a sampler can compute again."""
    exclude = cases.csr([[1, 2], range(99)])
    used, fresh = (
        make(items=items, exclude=exclude),
        make(items=pickle.loads(pickle.dumps(items)), exclude=exclude),
    )
    new = pickle.dumps(fresh)
    assert pickle.dumps(used) == new
    used.sample([0, 1], 50, unique=True, on_exhausted="mask", row_keys=[0, 1])  # with prefix sums
    used.log_prob([1])
    used.state_dict()
    assert pickle.dumps(used) == new
    used.sample([0, 0], 3)
    used.sample_shared(5)
    moved = pickle.dumps(used)
    assert moved != new
    fresh.load_state_dict(used.state_dict())
    assert pickle.dumps(fresh) == moved
    again = pickle.loads(moved)
    assert pickle.dumps(again) == moved
    assert equal(again.sample([0], 4), used.sample([0], 4))
    used.set_epoch(0)
    assert pickle.dumps(used) == new


def test_pickles_of_another_process_are_the_same():
    program = (
        "import hashlib, pickle, numpy as np, equipoise\n"
        "s = equipoise.NegativeSampler(1 / np.arange(1, 101), exclude=([0, 2, 3], [1, 2, 3]), seed=6)\n"
        "print(hashlib.sha256(pickle.dumps(s)).hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]


def test_a_mapped_table_keeps_the_sampler_small(tmp_path):
    AliasTable(cases.pareto(100_000)).save(tmp_path / "table")
    sampler = NegativeSampler(AliasTable.load(tmp_path / "table", mmap=True))
    pickled = pickle.dumps(sampler)
    assert len(pickled) < 4000
    assert equal(pickle.loads(pickled).sample([1], 9), sampler.sample([1], 9))


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_outlive_the_file_of_a_mapped_table(copied, tmp_path):
    """Mapped pages stay available without the file. Only a pickle needs the file."""
    AliasTable(cases.pareto(1000)).save(tmp_path / "table")
    table = AliasTable.load(tmp_path / "table")
    sampler = NegativeSampler(table, seed=1)
    (tmp_path / "table").unlink()
    wanted = table.sample(50, rng=1).tolist()
    assert copied(table).sample(50, rng=1).tolist() == wanted
    other = copied(sampler)
    assert equal(other.sample([1], 9), sampler.sample([1], 9))
    with pytest.raises(OSError, match="table"):
        pickle.loads(pickle.dumps(table))


def test_the_fingerprint_is_computed_once(monkeypatch):
    sampler = NegativeSampler([1, 2, 3], exclude=([0, 1], [0]))
    first = sampler.state_dict()
    monkeypatch.setattr("hashlib.blake2b", None)
    assert sampler.state_dict() == first
    sampler.load_state_dict(first)


def test_a_failed_call_changes_nothing():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    untouched = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0, 1], 3)
    with pytest.raises(ValueError, match="num_samples"):
        sampler.sample_shared(5)
    assert equal(sampler.sample([0], 9), untouched.sample([0], 9))
    assert sampler.sample_shared(3).ids.tolist() == untouched.sample_shared(3).ids.tolist()


def test_exclusions_take_4_bytes_per_pair_and_16_per_row():
    rows, each = 1000, 30
    indices = np.random.default_rng(0).integers(0, 300, (rows, each))  # with duplicates
    sampler = NegativeSampler(
        np.ones(300), exclude=(np.arange(0, rows * each + 1, each), indices.reshape(-1))
    )
    held = [a for a in vars(sampler).values() if isinstance(a, np.ndarray)]
    distinct = sum(len(set(row)) for row in indices.tolist())
    assert sum(a.nbytes for a in held) == 4 * distinct + 16 * rows + 8
    assert all(a.base is None for a in held)


def test_a_forked_child_gets_a_new_lock():
    if not hasattr(os, "fork"):
        return  # not supported on this platform
    sampler = make()
    with state.Sampler._lock:
        child = os.fork()
        if child == 0:
            import signal

            signal.alarm(20)
            os._exit(0 if sampler.sample([0], 1).ids.shape == (1, 1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_the_last_rows_taken_can_be_given_back():
    sampler = make()
    taken = []
    sampler._take("_rows_drawn", 5, taken)
    sampler._take("_rows_drawn", 3, [])
    sampler._give_back("_rows_drawn", taken, 5)
    assert sampler.state_dict()["rows_drawn"] == 8
    sampler._give_back("_rows_drawn", [5], 3)
    assert sampler.state_dict()["rows_drawn"] == 5


def test_counters_are_taken_under_the_lock():
    sampler = make()
    with state.Sampler._lock:
        other = threading.Thread(target=sampler.sample, args=([0], 1))
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert sampler.state_dict()["rows_drawn"] == 0
    other.join()
    assert sampler.state_dict()["rows_drawn"] == 1
