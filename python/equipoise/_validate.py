"""Every user-facing error is born here, or in a ``_validate_..`` beside this, above both backends: argument,
first bad position, wanted, got.

Wrong type or dtype: ``TypeError``. Wrong value or shape: ``ValueError``. An id out of range: ``IndexError``.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise import _arrow

Int64s = NDArray[np.int64]
Weights = NDArray[np.float64] | NDArray[np.int64]

_MOST_DIMENSIONS = 32  # NumPy 1's limit
_CPU_DEVICES = (1, 3)  # DLPack's kDLCPU and kDLCUDAHost (pinned)


def _kind(x: object) -> str:
    return f"{x.dtype} array" if isinstance(x, np.ndarray) else type(x).__name__


def _at(name: str, index: tuple[np.intp, ...]) -> str:
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if index else name


def _first(bad: NDArray[np.bool_]) -> tuple[np.intp, ...]:
    return np.unravel_index(int(bad.argmax()), bad.shape)


def as_array(x: Any, name: str) -> NDArray[Any]:
    """``x`` as a NumPy array; no copy of an array, a torch CPU tensor or any DLPack object in CPU memory."""
    if type(x) is np.ndarray:
        return x
    if type(x).__module__.startswith("numpy.ma"):
        raise TypeError(
            f"{name} must be a plain array, got a masked array: fill or drop its masked entries first"
        )
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    if _arrow.is_arrow(x):
        return _arrow.as_numpy(x, name)
    if hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__"):
        try:
            on_cpu = int(x.__dlpack_device__()[0]) in _CPU_DEVICES
        except MemoryError:  # here and below: no fault of the argument
            raise
        except Exception:  # torch's meta tensors have no device at all
            on_cpu = False
        if not on_cpu:
            raise TypeError(
                f"{name} must be in CPU memory, got a {type(x).__name__} on another device: call .cpu() first"
            )
        try:
            return np.from_dlpack(x)
        except MemoryError:
            raise
        except Exception as failure:  # somebody else's code: it may raise anything
            raise TypeError(
                f"{name} must be an array that NumPy can read, got a {type(x).__name__}: {failure}"
            ) from None
    try:
        return np.asarray(x)
    except (ValueError, OverflowError) as failure:
        raise ValueError(
            f"{name} must be a rectangular array of numbers, got {type(x).__name__}: {failure}"
        ) from None
    except MemoryError:
        raise
    except Exception as failure:
        raise TypeError(
            f"{name} must be an array that NumPy can read, got a {type(x).__name__}: {failure}"
        ) from None


def as_count(x: Any, name: str, *, least: int = 0, most: int | None = None) -> int:
    """An integer ``least <= x <= most``."""
    if isinstance(x, bool | np.bool_):  # which NumPy 1 still takes for one, with a warning
        raise TypeError(f"{name} must be an integer, got bool")
    try:
        count = operator.index(x)
    except MemoryError:
        raise
    except Exception:
        raise TypeError(f"{name} must be an integer, got {_kind(x)}") from None
    if count < least or (most is not None and count > most):
        wanted = f">= {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"{name} must be {wanted}, got {count}")
    return count


def as_flag(x: Any, name: str) -> bool:
    """True or False, and nothing that merely looks so."""
    if not isinstance(x, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_kind(x)}")
    return bool(x)


def as_choice(x: Any, name: str, choices: Iterable[str]) -> str:
    """One of some words."""
    if not isinstance(x, str):
        raise TypeError(f"{name} must be a string, got {_kind(x)}")
    if x not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {x!r}")
    return x


def as_real(x: Any, name: str, *, least: float = -math.inf) -> float:
    """A finite real number ``>= least``."""
    try:
        number = (
            not isinstance(x, bool | np.bool_ | str | bytes) and hasattr(x, "__float__") and np.ndim(x) == 0
        )
        real = float(x) if number else math.nan
    except MemoryError:
        raise
    except Exception as failure:
        raise TypeError(f"{name} must be a real number, got {_kind(x)}: {failure}") from None
    if not number:
        raise TypeError(f"{name} must be a real number, got {_kind(x)}")
    if not math.isfinite(real) or real < least:
        wanted = "finite" if least == -math.inf else f"finite and >= {least:g}"
        raise ValueError(f"{name} must be {wanted}, got {real}")
    return real


def as_shape(size: Any, name: str = "size") -> tuple[int, ...]:
    """An integer or a tuple of integers, each >= 0."""
    if isinstance(size, tuple | list):
        shape = tuple(as_count(s, f"{name}[{i}]") for i, s in enumerate(size))
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"{name} must have at most {_MOST_DIMENSIONS} dimensions, got {len(shape)}")
    else:
        shape = (as_count(size, name),)
    check_addressable(math.prod(max(s, 1) for s in shape), name)
    return shape


def check_addressable(entries: int, name: str) -> None:
    """So many 8-byte entries have addresses, though perhaps no memory."""
    if entries >= 2**60:
        raise ValueError(f"{name} must ask for fewer than 2^60 entries, got {entries}")


def as_threads(n_threads: int | None) -> int:
    """``n_threads``, else ``EQUIPOISE_NUM_THREADS``, else 1."""
    if n_threads is not None:
        return as_count(n_threads, "n_threads", least=1)
    variable = os.environ.get("EQUIPOISE_NUM_THREADS")
    if not variable:
        return 1
    if not (variable.isascii() and variable.isdigit() and int(variable) >= 1):
        raise ValueError(f"EQUIPOISE_NUM_THREADS must be a whole number >= 1, got {variable!r}")
    return int(variable)


def as_bit_generator(rng: Any) -> Any:
    """The bit generator of whatever ``numpy.random.default_rng`` takes."""
    wanted = "None, an int >= 0, a SeedSequence, a BitGenerator or a Generator"
    if isinstance(rng, float | bool | str):
        raise TypeError(f"rng must be {wanted}, got {type(rng).__name__}")
    try:
        return np.random.default_rng(rng).bit_generator
    except MemoryError:
        raise
    except ValueError as failure:
        raise ValueError(f"rng must be {wanted}: {failure}") from None
    except Exception as failure:
        raise TypeError(f"rng must be {wanted}: {failure}") from None


def refuse_sum(name: str = "weights") -> NoReturn:
    raise ValueError(f"{name} must have a finite sum, got more than {np.finfo(np.float64).max:.3g}")


def check_sum(w: NDArray[np.float64], name: str) -> None:
    """The float64 sum is finite."""
    with np.errstate(over="ignore"):
        if not np.isfinite(w.sum()):
            refuse_sum(name)


def as_weights(weights: Any, name: str = "weights", *, zeros: bool = False) -> Weights:
    """Finite, >= 0, 1-D, not empty, of finite sum and (unless ``zeros``) not all zero; float64 or int64."""
    w = as_array(weights, name)
    if w.dtype.kind not in "fiu" or w.dtype.itemsize > 8:
        got = _kind(w) if isinstance(weights, np.ndarray) or w.ndim else type(weights).__name__
        raise TypeError(f"{name} must be float32, float64, int32, int64 or uint32, got {got}")
    if w.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {w.ndim}-D (shape {w.shape})")
    if not 1 <= w.size < 2**32:
        raise ValueError(f"{name} must have between 1 and 2^32 - 1 entries, got {w.size}")
    least, most = w.min(), w.max()
    if not (least >= 0 and most < math.inf):  # NaN fails here, too
        at = _first(~(w >= 0) | (w == math.inf))
        raise ValueError(f"{_at(name, at)} must be finite and >= 0, got {w[at]}")
    if w.dtype.kind == "f":
        real: NDArray[np.float64] = np.ascontiguousarray(w, dtype=np.float64)
        check_sum(real, name)
        w = real
    else:
        if most > np.iinfo(np.int64).max:
            at = _first(w > np.iinfo(np.int64).max)
            raise ValueError(f"{_at(name, at)} must be below 2^63, got {w[at]}")
        w = np.ascontiguousarray(w, dtype=np.int64)
    if most == 0 and not zeros:
        raise ValueError(f"{name} must not all be zero, got {w.size} zeros")
    return w


def check_powers(logs: NDArray[np.float64], weights: Weights, power: float) -> None:
    """``power * log(weights + smoothing)`` has not overflowed."""
    if not np.isfinite(logs).all():
        at = int(np.isfinite(logs).argmin())
        raise ValueError(
            f"power must leave power * log(weights + smoothing) finite, got {power} "
            f"and weights[{at}] = {weights[at]}"
        )


def check_steady(steady: bool) -> None:
    """Sum and units fit what was checked, unless the weights were another's to write to."""
    if not steady:
        raise ValueError("weights must not change while a table is built from them")


