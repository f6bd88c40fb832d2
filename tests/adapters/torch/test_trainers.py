"""Under trainers on two processes, each row of the order reaches one of them, in the epoch that it is for.

Each trainer has a program in tests/support/trainers/, which says what the jobs do.
"""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise.torch import WeightedSampler  # noqa: E402
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


def batches(rows, size=BATCH):
    return [rows[at : at + size] for at in range(0, len(rows), size)]


# ---- PyTorch alone ---------------------------------------------------------------------------------------


def test_ddp():
    """51 rows on two ranks: the second takes one more, so that both take as many steps."""
    ranks = results("plain", "weighted")["weighted"]
    for epoch in range(2):
        both = [rows for pair in zip(*(rank[epoch] for rank in ranks), strict=True) for rows in pair]
        assert both[:51] == order(epoch, 51)
        assert len(both) == 52


# ---- Lightning -------------------------------------------------------------------------------------------


def lightning(job):
    needs("lightning", *(["torchdata"] if job.startswith("killed") else []))
    if job.endswith("2 workers"):
        return results("with_lightning", job)[job]
    there = ["killed, 0 workers"] if importlib.util.find_spec("torchdata") else []
    return results("with_lightning", "divided", "divided, False", "whole", *there)[job]


@pytest.mark.parametrize("job", ["divided", "divided, False"])
def test_lightning_leaves_a_distributed_sampler_in_place(job):
    for rank, epochs in enumerate(lightning(job)):
        assert epochs == {str(epoch): order(epoch)[rank::2] for epoch in range(EPOCHS)}


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


# ---- Accelerate ------------------------------------------------------------------------------------------


def accelerate(job):
    needs("accelerate")
    return results("with_accelerate", "whole", "split", "skipping")[job]


def test_accelerate_gives_whole_batches_to_the_ranks():
    for rank, epochs in enumerate(accelerate("whole")):
        assert epochs == [batches(order(epoch))[rank::2] for epoch in range(EPOCHS)]


def test_accelerate_splits_batches():
    for rank, epochs in enumerate(accelerate("split")):
        parts = [batches(order(epoch), BATCH // 2)[rank::2] for epoch in range(EPOCHS)]
        assert epochs == parts


def test_accelerate_skips_the_first_batches():
    for rank, epochs in enumerate(accelerate("skipping")):
        assert epochs == [batches(order(1))[rank::2][2:], batches(order(2))[rank::2]]


# ---- transformers' Trainer -------------------------------------------------------------------------------


def transformers(job):
    needs("transformers", "accelerate")
    return results("with_transformers", "whole", "resumed")[job]


def test_transformers_gives_whole_batches_to_the_ranks():
    for rank, trained in enumerate(transformers("whole")):
        epochs = [batches(order(epoch))[rank::2] for epoch in range(EPOCHS)]
        assert trained == [*epochs[0], *epochs[1], *epochs[2]]


def test_transformers_resumes_in_the_epoch_that_the_callback_names():
    """Killed after 8 steps of 6 an epoch."""
    for rank, trained in enumerate(transformers("resumed")):
        assert trained == [*batches(order(1))[rank::2][2:], *batches(order(2))[rank::2]]
