"""Strange guests: objects that raise, paths, weights that change meanwhile, a torch that is not all there."""

from __future__ import annotations

import sys
import threading
import types

import numpy as np
import pytest

import equipoise
from equipoise.tables import units as tables
from support.cases import Raising, RaisingTensor, five

WAYS = {
    "weights": equipoise.AliasTable,
    "power": lambda x: equipoise.AliasTable([1, 2], power=x),
    "n": equipoise.UniformTable,
    "size": lambda x: equipoise.UniformTable(5).sample(x),
    "ids": lambda x: equipoise.UniformTable(5).prob(x),
    "path": equipoise.AliasTable.load,
    "items": equipoise.NegativeSampler,
    "exclude indptr": lambda x: equipoise.NegativeSampler(5, exclude=(x, [0])),
    "exclude indices": lambda x: equipoise.NegativeSampler(5, exclude=([0, 1], x)),
    "seed": lambda x: equipoise.NegativeSampler(5, seed=x),
    "rows": lambda x: five().sample(x, 1),
    "num_negatives": lambda x: five().sample([0], x),
    "exclude_ids": lambda x: five().sample([0], 1, exclude_ids=x),
    "row_keys": lambda x: five().sample([0], 1, row_keys=x),
    "n_threads": lambda x: five().sample([0], 1, n_threads=x),
    "num_samples": lambda x: five().sample_shared(x),
    "candidate_ids": lambda x: five().accidental_hits([0], x),
    "keep": lambda x: five().accidental_hits([0], [0], keep=x),
    "epoch": lambda x: five().set_epoch(x),
}


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_objects_that_raise(name, kind):
    """Anything that somebody else's code raises becomes a TypeError that names the argument .."""
    for error in (RuntimeError("no"), AttributeError("no"), NotImplementedError(), BufferError("no")):
        with pytest.raises(TypeError, match=rf"^{name}\b.* be .* got (a )?{kind.__name__}"):
            WAYS[name](kind(error))


@pytest.mark.parametrize("kind", [Raising, RaisingTensor])
@pytest.mark.parametrize("name", WAYS)
def test_memory_that_runs_out_says_so(name, kind):
    """.. but for what is no fault of the argument."""
    for error in (MemoryError("all gone"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            WAYS[name](kind(error))


def test_memory_that_nobody_has():
    before = five().state_dict()
    s = five()
    for call in (
        lambda: equipoise.UniformTable(5).sample(2**50),
        lambda: s.sample([0], 2**50),
        lambda: s.sample_shared(2**50, unique=False),
    ):
        with pytest.raises(MemoryError):
            call()
    assert s.state_dict() == before


def test_a_device_that_cannot_be_told():
    class NoDevice(RaisingTensor):
        def __dlpack_device__(self):
            return self.error

    with pytest.raises(TypeError, match="rows must be in CPU memory, got a NoDevice"):
        five().sample(NoDevice(RuntimeError()), 1)


# ---- paths ------------------------------------------------------------------------------------------------


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
def test_paths(path, error, text):
    with pytest.raises(error, match=text):
        equipoise.AliasTable([1]).save(path)
    with pytest.raises(error, match=text):
        equipoise.AliasTable.load(path)


def test_a_folder_is_no_table(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (folder, tmp_path.anchor):
        with pytest.raises(IsADirectoryError, match="path must name a file, got the folder"):
            equipoise.AliasTable([1]).save(path)
        with pytest.raises(IsADirectoryError, match="path must name a file, got the folder"):
            equipoise.AliasTable.load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert list(folder.iterdir()) == []


# ---- weights that somebody else writes to -----------------------------------------------------------------


def change(monkeypatch, kernel, weights, to):
    """As another thread would: the weights are others from the first call of a kernel on."""
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
def test_weights_that_change_between_their_sum_and_their_units(n, dtype, to, monkeypatch):
    weights = np.full(n, 10, dtype)
    change(monkeypatch, "unit_floor", weights, to)
    with pytest.raises(ValueError, match="weights must not change while a table is built from them"):
        equipoise.AliasTable(weights)


@pytest.mark.parametrize("n", [1, 5, 1000])
@pytest.mark.parametrize(("dtype", "to"), [(dtype, to) for dtype, values in NEW.items() for to in values])
def test_weights_that_change_before_their_sum(n, dtype, to, monkeypatch):
    """A table of what they have become, or the error: nothing else, and no table that draws anything else."""
    weights = np.full(n, 10, dtype)
    change(monkeypatch, "unit_sum", weights, to)
    try:
        table = equipoise.AliasTable(weights)
    except ValueError as error:
        assert "weights must not change while a table is built from them" in str(error)  # noqa: PT017
    else:
        assert table.prob(np.arange(n)).tolist() == [1 / n] * n


def test_weights_that_one_thread_writes_and_another_builds_from():
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


# ---- a torch that is not all there ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there", ["nothing", "torch", "torch.utils", "torch.utils.data", "None", "no worker"]
)
def test_a_half_imported_torch(there, monkeypatch):
    """While another thread imports torch its modules are there and empty."""
    wanted = five(seed=1).sample([0, 1], 3).ids.tolist()
    modules = {
        "nothing": {},
        "torch": {"torch": types.ModuleType("torch")},
        "torch.utils": {name: types.ModuleType(name) for name in ("torch", "torch.utils")},
        "torch.utils.data": {
            name: types.ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.data")
        },
        "None": dict.fromkeys(("torch", "torch.utils", "torch.utils.data")),
        "no worker": {"torch.utils.data": types.SimpleNamespace(get_worker_info=lambda: None)},
    }[there]
    for name in ("torch", "torch.utils", "torch.utils.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    s = five(seed=1)
    assert s.sample([0, 1], 3).ids.tolist() == wanted
    assert s.sample_shared(2).ids.shape == (2,)
