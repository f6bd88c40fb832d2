"""SmoteBatches in data loaders: the same batches for any workers and ranks, passes and states."""

from __future__ import annotations

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

import equipoise
from equipoise.orders import ClassBatches
from support import reference
from support.synthetic import points

torch = pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

from torch.utils.data import DataLoader  # noqa: E402

from equipoise.torch import SmoteBatches  # noqa: E402
from equipoise.torch.epochs import SharedEpochs  # noqa: E402

rng = np.random.default_rng(0)
Y = rng.choice(3, 400, p=[0.85, 0.05, 0.1])
X = points(400, 3, np.float32)
TIMEOUT = 60


def batches(x=X, y=Y, batch_size=24, **how):
    return SmoteBatches(x, y, batch_size, **{"seed": 5, "k_neighbors": 3, **how})


def loader_of(data, workers=0, **how):
    more = {"timeout": TIMEOUT, **how} if workers else {}
    return DataLoader(data, batch_size=None, num_workers=workers, **more)


def bytes_of(batch):
    return tuple(tensor.numpy().tobytes() for tensor in batch)


def read(data):
    return [bytes_of(batch) for batch in data]


def epoch_of(epoch, **how):
    data = batches(**how)
    data.set_epoch(epoch)
    return read(data)


# ---- what a batch is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 1])
@pytest.mark.parametrize("probs", ["balanced", "sqrt", "proportional", [0.1, 0, 0.9]])
def test_batches_equal_the_reference(share, probs):
    known, rows_of = reference.classes_of(Y.tolist())
    units = reference.share_units(probs, [len(rows) for rows in rows_of])
    bound = reference.UNITS * (1 + Fraction(1, 10**6)) / len(Y)
    grows = [u > len(rows) * bound for u, rows in zip(units, rows_of, strict=True)]
    shares = [Fraction(str(share)) if grow else 0 for grow in grows]
    how = {"class_probs": probs, "seed": 5, "epoch": 2, "share": shares}
    wanted, _ = reference.class_batches(Y.tolist(), 24, 12, **how)
    tables = [
        reference.smote_table(X[rows], 3) if grow else None for rows, grow in zip(rows_of, grows, strict=True)
    ]
    drawn = [
        table and reference.synthetic_rows(X[rows], table, 400, seed=5, epoch=2)
        for rows, table in zip(rows_of, tables, strict=True)
    ]
    data = batches(class_probs=probs, synthetic_share=share)
    data.set_epoch(2)
    for slots, (rows, labels, parents) in zip(wanted, data, strict=False):
        for slot, row, label, pair in zip(
            slots, rows.numpy(), labels.tolist(), parents.tolist(), strict=True
        ):
            if isinstance(slot, tuple):
                c, j = slot
                ends = [rows_of[c][drawn[c][side][j]] for side in (1, 2)]
                assert (row.tobytes(), label, pair) == (drawn[c][0][j].tobytes(), known[c], ends)
            else:
                assert (row.tobytes(), label, pair) == (X[slot].tobytes(), Y[slot], [-1, -1])


def test_without_synthetic_rows_the_batches_are_those_of_class_batches():
    wanted = ClassBatches(Y, 24, seed=5).rows(range(17), 0)
    for rows, (got, labels, parents) in zip(wanted, batches(synthetic_share=0), strict=True):
        assert (got.numpy() == X[rows]).all()
        assert (labels.numpy() == Y[rows]).all()
        assert (parents == -1).all()


