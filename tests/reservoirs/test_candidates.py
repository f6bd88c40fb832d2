"""Following a stream: the candidates contain every row of every later sample."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir


def test_a_row_that_has_left_the_sample_can_come_back():
    """This is why the sample's own rows are not enough to keep."""
    reservoir = Reservoir(1, seed=6)
    reservoir.update([1, 1, 1])
    assert reservoir.sample().ids.tolist() == [2]
    assert reservoir.candidates().ids.tolist() == [0, 1, 2]
    reservoir.update([1])
    assert reservoir.sample().ids.tolist() == [1]


def weights_of(rng, size):
    """Return weights of which some are 0, and now and then some of very different sizes."""
    w = rng.pareto(1.0, size) if rng.random() < 0.98 else 10.0 ** rng.uniform(-20, 20, size)
    return w * (rng.random(size) < 0.95)


def made(kind, k, seed, stream=0):
    if kind == "classes":
        return ClassReservoir(k, seed=seed, stream=stream)
    return Reservoir(
        k,
        replacement="replacement" in kind,
        half_life=5.0 if "decay" in kind else None,
        seed=seed,
        stream=stream,
    )


def update(reservoir, kind, rng, w, ids):
    more = {"ids": ids if "ids" in kind else None}
    if kind == "classes":
        reservoir.update(rng.integers(0, 3, w.size), w, **more)
    else:
        if "decay" in kind:
            more["times"] = rng.uniform(0, 100, w.size)
        reservoir.update(w, **more)


KINDS = ("rows", "replacement", "decay", "replacement, decay", "classes", "ids", "replacement, ids")


@pytest.mark.parametrize("kind", KINDS)
def test_payloads_of_the_candidates_are_enough(kind, any_seed):
    """Keep only the payloads of the candidates while chunks of 0 to 16 rows arrive."""
    for trial in range(150 if kind in ("rows", "replacement") else 30):
        rng = np.random.default_rng([any_seed, trial])
        k = int(rng.integers(1, 8))
        reservoir, payloads, start = made(kind, k, trial), set(), 0
        most = int(rng.choice([5, 9, 17]))
        for _ in range(60):
            w = weights_of(rng, int(rng.integers(0, most)))
            ids = (
                np.arange(start, start + w.size) * 7 - 50
                if "ids" in kind
                else np.arange(start, start + w.size)
            )
            update(reservoir, kind, rng, w, ids)
            payloads |= set(ids.tolist())
            start += w.size
            assert set(reservoir.sample().ids.tolist()) <= payloads
            rows = reservoir.candidates()
            assert (np.diff(rows.ids) > 0).all()
            assert set(rows.ids.tolist()) <= payloads
            payloads = set(rows.ids.tolist())
            assert (rows.streams is None) == ("ids" in kind or not start)
            assert rows.ids.size <= (3 * (k + 1) if kind == "classes" else k + 64)


def test_payloads_are_enough_after_merges(any_seed):
    """A reservoir goes on after merging others, whose rows can leave its sample and come back, too."""
    returned = 0
    for trial in range(60):
        rng = np.random.default_rng([any_seed, trial])
        k = int(rng.integers(2, 8))
        reservoir, payloads, position, left = Reservoir(k, seed=trial), set(), 0, set()
        for step in range(60):
            if step % 20 == 10:
                other = Reservoir(k, seed=trial, stream=1 + step)
                w = weights_of(rng, 100)
                other.update(w)
                reservoir.merge(other)
                payloads |= {(1 + step, i) for i in range(w.size)}
            w = weights_of(rng, int(rng.integers(0, 9)))
            reservoir.update(w)
            payloads |= {(0, position + i) for i in range(w.size)}
            position += w.size
            sample, rows = reservoir.sample(), reservoir.candidates()
            drawn = set(zip(sample.streams.tolist(), sample.ids.tolist(), strict=True)) if position else set()
            assert drawn <= payloads
            returned += len(drawn & left)
            kept = set(zip(rows.streams.tolist(), rows.ids.tolist(), strict=True)) if position else set()
            assert kept <= payloads
            left, payloads = (left | kept) - drawn, kept
    assert returned > 0


def test_candidates_of_an_empty_reservoir():
    for reservoir in (Reservoir(3), ClassReservoir(3)):
        rows = reservoir.candidates()
        assert rows.ids.dtype == np.int64
        assert rows.ids.size == 0
        assert rows.streams is None
