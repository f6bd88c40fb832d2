"""When a pass of a sampler begins, which epoch it is, and where it goes on after a restart."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise.torch import DistributedWeightedSampler, WeightedSampler  # noqa: E402
from support.injected import inject  # noqa: E402

N = 100


def made(**settings):
    return WeightedSampler(np.arange(1, 51), N, seed=4, **settings)


def rows(epoch, start=0, stop=N):
    return made().order(start, stop, epoch).tolist()


def read(sampler, count=N):
    return list(itertools.islice(sampler, count))


def resumed(sampler):
    other = made()
    other.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
    return other


def test_each_pass_is_the_next_epoch():
    sampler = made()
    assert [read(sampler) for _ in range(3)] == [rows(epoch) for epoch in range(3)]


def test_set_epoch_decides_the_next_pass():
    sampler = made()
    sampler.set_epoch(7)
    assert (sampler.epoch, sampler.position) == (7, 0)
    assert read(sampler) == rows(7)
    sampler.set_epoch(7)
    assert read(sampler) == rows(7)
    assert read(sampler) == rows(8)


def test_set_epoch_of_a_running_pass_changes_nothing():
    """Lightning calls it after the workers of a loader have taken the first items."""
    sampler = made()
    sampler.set_epoch(3)
    taken = iter(sampler)
    assert read(taken, 40) == rows(3, 0, 40)
    sampler.set_epoch(3)
    assert (sampler.epoch, sampler.position) == (3, 40)
    assert read(resumed(sampler)) == rows(3, 40)
    assert read(taken, 10) == rows(3, 40, 50)
    assert read(sampler, 10) == rows(4, 0, 10)
    sampler.set_epoch(5)
    assert read(sampler) == rows(5)


def test_set_epoch_of_a_pass_that_was_left_begins_it_anew():
    sampler = made()
    assert read(sampler, 40) == rows(0, 0, 40)
    sampler.set_epoch(0)
    assert read(sampler, 30) == rows(0, 0, 30)
    assert read(sampler) == rows(1)


def test_iterators_that_are_not_used_change_nothing():
    sampler = made()
    unused = [iter(sampler) for _ in range(3)]
    assert (sampler.epoch, sampler.position) == (0, 0)
    assert read(sampler) == rows(0)
    unused.append(iter(sampler))
    assert (sampler.epoch, sampler.position) == (0, N)
    assert read(unused[0]) == rows(1)


def test_a_pass_that_was_left_is_not_gone_on_with():
    sampler = made()
    assert read(sampler, 30) == rows(0, 0, 30)
    assert (sampler.epoch, sampler.position) == (0, 30)
    assert read(sampler) == rows(1)


def test_the_position_is_that_of_the_last_row_that_was_taken():
    sampler = made()
    positions = [sampler.position for _ in sampler]
    assert positions == list(range(1, N + 1))
    rank = DistributedWeightedSampler(np.arange(1, 51), N, num_replicas=3, rank=1)
    assert [rank.position for _ in rank] == [*range(3, N, 3), N]


@pytest.mark.parametrize("at", [0, 1, 30, N - 1])
def test_a_state_goes_on_where_it_was_saved(at):
    sampler = made()
    sampler.set_epoch(5)
    taken = iter(sampler)
    assert read(taken, at) == rows(5, 0, at)
    other = resumed(sampler)
    assert (other.epoch, other.position) == (5, at)
    assert read(other) == rows(5, at) == read(taken)
    assert read(other) == rows(6)


@pytest.mark.parametrize("at", [0, 30])
def test_set_epoch_of_the_loaded_epoch_keeps_the_position(at):
    sampler = made()
    read(sampler, at)
    other = resumed(sampler)
    other.set_epoch(0)
    other.set_epoch(0)
    assert read(other) == rows(0, at)
    other.set_epoch(0)
    assert read(other) == rows(0)
    other = resumed(sampler)
    other.set_epoch(3)
    assert read(other) == rows(3)


def test_the_position_can_be_set_to_what_was_trained_on():
    """A DataLoader with workers reads ahead."""
    sampler = made()
    ahead = iter(sampler)
    read(ahead, 40)
    sampler.position = 16
    assert sampler.position == sampler.state_dict()["position"] == 16
    assert read(resumed(sampler)) == rows(0, 16)
    assert next(ahead) == rows(0)[40]
    assert sampler.position == 41
    sampler.position = N
    assert read(ahead) == rows(0, 41)
    assert read(sampler) == rows(1)


def test_a_position_that_is_set_before_a_pass_is_where_it_starts():
    sampler = made()
    sampler.set_epoch(2)
    sampler.position = 90
    assert read(sampler) == rows(2, 90)
    assert read(sampler) == rows(3)


@pytest.mark.parametrize("position", [-1, N + 1, 1.0, None])
def test_a_bad_position_is_refused(position):
    sampler = made()
    with pytest.raises((TypeError, ValueError), match="position must be"):
        sampler.position = position
    assert sampler.position == 0


class Loop:
    """Ways to train on from the state of an epoch's end. Each returns the passes that are not empty."""

    @staticmethod
    def plain(sampler):
        return [read(sampler) for _ in range(4)]

    @staticmethod
    def from_the_epoch_that_ended(sampler):
        passes = []
        for epoch in range(sampler.epoch, sampler.epoch + 4):
            sampler.set_epoch(epoch)
            passes.append(read(sampler))
        return passes

    @staticmethod
    def from_the_next_epoch(sampler):
        passes = []
        for epoch in range(sampler.epoch + 1, sampler.epoch + 4):
            sampler.set_epoch(epoch)
            passes.append(read(sampler))
        return passes

    @staticmethod
    def two_iterators(sampler):
        """Make an iterator that is not used first, as DataLoaders do."""
        return [(iter(sampler), read(sampler))[1] for _ in range(4)]

    @staticmethod
    def asked_first(sampler):
        """Ask the first iterator whether the epoch has ended, as StatefulDataLoader does with workers."""
        asked = next(iter(sampler), None)
        assert asked in (None, rows(4)[0])
        return [read(sampler) for _ in range(3)]

    @staticmethod
    def asked_then_set(sampler):
        """Find the loaded iterator empty, then set the next epoch, as ``torchdata.nodes`` does."""
        if next(iter(sampler), None) is None:
            sampler.set_epoch(4)
        return [read(sampler) for _ in range(3)]


