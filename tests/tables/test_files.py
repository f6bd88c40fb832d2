"""Files of tables that were crafted or changed never make draws read memory outside the table."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import AliasTable, NegativeSampler, UniformTable
from equipoise.tables.units import fingerprint_of
from support import cases

CELL = 2**32


def write(path, units, cells, *, digest=0, version=2):
    """Write the file of an alias table with any content. Its fingerprint is right."""
    units, cells = (np.array(part, "<u8") for part in (units, cells))
    fingerprint = fingerprint_of(units.size, units)
    header = struct.pack("<16sIIQ32sQ", b"equipoise alias\n", version, 0, units.size, fingerprint, digest)
    path.write_bytes(header.ljust(4096, b"\0") + cells.tobytes() + units.tobytes())


CRAFTED = {
    "too many units": ([CELL + 5, 1], [0, 1]),
    "too few units": ([1] * 4, [2**32 - 1, 7, 7, 7]),
    "no units": ([0] * 3, [0, 1, 2]),
    "units that wrap around": ([2**64 - 1, 2 * CELL + 1], [0, 1]),
    "all light": ([CELL - 1] * 5, [0, 1, 2, 3, 4]),
    "all heavy": ([CELL + 1] * 5, [0, 1, 2, 3, 4]),
    "one unit too many at the end": ([CELL, CELL, CELL + 1], [0, 1, 2]),
    "one unit missing at the end": ([CELL, CELL, CELL - 1], [0, 1, 2]),
}


@pytest.mark.parametrize("name", CRAFTED)
@pytest.mark.parametrize("mmap", [True, False])
def test_crafted_units_are_refused(name, mmap, tmp_path):
    write(tmp_path / "table", *CRAFTED[name])
    with pytest.raises(ValueError, match="path must name an undamaged table"):
        AliasTable.load(tmp_path / "table", mmap=mmap)


@pytest.mark.parametrize("alias", [4, 5, 2**31, 2**32 - 1])
def test_crafted_cells_are_refused_or_built_anew(alias, tmp_path):
    table = AliasTable(cases.zipf(4))
    cells = table.proposer().cells.copy()
    cells[2] = cells[2] >> np.uint64(32) << np.uint64(32) | np.uint64(alias)
    write(tmp_path / "table", table.units_of(np.arange(4)), cells, digest=table.digest())
    with pytest.raises(ValueError, match="path must name an undamaged table"):
        AliasTable.load(tmp_path / "table")
    read = AliasTable.load(tmp_path / "table", mmap=False)
    assert read.sample(99, rng=1).tolist() == table.sample(99, rng=1).tolist()


def test_another_digest_is_refused(tmp_path):
    table = AliasTable(cases.zipf(4))
    write(tmp_path / "table", table.units_of(np.arange(4)), table.proposer().cells, digest=table.digest() ^ 1)
    with pytest.raises(ValueError, match="path must name an undamaged table"):
        AliasTable.load(tmp_path / "table", mmap=False)


some_units = st.one_of(st.integers(0, 3 * CELL), st.integers(0, 2**64 - 1), st.sampled_from([0, 1, CELL]))


@given(st.lists(st.tuples(some_units, st.integers(0, 2**64 - 1)), min_size=1, max_size=6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_table_of_any_file_draws_ids_of_its_own(words, whole):
    units, cells = [u for u, _ in words], [c for _, c in words]
    if whole:  # let them add up, unless the last one would be negative
        units[-1] = max(len(units) * CELL - sum(units[:-1]), 0) % 2**64
        cells = [c % CELL << 32 | c % len(units) for c in cells]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        write(path, units, cells)
        try:
            table = AliasTable.load(path)
        except ValueError:
            assert not whole or sum(units) != len(units) * CELL
            return
        assert sum(units) == len(units) * CELL
        drawn = table.sample(500, rng=1)
        sampler = NegativeSampler(table, exclude=([0, 1], [0]))
        rows = sampler.sample([0] * 50, 3, on_exhausted="mask")
        shared = sampler.sample_shared(table.num_positive())
        for ids in (drawn, rows.ids[rows.mask], shared.ids):
            assert ((ids >= 0) & (ids < len(units))).all()
        del table, sampler


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ([CELL + 5, 1], "units that add up"),
        ([1] * 4, "units that add up"),
        ([], "a 1-D array of uint64 units"),
        ([[CELL]], "a 1-D array of uint64 units"),
    ],
)
def test_crafted_pickles_are_refused(units, text):
    table = AliasTable([1, 2])
    with pytest.raises(ValueError, match=f"a pickled table must hold {text}"):
        table.__setstate__({"version": 2, "units": np.array(units, np.uint64)})
    with pytest.raises(ValueError, match="a pickled table must hold a 1-D array of uint64 units"):
        table.__setstate__({"version": 2, "units": np.array([1.5, 2.5])})


# ---- versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mmap", [True, False])
def test_files_of_other_versions_are_refused(mmap, tmp_path):
    table = AliasTable([1, 2])
    for version in (0, 1, 3):
        write(tmp_path / "table", table.units_of(np.arange(2)), table.proposer().cells, version=version)
        with pytest.raises(ValueError, match=f"path must name a table of version 2, got version {version}"):
            AliasTable.load(tmp_path / "table", mmap=mmap)


def test_a_file_has_the_digest_in_its_header(tmp_path):
    for table in (AliasTable(cases.pareto(99)), UniformTable(7)):
        table.save(tmp_path / "table")
        *_, digest = struct.unpack("<16sIIQ32sQ", (tmp_path / "table").read_bytes()[:72])
        assert digest == table.digest()


# ---- mapped files that change -----------------------------------------------------------------------------

CALLS = {
    "sample": lambda table, sampler: table.sample(9, rng=1),
    "prob": lambda table, sampler: table.prob([0]),
    "log_prob": lambda table, sampler: table.log_prob([0]),
    "save": lambda table, sampler: table.save(f"{table._stamp.path}.copy"),
    "NegativeSampler": lambda table, sampler: NegativeSampler(table),
    "negatives": lambda table, sampler: sampler.sample([0], 3),
    "unique negatives": lambda table, sampler: sampler.sample([0], 3, unique=True),
    "sample_shared": lambda table, sampler: sampler.sample_shared(3),
    "sampler.log_prob": lambda table, sampler: sampler.log_prob([0]),
    "copy": lambda table, sampler: copy.copy(sampler).sample([0], 3),
}


def truncate(path, other):
    os.truncate(path, 4096)


def overwrite(path, other):
    shutil.copyfile(other, path)
    os.utime(path, ns=(0, 0))  # file systems note times in steps of some milliseconds


def touch(path, other):
    os.utime(path, ns=(0, 0))


def replace(path, other):
    stamp = os.stat(path)
    shutil.copyfile(other, f"{path}.new")
    os.utime(f"{path}.new", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    os.replace(f"{path}.new", path)


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be changed there")
@pytest.mark.parametrize("change", [truncate, overwrite, touch, replace])
def test_a_mapped_file_that_changed_is_refused(change, tmp_path):
    path, other = str(tmp_path / "table"), str(tmp_path / "other")
    for name in (path, other):
        AliasTable(cases.pareto(3000)).save(name)
    table = AliasTable.load(path)
    sampler = NegativeSampler(table)
    unpickled = pickle.loads(pickle.dumps(sampler))
    for call in CALLS.values():
        call(table, sampler)
    before = sampler.state_dict()
    change(path, other)
    for call in CALLS.values():
        with pytest.raises(
            ValueError,
            match=r"/table' must stay as it was when it was mapped, got another size, time or inode: load it "
            "again",
        ):
            call(table, sampler)
    with pytest.raises(ValueError, match="must stay as it was"):
        unpickled.sample([0], 3)
    assert sampler.state_dict() == before


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
def test_a_file_that_was_saved_again_can_be_loaded_again(tmp_path):
    path = tmp_path / "table"
    AliasTable([1, 2, 3]).save(path)
    old = AliasTable.load(path)
    AliasTable([3, 2, 1]).save(path)
    with pytest.raises(ValueError, match="load it again"):
        old.sample(3)
    assert AliasTable.load(path).prob(0) == 0.5


def test_a_table_that_is_not_mapped_needs_no_file(tmp_path):
    path = tmp_path / "table"
    AliasTable([1, 2, 3]).save(path)
    table = AliasTable.load(path, mmap=False)
    path.write_bytes(b"")
    assert table.prob(2) == 0.5
    assert equipoise.NegativeSampler(table).sample([0], 3).ids.shape == (1, 3)
