"""Imports within the package go one way, without cycles, and no part uses private members of another.

The parts are the folders of the package and its flat modules.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent

# Each part of the package, and the parts that it may import. All of these stand above it in this table, so
# there can be no cycle.
BELOW = ("_validate", "rng", "_runtime")
SUBJECTS = ("tables", "negatives", "neighbors", "smote", "reservoirs")
PARTS = {
    "_validate": (),
    "_numba": (),
    "rng": ("_validate",),
    "_runtime": ("_validate",),
    "datasets": (),
    "tables": BELOW,
    "negatives": (*BELOW, "tables"),
    "neighbors": (*BELOW, "tables"),
    "smote": (*BELOW, "tables", "neighbors"),
    "reservoirs": BELOW,
    "equipoise": ("_runtime", *SUBJECTS),  # __init__.py
    # Modules that old pickles name.
    "_mapped": ("smote",),
    "class_reservoir": ("reservoirs",),
    "reservoir": ("reservoirs",),
    # Adapters.
    "_distributed": ("_validate", "reservoirs", "equipoise"),
    "dask": ("_validate", "_distributed", "equipoise"),
    "ray": ("_validate", "_distributed", "equipoise"),
    "imblearn": (*BELOW, *SUBJECTS, "equipoise"),
    # The command line.
    "_cli": (*BELOW, "datasets", *SUBJECTS, "equipoise", "_distributed"),
    "__main__": ("_cli",),
}

# Variables and attributes that hold objects of another part. Their private members must not be used, even if
# this part has private members of the same name.
HOLDERS = {
    "negatives": {"_table", "table"},
    "smote": {"_weights"},
    "imblearn": {"sampler", "table"},
    "_cli": {"reservoir", "sampler", "table"},
    "_distributed": {"reservoir"},
}

# Names with an underscore that are not private: NumPy's map of a file, and the methods of named tuples.
THEIRS = {"_mmap", "_asdict", "_fields", "_make", "_replace"}


class Tree:
    """The modules of a package and what they import."""

    def __init__(self, root: Path) -> None:
        self.name = root.name
        self.modules = {}
        for path in sorted(root.rglob("*.py")):
            parts = (root.name, *path.relative_to(root).with_suffix("").parts)
            self.modules[".".join(part for part in parts if part != "__init__")] = ast.parse(path.read_text())

    def part(self, module):
        """Return the part that a module belongs to: a folder or a flat module."""
        parts = module.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    def imports(self, module):
        """Yield (line, module, member or None) for every import of a module of this package."""
        for node in ast.walk(self.modules[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == self.name:
                        yield node.lineno, alias.name, None
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == self.name:
                for alias in node.names:
                    below = f"{node.module}.{alias.name}"
                    if below in self.modules:
                        yield node.lineno, below, None
                    else:
                        yield node.lineno, node.module, alias.name

    def typing_lines(self, module):
        """Return the lines below ``if TYPE_CHECKING``, which never run."""
        return {
            line
            for node in ast.walk(self.modules[module])
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for part in node.body
            for line in range(part.lineno, part.end_lineno + 1)
        }

    def edges(self, module):
        """Return the modules that this one imports when it runs, at its top or inside a function."""
        skipped = self.typing_lines(module)
        return {name for line, name, _ in self.imports(module) if line not in skipped and name != module}

    def cycle(self):
        """Return a list of modules, each of which imports the next, or None."""
        done = set()

        def walk(module, path):
            if module in path:
                return [*path[path.index(module) :], module]
            if module in done or module not in self.modules:
                return None
            for following in sorted(self.edges(module)):
                if found := walk(following, [*path, module]):
                    return found
            done.add(module)
            return None

        return next(filter(None, (walk(module, []) for module in sorted(self.modules))), None)


def forbidden_imports(tree, allowed_parts):
    """Yield imports that the table does not allow."""
    for module in tree.modules:
        part = tree.part(module)
        for line, name, _ in tree.imports(module):
            other = tree.part(name)
            if other != part and other not in allowed_parts[part]:
                yield f"{module}:{line} imports {other}"


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def own_names(tree, part):
    """Return the names that a part defines: functions, classes, attributes, keywords."""
    names = set()
    for module, source in tree.modules.items():
        if tree.part(module) != part:
            continue
        for node in ast.walk(source):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if ast.unparse(node.value) == "self":
                    names.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                names.add(node.arg)  # vars(self).update(_x=...)
    return names


def private_uses(tree, holders):
    """Yield uses of private names of other parts."""
    for module, source in tree.modules.items():
        part = tree.part(module)
        if part == "_numba":  # it uses private names of Numba, and imports no other part
            continue
        for line, name, member in tree.imports(module):
            if tree.part(name) != part and any(map(is_private, [*name.split(".")[2:], member or ""])):
                yield f"{module}:{line} imports {name}.{member or ''}"
        own = own_names(tree, part)
        for node in ast.walk(source):
            if not isinstance(node, ast.Attribute) or not is_private(node.attr) or node.attr in THEIRS:
                continue
            value = node.value
            if isinstance(value, ast.Name) and value.id in ("self", "cls"):
                continue
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "super":
                continue
            holder = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
            if node.attr not in own or holder in holders.get(part, ()):
                yield f"{module}:{node.lineno} reads {ast.unparse(node)}"


def without_lines(found):
    return {text.split(":")[0] + " " + text.split(" ", 1)[1] for text in found}


TREE = Tree(PACKAGE)


def test_imports_have_no_cycle():
    assert TREE.cycle() is None


def test_every_import_is_allowed_by_the_table():
    assert list(forbidden_imports(TREE, PARTS)) == []


def test_the_table_has_every_part_and_no_cycle():
    found = [TREE.part(module) for module in TREE.modules]
    assert set(found) == set(PARTS)
    before = set()
    for part, allowed in PARTS.items():
        assert set(allowed) <= before, part
        before.add(part)


def test_there_are_few_flat_modules():
    """A new subject is a folder. A flat module is an adapter, or a name that old pickles need."""
    assert len([path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]) <= 9


def test_no_private_member_of_another_part_is_used():
    assert without_lines(private_uses(TREE, HOLDERS)) == set()


# ---- the checks above detect mistakes ---------------------------------------------------------------------

CRAFTED_PARTS = {"low": (), "high": ("low",), "house": ("low", "high")}
GOOD = {
    "__init__.py": "from house.high.one import f\n",
    "low/__init__.py": "",
    "low/base.py": "class Table:\n    def __init__(self):\n        self._cells = 1\n"
    "    def cells(self):\n        return self._cells\n",
    "high/__init__.py": "",
    "high/one.py": "from typing import TYPE_CHECKING\nfrom house.low.base import Table\n"
    "if TYPE_CHECKING:\n    from house.high.two import g\n"
    "def f(other):\n    return Table().cells(), other._mine\nclass A:\n    _mine = 1\n",
    "high/two.py": "from house.high.one import f\ndef g(): return f\n",
}


def crafted(folder, **changed):
    """Write the package GOOD with some files changed. Underscores in the names stand for slashes."""
    for name, text in {**GOOD, **{f"{k.replace('_', '/')}.py": v for k, v in changed.items()}}.items():
        path = folder / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(folder / "house")


def test_a_correct_tree_passes(tmp_path):
    tree = crafted(tmp_path)
    assert tree.cycle() is None
    assert list(forbidden_imports(tree, CRAFTED_PARTS)) == []
    assert list(private_uses(tree, {})) == []


def test_a_cycle_is_found(tmp_path):
    tree = crafted(tmp_path, high_one="def f():\n    from house.high.two import g\n")
    assert tree.cycle() == ["house.high.one", "house.high.two", "house.high.one"]


@pytest.mark.parametrize(
    "line",
    [
        "from house.high.one import f",
        "import house.high",
        "from house import high",
        "def g():\n    import house",
    ],
)
def test_a_forbidden_import_is_found(line, tmp_path):
    tree = crafted(tmp_path, low_base=f"{line}\n")
    (found,) = forbidden_imports(tree, CRAFTED_PARTS)
    assert found.startswith("house.low.base:")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from house.low.base import _chunk", "imports house.low.base._chunk"),
        ("from house.low import _base", "imports house.low._base"),
        ("from house.low import base\nbase._chunk", "reads base._chunk"),
        ("def f(x):\n    return x._cells", "reads x._cells"),
        ("class A:\n    def f(self):\n        return self.t._cells[0]", "reads self.t._cells"),
        (
            "class A:\n    _cells = 1\n    def f(self):\n        return self._table._cells",
            "reads self._table._cells",
        ),
    ],
)
def test_a_private_member_is_found(text, wanted, tmp_path):
    tree = crafted(tmp_path, high_one=f"{text}\n")
    (found,) = private_uses(tree, {"high": {"_table"}})
    assert found.endswith(wanted)
