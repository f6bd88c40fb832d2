"""Bad input to SMOTE raises a clear error.

The error has the right class, and names the argument, the first bad position, what was wanted and what came.
"""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from equipoise import SmoteSampler, borderline_weights, safe_level_weights
from equipoise.smote import sampler as smote
from equipoise.smote.interpolation import interpolate, interpolate_csr
from support.cases import CudaTensor, Raising, RaisingTensor

NAN, INF = float("nan"), float("inf")
X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 2
ROWS = np.arange(3)
GAPS = np.full(3, 0.5, np.float32)
CSR = (np.ones(4, np.float32), np.array([0, 2, 1, 3]), np.array([0, 2, 2, 4]))


def spoiled(row, column, value, dtype=np.float32):
    bad = X.astype(dtype)
    bad[row, column] = value
    return bad


def frozen(a):
    a.flags.writeable = False
    return a


class Estimator:
    """A neighbors estimator that returns a given answer."""

    def __init__(self, found, n_neighbors=3):
        self.found, self.n_neighbors = found, n_neighbors

    def fit(self, _):
        return self

    def kneighbors(self, _, return_distance=True):
        return self.found


class NoFit:
    n_neighbors = 3

    def kneighbors(self, _):
        raise AssertionError


class Incomparable:
    def __eq__(self, _):
        raise RuntimeError("no")

    __hash__ = None


sampler = lambda **how: SmoteSampler(X, **how)  # noqa: E731

