"""An exception before any line of a call leaves the state before the call or after it, never between."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import equipoise
from equipoise._runtime import backend, locks
from equipoise._runtime import progress as bars
from support.backends import pack
from support.injected import inject

ERRORS = pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])


def is_free(lock):
    """Return whether another thread can take the lock."""
    got = []
    thread = threading.Thread(target=lambda: got.append(lock.acquire(blocking=False) and not lock.release()))
    thread.start()
    thread.join()
    return got == [True]


def check_every_line(make, call, observe, error, skipped=()):
    """Check the state after an exception before each line in turn, and that the call can be repeated."""
    made = make()
    before = pack(observe(made))
    expected = pack(call(made))
    after = pack(observe(made))
    line = 0
    while True:
        line += 1
        made = make()
        outcome = inject(line, lambda: call(made), error(), skipped)  # noqa: B023 - it is called at once
        found = pack(observe(made))
        assert found in (before, after), line
        for holder in made if isinstance(made, tuple) else (made,):
            assert is_free(getattr(holder, "_lock", threading.Lock())), line
        if outcome == "raised" and found == before:
            assert pack(call(made)) == expected, line
            assert pack(observe(made)) == after, line
        if outcome == "ended":
            break
    assert line > 3
    return line


# ---- samplers ---------------------------------------------------------------------------------------------


EXCLUDE = ([0, 1, 2], [0, 3])
POINTS = np.random.default_rng(0).normal(size=(12, 2))


def negatives():
    return equipoise.NegativeSampler([4, 3, 2, 1], exclude=EXCLUDE, seed=3)


def synthetic():
    return equipoise.SmoteSampler(POINTS, k_neighbors=2, parent_weights=np.arange(1, 13), seed=3)


def moved(make, epoch, draw):
    """Return a state of another epoch, after a draw."""
    sampler = make()
    sampler.set_epoch(epoch)
    draw(sampler)
    return sampler.state_dict()


def position(sampler):
    return sampler.state_dict(), {
        name: getattr(sampler, name) for name in sampler._derived if name != "_exclusions"
    }


SAMPLERS = {
    "sample": (negatives, lambda s: s.sample([0, 1, 0], 4)),
    "sample, unique": (negatives, lambda s: s.sample([0, 1], 3, unique=True)),
    "sample, keyed": (negatives, lambda s: s.sample([0, 1], 3, row_keys=[5, 6])),
    "sample, threads": (negatives, lambda s: s.sample([0] * 40_000, 2, n_threads=2)),
    "sample_shared": (negatives, lambda s: s.sample_shared(4)),
    "sample_shared, repeating": (negatives, lambda s: s.sample_shared(9, unique=False)),
    "accidental_hits": (negatives, lambda s: s.accidental_hits([0, 1], [0, 1, 3])),
    "set_epoch": (negatives, lambda s: s.set_epoch(6)),
    "load_state_dict": (
        negatives,
        lambda s: s.load_state_dict(moved(negatives, 5, lambda other: other.sample([0], 2))),
    ),
    "synthetic rows": (synthetic, lambda s: s.sample(5)),
    "synthetic rows with parents": (synthetic, lambda s: s.sample(5, return_parents=True)),
    "epoch of synthetic rows": (synthetic, lambda s: s.set_epoch(6)),
}


@ERRORS
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers(name, error):
    check_every_line(*SAMPLERS[name], position, error)


# ---- reservoirs -------------------------------------------------------------------------------------------


def reservoir(**settings):
    made = equipoise.Reservoir(5, seed=1, **settings)
    keys = np.arange(90)
    times = {"times": keys / 9.0} if "half_life" in settings else {}
    made.update(1.0 + keys % 7, **times)
    return made


def by_id(**settings):
    made = equipoise.Reservoir(5, seed=1, **settings)
    made.update(1.0 + np.arange(90) % 7, ids=np.arange(90) % 50)
    return made


def by_class(classes=3, **settings):
    made = equipoise.ClassReservoir(4, seed=1, **settings)
    made.update(np.arange(40) % classes)
    return made


ROWS = 1.0 + np.arange(150) % 11
GUESSED = np.random.default_rng(0).random(300_000)
RESERVOIRS = {
    "update": (reservoir, lambda r: r.update(ROWS)),
    "update of few rows": (reservoir, lambda r: r.update(ROWS[:5])),
    "update of guessed rows": (reservoir, lambda r: r.update(GUESSED)),
    "update with threads": (reservoir, lambda r: r.update(GUESSED, n_threads=2)),
    "update with ids": (by_id, lambda r: r.update(ROWS, ids=np.arange(150) % 70)),
    "update with times": (lambda: reservoir(half_life=3.0), lambda r: r.update(ROWS, times=ROWS)),
    "update with replacement": (lambda: reservoir(replacement=True), lambda r: r.update(ROWS)),
    "update of known classes": (by_class, lambda r: r.update(np.arange(60) % 3, ROWS[:60])),
    "update of new classes": (by_class, lambda r: r.update(np.arange(60) % 9, ROWS[:60])),
    "update of numbered classes": (lambda: by_class(num_classes=4), lambda r: r.update(np.arange(60) % 4)),
    "merge": (lambda: (reservoir(), reservoir(stream=4)), lambda rs: rs[0].merge(rs[1])),
    "merge of ids": (lambda: (by_id(), by_id()), lambda rs: rs[0].merge(rs[1])),
    "merge of classes": (lambda: (by_class(3), by_class(9, stream=4)), lambda rs: rs[0].merge(rs[1])),
    "sample": (reservoir, lambda r: r.sample()),
    "sample with replacement": (lambda: reservoir(replacement=True), lambda r: r.sample()),
    "sample of classes": (by_class, lambda r: r.sample(total=7)),
    "estimate": (reservoir, lambda r: r.estimate()),
    "to_bytes": (by_class, lambda r: r.to_bytes()),
    "counts": (by_class, lambda r: r.counts),
}


def contents(made):
    return [r.to_bytes() for r in (made if isinstance(made, tuple) else (made,))]


@ERRORS
@pytest.mark.parametrize("name", RESERVOIRS)
def test_reservoirs(name, error):
    check_every_line(*RESERVOIRS[name], contents, error)


# ---- tables, files and functions --------------------------------------------------------------------------


def table_and_rng():
    return equipoise.AliasTable([3, 0, 2, 1]), np.random.default_rng(4)


def drawn(made):
    """Return what a table answers, and the generator's position."""
    table, rng = made
    return (
        table.prob([0, 1]),
        table.fingerprint(),
        rng.bit_generator.state["state"]["state"].to_bytes(16, "big"),
    )


