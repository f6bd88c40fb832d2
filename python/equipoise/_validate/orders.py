"""Checks of the arguments of order samplers."""

from __future__ import annotations

from typing import NoReturn


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
        "and no process group"
    )
