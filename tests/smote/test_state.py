"""A stream of synthetic rows continues after states, copies and pickles, and in other processes."""

from __future__ import annotations

import copy
import itertools
import json
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

from equipoise import SmoteSampler
from support.synthetic import VARIANTS, Found, parts, points, saved, variants


def test_different_addresses_give_different_gaps():
    """Another seed, epoch or class gives entirely different gaps."""

    def gaps(X=None, seed=0, epoch=0):
        sampler = SmoteSampler(points(dtype=np.float64) if X is None else X, seed=seed)
        sampler.set_epoch(epoch)
        return sampler.sample(50, return_parents=True).gaps.tolist()

    other = points(dtype=np.float64, seed=1)
    drawn = [
        gaps(), gaps(seed=1), gaps(seed=2**64 - 1), gaps(epoch=1), gaps(epoch=2**32 - 1), gaps(other),
        gaps(other.reshape(120, 2)),
    ]  # fmt: skip
    assert len(set(itertools.chain(*drawn))) == 50 * len(drawn)


def test_set_epoch_starts_the_stream_again():
    sampler = VARIANTS["plain"]()
    first = sampler.sample(100).tobytes()
    sampler.set_epoch(1)
    assert sampler.sample(100).tobytes() != first
    sampler.set_epoch(0)
    assert sampler.sample(100).tobytes() == first


@variants
def test_a_resumed_sampler_continues(make):
    sampler = make()
    sampler.set_epoch(3)
    sampler.sample(77)
    state = json.loads(json.dumps(sampler.state_dict()))
    wanted = sampler.sample(200).tobytes()
    fresh = make()
    fresh.load_state_dict(state)
    assert fresh.sample(200).tobytes() == wanted
    assert state["rows_drawn"] == 77


KILLED = """
import json, os, sys
import numpy as np, equipoise
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
sampler = equipoise.SmoteSampler(X, seed=4)
if sys.argv[1] == "die":
    for _ in range(3):
        sampler.sample(50)
    print(json.dumps(sampler.state_dict()), flush=True)
    sampler.sample(20)
    os.kill(os.getpid(), 9) if os.name != "nt" else os._exit(1)
sampler.load_state_dict(json.loads(sys.argv[2]))
print(sampler.sample(50).tobytes().hex())
"""


def test_another_process_resumes_a_killed_one():
    run = [sys.executable, "-c", KILLED]
    died = subprocess.run([*run, "die"], capture_output=True, text=True, check=False)
    assert died.returncode != 0
    again = subprocess.run([*run, "live", died.stdout.strip()], capture_output=True, text=True, check=True)
    assert bytes.fromhex(again.stdout.strip()) == VARIANTS["plain"]().sample(200)[150:].tobytes()


@pytest.mark.parametrize(
    "other",
    [
        SmoteSampler(points(seed=1), seed=4),
        SmoteSampler(points(dtype=np.float64), seed=4),
        SmoteSampler(points(), seed=5),
        SmoteSampler(points(), seed=4, k_neighbors=4),
        SmoteSampler(points(), seed=4, parent_weights=np.ones(60)),
        SmoteSampler(np.round(points()), seed=4, categorical=[1]),
    ],
    ids=["X", "dtype", "seed", "k_neighbors", "parent_weights", "categorical"],
)
def test_a_foreign_state_is_refused(other):
    before = other.state_dict()
    with pytest.raises(
        ValueError, match="that of this sampler's X, k_neighbors, categorical, parent_weights"
    ):
        other.load_state_dict(VARIANTS["plain"]().state_dict())
    assert other.state_dict() == before


def test_the_fingerprint_depends_on_the_categories():
    X = np.round(points())
    a, b = (SmoteSampler(X, categorical=c, k_neighbors=Found(np.zeros((60, 3), int), 3)) for c in ([1], [2]))
    assert a.state_dict()["fingerprint"] != b.state_dict()["fingerprint"]


def test_malformed_states_are_refused():
    good = VARIANTS["plain"]().state_dict()
    for bad in (
        {},
        {**good, "version": 1},
        {**good, "rows_drawn": -1},
        {**good, "epoch": 2**32},
        *({k: v for k, v in good.items() if k != gone} for gone in good),
    ):
        with pytest.raises(ValueError, match="state"):
            VARIANTS["plain"]().load_state_dict(bad)
    for bad in (None, [], "state", 3):
        with pytest.raises(TypeError, match="state"):
            VARIANTS["plain"]().load_state_dict(bad)


def test_the_fingerprint_is_computed_once(monkeypatch):
    sampler = VARIANTS["plain"]()
    first = sampler.state_dict()
    monkeypatch.setattr("hashlib.blake2b", None)
    assert sampler.state_dict() == first
    sampler.load_state_dict(first)


@variants
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_continue_independently(make, copied):
    sampler = make()
    sampler.set_epoch(2)
    sampler.sample(10)
    other = copied(sampler)
    wanted = sampler.sample(50).tobytes()
    sampler.sample(9)
    assert other.sample(50).tobytes() == wanted


@variants
def test_equal_samplers_have_equal_pickles(make):
    used, new = make(), pickle.dumps(make())
    used.state_dict()
    assert pickle.dumps(used) == new
    used.sample(10)
    moved = pickle.dumps(used)
    assert moved != new
    assert pickle.dumps(pickle.loads(moved)) == moved


def test_buffers_are_pickled_out_of_band():
    sampler = SmoteSampler(points(2000, 16), seed=1)
    buffers = []
    inside = pickle.dumps(sampler, protocol=5, buffer_callback=buffers.append)
    assert len(inside) < 2000
    assert {b.raw().nbytes for b in buffers} >= {sampler._X.nbytes, sampler._table.nbytes}
    again = pickle.loads(inside, buffers=[b.raw().tobytes() for b in buffers])  # read-only memory
    assert again.sample(100).tobytes() == sampler.sample(100).tobytes()


def _draw(sampler, queue):
    queue.put(sampler.sample(300).tobytes())


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_any_start_method_draw_the_same_rows(method, mapped, tmp_path):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method} here")
    X = points()
    if mapped:
        X = saved(tmp_path / "rows.npy", X)
    sampler = SmoteSampler(X, seed=4)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_draw, args=(sampler, queue))
    worker.start()
    there = queue.get(timeout=120)
    worker.join()
    assert there == VARIANTS["plain"]().sample(300).tobytes()


def test_pickles_with_the_british_spelling_load():
    drawn = VARIANTS["plain"]().sample(9, return_parents=True)
    state = dict(vars(drawn))
    state["neighbours"] = state.pop("neighbors")
    other = object.__new__(type(drawn))
    other.__setstate__(state)
    assert parts(other) == parts(drawn)
    assert parts(pickle.loads(pickle.dumps(drawn))) == parts(drawn)
    assert parts(copy.deepcopy(drawn)) == parts(drawn)
