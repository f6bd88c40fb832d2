"""Bad input to tables raises a clear error.

The error has the right class, and names the argument, the first bad position, what was wanted and what came.
"""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

import equipoise
from equipoise import AliasTable, LogUniformTable, UniformTable
from equipoise.tables import units as tables
from support import cases
from support.answers import assert_other_errors_pass_through, assert_the_argument_is_named
from support.cases import CudaTensor, Raising, RaisingTensor

NAN, INF = float("nan"), float("inf")


BAD_WEIGHTS = [
    ([1.0, -2.0], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1, -2], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1.0, 2.0, NAN, NAN], ValueError, r"weights\[2\] must be finite and >= 0, got nan"),
    ([INF], ValueError, r"weights\[0\] must be finite and >= 0, got inf"),
    ([-INF, 1], ValueError, r"weights\[0\] must be finite"),
    ([0.0, 0.0], ValueError, "weights must not all be zero, got 2 zeros"),
    ([], ValueError, "weights must have between 1 and 2.32 - 1 entries, got 0"),
    ([[1.0, 2.0]], ValueError, r"weights must be 1-D, not 2-D \(shape \(1, 2\)\)"),
    (np.float64(3), ValueError, "weights must be 1-D, not 0-D"),
    ([1e308] * 20, ValueError, "weights must have a finite sum"),
    (np.array([2**63], np.uint64), ValueError, r"weights\[0\] must be below 2\^63"),
    ([True, False], TypeError, "weights must be float16, float32, float64 or integers, got bool array"),
    ([1j], TypeError, "weights must be .* got complex128 array"),
    (["a"], TypeError, "weights must be .* got <U1 array"),
    ([None], ValueError, r"weights\[0\] must not be null"),
    ([[1], [1, 2]], ValueError, "weights must be a rectangular array"),
    (np.ones(3, np.longdouble), TypeError, "weights must be"),
    (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "weights must be a plain array, got a masked array"),
    (
        CudaTensor(),
        TypeError,
        r"weights must be in CPU memory, got a CudaTensor on another device: copy it to CPU memory first",
    ),
    (None, TypeError, "weights"),
    ("abc", TypeError, "weights"),
    ({}, TypeError, "weights"),
]


@pytest.mark.parametrize(("weights", "error", "text"), BAD_WEIGHTS)
def test_bad_weights_are_refused(weights, error, text):
    with pytest.raises(error, match=text):
        equipoise.AliasTable(weights)


def frozen(a):
    a.flags.writeable = False
    return a


CALLS = [
    (lambda: equipoise.AliasTable([1], power="a"), TypeError, "power must be a real number, got str"),
    (lambda: equipoise.AliasTable([1], power=NAN), ValueError, "power must be finite, got nan"),
    (lambda: equipoise.AliasTable([1, 100], power=1e308), ValueError, "power must leave"),
    (
        lambda: equipoise.AliasTable([1], smoothing=-1),
        ValueError,
        "smoothing must be finite and >= 0, got -1",
    ),
    (lambda: equipoise.AliasTable([0, 0], smoothing=0), ValueError, "weights must not all be zero"),
    (
        lambda: equipoise.AliasTable([1e308, 1e308], smoothing=1e308),
        ValueError,
        "weights must have a finite sum|weights \\+ smoothing",
    ),
    (lambda: equipoise.UniformTable(0), ValueError, r"n must be in \[1, 4294967295\], got 0"),
    (lambda: equipoise.UniformTable(2**32), ValueError, r"n must be in \[1, 4294967295\]"),
    (lambda: equipoise.UniformTable(2.0), TypeError, "n must be an integer, got float"),
    (lambda: equipoise.LogUniformTable(-1), ValueError, "n must be in"),
    (lambda: equipoise.UniformTable(5).sample(-1), ValueError, "size must be >= 0, got -1"),
    (lambda: equipoise.UniformTable(5).sample((2, -1)), ValueError, r"size\[1\] must be >= 0, got -1"),
    (
        lambda: equipoise.UniformTable(5).sample(2**62),
        ValueError,
        "size must ask for fewer than 2.60 entries",
    ),
    (lambda: equipoise.UniformTable(5).sample((2**31, 2**31)), ValueError, "size must ask for fewer than"),
    (lambda: equipoise.UniformTable(5).sample((1,) * 40), ValueError, "size must have at most 32 dimensions"),
    (lambda: equipoise.UniformTable(5).sample(2.5), TypeError, "size must be an integer, got float"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=1.5), TypeError, "rng must be None, an int"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=-1), ValueError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, rng="x"), TypeError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=0), ValueError, "n_threads must be >= 1, got 0"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=1.0), TypeError, "n_threads must be an integer"),
    (lambda: equipoise.UniformTable(5).sample(2, out=[0, 0]), TypeError, "out must be a NumPy array"),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, np.int32)),
        TypeError,
        "out must be of dtype int64, got int32",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, ">i8")),
        TypeError,
        "out must be of dtype int64",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(3, np.int64)),
        ValueError,
        r"out must have shape \(2,\), got \(3,\)",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(4, np.int64)[::2]),
        ValueError,
        "out must be C-contiguous",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=frozen(np.zeros(2, np.int64))),
        ValueError,
        "out must be writable",
    ),
    (lambda: equipoise.UniformTable(5).prob([0.0]), TypeError, "ids must be integers, got float64 array"),
    (lambda: equipoise.UniformTable(5).prob([0, 5]), IndexError, r"ids\[1\] must be in \[0, 5\), got 5"),
    (
        lambda: equipoise.AliasTable([1, 2]).log_prob([[0], [-1]]),
        IndexError,
        r"ids\[1, 0\] must be in \[0, 2\), got -1",
    ),
]


