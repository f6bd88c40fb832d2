"""NegativeCollate gives the same batches for any workers and after a kill, and its epoch reaches them all."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import equipoise

torch = pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a machine of one core

from torch.utils.data import DataLoader, Dataset, Subset  # noqa: E402

from equipoise.torch import NegativeCollate, WeightedSampler  # noqa: E402

N, EPOCHS, BATCH, K = 40, 3, 4, 5
USERS, ITEMS = np.arange(N) % 7, np.arange(N) * 3 % 90
FIELDS = ["index", "user", "item", "negatives", "log_q", "mask"]


class Rows(Dataset):
    """A data set of rows (index, user, item)."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        return index, int(USERS[index]), int(ITEMS[index])


class Columns(Rows):
    """The same, whose batches are three arrays."""

    def __getitems__(self, indices):
        at = np.array(indices)
        return at, USERS[at], ITEMS[at]


def new_sampler():
    exclude = np.arange(8) * 10, np.arange(70)
    return equipoise.NegativeSampler(np.arange(1, 101), exclude=exclude, seed=5)


def new_order():
    """Return an order with repeated rows, also within batches."""
    return WeightedSampler(np.arange(N) % 5, 32, seed=2)


def lists(batch):
    assert list(batch) == FIELDS
    return {name: value.tolist() for name, value in batch.items()}


def drawn_here(key):
    """Return the batches of each epoch, drawn one by one without a loader."""
    order, collate = new_order(), NegativeCollate(new_sampler(), K, key=key)
    for epoch in range(EPOCHS):
        collate.set_epoch(epoch)
        at = order.order(0, 32, epoch).reshape(-1, BATCH)
        yield [lists(collate((some, USERS[some], ITEMS[some]))) for some in at]


def new_loader(collate, *, dataset=None, workers=0, **settings):
    settings |= {"timeout": 60, "num_workers": workers} if workers else {}
    return DataLoader(dataset or Rows(), BATCH, collate_fn=collate, **settings)


def passes(key, follows, *, method="fork", workers=0, persistent=False, dataset=None):
    """Yield the batches of three passes. The epoch is the order's, or is set here, between the passes."""
    order = new_order()
    collate = NegativeCollate(new_sampler(), K, key=key, epoch_of=order if follows else None)
    settings = {"multiprocessing_context": method, "persistent_workers": persistent} if workers else {}
    loader = new_loader(collate, dataset=dataset, sampler=order, workers=workers, **settings)
    for epoch in range(EPOCHS):
        if not follows:
            collate.set_epoch(epoch)
        yield [lists(batch) for batch in loader]


def grid(kinds, methods, workers, persistent):
    """Return (key, whether it follows an order, method, workers, persistent) for each combination."""
    return [(*kind, *rest) for kind in kinds for rest in itertools.product(methods, workers, persistent)]


KINDS = [("index", False), ("batch", True)]
CROSSED = [("index", True), ("batch", False)]
QUICK = [
    *grid(KINDS, ["fork"], [1, 2, 8], [False, True]),
    *grid(CROSSED, ["fork"], [2], [False, True]),
    ("batch", True, "spawn", 2, True),
    ("index", False, "forkserver", 2, True),
]
SLOW = [case for case in grid(KINDS, ["spawn", "forkserver"], [1, 2, 8], [False, True]) if case not in QUICK]
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]


@pytest.mark.parametrize(("key", "follows", "method", "workers", "persistent"), CASES)
def test_workers_make_the_batches_of_the_main_process(key, follows, method, workers, persistent):
    made = passes(key, follows, method=method, workers=workers, persistent=persistent)
    wanted = list(drawn_here(key))
    assert list(made) == wanted
    assert wanted[0] != wanted[1] != wanted[2]


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("key", ["index", "batch"])
@pytest.mark.parametrize("dataset", [Rows, Columns])
def test_no_workers_and_columns_make_the_same_batches(dataset, key, follows):
    assert list(passes(key, follows, dataset=dataset())) == list(drawn_here(key))


def test_columns_in_workers_make_the_same_batches():
    made = passes("batch", True, dataset=Columns(), workers=2, persistent=True)
    assert list(made) == list(drawn_here("batch"))


@pytest.mark.parametrize("persistent", [False, True])
def test_nothing_repeats_with_a_counter(persistent):
    """3 * 40 * 8 ids of 2^32 agree with P < 2e-4."""
    collate = NegativeCollate(equipoise.NegativeSampler(2**32 - 1), 8, key="counter")
    torch.manual_seed(0)
    loader = new_loader(collate, workers=2, persistent_workers=persistent)
    ids = [i for _ in range(3) for batch in loader for i in batch["negatives"].flatten().tolist()]
    assert len(set(ids)) == len(ids) == 3 * N * 8


def test_a_pass_that_is_left_does_not_move_the_next():
    order = new_order()
    collate = NegativeCollate(new_sampler(), K, key="batch", epoch_of=order)
    loader = new_loader(collate, sampler=order, workers=2, persistent_workers=True)
    wanted = list(drawn_here("batch"))
    assert lists(next(iter(loader))) == wanted[0][0]
    assert [lists(batch) for batch in loader] == wanted[1]
    order.set_epoch(0)
    assert [lists(batch) for batch in loader] == wanted[0]


