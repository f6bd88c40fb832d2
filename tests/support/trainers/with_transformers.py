"""Jobs with transformers' Trainer."""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from equipoise.torch import ClassBalancedBatchSampler, WeightedSampler
from support.trainers.ranks import report

ROWS, BATCH, EPOCHS = 48, 4, 3
WEIGHTS = np.arange(ROWS) % 5 + 1


class Rows(Dataset[dict[str, int]]):
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> dict[str, int]:
        return {"rows": index}


class Model(torch.nn.Module):
    """A model that keeps the batches that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.batches: list[list[int]] = []

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        self.batches.append(rows.tolist())
        return {"loss": self.layer(rows[:, None].float()).sum()}


class Weighted(Trainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> WeightedSampler:
        sampler = WeightedSampler(WEIGHTS, seed=3)
        self.add_callback(SetEpoch(sampler))
        return sampler


class Balanced(Trainer):
    def get_train_dataloader(self) -> Any:
        batches = ClassBalancedBatchSampler(WEIGHTS, BATCH, seed=3)
        self.add_callback(SetEpoch(batches))
        return self.accelerator.prepare(DataLoader(self.train_dataset, batch_sampler=batches))


class SetEpoch(TrainerCallback):
    def __init__(self, order: Any) -> None:
        self.order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.order.set_epoch(int(state.epoch))


class Killed(TrainerCallback):
    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        torch.distributed.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def train(kind: Any, folder: Path, *, killed: bool = False, resume: bool = False) -> list[list[int]]:
    model = Model()
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        per_device_train_batch_size=BATCH,
        num_train_epochs=EPOCHS,
        learning_rate=1e-9,
        save_strategy="steps" if killed else "no",
        save_steps=8,  # of 6 an epoch
        report_to="none",
        use_cpu=True,
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    callbacks = [Killed()] if killed else []
    trainer = kind(model, arguments, train_dataset=Rows(), callbacks=callbacks)
    trainer.train(resume_from_checkpoint=resume or None)
    return model.batches


def resumed(kind: Any) -> tuple[Any, Any]:
    return functools.partial(train, kind, killed=True), functools.partial(train, kind, resume=True)


if __name__ == "__main__":
    report(
        {
            "whole": (functools.partial(train, Weighted),),
            "whole, resumed": resumed(Weighted),
            "classes": (functools.partial(train, Balanced),),
            "classes, resumed": resumed(Balanced),
        }
    )
