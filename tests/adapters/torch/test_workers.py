"""Order samplers in plain DataLoaders: the same batches for any workers, and one epoch for each pass."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.data import BatchSampler, DataLoader, WeightedRandomSampler  # noqa: E402

from equipoise.torch import DistributedWeightedSampler, WeightedSampler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a machine of few cores

WEIGHTS = np.arange(50) % 7  # eight rows have none
BATCH = 4
SAMPLERS = {
    "with replacement": lambda: WeightedSampler(WEIGHTS, 50, seed=3),
    "without replacement": lambda: WeightedSampler(WEIGHTS, 40, False, seed=3),
    "rank 1 of 2": lambda: DistributedWeightedSampler(WEIGHTS, 50, num_replicas=2, rank=1, seed=3),
    "rank 2 of 3, without replacement": lambda: DistributedWeightedSampler(
        WEIGHTS, 40, False, num_replicas=3, rank=2, seed=3
    ),
}
samplers = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


def expected(sampler, epoch, start=0):
    """Return the batches of an epoch from a position on."""
    ranks, rank = getattr(sampler, "num_replicas", 1), getattr(sampler, "rank", 0)
    whole = WeightedSampler(WEIGHTS, len(sampler) * ranks, sampler.replacement, seed=3)
    total = 50 if sampler.replacement else 40
    end = total + -(total - start) % ranks  # all ranks read equally many
    rows = whole.order(0, len(sampler) * ranks, epoch)[start + rank : end : ranks].tolist()
    return [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]


def loader(sampler, workers=0, **settings):
    if workers:
        settings = {"num_workers": workers, "timeout": 60, **settings}
    return DataLoader(range(50), BATCH, sampler=sampler, **settings)


def batches(loaded, count=None):
    """Return the batches of one pass, or of its beginning."""
    return [batch.tolist() for batch in itertools.islice(loaded, count)]


def workers_and(quick, slow):
    """Parametrize a test with numbers of workers, whether they persist, and how they start."""
    cases = [*quick, *(pytest.param(*case, marks=pytest.mark.slow) for case in slow)]
    return pytest.mark.parametrize(("workers", "persistent", "method"), cases)


FORKS = [(1, False, "fork"), (2, False, "fork"), (8, True, "fork")]
SPAWNS = [
    (workers, persistent, method)
    for workers in (1, 2, 8)
    for persistent in (False, True)
    for method in ("forkserver", "spawn")
]


def settings_of(workers, persistent, method):
    return {"persistent_workers": persistent, "multiprocessing_context": method} if workers else {}


def check_three_epochs(sampler, loaded):
    for epoch in range(3):
        assert batches(loaded) == expected(sampler, epoch)
        assert (sampler.epoch, sampler.position) == (epoch, 50 if sampler.replacement else 40)


@workers_and([(0, False, None), (1, False, "fork"), (2, True, "fork"), (8, False, "fork")], FORKS)
@samplers
def test_each_pass_is_the_next_epoch(make, workers, persistent, method):
    sampler = make()
    check_three_epochs(sampler, loader(sampler, workers, **settings_of(workers, persistent, method)))


@workers_and([], SPAWNS)
def test_each_pass_is_the_next_epoch_where_workers_import_torch_anew(workers, persistent, method):
    sampler = SAMPLERS["rank 2 of 3, without replacement"]()
    check_three_epochs(sampler, loader(sampler, workers, **settings_of(workers, persistent, method)))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_may_start_after_threads_have_run(method):
    sampler = WeightedSampler(WEIGHTS, 50, seed=3)
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(list(sampler.order(0, 50)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [list(sampler.order(0, 50))] * 4
    check_three_epochs(sampler, loader(sampler, 1, persistent_workers=True, multiprocessing_context=method))


@workers_and([(0, False, None), (2, True, "fork")], FORKS)
@samplers
def test_set_epoch(make, workers, persistent, method):
    sampler = make()
    loaded = loader(sampler, workers, **settings_of(workers, persistent, method))
    for epoch in (4, 2, 2, 0):
        sampler.set_epoch(epoch)
        assert batches(loaded) == expected(sampler, epoch)
    assert batches(loaded) == expected(sampler, 1)


@workers_and([(0, False, None), (2, True, "fork")], FORKS)
@samplers
def test_a_pass_that_was_left_is_over(make, workers, persistent, method):
    """Whether after some batches, or before the first."""
    sampler = make()
    loaded = loader(sampler, workers, **settings_of(workers, persistent, method))
    assert batches(loaded, 2) == expected(sampler, 0)[:2]
    assert batches(loaded, 1) == expected(sampler, 1)[:1]
    assert batches(loaded) == expected(sampler, 2)
    iter(sampler)
    iter(loader(sampler))
    assert batches(loaded) == expected(sampler, 3)


@pytest.mark.parametrize("told", [False, True])
@workers_and([(0, False, None), (2, False, "fork")], [(8, True, "fork")])
@samplers
def test_resuming_with_the_position_that_was_trained_on(make, workers, persistent, method, told):
    sampler, settings = make(), settings_of(workers, persistent, method)
    ranks = getattr(sampler, "num_replicas", 1)
    assert batches(loader(sampler)) == expected(sampler, 0)
    if told:
        sampler.set_epoch(1)
    running = iter(loader(sampler, workers, **settings))
    for trained in range(1, 4):
        next(running)
        sampler.position = trained * BATCH * ranks
        state = json.loads(json.dumps(sampler.state_dict()))
        assert (state["epoch"], state["position"]) == (1, trained * BATCH * ranks)
        resumed = make()
        resumed.load_state_dict(state)
        if told:
            resumed.set_epoch(1)  # as most loops do
        loaded = loader(resumed, workers, **settings)
        assert batches(loaded) == expected(sampler, 1, trained * BATCH * ranks)
        assert batches(loaded) == expected(sampler, 2)
    rest = [batch.tolist() for batch in running]
    assert rest == expected(sampler, 1)[3:]  # the pass itself went on


def test_workers_read_ahead():
    """So the position without the loop's help is beyond what was trained on."""
    for workers, position in ((0, 3 * BATCH), (2, 7 * BATCH)):
        sampler = WeightedSampler(WEIGHTS, 50, seed=3)
        running = iter(loader(sampler, workers))
        for _ in range(3):
            next(running)
        assert sampler.position == position