def as_path(path: Any) -> str:
    """An absolute path."""
    wanted = "path must be a str or path-like that names a file"
    try:
        text = os.fsdecode(path)
        named = text != "" and b"\0" not in os.fsencode(text)
        absolute = os.path.abspath(text)
    except (OSError, MemoryError):
        raise
    except ValueError as failure:
        raise ValueError(f"{wanted}, got {type(path).__name__}: {failure}") from None
    except Exception as failure:
        raise TypeError(f"{wanted}, got {type(path).__name__}: {failure}") from None
    if not named:
        raise ValueError(f"{wanted}, got {text!r}")
    return absolute


def as_file_path(path: Any) -> str:
    """An absolute path of what is no folder."""
    absolute = as_path(path)
    if os.path.isdir(absolute):  # the system's own words for it differ from folder to folder
        raise IsADirectoryError(f"path must name a file, got the folder {absolute!r}")
    return absolute


def refuse_file(path: str, wanted: str, got: str) -> NoReturn:
    raise ValueError(f"path must name {wanted}, got {got} in {path!r}")


def _integers(x: Any, name: str, ndim: tuple[int, ...] | None) -> NDArray[Any]:
    a = as_array(x, name)
    if a.dtype.kind in "fO" and a.size and isinstance(x, list | tuple):
        exact = np.array(x, dtype=object)  # integers beyond 64 bits, or of both their ends
        if not all(type(i) is int for i in exact.flat):
            raise TypeError(f"{name} must be integers, got {_kind(a)}")
        a = exact
    untyped = a.size == 0 and a.dtype == np.float64  # an empty list has no dtype, nor has np.array([])
    if a.dtype.kind not in "iu" and not untyped and not (a.dtype == object and isinstance(x, list | tuple)):
        raise TypeError(f"{name} must be integers, got {_kind(a)}")
    if ndim is not None and a.ndim not in ndim:
        raise ValueError(
            f"{name} must be {' or '.join(f'{d}-D' for d in ndim)}, not {a.ndim}-D (shape {a.shape})"
        )
    return a


