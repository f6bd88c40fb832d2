"""C++ and Numba make the same tables and draws, byte for byte."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from support import cases, reference
from support.backends import (
    MISSING,
    NONE,
    SEEDS,
    about,
    agree,
    check,
    frozen,
    proposer_of,
    table_of,
    weights_of,
    words,
)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@given(SEEDS)
@settings(max_examples=300)
def test_units_agree(seed):
    rng = np.random.default_rng(seed)
    w = weights_of(rng, int(rng.integers(1, 60)))
    top = int(w.max()).bit_length() if w.dtype == np.int64 else int(np.frexp(w.max())[1])
    grid = top + (w.size - 1).bit_length() - 126 + int(rng.integers(0, 130))
    agree("unit_sum", frozen(w), grid)
    high, low = int(words(rng, 1)[0]) | 1 << 63, int(words(rng, 1)[0])
    point = grid + 126 + int(rng.integers(-1, 140))
    _, units = agree("unit_floor", w, high, low, point, np.empty(w.size, np.uint64), outs=[4])
    if units.any():
        agree("unit_settle", units, int(rng.integers(0, 4 * w.size)), outs=[0])
        heavy = int((units >= np.uint64(2**32)).sum())
        if heavy:
            agree("unit_settle", units, -int(rng.integers(0, heavy * 2**31)), outs=[0])


@pytest.mark.parametrize(
    "units", [[], [0, 0], [2**64 - 1], [0, 2**64 - 1, 0, 2**64 - 2], [3, 0, 2**32, 2**33]]
)
@pytest.mark.parametrize("surplus", [0, 1, 2, 5, 1000, -1, -5, 2**63 - 1, -(2**63)])
def test_unit_settle_always_ends(units, surplus):
    """unit_settle ends for any input. It once searched forever when units wrapped around."""
    _, settled = agree("unit_settle", np.array(units, np.uint64), surplus, outs=[0])
    least = 1 if surplus >= 0 else 2**32
    ids = [i for i, u in enumerate(units) if u >= least]
    wanted = list(units)
    for place, i in enumerate(ids):
        share, rest = divmod(abs(surplus), len(ids))
        wanted[i] += (share + (place < rest)) * (1 if surplus >= 0 else -1)
    assert settled.tolist() == [u % 2**64 for u in wanted]


@given(SEEDS)
@settings(max_examples=200)
def test_draws_agree(seed):
    rng = np.random.default_rng(seed)
    _, units, cells, _ = table_of(rng, int(rng.integers(1, 300)))
    key, start = int(words(rng, 1)[0]), 128 * int(rng.integers(0, 2**40))
    out = np.empty(int(rng.choice([0, 1, 127, 128, 129, 256, 1000])), np.int64)
    if units.size:
        _, drawn = agree("alias_draw", key, frozen(cells), start, out, outs=[3])
        assert ((drawn >= 0) & (drawn < units.size)).all()
    agree("uniform_draw", key, [1, 2, 1000, 2**32 - 1][rng.integers(4)], start, out, outs=[3])


def test_large_units_agree():
    """Test columns above 2^23 and totals whose top bit is set."""
    n = 2**24 + 1
    table = equipoise.AliasTable(1.0 / np.arange(1, n + 1))
    agree("alias_draw", 5, table._cells, 0, np.empty(4096, np.int64), outs=[3])
    uniform = proposer_of(2**32 - 1, NONE, NONE)
    agree("shared_draw", 5, 0, 0, uniform, 0, np.empty(4096, np.int64), outs=[5])
    few = np.empty((4, 1000), np.int64), np.empty((4, 1000), np.float32), np.empty((4, 1000), np.bool_)
    empty = np.empty(0, np.int64), np.empty(0, np.uint32), NONE
    rows, none = np.zeros(4, np.int64), np.empty((4, 0), np.int64)
    batch, scratch = (5, 0, 0, NONE, rows, none, True, 0), np.zeros(2007, np.uint64)
    agree("negatives_draw", uniform, empty, batch, 0, 4, 9**9, scratch, *few, outs=[7, 8, 9])


@pytest.mark.parametrize("name", cases.WEIGHTS)
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_tables_agree(name, n):
    w = cases.WEIGHTS[name](n)
    check(lambda: about(equipoise.AliasTable(w)))
    for dtype in cases.DTYPES:
        with np.errstate(over="ignore", under="ignore"):
            typed = cases.as_dtype(w, dtype)
        check(lambda typed=typed: about(equipoise.AliasTable(typed)))
        check(lambda typed=typed: about(equipoise.AliasTable(typed, power=0.75, smoothing=1)))
    for power in (0, 0.25, 0.5, 0.75, 2, -1, 0.1, 1 / 3):
        check(lambda power=power: about(equipoise.AliasTable(w, power=power)))
        check(lambda power=power: about(equipoise.AliasTable(w, power=power, smoothing=0.01)))


@pytest.mark.parametrize("n", [2**16 - 1, 2**16, 2**16 + 1])
def test_middle_sized_tables_agree(n):
    for name in ("zipf", "wide", "zeros_inside"):
        w = cases.WEIGHTS[name](n)
        check(lambda w=w: about(equipoise.AliasTable(w, power=0.7)))
    check(lambda: about(equipoise.LogUniformTable(n)))


def test_a_large_table_agrees():
    w = cases.zipf(10**6)
    check(lambda: about(equipoise.AliasTable(w, power=0.75)))


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**24 + 1, 2**32 - 1])
def test_tables_without_weights_agree(n):
    check(lambda: about(equipoise.UniformTable(n)))
    if n < 2000:
        check(lambda: about(equipoise.LogUniformTable(n)))


def test_files_and_pickles_load_on_the_other_backend(tmp_path):
    """Each backend reads, maps and unpickles what the other one saved."""

    def run():
        path = tmp_path / f"{equipoise.backend()}.table"
        equipoise.AliasTable(cases.pareto(500), power=0.6).save(path)
        loaded = [
            equipoise.AliasTable.load(tmp_path / f"{name}.table", mmap=m) for name in saved for m in (0, 1)
        ]
        again = [pickle.loads(pickle.dumps(table)) for table in loaded]
        return [path.read_bytes(), *(about(table) for table in loaded + again)]

    saved = ["cpp"]
    check(run)
    saved = ["cpp", "numba"]
    check(run)


UNITS = st.one_of(
    st.integers(0, 3 * 2**32),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 1]),
)


@given(
    st.lists(UNITS, max_size=8), st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8), st.booleans()
)
@settings(max_examples=300)
def test_kernels_agree_on_any_units(units, cells, whole):
    """alias_build never writes outside the table, and says whether the units add up to n * 2^32."""
    n = len(units)
    if whole and n:
        units[-1] = max((n << 32) - sum(units[:-1]), 0) % 2**64
    u, room = np.array(units, np.uint64), np.array(cells, np.uint64)
    built, made = agree("alias_build", frozen(u), room[:n], outs=[1])
    assert built == (n > 0 and sum(units) == n << 32)
    assert agree("unit_digest", n, frozen(u))[0] == (reference.Table(units, n << 32, []).digest() if n else 0)
    if n:
        assert agree("alias_check", frozen(u), frozen(made))[0] == (
            sum(units) == n << 32 and bool((made & np.uint64(2**32 - 1) < n).all())
        )
        outside = room[:n] & np.uint64(2**32 - 1) >= n
        assert agree("alias_check", frozen(u), frozen(room[:n]))[0] == (
            sum(units) == n << 32 and not outside.any()
        )
