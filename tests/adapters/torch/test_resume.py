"""Training loops that are killed go on where they were: no row is lost or comes twice."""

from __future__ import annotations

import importlib.util
import itertools
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise.torch import DistributedWeightedSampler, WeightedSampler  # noqa: E402
from support import killed  # noqa: E402
from support.deadline import answer  # noqa: E402

LENGTH = killed.LENGTH
END = LENGTH, "after batch"  # the loop does not know yet that the epoch has ended
KILLS = {
    "middle, end, start": [(5, "after batch"), END, (2 * LENGTH, "after iter")],
    "after an epoch, middle, before the next": [
        (LENGTH, "after loop"),
        (LENGTH + 5, "after batch"),
        (2 * LENGTH, "before iter"),
    ],
    "before anything, almost at the end, after an epoch": [
        (0, "before iter"),
        (2 * LENGTH - 1, "after batch"),
        (2 * LENGTH, "after loop"),
    ],
    "three times at one end": [END, (LENGTH, "before iter"), (LENGTH, "after iter")],
}
LOADERS = {
    "a plain DataLoader, 0 workers": {"loader": "plain", "workers": 0},
    "a plain DataLoader, 2 workers": {"loader": "plain", "workers": 2},
    "StatefulDataLoader, 0 workers": {"loader": "stateful", "workers": 0},
    "StatefulDataLoader, 2 workers": {"loader": "stateful", "workers": 2},
    "StatefulDataLoader, 2 persistent workers": {"loader": "stateful", "workers": 2, "persistent": True},
    "torchdata.nodes": {"loader": "nodes", "workers": 0},
}


def case(kind, loader, told, kills):
    chosen = LOADERS[loader]
    if chosen["loader"] == "plain":  # its state is the sampler's, which is saved before a pass or in it
        kills = [(batches, moment.replace("after iter", "before iter")) for batches, moment in kills]
    return {"persistent": False, **chosen, "kind": kind, "told": told, "kills": kills}


def is_possible(kind, loader, told):
    if loader == "torchdata.nodes":  # it calls set_epoch itself
        return not told and kind not in ("synthetic rows", "negatives")
    return not (kind == "synthetic rows" and LOADERS[loader]["loader"] == "plain")  # it has no position


CASES = {
    (kind, loader, "set_epoch" if told else "no set_epoch", name): case(kind, loader, told, kills)
    for kind, loader, told, (name, kills) in itertools.product(
        killed.KINDS, LOADERS, (False, True), KILLS.items()
    )
    if is_possible(kind, loader, told)
}


def is_quick(kind, loader, told, kills):
    two_workers = loader == "StatefulDataLoader, 2 workers" and told == "no set_epoch"
    return kills == "middle, end, start" and (kind == "rank" or two_workers)


QUICK = {name: chosen for name, chosen in CASES.items() if is_quick(*name)}
SLOW = {name: chosen for name, chosen in CASES.items() if not is_quick(*name)}


THERE = importlib.util.find_spec("torchdata") is not None


def run(cases, seconds):
    cases = {name: chosen for name, chosen in cases.items() if THERE or chosen["loader"] == "plain"}
    return dict(
        zip(cases, answer("support.killed", json.dumps([*cases.values()]), seconds=seconds), strict=True)
    )


@pytest.fixture(scope="module")
def quick_runs():
    return run(QUICK, 120)


@pytest.fixture(scope="module")
def slow_runs():
    return run(SLOW, 500)


def check(kind, runs, name):
    if name not in runs:
        pytest.skip("torchdata is not installed")
    assert runs[name] == killed.unbroken(kind)


@pytest.mark.parametrize("name", QUICK, ids=", ".join)
def test_three_kills(name, quick_runs):
    check(name[0], quick_runs, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW, ids=", ".join)
def test_three_kills_elsewhere(name, slow_runs):
    check(name[0], slow_runs, name)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("ranks", [4, 2, 5, 1])
def test_a_state_of_four_ranks_resumes_on_others(ranks, told, replacement):
    draws, read = 103, 6

    def rank_of(rank, replicas):
        return DistributedWeightedSampler(
            np.arange(120) + 1, draws, replacement, num_replicas=replicas, rank=rank, seed=8
        )

    order = WeightedSampler(np.arange(120) + 1, 120, replacement, seed=8).order
    before = [rank_of(rank, 4) for rank in range(4)]
    seen = [list(itertools.islice(sampler, read)) for sampler in before]
    assert np.array(seen).T.ravel().tolist() == order(0, 4 * read, 0).tolist()
    states = [sampler.state_dict() for sampler in before]
    assert states == states[:1] * 4

    after = [rank_of(rank, ranks) for rank in range(ranks)]
    for sampler in after:
        sampler.load_state_dict(json.loads(json.dumps(states[0])))
        if told:
            sampler.set_epoch(0)
    rest = [list(sampler) for sampler in after]
    count = -(-(draws - 4 * read) // ranks)  # as many on each rank, so that none waits for another
    assert np.array(rest).T.ravel().tolist() == order(4 * read, 4 * read + ranks * count, 0).tolist()
    assert {sampler.position for sampler in after} == {draws}
    following = [list(sampler) for sampler in after]
    count = -(-draws // ranks)
    assert np.array(following).T.ravel().tolist() == order(0, ranks * count, 1).tolist()


@pytest.mark.parametrize("told", [False, True])
def test_a_state_of_an_end_resumes_on_other_ranks(told):
    """Four ranks read a little more than an epoch together."""
    four = DistributedWeightedSampler(killed.WEIGHTS, 49, num_replicas=4, rank=3, seed=8)
    if told:
        four.set_epoch(0)
    assert len(list(four)) == 13
    for ranks in (4, 2, 5, 1):
        sampler = DistributedWeightedSampler(killed.WEIGHTS, 49, num_replicas=ranks, rank=0, seed=8)
        sampler.load_state_dict(four.state_dict())
        if told:
            assert list(sampler) == []
        assert list(sampler) == four.order(0, 49, 1)[::ranks].tolist()


def test_the_position_may_be_what_all_ranks_have_trained_on():
    """Also at the end of an epoch, where that is more than there are draws."""
    sampler = DistributedWeightedSampler(killed.WEIGHTS, 49, num_replicas=4, rank=3, seed=8)
    trained = 0
    for _ in sampler:
        trained += 4
        sampler.position = trained
    assert (trained, sampler.position) == (52, 49)
    with pytest.raises(ValueError, match="position must be in"):
        sampler.position = 53
