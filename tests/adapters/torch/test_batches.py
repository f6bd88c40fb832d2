"""ClassBalancedBatchSampler in data loaders: the same batches for any workers and ranks, and passes."""

from __future__ import annotations

import copy
import json
import pickle
import time

import numpy as np
import pytest

from equipoise.orders import ClassBatches

torch = pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, RandomSampler, Sampler  # noqa: E402

from equipoise.torch import ClassBalancedBatchSampler  # noqa: E402

Y = np.random.default_rng(0).choice(3, 1000, p=[0.9, 0.03, 0.07])
TIMEOUT = 60


def sampler(batch_size=32, **how):
    return ClassBalancedBatchSampler(Y, batch_size, **{"seed": 5, **how})


def epoch_of(epoch, batch_size=32, batches=None, **how):
    """Return the batches of an epoch, as lists."""
    made = ClassBatches(Y, batch_size, **{"seed": 5, **how})
    return made.rows(range(-(-len(Y) // batch_size) if batches is None else batches), epoch).tolist()


def loader_of(batches, workers=0, **how):
    more = {"timeout": TIMEOUT, **how} if workers else {}
    return DataLoader(torch.arange(len(Y)), batch_sampler=batches, num_workers=workers, **more)


def read(loader):
    return [batch.tolist() for batch in loader]


# ---- what a loader sees ------------------------------------------------------------------------------------


def test_it_is_a_batch_sampler_of_python_integers():
    made = sampler()
    assert isinstance(made, BatchSampler)
    assert not isinstance(made.sampler, RandomSampler)
    assert not hasattr(made, "generator")
    assert not hasattr(made.sampler, "generator")
    assert (made.batch_size, made.drop_last, len(made)) == (32, False, 32)
    batches = list(made)
    assert len(batches) == len(made)
    assert {type(row) for batch in batches for row in batch} == {int}
    assert {type(batch) for batch in batches} == {list}
    assert {len(batch) for batch in batches} == {32}
    assert made.classes.tolist() == [0, 1, 2]
    assert " at 0x" not in repr(made) + repr(made.sampler)


def test_the_quotas_are_those_of_the_classes():
    labels = Y[np.array(list(sampler(30)))]
    assert (np.array([(labels == c).sum(axis=1) for c in range(3)]) == 10).all()
    labels = Y[np.array(list(sampler(32)))]
    for c in range(3):
        of_class = (labels == c).sum(axis=1)
        assert set(of_class.tolist()) == {10, 11}
        assert (np.abs(of_class.cumsum() - np.arange(1, 33) * 32 / 3) < 1).all()


def test_halves_of_batches_are_mixed():
    """Accelerate's ``split_batches`` gives rank 0 the first half and rank 1 the second one."""
    labels = Y[np.array(list(sampler(64, class_probs=[0.5, 0.25, 0.25])))]
    share = (labels[:, :32] == 0).mean()
    assert 0.4 < share < 0.6
    assert not (labels == np.sort(labels, axis=1)).all(axis=1).any()


slow = pytest.mark.slow  # each epoch starts processes that import torch anew
WORKERS = [
    (0, None, False),
    (1, "fork", False),
    (2, "fork", False),
    (2, "fork", True),
    (8, "fork", True),
    pytest.param(2, "forkserver", True, marks=slow),
    pytest.param(2, "spawn", True, marks=slow),
    pytest.param(8, "fork", False, marks=slow),
    pytest.param(2, "forkserver", False, marks=slow),
    pytest.param(2, "spawn", False, marks=slow),
]


@pytest.mark.parametrize(("workers", "method", "persistent"), WORKERS)
def test_workers_do_not_matter(workers, method, persistent):
    loader = loader_of(sampler(), workers, multiprocessing_context=method, persistent_workers=persistent)
    for epoch in range(3):
        assert read(loader) == epoch_of(epoch)


def test_each_pass_is_the_next_epoch_unless_it_was_set():
    made = sampler()
    loader = loader_of(made)
    iter(loader)
    iter(made)
    assert read(loader) == epoch_of(0)
    assert read(loader) == epoch_of(1)
    assert made.epoch == 1
    next(iter(loader))  # a pass that is left
    assert (made.epoch, made.position) == (2, 1)
    made.sampler.set_epoch(7)
    assert read(loader) == epoch_of(7)
    assert read(loader) == epoch_of(8)


def test_the_rows_of_sampler_are_those_of_the_batches():
    made = sampler()
    assert list(made.sampler) == np.ravel(epoch_of(0)).tolist()
    assert len(made.sampler) == 32 * 32
    assert isinstance(made.sampler, Sampler)
    assert list(made) == epoch_of(1)


# ---- ranks and ends of epochs ------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_share_the_order(ranks, drop_last):
    """Ranks have equally many batches. The last ones go on behind the epoch's end, or are left out."""
    made = [sampler(num_replicas=ranks, rank=r, drop_last=drop_last) for r in range(ranks)]
    total = 31 if drop_last else 32
    each = total // ranks if drop_last else -(-total // ranks)
    whole = epoch_of(0, batches=each * ranks)
    assert [len(one) for one in made] == [each] * ranks
    assert [list(one) for one in made] == [whole[r::ranks] for r in range(ranks)]
    assert {one.position for one in made} == {total}


def test_drop_last_leaves_out_the_last_rows():
    assert [len(ClassBalancedBatchSampler(Y, b, drop_last=True)) for b in (1, 999, 1000, 1001)] == [
        1000,
        1,
        1,
        0,
    ]
    assert [len(ClassBalancedBatchSampler(Y, b)) for b in (1, 999, 1000, 1001)] == [1000, 2, 1, 1]
    assert list(ClassBalancedBatchSampler(Y, 1001, drop_last=True)) == []
    assert [len(batch) for batch in ClassBalancedBatchSampler([0, 1], 5)] == [5]


# ---- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [(1, 1), (4, 4), (4, 2), (4, 5), (2, 1)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_pass_resumes_on_other_ranks(ranks, drop_last):
    before, after = ranks
    made = [sampler(num_replicas=before, rank=r, drop_last=drop_last) for r in range(before)]
    for one in made:
        one.set_epoch(3)
        items = iter(one)
        for _ in range(3):
            next(items)
    states = [json.loads(json.dumps(one.state_dict())) for one in made]
    assert states == [states[0]] * before
    assert (states[0]["epoch"], states[0]["position"]) == (3, 3 * before)
    resumed = [sampler(num_replicas=after, rank=r, drop_last=drop_last) for r in range(after)]
    for one in resumed:
        one.load_state_dict(states[0])
        one.set_epoch(3)
    left = (31 if drop_last else 32) - 3 * before
    each = left // after if drop_last else -(-left // after)
    rest = epoch_of(3, batches=50)[3 * before :]
    assert [list(one) for one in resumed] == [rest[r : each * after : after] for r in range(after)]
    following = epoch_of(4, batches=50)
    assert [list(one) for one in resumed] == [
        following[r : len(one) * after : after] for r, one in enumerate(resumed)
    ]


def test_the_position_may_be_set_to_what_was_trained_on():
    made = sampler()
    batches = iter(loader_of(made, 2))
    for _ in range(3):
        next(batches)
    assert made.position > 3  # workers read ahead
    made.position = 3
    other = sampler()
    other.load_state_dict(made.state_dict())
    assert list(other) == epoch_of(0)[3:]


def test_a_state_of_other_settings_is_refused():
    state = sampler().state_dict()
    others = [sampler(31), sampler(seed=6), sampler(class_probs="sqrt"), sampler(drop_last=True)]
    others += [sampler(schedule=lambda epoch: "balanced"), ClassBalancedBatchSampler(Y[::-1], 32, seed=5)]
    for other in others:
        with pytest.raises(ValueError, match=r"^state\['fingerprint'\] must be"):
            other.load_state_dict(state)
    sampler(num_replicas=3, rank=2).load_state_dict(state)


def test_states_take_no_time():
    made = ClassBalancedBatchSampler(np.arange(200_000) % 2, 32)
    made.state_dict()
    assert min(timed(made.state_dict) for _ in range(20)) < 50e-6


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_on_where_the_sampler_stands(way):
    made = sampler()
    items = iter(made)
    for _ in range(4):
        next(items)
    other = way(made)
    assert (other.epoch, other.position) == (0, 4)
    assert list(other) == epoch_of(0)[4:]
    other.sampler.set_epoch(9)
    assert (other.epoch, made.epoch) == (9, 0)
    assert next(items) == epoch_of(0)[4]


# ---- schedules and errors ----------------------------------------------------------------------------------


def test_a_schedule_is_asked_for_the_epoch_of_the_pass():
    made = sampler(30, schedule=lambda epoch: {0: 1 - epoch / 10, 1: epoch / 10, 2: 0})
    for epoch in (0, 1, 2):
        labels = Y[np.array(list(made))]
        assert (labels == 1).sum() == round(len(made) * 30 * epoch / 10)
        assert not (labels == 2).any()
    made.set_epoch(11)
    with pytest.raises(ValueError, match=r"^schedule\(11\)\[0\] must be finite and >= 0, got -0\.1"):
        next(iter(made))


def test_order_is_that_of_all_ranks():
    made = sampler(num_replicas=2, rank=1)
    assert made.order(0, 32).tolist() == epoch_of(0)
    assert made.order(3, 5, 8).tolist() == epoch_of(8)[3:5]
    assert made.order(4, 4).shape == (0, 32)
    for bad in ((5, 4), (0, 33), (-1, 2)):
        with pytest.raises(ValueError, match=r"^st(art|op) must be in"):
            made.order(*bad)


@pytest.mark.parametrize("given", [DistributedSampler(range(9), 2, 0), RandomSampler(range(9)), sampler()])
def test_a_sampler_in_the_place_of_labels_is_refused(given):
    """Lightning makes batch samplers anew, with its own sampler as the first argument."""
    text = rf"^y must be the labels of the rows, got a sampler \({type(given).__name__}\).*"
    with pytest.raises(TypeError, match=text + "use_distributed_sampler=False.*Prediction"):
        ClassBalancedBatchSampler(given, batch_size=4, drop_last=False)


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ({"rank": 1}, ValueError, r"^rank must be in \[0, 0\], got 1$"),
        ({"num_replicas": 0}, ValueError, r"^num_replicas must be in \[1, 2147483647\], got 0$"),
        ({"drop_last": 1}, TypeError, "^drop_last must be True or False, got int$"),
        ({"batch_size": 0}, ValueError, "^batch_size must be in"),
        ({"seed": 2**64}, ValueError, "^seed must be in"),
        (
            {"y": [0.5, "a"]},
            TypeError,
            "^y must be integers, booleans, strings or .*floats, got float and str$",
        ),
        (
            {"class_probs": {0: 0.5, 1: 0.5}},
            ValueError,
            "^class_probs must have a probability",
        ),
    ],
)
def test_bad_arguments(how, error, text):
    with pytest.raises(error, match=text):
        ClassBalancedBatchSampler(**{"y": Y, "batch_size": 4, **how})
