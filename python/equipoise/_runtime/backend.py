"""The choice between the compiled kernels of ``_core`` and their Numba twins, made once at import."""

from __future__ import annotations

import functools
import importlib.util
import os
from types import ModuleType

from equipoise._runtime.locks import hold_at_fork, load

__all__ = ["backend", "kernels", "reason"]


def _choose(wanted: str) -> str:
    if wanted not in ("auto", "cpp", "numba"):
        raise ImportError(f"EQUIPOISE_BACKEND must be 'auto', 'cpp' or 'numba', got {wanted!r}")
    has_core = importlib.util.find_spec("equipoise._core") is not None
    if wanted == "cpp" and not has_core:
        raise ImportError(
            "EQUIPOISE_BACKEND=cpp, but this installation has no compiled kernels: install a wheel that has "
            "them, or build one with a C++ compiler and without EQUIPOISE_NO_EXTENSION"
        )
    if has_core and wanted != "numba":
        return "cpp"
    if importlib.util.find_spec("numba") is None:
        reason = "EQUIPOISE_BACKEND=numba" if has_core else "this installation has no compiled kernels"
        raise ImportError(f"equipoise needs Numba, since {reason}: python -m pip install numba")
    return "numba"


_WANTED = os.environ.get("EQUIPOISE_BACKEND") or "auto"
_NAME = _choose(_WANTED)


def backend() -> str:
    """Return the name of the kernels in use.

    Returns
    -------
    str
        ``"cpp"`` (compiled) or ``"numba"`` (compiled just in time). Both return the same bytes. The
        environment variable ``EQUIPOISE_BACKEND`` (``cpp``, ``numba`` or ``auto``) selects the kernels. It is
        read when equipoise is imported. The import raises ``ImportError`` if the backend is missing.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.backend() in ("cpp", "numba")
    True
    """
    return _NAME


def reason() -> str:
    """Return the reason for the choice of kernels."""
    if _WANTED != "auto":
        return f"EQUIPOISE_BACKEND={_WANTED}"
    return "compiled kernels are installed" if _NAME == "cpp" else "this installation has no compiled kernels"


@functools.cache
def kernels() -> ModuleType:
    """Return the module of kernels. It is imported by the first call, since importing Numba is slow."""
    if _NAME == "cpp":
        return load("equipoise._core")
    twins = load("equipoise._numba")
    hold_at_fork(twins.compiling)
    return twins
