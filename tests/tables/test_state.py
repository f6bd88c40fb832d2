"""Tables can be saved, memory-mapped and pickled.

A mapped table is one copy in memory for all processes, whatever their start method.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys

import numpy as np
import pytest

import equipoise
from equipoise import AliasTable, LogUniformTable, UniformTable
from support import cases


@pytest.mark.parametrize("mmap", [True, False])
def test_a_loaded_table_equals_the_saved_one(tmp_path, mmap):
    w = cases.pareto(5000)
    table = AliasTable(w)
    path = tmp_path / "table of weights"
    table.save(path)
    loaded = AliasTable.load(path, mmap=mmap)
    assert np.array_equal(loaded._cells, table._cells)
    assert np.array_equal(loaded._units, table._units)
    assert loaded.sample(1000, rng=1).tobytes() == table.sample(1000, rng=1).tobytes()
    assert len(loaded) == 5000
    assert path.stat().st_size <= 16 * 5000 + 4096
    AliasTable.load(str(path)).sample(10)


def test_every_loaded_table_is_an_alias_table(tmp_path):
    """A file does not say how its weights were made, so every loaded table is an AliasTable."""
    LogUniformTable(9).save(tmp_path / "a")
    for mmap in (True, False):
        loaded = LogUniformTable.load(tmp_path / "a", mmap=mmap)
        assert type(loaded) is AliasTable
        assert loaded.sample(99, rng=1).tolist() == LogUniformTable(9).sample(99, rng=1).tolist()


def test_a_pickle_holds_the_units_or_the_path(tmp_path):
    table = AliasTable(cases.pareto(50_000))
    copy = pickle.loads(pickle.dumps(table))
    assert copy.sample(100, rng=1).tobytes() == table.sample(100, rng=1).tobytes()
    path = tmp_path / "table"
    table.save(path)
    mapped = AliasTable.load(path, mmap=True)
    small = pickle.dumps(mapped)
    assert len(small) < 2000
    assert pickle.loads(small).sample(100, rng=1).tobytes() == table.sample(100, rng=1).tobytes()
    # A different table at the same path is refused.
    AliasTable(cases.pareto(50_001)).save(path)
    with pytest.raises(ValueError, match="pickled"):
        pickle.loads(small)


def test_saving_again_gives_the_same_file(tmp_path):
    table = AliasTable(cases.pareto(100))
    table.save(tmp_path / "a")
    AliasTable.load(tmp_path / "a", mmap=True).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "table"
    AliasTable(cases.pareto(300)).save(path)
    whole = path.read_bytes()
    np.save(tmp_path / "array.npy", np.arange(3))
    foreign = (tmp_path / "array.npy").read_bytes()
    for damaged in (b"", whole[:7], whole[:40], whole[:-1], whole[: len(whole) // 2], whole + b"\0", foreign):
        path.write_bytes(damaged)
        for mmap in (True, False):
            with pytest.raises(ValueError, match="path"):
                AliasTable.load(path, mmap=mmap)
    with pytest.raises(FileNotFoundError):
        AliasTable.load(tmp_path / "nowhere")


def test_a_damaged_file_cannot_cause_reads_outside_the_table(tmp_path):
    path = tmp_path / "table"
    table = AliasTable(cases.pareto(300))
    table.save(path)
    whole = path.read_bytes()
    cells, units = 4096, 4096 + 8 * 300
    path.write_bytes(
        whole[: cells + 8 * 7] + b"\xff" * 4 + whole[cells + 8 * 7 + 4 :]
    )  # an alias of 2^32 - 1
    with pytest.raises(
        ValueError, match="path must name an undamaged table, got units or cells that no table has"
    ):
        AliasTable.load(path)
    assert AliasTable.load(path, mmap=False).sample(99, rng=1).tolist() == table.sample(99, rng=1).tolist()
    path.write_bytes(whole[: units + 8 * 7] + b"\xff" * 4 + whole[units + 8 * 7 + 4 :])
    with pytest.raises(
        ValueError, match="path must name an undamaged table, got units that differ from its fingerprint"
    ):
        AliasTable.load(path, mmap=False)


@pytest.mark.parametrize("table", [UniformTable(99), LogUniformTable(99)], ids=["uniform", "log uniform"])
def test_tables_without_weights_can_be_pickled(table):
    copy = pickle.loads(pickle.dumps(table))
    assert type(copy) is type(table)
    assert copy.sample(100, rng=1).tobytes() == table.sample(100, rng=1).tobytes()


def test_uniform_tables_can_be_saved(tmp_path):
    path = tmp_path / "uniform"
    UniformTable(99).save(path)
    for mmap in (True, False):
        loaded = UniformTable.load(path, mmap=mmap)
        assert type(loaded) is UniformTable
        assert loaded.sample(50, rng=2).tolist() == UniformTable(99).sample(50, rng=2).tolist()
    with pytest.raises(
        ValueError, match=r"path must name the file of a table of kind 0 \(AliasTable\), got kind 1"
    ):
        AliasTable.load(path)
    AliasTable([1, 2]).save(path)
    with pytest.raises(
        ValueError, match=r"path must name the file of a table of kind 1 \(UniformTable\), got kind 0"
    ):
        UniformTable.load(path)


N, WORKERS = 1 << 21, 8  # 32 MiB of table


def proportional_kib(path: str) -> tuple[float, float]:
    """Return the resident and proportional KiB of the pages of ``path`` in this process.

    The proportional size counts a page as 1 / (number of processes that map it).
    """
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
    """Read all pages of cells and units, wait for the other processes, then measure."""
    sampler = pickle.loads(pickled)
    sampler.sample(np.arange(64), 64)
    total = int(sampler._table._cells.sum(dtype=np.uint64)) ^ int(sampler._table._units.sum(dtype=np.uint64))
    barrier.wait(120)
    queue.put((total, *proportional_kib(path)))
    barrier.wait(120)


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set sizes are read from Linux' /proc")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_eight_processes_share_one_copy(method, tmp_path):
    path = str(tmp_path / "items.alias")
    equipoise.AliasTable(1.0 / np.arange(1, N + 1)).save(path)
    size = os.path.getsize(path) / 1024
    sampler = equipoise.NegativeSampler(equipoise.AliasTable.load(path), seed=1)
    pickled = pickle.dumps(sampler)
    assert len(pickled) < 2000
    if method == "fork":
        sampler.sample(np.arange(4), 4)  # a parent that has used the sampler
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
        assert resident > 0.95 * size  # each process has mapped all of it
    assert sum(proportional for *_, proportional in seen) < 1.05 * size  # together they hold one copy


def test_a_pickle_of_a_mapped_table_refuses_another_file(tmp_path):
    path = tmp_path / "items.alias"
    equipoise.AliasTable([1, 2, 3]).save(path)
    pickled = pickle.dumps(equipoise.AliasTable.load(path))
    assert pickle.loads(pickled).prob([2]) == 0.5
    equipoise.AliasTable([3, 2, 1]).save(path)
    with pytest.raises(ValueError, match="path must name the table that was pickled, got another one"):
        pickle.loads(pickled)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_saved_table_has_the_usual_file_mode(tmp_path):
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


def test_an_interrupt_does_not_lose_the_prefix_sums():
    """A record without prefix sums beside a table that has them made kernels ask for them forever."""
    weights = np.array([3.0, 1.0, 0.0, 2.0])
    wanted = AliasTable(weights).proposer(prefix=True).prefix
    for lines in range(1, 12):
        table = AliasTable(weights)
        table.proposer()
        left = lines

        def trace(frame, event, _):
            nonlocal left
            left -= event == "line"
            if not left:
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(lambda frame, *_: trace if frame.f_code is AliasTable.proposer.__code__ else None)
        try:
            table.proposer(prefix=True)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert np.array_equal(table.proposer(prefix=True).prefix, wanted)
