"""A loop of PyTorch alone, with DistributedDataParallel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from equipoise.torch import DistributedWeightedSampler
from support.trainers.ranks import report

WEIGHTS = np.arange(51) % 5 + 1


def weighted(_: Path) -> list[list[int]]:
    """Train for two epochs, and return the rows of each. DDP hangs unless all ranks take as many steps."""
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    sampler = DistributedWeightedSampler(WEIGHTS, seed=3)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append([])
        for rows in DataLoader(range(51), 8, sampler=sampler):
            model(rows[:, None].float()).sum().backward()
            epochs[-1] += rows.tolist()
    return epochs


if __name__ == "__main__":
    report({"weighted": (weighted,)})