def lazily(made):
    """Make what a table makes when it is first needed."""
    table, _ = made
    table.proposer()
    return [*table.proposer(prefix=True), table.num_positive(), table.fingerprint()]


FUNCTIONS = {
    "table": lambda made: made[0].sample(300, rng=made[1]),
    "log_prob": lambda made: made[0].log_prob([0, 2]),
    "what is made lazily": lazily,
    "weighted_sample": lambda made: equipoise.weighted_sample(ROWS, 6, rng=made[1]),
    "weighted_sample, inclusion": lambda made: equipoise.weighted_sample(
        ROWS, 6, rng=made[1], replacement=True, return_inclusion=True
    ),
    "nearest_neighbors": lambda _: equipoise.nearest_neighbors(POINTS, 3),
}


@ERRORS
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tables_and_functions(name, error):
    """A generator has advanced, or it has not."""
    check_every_line(table_and_rng, FUNCTIONS[name], drawn, error)


@ERRORS
def test_a_saved_file_is_the_old_one_or_the_new_one(tmp_path, error):
    old, new = equipoise.AliasTable([1, 2, 3]), equipoise.AliasTable([3, 0, 2, 1])
    path = tmp_path / "table"

    def make():
        path.unlink(missing_ok=True)
        old.save(path)
        return path

    def observe(path):
        assert os.listdir(tmp_path) == ["table"]
        return path.read_bytes()

    check_every_line(make, new.save, observe, error)


@ERRORS
@pytest.mark.parametrize("mmap", [False, True])
def test_an_interrupted_load_can_be_repeated(tmp_path, error, mmap):
    path = tmp_path / "table"
    equipoise.AliasTable([3, 0, 2, 1]).save(path)
    check_every_line(
        lambda: path,
        lambda p: equipoise.AliasTable.load(p, mmap).sample(9, rng=1),
        lambda p: p.read_bytes(),
        error,
    )


# ---- first calls and bars ---------------------------------------------------------------------------------


@ERRORS
def test_the_first_call_can_be_repeated(error):
    """The kernels are chosen and loaded by the first call that comes through."""

    def make():
        backend.kernels.cache_clear()
        locks.load.cache_clear()

    check_every_line(
        make, lambda _: equipoise.UniformTable(9).sample(5, rng=1), lambda _: is_free(locks._importing), error
    )


@ERRORS
def test_the_first_compilation_can_be_repeated(tmp_path, monkeypatch, error):
    pytest.importorskip("numba", reason="numba is not installed (extra 'numba')")
    from equipoise._numba import _jit, compiling

    def make():
        folder = tmp_path / str(len(os.listdir(tmp_path)))
        folder.mkdir()
        monkeypatch.setattr(_jit, "_cache_folder", lambda: folder)

        @_jit.jit((_jit.i64, _jit.i64))
        def kernel(x, y):
            return x + y

        return kernel

    def observe(_):
        assert is_free(compiling)
        assert _jit._config.DISABLE_JIT == 0
        assert not [path for path in tmp_path.rglob("*.*") if path.suffix != ".bin"]

    check_every_line(make, lambda kernel: kernel(3, 4), observe, error)


@ERRORS
def test_a_bar_ends(monkeypatch, error):
    """A bar that was drawn is closed, so that what is printed next begins on a new line."""
    opened = []

    class Drawn:
        total, n = None, 0

        def __init__(self, **_):
            self.open = True
            opened.append(self)

        def update(self, more):
            self.n += more

        def close(self):
            self.open = False

    monkeypatch.setattr(bars._validate, "as_progress", lambda progress: Drawn if progress else None)
    check_every_line(
        opened.clear,
        lambda _: equipoise.nearest_neighbors(POINTS, 3, progress=True),
        lambda _: [bar.open for bar in opened if bar.open],
        error,
        skipped={bars.Bar.close.__code__},
    )
    assert opened
