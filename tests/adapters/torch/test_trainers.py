"""Under trainers on two processes, each row of the order reaches one of them, in the epoch that it is for.

Each trainer has a program in tests/support/trainers/, which says what the jobs do.
"""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise import NegativeSampler  # noqa: E402
from equipoise.torch import (  # noqa: E402
    ClassBalancedBatchSampler,
    NegativeCollate,
    SmoteBatches,
    WeightedSampler,
)
from support.deadline import answer  # noqa: E402

ROWS, BATCH, EPOCHS = 48, 4, 3


def needs(*libraries):
    for library in libraries:
        pytest.importorskip(library, reason=f"{library} is not installed")


@functools.cache
def results(program, *jobs):
    """Return what each of two ranks returns from each job."""
    return answer(f"support.trainers.{program}", *jobs, seconds=110)


def order(epoch, rows=ROWS):
    return WeightedSampler(np.arange(rows) % 5 + 1, seed=3).order(0, rows, epoch).tolist()


def divided(rows, size=BATCH):
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def batches(kind, epoch, size=BATCH):
    """Return the batches of an epoch, or their parts of a given size."""
    if kind == "whole":
        return divided(order(epoch), size)
    sampler = ClassBalancedBatchSampler(np.arange(ROWS) % 5 + 1, BATCH, seed=3)
    return divided(sampler.order(0, len(sampler), epoch).ravel().tolist(), size)


# ---- PyTorch alone ---------------------------------------------------------------------------------------


def plain(job):
    return results("plain", "weighted", "classes")[job]


def test_ddp_with_rows():
    """51 rows on two ranks: the second takes one more, so that both take as many steps."""
    ranks = plain("weighted")
    for epoch in range(2):
        each = [[row for batch in rank[epoch] for row in batch] for rank in ranks]
        both = [row for pair in zip(*each, strict=True) for row in pair]
        assert both[:51] == order(epoch, 51)
        assert len(both) == 52


def test_ddp_with_batches():
    """Seven batches on two ranks: the second takes one more."""
    ranks = plain("classes")
    sampler = ClassBalancedBatchSampler(np.arange(51) % 5 + 1, 8, seed=3)
    for epoch in range(2):
        both = [batch for pair in zip(*(rank[epoch] for rank in ranks), strict=True) for batch in pair]
        assert both[:7] == sampler.order(0, 7, epoch).tolist()
        assert len(both) == 8


# ---- Lightning -------------------------------------------------------------------------------------------


def lightning(job):
    needs("lightning", *(["torchdata"] if job.startswith("killed") else []))
    if job.endswith("2 workers"):
        return results("with_lightning", job)[job]
    there = ["killed, 0 workers", "killed, negatives"] if importlib.util.find_spec("torchdata") else []
    return results("with_lightning", "divided", "divided, False", "classes, False", "whole", *there)[job]


@pytest.mark.parametrize("job", ["divided", "divided, False"])
def test_lightning_leaves_a_distributed_sampler_in_place(job):
    for rank, epochs in enumerate(lightning(job)):
        assert epochs == {str(epoch): order(epoch)[rank::2] for epoch in range(EPOCHS)}


def test_lightning_takes_batches_by_class():
    for rank, epochs in enumerate(lightning("classes, False")):
        mine = {str(epoch): batches("classes", epoch)[rank::2] for epoch in range(EPOCHS)}
        assert {epoch: divided(rows) for epoch, rows in epochs.items()} == mine


def test_lightning_divides_any_other_sampler():
    """Its wrapper shuffles the rows of an epoch once more."""
    ranks = lightning("whole")
    for epoch in range(EPOCHS):
        both = [row for rank in ranks for row in rank[str(epoch)]]
        assert sorted(both) == sorted(order(epoch))


@pytest.mark.parametrize(
    "job", ["killed, 0 workers", pytest.param("killed, 2 workers", marks=pytest.mark.slow)]
)
def test_lightning_resumes_in_the_middle_of_an_epoch(job):
    """After 8 steps of 6 an epoch: 2 batches of 4 rows on each of two ranks."""
    for rank, epochs in enumerate(lightning(job)):
        assert epochs == {"1": order(1)[16 + rank :: 2], "2": order(2)[rank::2]}


