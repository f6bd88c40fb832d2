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

# The examples of dask and ray run in tests/distributed, on its clusters; those of imblearn in tests/imblearn.
NOT_IMPORTED = {"_core", "dask", "imblearn", "ray"}
if importlib.util.find_spec("numba") is None:  # a compiled wheel is also tested where Numba is not installed
    NOT_IMPORTED.add("_numba")
NEED_PYARROW = ("equipoise._cli.files.", "equipoise._cli.sample.")
HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


def modules():
    """The package and its modules, in sub-packages too, but those of absent extras."""
    yield "equipoise"
    for found in pkgutil.walk_packages(equipoise.__path__, "equipoise.", onerror=lambda name: None):
        absent = NOT_IMPORTED & set(found.name.split(".")) or found.name.endswith("__main__")
        if not absent and (HAS_PYARROW or not found.name.startswith(NEED_PYARROW)):
            yield found.name


def run(tests):
    """Failures and attempts of some examples."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize("name", sorted(modules()))
def test_docstrings(name):
    module = importlib.import_module(name)
    assert run(doctest.DocTestFinder().find(module, name)).failed == 0


@pytest.mark.parametrize("name", [n for n in equipoise.__all__ if not n.startswith("_")])
def test_docstrings_of_public_names(name):
    """Their methods too, which `doctest` overlooks in classes whose ``__module__`` was set."""
    tests = doctest.DocTestFinder().find(getattr(equipoise, name), name, module=False, globs={})
    result = run(tests)
    assert result.failed == 0
    shape_alone = {"Negatives", "Neighbors", "ReservoirSample", "SharedNegatives", "SyntheticRows"}
    assert result.attempted > 0 or name in shape_alone


BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{len(block)} characters")
def test_readme(block):
    for module in ("torch", "dask", "imblearn"):
        if re.search(rf"import {module}\b|equipoise\.{module} import", block):
            pytest.importorskip(module, reason=f"{module} is not installed")
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_readme_has_examples():
    assert len(BLOCKS) >= 2


def test_the_readme_names_every_public_name():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    missing = [
        n
        for n in equipoise.__all__
        if n not in text and n not in ("Negatives", "SharedNegatives", "__version__", "backend")
    ]
    assert not missing