def _check_range(a: NDArray[Any], name: str, lower: int, upper: int) -> None:
    if a.size and (a.min() < lower or a.max() >= upper):
        at = _first((a < lower) | (a >= upper))
        raise IndexError(f"{_at(name, at)} must be in [{lower}, {upper}), got {a[at]}")


def as_ids(
    x: Any,
    name: str,
    *,
    upper: int = 2**63,
    lower: int = 0,
    ndim: tuple[int, ...] | None = (1,),
    length: int | None = None,
) -> Int64s:
    """Integers in [lower, upper) as a C-contiguous, writable int64 array; ``length`` is that of axis 0, and
    ``ndim=None`` takes any shape."""
    a = _integers(x, name, ndim)
    if length is not None and a.shape[0] != length:
        raise ValueError(f"{name} must have {length} entries, one for each row, got {a.shape[0]}")
    # A copy, and the copy is checked: the caller's array may be ``out``, or another thread's to write to.
    a = np.array(a, order="C")
    _check_range(a, name, lower, upper)
    return a.astype(np.int64, copy=False)


def as_row_keys(x: Any, length: int) -> NDArray[np.uint64]:
    """One 64-bit integer for each row, as two's complement."""
    a = _integers(x, "row_keys", (1,))
    if a.shape[0] != length:
        raise ValueError(f"row_keys must have {length} entries, one for each row, got {a.shape[0]}")
    if a.dtype == object:
        _check_range(a, "row_keys", -(2**63), 2**64)
        a = np.array([key % 2**64 for key in a], np.uint64)
    return np.array(a, dtype=np.uint64 if a.dtype == np.uint64 else np.int64, order="C").view(np.uint64)


