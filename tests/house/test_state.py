"""A sampler that declares its fields gets counters, epochs, state dicts, pickles and copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from equipoise._runtime.state import Sampler


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

    def _derive_keys(self):
        self._key = self._seed + self._epoch

    def draw(self, count):
        return self._take("_draws", count) + self._key


def test_a_state_dict_has_the_counters():
    toy = Toy([1, 2], seed=5)
    toy.set_epoch(7)
    assert toy.draw(3) == 12
    state = toy.state_dict()
    fixed = {"sampler": "Toy", "version": 1, "epoch": 7, "draws": 3, "calls": 0}
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
    assert set(toy.__getstate__()) == {"_seed", "_weights", "_epoch", "_draws", "_calls"}
