"""A loop of PyTorch alone, with DistributedDataParallel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from equipoise.torch import ClassBalancedBatchSampler, DistributedWeightedSampler
from support.trainers.ranks import report

WEIGHTS = np.arange(51) % 5 + 1


def trained(settings: dict[str, Any], order: Any) -> list[list[list[int]]]:
    """Train for two epochs, and return the batches of each. DDP hangs unless all ranks take as many steps."""
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    epochs: list[list[list[int]]] = []
    for epoch in range(2):
        order.set_epoch(epoch)
        epochs.append([])
        for rows in DataLoader(range(51), **settings):
            model(rows[:, None].float()).sum().backward()
            epochs[-1].append(rows.tolist())
    return epochs


def weighted(_: Path) -> list[list[list[int]]]:
    sampler = DistributedWeightedSampler(WEIGHTS, seed=3)
    return trained({"batch_size": 8, "sampler": sampler}, sampler)


def classes(_: Path) -> list[list[list[int]]]:
    ranks = {"num_replicas": distributed.get_world_size(), "rank": distributed.get_rank()}
    batches = ClassBalancedBatchSampler(WEIGHTS, 8, seed=3, **ranks)
    return trained({"batch_sampler": batches}, batches)


if __name__ == "__main__":
    report({"weighted": (weighted,), "classes": (classes,)})
