"""A reservoir survives bytes, pickles, copies, interrupts, threads that share it, and forks."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir
from equipoise.reservoirs import bottom_k, labels, reading
from support.reservoirs import COLUMNS, KINDS, answers, kinds, read, same

# ---- restarts and copies ----------------------------------------------------------------------------------


@kinds
def test_bytes_continue_where_the_stream_stopped(name):
    """At every cut, even in the middle of a block, bytes equal those of a reservoir that went on."""
    pieces = [slice(b, e) for b, e in itertools.pairwise([0, 1, 40, 64, 65, 200, 320, 1000, 5000])]
    stopped, through = read(name, []), read(name, [])
    for piece in pieces:
        stopped = type(stopped).from_bytes(stopped.to_bytes())
        read(name, [piece], reservoir=stopped)
        read(name, [piece], reservoir=through)
        assert stopped.to_bytes() == through.to_bytes()
        same(stopped, answers(through))
    for data in (bytearray(stopped.to_bytes()), memoryview(stopped.to_bytes())):
        assert type(stopped).from_bytes(data).to_bytes() == stopped.to_bytes()


KILLED = """
import sys, os
import numpy as np, equipoise
path, begin, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = np.random.default_rng(1).pareto(1.0, 3000)
reservoir = equipoise.Reservoir(30, seed=2)
if begin:
    with open(path, "rb") as file:
        reservoir = equipoise.Reservoir.from_bytes(file.read())
assert reservoir.n_seen == begin
reservoir.update(rows[begin:end])
with open(path, "wb") as file:
    file.write(reservoir.to_bytes())
