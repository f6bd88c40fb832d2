"""Synthetic rows do not depend on chunks, threads, memory layout or ``return_parents``."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise import SmoteSampler
from equipoise.smote import sampler as smote
from equipoise.smote.interpolation import interpolate_csr
from support.synthetic import VARIANTS, check_formula, parts, points, variants


def test_codes_are_never_one_hot_encoded():
    """A one-hot matrix of 2,000 rows and 3,000 codes would take 48 MB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=2000), np.arange(2000) % 3000], axis=1)
    sampler = SmoteSampler(X, categorical=[1])
    sampler.sample(10)
    tracemalloc.start()
    sampler.sample(20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 20_000 * 2 * 8


@variants
def test_calls_of_any_size_continue_the_stream(make):
    whole = make().sample(1000, return_parents=True)
    assert len({whole.rows[i : i + 64].tobytes() for i in range(0, 960, 64)}) == 15  # no group repeats
    for cut in ([1] * 70, [0, 63, 1, 64, 65, 128, 129, 0, 550], [999, 1], [1000]):
        sampler = make()
        drawn = [sampler.sample(count, return_parents=True) for count in cut]
        for name in ("rows", "parents", "neighbors", "gaps"):
            joined = np.concatenate([getattr(one, name) for one in drawn])
            assert joined.tobytes() == getattr(whole, name)[: len(joined)].tobytes()


@variants
def test_threads_and_chunks_do_not_change_the_rows(make, monkeypatch, own_threads):
    whole = parts(make().sample(3000, return_parents=True))
    assert smote._CHUNK > 3000
    for chunk in (1, 1000, 7777):
        monkeypatch.setattr(smote, "_CHUNK", chunk)
        for threads in (1, 2, 8):
            assert parts(make().sample(3000, return_parents=True, n_threads=threads)) == whole
    assert own_threads.made >= 21
    assert own_threads.left() == 0


def test_the_environment_sets_the_number_of_threads(monkeypatch, own_threads):
    sampler = VARIANTS["plain"]()
    made = own_threads.made
    monkeypatch.setattr(smote, "_CHUNK", 1000)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    sampler.sample(5000)
    assert own_threads.made == made + 2
    sampler.sample(5000, n_threads=1)
    assert own_threads.made == made + 2
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "none")
    with pytest.raises(ValueError, match="EQUIPOISE_NUM_THREADS must be a whole number"):
        sampler.sample(1)


def test_return_parents_does_not_change_the_rows():
    one, two = VARIANTS["plain"](), VARIANTS["plain"]()
    assert one.sample(100).tobytes() == two.sample(100, return_parents=True).rows.tobytes()
    assert one.sample(100).tobytes() == two.sample(100, return_parents=True).rows.tobytes()


def test_out_is_filled_and_returned():
    sampler, out = VARIANTS["plain"](), np.empty((70, 4), np.float32)
    assert sampler.sample(70, out=out) is out
    assert out.tobytes() == VARIANTS["plain"]().sample(70).tobytes()
    drawn = sampler.sample(70, out=out, return_parents=True)
    assert drawn.rows is out
    check_formula(points(), drawn)


def test_results_are_writable_and_own_their_memory():
    drawn = VARIANTS["plain"]().sample(5, return_parents=True)
    for a in (drawn.rows, drawn.parents, drawn.neighbors, drawn.gaps):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata


def test_the_layout_of_X_does_not_matter():
    """Strides, byte order, alignment and the read-only flag do not change the rows."""
    X = points()
    wanted = SmoteSampler(X).sample(100).tobytes()
    wide = np.zeros((60, 9), np.float32)
    wide[:, 1::2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    odd = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    assert not odd.flags.aligned
    for form in (wide[:, 1::2], np.asfortranarray(X), X[::-1].copy()[::-1], frozen, X.astype(">f4"), odd):
        assert SmoteSampler(form).sample(100).tobytes() == wanted


def test_what_lies_behind_the_last_row_of_a_csr_matrix_is_ignored():
    """SciPy ignores it, too: a matrix may have more room than entries."""
    matrix = np.array([4.0, 2.0, 1.0]), np.array([1, 0, 1]), np.array([0, 1, 3])
    pairs = [0, 1], [1, 0], np.array([0.25, 0.5])
    longer = np.append(matrix[0], [np.nan, 5]), np.append(matrix[1], [-1, 0, 9]), matrix[2]
    for lists in (False, True):
        given = [a.tolist() for a in longer] if lists else longer
        for a, b in zip(interpolate_csr(*given, *pairs), interpolate_csr(*matrix, *pairs), strict=True):
            np.testing.assert_array_equal(a, b)


def test_X_is_not_copied():
    X = points(1000, 8)
    sampler = SmoteSampler(X)
    arrays = {name: a for name, a in vars(sampler).items() if isinstance(a, np.ndarray)}
    assert np.shares_memory(arrays.pop("_X"), X)
    assert arrays.pop("_table").dtype == np.int32
    assert sampler._table.nbytes == 1000 * 5 * 4
    assert sum(a.nbytes for a in arrays.values()) == 0