CASES = [
    # X
    (lambda: SmoteSampler(X[0]), ValueError, r"X must be 2-D .*, got shape \(4,\)"),
    (lambda: SmoteSampler(X[np.newaxis]), ValueError, "X must be 2-D .*, got shape .1, 30, 4."),
    (lambda: SmoteSampler(X[:, :0]), ValueError, r"X must have at least one column, got shape \(30, 0\)"),
    (lambda: SmoteSampler(X.astype(int)), TypeError, "X must be float32 or float64, got int64 array"),
    (lambda: SmoteSampler(X.astype(np.float16)), TypeError, "X must be float32 or float64, got float16"),
    (lambda: SmoteSampler(X.astype(np.longdouble)), TypeError, "X must be float32 or float64"),
    (lambda: SmoteSampler(X.astype(complex)), TypeError, "X must be float32 or float64, got complex128"),
    (lambda: SmoteSampler(X.astype(object)), TypeError, "X must be float32 or float64, got object"),
    (lambda: SmoteSampler([["a"]]), TypeError, "X must be float32 or float64"),
    (lambda: SmoteSampler([[1.0], [1.0, 2.0]]), ValueError, "X must be a rectangular array"),
    (lambda: SmoteSampler(np.ma.masked_array(X)), TypeError, "X must be a plain array"),
    (lambda: SmoteSampler(CudaTensor()), TypeError, "X must be in CPU memory"),
    (lambda: SmoteSampler(spoiled(7, 2, NAN)), ValueError, r"X\[7, 2\] must be finite, got nan"),
    (lambda: SmoteSampler(spoiled(29, 0, -INF)), ValueError, r"X\[29, 0\] must be finite, got -inf"),
    (lambda: SmoteSampler(spoiled(3, 3, INF, np.float64)), ValueError, r"X\[3, 3\] must be finite, got inf"),
    (
        lambda: SmoteSampler(np.where(X > 0, np.float32(3e38), np.float32(-3e38))),
        ValueError,
        r"X\[:, 0\] must span less than 3.4e\+38, got values from -3e\+38 to 3e\+38",
    ),
    # k_neighbors
    (lambda: SmoteSampler(X[:0]), ValueError, "^X has 0 rows; k_neighbors=5 needs at least 6$"),
    (lambda: SmoteSampler(X[:1]), ValueError, "^X has 1 row; k_neighbors=5 needs at least 6$"),
    (lambda: SmoteSampler(X[:3]), ValueError, "^X has 3 rows; k_neighbors=5 needs at least 6$"),
    (lambda: sampler(k_neighbors=30), ValueError, "^X has 30 rows; k_neighbors=30 needs at least 31$"),
    (
        lambda: SmoteSampler(np.repeat(X[:3], 9, axis=0)),
        ValueError,
        "^X has 3 different rows; k_neighbors=5 needs at least 6$",
    ),
    (
        lambda: SmoteSampler(np.ones((20, 2))),
        ValueError,
        "^X has 1 different row; k_neighbors=5 needs at least 6$",
    ),
    (lambda: sampler(k_neighbors=0), ValueError, r"k_neighbors must be in \[1, 2147483647\], got 0"),
    (lambda: sampler(k_neighbors=-1), ValueError, r"k_neighbors must be in \[1, 2147483647\], got -1"),
    (lambda: sampler(k_neighbors=2**31), ValueError, r"k_neighbors must be in \[1, 2147483647\]"),
    (lambda: sampler(k_neighbors=5.0), TypeError, "k_neighbors must be an integer, or an estimator"),
    (lambda: sampler(k_neighbors=True), TypeError, "k_neighbors must be .* got bool"),
    (lambda: sampler(k_neighbors=None), TypeError, "k_neighbors must be .* got NoneType"),
    (lambda: sampler(k_neighbors="5"), TypeError, "k_neighbors must be .* got str"),
    (lambda: sampler(k_neighbors=NoFit()), TypeError, "k_neighbors must be .* got NoFit"),
    (
        lambda: sampler(k_neighbors=Estimator(None, 1)),
        ValueError,
        r"k_neighbors.n_neighbors must be in \[2, 2147483647\], got 1",
    ),
    (lambda: sampler(k_neighbors=Estimator(None, 2.0)), TypeError, "k_neighbors.n_neighbors must be an int"),
    (
        lambda: sampler(k_neighbors=Estimator(None, 31)),
        ValueError,
        "^X has 30 rows; k_neighbors=30 needs at least 31$",
    ),
    (
        lambda: sampler(k_neighbors=Estimator(np.zeros((30, 4), int))),
        ValueError,
        r"k_neighbors.kneighbors\(X\) must have shape \(30, 3\), got \(30, 4\)",
    ),
    (
        lambda: sampler(k_neighbors=Estimator(np.zeros((30, 3)))),
        TypeError,
        r"k_neighbors.kneighbors\(X\) must be integers, got float64 array",
    ),
    (
        lambda: sampler(k_neighbors=Estimator(np.where(np.arange(90).reshape(30, 3) == 7, -1, 0))),
        IndexError,
        r"k_neighbors.kneighbors\(X\)\[2, 1\] must be in \[0, 30\), got -1",
    ),
    # categorical
    (lambda: sampler(categorical=[4]), IndexError, r"categorical\[0\] must be in \[0, 4\), got 4"),
    (lambda: sampler(categorical=[0, -1]), IndexError, r"categorical\[1\] must be in \[0, 4\), got -1"),
    (lambda: sampler(categorical=[1.0]), TypeError, "categorical must be integers, got float64 array"),
    (lambda: sampler(categorical=[True, False]), TypeError, "categorical must be integers, got bool array"),
    (lambda: sampler(categorical=1), ValueError, "categorical must be 1-D, not 0-D"),
    (lambda: sampler(categorical=[2, 0, 2]), ValueError, "categorical must name each column once, got 2 tw"),
    (
        lambda: SmoteSampler(
            np.round(spoiled(5, 1, 0.5)) + np.eye(30, 4, -5, np.float32)[:] / 2, categorical=[0]
        ),
        ValueError,
        r"X\[5, 0\] must be a code, a whole number in \[-2\^31, 2\^31\), since the column is categorical",
    ),
    (
        lambda: SmoteSampler(np.round(spoiled(9, 3, 2.0**31, np.float64)), categorical=[0, 3]),
        ValueError,
        r"X\[9, 3\] must be a code, .* got 2147483648.0",
    ),
    (
        lambda: SmoteSampler(np.round(spoiled(9, 3, 1e200, np.float64)), categorical=[0]),
        ValueError,
        r"X\[:, 3\] must have a finite standard deviation",
    ),
    # parent_weights
    (lambda: sampler(parent_weights=[1.0]), ValueError, "parent_weights must have 30 entries, one for each"),
    (lambda: sampler(parent_weights=np.zeros(30)), ValueError, "parent_weights must not all be zero, got 30"),
    (
        lambda: sampler(parent_weights=np.arange(30) - 2),
        ValueError,
        r"parent_weights\[0\] must be finite and >= 0, got -2",
    ),
    (lambda: sampler(parent_weights=["a"] * 30), TypeError, "parent_weights must be float16"),
    # seed, epoch
    (lambda: sampler(seed=-1), ValueError, "seed must be in"),
    (lambda: sampler(seed=2**64), ValueError, "seed must be in"),
    (lambda: sampler(seed=1.5), TypeError, "seed must be an integer, got float"),
    (lambda: sampler().set_epoch(2**32), ValueError, "epoch must be in"),
    (lambda: sampler().set_epoch("1"), TypeError, "epoch must be an integer"),
    # sample
    (lambda: sampler().sample(-1), ValueError, "n must be >= 0, got -1"),
    (lambda: sampler().sample(2.0), TypeError, "n must be an integer, got float"),
    (lambda: sampler().sample(2**59), ValueError, "n must ask for fewer than 2.60 entries"),
    (
        lambda: sampler().sample(2, return_parents=1),
        TypeError,
        "return_parents must be True or False, got int",
    ),
    (lambda: sampler().sample(2, n_threads=0), ValueError, "n_threads must be >= 1, got 0"),
    (lambda: sampler().sample(2, n_threads=2.0), TypeError, "n_threads must be an integer, got float"),
    (lambda: sampler().sample(2, n_threads=True), TypeError, "n_threads must be an integer, got bool"),
    (lambda: sampler().sample(2, out=[[0.0] * 4] * 2), TypeError, "out must be a NumPy array"),
    (
        lambda: sampler().sample(2, out=np.empty((2, 4))),
        TypeError,
        "out must be of dtype float32, got float64",
    ),
    (
        lambda: sampler().sample(2, out=np.empty((2, 4), ">f4")),
        TypeError,
        "out must be of dtype float32, got >f4",
    ),
    (
        lambda: sampler().sample(2, out=np.empty((3, 4), np.float32)),
        ValueError,
        r"out must have shape \(2, 4\), got \(3, 4\)",
    ),
    (
        lambda: sampler().sample(2, out=np.empty((4, 2), np.float32).T),
        ValueError,
        "out must be C-contiguous",
    ),
    (
        lambda: sampler().sample(2, out=np.zeros(33, np.uint8)[1:].view(np.float32).reshape(2, 4)),
        ValueError,
        "out must be aligned in memory, got a misaligned float32 array",
    ),
    (
        lambda: sampler().sample(2, out=frozen(np.empty((2, 4), np.float32))),
        ValueError,
        "out must be writable",
    ),
    (
        lambda: sampler().sample(2, out=X[:2]),
        ValueError,
        "out must lie apart from X, got arrays that share memory",
    ),
    # interpolate
    (lambda: interpolate(X, [30], [0], GAPS[:1]), IndexError, r"parents\[0\] must be in \[0, 30\), got 30"),
    (lambda: interpolate(X, [0], [-1], GAPS[:1]), IndexError, r"neighbors\[0\] must be in \[0, 30\), got"),
    (lambda: interpolate(X, [0.0], [0], GAPS[:1]), TypeError, "parents must be integers"),
    (lambda: interpolate(X, ROWS, [0], GAPS), ValueError, "neighbors must have 3 entries, one for each row"),
    (lambda: interpolate(X, ROWS, ROWS, GAPS[:2]), ValueError, r"gaps must have shape \(3,\), one for each"),
    (
        lambda: interpolate(X, ROWS, ROWS, GAPS.astype(float)),
        TypeError,
        "gaps must be of dtype float32, like the rows, got float64 array",
    ),
    (
        lambda: interpolate(X, ROWS, ROWS, np.array([0, NAN, 0], np.float32)),
        ValueError,
        r"gaps\[1\] must be finite, got nan",
    ),
    (lambda: interpolate(spoiled(0, 1, NAN), ROWS, ROWS, GAPS), ValueError, r"X\[0, 1\] must be finite"),
    (
        lambda: interpolate(X, ROWS, ROWS, GAPS, out=np.empty((3, 4))),
        TypeError,
        "out must be of dtype float32",
    ),
    (lambda: interpolate(X, ROWS, ROWS, GAPS, out=X[:3]), ValueError, "out must lie apart from X"),
    (lambda: interpolate(X, ROWS, ROWS, GAPS, n_threads=0), ValueError, "n_threads must be >= 1, got 0"),
    # interpolate_csr
    (
        lambda: interpolate_csr(CSR[0], CSR[1], [1, 2, 4], ROWS, ROWS, GAPS),
        ValueError,
        r"indptr\[0\] must be 0, got 1",
    ),
    (
        lambda: interpolate_csr(*CSR[:2], [], [], [], GAPS[:0]),
        ValueError,
        r"indptr\[0\] must be 0, got an em",
    ),
    (
        lambda: interpolate_csr(*CSR[:2], [0, 3, 2, 4], ROWS, ROWS, GAPS),
        ValueError,
        r"indptr\[2\] must be >= indptr\[1\] = 3, got 2",
    ),
    (
        lambda: interpolate_csr(*CSR[:2], [0, 2, 2, 5], ROWS, ROWS, GAPS),
        ValueError,
        r"indices must have at least indptr\[3\] = 5 entries, got 4",
    ),
    (
        lambda: interpolate_csr(CSR[0], [0, 2, 3, 3], CSR[2], ROWS, ROWS, GAPS),
        ValueError,
        r"indices\[3\] must be > indices\[2\] = 3, since both are in row 2, got 3: call .sum_duplicates",
    ),
    (
        lambda: interpolate_csr(CSR[0], [0, -2, 1, 3], CSR[2], ROWS, ROWS, GAPS),
        IndexError,
        r"indices\[1\] must be in",
    ),
    (
        lambda: interpolate_csr(CSR[0].astype(int), *CSR[1:], ROWS, ROWS, GAPS),
        TypeError,
        "data must be float32 or float64, got int64 array",
    ),
    (
        lambda: interpolate_csr(CSR[0][:3], *CSR[1:], ROWS, ROWS, GAPS),
        ValueError,
        r"data must have at least indptr\[3\] = 4 entries, got 3",
    ),
    (
        lambda: interpolate_csr(np.array([1, INF, 1, 1], np.float32), *CSR[1:], ROWS, ROWS, GAPS),
        ValueError,
        r"data\[1\] must be finite, got inf",
    ),
    (
        lambda: interpolate_csr(*CSR, [3], [0], GAPS[:1]),
        IndexError,
        r"parents\[0\] must be in \[0, 3\), got 3",
    ),
    (
        lambda: interpolate_csr(*CSR, ROWS, ROWS, GAPS.astype(float)),
        TypeError,
        "gaps must be of dtype float32",
    ),
    # parent weights
    (
        lambda: borderline_weights(X[:8], Y[:8], 1),
        ValueError,
        "^X has 8 rows; m_neighbors=10 needs at least 11$",
    ),
    (
        lambda: safe_level_weights(X[:5], Y[:5], 1),
        ValueError,
        "^X has 5 rows; k_neighbors=5 needs at least 6$",
    ),
    (
        lambda: borderline_weights(X, Y, 1, m_neighbors=0),
        ValueError,
        r"m_neighbors must be in \[1, 2147483647\], got 0",
    ),
    (lambda: safe_level_weights(X, Y, 1, k_neighbors=2.0), TypeError, "k_neighbors must be an integer"),
    (lambda: borderline_weights(X, Y, 2), ValueError, "cls must be one of the labels in y, got 2"),
    (lambda: borderline_weights(X, Y, "1"), TypeError, "cls must be one of the integers in y, got str '1'"),
    (lambda: borderline_weights(X, Y, [1]), TypeError, "cls must be one label, got list"),
    (lambda: borderline_weights(X, Y, np.array([1])), TypeError, "cls must be one label, got int64 array"),
    (
        lambda: borderline_weights(X, Y[:5], 1),
        ValueError,
        "y must have 30 entries, one for each row of X, got 5",
    ),
    (lambda: borderline_weights(X, Y.reshape(-1, 1), 1), ValueError, "y must be 1-D, not 2-D"),
    (
        lambda: borderline_weights(X, np.where(Y == 0, NAN, 1.0), 1),
        ValueError,
        r"y\[0\] must not be null",
    ),
    (
        lambda: safe_level_weights(X, Y, Incomparable()),
        TypeError,
        "cls must compare with the labels in y, got",
    ),
    (lambda: borderline_weights(spoiled(4, 0, NAN), Y, 1), ValueError, r"X\[4, 0\] must be finite, got nan"),
    (
        lambda: borderline_weights(np.arange(30.0).reshape(-1, 1), np.arange(30) < 15, True, m_neighbors=1),
        ValueError,
        r"^class True has no row in danger: 15 rows are safe, since fewer than half of their 1 nearest rows "
        r"are of other classes, and 0 rows are noise, since all of them are \(m_neighbors=1\)$",
    ),
    (
        lambda: safe_level_weights(
            np.arange(30.0).reshape(-1, 1) ** 2, np.arange(30) % 10 == 0, True, k_neighbors=2
        ),
        ValueError,
        r"^class True has no safe row: none of its 3 rows has another of the class among its 2 nearest",
    ),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_bad_input_is_refused(case):
    call, error, text = CASES[case]
    with pytest.raises(error, match=text) as caught:
        call()
    assert type(caught.value) is error


WAYS = {
    "X": SmoteSampler,
    "k_neighbors": lambda x: sampler(k_neighbors=x),
    "categorical": lambda x: sampler(categorical=x),
    "parent_weights": lambda x: sampler(parent_weights=x),
    "seed": lambda x: sampler(seed=x),
    "n": lambda x: sampler().sample(x),
    "parents": lambda x: interpolate(X, x, ROWS, GAPS),
    "neighbors": lambda x: interpolate(X, ROWS, x, GAPS),
    "gaps": lambda x: interpolate(X, ROWS, ROWS, x),
    "data": lambda x: interpolate_csr(x, *CSR[1:], ROWS, ROWS, GAPS),
    "indices": lambda x: interpolate_csr(CSR[0], x, CSR[2], ROWS, ROWS, GAPS),
    "indptr": lambda x: interpolate_csr(*CSR[:2], x, ROWS, ROWS, GAPS),
    "y": lambda x: borderline_weights(X, x, 1),
}


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_an_argument_that_raises_is_named(name, kind):
    """An exception raised by an argument's own code becomes a TypeError that names the argument."""
    for error in (RuntimeError("no"), AttributeError("no"), BufferError("no")):
        with pytest.raises(TypeError, match=rf"^{name}\b.* be .* got (a )?{kind.__name__}"):
            WAYS[name](kind(error))


def test_a_failed_call_does_not_move_the_stream(monkeypatch):
    one, two = sampler(), sampler()
    for bad in (
        lambda: one.sample(-1),
        lambda: one.sample(5, out=X[:5]),
        lambda: one.sample(5, n_threads=0),
    ):
        with pytest.raises(ValueError):
            bad()
    kernels = smote.kernels()

    class Interrupted:
        def __getattr__(self, name):
            return getattr(kernels, name)

        def smote_draw(self, *_):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(smote, "kernels", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.sample(500)
    assert one.state_dict() == two.state_dict()
    assert one.sample(10).tobytes() == two.sample(10).tobytes()


def test_the_smallest_and_largest_valid_input_is_accepted():
    """Test the fewest rows, the most neighbors, one column, and values with the largest range."""
    assert SmoteSampler(X[:2], k_neighbors=1).sample(9).shape == (9, 4)
    assert SmoteSampler(X, k_neighbors=29).sample(9).shape == (9, 4)
    assert SmoteSampler(X[:, :1]).sample(0).shape == (0, 1)
    big = np.array([[-1.6e38], [0.0], [1.6e38]], np.float32)
    assert np.isfinite(SmoteSampler(big, k_neighbors=2).sample(1000)).all()
    assert equipoise.SmoteSampler is SmoteSampler
