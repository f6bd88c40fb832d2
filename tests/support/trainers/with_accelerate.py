"""Jobs with Accelerate. Each returns the batches of each epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader

from equipoise.torch import ClassBalancedBatchSampler, SmoteBatches, WeightedSampler
from support.trainers.ranks import report

with contextlib.suppress(ImportError):  # Accelerate would import it on each rank
    import datasets  # noqa: F401

ROWS, BATCH, EPOCHS = 48, 4, 3
WEIGHTS = np.arange(ROWS) % 5 + 1


def prepared(dataset: Any, split: bool = False, **settings: Any) -> Any:
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=split))
    model = accelerator.prepare(torch.nn.Linear(1, 1))
    loader = accelerator.prepare(DataLoader(dataset, **settings))
    return loader, lambda rows: accelerator.backward(model(rows[:, None].float()).sum())


def trained(loader: Iterable[Any], step: Any) -> list[list[int]]:
    """Train on a loader's pass. DDP hangs unless all ranks take as many steps."""
    batches = []
    for rows in loader:
        step(rows)
        batches.append(rows.tolist())
    return batches


def whole() -> dict[str, Any]:
    return {"batch_size": BATCH, "sampler": WeightedSampler(WEIGHTS, seed=3)}


def classes() -> dict[str, Any]:
    return {"batch_sampler": ClassBalancedBatchSampler(WEIGHTS, BATCH, seed=3)}


def epochs(settings: Any, split: bool = False) -> Any:
    def train(_: Path) -> Any:
        loader, step = prepared(range(ROWS), split, **settings())
        return [trained(loader, step) for _ in range(EPOCHS)]

    return train


def skipping(settings: Any) -> Any:
    """Resume in epoch 1 after two batches, and go on with epoch 2."""

    def train(_: Path) -> Any:
        loader, step = prepared(range(ROWS), **settings())
        loader.set_epoch(1)
        first = trained(skip_first_batches(loader, 2), step)
        loader.set_epoch(2)
        return [first, trained(loader, step)]

    return train


def synthetic(_: Path) -> Any:
    """Train on synthetic rows, and return the parents of each batch's rows."""
    data = SmoteBatches(np.arange(2.0 * ROWS).reshape(ROWS, 2), WEIGHTS > 4, BATCH, seed=3)
    loader, step = prepared(data, batch_size=None)
    return [[(step(labels), parents.tolist())[1] for _, labels, parents in loader] for _ in range(EPOCHS)]


if __name__ == "__main__":
    report(
        {
            "whole": (epochs(whole),),
            "whole, split": (epochs(whole, True),),
            "whole, skipping": (skipping(whole),),
            "classes": (epochs(classes),),
            "classes, split": (epochs(classes, True),),
            "classes, skipping": (skipping(classes),),
            "synthetic": (synthetic,),
        }
    )
