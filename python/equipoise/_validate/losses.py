"""Checks of the arguments of losses: dtypes and shapes of tensors, and values of those in CPU memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arrays import as_array, is_kind, refuse_dtype
from equipoise._validate.containers.tensors import is_tensor
from equipoise._validate.wording import first_bad, kind_of, place

REDUCTIONS = ("none", "sum", "mean")
_NUMBERS = "a tensor or an array of floats or integers"


def _kind(x: Any) -> str:
    return f"a {x.dtype} tensor" if is_tensor(x) else kind_of(x)


def check_scores(x: Any, name: str) -> None:
    """Check that an argument is a tensor of floats of 16, 32 or 64 bits."""
    if not is_tensor(x) or not x.is_floating_point() or x.dtype.itemsize < 2:
        raise TypeError(f"{name} must be a tensor of float16, bfloat16, float32 or float64, got {_kind(x)}")


def check_logits(x: Any, *, matrix: bool = False) -> None:
    """Check that logits are floats of shape [N, K], or also [N] unless only a `matrix` will do."""
    check_scores(x, "logits")
    if x.ndim != 2 and (matrix or x.ndim != 1):
        wanted = "2-D [N, K]" if matrix else "1-D [N] or 2-D [N, K]"
        raise ValueError(f"logits must be {wanted}, not {x.ndim}-D (shape {tuple(x.shape)})")
    if x.ndim == 2 and not x.shape[1]:
        raise ValueError(f"logits must have at least one class, got shape {tuple(x.shape)}")


def check_target(x: Any, *, floats: bool) -> None:
    """Check that targets are a tensor of integers or, where there is one logit a row, bools or floats."""
    if not is_tensor(x) or x.is_complex():
        raise TypeError(f"target must be a tensor of integers, got {_kind(x)}")
    if not floats and (x.is_floating_point() or str(x.dtype) == "torch.bool"):
        raise TypeError(f"target must be a tensor of integers, the classes of logits [N, K], got {_kind(x)}")


def check_dimensions(x: Any, allowed: tuple[int, ...], name: str, wanted: str) -> None:
    """Check the number of dimensions of a tensor."""
    if x.ndim not in allowed:
        raise ValueError(f"{name} must be {wanted}, not {x.ndim}-D (shape {tuple(x.shape)})")


def check_shape(x: Any, shape: tuple[int, ...], name: str, meaning: str) -> None:
    """Check the shape of a tensor or an array. `meaning` says where the shape comes from."""
    if tuple(x.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, {meaning}, got {tuple(x.shape)}")


def check_classes(target: NDArray[Any], classes: int, ignore_index: int) -> None:
    """Check that all targets but the ignored ones are classes. Floats must be 0 or 1."""
    bad = ~((target >= 0) & (target < classes) & (target == np.floor(target))) & (target != ignore_index)
    if bad.any():
        at = first_bad(bad)
        wanted = "0 or 1" if classes == 2 else f"in [0, {classes})"
        raise IndexError(f"{place('target', at)} must be {wanted}, or ignore_index, got {target[at]}")


def check_probabilities(target: NDArray[Any], ignore_index: int) -> None:
    """Check that all targets but the ignored ones are in [0, 1]."""
    bad = ~((target >= 0) & (target <= 1)) & (target != ignore_index)
    if bad.any():
        at = first_bad(bad)
        raise ValueError(f"{place('target', at)} must be in [0, 1], or ignore_index, got {target[at]}")


def as_numbers(x: Any, name: str) -> NDArray[np.float64]:
    """Return float64 numbers of what is no tensor."""
    a = as_array(x, name, _NUMBERS)
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, _NUMBERS)
    return np.array(a, np.float64)


def as_booleans(x: Any, name: str) -> NDArray[np.bool_]:
    """Return the booleans of what is no tensor, in memory of their own."""
    a = as_array(x, name, "a tensor or an array of bools")
    if a.dtype != np.bool_:
        refuse_dtype(a, x, name, "a tensor or an array of bools")
    return np.array(a)


def check_bool(x: Any, name: str) -> None:
    """Check that a tensor has bools."""
    if str(x.dtype) != "torch.bool":
        raise TypeError(f"{name} must be a tensor or an array of bools, got {_kind(x)}")


def check_real(x: Any, name: str) -> None:
    """Check that a tensor has real numbers."""
    if x.is_complex() or str(x.dtype) == "torch.bool":
        raise TypeError(f"{name} must be {_NUMBERS}, got {_kind(x)}")


def check_nonnegative(values: NDArray[Any], name: str, *, most: float = math.inf) -> None:
    """Check that numbers are finite, >= 0 and at most `most`."""
    bad = ~((values >= 0) & (values <= most) & (values < math.inf))
    if bad.any():
        at = first_bad(bad)
        wanted = "finite and >= 0" if most == math.inf else f"in [0, {most:g}]"
        raise ValueError(f"{place(name, at)} must be {wanted}, got {values[at]}")


def check_log_q(values: NDArray[Any], name: str, used: NDArray[np.bool_] | None = None) -> None:
    """Check that log probabilities are finite where they are used."""
    bad = ~np.isfinite(values) if used is None else ~np.isfinite(values) & used
    if bad.any():
        at = first_bad(bad)
        raise ValueError(
            f"{place(name, at)} must be finite, got {values[at]}: an item of probability 0 is never drawn"
        )


def check_a_class(values: NDArray[Any], name: str) -> None:
    """Check that at least one class has a positive number."""
    if not (values > 0).any():
        raise ValueError(f"{name} must be positive for at least one class, got none")


def check_all_classes(values: NDArray[Any], name: str) -> None:
    """Check that each class has a positive number, as a class with none would win every row."""
    if not (values > 0).all():
        at = first_bad(~(values > 0))
        raise ValueError(
            f"{place(name, at)} must be > 0, got {values[at]}: a class without prior would win every row"
        )
