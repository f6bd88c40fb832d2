"""A search reports its progress in the calling thread. An exception in the callback stops it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import equipoise
from equipoise.neighbors.search import mixed_neighbors
from support.points import alike, points


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_reported(threads):
    x = points("uniform", 9000, 16, np.float32)
    calls = []
    got = equipoise.nearest_neighbors(x, 5, n_threads=threads, progress=lambda *c: calls.append(c))
    alike(got, equipoise.nearest_neighbors(x, 5))
    assert len(calls) > 1
    totals = {total for _, total in calls}
    assert len(totals) == 1
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert done[0] >= 0
    assert done[-1] == totals.pop()
    assert all(type(number) is int for call in calls for number in call)


def test_progress_is_reported_with_queries_and_codes():
    x, codes = points("uniform", 500, 3, np.float32), np.zeros((500, 1), np.int32)
    for search in (
        lambda p: equipoise.nearest_neighbors(x, 5, queries=x[:300], progress=p),
        lambda p: equipoise.nearest_neighbors(x, 5, queries=x[:0], progress=p),
        lambda p: mixed_neighbors(x, codes, 1.0, 5, progress=p),
    ):
        calls = []
        alike(search(lambda *c, calls=calls: calls.append(c)), search(None))
        assert not calls or calls[-1][0] == calls[-1][1]


class Stop(Exception):
    pass


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_an_exception_in_the_callback_stops_the_search(threads, last, own_threads):
    x = points("uniform", 9000, 16, np.float32)

    def progress(done, total):
        if done == total or not last:
            raise Stop

    with pytest.raises(Stop):
        equipoise.nearest_neighbors(x, 5, n_threads=threads, progress=progress)
    assert own_threads.made >= threads - 1
    assert own_threads.left() == 0
    alike(equipoise.nearest_neighbors(x, 5, n_threads=threads), equipoise.nearest_neighbors(x, 5))


def test_progress_is_reported_in_the_calling_thread():
    """Progress bars and widgets often cannot be updated from other threads."""
    seen = set()
    x = points("uniform", 9000, 16, np.float32)
    equipoise.nearest_neighbors(x, 5, n_threads=3, progress=lambda *_: seen.add(threading.get_ident()))
    assert seen == {threading.get_ident()}


def test_the_progress_bar_goes_to_stderr(capfd):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'progress')")
    x = points("uniform", 3000, 8, np.float32)
    alike(equipoise.nearest_neighbors(x, 5, progress=True), equipoise.nearest_neighbors(x, 5))
    assert capfd.readouterr().out == ""
