"""NegativeCollate draws what its definition says, takes rows and columns, and refuses other batches."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import UserDict, namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from support import cases, reference

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise.torch import (  # noqa: E402
    ClassBalancedBatchSampler,
    DistributedWeightedSampler,
    NegativeCollate,
    WeightedSampler,
)

DTYPES = {
    **dict.fromkeys(("index", "user", "item", "negatives"), torch.int64),
    "log_q": torch.float32,
    "mask": torch.bool,
}
K = 4
WEIGHTS = [5.0, 0.0, 3.0, 1.0, 1.0, 2.0]
LISTS = [[], [2], [0, 3], [0, 2, 3, 4], [0, 2, 3, 4, 5]]  # of the last two users, one id or none is left
EXCLUDE = cases.csr(LISTS)
ROWS = [(7, 1, 2), (3, 0, 5), (7, 1, 2), (0, 2, -1), (-9, 3, 5), (7, 4, 0), (2**62, 3, 0)]
keyed = pytest.mark.parametrize("key", ["index", "batch"])


def sampler(items=WEIGHTS, seed=3):
    return equipoise.NegativeSampler(items, exclude=EXCLUDE, seed=seed)


def lists(batch):
    return {name: value.tolist() for name, value in batch.items()}


def wanted(rows, key, epoch=0):
    table = reference.alias_table(WEIGHTS)
    return reference.collated(table, rows, K, key, exclude=EXCLUDE, seed=3, epoch=epoch)


def check_tensors(batch, rows, k):
    assert type(batch) is dict
    assert list(batch) == list(DTYPES)
    for name, tensor in batch.items():
        assert tensor.dtype == DTYPES[name], name
        assert tensor.shape == ((rows,) if name in ("index", "user", "item") else (rows, k)), name
        assert tensor.is_contiguous()
        assert tensor.data_ptr() % 8 == 0


# ---- what it draws ---------------------------------------------------------------------------------------


@keyed
def test_a_batch_matches_the_reference(key):
    collate = NegativeCollate(sampler(), K, key=key)
    for rows in (ROWS, ROWS[:1], ROWS[::-1]):
        batch = collate(rows)
        check_tensors(batch, len(rows), K)
        assert lists(batch) == wanted(rows, key)
        assert not (batch["negatives"] == batch["item"][:, None])[batch["mask"]].any()


ROW = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-1, 5))


@keyed
@given(st.lists(ROW, min_size=1, max_size=20), st.sampled_from([0, 1, 2**32 - 1]))
def test_random_batches_match_the_reference(key, rows, epoch):
    collate = NegativeCollate(sampler(), K, key=key)
    collate.set_epoch(epoch)
    assert lists(collate(rows)) == wanted(rows, key, epoch)


def test_a_user_with_no_item_left_is_masked():
    """An own item can take a user's last id. The other rows of the batch are as they are without it."""
    batch = NegativeCollate(sampler(), K)([(0, 0, 0), (1, 3, 5), (2, 1, 0)])
    assert batch["mask"].tolist() == [[True] * K, [False] * K, [True] * K]
    assert batch["negatives"][1].tolist() == [-1] * K
    assert batch["log_q"][1].tolist() == [0.0] * K


def test_no_negatives_may_be_asked_for():
    check_tensors(NegativeCollate(sampler(), 0)(ROWS), len(ROWS), 0)


def test_an_index_has_the_same_negatives_in_any_batch_of_an_epoch():
    collate = NegativeCollate(sampler(2**31), 8)
    whole = collate([(i, i % 5, i) for i in range(40)])["negatives"]
    for _ in range(5):
        chosen = np.random.default_rng(0).permutation(40)[:9].tolist()
        assert (collate([(i, i % 5, i) for i in chosen])["negatives"] == whole[chosen]).all()
    twice = collate([(5, 0, 5), (6, 1, 6), (5, 0, 5), (5, 0, 5)])["negatives"]
    assert (twice[:2] == whole[5:7]).all()
    # Ids of different words agree with P < 1e-6: 24 * 23 / 2 pairs of 2^31 ids.
    assert len(set(twice[[0, 2, 3]].flatten().tolist())) == 24