def as_exclude(exclude: Any, n: int) -> tuple[Int64s, NDArray[np.uint32]]:
    """``(indptr, indices)`` or a CSR matrix to a private (int64, uint32) copy."""
    if getattr(exclude, "format", None) is not None and hasattr(exclude, "shape"):
        if exclude.format != "csr":
            raise TypeError(f"exclude must be in CSR format, got {exclude.format!r}: call .tocsr() first")
        if len(exclude.shape) != 2 or exclude.shape[1] != n:
            raise ValueError(
                f"exclude must have {n} columns, one for each item, got shape {tuple(exclude.shape)}"
            )
        exclude = (exclude.indptr, exclude.indices)
    if not isinstance(exclude, tuple) or len(exclude) != 2:  # a list would be some users' lists
        raise TypeError(
            f"exclude must be a pair (indptr, indices) or a SciPy CSR matrix, got {_kind(exclude)}"
        )
    indptr = as_ids(exclude[0], "exclude indptr", lower=-(2**63))
    if indptr.size == 0 or indptr[0] != 0:
        raise ValueError(f"exclude indptr[0] must be 0, got {indptr[0] if indptr.size else 'an empty array'}")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        at = int(falls.argmax()) + 1
        raise ValueError(
            f"exclude indptr[{at}] must be >= indptr[{at - 1}] = {indptr[at - 1]}, got {indptr[at]}"
        )
    indices = np.array(_integers(exclude[1], "exclude indices", (1,)))  # the copy is checked, as in as_ids
    _check_range(indices, "exclude indices", 0, n)
    if indptr[-1] != indices.size:
        raise ValueError(
            f"exclude indptr[{indptr.size - 1}] must be {indices.size}, the number of indices, "
            f"got {indptr[-1]}"
        )
    return indptr, indices.astype(np.uint32)


def check_out(out: Any, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """``out`` can be written in place: dtype, shape, C-contiguous, writable."""
    if not isinstance(out, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array (a torch tensor's .numpy() shares its memory), got {_kind(out)}"
        )
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"{name} must be of dtype {np.dtype(dtype)}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    if not out.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous, got strides {out.strides}")
    if not out.flags.aligned:
        raise ValueError(f"{name} must be aligned in memory, got an address that {out.dtype} does not divide")
    if not out.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")


def check_parts(
    out: Any, wanted: type, dtypes: Mapping[str, type[np.generic]], shape: tuple[int, ...]
) -> None:
    """``out`` is ``wanted``, a dataclass of arrays that can be written in place and lie apart in memory."""
    if not isinstance(out, wanted):
        raise TypeError(f"out must be a {wanted.__name__} of arrays, got {type(out).__name__}")
    for name, dtype in dtypes.items():
        check_out(getattr(out, name), f"out.{name}", dtype, shape)
    names = list(dtypes)
    for i, name in enumerate(names):
        for other in names[:i]:
            if np.may_share_memory(getattr(out, other), getattr(out, name)):
                raise ValueError(f"out.{name} must lie apart from out.{other}, got arrays that share memory")


def as_policy(on_exhausted: Any, unique: bool, choices: Iterable[str]) -> str:
    """What becomes of a row that has too few ids."""
    policy = as_choice(on_exhausted, "on_exhausted", choices)
    if policy == "replace" and not unique:
        raise ValueError("on_exhausted='replace' must come with unique=True, got unique=False")
    return policy


def refuse_exhausted(position: int, row: int, left: int, k: int, unique: bool) -> NoReturn:
    wanted = f"unique=True wants {k}" if unique else f"num_negatives={k} wants at least one"
    ways = "on_exhausted='mask'" + (" or 'replace'" if unique and left else "")
    raise ValueError(
        f"rows[{position}] = {row} has {left} ids of positive weight left, {wanted} ({ways} goes on)"
    )


def check_enough(count: int, positive: int) -> None:
    """There are so many ids to be distinct."""
    if count > positive:
        raise ValueError(
            f"num_samples must be at most {positive}, the ids of positive weight, with unique=True, "
            f"got {count}"
        )


def as_state(
    state: Any,
    fixed: Mapping[str, str | int],
    counters: Mapping[str, int],
    configuration: str = "items, exclude, seed and stream",
) -> dict[str, int]:
    """The counters, each below its limit, of a ``state_dict`` whose other values are the fixed ones."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a mapping, as state_dict returns it, got {type(state).__name__}")
    for name, wanted in fixed.items():
        if name not in state:
            raise ValueError(f"state[{name!r}] must be {wanted!r}, got no such key")
        if type(state[name]) is not type(wanted) or state[name] != wanted:
            of = f"of this sampler's {configuration}" if name == "fingerprint" else "here"
            raise ValueError(f"state[{name!r}] must be {wanted!r}, that {of}, got {state[name]!r}")
    for name in counters:
        if name not in state:
            raise ValueError(f"state[{name!r}] must be an integer, got no such key")
    return {
        name: as_count(state[name], f"state[{name!r}]", most=limit - 1) for name, limit in counters.items()
    }