@samplers
def test_copies_and_pickles_go_on_where_the_sampler_stands(make):
    sampler = make()
    rows = iter(sampler)
    read = [next(rows) for _ in range(8)]
    ranks = getattr(sampler, "num_replicas", 1)
    for other in (copy.copy(sampler), copy.deepcopy(sampler), pickle.loads(pickle.dumps(sampler))):
        assert (other.epoch, other.position) == (0, 8 * ranks)
        assert batches(loader(other)) == expected(sampler, 0, 8 * ranks)
        assert batches(loader(other)) == expected(sampler, 1)
    assert [*read, *rows] == list(itertools.chain(*expected(sampler, 0)))


def test_a_batch_sampler_may_be_around_it():
    for workers in (0, 2):
        sampler = WeightedSampler(WEIGHTS, 50, seed=3)
        settings = {"timeout": 60} if workers else {}
        loaded = DataLoader(
            range(50), batch_sampler=BatchSampler(sampler, BATCH, True), num_workers=workers, **settings
        )
        for epoch in range(3):
            assert batches(loaded) == expected(sampler, epoch)[:12]


def test_it_replaces_the_sampler_of_torch():
    """The same arguments and length; rows of weight 0 never come."""
    theirs, ours = (kind([0.0, 1.0, 2.0], 30, True) for kind in (WeightedRandomSampler, WeightedSampler))
    assert len(theirs) == len(ours) == 30
    for sampler in (theirs, ours):
        for batch in DataLoader(range(3), 10, sampler=sampler):
            assert batch.dtype == torch.int64
            assert set(batch.tolist()) <= {1, 2}
