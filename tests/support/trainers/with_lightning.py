"""Jobs with Lightning."""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from equipoise import NegativeSampler
from equipoise.torch import (
    ClassBalancedBatchSampler,
    DistributedWeightedSampler,
    NegativeCollate,
    WeightedSampler,
)
from support.trainers.ranks import report

ROWS, BATCH, EPOCHS = 48, 4, 3
WEIGHTS = np.arange(ROWS) % 5 + 1


class Model(lightning.LightningModule):
    """A model that keeps the rows of each epoch, and may die after a step."""

    def __init__(self, last_step: int | None = None, last_epoch: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.rows: dict[int, list[Any]] = {}
        self.last_step = last_step
        self.last_epoch = last_epoch

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 1e-9)

    def training_step(self, batch: Any) -> Any:
        rows, kept = batch, batch
        if isinstance(batch, dict):
            rows, kept = batch["index"], torch.cat((batch["index"][:, None], batch["negatives"]), 1)
        self.rows.setdefault(self.current_epoch, []).extend(kept.tolist())
        return self.layer(rows[:, None].float()).sum()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.global_step == self.last_step:
            self.die()

    def on_train_epoch_end(self) -> None:
        if self.current_epoch == self.last_epoch:
            self.die()

    def die(self) -> None:
        self.trainer.save_checkpoint("checkpoint")
        os.kill(os.getpid(), signal.SIGKILL)


def fit(
    make_loader: Any,
    *,
    last_step: int | None = None,
    last_epoch: int | None = None,
    resume: bool = False,
    **settings: Any,
) -> Any:
    warnings.simplefilter("ignore")
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=EPOCHS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    model = Model(last_step, last_epoch)
    model.train_dataloader = lambda: make_loader(trainer)  # it is called when the checkpoint has been loaded
    trainer.fit(model, ckpt_path="checkpoint" if resume else None)
    return model.rows


def ours(kind: Any, loader: Any = DataLoader, workers: int = 0) -> Any:
    return lambda trainer: loader(range(ROWS), BATCH, sampler=kind(), num_workers=workers)


def whole() -> WeightedSampler:
    return WeightedSampler(WEIGHTS, seed=3)


def divided() -> DistributedWeightedSampler:
    return DistributedWeightedSampler(WEIGHTS, num_replicas=2, rank=int(os.environ["RANK"]), seed=3)


def classes(trainer: Any) -> DataLoader[Any]:
    ranks = {"num_replicas": trainer.world_size, "rank": trainer.global_rank}
    return DataLoader(range(ROWS), batch_sampler=ClassBalancedBatchSampler(WEIGHTS, BATCH, seed=3, **ranks))


def begun(trainer: Any) -> Any:
    """Make a loader whose epoch is set before its workers take the first rows."""
    sampler = divided()
    loader = stateful(range(ROWS), BATCH, sampler=sampler, num_workers=2)
    sampler.set_epoch(trainer.global_step // len(loader))
    return loader


def stateful(*args: Any, **settings: Any) -> Any:
    from torchdata.stateful_dataloader import StatefulDataLoader

    return StatefulDataLoader(*args, **settings)


def negatives(workers: int) -> Any:
    """Make a loader of rows with negatives of their epoch, which nobody but the sampler knows."""

    def make_loader(trainer: Any) -> Any:
        order = divided()
        collate = NegativeCollate(NegativeSampler(1_000, seed=3), 2, key="batch", epoch_of=order)
        return stateful(
            [(row, row % 9, row) for row in range(ROWS)],
            BATCH,
            sampler=order,
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    return make_loader


def job(make_loader: Any, **settings: Any) -> Any:
    return lambda _: fit(make_loader, **settings)


def killed_and_resumed(make_loader: Any) -> tuple[Any, Any]:
    """Die in epoch 1, after 8 steps of 6."""
    return job(make_loader, last_step=8), job(make_loader, resume=True)


if __name__ == "__main__":
    report(
        {
            "divided": (job(ours(divided)),),
            "divided, False": (job(ours(divided), use_distributed_sampler=False),),
            "classes, False": (job(classes, use_distributed_sampler=False),),
            "whole": (job(ours(whole)),),
            "killed, 0 workers": killed_and_resumed(ours(divided, stateful, 0)),
            "killed, 2 workers": killed_and_resumed(ours(divided, stateful, 2)),
            "killed, first epoch, 2 workers": (
                job(ours(divided, stateful, 2), last_step=5),
                job(ours(divided, stateful, 2), resume=True),
            ),
            "killed, epoch's end, 2 workers": (job(begun, last_epoch=0), job(begun, resume=True)),
            "killed, negatives": killed_and_resumed(negatives(0)),
            "killed, negatives, 2 workers": killed_and_resumed(negatives(2)),
        }
    )
