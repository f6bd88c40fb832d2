"""The dict of a result's arrays goes through torch's collate functions and through trainers."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import equipoise

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.data import DataLoader, default_collate, default_convert  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a machine of one core


def negatives():
    return equipoise.NegativeSampler([8, 4, 2, 1], exclude=([0, 1, 1, 2], [0, 3])).sample([0, 1, 2], 4)


def shared():
    return equipoise.NegativeSampler([8, 4, 2, 1]).sample_shared(3)


def synthetic():
    sampler = equipoise.SmoteSampler([[0.0], [1.0], [3.0]], k_neighbors=1)
    return sampler.sample(3, return_parents=True)


def by_position():
    reservoir = equipoise.Reservoir(3)
    reservoir.update([1.0, 2.0, 3.0, 4.0])
    return reservoir.sample()


def by_class():
    reservoir = equipoise.ClassReservoir(2)
    reservoir.update([1, 2, 2, 2], ids=[4, 5, 6, 7])
    return reservoir.sample()


def neighbors():
    return equipoise.nearest_neighbors([[0.0], [1.0], [3.0]], 1)


RESULTS = [negatives, shared, synthetic, by_position, by_class, neighbors]
results = pytest.mark.parametrize("make", RESULTS)


def same(tensors, arrays):
    """Check that a batch has these names, values and dtypes."""
    assert list(tensors) == list(arrays)
    for name, array in arrays.items():
        assert isinstance(tensors[name], torch.Tensor | int), name
        np.testing.assert_array_equal(np.asarray(tensors[name]), array)
        assert np.asarray(tensors[name]).dtype == np.asarray(array).dtype


def test_every_result_is_tested():
    public = {getattr(equipoise, name) for name in equipoise.__all__}
    results = {thing for thing in public if dataclasses.is_dataclass(thing)}
    names = ("CandidateRows", "Estimate", "ClassCounts", "Imbalance", "MultilabelImbalance")
    no_batch = {getattr(equipoise, name) for name in (*names, "Calibration", "CalibrationGroups")}
    assert {type(make()) for make in RESULTS} == results - no_batch


@results
def test_default_convert(make):
    same(default_convert(vars(make())), vars(make()))


@results
def test_default_collate(make):
    expected = {name: np.stack([value, value]) for name, value in vars(make()).items()}
    same(default_collate([vars(make()), vars(make())]), expected)


@results
def test_a_loader(make):
    """In a worker, too, which sends tensors through shared memory."""
    for workers in (0, 1):
        loader = DataLoader([vars(make())] * 4, batch_size=2, num_workers=workers)
        for batch in loader:
            same(batch, {name: np.stack([value, value]) for name, value in vars(make()).items()})


@results
def test_pinned_memory(make, monkeypatch):
    """A loader pins each tensor of the dict. Pinning itself needs an accelerator."""
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: pinned.append(tensor) or tensor)
    batch = default_convert(vars(make()))
    same(pin_memory(batch), vars(make()))
    assert len(pinned) == sum(isinstance(value, torch.Tensor) for value in batch.values())


@pytest.mark.filterwarnings("ignore:Trying to infer")  # `num_tries` is a number, which has no batch size
@results
def test_lightning(make):
    pytest.importorskip("lightning", reason="lightning is not installed")
    from lightning.pytorch.utilities import move_data_to_device
    from lightning.pytorch.utilities.data import extract_batch_size

    batch = move_data_to_device(default_convert(vars(make())), "cpu")
    same(batch, vars(make()))
    assert extract_batch_size(batch) == 3


@results
def test_accelerate(make):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    from accelerate.utils import find_batch_size, send_to_device

    batch = send_to_device(default_convert(vars(make())), "cpu")
    same(batch, vars(make()))
    assert find_batch_size(batch) == 3


@pytest.mark.parametrize("make", [by_position, by_class])
def test_a_sample_has_only_the_fields_that_are_there(make):
    """The others are None as attributes, also in copies and pickles."""
    sample = make()
    fields = [field.name for field in dataclasses.fields(sample)]
    absent = {"classes"} if make is by_position else {"streams"}
    assert list(vars(sample)) == [name for name in fields if name not in absent]
    for other in (sample, copy.copy(sample), pickle.loads(pickle.dumps(sample)), dataclasses.replace(sample)):
        assert {name for name in fields if getattr(other, name) is None} == absent
        assert vars(other).keys() == vars(sample).keys()
    assert list(dataclasses.asdict(sample)) == fields
