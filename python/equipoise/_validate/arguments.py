"""Checks of single arguments: numbers, flags, choices, threads, random generators, states, progress."""

from __future__ import annotations

import importlib
import math
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from equipoise._validate.wording import kind_of


def as_count(
    x: Any, name: str, *, least: int = 0, most: int | None = None, wanted: str = "an integer"
) -> int:
    """Return `x` as an int in [least, most]. `wanted` names all types that the argument may have."""
    if isinstance(x, bool | np.bool_):  # NumPy 1 accepts it as an integer, with a warning
        raise TypeError(f"{name} must be {wanted}, got bool")
    try:
        count = operator.index(x)
    except MemoryError:
        raise
    except Exception:
        raise TypeError(f"{name} must be {wanted}, got {kind_of(x)}") from None
    if count < least or (most is not None and count > most):
        bounds = f">= {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"{name} must be {bounds}, got {count}")
    return count


def as_flag(x: Any, name: str) -> bool:
    """Return `x` as a bool. It must be True or False; other truthy and falsy values are errors."""
    if not isinstance(x, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {kind_of(x)}")
    return bool(x)


def as_choice(x: Any, name: str, choices: Iterable[str]) -> str:
    """Return `x`, which must be one of `choices`."""
    if not isinstance(x, str):
        raise TypeError(f"{name} must be a string, got {kind_of(x)}")
    if x not in choices:
        *most, last = map(repr, choices)
        raise ValueError(f"{name} must be {', '.join(most)} or {last}, got {x!r}")
    return x


def as_real(x: Any, name: str, *, least: float = -math.inf) -> float:
    """Return `x` as a finite float >= `least`."""
    try:
        number = (
            not isinstance(x, bool | np.bool_ | str | bytes) and hasattr(x, "__float__") and np.ndim(x) == 0
        )
        real = float(x) if number else math.nan
    except MemoryError:
        raise
    except Exception as failure:
        raise TypeError(f"{name} must be a real number, got {kind_of(x)}: {failure}") from None
    if not number:
        raise TypeError(f"{name} must be a real number, got {kind_of(x)}")
    if not math.isfinite(real) or real < least:
        wanted = "finite" if least == -math.inf else f"finite and >= {least:g}"
        raise ValueError(f"{name} must be {wanted}, got {real}")
    return real


def as_threads(n_threads: int | None) -> int:
    """Return `n_threads`. If it is None, return ``EQUIPOISE_NUM_THREADS``, or 1 if that is not set."""
    if n_threads is not None:
        return as_count(n_threads, "n_threads", least=1)
    variable = os.environ.get("EQUIPOISE_NUM_THREADS")
    if not variable:
        return 1
    if not (variable.isascii() and variable.isdigit() and int(variable) >= 1):
        raise ValueError(f"EQUIPOISE_NUM_THREADS must be a whole number >= 1, got {variable!r}")
    return int(variable)


def as_bit_generator(rng: Any) -> Any:
    """Return the bit generator of any argument that ``numpy.random.default_rng`` accepts."""
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


def as_state(
    state: Any,
    fixed: Mapping[str, str | int],
    counters: Mapping[str, int],
    configuration: str,
) -> dict[str, int]:
    """Return the counters of a state, checked against their limits.

    The other values of the state must equal those in `fixed`.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a mapping, as state_dict returns it, got {type(state).__name__}")
    for name, wanted in fixed.items():
        if name not in state:
            raise ValueError(f"state[{name!r}] must be {wanted!r}, got no such key")
        if type(state[name]) is not type(wanted) or state[name] != wanted:
            owner = f"this sampler's {configuration}" if name == "fingerprint" else "this sampler"
            raise ValueError(f"state[{name!r}] must be {wanted!r}, that of {owner}, got {state[name]!r}")
    for name in counters:
        if name not in state:
            raise ValueError(f"state[{name!r}] must be an integer, got no such key")
    return {
        name: as_count(state[name], f"state[{name!r}]", most=limit - 1) for name, limit in counters.items()
    }


def check_pickled_version(state: Any, kind: str, version: int) -> None:
    """Check the version of a pickled state. Those of version 1 do not name theirs."""
    found = state.get("version", 1) if isinstance(state, dict) else 1
    if found != version:
        raise ValueError(f"a pickled {kind} must be of version {version}, got version {found}")


def as_progress(progress: Any) -> Any:
    """Return None or a callable. For True, return the class of tqdm's bars."""
    if progress is None or progress is False:
        return None
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"progress must be None, True or a callable, got {kind_of(progress)}")
        return progress
    try:
        return importlib.import_module("tqdm").tqdm
    except ImportError:
        _refuse_without_tqdm()


def _refuse_without_tqdm() -> NoReturn:
    raise ImportError("progress=True needs tqdm: python -m pip install 'equipoise[progress]'") from None


def as_positive(x: Any, name: str) -> float:
    """Return `x` as a finite float > 0."""
    value = as_real(x, name)
    if not value > 0:
        raise ValueError(f"{name} must be > 0, got {value}")
    return value
