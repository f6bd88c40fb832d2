"""The versions of the package and its stream, and all that a bug report needs, without importing others."""

from __future__ import annotations

import os
from typing import Any

from equipoise import _validate
from equipoise._runtime import backend

__all__ = ["STREAM_VERSION", "__version__", "collect", "render", "show_versions"]

__version__ = "0.1.0"
STREAM_VERSION = 2  # of the stream contract (equipoise.rng), which files, states and pickles name


# The packages that equipoise runs on or takes arrays and tables from.
PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "torch",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
    "pandas",
    "polars",
    "pyarrow",
    "dask",
    "ray",
)


def show_versions() -> None:
    """Print versions and settings for a bug report.

    The report lists the versions of equipoise, its wheel, Python, the platform and the packages that
    equipoise works with, none of which is imported. It also gives the backend, the CPU path and the default
    number of threads, each with the reason for it. ``equipoise info --json`` prints the same as JSON.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.show_versions()  # doctest: +ELLIPSIS
    equipoise  ...
    backend    ...
    CPU path   ...
    threads    ...
    """
    print(render(collect()))


def collect() -> dict[str, Any]:
    """Return all versions and settings as values that JSON can hold. Missing ones are None."""
    import platform  # here, since importing the package does not need it

    return {
        "equipoise": __version__,
        "wheel": _wheel(),
        "backend": {"name": backend.backend(), "reason": backend.reason()},
        "cpu": _cpu(),
        "threads": _threads(),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def render(info: dict[str, Any]) -> str:
    """Return the result of `collect` as lines of text."""
    kernels, cpu, threads = info["backend"], info["cpu"], info["threads"]
    lines = {
        "equipoise": f"{info['equipoise']} ({info['wheel'] or 'not installed from a wheel'})",
        "backend": f"{kernels['name']}: {kernels['reason']}",
        "CPU path": f"{cpu['path'] or 'none'}: {cpu['reason']}",
        "threads": f"{threads['default'] or 'none'}: {threads['reason']}",
        "Python": info["python"],
        "platform": info["platform"],
    } | {name: version or "not installed" for name, version in info["packages"].items()}
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}} {text}" for name, text in lines.items())


def _cpu() -> dict[str, Any]:
    if backend.backend() == "numba":  # calling the kernels would import Numba, which is slow
        return {"path": "numba", "disabled": None, "reason": "Numba compiles for the CPU it runs on"}
    try:
        path, disabled = backend.kernels().cpu_path()
    except ImportError as failure:
        reason = f"the compiled kernels do not load: {failure}"
        return {"path": None, "disabled": None, "reason": reason}
    variable = os.environ.get("EQUIPOISE_DISABLE_CPU_FEATURES")
    setting = f"EQUIPOISE_DISABLE_CPU_FEATURES={variable}" if variable else ""
    if disabled:
        reason = f"{disabled} was found, and {setting} switches it off"
    elif path == "baseline":
        reason = "no feature was found that a faster path needs"
    else:
        reason = f"found{f', and {setting} does not name it' if setting else ''}"
    return {"path": path, "disabled": disabled or None, "reason": reason}


def _threads() -> dict[str, Any]:
    try:
        default = _validate.as_threads(None)
    except ValueError as failure:  # the error that every draw will raise
        return {"default": None, "reason": str(failure)}
    variable = os.environ.get("EQUIPOISE_NUM_THREADS")
    reason = f"EQUIPOISE_NUM_THREADS={variable}" if variable else "EQUIPOISE_NUM_THREADS is not set"
    return {"default": default, "reason": f"{reason}; a call's n_threads= goes first"}


def _wheel() -> str | None:
    """Return the tag of the installed wheel, such as cp311-cp311-manylinux_2_28_x86_64."""
    from importlib import metadata

    try:
        text = metadata.distribution("equipoise").read_text("WHEEL") or ""
    except metadata.PackageNotFoundError:
        return None
    return next((line[5:] for line in text.splitlines() if line.startswith("Tag: ")), None)


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
