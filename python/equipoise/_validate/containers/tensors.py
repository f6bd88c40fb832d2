"""Read torch tensors, and arrays of other libraries through DLPack."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.unread import Unread

_CPU_DEVICES = (1, 3)  # DLPack's kDLCPU and kDLCUDAHost (pinned)
_NO_NUMPY = re.compile(r"bfloat16|float[468]_|u?int[1-7]$")  # dtypes that NumPy itself does not have


def is_tensor(x: Any) -> bool:
    """Return whether `x` is a torch tensor."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and isinstance(x, tensor)


def read_tensor(x: Any) -> NDArray[Any] | Unread:
    """Return the values of a torch tensor. They share its memory unless signs must be applied."""
    kind = f"a {type(x).__name__}"
    if x.is_nested:
        return Unread("a nested tensor", "use .to_padded_tensor()", wanted="dense")
    if str(x.layout) != "torch.strided":
        return Unread("a sparse tensor", "use .to_dense()", wanted="dense")
    if x.is_quantized:
        return Unread(f"a {x.dtype} tensor", "use .dequantize()")
    if x.device.type != "cpu":
        return Unread.on_another_device(x, "call .cpu() first")
    if x.requires_grad:
        return Unread(f"{kind} that requires grad", "call .detach() first, since draws have no gradient")
    if _NO_NUMPY.search(str(x.dtype)):
        return Unread(f"a {x.dtype} tensor", narrow=True)
    if not has_values(x):
        return Unread(f"{kind} without values in memory", "pass a tensor that holds its values")
    values: NDArray[Any] = x.resolve_conj().resolve_neg().numpy()
    return values


def has_values(x: Any) -> bool:
    """Return whether the memory of a tensor holds all of its entries.

    Fake tensors have none, tensors under ``vmap`` and ``grad`` do not tell, and the memory of a sharded
    parameter may have been freed.
    """
    try:
        storage = x.untyped_storage()
        if storage.device.type != "cpu":
            return False
        last = x.storage_offset() + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
        return bool(x.numel() == 0 or (last + 1) * x.element_size() <= storage.nbytes())
    except MemoryError:
        raise
    except Exception:
        return False


def read_dlpack(x: Any) -> NDArray[Any] | Unread:
    """Return the entries of an array of another library."""
    try:
        on_cpu = int(x.__dlpack_device__()[0]) in _CPU_DEVICES
    except MemoryError:  # the argument is not at fault
        raise
    except Exception:
        on_cpu = False
    if not on_cpu:
        return Unread.on_another_device(x)
    dtype = str(getattr(x, "dtype", ""))
    if _NO_NUMPY.search(dtype):
        return Unread(f"a {dtype} {type(x).__name__}", narrow=True)
    return np.from_dlpack(x)