reservoir.update(rows[end:])
os._exit(9)
"""


def test_another_process_resumes_a_killed_one(tmp_path):
    path = tmp_path / "reservoir"
    for begin, end in ((0, 1234), (1234, 3000)):
        arguments = [str(path), str(begin), str(end)]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
        assert done.returncode == 9
    rows = np.random.default_rng(1).pareto(1.0, 3000)
    reservoir = Reservoir(30, seed=2)
    reservoir.update(rows[:1234])
    reservoir.update(rows[1234:])
    assert path.read_bytes() == reservoir.to_bytes()


@kinds
def test_copies_are_independent(name):
    """Copy reservoirs with no, some and many rows, and go on with the copies."""
    for end in (0, 100, 5000):
        reservoir = read(name, [slice(0, end)])
        data = reservoir.to_bytes()
        copies = [copy.copy(reservoir), copy.deepcopy(reservoir), copy.deepcopy([reservoir])[0]]
        copies += [pickle.loads(pickle.dumps(reservoir, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
        for other in copies:
            assert type(other) is type(reservoir)
            assert repr(other) == repr(reservoir)
            assert other.to_bytes() == data
            read(name, [slice(5000, 5200)], reservoir=other)
            assert other.n_seen == reservoir.n_seen + 200
        assert reservoir.to_bytes() == data


@kinds
def test_arrays_of_a_sample_may_be_overwritten(name):
    reservoir = read(name, [slice(0, 777)])
    wanted = answers(reservoir)
    sample = reservoir.sample()
    for array in (sample.ids, sample.weights, sample.inclusion, sample.classes, sample.streams):
        if array is not None:
            array[:] = 0
    reservoir.to_bytes()
    same(reservoir, wanted)


@kinds
def test_arguments_may_be_overwritten_after_a_call(name):
    make, names = KINDS[name]
    reservoir, columns = make(), {c: COLUMNS[c][:777].copy() for c in names}
    reservoir.update(**columns)
    for column in columns.values():
        column[:] = 1
    same(reservoir, answers(read(name, [slice(0, 777)])))


@kinds
def test_a_failed_update_leaves_retained_rows_and_samples_alone(name):
    """The failed call selects more than once. It must not write to the columns that it began with."""
    pieces = [slice(b, e) for b, e in itertools.pairwise([0, 2000, 3000, 150_000, 180_000, 400_003])]
    reservoir = read(name, pieces[:2])
    before, sample = reservoir.to_bytes(), reservoir.sample()
    kept = [array.copy() for array in (sample.ids, sample.weights, sample.inclusion)]
    bad = {c: COLUMNS[c][3000:].copy() for c in KINDS[name][1]}
    bad["weights"][-1] = np.nan
    with pytest.raises(ValueError, match="weights"):
        reservoir.update(**bad)
    assert reservoir.to_bytes() == before
    read(name, pieces[2:], reservoir=reservoir)
    assert reservoir.to_bytes() == read(name, pieces).to_bytes()
    for array, old in zip((sample.ids, sample.weights, sample.inclusion), kept, strict=True):
        assert array.tobytes() == old.tobytes()


# ---- interrupts, threads, forks ----------------------------------------------------------------------------


@pytest.mark.parametrize("when", range(12))
@pytest.mark.parametrize("merging", [False, True])
def test_an_interrupted_call_has_no_effect(monkeypatch, merging, when):
    """Interrupt each call of a kernel and each selection in turn."""
    rng = np.random.default_rng(when)
    one, other = (ClassReservoir(3, seed=1, stream=i) for i in range(2))
    one.update(rng.integers(0, 5, 500))
    other.update(rng.integers(0, 3_000, 20_000))
    before, left = one.to_bytes(), [when]
    classes = rng.integers(0, 3_000, 20_000)

    def interrupted(function):
        def call(*args, **more):
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
            return function(*args, **more)

        return call

    for name in ("select", "select_if_many", "_retain"):
        monkeypatch.setattr(bottom_k.BottomK, name, interrupted(getattr(bottom_k.BottomK, name)))
    kernels = interrupted(labels.kernels)
    monkeypatch.setattr(labels, "kernels", kernels)
    monkeypatch.setattr(reading, "kernels", interrupted(reading.kernels))
    act = (lambda: one.merge(other)) if merging else (lambda: one.update(classes))
    try:
        act()
    except KeyboardInterrupt:
        done = False
    else:
        done = True
    monkeypatch.undo()
    if not done:
        assert one.to_bytes() == before
        act()
    assert one.n_seen == 20_500
    assert sum(one.counts.values()) == 20_500
    again = ClassReservoir.from_bytes(before)
    if merging:
        again.merge(other)
    else:
        again.update(classes)
    assert one.sample().ids.tolist() == again.sample().ids.tolist()


def test_threads_may_sample_at_the_same_time():
    """Sampling changes nothing that another thread reads."""
    weights = np.random.default_rng(0).random(300_000)
    for trial in range(5):
        reservoir = Reservoir(20_000, seed=trial)
        for part in np.array_split(weights, 7):
            reservoir.update(part)
        fresh = Reservoir(20_000, seed=trial)
        fresh.update(weights)
        wanted, got = fresh.sample(), []
        readers = [threading.Thread(target=lambda r=reservoir, g=got: g.append(r.sample())) for _ in range(4)]
        switch = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        finally:
            sys.setswitchinterval(switch)
        assert len(got) == 4
        for sample in [*got, reservoir.sample()]:
            assert sample.ids.tolist() == wanted.ids.tolist()
            assert sample.inclusion.tolist() == wanted.inclusion.tolist()


@pytest.mark.parametrize("name", ["ids", "classes of ids"])
def test_threads_take_turns(name):
    """The rows of all threads are counted, and a reader always sees the state between two calls."""
    make, _ = KINDS[name]
    chunks = [slice(at, at + 1000) for at in range(0, 60_000, 1000)]
    reservoir, other, snapshots, begin = make(), make(), [], threading.Barrier(5, timeout=60)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def write(first):
        begin.wait()
        read(name, chunks[first::3], reservoir=reservoir)

    def look():
        begin.wait()
        for _ in range(20):
            snapshots.append(reservoir.to_bytes())
            reservoir.sample()
            other.merge(reservoir)

    def merge_back():
        begin.wait()
        for _ in range(20):
            reservoir.merge(other)

    writers = [threading.Thread(target=write, args=(first,)) for first in range(3)]
    others = [threading.Thread(target=look), threading.Thread(target=merge_back)]
    try:
        for thread in [*writers, *others]:
            thread.start()
        for thread in [*writers, *others]:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert reservoir.sample().ids.tolist() == read(name, chunks).sample().ids.tolist()
    assert len(snapshots) == 20
    for snapshot in snapshots:
        assert type(reservoir).from_bytes(snapshot).n_seen % 1000 == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_during_an_update_can_go_on():
    """The child does not have the thread that holds the lock, so it needs a new lock."""
    reservoir = Reservoir(5)
    held, done = threading.Event(), threading.Event()

    def hold():
        with reservoir._lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            reservoir.update([1.0, 2.0])
            os._exit(7 if reservoir.sample().ids.size == 2 else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        done.set()
        holder.join()