def test_equal_rows_of_different_batches_differ_by_batch():
    """36 * 8 ids of 2^31 agree with P < 2e-5."""
    collate = NegativeCollate(sampler(2**31), 8, key="batch")
    batches = [[(5, 0, 1), (5, 0, 1), (i, 0, 1)] for i in range(12)]
    drawn = [collate(rows)["negatives"] for rows in batches]
    assert len(set(torch.cat(drawn).flatten().tolist())) == 12 * 3 * 8
    assert all(
        (collate(rows)["negatives"] == before).all() for rows, before in zip(batches, drawn, strict=True)
    )


def test_epochs_and_seeds_differ():
    """6 * 8 ids of 2^31 agree with P < 1e-6."""
    drawn = []
    for key in ("index", "batch"):
        for seed, epoch in ((3, 0), (3, 1), (4, 0)):
            collate = NegativeCollate(sampler(2**31, seed), 8, key=key)
            collate.set_epoch(epoch)
            drawn.append(collate([(1, 0, 0)])["negatives"].flatten())
    assert len(set(torch.cat(drawn).tolist())) == 6 * 8


def test_nothing_repeats_with_a_counter():
    """90 * 8 ids of 2^31 agree with P < 2e-4."""
    collate = NegativeCollate(sampler(2**31), 8, key="counter")
    drawn = []
    for epoch in range(3):
        collate.set_epoch(epoch)
        for _ in range(3):
            drawn.append(collate([(0, 0, 0)] * 10)["negatives"])
            collate.set_epoch(epoch)  # sets nothing back
    assert len(set(torch.cat(drawn).flatten().tolist())) == 90 * 8


# ---- the sampler and its epoch ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["index", "batch", "counter"])
def test_the_samplers_of_both_sides_do_not_move_each_other(key):
    mine = sampler()
    mine.set_epoch(2)
    before = mine.state_dict()
    collate, other = NegativeCollate(mine, K, key=key), NegativeCollate(mine, K, key=key)
    first = lists(collate(ROWS))
    collate.set_epoch(5)
    collate(ROWS)
    assert mine.state_dict() == before
    mine.set_epoch(7)
    assert lists(other(ROWS)) == first


@keyed
def test_the_first_epoch_is_the_samplers(key):
    mine = sampler()
    mine.set_epoch(2)
    collate = NegativeCollate(mine, K, key=key)
    assert lists(collate(ROWS)) == wanted(ROWS, key, 2)
    collate.set_epoch(0)
    assert lists(collate(ROWS)) == wanted(ROWS, key, 0)


class Order:
    """What an order sampler has for collate functions."""

    def __init__(self):
        self.cell = torch.tensor([4]).share_memory_()

    def epoch_cell(self):
        return self.cell


def test_the_epoch_may_come_from_an_order():
    order = Order()
    collate = NegativeCollate(sampler(), K, epoch_of=order)
    for epoch in (4, 5, 0):
        order.cell.fill_(epoch)
        assert lists(collate(ROWS)) == wanted(ROWS, "index", epoch)
        for other in (copy.copy(collate), copy.deepcopy(collate)):
            assert lists(other(ROWS)) == wanted(ROWS, "index", epoch)
    with pytest.raises(RuntimeError, match="set_epoch must not be called with epoch_of: the Order sets"):
        collate.set_epoch(1)