@pytest.mark.parametrize("case", range(len(CALLS)))
def test_bad_calls_are_refused(case):
    call, error, text = CALLS[case]
    with pytest.raises(error, match=text):
        call()


WAYS = {
    "weights": equipoise.AliasTable,
    "power": lambda x: equipoise.AliasTable([1, 2], power=x),
    "n": equipoise.UniformTable,
    "size": lambda x: equipoise.UniformTable(5).sample(x),
    "ids": lambda x: equipoise.UniformTable(5).prob(x),
    "path": equipoise.AliasTable.load,
}


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_an_argument_that_raises_is_named(name, kind):
    assert_the_argument_is_named(WAYS[name], name, kind)


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_memory_errors_and_interrupts_pass_through(name, kind):
    assert_other_errors_pass_through(WAYS[name], kind)


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        (None, TypeError, "path must be a str or path-like that names a file, got NoneType"),
        (3, TypeError, "path must be a str or path-like that names a file, got int"),
        ("a\0b", ValueError, "path must be a str or path-like that names a file, got 'a.x00b'"),
        ("", ValueError, "path must be a str or path-like that names a file, got ''"),
        ("\ud800", ValueError, "path must be a str or path-like that names a file, got str: .*surrogates"),
    ],
)
def test_bad_paths_are_refused(path, error, text):
    with pytest.raises(error, match=text):
        equipoise.AliasTable([1]).save(path)
    with pytest.raises(error, match=text):
        equipoise.AliasTable.load(path)


