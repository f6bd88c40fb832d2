"""The examples in the docstrings and in the README run as they stand."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

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


BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{len(block)} characters")
def test_readme(block):
    for module in ("torch", "dask", "imblearn"):
        if re.search(rf"import {module}\b|equipoise\.{module} import", block):
            pytest.importorskip(module, reason=f"{module} is not installed")
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_readme_has_examples():
    assert len(BLOCKS) >= 2


def test_the_readme_names_every_public_name():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    missing = [
        n
        for n in equipoise.__all__
        if n not in text and n not in ("Negatives", "SharedNegatives", "__version__", "backend")
    ]
    assert not missing