ORDERS = {
    "rows": lambda: WeightedSampler([1.0] * 20, seed=1),
    "rows of a rank": lambda: DistributedWeightedSampler([1.0] * 20, num_replicas=2, rank=1),
    "batches": lambda: ClassBalancedBatchSampler([0, 1, 1, 1], 2, seed=1),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_epoch_may_come_from_an_order_of_ours(kind):
    order = ORDERS[kind]()
    collate = NegativeCollate(sampler(), K, epoch_of=order)
    for epoch in (0, 1, 2):
        for _ in order:
            assert lists(collate(ROWS)) == wanted(ROWS, "index", epoch)
    order.set_epoch(9)
    assert lists(collate(ROWS)) == wanted(ROWS, "index", 2)  # no pass of it has begun
    next(iter(order))
    assert lists(collate(ROWS)) == wanted(ROWS, "index", 9)
    resumed, collate = pickle.loads(pickle.dumps((order, collate)))
    resumed.set_epoch(4)
    next(iter(resumed))
    assert lists(collate(ROWS)) == wanted(ROWS, "index", 4)
    # An order that was unpickled by itself has its epoch in memory of its own, which is moved.
    alone = pickle.loads(pickle.dumps(order))
    NegativeCollate(sampler(), K, epoch_of=alone)
    assert alone.epoch_cell().is_shared()


# ---- batches ---------------------------------------------------------------------------------------------

Row = namedtuple("Row", "index user item")
NAMES = ("index", "user", "item")
COLUMNS = [np.array(column) for column in zip(*ROWS, strict=True)]
BATCHES = {
    "tuples": ROWS,
    "lists": [list(row) for row in ROWS],
    "named tuples": [Row(*row) for row in ROWS],
    "tuples and lists": [ROWS[0], *map(list, ROWS[1:])],
    "NumPy integers": [(np.int64(i), np.int32(u), np.int8(v)) for i, u, v in ROWS],
    "arrays of no dimension": [tuple(np.array(x) for x in row) for row in ROWS],
    "tensors of no dimension": [tuple(torch.tensor(x) for x in row) for row in ROWS],
    "dicts": [dict(zip(NAMES, row, strict=True)) for row in ROWS],
    "dicts with more": [{"time": 1.5} | dict(zip(NAMES, row, strict=True)) for row in ROWS],
    "mappings": [UserDict(zip(NAMES, row, strict=True)) for row in ROWS],
    "tuples and dicts": [ROWS[0], *(dict(zip(NAMES, row, strict=True)) for row in ROWS[1:])],
    "arrays in a tuple": tuple(COLUMNS),
    "arrays in a named tuple": Row(*COLUMNS),
    "arrays in a dict": dict(zip(NAMES, COLUMNS, strict=True)),
    "arrays in a mapping": UserDict(zip(NAMES, COLUMNS, strict=True), time=None),
    "strided arrays": tuple(np.stack(COLUMNS, axis=1).T),
    "big-endian arrays": tuple(column.astype(">i8") for column in COLUMNS),
    "small arrays": (COLUMNS[0], COLUMNS[1].astype(np.uint8), COLUMNS[2].astype(np.int16)),
    "tensors in a tuple": tuple(map(torch.tensor, COLUMNS)),
    "lists in a tuple": tuple(column.tolist() for column in COLUMNS),
}


@keyed
@pytest.mark.parametrize("name", BATCHES)
def test_every_form_of_a_batch_gives_the_same(name, key):
    assert lists(NegativeCollate(sampler(), K, key=key)(BATCHES[name])) == wanted(ROWS, key)


def test_results_share_no_memory_with_columns():
    columns = tuple(column.copy() for column in COLUMNS)
    batch = NegativeCollate(sampler(), K)(columns)
    for column in columns:
        column[:] = 0
    assert lists(batch) == wanted(ROWS, "index")


def test_a_list_of_three_is_three_rows():
    """As columns, this would be three rows too, but other ones."""
    square = [[0, 1, 2], [3, 4, 0], [2, 0, 5]]
    collate = NegativeCollate(sampler(), K)
    assert collate(square)["user"].tolist() == [1, 4, 0]
    assert collate(tuple(square))["user"].tolist() == [3, 4, 0]


GOOD = [(0, 1, 2), (1, 0, 3)]
ONE = np.array([0])
BAD = [
    (5, TypeError, "batch must be a list of rows, or three arrays in a tuple or mapping, got int"),
    (ONE, TypeError, r"batch must be a list .*, got int64 array"),
    ([], ValueError, "batch must have at least one row, got an empty list"),
    (([], [], []), ValueError, "batch must have at least one row, got none"),
    ([*GOOD, (1, 2)], ValueError, r"batch\[2\] must have 3 fields \(index, user, item\), got 2"),
    ([*GOOD, (1, 2, 3, 4)], ValueError, r"batch\[2\] must have 3 fields .*, got 4"),
    ([(1, 2), (1, 2)], ValueError, r"batch\[0\] must have 3 fields .*, got 2"),
    ([*GOOD, {"index": 1, "item": 2}], ValueError, r"batch\[2\] must have the keys .*, got no 'user'"),
    ([{"index": 1, "user": 2}], ValueError, r"batch\[0\] must have the keys .*, got no 'item'"),
    ([*GOOD, 7], TypeError, r"batch\[2\] must be a tuple \(index, user, item\) or a mapping, got int$"),
    ([*GOOD, "abc"], TypeError, r"batch\[2\] must be a tuple .*, got str$"),
    ([{1, 2, 3}], TypeError, r"batch\[0\] must be a tuple .*, got set$"),
    ([ONE] * 3, TypeError, r"batch\[0\] .*got int64 array: columns must be in a tuple or mapping, not in a"),
    ([torch.arange(3)] * 3, TypeError, r"batch\[0\] .*got Tensor: columns must be in a tuple or mapping"),
    ([*GOOD, (1, 2.0, 3)], TypeError, r"user of batch\[2\] must be an integer, got float"),
    ([*GOOD, (1, 2, None)], TypeError, r"item of batch\[2\] must be an integer, got NoneType"),
    ([*GOOD, ("1", 2, 3)], TypeError, r"index of batch\[2\] must be an integer, got str"),
    ([*GOOD, (1, torch.tensor(2.0), 3)], TypeError, r"user of batch\[2\] must be an integer, got Tensor"),
    ([*GOOD, (1, torch.ones(2), 3)], TypeError, r"user of batch\[2\] must be an integer, got Tensor"),
    ([*GOOD, (2**63, 1, 2)], IndexError, r"index of batch\[2\] must be in \[-9223372036854775808, "),
    ([*GOOD, (2**65, 1, 2)], ValueError, r"index of batch\[2\] must be in \[-9223372036854775808, "),
    ((ONE, ONE), ValueError, r"batch must be a tuple of 3 arrays \(index, user, item\), got 2"),
    ({"index": ONE, "user": ONE}, ValueError, "batch must have the keys .*, got no 'item'"),
    ((ONE, [0, 1], ONE), ValueError, "user of batch must have 1 entries, as index has, got 2"),
    ((ONE, ONE, [0, 1]), ValueError, "item of batch must have 1 entries, as index has, got 2"),
    ((ONE, np.ones(1), ONE), TypeError, "user of batch must be integers, got float64 array"),
    ((ONE, torch.ones(1), ONE), TypeError, "user of batch must be integers, got float32 array"),
    ((ONE, ONE, ONE[None]), ValueError, "item of batch must be 1-D, not 2-D"),
    ((ONE, ["a"], ONE), TypeError, "user of batch must be integers"),
    ((np.array([2**63], np.uint64), ONE, ONE), IndexError, r"index of batch\[0\] must be in"),
]


@pytest.mark.parametrize(("batch", "error", "text"), BAD)
def test_bad_batches_are_refused(batch, error, text):
    collate = NegativeCollate(sampler(), K, key="counter")
    with pytest.raises(error, match=text):
        collate(batch)
    assert lists(collate(ROWS)) == lists(NegativeCollate(sampler(), K, key="counter")(ROWS))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((0, 5, 0), r"^user of batch\[1\] must be in \[0, 5\), got 5"),
        ((0, 0, 6), r"^item of batch\[1\] .* got 6"),
    ],
)
def test_unknown_users_and_items_are_refused(row, text):
    with pytest.raises(IndexError, match=text) as caught:
        NegativeCollate(sampler(), K)([ROWS[0], row])
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"sampler": 5}, TypeError, "sampler must be a NegativeSampler, got int"),
        ({"sampler": equipoise.AliasTable([1])}, TypeError, "sampler must be .*, got AliasTable"),
        ({"num_negatives": -1}, ValueError, "num_negatives must be >= 0, got -1"),
        ({"num_negatives": 1.0}, TypeError, "num_negatives must be an integer, got float"),
        ({"num_negatives": 2**61}, ValueError, "num_negatives must ask for fewer"),
        ({"key": "row"}, ValueError, "key must be 'index', 'batch' or 'counter', got 'row'"),
        ({"key": None}, TypeError, "key must be a string"),
        ({"epoch_of": [1, 2]}, TypeError, "epoch_of must be an order sampler of equipoise.torch, .*got list"),
        ({"epoch_of": Order}, TypeError, "epoch_of must be an order sampler of equipoise.torch, .*got type"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        NegativeCollate(**({"sampler": sampler(), "num_negatives": 2} | arguments))


@pytest.mark.parametrize(
    ("epoch", "error"), [(-1, ValueError), (2**32, ValueError), (1.0, TypeError), (None, TypeError)]
)
def test_bad_epochs_are_refused(epoch, error):
    collate = NegativeCollate(sampler(), K)
    collate.set_epoch(6)
    with pytest.raises(error, match="epoch must be"):
        collate.set_epoch(epoch)
    assert lists(collate(ROWS)) == wanted(ROWS, "index", 6)


# ---- copies, pickles, threads ----------------------------------------------------------------------------

WAYS = {f"protocol {p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in (2, 5)}
WAYS |= {"copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("key", ["index", "batch", "counter"])
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_goes_on_by_itself(way, key):
    collate = NegativeCollate(sampler(), K, key=key)
    collate.set_epoch(3)
    collate(ROWS)
    other = WAYS[way](collate)
    assert lists(other(ROWS)) == lists(collate(ROWS))
    other.set_epoch(8)
    after = lists(other(ROWS))
    assert lists(collate(ROWS)) != after
    collate.set_epoch(8)
    assert lists(collate(ROWS)) == after


def test_a_pickle_names_a_mapped_table(tmp_path):
    equipoise.AliasTable(np.arange(1, 50_001)).save(tmp_path / "table")
    mapped = equipoise.NegativeSampler(equipoise.AliasTable.load(tmp_path / "table"))
    collate = NegativeCollate(mapped, K)
    assert len(pickle.dumps(collate)) < 4_000
    assert lists(pickle.loads(pickle.dumps(collate))(ROWS)) == lists(collate(ROWS))


def test_repr():
    """It has no address, and does not depend on what was drawn."""
    collate = NegativeCollate(equipoise.NegativeSampler(10, seed=2), 3, key="batch", epoch_of=Order())
    inner = "NegativeSampler(UniformTable(n=10), seed=2, stream=0)"
    text = f"NegativeCollate({inner}, 3, key='batch', epoch_of=Order)"
    assert repr(collate) == text
    collate(ROWS)
    assert repr(collate) == text
    assert repr(NegativeCollate(equipoise.NegativeSampler(10, seed=2), 3)) == (
        f"NegativeCollate({inner}, 3, key='index')"
    )


@pytest.mark.parametrize("key", ["index", "batch", "counter"])
def test_four_threads_get_what_one_gets(key):
    """With a counter, which batch gets which rows depends on the threads; 32,768 ids of 2^31 may agree."""
    batches = [[(100 * b + i, i % 5, i) for i in range(64)] for b in range(64)]
    alone, shared = (NegativeCollate(sampler(2**31), 8, key=key) for _ in range(2))
    for epoch in range(3):
        alone.set_epoch(epoch)
        shared.set_epoch(epoch)
        start = threading.Barrier(4)

        def collate(batch, start=start):
            if batch < 4:
                start.wait(10)  # the first four calls of an epoch meet
            return lists(shared(batches[batch]))

        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(collate, range(64)))
        if key == "counter":
            assert len({tuple(row) for batch in got for row in batch["negatives"]}) == 64 * 64
        else:
            assert got == [lists(alone(batch)) for batch in batches]


# ---- where batches go ------------------------------------------------------------------------------------


def test_pinned_memory(monkeypatch):
    """A loader pins each tensor of the dict. Pinning itself needs an accelerator."""
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: pinned.append(tensor) or tensor)
    batch = NegativeCollate(sampler(), K)(ROWS)
    assert lists(pin_memory(batch)) == lists(batch)
    assert len(pinned) == len(DTYPES)


def test_the_default_device_does_not_matter():
    """Memory that the CPU fills is the CPU's, also in a program that sets another default."""
    with torch.device("meta"):
        collate = NegativeCollate(sampler(), K)
        collate.set_epoch(2)
        batch = collate(ROWS)
    assert lists(batch) == wanted(ROWS, "index", 2)


def test_lightning():
    pytest.importorskip("lightning", reason="lightning is not installed")
    from lightning.pytorch.utilities import move_data_to_device
    from lightning.pytorch.utilities.data import extract_batch_size

    batch = move_data_to_device(NegativeCollate(sampler(), K)(ROWS), "cpu")
    assert lists(batch) == wanted(ROWS, "index")
    assert extract_batch_size(batch) == len(ROWS)


def test_accelerate():
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    from accelerate.utils import find_batch_size, send_to_device

    batch = send_to_device(NegativeCollate(sampler(), K)(ROWS), "cpu")
    assert lists(batch) == wanted(ROWS, "index")
    assert find_batch_size(batch) == len(ROWS)
