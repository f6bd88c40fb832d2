"""Bad input to reservoirs raises a clear error and leaves the reservoir as it was, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import ClassReservoir, Reservoir, weighted_sample
from support.reservoirs import small_reservoirs

NAN, INF = float("nan"), float("inf")


def unchanged(reservoir, error, text, call):
    before = reservoir.to_bytes()
    with pytest.raises(error, match=text):
        call(reservoir)
    assert reservoir.to_bytes() == before


# ---- weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, NAN, INF, -INF, -5e-324])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "at"),
    [(1, 0), (10, 9), (64, 63), (200, 5), (200, 57), (200, 58), (200, 199), (300_000, 150_001)],
)
def test_the_first_bad_weight_is_named(bad, dtype, n, at):
    """It may be in the rest of an incomplete block, a whole block, the tail, or another thread's piece."""
    if np.dtype(dtype).type(bad) == 0:
        return
    w = np.ones(n, dtype)
    w[at] = bad
    w[at + 1 :: 7] = NAN
    shown = str(w[at]).replace("+", r"\+")
    for _, reservoir, more in small_reservoirs():
        for threads in (1, 3):
            unchanged(
                reservoir, ValueError, rf"weights\[{at}\] must be finite and >= 0, got {shown}",
                lambda r, t=threads, m=more: r.update(weights=w, n_threads=t, **m(n)),
            )  # fmt: skip
    with pytest.raises(ValueError, match=rf"weights\[{at}\] must be finite and >= 0"):
        weighted_sample(w, 3, rng=0)
    for n_seen, reservoir, more in small_reservoirs():  # rows are counted from the start of the chunk
        reservoir.update(weights=np.ones(10), **more(10))
        unchanged(
            reservoir, ValueError, rf"weights\[{at}\] must", lambda r, m=more: r.update(weights=w, **m(n))
        )
        assert n_seen


def test_a_bad_weight_is_reported_before_an_infinite_sum():
    w = np.full(2000, 1e307)
    w[1500] = NAN
    for _, reservoir, more in small_reservoirs():
        unchanged(
            reservoir, ValueError, r"weights\[1500\] must", lambda r, m=more: r.update(weights=w, **m(2000))
        )


@pytest.mark.parametrize("n", [2, 10, 64, 100, 1000, 200_000])
def test_infinite_sums_are_refused(n):
    w = np.full(n, 1.7e308)
    text = r"weights must have a finite sum, got more than 1\.8e\+308"
    for name, reservoir, more in small_reservoirs():
        if name in ("decay", "known"):
            same_time = {**more(n), "times": np.zeros(n)}
            fresh = type(reservoir)(5, half_life=3.0)
            unchanged(fresh, ValueError, text, lambda r, m=same_time: r.update(weights=w, **m))
        else:
            unchanged(reservoir, ValueError, text, lambda r, m=more: r.update(weights=w, **m(n)))
    with pytest.raises(ValueError, match=text):
        weighted_sample(w, 3, rng=0)


def test_infinite_sums_over_several_chunks_are_refused():
    text = "weights must have a finite sum"
    for more in ({}, {"replacement": True}):
        for count in (1, 64):
            reservoir = Reservoir(3, **more)
            w = np.zeros(count)
            w[0] = 1e308
            reservoir.update(w)
            unchanged(reservoir, ValueError, text, lambda r, w=w: r.update(w))
            other = Reservoir(3, stream=1, **more)
            other.update(w)
            unchanged(reservoir, ValueError, text, lambda r, o=other: r.merge(o))
            assert reservoir.total_weight == 1e308
    for make, column in ((Reservoir, {}), (ClassReservoir, {"classes": [7]})):
        reservoir, other = (make(3, half_life=1.0, stream=i) for i in range(2))
        reservoir.update(weights=[1.5e308], times=[0], **column)
        other.update(weights=[1.5e308], times=[0.01], **({"classes": [8]} if column else {}))
        unchanged(reservoir, ValueError, text, lambda r, o=other: r.merge(o))


