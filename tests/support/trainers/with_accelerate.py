"""Jobs with Accelerate. Each returns the batches of each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader

from equipoise.torch import WeightedSampler
from support.trainers.ranks import report

ROWS, BATCH, EPOCHS = 48, 4, 3
WEIGHTS = np.arange(ROWS) % 5 + 1


def prepared(split: bool = False, **settings: Any) -> Any:
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=split))
    model = accelerator.prepare(torch.nn.Linear(1, 1))
    loader = accelerator.prepare(DataLoader(range(ROWS), **settings))
    return loader, lambda rows: accelerator.backward(model(rows[:, None].float()).sum())


def trained(loader: Iterable[Any], step: Any) -> list[list[int]]:
    """Train on a loader's pass. DDP hangs unless all ranks take as many steps."""
    batches = []
    for rows in loader:
        step(rows)
        batches.append(rows.tolist())
    return batches


def whole(split: bool) -> Any:
    def train(_: Path) -> Any:
        sampler = WeightedSampler(WEIGHTS, seed=3)
        loader, step = prepared(split, batch_size=BATCH, sampler=sampler)
        return [trained(loader, step) for _ in range(EPOCHS)]

    return train


def skipping(_: Path) -> Any:
    """Resume in epoch 1 after two batches, and go on with epoch 2."""
    loader, step = prepared(batch_size=BATCH, sampler=WeightedSampler(WEIGHTS, seed=3))
    loader.set_epoch(1)
    first = trained(skip_first_batches(loader, 2), step)
    loader.set_epoch(2)
    return [first, trained(loader, step)]


if __name__ == "__main__":
    report({"whole": (whole(False),), "split": (whole(True),), "skipping": (skipping,)})