@pytest.mark.parametrize("share", [0.5, 0.29, 1 - 1e-9, 0.999, 1])
def test_running_totals_of_synthetic_rows(share):
    made, drawn = np.zeros(3, int), np.zeros(3, int)
    for _, labels, parents in batches(synthetic_share=share):
        drawn += np.bincount(labels.numpy(), minlength=3)
        made += np.bincount(labels.numpy()[parents.numpy()[:, 0] >= 0], minlength=3)
        assert made[0] == 0
        part = Fraction(share).limit_denominator(10**6)
        assert made[1:].tolist() == [rows * part // 1 for rows in drawn[1:].tolist()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parents_are_neighbors_of_one_class_and_rows_lie_between(dtype):
    x = X.astype(dtype)
    for rows, labels, parents in batches(x):
        made = parents[:, 0] >= 0
        assert (made == (parents[:, 1] >= 0)).all()
        base, end = (x[parents[made, side].numpy()] for side in (0, 1))
        assert (Y[parents[made].numpy()] == labels[made].numpy()[:, np.newaxis]).all()
        assert (base != end).any(axis=1).all()
        low, high = np.minimum(base, end), np.maximum(base, end)
        slack = 1e-6 * (1 + np.abs(base))
        assert ((rows[made].numpy() >= low - slack) & (rows[made].numpy() <= high + slack)).all()
        assert (rows.dtype, labels.dtype, parents.dtype) == (
            torch.from_numpy(x).dtype,
            torch.int64,
            torch.int64,
        )
        assert (rows.shape, labels.shape, parents.shape) == ((24, 3), (24,), (24, 2))


def test_labels_come_as_they_are():
    assert next(iter(batches(y=Y == 1)))[1].dtype == torch.bool
    numbers = next(iter(batches(y=Y * 10 - 7)))[1]
    assert set(numbers.tolist()) == {-7, 3, 13}
    words = batches(y=[("no", "so", "yes")[c] for c in Y])
    assert words.classes.tolist() == ["no", "so", "yes"]
    assert next(iter(words))[1].tolist() == ((numbers + 7) // 10).tolist()


# ---- workers, ranks and passes -----------------------------------------------------------------------------

slow = pytest.mark.slow  # each epoch starts processes that import torch anew
WORKERS = [
    (0, None, False),
    (1, "fork", False),
    (2, "fork", False),
    (2, "fork", True),
    (8, "fork", True),
    (2, "spawn", True),
    pytest.param(2, "forkserver", True, marks=slow),
    pytest.param(8, "fork", False, marks=slow),
    pytest.param(2, "forkserver", False, marks=slow),
    pytest.param(2, "spawn", False, marks=slow),
]


@pytest.mark.parametrize(("workers", "method", "persistent"), WORKERS)
def test_workers_do_not_matter(workers, method, persistent):
    """Each pass is the next epoch, also in workers made anew. An epoch that is set reaches all workers."""
    data = batches()
    loader = loader_of(data, workers, multiprocessing_context=method, persistent_workers=persistent)
    for epoch in range(3):
        assert read(loader) == epoch_of(epoch)
        assert data.epoch == epoch
    data.set_epoch(7)
    assert read(loader) == epoch_of(7)
    data.set_epoch(7)
    assert read(loader) == epoch_of(7)
    assert read(loader) == epoch_of(8)


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_a_pass_that_was_left_is_not_gone_on_with(workers, persistent):
    loader = loader_of(batches(), workers, persistent_workers=persistent)
    for epoch in range(3):
        items = iter(loader)
        assert bytes_of(next(items)) == epoch_of(epoch)[0]
        del items
    assert read(loader) == epoch_of(3)


@pytest.mark.parametrize("persistent", [False, True])
def test_equal_seeds_of_loaders_do_not_repeat_an_epoch(persistent):
    """A script may seed torch before every pass, and all workers then have the seeds they had before."""
    loader = loader_of(batches(), 2, persistent_workers=persistent)
    for epoch in range(3):
        torch.manual_seed(1)
        assert read(loader) == epoch_of(epoch)


def test_one_data_set_in_several_loaders_one_after_the_other():
    data = batches()
    for epoch, workers in enumerate((0, 2, 0, 0, 1)):
        assert read(loader_of(data, workers)) == epoch_of(epoch)


@pytest.mark.parametrize("ranks", [1, 2, 3, 20])
def test_ranks_share_the_batches(ranks):
    each = -(-17 // ranks)
    made = [batches(num_replicas=ranks, rank=r) for r in range(ranks)]
    assert [len(one) for one in made] == [each] * ranks
    found = [read(one) for one in made]
    order = [found[i % ranks][i // ranks] for i in range(each * ranks)]
    assert order[:17] == epoch_of(0)
    assert len(set(order)) == len(order)
    assert read(loader_of(batches(num_replicas=ranks, rank=ranks - 1), 2)) == found[-1]


def test_length_is_that_of_the_loader():
    assert len(loader_of(batches())) == len(read(batches())) == 17


# ---- states ------------------------------------------------------------------------------------------------


def test_an_iterator_resumes():
    items = iter(batches())
    for _ in range(5):
        next(items)
    state = json.loads(json.dumps(items.state_dict()))
    other = batches()
    resumed = iter(other)
    resumed.load_state_dict(state)
    assert read(resumed) == epoch_of(0)[5:]
    assert read(other) == epoch_of(1)


def test_the_state_of_an_epochs_end_goes_on_with_the_next_epoch():
    data = batches()
    data.set_epoch(4)
    items = iter(data)
    read(items)
    other = batches()
    resumed = iter(other)
    resumed.load_state_dict(items.state_dict())
    assert list(resumed) == []
    assert read(other) == epoch_of(5)


def test_a_state_before_the_first_batch():
    """It is that of the epoch that is next, unless `set_epoch` says otherwise."""
    before = batches()
    read(before)
    state = iter(before).state_dict()
    other = batches()
    items = iter(other)
    items.load_state_dict(state)
    assert read(items) == epoch_of(1)
    assert read(other) == epoch_of(2)
    other = batches()
    other.set_epoch(3)
    items = iter(other)
    items.load_state_dict(state)
    assert read(items) == epoch_of(3)


def test_a_state_of_other_data_is_refused():
    state = iter(batches()).state_dict()
    others = [batches(seed=6), batches(batch_size=25), batches(synthetic_share=0.4), batches(k_neighbors=4)]
    others += [batches(class_probs="sqrt"), batches(num_replicas=2), batches(x=X * 2), batches(y=Y[::-1])]
    for other in others:
        items = iter(other)
        with pytest.raises(ValueError, match=r"^state\['fingerprint'\] must be"):
            items.load_state_dict(state)
    items = iter(batches())
    with pytest.raises(ValueError, match=r"^state\['workers'\] must be 1"):
        items.load_state_dict({**state, "workers": 2})
    assert read(items) == epoch_of(0)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_makes_the_same_batches(way):
    data = batches()
    data.set_epoch(6)
    assert read(way(data)) == epoch_of(6)
    assert repr(way(data)) == repr(data)
    assert " at 0x" not in repr(data)


def test_a_memory_map_is_pickled_by_its_file(tmp_path):
    x = np.concatenate([X] * 50)
    x.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float32, "r", shape=x.shape)
    y = np.concatenate([np.full(len(x) - 40, 9), np.arange(40) % 2])
    data = SmoteBatches(mapped, y, 8, class_probs=[0.01, 0.01, 0.98])
    assert len(pickle.dumps(data)) < x.nbytes
    assert (
        read(pickle.loads(pickle.dumps(data)))[:5]
        == read(SmoteBatches(x, y, 8, class_probs=[0.01, 0.01, 0.98]))[:5]
    )


def test_the_samplers_own_stream_is_not_moved():
    sampler = equipoise.SmoteSampler(X[Y == 1], k_neighbors=3, seed=5)
    first = sampler.rows_at(0, 10, 20)
    assert sampler.state_dict()["rows_drawn"] == 0
    drawn = sampler.sample(30, return_parents=True)
    assert (drawn.rows[10:] == first.rows).all()
    assert (drawn.parents[10:] == first.parents).all()
    sampler.set_epoch(3)
    assert (sampler.sample(5) == sampler.rows_at(3, 0, 5).rows).all()


# ---- the epoch that workers share --------------------------------------------------------------------------


def test_workers_agree_in_any_order(monkeypatch):
    """Workers of one pass have a common seed. Some begin late, and persistent ones keep their seed."""
    from equipoise.torch import epochs

    class Info:
        def __init__(self, worker, base):
            self.id, self.seed = worker, base + worker

    def begin(worker, base):
        monkeypatch.setattr(epochs, "get_worker_info", lambda: None if worker < 0 else Info(worker, base))
        return shared.begin()

    shared = SharedEpochs()
    assert [begin(w, 100) for w in (0, 1, 2)] == [0, 0, 0]
    assert [begin(w, 555) for w in (2, 0, 1)] == [1, 1, 1]
    assert [begin(w, 555) for w in (1, 2, 0)] == [2, 2, 2]
    assert begin(0, 777) == 3  # the other workers of this pass were ended before they began
    assert [begin(w, 888) for w in (1, 2, 0)] == [4, 4, 4]
    assert [begin(-1, 0), begin(-1, 0)] == [5, 6]
    for _ in range(2):
        shared.set(4)
        assert [begin(w, 888) for w in (1, 2, 0)] == [4, 4, 4]
    shared.set(2**32 - 1)
    assert [begin(w, 888) for w in (0, 1, 2, 0, 1, 2)] == [2**32 - 1] * 3 + [0] * 3


# ---- errors ------------------------------------------------------------------------------------------------


def test_a_class_that_is_too_small_is_named():
    y = np.array(["many"] * 395 + ["few"] * 3 + ["none"] * 2)
    text = (
        "^y must have more than k_neighbors=3 rows of each class that needs synthetic rows, got 3 of class "
    )
    with pytest.raises(ValueError, match=f"{text}'few'$"):
        batches(y=y)
    batches(y=y, synthetic_share=0)
    batches(y=y, class_probs="proportional")
    batches(y=y, class_probs=[3 / 400, 395 / 400, 2 / 400])
    x = X.copy()
    x[Y == 1] = x[Y == 1][:1]
    with pytest.raises(
        ValueError, match=r"^X must have rows to make synthetic ones of class 1 from: .*different row"
    ):
        batches(x=x)


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ({"synthetic_share": 1.5}, ValueError, r"^synthetic_share must be in \[0, 1\], got 1\.5$"),
        ({"synthetic_share": -0.1}, ValueError, r"^synthetic_share must be in \[0, 1\], got -0\.1$"),
        ({"synthetic_share": "half"}, TypeError, "^synthetic_share must be a real number, got str$"),
        ({"y": Y[:-1]}, ValueError, "^y must have 400 entries, one for each row of X, got 399$"),
        ({"x": X.astype(int)}, TypeError, "^X must be float32 or float64"),
        ({"x": X[:, 0]}, ValueError, "^X must be 2-D"),
        ({"x": np.where(X[3, 1] == X, np.nan, X)}, ValueError, r"^X\[3, 1\] must be finite, got nan$"),
        ({"y": Y * 1j}, TypeError, "^y must be integers, booleans, strings or .*floats, got complex128 arr"),
        ({"rank": 1}, ValueError, r"^rank must be in \[0, 0\], got 1$"),
        ({"num_replicas": 0}, ValueError, r"^num_replicas must be in \[1, 2147483647\], got 0$"),
        ({"k_neighbors": 0}, ValueError, "^k_neighbors must be in"),
        ({"k_neighbors": 2.5}, TypeError, "^k_neighbors must be an integer, or an estimator"),
        ({"class_probs": [1, 0]}, ValueError, "^class_probs must have 3 entries"),
        ({"batch_size": 0}, ValueError, "^batch_size must be in"),
    ],
)  # fmt: skip
def test_bad_arguments(how, error, text):
    with pytest.raises(error, match=text):
        batches(**how)


def test_bad_epochs():
    data = batches()
    for bad, error in ((-1, ValueError), (2**32, ValueError), (0.5, TypeError)):
        with pytest.raises(error, match=r"^epoch must be"):
            data.set_epoch(bad)


def test_labels_may_be_floats():
    """They come back as they are, and the rows are those of the same classes as integers."""
    made, same = (SmoteBatches(X, y, 20, seed=2) for y in (Y * 0.5, Y))
    for (rows, labels, parents), (wanted, integers, others) in zip(made, same, strict=True):
        assert torch.equal(rows, wanted)
        assert labels.dtype == torch.float64
        assert torch.equal(labels, integers * 0.5)
        assert torch.equal(parents, others)
