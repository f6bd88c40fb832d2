"""A mapped table is one copy in memory, however many processes read it and however they were started."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys

import numpy as np
import pytest

import equipoise

N, WORKERS = 1 << 21, 8  # 32 MiB of table


def proportional_kib(path: str) -> tuple[float, float]:
    """(resident, proportional) KiB of ``path``'s pages here: a page counts 1 / (processes that map it)."""
    resident = proportional = 0.0
    mine = False
    with open("/proc/self/smaps") as file:
        for line in file:
            word = line.split(maxsplit=5)
            if "-" in word[0] and not word[0].endswith(":"):
                mine = len(word) == 6 and word[5].strip() == path
            elif mine and word[0] == "Rss:":
                resident += float(word[1])
            elif mine and word[0] == "Pss:":
                proportional += float(word[1])
    return resident, proportional


def work(pickled, path, barrier, queue):
    """Read every page of cells and units, wait until all have, then look."""
    sampler = pickle.loads(pickled)
    sampler.sample(np.arange(64), 64)
    total = int(sampler._table._cells.sum(dtype=np.uint64)) ^ int(sampler._table._units.sum(dtype=np.uint64))
    barrier.wait(120)
    queue.put((total, *proportional_kib(path)))
    barrier.wait(120)


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set sizes are read from Linux' /proc")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_eight_workers_share_one_copy(method, tmp_path):
    path = str(tmp_path / "items.alias")
    equipoise.AliasTable(1.0 / np.arange(1, N + 1)).save(path)
    size = os.path.getsize(path) / 1024
    sampler = equipoise.NegativeSampler(equipoise.AliasTable.load(path), seed=1)
    pickled = pickle.dumps(sampler)
    assert len(pickled) < 2000
    if method == "fork":
        sampler.sample(np.arange(4), 4)  # as a parent does that has used it
    context = multiprocessing.get_context(method)
    barrier, queue = context.Barrier(WORKERS), context.Queue()
    workers = [context.Process(target=work, args=(pickled, path, barrier, queue)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    seen = [queue.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert len({total for total, _, _ in seen}) == 1
    for _, resident, _ in seen:
        assert resident > 0.95 * size  # each has all of it in reach ..
    assert sum(proportional for *_, proportional in seen) < 1.05 * size  # .. and together they hold it once


def test_a_pickle_of_a_mapped_table_refuses_another_file(tmp_path):
    path = tmp_path / "items.alias"
    equipoise.AliasTable([1, 2, 3]).save(path)
    pickled = pickle.dumps(equipoise.AliasTable.load(path))
    assert pickle.loads(pickled).prob([2]) == 0.5
    equipoise.AliasTable([3, 2, 1]).save(path)
    with pytest.raises(ValueError, match="path must name the table that was pickled, got another one"):
        pickle.loads(pickled)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_saved_table_has_the_modes_of_any_file(tmp_path):
    old = os.umask(0o027)
    try:
        equipoise.AliasTable([1, 2, 3]).save(tmp_path / "items.alias")
    finally:
        os.umask(old)
    assert (tmp_path / "items.alias").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["items.alias"]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "items.alias"
    equipoise.AliasTable([1, 2, 3]).save(path)
    with pytest.raises(OSError, match="no_such_folder"):
        equipoise.AliasTable([1]).save(tmp_path / "no_such_folder" / "x")
    assert len(equipoise.AliasTable.load(path)) == 3