@pytest.mark.slow
def test_lightning_resumes_in_the_first_epoch():
    """Lightning sets its epoch after the workers have taken the first four batches."""
    for rank, epochs in enumerate(lightning("killed, first epoch, 2 workers")):
        assert epochs == {"0": order(0)[40 + rank :: 2], "1": order(1)[rank::2], "2": order(2)[rank::2]}


@pytest.mark.slow
def test_lightning_resumes_at_the_end_of_an_epoch():
    for rank, epochs in enumerate(lightning("killed, epoch's end, 2 workers")):
        assert epochs == {"1": order(1)[rank::2], "2": order(2)[rank::2]}


@pytest.mark.parametrize(
    "job", ["killed, negatives", pytest.param("killed, negatives, 2 workers", marks=pytest.mark.slow)]
)
def test_negatives_are_those_of_the_epoch_after_a_restart(job):
    """Lightning tells no collate function which epoch it is."""
    sampler = NegativeSampler(1_000, seed=3)
    for rank, epochs in enumerate(lightning(job)):
        collate = NegativeCollate(sampler, 2, key="batch")
        expected = {}
        for epoch, start in ((1, 16), (2, 0)):
            collate.set_epoch(epoch)
            made = [
                collate([(row, row % 9, row) for row in rows])
                for rows in divided(order(epoch)[start + rank :: 2])
            ]
            expected[str(epoch)] = [
                [index, *negatives]
                for batch in made
                for index, negatives in zip(batch["index"].tolist(), batch["negatives"].tolist(), strict=True)
            ]
        assert epochs == expected


# ---- Accelerate ------------------------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("kind", ["whole", "classes"])


def accelerate(job):
    needs("accelerate")
    jobs = [f"{kind}{how}" for kind in ("whole", "classes") for how in ("", ", split", ", skipping")]
    return results("with_accelerate", *jobs, "synthetic")[job]


@KINDS
def test_accelerate_gives_whole_batches_to_the_ranks(kind):
    for rank, epochs in enumerate(accelerate(kind)):
        assert epochs == [batches(kind, epoch)[rank::2] for epoch in range(EPOCHS)]


@KINDS
def test_accelerate_splits_batches(kind):
    for rank, epochs in enumerate(accelerate(f"{kind}, split")):
        assert epochs == [batches(kind, epoch, BATCH // 2)[rank::2] for epoch in range(EPOCHS)]


@KINDS
def test_accelerate_skips_the_first_batches(kind):
    for rank, epochs in enumerate(accelerate(f"{kind}, skipping")):
        assert epochs == [batches(kind, 1)[rank::2][2:], batches(kind, 2)[rank::2]]


def test_accelerate_hands_out_synthetic_rows():
    points, labels = np.arange(2.0 * ROWS).reshape(ROWS, 2), np.arange(ROWS) % 5 + 1 > 4
    data = SmoteBatches(points, labels, BATCH, seed=3)
    passes = [[parents.tolist() for _, _, parents in data] for _ in range(EPOCHS)]
    for rank, epochs in enumerate(accelerate("synthetic")):
        assert epochs == [some[rank::2] for some in passes]


# ---- transformers' Trainer -------------------------------------------------------------------------------


def transformers(job):
    needs("transformers", "accelerate")
    return results("with_transformers", "whole", "whole, resumed", "classes", "classes, resumed")[job]


@KINDS
def test_transformers_gives_whole_batches_to_the_ranks(kind):
    for rank, trained in enumerate(transformers(kind)):
        epochs = [batches(kind, epoch)[rank::2] for epoch in range(EPOCHS)]
        assert trained == [*epochs[0], *epochs[1], *epochs[2]]


@KINDS
def test_transformers_resumes_in_the_epoch_that_the_callback_names(kind):
    """Killed after 8 steps of 6 an epoch."""
    for rank, trained in enumerate(transformers(f"{kind}, resumed")):
        assert trained == [*batches(kind, 1)[rank::2][2:], *batches(kind, 2)[rank::2]]
