"""Tables have exactly the units and the draws of the reference."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import AliasTable, LogUniformTable, NegativeSampler, UniformTable
from support import cases, reference

CELL = 2**32


def rebuilt(table):
    """Return the units of each id, added up from the cells.

    The threshold of a cell belongs to its column, and the rest to its alias.
    """
    cells = np.asarray(table._cells)
    assert cells.dtype == np.uint64
    threshold, alias = cells >> np.uint64(32), (cells & np.uint64(CELL - 1)).astype(np.int64)
    assert alias.max() < len(cells)
    units = threshold.copy()
    np.add.at(units, alias, np.uint64(CELL) - threshold)
    return units


def exact_share_errors(units, weights):
    """Return units - w * T / sum w with an error of 1e-6.

    The sum is exact, and the product of two floats is kept as two floats (Dekker).
    """
    w = np.asarray(weights, dtype=np.float64)
    m, e = np.frexp(w)
    m = np.ldexp(m, 53).astype(np.int64)
    # Sums of significands by exponent, split into 26 and 27 bits so that 10^7 of them fit into 64 bits.
    least = int(e.min())
    high, low = np.zeros((2, int(e.max()) - least + 1), dtype=np.int64)
    np.add.at(high, e - least, m >> 27)
    np.add.at(low, e - least, m & (2**27 - 1))
    total = sum(
        Fraction((int(h) << 27) + int(l)) * Fraction(2) ** (least + i - 53)
        for i, (h, l) in enumerate(zip(high, low, strict=True))
    )
    # Scaled by a power of two to avoid underflow and overflow: the largest weight is in [1/2, 1).
    shift = int(np.frexp(w.max())[1])
    w = np.ldexp(w, -shift)
    factor = Fraction(len(w) * CELL) / total * Fraction(2) ** shift
    hi = float(factor)
    lo = float(factor - Fraction(hi))

    def split(x):
        head = x * 134217729.0 - (x * 134217729.0 - x)
        return head, x - head

    product = w * hi
    (a, b), (c, d) = split(w), split(hi)
    rest = ((a * c - product) + a * d + b * c) + b * d + w * lo
    top = (units >> np.uint64(32)) << np.uint64(32)
    return (top.astype(np.float64) - product) + (units - top).astype(np.float64) - rest


def check_units(table, weights):
    """Check that the cells hold the units, and that the units are those of the weights."""
    w = np.asarray(weights, dtype=np.float64)
    units = np.asarray(table._units)
    assert units.dtype == np.uint64
    assert len(units) == len(w) == len(table)
    assert np.array_equal(rebuilt(table), units)
    assert sum(int(part.sum()) for part in np.array_split(units >> np.uint64(32), 8)) * CELL + int(
        (units & np.uint64(CELL - 1)).sum()
    ) == CELL * len(w)
    assert np.array_equal(units > 0, w > 0)
    error = exact_share_errors(units, w)
    # Ids that are raised to one unit are within 2 units of their share, like most others. Heavy ids may not
    # be, since each of them gives up some of the units that are missing.
    lifted = np.count_nonzero((w > 0) & (units == 1))
    heavy = units >= np.uint64(CELL // 2)
    payment = math.ceil(lifted / max(1, np.count_nonzero(units >= np.uint64(2 * CELL)))) if lifted else 0
    assert error.max() <= 2 + 1e-6
    assert error[~heavy].min(initial=0) >= -2 - 1e-6
    assert error[heavy].min(initial=0) >= -2 - 1e-6 - payment


@pytest.mark.parametrize("n", cases.SIZES)
@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_cells_hold_the_units_of_the_weights(name, n):
    w = cases.WEIGHTS[name](n)
    check_units(AliasTable(w), w)


@pytest.mark.parametrize("n", [*cases.SMALL, 2**16 + 1])
@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_units_and_cells_equal_the_reference(name, n):
    w = cases.WEIGHTS[name](n)
    table, slow = AliasTable(w), reference.alias_table(w)
    assert np.asarray(table._units).tolist() == slow.units
    assert np.asarray(table._cells).tolist() == [threshold * CELL + alias for threshold, alias in slow.cells]


@pytest.mark.parametrize("dtype", cases.DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", [name for name in cases.WEIGHTS if name not in ("wide", "one_crushing")])
def test_weights_of_every_dtype(name, dtype):
    w = cases.as_dtype(cases.WEIGHTS[name](777), dtype)
    table = AliasTable(w)
    assert np.asarray(table._units).tolist() == reference.alias_table(w).units
    check_units(table, w)


@pytest.mark.parametrize("dtype", cases.DTYPES, ids=lambda d: d.__name__)
def test_many_weights_of_every_dtype(dtype):
    w = cases.as_dtype(cases.pareto(10**6), dtype)
    check_units(AliasTable(w), w)


def test_integer_weights_are_not_rounded_to_floats():
    """2^62 + 1 and 2^62 are the same float64, but different weights."""
    w = np.array([2**62 + 1, 2**62, 1], dtype=np.int64)
    units = np.asarray(AliasTable(w)._units).tolist()
    assert units == reference.units_of([int(x) for x in w])
    exact = [Fraction(int(x)) * 3 * CELL / int(w.sum(dtype=object)) for x in w]
    assert all(abs(u - x) <= 2 for u, x in zip(units, exact, strict=True))
    wide = np.array([2**53 + 1] * 2 + [2**53], dtype=np.int64)
    assert np.asarray(AliasTable(wide)._units).tolist() == reference.units_of([int(x) for x in wide])


@pytest.mark.parametrize("zeros", [0, 1, 500])
def test_the_last_bits_of_the_sum_count(zeros):
    """The grid of step 1 ignores weights about a hundred bits below the heaviest one."""
    for bit in range(105, 135):
        w = [1.0, 1.0, 2.0**-bit] + [0.0] * zeros
        assert np.asarray(AliasTable(w)._units).tolist() == reference.units_of(w), bit


def test_an_id_of_exactly_one_cell_pays_like_the_heavier():
    """Three ids are raised to one unit. One unit is missing, and the first id with 2^32 units gives it."""
    w = np.array([1, 1, 1, 2**33, 4 * 2**33 - 3])
    wanted = [1, 1, 1, CELL - 1, 4 * CELL - 2]
    assert np.asarray(AliasTable(w)._units).tolist() == wanted == reference.alias_table(w).units


def test_units_of_integer_weights_are_exact():
    """Step 3 is exact for multiples of a power of two, and spare units go to the first ids."""
    w = np.random.default_rng(3).integers(0, 2**40, 5000)
    exact = [Fraction(int(x) * len(w) * CELL, int(w.sum())) for x in w]
    floors = [math.floor(x) for x in exact]
    spare = len(w) * CELL - sum(floors)
    wanted, positive = list(floors), [i for i, x in enumerate(w) if x > 0]
    for i in positive[:spare]:
        wanted[i] += 1
    assert spare < len(positive)
    assert np.asarray(AliasTable(w)._units).tolist() == wanted


@pytest.mark.parametrize("power", [1.0, 0.75, 0.5, 0.25, 0.0, -0.5, -1.0, 2.0, 0.3, 40.0])
@pytest.mark.parametrize("smoothing", [0.0, 1.0, 0.125])
def test_power_and_smoothing_equal_the_reference(power, smoothing):
    w = cases.zeros_inside(500) * 1000
    table = AliasTable(w, power=power, smoothing=smoothing)
    slow = reference.alias_table(w, power, smoothing)
    assert np.asarray(table._units).tolist() == slow.units
    v = w + smoothing
    raised = np.zeros_like(v)
    raised[v > 0] = np.exp(power * (np.log(v[v > 0]) - np.log(v.max() if power >= 0 else v[v > 0].min())))
    np.testing.assert_allclose(
        table.prob(np.arange(500)), raised / raised.sum(), rtol=1e-6, atol=3 / 500 / CELL
    )


@pytest.mark.parametrize("power", [0.75, 0.3, -1.0])
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=lambda d: d.__name__)
def test_power_accepts_every_dtype(power, dtype):
    w = cases.as_dtype(cases.pareto(300), dtype)
    assert np.asarray(AliasTable(w, power=power)._units).tolist() == reference.alias_table(w, power).units


@pytest.mark.parametrize("power", [3.0, -3.0, 0.3, 0.75])
def test_power_of_very_wide_weights_stays_positive(power):
    """The cubes of 1e-300 to 1e300 exceed the range of floats, but no positive weight becomes zero."""
    w = cases.wide(200)
    table = AliasTable(w, power=power)
    assert np.asarray(table._units).tolist() == reference.alias_table(w, power).units
    assert np.asarray(table._units).min() >= 1


def test_subnormal_and_largest_weights_are_exact():
    w = np.array([5e-324, 1e-310, 2.2250738585072014e-308, 4e-308])
    check_units(AliasTable(w), w)
    assert np.asarray(AliasTable(w)._units).tolist() == reference.alias_table(w).units
    w = np.array([8e307, 8e307, 1.0])
    check_units(AliasTable(w), w)


@given(
    st.lists(
        st.one_of(st.just(0.0), st.floats(0, 1e300), st.integers(1, 9).map(float)), min_size=1, max_size=40
    ).filter(lambda w: 0 < math.fsum(w) < 1e302)
)
def test_random_weights_equal_the_reference(w):
    table, slow = AliasTable(np.array(w)), reference.alias_table(w)
    assert np.asarray(table._units).tolist() == slow.units
    assert np.asarray(table._cells).tolist() == [threshold * CELL + alias for threshold, alias in slow.cells]
    assert rebuilt(table).tolist() == slow.units


def test_the_layout_of_the_weights_does_not_matter():
    w = cases.pareto(300)
    wanted = np.asarray(AliasTable(w)._units)
    wide = np.zeros((300, 3))
    wide[:, 1] = w
    fixed = w.copy()
    fixed.flags.writeable = False
    for other in (wide[:, 1], w[::-1].copy()[::-1], fixed, w.tolist(), w.astype(w.dtype.newbyteorder())):
        assert np.array_equal(np.asarray(AliasTable(other)._units), wanted)


@pytest.mark.parametrize("n", cases.SMALL)
@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_draws_equal_the_reference(name, n):
    w = cases.WEIGHTS[name](n)
    table, slow = AliasTable(w), reference.alias_table(w)
    for size in (0, 1, 127, 128, 129, 1000):
        wanted = reference.table_sample(slow, reference.key_from_rng(size), size)
        assert table.sample(size, rng=size).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**31 + 11, 2**32 - 1])
def test_uniform_draws_equal_the_reference(n):
    key = reference.call_key(reference.key_from_rng(4), 0, reference.TABLE, 0)
    words = [reference.Run(key, i // 128).word(i % 128) for i in range(1000)]
    wanted = [reference.below(word, n) for word in words]
    assert UniformTable(n).sample(1000, rng=4).tolist() == wanted


@pytest.mark.parametrize("n", cases.SMALL)
def test_log_uniform_draws_equal_the_reference(n):
    table, slow = LogUniformTable(n), reference.log_uniform_table(n)
    assert np.asarray(table._units).tolist() == slow.units
    wanted = reference.table_sample(slow, reference.key_from_rng(9), 500)
    assert table.sample(500, rng=9).tobytes() == wanted.tobytes()


def test_ids_of_zero_weight_are_never_drawn():
    for name in ("zeros_inside", "zeros_at_the_ends"):
        w = cases.WEIGHTS[name](1000)
        drawn = AliasTable(w).sample(300_000, rng=1)
        assert np.all(w[drawn] > 0)
    w = np.zeros(1000)
    w[999] = 1e-12
    assert np.all(AliasTable(w).sample(1000, rng=1) == 999)


def test_zero_weights_stay_zero_for_every_power():
    w = np.array([0.0, 1.0, 0.0, 3.0])
    for power in (0.0, 0.25, 0.5, 0.75, 1.0, 2.5, -1.0):
        assert AliasTable(w, power=power).prob([0, 2]).tolist() == [0.0, 0.0]
        assert set(AliasTable(w, power=power).sample(1000, rng=1).tolist()) == {1, 3}
    assert AliasTable(w, power=-1.0, smoothing=1.0).prob([0, 1]).tolist() == pytest.approx([4 / 11, 2 / 11])


def test_the_last_id_is_drawn():
    for n in (2, 3, 1000):
        assert n - 1 in AliasTable(np.ones(n)).sample(20_000, rng=1)
        assert n - 1 in UniformTable(n).sample(20_000, rng=1)
        assert n - 1 in AliasTable(cases.ascending(n)).sample(20_000, rng=1)


def test_tables_of_more_than_2_to_the_23_ids_keep_their_weights():
    """A float32 that served as both column and coin would lose the alternating weights."""
    n = 2**24 + 1
    w = np.ones(n, dtype=np.float32)
    w[::2] = 3
    table = AliasTable(w)
    assert np.array_equal(rebuilt(table), np.asarray(table._units))
    drawn = table.sample(2_000_000, rng=3)
    high = drawn >= 2**23
    # Both counts are binomial (p = 1/2 and 3/4). Seven standard deviations give one false alarm in 10^11.
    assert abs(high.mean() - 0.5) < 7 * math.sqrt(0.25 / len(drawn))
    assert abs((drawn[high] % 2 == 0).mean() - 0.75) < 7 * math.sqrt(0.1875 / high.sum())
    key = reference.call_key(reference.key_from_rng(3), 0, reference.TABLE, 0)
    for i in range(1000):
        word = reference.Run(key, i // 128).word(i % 128)
        column, coin = reference.below(word, n), (word * n & reference.M64) >> 32
        limit, alias = divmod(int(table._cells[column]), CELL)
        assert drawn[i] == (column if coin < limit else alias)
    last = np.zeros(n, dtype=np.float32)
    last[-1], last[2**23] = 1, 1
    assert set(AliasTable(last).sample(100, rng=1).tolist()) == {n - 1, 2**23}


@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_prob_and_log_prob_equal_the_reference(name):
    w = cases.WEIGHTS[name](1000)
    table, slow = AliasTable(w), reference.alias_table(w)
    p = table.prob(np.arange(1000))
    assert p.dtype == np.float64
    assert p.tolist() == [slow.prob(i) for i in range(1000)]
    assert abs(math.fsum(p) - 1) < 1e-15
    logs = table.log_prob(np.arange(1000))
    assert logs.dtype == np.float64
    assert logs.tolist() == [reference.log(x) for x in p.tolist()]
    some = w > 0
    np.testing.assert_allclose(logs[some], [math.log(x) for x in p[some]], rtol=1e-15, atol=1e-15)
    assert np.all(logs[~some] == -math.inf)


def test_prob_of_tables_without_weights():
    n = 10_000
    k = np.arange(n)
    np.testing.assert_allclose(UniformTable(n).prob(k), 1 / n, rtol=1e-15)
    np.testing.assert_allclose(UniformTable(n).log_prob(k), -math.log(n), rtol=1e-15)
    tensorflow = (np.log(k + 2) - np.log(k + 1)) / math.log(n + 1)
    np.testing.assert_allclose(LogUniformTable(n).prob(k), tensorflow, rtol=1e-9, atol=2 / (n * CELL))
    np.testing.assert_allclose(LogUniformTable(n).log_prob(k), np.log(tensorflow), atol=1e-8)
    assert LogUniformTable(1).prob([0]).tolist() == [1.0]


def test_prob_takes_any_integer_ids():
    table = AliasTable([1, 2, 3, 10])
    wanted = [[2 / 16, 10 / 16], [1 / 16, 3 / 16]]
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
        assert table.prob(np.array([[1, 3], [0, 2]], dtype=dtype)).tolist() == wanted
    assert table.prob([[1, 3], [0, 2]]).tolist() == wanted
    assert table.prob(np.array([9, 1, 9, 3])[1::2]).tolist() == wanted[0]
    assert table.prob(np.empty((0, 3), dtype=np.int64)).shape == (0, 3)
    assert float(table.prob(3)) == 10 / 16


def test_len_and_nbytes_are_those_of_the_docstrings():
    table = AliasTable(cases.zipf(1000))
    assert len(table) == 1000
    assert table.nbytes == 16_000
    assert len(UniformTable(2**32 - 1)) == 2**32 - 1
    assert UniformTable(2**32 - 1).nbytes < 1000
    assert len(LogUniformTable(77)) == 77


@pytest.mark.parametrize("table", [AliasTable([1, 3]), UniformTable(2), LogUniformTable(2)], ids=repr)
def test_the_probability_of_one_id_is_an_array(table):
    for asked in (table.prob, table.log_prob, NegativeSampler(table).log_prob):
        for one in (1, np.int8(1), np.array(1)):
            got = asked(one)
            assert isinstance(got, np.ndarray)
            assert (got.shape, got.dtype) == ((), np.float64)
            assert got.tobytes() == asked([1]).tobytes()


@pytest.mark.parametrize("name", cases.WEIGHTS)
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_digests_match_the_reference(name, n):
    w = cases.WEIGHTS[name](n)
    assert AliasTable(w).digest() == reference.alias_table(w).digest()


@pytest.mark.parametrize("n", [1, 2, 77])
def test_digests_of_tables_without_weights_match_the_reference(n):
    assert UniformTable(n).digest() == reference.uniform_table(n).digest()
    assert LogUniformTable(n).digest() == reference.log_uniform_table(n).digest()
    assert UniformTable(2**32 - 1 - n).digest() == reference.mix64(2**32 - 1 - n)


def test_digests_are_those_of_stream_version_2():
    assert UniformTable(1).digest() == 0x5692161D100B05E5
    assert AliasTable([1]).digest() == 0x76EA78EA0368A9FF
    assert AliasTable([3, 0, 1]).digest() == 0xE7258C20FFA6E4F4


def test_equal_tables_have_equal_digests_whatever_made_them(tmp_path):
    w = cases.pareto(999).astype(np.float32)
    table = AliasTable(w)
    table.save(tmp_path / "table")
    others = [
        AliasTable(w.astype(np.float64) * 2),
        AliasTable(w.tolist()),
        pickle.loads(pickle.dumps(table)),
        AliasTable.load(tmp_path / "table"),
        AliasTable.load(tmp_path / "table", mmap=False),
        pickle.loads(pickle.dumps(AliasTable.load(tmp_path / "table"))),
    ]
    assert {other.digest() for other in others} == {table.digest()}


def test_other_tables_have_other_digests():
    tables = [UniformTable(n) for n in range(1, 50)] + [AliasTable([1] * n) for n in range(1, 50)]
    tables += [LogUniformTable(n) for n in range(2, 50)]
    tables += [AliasTable(np.roll([3, 2, 1, 0, 0, 0], shift)) for shift in range(6)]
    tables += [AliasTable([2, 3, 1, 0, 0, 0]), AliasTable([3, 2, 1, 0, 0, 0, 0])]
    table = AliasTable(cases.zipf(100))
    for i in range(99):  # one unit moves to the next id
        units = table.units_of(np.arange(100))
        units[i] -= np.uint64(1)
        units[i + 1] += np.uint64(1)
        moved = AliasTable.__new__(AliasTable)
        moved.__setstate__({"version": 2, "units": units})
        tables.append(moved)
    assert len({table.digest() for table in tables}) == len(tables)
