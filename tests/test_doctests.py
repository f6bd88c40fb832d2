"""The examples in the docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import equipoise

# A compiled wheel is also tested where Numba is not installed.
# The examples of dask and ray run in test_cluster, on its clusters; those of imblearn in test_imblearn.
NOT_IMPORTED = {"_core", "__main__", "dask", "imblearn", "ray"} | (
    {"_numba"} if importlib.util.find_spec("numba") is None else set()
)
if importlib.util.find_spec("pyarrow") is None:
    NOT_IMPORTED |= {"_row_files", "_file_sample"}
MODULES = ["equipoise"] + [
    f"equipoise.{m.name}" for m in pkgutil.iter_modules(equipoise.__path__) if m.name not in NOT_IMPORTED
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    public = [n for n in getattr(module, "__all__", []) if not n.startswith("_")]
    if public and not name.rpartition(".")[2].startswith("_"):
        assert result.attempted > 0
