"""Jobs with Lightning."""

from __future__ import annotations

import functools
import os
import signal
import warnings
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from equipoise.torch import ClassBalancedBatchSampler, DistributedWeightedSampler, WeightedSampler
from support.trainers.ranks import report

ROWS, BATCH, EPOCHS = 48, 4, 3
WEIGHTS = np.arange(ROWS) % 5 + 1


class Model(lightning.LightningModule):
    """A model that keeps the rows of each epoch, and may die after a step."""

    def __init__(self, last_step: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.rows: dict[int, list[int]] = {}
        self.last_step = last_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 1e-9)

    def training_step(self, rows: Any) -> Any:
        self.rows.setdefault(self.current_epoch, []).extend(rows.tolist())
        return self.layer(rows[:, None].float()).sum()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.global_step == self.last_step:
            self.trainer.save_checkpoint("checkpoint")
            os.kill(os.getpid(), signal.SIGKILL)


def fit(make_loader: Any, *, last_step: int | None = None, resume: bool = False, **settings: Any) -> Any:
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
    model = Model(last_step)
    trainer.fit(model, make_loader(trainer), ckpt_path="checkpoint" if resume else None)
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


def stateful(*args: Any, **settings: Any) -> Any:
    from torchdata.stateful_dataloader import StatefulDataLoader

    return StatefulDataLoader(*args, **settings)


def job(make_loader: Any, **settings: Any) -> Any:
    return lambda _: fit(make_loader, **settings)


def killed_and_resumed(workers: int) -> tuple[Any, Any]:
    """Die in epoch 1, after 8 steps of 6."""
    make = functools.partial(ours, divided, stateful, workers)
    return job(make(), last_step=8), job(make(), resume=True)


if __name__ == "__main__":
    report(
        {
            "divided": (job(ours(divided)),),
            "divided, False": (job(ours(divided), use_distributed_sampler=False),),
            "classes, False": (job(classes, use_distributed_sampler=False),),
            "whole": (job(ours(whole)),),
            "killed, 0 workers": killed_and_resumed(0),
            "killed, 2 workers": killed_and_resumed(2),
        }
    )