def test_workers_are_forked_after_threads_have_run(monkeypatch):
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "2")
    collate = NegativeCollate(new_sampler(), 64, key="batch")
    collate([(i, int(USERS[i % N]), 0) for i in range(4_096)])
    assert list(passes("batch", True, workers=2)) == list(drawn_here("batch"))


@pytest.mark.filterwarnings("ignore")  # Lightning's advice
@pytest.mark.parametrize("persistent", [False, True])
def test_lightning_sets_the_epoch(persistent, tmp_path):
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    seen = []

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def training_step(self, batch):
            seen.append(lists(batch))
            return self.weight * batch["log_q"].sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    order = new_order()
    collate = NegativeCollate(new_sampler(), K, key="batch", epoch_of=order)
    loader = new_loader(collate, sampler=order, workers=2, persistent_workers=persistent)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", enable_model_summary=False, default_root_dir=tmp_path, **quiet
    )
    trainer.fit(Model(), loader)
    assert seen == [batch for batches in drawn_here("batch") for batch in batches]


# ---- memory ----------------------------------------------------------------------------------------------


def storages(batch):
    return {tensor.untyped_storage().data_ptr() for tensor in batch.values()}


@pytest.mark.parametrize(("method", "num_negatives"), [("fork", K), ("fork", 0), ("spawn", K)])
def test_a_worker_puts_all_tensors_into_one_shared_storage(method, num_negatives):
    collate = NegativeCollate(new_sampler(), num_negatives)
    for batch in new_loader(collate, workers=1, multiprocessing_context=method):
        assert len(storages(batch)) == 1
        for tensor in batch.values():
            assert tensor.is_shared()
            assert tensor.is_contiguous()
            assert tensor.data_ptr() % 8 == 0
        kept = {name: tensor.clone() for name, tensor in batch.items()}
        batch["log_q"].fill_(7)  # nothing lies on anything else
        assert all((batch[name] == kept[name]).all() for name in FIELDS if name != "log_q")


def test_outside_workers_tensors_are_ordinary():
    for batch in new_loader(NegativeCollate(new_sampler(), K)):
        assert len(storages(batch)) == len(FIELDS)
        assert not any(tensor.is_shared() for tensor in batch.values())


# ---- data sets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_subset_passes_columns_on(workers):
    chosen = [9, 3, 30, 12, 5, 6, 7]
    collate = NegativeCollate(new_sampler(), K)
    batches = list(new_loader(collate, dataset=Subset(Columns(), chosen), workers=workers))
    at = np.array(chosen)
    wanted = lists(collate((at, USERS[at], ITEMS[at])))
    assert [i for batch in batches for i in batch["index"].tolist()] == chosen
    assert [row for batch in batches for row in batch["negatives"].tolist()] == wanted["negatives"]


@pytest.mark.parametrize("kind", [None, "numpy", "torch"])
def test_a_dataset_of_hugging_face_gives_a_list_of_dicts(kind):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    table = {"index": list(range(N)), "user": USERS.tolist(), "item": ITEMS.tolist(), "text": ["a"] * N}
    dataset = datasets.Dataset.from_dict(table).with_format(kind)
    collate = NegativeCollate(new_sampler(), K)
    batches = list(new_loader(collate, dataset=dataset))
    wanted = [lists(batch) for batch in new_loader(collate)]
    assert [lists(batch) for batch in batches] == wanted


# ---- errors and kills ------------------------------------------------------------------------------------


class WithoutUser(Rows):
    """A data set whose rows have a user that the sampler does not have."""

    def __getitem__(self, index):
        return index, 7, 0


def test_an_error_in_a_worker_says_what_is_wrong():
    loader = new_loader(NegativeCollate(new_sampler(), K), dataset=WithoutUser(), workers=1)
    with pytest.raises(IndexError, match=r"(?s)user of batch\[0\] must be in \[0, 7\), got 7"):
        list(loader)


PROGRAM = """
import hashlib, importlib, json, os, signal, sys
sys.path[:0] = {path!r}
tests = importlib.import_module("test_negative_collate_workers")

if __name__ == "__main__":
    batches = (batch for batches in tests.passes("batch", True, workers=2) for batch in batches)
    for at, batch in enumerate(batches):
        print(hashlib.sha256(json.dumps(batch).encode()).hexdigest(), flush=True)
        if at == {last}:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by a signal")
def test_a_killed_run_and_a_new_one_have_the_same_batches():
    """The run is killed in its second epoch. The process that goes on is this one."""
    assert equipoise.__file__ is not None
    path = [str(Path(__file__).parent), str(Path(equipoise.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(path=path, last=11)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    batches = [batch for batches in passes("batch", True, workers=1) for batch in batches]
    wanted = [hashlib.sha256(json.dumps(batch).encode()).hexdigest() for batch in batches]
    assert done.stdout.split() == wanted[:12]