@pytest.mark.parametrize("loop", [name for name in vars(Loop) if not name.startswith("_")])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_the_state_of_an_epochs_end_goes_on_with_the_next_epoch_once(loop, told, drop_last):
    sampler = made()
    if told:
        sampler.set_epoch(3)
    else:
        sampler.load_state_dict({**sampler.state_dict(), "epoch": 3})
    assert read(sampler) == rows(3)
    other = resumed(sampler)
    if drop_last:  # the rest of an epoch that no rank reads
        other = DistributedWeightedSampler(
            np.arange(1, 51), N, seed=4, num_replicas=7, rank=0, drop_last=True
        )
        other.load_state_dict({**sampler.state_dict(), "position": N - 2})
    passes = [some for some in getattr(Loop, loop)(other) if some]
    mine = [rows(epoch)[:: 7 if drop_last else 1][: len(other)] for epoch in range(4, 8)]
    assert passes == mine[: len(passes)]
    assert len(passes) >= 3


def test_a_pass_that_was_resumed_and_left_is_not_repeated_twice():
    sampler = made()
    read(sampler)
    other = resumed(sampler)
    read(other, 10)
    assert read(other, 10) == rows(1, 0, 10)  # the loaded iterator may only have been asked
    assert read(other) == rows(2)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_where_the_sampler_stands(copied):
    sampler = made()
    taken = iter(sampler)
    read(taken, 30)
    other = copied(sampler)
    assert (other.epoch, other.position) == (0, 30)
    assert read(other) == rows(0, 30)
    assert read(taken) == rows(0, 30)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"epoch": 2**32},
        {"position": N + 1},
        {"position": "3"},
        {"set_epoch_called": 2},
        {"version": 1},
        {"sampler": "NegativeSampler"},
        {"fingerprint": "0"},
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change):
    sampler = made()
    sampler.set_epoch(2)
    taken = iter(sampler)
    read(taken, 9)
    with pytest.raises((TypeError, ValueError), match=rf"state\['{next(iter(change))}'\] must be"):
        sampler.load_state_dict({**sampler.state_dict(), **change})
    assert (sampler.epoch, sampler.position) == (2, 9)
    assert read(taken) == rows(2, 9)
    with pytest.raises(TypeError, match="state must be a mapping"):
        sampler.load_state_dict([1])


def test_the_last_epoch_is_followed_by_the_first():
    sampler = made()
    sampler.set_epoch(2**32 - 1)
    assert read(sampler) == rows(2**32 - 1)
    assert read(sampler) == rows(0)


def test_the_weights_are_hashed_once(monkeypatch):
    """A state is saved for every batch."""
    calls, configuration = [], WeightedSampler._configuration
    monkeypatch.setattr(
        WeightedSampler, "_configuration", lambda self: calls.append(0) or configuration(self)
    )
    sampler = made()
    for _ in sampler:
        sampler.state_dict()
    assert calls == [0]


def test_the_epoch_cell_follows_the_passes():
    sampler = made()
    cell = sampler.epoch_cell()
    assert cell.is_shared()
    assert cell is sampler.epoch_cell()
    for epoch in range(3):
        unused = iter(sampler)
        read(sampler, 5)
        assert cell.tolist() == [epoch]
    del unused
    sampler.set_epoch(9)
    assert cell.tolist() == [2]
    read(sampler, 1)
    assert cell.tolist() == [9]


def test_a_copy_has_an_epoch_cell_of_its_own():
    sampler = made()
    cell = sampler.epoch_cell()
    other = copy.copy(sampler)
    other.set_epoch(7)
    read(other)
    assert cell.tolist() == [0]
    assert other.epoch_cell().tolist() == [7]


def test_two_threads_may_read_passes():
    sampler, passes = made(), []
    threads = [threading.Thread(target=lambda: passes.append(read(sampler))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(some in [rows(epoch) for epoch in range(8)] for some in passes)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_at_any_line_loses_no_row_and_no_epoch(error):
    """A pass that is interrupted before its first row has not begun."""
    sampler, line = made(), 1
    assert read(sampler) == rows(0)
    while inject(line, lambda: next(iter(sampler)), error()) == "raised":
        assert (sampler.epoch, sampler.position) in [(0, N), (1, 0)]
        assert read(copy.copy(sampler)) == rows(1)
        line += 1
    assert line > 10
    assert (sampler.epoch, sampler.position) == (1, 1)


@pytest.mark.parametrize("move", ["set_epoch", "load_state_dict"])
def test_a_move_that_is_interrupted_at_any_line_has_happened_or_not(move):
    target, line = made(), 1
    target.set_epoch(8)
    read(target, 20)
    argument = 8 if move == "set_epoch" else target.state_dict()
    sampler = made()
    read(sampler, 30)
    while inject(line, lambda: getattr(sampler, move)(argument), KeyboardInterrupt()) == "raised":
        assert (sampler.epoch, sampler.position) in [(0, 30), (8, 20 if move == "load_state_dict" else 0)]
        line += 1
    assert line > 5
    assert read(sampler) == rows(8, 20 if move == "load_state_dict" else 0)