WEIGHTS = [
    ([[1.0, 2.0]], ValueError, r"weights must be 1-D, not 2-D \(shape \(1, 2\)\)"),
    (3.0, ValueError, "weights must be 1-D, not 0-D"),
    (["1", "2"], TypeError, "weights must be float16, float32, float64 or integers, got <U1 array"),
    ("ab", TypeError, "weights must be .* got str"),
    ([True, False], TypeError, "weights must be .* got bool array"),
    ([1j, 2], TypeError, "weights must be .* got complex128 array"),
    ([None, 1], ValueError, r"weights\[0\] must not be null"),
    ([[1], [1, 2]], ValueError, "weights must be a rectangular array"),
    (np.ones(2, np.longdouble), TypeError, "weights must be"),
    (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "weights must be a plain array, got a masked array"),
    (np.array(["2020", "2021"], "M8[Y]"), TypeError, "weights must be .* got datetime64"),
    ([1, -2], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
]


@pytest.mark.parametrize(("weights", "error", "text"), WEIGHTS)
def test_bad_weights_are_refused(weights, error, text):
    for _, reservoir, more in small_reservoirs():
        unchanged(reservoir, error, text, lambda r, m=more: r.update(weights=weights, **m(2)))
    with pytest.raises(error, match=text):
        weighted_sample(weights, 1)


# ---- the other arguments ----------------------------------------------------------------------------------

UPDATES = [
    # kind, columns, error, text
    ("ids", {"ids": [1, 2, 3]}, ValueError, "ids must have 2 entries, one for each row, got 3"),
    ("ids", {"ids": [1.0, 2.0]}, TypeError, "ids must be integers, got float64 array"),
    (
        "ids",
        {"ids": np.array([1, 2**63], np.uint64)},
        IndexError,
        r"ids\[1\] must be in .* got 9223372036854775808",
    ),
    ("ids", {"ids": [1, 2**64]}, IndexError, r"ids\[1\] must be in"),
    ("ids", {"ids": [-(2**63) - 1, 2]}, IndexError, r"ids\[0\] must be in"),
    ("ids", {"ids": ["a", "b"]}, TypeError, "ids must be integers"),
    ("ids", {"ids": [[1, 2]]}, ValueError, "ids must be 1-D, not 2-D"),
    ("ids", {"ids": [True, False]}, TypeError, "ids must be integers, got bool array"),
    ("ids", {}, ValueError, "ids must be given for all rows or for none: rows came with ids before"),
    (
        "positions",
        {"ids": [1, 2]},
        ValueError,
        "ids must be given for all rows or for none: rows came without ids",
    ),
    ("positions", {"times": [1, 2]}, ValueError, "times must come with half_life, got half_life=None"),
    ("classes", {"classes": [0, 1], "times": [1, 2]}, ValueError, "times must come with half_life"),
    ("decay", {}, ValueError, "times must be given with half_life, got None"),
    ("decay", {"times": [1.0]}, ValueError, "times must have 2 entries, one for each row, got 1"),
    ("decay", {"times": [1.0, NAN]}, ValueError, r"times\[1\] must be finite, got nan"),
    ("decay", {"times": [INF, 1.0]}, ValueError, r"times\[0\] must be finite, got inf"),
    (
        "decay",
        {"times": np.array(["2020-01-01", "NaT"], "M8[s]")},
        ValueError,
        r"times\[1\] must be finite, got NaT",
    ),
    ("decay", {"times": np.array(["NaT", "NaT"], "M8")}, ValueError, r"times\[0\] must be finite, got NaT"),
    (
        "decay",
        {"times": ["2020-01-01", "2021-01-01"]},
        TypeError,
        "times must be numbers or datetimes without time zones, got <U10",
    ),
    (
        "decay",
        {"times": np.array([1, 2], "m8[s]")},
        TypeError,
        "times must be numbers or datetimes without time zones, got timedelta64",
    ),
    ("decay", {"times": [[1.0, 2.0]]}, ValueError, "times must be 1-D, not 2-D"),
    (
        "decay",
        {"times": [1.0, 1e308]},
        ValueError,
        r"times\[1\] must be less than 1e300 half-lives, got 1e\+308",
    ),
    ("classes", {"classes": [1, 2, 3]}, ValueError, "weights must have 3 entries, one for each row, got 2"),
    (
        "classes",
        {"classes": [1.0, 2.0]},
        TypeError,
        "classes must be integers, booleans or strings, got float64 array",
    ),
    (
        "classes",
        {"classes": ["a", "b"]},
        TypeError,
        "classes must be integers, like those before, got strings",
    ),
    ("classes", {"classes": [[1, 2]]}, ValueError, "classes must be 1-D, not 2-D"),
    ("classes", {"classes": np.array([0, 2**64 - 1], np.uint64)}, IndexError, r"classes\[1\] must be in"),
    (
        "classes",
        {"classes": [50, 51], "ids": [1, 2]},
        ValueError,
        "ids must be given for all rows or for none",
    ),
    ("known", {"classes": [0, 9], "times": [1, 2]}, IndexError, r"classes\[1\] must be in \[0, 9\), got 9"),
    ("known", {"classes": [-1, 0], "times": [1, 2]}, IndexError, r"classes\[0\] must be in \[0, 9\), got -1"),
    ("positions", {"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
    ("positions", {"n_threads": 1.5}, TypeError, "n_threads must be an integer, got float"),
]


@pytest.mark.parametrize(("kind", "columns", "error", "text"), UPDATES)
def test_bad_updates_are_refused(kind, columns, error, text):
    reservoir = {name: r for name, r, _ in small_reservoirs()}[kind]
    unchanged(reservoir, error, text, lambda r: r.update(weights=[1.0, 2.0], **columns))


CALLS = [
    (lambda: Reservoir(0), ValueError, r"k must be in \[1, 1099511627776\], got 0"),
    (lambda: Reservoir(-3), ValueError, "k must be in"),
    (lambda: Reservoir(2.0), TypeError, "k must be an integer, got float"),
    (
        lambda: ClassReservoir({}),
        TypeError,
        "k must be an integer, or an array of one integer for each class, got dict",
    ),
    (lambda: Reservoir(True), TypeError, "k must be an integer, got bool"),
    (lambda: Reservoir([1, 2]), TypeError, "k must be an integer, got list"),
    (lambda: Reservoir(3, replacement=1), TypeError, "replacement must be True or False, got int"),
    (lambda: Reservoir(3, half_life=0), ValueError, "half_life must be > 0, got 0"),
    (lambda: Reservoir(3, half_life=-1.0), ValueError, "half_life must be > 0, got -1"),
    (lambda: Reservoir(3, half_life=NAN), ValueError, "half_life must be finite, got nan"),
    (lambda: Reservoir(3, half_life="1h"), TypeError, "half_life must be a real number, got str"),
    (lambda: Reservoir(3, seed=-1), ValueError, "seed must be in"),
    (lambda: Reservoir(3, seed=2**64), ValueError, "seed must be in"),
    (lambda: Reservoir(3, stream=-1), ValueError, "stream must be in"),
    (lambda: Reservoir(3, stream=1.0), TypeError, "stream must be an integer, got float"),
    (lambda: ClassReservoir(0), ValueError, "k must be in"),
    (lambda: ClassReservoir([3, 0]), ValueError, r"k\[1\] must be in \[1, 1099511627776\], got 0"),
    (lambda: ClassReservoir([]), ValueError, "k must have an entry for each class, got none"),
    (lambda: ClassReservoir([1.5]), TypeError, "k must be integers"),
    (lambda: ClassReservoir([[1], [1, 2]]), ValueError, "k must be a rectangular array"),
    (
        lambda: ClassReservoir("ab"),
        TypeError,
        "k must be an integer, or an array of one integer for each class, got str",
    ),
    (lambda: ClassReservoir(np.ones((2, 2), int)), ValueError, "k must be 1-D, not 2-D"),
    (
        lambda: ClassReservoir([1, 2], num_classes=3),
        ValueError,
        "k must have 3 entries, one for each class, got 2",
    ),
    (lambda: ClassReservoir(1, num_classes=0), ValueError, "num_classes must be in"),
    (lambda: ClassReservoir(1, num_classes=2.0), TypeError, "num_classes must be an integer, got float"),
    (lambda: ClassReservoir(1).sample(total=0), ValueError, "total must be >= 1, got 0"),
    (lambda: ClassReservoir(1).sample(total=2.5), TypeError, "total must be an integer, got float"),
    (lambda: ClassReservoir(1).sample(policy="most"), ValueError, "policy must be 'equal', 'sqrt' or"),
    (lambda: ClassReservoir(1).sample(policy=1), TypeError, "policy must be a string, got int"),
    (
        lambda: Reservoir(1).estimate([1.0]),
        ValueError,
        r"values must have shape \(0,\), one for each row of the",
    ),
    (lambda: Reservoir(1).estimate(["a"]), TypeError, "values must be real numbers"),
    (lambda: Reservoir(1).estimate(where=[True]), ValueError, r"where must have shape \(0,\)"),
    (lambda: Reservoir(1).estimate(where=[1]), TypeError, "where must be a bool array, got int64 array"),
    (lambda: weighted_sample([1.0], 0), ValueError, "k must be in"),
    (lambda: weighted_sample([1.0], 1.0), TypeError, "k must be an integer"),
    (lambda: weighted_sample([], 1), ValueError, "weights must not be empty, got no rows"),
    (lambda: weighted_sample([0.0, 0.0], 1), ValueError, "weights must not all be zero, got 2 zeros"),
    (lambda: weighted_sample([1.0], 1, replacement="no"), TypeError, "replacement must be True or False"),
    (
        lambda: weighted_sample([1.0], 1, return_inclusion=1),
        TypeError,
        "return_inclusion must be True or False",
    ),
    (lambda: weighted_sample([1.0], 1, rng=-1), ValueError, "rng must be"),
    (lambda: weighted_sample([1.0], 1, n_threads=0), ValueError, "n_threads must be >= 1"),
    (lambda: Reservoir.from_bytes("text"), TypeError, "data must be bytes, got str"),
    (lambda: Reservoir.from_bytes(None), TypeError, "data must be bytes, got NoneType"),
    (
        lambda: Reservoir.from_bytes(b""),
        ValueError,
        "data must be the output of Reservoir.to_bytes, got 0 other bytes",
    ),
    (
        lambda: Reservoir.from_bytes(ClassReservoir(1).to_bytes()),
        ValueError,
        "data must be a Reservoir, got a Class",
    ),
    (
        lambda: ClassReservoir.from_bytes(Reservoir(1).to_bytes()),
        ValueError,
        "data must be a ClassReservoir, got a R",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), CALLS)
def test_bad_calls_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_k_may_exceed_the_number_of_rows():
    for _, reservoir, more in small_reservoirs():
        for weights in ([0.0, 3.0, 0.0, 1.0], [0.0, 0.0]):
            large = type(reservoir).from_bytes(type(reservoir)(
                100, half_life=3.0 if "times" in more(1) else None,
                **({"replacement": True} if "replacement=1" in repr(reservoir) else {}),
            ).to_bytes())  # fmt: skip
            large.update(weights=weights, **more(len(weights)))
            sample = large.sample()
            positive = [i for i, w in enumerate(weights) if w > 0]
            assert sorted(sample.ids.tolist()) == positive
            assert (sample.inclusion == 1).all()
            assert tuple(large.estimate()) == (len(positive), 0.0)
    assert sorted(weighted_sample([0.0, 3.0, 1.0], 50, rng=1).tolist()) == [1, 2]
    assert weighted_sample([0.0, 3.0, 1.0], 50, rng=1, replacement=True).size == 50
    nothing = Reservoir(3, replacement=True)
    assert nothing.estimate().value == 0
    assert nothing.sample().ids.size == nothing.total_weight == 0


# ---- merging ----------------------------------------------------------------------------------------------


def filled(cls=Reservoir, k=3, stream=1, ids=None, **more):
    reservoir = cls(k, stream=stream, **more)
    columns = {"times": [1.0, 2.0]} if "half_life" in more else {}
    if cls is ClassReservoir:
        columns["classes"] = [0, 1]
    reservoir.update(weights=[1.0, 2.0], ids=ids, **columns)
    return reservoir


MERGES = [
    (
        filled,
        lambda: filled(seed=1, stream=2),
        ValueError,
        "other must have seed=0, like this reservoir, got 1",
    ),
    (filled, lambda: filled(k=4, stream=2), ValueError, "other must have k=3, like this reservoir, got 4"),
    (filled, lambda: filled(half_life=1.0, stream=2), ValueError, "other must have half_life=None"),
    (filled, lambda: filled(replacement=True, stream=2), ValueError, "other must have replacement=False"),
    (filled, lambda: filled(ids=[1, 2]), ValueError, "other must hold rows without ids"),
    (lambda: filled(ids=[1, 2]), filled, ValueError, "other must hold rows with ids"),
    (
        filled,
        filled,
        ValueError,
        "other must have read other streams than this reservoir, got stream=1 in both",
    ),
    (
        filled,
        lambda: filled(ClassReservoir, stream=2),
        TypeError,
        "other must be a Reservoir, got ClassReservoir",
    ),
    (filled, lambda: None, TypeError, "other must be a Reservoir, got NoneType"),
    (filled, lambda: b"", TypeError, "other must be a Reservoir, got bytes"),
    (lambda: filled(ClassReservoir), filled, TypeError, "other must be a ClassReservoir, got Reservoir"),
    (
        lambda: filled(ClassReservoir),
        lambda: filled(ClassReservoir, stream=2, num_classes=2),
        ValueError,
        "other must have num_classes=None, like this reservoir, got 2",
    ),
    (
        lambda: filled(ClassReservoir, k=[1, 2]),
        lambda: filled(ClassReservoir, k=[1, 3], stream=2),
        ValueError,
        r"other must have k=\[1, 2\], like this reservoir, got \[1, 3\]",
    ),
]


@pytest.mark.parametrize(("mine", "other", "error", "text"), MERGES)
def test_bad_merges_are_refused(mine, other, error, text):
    other = other()
    before = other.to_bytes() if hasattr(other, "to_bytes") else None
    unchanged(mine(), error, text, lambda r: r.merge(other))
    if before is not None:
        assert other.to_bytes() == before


def test_a_stream_cannot_be_merged_twice():
    """Nor can it be continued after a merge. Empty reservoirs have read no stream."""
    a, b, c = filled(stream=1), filled(stream=2), filled(stream=3)
    unchanged(a, ValueError, "got stream=1 in both", lambda r: r.merge(r))
    a.merge(b)
    c.merge(b)
    unchanged(a, ValueError, "got stream=2 in both", lambda r: r.merge(c))
    unchanged(a, ValueError, "got stream=2 in both", lambda r: r.merge(b))
    a.merge(Reservoir(3, stream=1))
    fresh = Reservoir(3, stream=2)
    fresh.merge(a)
    unchanged(fresh, ValueError, "stream=2 must not be continued after rows of it", lambda r: r.update([1.0]))
    again = Reservoir.from_bytes(fresh.to_bytes())
    unchanged(again, ValueError, "got stream=1 in both", lambda r: r.merge(filled(stream=1)))
    unchanged(again, ValueError, "stream=2 must not be continued after rows of it", lambda r: r.update([1.0]))


# ---- Arrow ------------------------------------------------------------------------------------------------


def arrow():
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")


def test_arrow_columns_give_the_same_rows():
    """Read arrays, chunked arrays, slices, dictionaries and timestamps."""
    pa = arrow()
    rng = np.random.default_rng(0)
    w, ids, labels = rng.random(500), rng.permutation(500), rng.integers(0, 5, 500)
    times = (rng.integers(0, 10**6, 500) * 1000).astype("M8[ms]")
    wanted = ClassReservoir(20, half_life=300.0)
    wanted.update(labels, w, ids, times=times)

    def chunked(a):
        return pa.chunked_array([pa.array(a[:1]), pa.array(a[1:1]), pa.array(a[1:300]), pa.array(a[300:])])

    def sliced(a):
        return pa.array(np.concatenate([a[:7], a, a[:3]])).slice(7, 500)

    for way in (pa.array, chunked, sliced, lambda a: chunked(np.concatenate([a, a])).slice(500, 500)):
        for stamp in (pa.timestamp("ms"), pa.timestamp("us", tz="UTC"), pa.timestamp("ns")):
            reservoir = ClassReservoir(20, half_life=300.0)
            reservoir.update(way(labels), way(w), way(ids), times=way(times).cast(stamp))
            assert reservoir.to_bytes() == wanted.to_bytes()
    words = [
        pa.array(labels).dictionary_encode(),
        pa.chunked_array([labels[:9], labels[9:]]).dictionary_encode(),
    ]
    for classes in (*words, pa.array(labels, pa.int8()), pa.array(labels, pa.uint64())):
        reservoir = ClassReservoir(20, half_life=300.0)
        reservoir.update(classes, pa.array(w), pa.array(ids), times=pa.array(times))
        assert reservoir.to_bytes() == wanted.to_bytes()
    table = pa.table({"w": w, "id": ids})
    reservoir, other = Reservoir(9), Reservoir(9)
    for batch in table.to_batches(max_chunksize=99):
        reservoir.update(batch["w"], batch["id"])
    other.update(w, ids)
    assert reservoir.sample().ids.tobytes() == other.sample().ids.tobytes()
    reservoir.update(pa.chunked_array([], pa.float64()), pa.chunked_array([], pa.int64()))
    assert reservoir.n_seen == 500
    assert weighted_sample(pa.array(w), 9, rng=1).tolist() == weighted_sample(w, 9, rng=1).tolist()
    cents = np.round(100 * w)
    for kind in (pa.decimal128(20, 2), pa.decimal256(40, 2)):
        prices, decimal = [Reservoir(9) for _ in range(2)], pa.array(cents / 100).cast(kind)
        prices[0].update(decimal)
        prices[1].update(cents / 100)
        assert prices[0].to_bytes() == prices[1].to_bytes()
        assert weighted_sample(decimal, 9, rng=1).size == 9
    days = pa.array([18_000, 18_001], pa.date32())
    one, two = Reservoir(2, half_life=86_400.0), Reservoir(2, half_life=86_400.0)
    one.update([1.0, 1.0], times=days)
    two.update([1.0, 1.0], times=np.array([18_000, 18_001], "M8[D]"))
    assert one.to_bytes() == two.to_bytes()
    single = Reservoir(5)
    single.update(pa.array(w.astype(np.float32)))
    half = Reservoir(5)
    half.update(w.astype(np.float32))
    assert single.to_bytes() == half.to_bytes()


def test_bad_arrow_columns_are_refused():
    pa = arrow()
    nulls = pa.chunked_array([pa.array([1.0, 2.0]), pa.array([3.0, None, None])])
    batch = pa.record_batch({"a": [1.0, 2.0]})
    cases = [
        ({"weights": nulls}, ValueError, r"weights\[3\] must not be null"),
        ({"weights": pa.array([None, 1.0])}, ValueError, r"weights\[0\] must not be null"),
        ({"weights": pa.array([1, None], pa.int32())}, ValueError, r"weights\[1\] must not be null"),
        ({"weights": [1.0, 1.0], "ids": pa.array([1, None])}, ValueError, r"ids\[1\] must not be null"),
        (
            {"weights": [1.0, 1.0], "ids": pa.array([7, None]).dictionary_encode()},
            ValueError,
            r"ids\[1\] must not be null",
        ),
        ({"weights": batch}, ValueError, r"weights must be 1-D, not 2-D \(shape \(2, 1\)\)"),
        ({"weights": pa.Table.from_batches([batch])}, ValueError, "weights must be 1-D, not 2-D"),
        ({"weights": pa.array(["a", "b"])}, TypeError, "weights must be float16, .*, got Arrow string"),
        ({"weights": pa.array([[1.0], [2.0]])}, TypeError, "weights must be float16, .*, got Arrow list"),
        ({"weights": pa.array(["a", "b"]).dictionary_encode()}, TypeError, "got Arrow dictionary"),
        ({"weights": pa.array([None, None])}, ValueError, r"weights\[0\] must not be null"),
        ({"weights": pa.array([True, False])}, TypeError, "weights must be float16"),
        ({"weights": pa.array([1.0, -1.0])}, ValueError, r"weights\[1\] must be finite and >= 0"),
        ({"weights": [1.0, 1.0], "ids": pa.array([1.0, 2.0])}, TypeError, "ids must be integers"),
        ({"weights": [1.0, 1.0], "ids": pa.array([1, 2, 3])}, ValueError, "ids must have 2 entries"),
    ]
    for columns, error, text in cases:
        unchanged(Reservoir(3), error, text, lambda r, c=columns: r.update(**c))
    reservoir = Reservoir(3, half_life=1.0)
    for times in (pa.array([1, None], pa.timestamp("s")), pa.array([None, None], pa.timestamp("s"))):
        unchanged(
            reservoir,
            ValueError,
            r"times\[\d\] must not be null",
            lambda r, t=times: r.update([1, 1], times=t),
        )
    for times in (pa.array(["2020", "2021"]), pa.array([1, 2], pa.duration("s"))):
        unchanged(reservoir, TypeError, "times must be", lambda r, t=times: r.update([1, 1], times=t))
    known = ClassReservoir(2, num_classes=2)
    for classes in (pa.array([0, None]), pa.chunked_array([[0], [None]])):
        unchanged(known, ValueError, r"classes\[1\] must not be null", lambda r, c=classes: r.update(c))


# ---- anything ---------------------------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(-3, 8),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
)
arrays = st.one_of(
    st.lists(st.floats(0, 10), min_size=3, max_size=3),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.lists(numbers, max_size=4),
    st.lists(st.lists(st.integers(0, 4), max_size=2), max_size=3),
    st.sampled_from(
        ["int8", "uint64", ">i8", "float32", "bool", "complex64", "M8[s]", "m8[s]", "S3", "O"]
    ).map(lambda d: np.zeros(3, d)),
    st.none(),
    numbers,
)
updates = st.lists(
    st.fixed_dictionaries(
        {"weights": arrays},
        optional={"ids": arrays, "times": arrays, "classes": arrays, "n_threads": numbers},
    ),
    min_size=1,
    max_size=4,
)
NAMES = ("weights", "ids", "times", "classes", "n_threads", "k", "half_life", "seed", "stream", "replacement")


@given(st.integers(1, 4), st.sampled_from([None, 2.0]), st.booleans(), updates, numbers)
@settings(max_examples=500)
def test_random_arguments_raise_documented_errors_only(k, half_life, by_class, chunks, odd):
    made = ClassReservoir(k, half_life=half_life) if by_class else Reservoir(k, half_life=half_life)
    for columns in chunks:
        if by_class:
            columns.setdefault("classes", [0, 1, -1])
        else:
            columns.pop("classes", None)
        before, said = made.to_bytes(), ""
        try:
            made.update(**columns)
        except (TypeError, ValueError, IndexError) as error:
            said = str(error)
        if said:
            assert any(name in said for name in NAMES), said
            assert made.to_bytes() == before
    made.sample()
    said = "k"
    try:
        Reservoir(odd, half_life=odd, seed=odd, stream=odd, replacement=odd)
    except (TypeError, ValueError) as error:
        said = str(error)
    assert any(name in said for name in NAMES), said
