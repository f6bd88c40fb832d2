"""A sampler over a memory-mapped file pickles as the file."""

from __future__ import annotations

import copy
import mmap
import os
import pickle

import numpy as np
import pytest

from equipoise import SmoteSampler
from support.synthetic import DTYPES, VARIANTS, points, saved


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def test_a_mapped_X_is_pickled_as_its_file(tmp_path):
    X = points(3000, 64)
    mapped = SmoteSampler(saved(tmp_path / "rows.npy", X), seed=2)
    assert is_mapped(mapped._X)
    buffers = []
    inside = pickle.dumps(mapped, protocol=5, buffer_callback=buffers.append)
    assert len(inside) < 2000
    assert sum(b.raw().nbytes for b in buffers) == mapped._table.nbytes
    assert len(pickle.dumps(mapped)) < 2000 + mapped._table.nbytes < X.nbytes / 10
    again = pickle.loads(pickle.dumps(mapped))
    assert is_mapped(again._X)
    plain = SmoteSampler(X, seed=2)
    assert again.state_dict() == plain.state_dict()
    assert again.sample(500).tobytes() == plain.sample(500).tobytes()
    assert pickle.dumps(pickle.loads(inside, buffers=buffers)) == pickle.dumps(mapped)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_part_of_a_map_is_pickled_as_its_file(dtype, tmp_path):
    X = points(5000, 7, dtype)
    X.tofile(tmp_path / "rows")
    size = X.dtype.itemsize
    for offset, part in (
        (0, slice(100, 900)),
        (7 * size * 1000, slice(0, 500)),
        (7 * size * 300, slice(4000, None)),
    ):
        whole = np.memmap(tmp_path / "rows", dtype, "r", offset).reshape(-1, 7)
        sampler = SmoteSampler(whole[part])
        buffers = []
        pickle.dumps(sampler, protocol=5, buffer_callback=buffers.append)
        assert sum(b.raw().nbytes for b in buffers) == sampler._table.nbytes
        again = pickle.loads(pickle.dumps(sampler))
        assert again._X.tobytes() == np.ascontiguousarray(whole[part]).tobytes()
        assert again.sample(100).tobytes() == sampler.sample(100).tobytes()


def test_other_maps_are_pickled_by_value(tmp_path):
    """These are maps that are or may become writable, and views that are not a plain part of the file."""
    X = points(300, 8)
    path = tmp_path / "rows.npy"
    read = saved(path, X)
    loose = np.load(path, mmap_mode="r+")
    loose.flags.writeable = False
    swapped = saved(tmp_path / "swapped.npy", X.astype(">f4"))
    others = (np.load(path, mmap_mode="r+"), np.load(path, mmap_mode="c"), loose, swapped, read[::2], read.T)
    for form in others:
        sampler = SmoteSampler(form)
        assert len(pickle.dumps(sampler)) > form.nbytes
        again = pickle.loads(pickle.dumps(sampler))
        wanted = SmoteSampler(np.array(form, np.float32, order="C"))
        assert again.sample(50).tobytes() == wanted.sample(50).tobytes()
    assert len(pickle.dumps(SmoteSampler(read[:, :]))) < X.nbytes


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "rows.npy"
    X = points(300, 8)
    pickled = pickle.dumps(SmoteSampler(saved(path, X)))
    whole = path.read_bytes()
    text = "rows.npy' must hold the rows that were pickled"
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match=f"{text}, got others: the file has changed"):
        pickle.loads(pickled)
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"{text}, {len(whole)} bytes, got {len(whole) - 1}"):
        pickle.loads(pickled)
    path.write_bytes(whole + b"more")
    assert pickle.loads(pickled).sample(20).tobytes() == SmoteSampler(X).sample(20).tobytes()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_outlive_the_file(copied, tmp_path):
    sampler = SmoteSampler(saved(tmp_path / "rows.npy", points()), seed=4)
    (tmp_path / "rows.npy").unlink()
    other = copied(sampler)
    assert other.sample(50).tobytes() == VARIANTS["plain"]().sample(50).tobytes()


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be changed there")
@pytest.mark.parametrize("change", ["truncated", "touched", "replaced"])
def test_a_mapped_X_that_changed_is_refused(change, tmp_path):
    path = tmp_path / "rows.npy"
    sampler = SmoteSampler(saved(path, points(300, 4)), seed=2)
    copies = [sampler, copy.copy(sampler), pickle.loads(pickle.dumps(sampler))]
    before = sampler.state_dict()
    if change == "truncated":
        os.truncate(path, 200)
    elif change == "touched":
        os.utime(path, ns=(0, 0))
    else:
        np.save(tmp_path / "new.npy", points(300, 4))
        os.replace(tmp_path / "new.npy", path)
    for one in copies:
        with pytest.raises(ValueError, match="must stay as it was when it was mapped"):
            one.sample(3)
    assert sampler.state_dict() == before


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
def test_a_mapped_X_outlives_its_file(tmp_path):
    X = points(300, 4)
    sampler = SmoteSampler(saved(tmp_path / "rows.npy", X), seed=2)
    (tmp_path / "rows.npy").unlink()
    assert sampler.sample(9).tobytes() == SmoteSampler(X, seed=2).sample(9).tobytes()
