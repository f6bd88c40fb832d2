"""What all losses share: reading logits, targets and weights, and reducing the losses of rows.

The values of tensors in CPU memory are checked. Those of other devices, of compiled code and of torch's
transforms are not: looking at them would stop a device, and no shape here depends on data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from equipoise import _validate


class Rows(NamedTuple):
    """The rows of a batch: logits [N, K] or [N], targets [N], sample weights [N].

    Ignored rows have logits 0, target 0 and weight 0, so that nothing of them reaches a result.
    """

    logits: Tensor
    target: Tensor
    weights: Tensor

    @property
    def classes(self) -> int:
        """The number of classes: two if there is one logit a row."""
        return self.logits.shape[1] if self.logits.ndim == 2 else 2


def is_readable(x: Tensor) -> bool:
    """Return whether a tensor has values in CPU memory that may be looked at."""
    return not torch.compiler.is_compiling() and x.device.type == "cpu" and _validate.has_values(x)


def values_of(x: Tensor) -> Any:
    """Return a readable tensor as a NumPy array."""
    x = x.detach().resolve_neg()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def in_float32(x: Tensor) -> Tensor:
    """Return half precision in float32, and other floats as they are."""
    return x.float() if x.dtype.itemsize < 4 else x


def _tensor(x: Any, dtype: torch.dtype) -> Tensor:
    return x if isinstance(x, Tensor) else torch.as_tensor(x, dtype=dtype)


def floats_like(x: Any, like: Tensor, shape: Sequence[int], name: str, meaning: str) -> Tensor:
    """Return a tensor or an array of `shape` with the device and dtype of `like`."""
    if not torch.compiler.is_compiling():
        if isinstance(x, Tensor):
            _validate.check_real(x, name)
        else:
            x = torch.from_numpy(_validate.as_numbers(x, name))
        _validate.check_shape(x, tuple(shape), name, meaning)
    return _tensor(x, torch.float64).to(like)


def bools_on(x: Any, like: Tensor, shape: Sequence[int], name: str, meaning: str) -> Tensor:
    """Return a tensor or an array of bools of `shape` on the device of `like`."""
    if not torch.compiler.is_compiling():
        if isinstance(x, Tensor):
            _validate.check_bool(x, name)
        else:
            x = torch.from_numpy(_validate.as_booleans(x, name))
        _validate.check_shape(x, tuple(shape), name, meaning)
    return _tensor(x, torch.bool).to(like.device)


def of_classes(x: Any, name: str, classes: int) -> Tensor:
    """Return one number >= 0 for each class, in float64 on the device where it is."""
    if not torch.compiler.is_compiling():
        if isinstance(x, Tensor):
            _validate.check_real(x, name)
        else:
            x = torch.from_numpy(_validate.as_numbers(x, name))
        _validate.check_shape(x, (classes,), name, "one number for each class")
        if is_readable(x):
            _validate.check_nonnegative(values_of(x), name)
    vector = _tensor(x, torch.float64)
    return vector.to(torch.float32 if vector.device.type == "mps" else torch.float64)  # mps has no float64


def of_some_class(x: Any, name: str, classes: int) -> Tensor:
    """Return one number >= 0 for each class, at least one of which is positive."""
    vector = of_classes(x, name, classes)
    if is_readable(vector):
        _validate.check_a_class(values_of(vector), name)
    return vector


def read_rows(logits: Tensor, target: Tensor, sample_weights: Any, ignore_index: int) -> Rows:
    """Check the rows of a batch, and select those that are not ignored."""
    if not torch.compiler.is_compiling():
        _validate.check_logits(logits)
        _validate.check_target(target, floats=logits.ndim == 1)
        _validate.check_shape(target, tuple(logits.shape[:1]), "target", "one class for each row of logits")
        _validate.as_count(ignore_index, "ignore_index", least=-(2**63), most=2**63 - 1)
    target = target if target.is_floating_point() else target.long()
    if is_readable(target):
        classes = logits.shape[1] if logits.ndim == 2 else 2
        _validate.check_classes(values_of(target), classes, ignore_index)
    logits, used = in_float32(logits), target != ignore_index
    weights = weights_of_rows(sample_weights, used, logits)
    if not (is_readable(used) and bool(used.all())):
        logits = torch.where(used[:, None] if logits.ndim == 2 else used, logits, 0.0)
        target = torch.where(used, target, 0)
    return Rows(logits, target.long(), weights)


def weights_of_rows(sample_weights: Any, used: Tensor, like: Tensor) -> Tensor:
    """Return the weights of rows: 0 where they are not used, and 1 for others if none are given."""
    if sample_weights is None:
        return used.to(like)
    weights = floats_like(sample_weights, like, used.shape, "sample_weights", "one weight for each row")
    weights = torch.where(used, weights, 0.0)
    if is_readable(weights):
        _validate.check_nonnegative(values_of(weights), "sample_weights")
    return weights


def of_targets(class_weights: Any, rows: Rows) -> Tensor | float:
    """Return the class weight of each row."""
    if class_weights is None:
        return 1.0
    return of_classes(class_weights, "class_weights", rows.classes).to(rows.logits)[rows.target]


def log_prob(logits: Tensor, target: Tensor) -> Tensor:
    """Return the log probability [N] of each row's target."""
    if logits.ndim == 1:
        return F.logsigmoid(torch.where(target == 1, logits, -logits))
    return F.log_softmax(logits, 1).gather(1, target[:, None]).squeeze(1)


def check_reduction(reduction: str) -> None:
    """Check the name of a reduction."""
    if not torch.compiler.is_compiling():
        _validate.as_choice(reduction, "reduction", _validate.REDUCTIONS)


def reduce(loss: Tensor, weights: Tensor, reduction: str, mass: Tensor | None = None) -> Tensor:
    """Return weighted losses, their sum, or this sum divided by that of `mass`, which is `weights` if None.

    A mean of no mass is 0.
    """
    weighted = loss * weights
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return weighted.sum()
    total = (weights if mass is None else mass).sum()
    return weighted.sum() / torch.where(total == 0, 1.0, total)
