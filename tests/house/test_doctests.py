"""The examples in the docstrings run and print what they show."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import equipoise

# The examples of dask and ray run in tests/adapters/distributed, on its clusters; those of imblearn
# in tests/adapters/imblearn.
NOT_IMPORTED = {"_core", "dask", "imblearn", "ray"}
if importlib.util.find_spec("numba") is None:  # a compiled wheel is also tested where Numba is not installed
    NOT_IMPORTED.add("_numba")
if importlib.util.find_spec("torch") is None:
    NOT_IMPORTED |= {"losses", "torch"}
NEED_PYARROW = ("equipoise._arrow", "equipoise._cli.files.", "equipoise._cli.sample.")
HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


def modules():
    """Yield the names of all modules of the package, except those whose extra is not installed."""
    yield "equipoise"
    for found in pkgutil.walk_packages(equipoise.__path__, "equipoise.", onerror=lambda name: None):
        absent = NOT_IMPORTED & set(found.name.split(".")) or found.name.endswith("__main__")
        if not absent and (HAS_PYARROW or not found.name.startswith(NEED_PYARROW)):
            yield found.name


def run(tests):
    """Run examples, and return the numbers of failures and attempts."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize("name", sorted(modules()))
def test_examples_of_modules_run(name):
    module = importlib.import_module(name)
    assert run(doctest.DocTestFinder().find(module, name)).failed == 0


PUBLIC = {name: "equipoise" for name in equipoise.__all__ if not name.startswith("_")}
if "torch" not in NOT_IMPORTED:
    for adapter in ("equipoise.torch", "equipoise.losses"):
        PUBLIC |= dict.fromkeys(importlib.import_module(adapter).__all__, adapter)


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_of_public_names_run(name):
    """Also run examples of methods, which `doctest` misses in classes whose ``__module__`` was set.

    Examples of inherited methods run with the module of the base class.
    """
    tests = doctest.DocTestFinder().find(
        getattr(importlib.import_module(PUBLIC[name]), name), name, module=False, globs={}
    )
    result = run(tests)
    assert result.failed == 0
    records = {"Negatives", "Neighbors", "ReservoirSample", "SharedNegatives", "SyntheticRows"}
    assert result.attempted > 0 or name in records