def test_a_folder_is_refused(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (folder, tmp_path.anchor):
        with pytest.raises(IsADirectoryError, match="path must name a file, got the folder"):
            equipoise.AliasTable([1]).save(path)
        with pytest.raises(IsADirectoryError, match="path must name a file, got the folder"):
            equipoise.AliasTable.load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert list(folder.iterdir()) == []


def change(monkeypatch, kernel, weights, to):
    """Change the weights when a kernel is first called, as another thread might."""
    kernels = tables.kernels()

    class Watched:
        def __getattr__(self, name):
            if name == kernel:
                weights[...] = to
            return getattr(kernels, name)

    monkeypatch.setattr(tables, "kernels", Watched)


NEW = {
    "float64": (0.0, 1.0, 1000.0, 1e300, 1e-300, 5e-324, -5.0, float("nan"), float("inf")),
    "int64": (0, 1, 1000, 2**62, -7, -(2**63)),
}


@pytest.mark.parametrize("n", [1, 5, 1000])
@pytest.mark.parametrize(("dtype", "to"), [(dtype, to) for dtype, values in NEW.items() for to in values])
def test_weights_may_change_between_their_sum_and_their_units(n, dtype, to, monkeypatch):
    weights = np.full(n, 10, dtype)
    change(monkeypatch, "unit_floor", weights, to)
    with pytest.raises(ValueError, match="weights must not change while a table is built from them"):
        equipoise.AliasTable(weights)


@pytest.mark.parametrize("n", [1, 5, 1000])
@pytest.mark.parametrize(("dtype", "to"), [(dtype, to) for dtype, values in NEW.items() for to in values])
def test_weights_may_change_before_their_sum(n, dtype, to, monkeypatch):
    """The result is a table of the changed weights, or the error."""
    weights = np.full(n, 10, dtype)
    change(monkeypatch, "unit_sum", weights, to)
    try:
        table = equipoise.AliasTable(weights)
    except ValueError as error:
        assert "weights must not change while a table is built from them" in str(error)  # noqa: PT017
    else:
        assert table.prob(np.arange(n)).tolist() == [1 / n] * n


def test_one_thread_may_write_weights_while_another_builds():
    weights, stop = np.ones(100_000), threading.Event()

    def write():
        while not stop.is_set():
            weights[:] = 0
            weights[:] = 1e9
            weights[:] = 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            try:
                table = equipoise.AliasTable(weights)
            except ValueError as error:
                assert "weights" in str(error)  # noqa: PT017
            else:
                assert table.prob(np.arange(100_000)).sum() == pytest.approx(1)
    finally:
        stop.set()
        writer.join()


def test_bad_out_is_refused_and_left_alone():
    table = AliasTable(cases.zipf(50))
    frozen = np.full(8, -1)
    frozen.flags.writeable = False
    for out, error in (
        (np.full(8, -1, dtype=np.int32), TypeError),
        (np.full(8, -1.0), TypeError),
        ([-1] * 8, TypeError),
        (np.full(7, -1), ValueError),
        (np.full((8, 1), -1), ValueError),
        (np.full(16, -1)[::2], ValueError),
        (frozen, ValueError),
    ):
        with pytest.raises(error, match="out"):
            table.sample(8, rng=1, out=out)
        assert np.all(np.asarray(out) == -1)


def test_prob_refuses_invalid_ids():
    for table in (AliasTable([1, 2, 3]), UniformTable(3), LogUniformTable(3)):
        for query in (table.prob, table.log_prob):
            for bad in ([0, 3], [-1], np.array([2**63], dtype=np.uint64)):
                with pytest.raises(IndexError, match="ids"):
                    query(bad)
            for bad in ([0.0], [True], ["0"], None):
                with pytest.raises(TypeError, match="ids"):
                    query(bad)


@pytest.mark.parametrize(
    ("weights", "error", "says"),
    [
        ([], ValueError, "weights"),
        ([[1.0, 2.0]], ValueError, "weights"),
        ([1.0, -1.0], ValueError, r"weights.*1"),
        ([1.0, math.nan], ValueError, r"weights.*1"),
        ([1.0, 2.0, math.inf], ValueError, r"weights.*2"),
        ([0.0, 0.0], ValueError, "weights"),
        (np.array([3, -2]), ValueError, r"weights.*1"),
        (np.array([1e308, 1e308]), ValueError, "weights"),
        (["1", "2"], TypeError, "weights"),
        (np.array([1 + 1j]), TypeError, "weights"),
        (None, TypeError, "weights"),
    ],
)
def test_bad_weights_have_exact_messages(weights, error, says):
    with pytest.raises(error, match=says):
        AliasTable(weights)


def test_other_bad_arguments_are_refused():
    for power in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="power"):
            AliasTable([1.0, 2.0], power=power)
    for smoothing in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="smoothing"):
            AliasTable([1.0, 2.0], smoothing=smoothing)
    with pytest.raises(ValueError, match="smoothing"):  # without an overflow warning before it
        AliasTable([1e308, 1.0], smoothing=1e308)
    for make in (UniformTable, LogUniformTable):
        for n in (0, -1, 2**32):
            with pytest.raises(ValueError, match="n"):
                make(n)
        with pytest.raises(TypeError, match="n"):
            make(3.0)
    table = AliasTable([1, 2])
    for size in (-1, (2, -3)):
        with pytest.raises(ValueError, match="size"):
            table.sample(size)
    for size in (1.5, "3", None):
        with pytest.raises(TypeError, match="size"):
            table.sample(size)
    for n_threads in (0, -1):
        with pytest.raises(ValueError, match="n_threads"):
            table.sample(3, n_threads=n_threads)
