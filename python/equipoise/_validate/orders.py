"""Checks of the arguments of order samplers."""

from __future__ import annotations

from typing import Any, NoReturn


def check_num_samples(num_samples: int, rows: int) -> None:
    """Check that there are enough rows of positive weight to draw without replacement."""
    if num_samples > rows:
        raise ValueError(
            f"num_samples must be at most {rows}, the number of rows of positive weight, as they are drawn "
            f"without replacement, got {num_samples}"
        )


def refuse_no_group(name: str) -> NoReturn:
    """Refuse to guess the rank where there is no process group."""
    raise RuntimeError(
        f"{name} must be given, or torch.distributed.init_process_group must be called before, got None "
        "and no process group (for one process: num_replicas=1, rank=0)"
    )


def refuse_sampler(y: Any) -> NoReturn:
    """Refuse a sampler in the place of labels: what Lightning gives when it makes a batch sampler anew."""
    raise TypeError(
        f"y must be the labels of the rows, got a sampler ({type(y).__name__}). If Lightning passed it, use "
        "Trainer(use_distributed_sampler=False), so that it keeps the batch sampler. Prediction is not for a "
        "batch sampler that draws rows by class: use a plain loader there"
    )


def check_workers(worker: int, most: int) -> None:
    """Check that a loader has no more workers than there are places in shared memory."""
    if worker > most:
        raise ValueError(f"num_workers must be at most {most}, got at least {worker}")


def refuse_data(data: Any) -> NoReturn:
    """Refuse a data set in the place of weights."""
    raise TypeError(
        f"weights must be an array with the weight of each row of the data set, got a {type(data).__name__}"
    )
