"""Memory that reservoirs hand on: never while somebody can still see it."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir
from equipoise.reservoirs import bottom_k, buffers, scan

RNG = np.random.default_rng(7)
N = 200_000
WEIGHTS = RNG.random(N, dtype=np.float32) + np.float32(0.001)
IDS = RNG.permutation(N)
CLASSES = RNG.integers(0, 30, N)
LEAST = buffers._LEAST


@pytest.fixture(autouse=True)
def nothing_spare(monkeypatch):
    monkeypatch.setattr(buffers, "buffers", [])


def test_a_block_is_handed_on():
    block = buffers.take(LEAST + 1000)
    where = block.ctypes.data
    buffers.give(block)
    del block
    again = buffers.take(LEAST)
    assert again.ctypes.data == where
    assert again.size == LEAST + 1000
    assert buffers.take(LEAST).ctypes.data != where


@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x[3:5], lambda x: x.view(np.int64)[:9].reshape(3, 3)]
)
def test_a_block_that_is_seen_is_not(view):
    block = buffers.take(LEAST)
    seen = view(block)
    buffers.give(block)
    assert not buffers.buffers
    del seen
    buffers.give(block)
    assert len(buffers.buffers) == 1


def test_a_few_of_a_likely_size():
    for size in (0, 1, LEAST - 1, buffers._MOST + 1):
        buffers.give(np.empty(size))
    assert not buffers.buffers
    most = buffers._BLOCKS
    for size in range(LEAST, LEAST + most + 3):
        buffers.give(np.empty(size))
    assert [block.size for block in buffers.buffers] == list(
        range(LEAST + 3, LEAST + most + 3)
    )  # the youngest
    assert buffers.take(LEAST // 2).size == LEAST // 2
    assert buffers.take(LEAST + most + 3).size == LEAST + most + 3
    assert buffers.take(LEAST + most + 1).size == LEAST + most + 1
    assert len(buffers.buffers) == most - 1


def said(sample):
    return [getattr(sample, name).tobytes() for name in ("ids", "weights", "inclusion")]


def by_position(threads=1):
    reservoir = Reservoir(20_000, seed=3)
    for at in range(0, N, 30_000):
        reservoir.update(WEIGHTS[at : at + 30_000], n_threads=threads)
    return reservoir


def by_id(threads=1):
    reservoir = Reservoir(20_000, seed=3)
    for rows in (slice(0, 120_000), slice(80_000, N)):  # some twice
        reservoir.update(WEIGHTS[rows], ids=IDS[rows], n_threads=threads)
    return reservoir


def by_class(threads=1):
    reservoir = ClassReservoir(1000, seed=3)
    for at in range(0, N, 60_000):
        reservoir.update(CLASSES[at : at + 60_000], WEIGHTS[at : at + 60_000], n_threads=threads)
    return reservoir


def merged(threads=1):
    parts = [Reservoir(20_000, seed=3, stream=stream) for stream in range(3)]
    for part in parts:
        part.update(WEIGHTS, n_threads=threads)
    whole, *others = (Reservoir.from_bytes(part.to_bytes()) for part in parts)
    for other in others:
        whole.merge(other)
    return whole


@pytest.mark.parametrize("make", [by_position, by_id, by_class, merged])
@pytest.mark.parametrize("threads", [1, 2])
def test_answers_where_memory_is_spoilt_when_it_is_given_back(make, threads, monkeypatch):
    """Who still read it would see the garbage; samples, copies and bytes are held while others work."""
    monkeypatch.setattr(buffers, "_LEAST", 1 << 40)
    wanted = make()
    wanted = [said(wanted.sample()), wanted.to_bytes()]
    given = []

    class Spoilt(list):
        def append(self, block):
            block.fill(np.nan)
            given.append(block.size)
            super().append(block)

    monkeypatch.setattr(buffers, "_LEAST", 1)
    monkeypatch.setattr(buffers, "buffers", Spoilt())
    first = make(threads)
    sample, kept = first.sample(), first.to_bytes()
    others = [make(threads), make(threads)]
    del first
    gc.collect()
    others.append(make(threads))
    assert len(set(given)) > 2  # columns, workspaces, scratch
    assert len(given) > 10
    assert [said(sample), kept] == wanted
    for other in others:
        assert [said(other.sample()), other.to_bytes()] == wanted


def test_reservoirs_that_outlive_everything_else(monkeypatch):
    """At its end Python forgets the names of modules, and destructors come after that."""
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    reservoir = by_position(threads=2)
    monkeypatch.setattr(bottom_k, "give", None)
    for name in vars(buffers):
        if name == "give" or (name.startswith("_") and not name.startswith("__")):
            monkeypatch.setattr(buffers, name, None)
    del reservoir
    gc.collect()
    assert not ignored


def test_a_block_that_could_not_be_had(monkeypatch, recwarn):
    """The destructor of what was not finished has nothing to give back."""

    def none(size):
        raise MemoryError

    for module, make in (
        (bottom_k, lambda: bottom_k._Columns(("ranks",), 9)),
        (scan, lambda: scan.Workspace(9)),
    ):
        monkeypatch.setattr(module, "take", none)
        with pytest.raises(MemoryError):
            make()
    gc.collect()
    assert not recwarn.list
