"""A sampler that declares its fields gets counters, epochs, state dicts, pickles and copies."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pytest

import equipoise
from equipoise._runtime.state import Sampler
from support.injected import inject


class Toy(Sampler):
    """A sampler that counts its draws. Its key is the seed plus the epoch."""

    _kind = "Toy"
    _counters = ("draws", "calls")
    _derived = ("_key",)
    _made_from = "weights and seed"

    def __init__(self, weights, seed=0):
        self._seed, self._weights = seed, np.array(weights)
        self.set_epoch(0)

    def _configuration(self):
        yield self._seed.to_bytes(8, "little")
        yield self._weights

    def _derive_keys(self, epoch):
        return {"_key": self._seed + epoch}

    def draw(self, count):
        return self._take("_draws", count, []) + self._key


def test_a_state_dict_has_the_counters():
    toy = Toy([1, 2], seed=5)
    toy.set_epoch(7)
    assert toy.draw(3) == 12
    state = toy.state_dict()
    fixed = {"sampler": "Toy", "version": 2, "epoch": 7, "draws": 3, "calls": 0}
    assert {name: state[name] for name in state if name != "fingerprint"} == fixed
    fresh = Toy([1, 2], seed=5)
    fresh.load_state_dict(state)
    assert fresh.draw(1) == toy.draw(1) == 15
    fresh.set_epoch(7)
    assert fresh.draw(1) == 12


def test_a_state_of_another_configuration_is_refused():
    state = Toy([1, 2]).state_dict()
    for other in (Toy([1, 3]), Toy([1, 2], seed=1), Toy(np.array([1, 2], np.int16))):
        with pytest.raises(ValueError, match=r"that of this sampler's weights and seed, got"):
            other.load_state_dict(state)


def test_the_fingerprint_does_not_depend_on_byte_order():
    assert Toy(np.array([1, 2], ">i8")).state_dict() == Toy(np.array([1, 2], "<i8")).state_dict()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda toy: pickle.loads(pickle.dumps(toy))])
def test_copies_continue_independently(copied):
    toy = Toy([1, 2], seed=2)
    toy.set_epoch(1)
    toy.draw(4)
    other = copied(toy)
    assert other.draw(5) == toy.draw(1) == 7
    assert other.state_dict() != toy.state_dict()


def test_pickles_leave_out_computed_fields():
    toy = Toy([1, 2])
    before = pickle.dumps(toy)
    toy.state_dict()
    assert pickle.dumps(toy) == before
    assert set(toy.__getstate__()) == {"version", "_seed", "_weights", "_epoch", "_draws", "_calls"}


def test_pickles_and_states_of_other_versions_are_refused():
    toy = Toy([1, 2])
    before = toy.state_dict()
    for version in (1, 3):
        with pytest.raises(ValueError, match=f"a pickled Toy must be of version 2, got version {version}"):
            toy.__setstate__({**toy.__getstate__(), "version": version})
        with pytest.raises(ValueError, match=rf"state\['version'\] must be 2, .* got {version}"):
            toy.load_state_dict({**before, "version": version})
    without = {name: value for name, value in toy.__getstate__().items() if name != "version"}
    with pytest.raises(ValueError, match="a pickled Toy must be of version 2, got version 1"):
        toy.__setstate__(without)
    assert toy.state_dict() == before


# ---- interrupts -------------------------------------------------------------------------------------------


def negatives():
    return equipoise.NegativeSampler([4, 3, 2, 1], exclude=([0, 1, 2], [0, 3]), seed=3)


def synthetic():
    return equipoise.SmoteSampler([[0.0], [1.0], [3.0], [7.0]], k_neighbors=2, seed=3)


DRAWS = {
    "negatives": (negatives, lambda s: s.sample([0, 1, 0], 4).ids.tolist()),
    "unique negatives": (negatives, lambda s: s.sample([0, 1, 0], 2, unique=True).ids.tolist()),
    "shared negatives": (negatives, lambda s: s.sample_shared(3).ids.tolist()),
    "synthetic rows": (synthetic, lambda s: s.sample(5).tolist()),
    "synthetic rows with parents": (synthetic, lambda s: s.sample(5, return_parents=True).rows.tolist()),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_that_is_interrupted_at_any_line_has_not_happened(name, error):
    make, draw = DRAWS[name]
    reference = make()
    expected = [draw(reference), draw(reference)]
    sampler = make()
    assert draw(sampler) == expected[0]
    state, line = sampler.state_dict(), 1
    while inject(line, lambda: draw(sampler), error()) == "raised":
        assert sampler.state_dict() == state, line
        line += 1
    assert line > 20
    assert sampler.state_dict() != state
    sampler.load_state_dict(state)
    assert draw(sampler) == expected[1]


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("move", ["set_epoch", "load_state_dict"])
def test_a_move_that_is_interrupted_at_any_line_leaves_one_position(name, move):
    """The epoch, the counters and the keys are those of the old position, or those of the new one."""
    make, draw = DRAWS[name]

    def at(epoch, draws):
        sampler = make()
        sampler.set_epoch(epoch)
        for _ in range(draws):
            draw(sampler)
        return sampler

    new_state = at(5, 2).state_dict()
    argument = 5 if move == "set_epoch" else new_state
    old, new = at(1, 1), at(5, 2 if move == "load_state_dict" else 0)
    positions = [(sampler.state_dict(), draw(sampler)) for sampler in (old, new)]
    line = 1
    while True:
        sampler = at(1, 1)
        outcome = inject(line, functools.partial(getattr(sampler, move), argument), KeyboardInterrupt())
        assert (sampler.state_dict(), draw(sampler)) in positions, line
        if outcome == "ended":
            break
        line += 1
    assert line > 5
