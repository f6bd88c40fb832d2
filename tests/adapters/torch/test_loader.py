"""In torch DataLoaders, workers and epochs draw differently, and keyed rows do not depend on workers."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise

torch = pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a machine of one core

from torch.utils.data import DataLoader, Dataset, get_worker_info  # noqa: E402

N, K = 2**32 - 1, 8  # with so many ids, rows of different words never agree: P < 1e-60 for 6e4 draws
ROWS = 24


class Drawing(Dataset):
    """A data set whose items are rows of negatives that the worker draws."""

    def __init__(self, keyed: bool = False) -> None:
        self.sampler = equipoise.NegativeSampler(N, seed=11)
        self.keyed = keyed

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int):
        keys = [index] if self.keyed else None
        info = get_worker_info()
        return (
            index,
            (-1 if info is None else info.id),
            torch.from_numpy(self.sampler.sample([index], K, row_keys=keys).ids[0]),
        )


def epochs(dataset: Dataset, count: int = 3, **settings):
    torch.manual_seed(0)
    loader = DataLoader(dataset, batch_size=3, **settings)
    for epoch in range(count):
        for indices, workers, ids in loader:
            for index, worker, row in zip(indices.tolist(), workers.tolist(), ids.tolist(), strict=True):
                yield epoch, worker, index, tuple(row)


slow = pytest.mark.slow  # each epoch starts processes that import torch anew
WORKERS = [
    ("fork", False),
    ("fork", True),
    ("spawn", True),
    ("forkserver", True),
    pytest.param("spawn", False, marks=slow),
    pytest.param("forkserver", False, marks=slow),
]


@pytest.mark.parametrize(("method", "persistent"), WORKERS)
def test_no_two_workers_or_epochs_share_words(method, persistent):
    drawn = list(
        epochs(Drawing(), num_workers=2, persistent_workers=persistent, multiprocessing_context=method)
    )
    assert len(drawn) == 3 * ROWS
    assert {(epoch, worker) for epoch, worker, _, _ in drawn} == {(e, w) for e in range(3) for w in range(2)}
    assert len({row for *_, row in drawn}) == len(drawn)
    # Rows of different words share no id at all: 576 ids of 2^32 collide with P < 4e-5.
    ids = [i for *_, row in drawn for i in row]
    assert len(set(ids)) == len(ids)


def test_the_parent_and_its_workers_differ():
    dataset = Drawing()
    here = {row for *_, row in epochs(dataset, count=1, num_workers=0)}
    there = {row for *_, row in epochs(dataset, count=1, num_workers=2)}
    assert not here & there


@pytest.mark.parametrize(
    ("workers", "method"),
    [(0, None), (1, "fork"), (3, "fork"), (1, "spawn"), pytest.param(3, "spawn", marks=slow)],
)
def test_keyed_rows_do_not_depend_on_workers(workers, method):
    settings = {"num_workers": workers, "multiprocessing_context": method} if workers else {}
    drawn = {(epoch, index): row for epoch, _, index, row in epochs(Drawing(keyed=True), count=2, **settings)}
    wanted = equipoise.NegativeSampler(N, seed=11).sample(np.arange(ROWS), K, row_keys=np.arange(ROWS)).ids
    assert all(drawn[epoch, index] == tuple(wanted[index]) for epoch in range(2) for index in range(ROWS))


class Synthesizing(Dataset):
    """A data set whose items are a synthetic row and its gap, which the worker draws."""

    def __init__(self) -> None:
        self.sampler = equipoise.SmoteSampler(np.random.default_rng(0).normal(size=(50, 2)), seed=11)

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int):
        drawn = self.sampler.sample(1, return_parents=True)
        return torch.from_numpy(drawn.rows[0]), torch.from_numpy(drawn.gaps)


@pytest.mark.parametrize(("method", "persistent"), [*WORKERS[:3], WORKERS[4]])
def test_no_two_workers_or_epochs_share_synthetic_rows(method, persistent):
    """Gaps have 53 bits, so 72 different ones collide with P < 1e-12."""
    torch.manual_seed(0)
    loader = DataLoader(
        Synthesizing(), 3, num_workers=2, persistent_workers=persistent, multiprocessing_context=method
    )
    gaps = [gap for _ in range(3) for rows, some in loader for gap in some.ravel().tolist()]
    assert len(set(gaps)) == len(gaps) == 3 * ROWS


def test_synthetic_rows_fill_torch_memory():
    X = torch.rand((20, 3), generator=torch.Generator().manual_seed(0))
    out = torch.zeros((64, 3))
    room = out.numpy()
    assert equipoise.SmoteSampler(X).sample(64, out=room) is room
    assert out.tolist() == equipoise.SmoteSampler(X.numpy()).sample(64).tolist()
    assert (out > 0).all()


class Collate:
    """A collate function that draws the negatives of whole batches in the worker."""

    def __init__(self) -> None:
        self.sampler = equipoise.NegativeSampler(
            np.arange(1, 1001), exclude=(np.arange(ROWS + 1), np.arange(ROWS)), seed=5
        )

    def __call__(self, indices):
        got = self.sampler.sample(np.array(indices), K)
        assert got.mask.all()
        return torch.tensor(indices), torch.from_numpy(got.ids), torch.from_numpy(got.log_q)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_return_tensors(method):
    loader = DataLoader(
        range(ROWS),
        batch_size=6,
        num_workers=2,
        collate_fn=Collate(),
        multiprocessing_context=method,
        persistent_workers=True,
    )
    for _ in range(2):
        for rows, ids, log_q in loader:
            assert ids.dtype == torch.int64
            assert log_q.dtype == torch.float32
            assert not (ids == rows[:, None]).any()


def test_torch_tensors_are_accepted():
    sampler = equipoise.NegativeSampler(
        torch.tensor([1.0, 2.0, 3.0]), exclude=(torch.tensor([0, 1]), torch.tensor([2])), seed=1
    )
    a = sampler.sample(
        torch.tensor([0, 0]), 4, exclude_ids=torch.tensor([-1, 0]), row_keys=torch.tensor([5, 6])
    )
    b = sampler.sample(np.array([0, 0]), 4, exclude_ids=np.array([-1, 0]), row_keys=np.array([5, 6]))
    assert a.ids.tolist() == b.ids.tolist()
    assert (a.ids[1] == 1).all()


def test_out_fills_torch_memory():
    ids = torch.zeros((2, 3), dtype=torch.int64)
    log_q, mask = torch.zeros((2, 3)), torch.zeros((2, 3), dtype=torch.bool)
    out = equipoise.Negatives(ids.numpy(), log_q.numpy(), mask.numpy())
    got = equipoise.NegativeSampler(100).sample([0, 1], 3, out=out)
    assert got is out
    assert mask.all()
    assert (log_q == np.float32(-np.log(100))).all()
    assert ids.sum() > 0


def test_a_tensor_on_another_device_is_refused():
    meta = torch.empty(3, dtype=torch.int64, device="meta")
    with pytest.raises(TypeError, match=r"rows must be in CPU memory.*\.cpu\(\)"):
        equipoise.NegativeSampler(10).sample(meta, 2)
    with pytest.raises(TypeError, match=r"weights must be in CPU memory.*\.cpu\(\)"):
        equipoise.AliasTable(torch.empty(3, device="meta"))
    with pytest.raises(TypeError, match="weights"):
        equipoise.AliasTable(torch.ones(3, requires_grad=True))


def test_drawing_does_not_import_torch():
    import subprocess
    import sys

    code = (
        "import sys, equipoise; equipoise.NegativeSampler(5).sample([0], 2); "
        "equipoise.AliasTable([1, 2]).sample(3); "
        "print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
