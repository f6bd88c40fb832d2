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
from equipoise._runtime.backend import kernels as compiled
from equipoise.reservoirs import bottom_k, labels, reading, scan
from support.injected import inject
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


class Meddling:
    """The kernels, with a function that is called before or after each call of reservoir_rows."""

    def __init__(self, before=lambda: None, after=lambda: None):
        self.before, self.after = before, after

    def __getattr__(self, name):
        kernel = getattr(compiled(), name)

        def call(*arguments):
            if name in ("reservoir_rows", "reservoir_blocks"):
                self.before()
            got = kernel(*arguments)
            if name in ("reservoir_rows", "reservoir_blocks"):
                self.after()
            return got

        return call


def meddle(monkeypatch, **functions):
    meddling = Meddling(**functions)
    monkeypatch.setattr(scan, "kernels", lambda: meddling)


@pytest.mark.parametrize("few", [False, True])
def test_labels_may_be_overwritten_after_a_kernel_has_read_them(few, monkeypatch):
    """The kernel notes the class of each candidate, so they are not looked up again."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 50, 3000)
    reservoir, wanted = ClassReservoir(5, seed=1), ClassReservoir(5, seed=1)
    for one in (reservoir, wanted):
        one.update(np.arange(50_000 if few else 50) % 50_000)
    wanted.update(classes)
    mine = classes.copy()
    meddle(monkeypatch, after=lambda: mine.fill(-77))
    reservoir.update(mine)
    monkeypatch.undo()
    assert reservoir.to_bytes() == wanted.to_bytes()
    assert -77 not in reservoir.counts


@pytest.mark.parametrize("few", [False, True])
def test_labels_that_always_change_are_refused(few, monkeypatch):
    """Each time that a kernel reads them, they are labels which the reservoir has not learned."""
    reservoir = ClassReservoir(5, seed=1)
    reservoir.update(np.arange(50_000 if few else 50))
    before, mine, new = reservoir.to_bytes(), np.arange(3000), itertools.count(10**6, 10**4)
    meddle(monkeypatch, before=lambda: np.add(np.arange(3000), next(new), out=mine))
    with pytest.raises(ValueError, match=r"^classes must not change while update reads them$"):
        reservoir.update(mine)
    monkeypatch.undo()
    assert reservoir.to_bytes() == before


def test_a_thread_that_overwrites_labels_breaks_nothing():
    mine, stop = np.zeros(300_000, np.int64), threading.Event()
    choices = [np.random.default_rng(i).integers(0, 999, mine.size) for i in range(4)]

    def overwrite():
        while not stop.is_set():
            for choice in choices:
                mine[:] = choice

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        reservoir = ClassReservoir(5)
        reservoir.update(np.arange(999))
        for _ in range(20):
            reservoir.update(mine, n_threads=2)
    finally:
        stop.set()
        writer.join()
    assert reservoir.n_seen == sum(reservoir.counts.values()) == 999 + 20 * mine.size
    assert ClassReservoir.from_bytes(reservoir.to_bytes()).to_bytes() == reservoir.to_bytes()


@kinds
def test_a_call_within_a_call_is_refused_or_sees_the_state_before(name, monkeypatch):
    """A signal handler runs in the middle of an update. It may read the reservoir, but not change it."""
    reservoir, other = read(name, [slice(0, 3000)]), KINDS[name][0](stream=99)
    read(name, [slice(5000, 5100)], reservoir=other)
    through = read(name, [slice(0, 3000), slice(3000, 4000)])
    before, wanted, seen = reservoir.to_bytes(), answers(reservoir), []
    kind = type(reservoir).__name__

    def handler():
        if seen:  # the calls below run kernels, too
            return
        seen.append(True)
        calls = {
            "update": lambda: read(name, [slice(4000, 4100)], reservoir=reservoir),
            "merge": lambda: reservoir.merge(other),
        }
        for method, call in calls.items():
            text = f"^{method} must not be called while another method of the same {kind} is running"
            with pytest.raises(RuntimeError, match=text):
                call()
        assert reservoir.to_bytes() == before
        same(reservoir, wanted)
        KINDS[name][0](stream=98).merge(reservoir)

    meddle(monkeypatch, after=handler)
    read(name, [slice(3000, 4000)], reservoir=reservoir)
    monkeypatch.undo()
    assert seen
    assert reservoir.to_bytes() == through.to_bytes()
    reservoir.merge(other)


def test_a_signal_during_an_update(monkeypatch):
    """The handler's error reaches the caller of the update, and nothing has happened."""
    reservoir = ClassReservoir(3)
    reservoir.update(["a", "b"])
    before = reservoir.to_bytes()
    previous = signal.signal(signal.SIGUSR1, lambda *_: reservoir.update(["c"]))
    try:
        meddle(monkeypatch, after=lambda: signal.raise_signal(signal.SIGUSR1))
        with pytest.raises(RuntimeError, match="update must not be called while another method"):
            reservoir.update(["c", "d"])
    finally:
        signal.signal(signal.SIGUSR1, previous)
    monkeypatch.undo()
    assert reservoir.to_bytes() == before
    reservoir.update(["c", "d"])
    assert reservoir.counts == {"a": 1, "b": 1, "c": 1, "d": 1}


@pytest.mark.parametrize("method", ["update", "merge", "sample"])
@pytest.mark.parametrize("rows", [[*"abxyxa"], [7, 8, 9, 1, 1, 2], [True, False] * 3])
def test_a_call_that_is_interrupted_at_any_line_has_or_has_not_happened(method, rows):
    """New classes come, and candidates are selected. The same call then does what it would have done."""

    def made():
        reservoir = ClassReservoir(1, seed=5)
        reservoir.update(rows[:2] * 3, np.arange(6) + 1.0, np.arange(6))
        return reservoir

    other = ClassReservoir(1, seed=5)
    other.update(rows, np.arange(6) + 2.0, np.arange(6))
    calls = {
        "update": lambda r: r.update(rows, np.arange(6) + 2.0, np.arange(6)),
        "merge": lambda r: r.merge(other),
        "sample": lambda r: r.sample(total=2),
    }
    call, line, done = calls[method], 0, False
    after = made()
    call(after)
    states = {made().to_bytes(), after.to_bytes()}
    while not done:
        line += 1
        reservoir = made()
        done = inject(line, lambda r=reservoir: call(r), KeyboardInterrupt()) == "ended"
        assert reservoir.to_bytes() in states, line
        if reservoir.to_bytes() != after.to_bytes():
            call(reservoir)
        assert reservoir.to_bytes() == after.to_bytes(), line
        assert reservoir.counts == after.counts
    assert line > 30


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
