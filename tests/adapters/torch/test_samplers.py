"""Weighted samplers: what they yield, for any ranks, and how they look to loaders and trainers."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import tracemalloc

import numpy as np
import pytest

from support import reference

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.data import BatchSampler, DataLoader, Sampler  # noqa: E402
from torch.utils.data.distributed import DistributedSampler  # noqa: E402

from equipoise.torch import DistributedWeightedSampler, WeightedSampler  # noqa: E402

W = np.random.default_rng(0).pareto(1.0, 300) * (np.arange(300) % 7 > 0)
POSITIVE = int(np.count_nonzero(W))


def wanted(replacement, seed, epoch, stop):
    if replacement:
        return reference.weighted_order(W, seed, epoch, 0, stop)
    return reference.race_order(W, seed, epoch)[:stop]


@pytest.mark.parametrize("replacement", [True, False])
def test_a_pass_is_the_order_of_its_epoch(replacement):
    sampler = WeightedSampler(W, 200, replacement, seed=3)
    for epoch in range(3):
        assert list(sampler) == wanted(replacement, 3, epoch, 200)
        assert (sampler.epoch, sampler.position) == (epoch, 200)
    assert sampler.order(17, 60, 1).tolist() == wanted(replacement, 3, 1, 60)[17:]
    assert sampler.order(0, 200).tolist() == wanted(replacement, 3, 2, 200)
    assert sampler.order(9, 9).dtype == np.int64
    assert sampler.order(200, 200).size == 0


@pytest.mark.parametrize("replacement", [True, False])
def test_fewer_draws_are_the_first_of_more(replacement):
    assert list(WeightedSampler(W, 7, replacement)) == list(WeightedSampler(W, 200, replacement))[:7]


def test_an_epoch_that_is_longer_than_a_block():
    """Blocks grow from 2^10 to 2^16 positions."""
    for sampler in (WeightedSampler(W, 300_000), WeightedSampler(np.ones(300_000), None, False)):
        assert list(sampler) == sampler.order(0, 300_000, 0).tolist()


def test_the_default_number_of_draws():
    assert len(WeightedSampler(W)) == WeightedSampler(W).num_samples == 300
    sampler = WeightedSampler(W, replacement=False)
    assert len(sampler) == POSITIVE
    assert sorted(sampler) == np.flatnonzero(W).tolist()


@pytest.mark.parametrize(("replacement", "drop_last"), [*itertools.product([True, False], repeat=2)])
@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 64, 400])
def test_ranks_share_the_order(replacement, drop_last, ranks):
    for draws in (200, 199, POSITIVE):
        samplers = [
            DistributedWeightedSampler(
                W, draws, replacement, num_replicas=ranks, rank=r, seed=9, drop_last=drop_last
            )
            for r in range(ranks)
        ]
        share = draws // ranks if drop_last else -(-draws // ranks)
        order = wanted(replacement, 9, 0, share * ranks)
        if not replacement:  # once all rows are out, the order begins anew
            order = list(itertools.islice(itertools.cycle(order), share * ranks))
        for r, sampler in enumerate(samplers):
            assert list(sampler) == order[r::ranks]
            assert len(sampler) == sampler.num_samples == share
            assert sampler.total_size == share * ranks


@pytest.mark.parametrize("ranks", [1, 2, 4, 5])
@pytest.mark.parametrize("drop_last", [True, False])
def test_a_state_of_four_ranks_resumes_on_any_number(ranks, drop_last):
    before = [
        DistributedWeightedSampler(W, 203, num_replicas=4, rank=r, drop_last=drop_last) for r in range(4)
    ]
    for sampler in before:
        assert len(list(itertools.islice(sampler, 13))) == 13
    states = [sampler.state_dict() for sampler in before]
    assert states == [states[0]] * 4
    assert states[0]["position"] == 52
    order = wanted(True, 0, 0, 300)
    after = [
        DistributedWeightedSampler(W, 203, num_replicas=ranks, rank=r, drop_last=drop_last)
        for r in range(ranks)
    ]
    for r, sampler in enumerate(after):
        sampler.load_state_dict(json.loads(json.dumps(states[0])))
        left = 203 - 52
        share = left // ranks if drop_last else -(-left // ranks)
        assert list(sampler) == order[52 + r : 52 + share * ranks : ranks]
        assert list(sampler) == wanted(True, 0, 1, 300)[r::ranks][: len(sampler)]


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("told", [False, True])
def test_the_draws_that_an_epoch_left_out_do_not_come_later(ranks, told):
    """The epoch of four ranks has ended, although two ranks could divide the three draws that are left."""
    before = DistributedWeightedSampler(W, 203, num_replicas=4, rank=0, drop_last=True)
    if told:
        before.set_epoch(0)
    assert len(list(before)) == 50
    assert before.position == before.state_dict()["position"] == 203
    after = DistributedWeightedSampler(W, 203, num_replicas=ranks, rank=0, drop_last=True)
    after.load_state_dict(before.state_dict())
    if told:
        assert list(after) == []
    assert list(after) == wanted(True, 0, 1, 300)[:203:ranks][: len(after)]


def test_the_largest_number_of_draws():
    last = 2**62
    sampler = WeightedSampler(W, last)
    assert len(sampler) == last
    sampler.position = last - 2
    assert resumed(sampler) == sampler.order(last - 2, last).tolist()
    rank = DistributedWeightedSampler(W, last, num_replicas=2**31 - 1, rank=2**31 - 2)
    rank.load_state_dict({**sampler.state_dict(), "position": last - 1})
    assert len(list(iter(rank))) == 1


def resumed(sampler):
    other = WeightedSampler(W, sampler.num_samples)
    other.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
    return list(iter(other))  # list(other) would make room for len(other) rows


def test_either_class_resumes_the_other():
    one = WeightedSampler(W, 100, seed=1)
    assert len(list(itertools.islice(one, 30))) == 30
    rank = DistributedWeightedSampler(W, 100, num_replicas=2, rank=1, seed=1)
    rank.load_state_dict(one.state_dict())
    assert list(rank) == wanted(True, 1, 0, 100)[31::2]


def test_a_batch_sampler_and_a_loader_take_it():
    sampler = WeightedSampler(W, 50)
    assert list(itertools.chain(*BatchSampler(sampler, 8, False))) == wanted(True, 0, 0, 50)
    loader = DataLoader(torch.arange(300), batch_size=8, sampler=sampler)
    assert torch.cat(list(loader)).tolist() == wanted(True, 0, 1, 50)


def test_trainers_see_what_they_look_for():
    """docs/trainers.md has the reasons."""
    one = WeightedSampler(W)
    many = DistributedWeightedSampler(W, num_replicas=3, rank=2, seed=5, drop_last=True)
    for sampler in (one, many):
        assert isinstance(sampler, Sampler)
        assert not isinstance(sampler, torch.utils.data.RandomSampler | torch.utils.data.SequentialSampler)
        assert not hasattr(sampler, "generator")
        assert all(type(row) is int for row in sampler)
        assert type(len(sampler)) is int
    assert isinstance(many, DistributedSampler)
    names = ["num_replicas", "rank", "epoch", "seed", "drop_last", "num_samples", "total_size"]
    assert [getattr(many, name) for name in names] == [3, 2, 0, 5, True, 100, 300]


def test_the_repr_tells_what_decides_the_order_and_nothing_else():
    """Grain compares the repr of a checkpoint with that of the sampler that resumes."""
    for sampler in (WeightedSampler(W, 9), DistributedWeightedSampler(W, num_replicas=2, rank=1)):
        text = repr(sampler)
        next(iter(sampler))
        assert repr(sampler) == repr(pickle.loads(pickle.dumps(sampler))) == text
        assert not re.search("0x[0-9a-f]{6}", text)


def test_other_arguments_give_other_orders():
    base = WeightedSampler(W, 100).order(0, 100).tolist()
    for other in (WeightedSampler(W, 100, seed=1), WeightedSampler(W + 1e-9, 100)):
        assert other.order(0, 100).tolist() != base
        with pytest.raises(ValueError, match="weights, num_samples, replacement and seed"):
            other.load_state_dict(WeightedSampler(W, 100).state_dict())
    for other in (WeightedSampler(W, 99), WeightedSampler(W, 100, False)):
        with pytest.raises(ValueError, match="fingerprint"):
            other.load_state_dict(WeightedSampler(W, 100).state_dict())


BAD = [
    (lambda: WeightedSampler([1.0, -1.0]), ValueError, r"weights\[1\] must be finite and >= 0, got -1.0"),
    (lambda: WeightedSampler([0, 0], replacement=False), ValueError, "weights must not all be zero"),
    (lambda: WeightedSampler([]), ValueError, "weights must have between 1 and"),
    (
        lambda: WeightedSampler(torch.utils.data.TensorDataset(torch.ones(3))),
        TypeError,
        "weights must be an array with the weight of each row of the data set, got a TensorDataset",
    ),
    (lambda: WeightedSampler([1], 0), ValueError, "num_samples must be in .*, got 0"),
    (lambda: WeightedSampler([1], 2**62 + 1), ValueError, "num_samples must be .* got 4611686018427387905"),
    (lambda: WeightedSampler([1], 1.5), TypeError, "num_samples must be an integer"),
    (lambda: WeightedSampler([1, 0, 2], 3, False), ValueError, r"num_samples must be at most 2, .*, got 3"),
    (lambda: WeightedSampler([1], 1, 1), TypeError, "replacement must be True or False"),
    (lambda: WeightedSampler([1], seed=-1), ValueError, "seed must be"),
    (lambda: WeightedSampler([1, 2], 5).order(0, 6), ValueError, "stop must be"),
    (lambda: WeightedSampler([1, 2], 5).order(3, 2), ValueError, "stop must be"),
    (lambda: WeightedSampler([1, 2], 5).order(-1, 2), ValueError, "start must be"),
    (lambda: WeightedSampler([1, 2], 5).order(0, 2, -1), ValueError, "epoch must be"),
    (
        lambda: DistributedWeightedSampler([1, 2], num_replicas=2, rank=2),
        ValueError,
        "rank must be .* got 2",
    ),
    (lambda: DistributedWeightedSampler([1, 2], num_replicas=0, rank=0), ValueError, "num_replicas must be"),
    (
        lambda: DistributedWeightedSampler([1, 2], num_replicas=2**31, rank=0),
        ValueError,
        "num_replicas must be .* got 2147483648",
    ),
    (lambda: DistributedWeightedSampler([1, 2]), RuntimeError, "num_replicas must be given, or torch.distr"),
    (lambda: DistributedWeightedSampler([1, 2], num_replicas=2), RuntimeError, "rank must be given"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD)
def test_bad_arguments_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("ranks", [1, 512])
def test_memory_does_not_grow_with_the_epoch_or_the_ranks(ranks):
    """The blocks of an endless order are as large as those of a short one."""
    rows = iter(DistributedWeightedSampler(W, 2**40, num_replicas=ranks, rank=0))
    tracemalloc.start()
    for _ in range(300_000 // ranks):
        next(rows)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
