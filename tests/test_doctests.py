"""The examples in the docstrings and in the README run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import equipoise

MODULES = ["equipoise"] + [
    f"equipoise.{m.name}"
    for m in pkgutil.iter_modules(equipoise.__path__)
    if m.name not in ("_core", "__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    public = [n for n in getattr(module, "__all__", []) if not n.startswith("_")]
    if public and not name.rpartition(".")[2].startswith("_"):
        assert result.attempted > 0


def test_readme():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_readme_names_every_public_name():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    missing = [
        n
        for n in equipoise.__all__
        if n not in text and n not in ("Negatives", "SharedNegatives", "__version__", "backend")
    ]
    assert not missing
