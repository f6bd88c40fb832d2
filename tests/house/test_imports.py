"""The arrows between the rooms of the package: one way, no circle, no private member of another room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent

# The rooms, which are the folders and modules of the package, and the rooms that each may import. A room
# imports only rooms that stand above it in this table, so no circle fits into it.
BELOW = ("_validate", "rng", "_runtime")
SUBJECTS = ("tables", "negatives", "neighbors", "smote", "reservoirs", "balance", "orders")
ROOMS = {
    "_validate": (),
    "_numba": (),
    "_runtime": ("_validate", "_numba", "_core"),  # it chooses the kernels; _core is compiled
    "rng": ("_validate", "_runtime"),
    "datasets": (),
    "tables": BELOW,
    "negatives": (*BELOW, "tables"),
    "neighbors": (*BELOW, "tables"),
    "smote": (*BELOW, "tables", "neighbors"),
    "reservoirs": BELOW,
    "plot": ("_validate",),
    "balance": (*BELOW, "plot"),
    "orders": (*BELOW, "tables", "reservoirs", "balance"),
    "equipoise": ("_runtime", *SUBJECTS),  # __init__.py
    # Modules that old pickles name.
    "class_reservoir": ("reservoirs",),
    "reservoir": ("reservoirs",),
    # Adapters.
    "_arrow": (),
    "_distributed": ("_validate", "reservoirs", "equipoise"),
    "dask": ("_validate", "_distributed", "equipoise"),
    "ray": ("_validate", "_arrow", "_distributed", "equipoise"),
    "imblearn": (*BELOW, *SUBJECTS, "equipoise"),
    "torch": (*BELOW, *SUBJECTS, "equipoise"),
    "losses": ("_validate",),
    # The command line.
    "_cli": (*BELOW, "datasets", *SUBJECTS, "equipoise", "_arrow", "_distributed"),
    "__main__": ("_cli",),
}

# Variables and attributes that hold another room's objects. Their private members are out of reach even where
# this room has private members of the same name.
HOLDERS = {
    "negatives": {"_table", "table"},
    "smote": {"_weights"},
    "imblearn": {"sampler", "table"},
    "_cli": {"reservoir", "sampler", "table"},
    "_distributed": {"reservoir"},
}

# Names with an underscore that are not private: NumPy's map of a file, the methods of named tuples, and the
# answer of an RLock whether this thread holds it.
THEIRS = {"_mmap", "_asdict", "_fields", "_make", "_replace", "_is_owned"}

# Functions that import modules by name.
IMPORTERS = {"__import__", "import_module", "resolve_name"}


class Tree:
    """The modules of a package and what they import."""

    def __init__(self, root: Path) -> None:
        self.name = root.name
        self.modules, self.packages = {}, set()
        for path in sorted(root.rglob("*.py")):
            parts = (root.name, *path.relative_to(root).with_suffix("").parts)
            name = ".".join(part for part in parts if part != "__init__")
            self.modules[name] = ast.parse(path.read_text())
            if path.name == "__init__.py":
                self.packages.add(name)

    def room(self, module):
        """Return the first name below the package, which is the folder or the flat module."""
        parts = module.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    def imports(self, module):
        """Yield (line, module, member or None) for every import of a module of this package."""
        for node in ast.walk(self.modules[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == self.name:
                        yield node.lineno, alias.name, None
            elif isinstance(node, ast.ImportFrom):
                source = self.source(module, node)
                for alias in node.names if source.split(".")[0] == self.name else ():
                    below = f"{source}.{alias.name}"
                    if below in self.modules:
                        yield node.lineno, below, None
                    else:
                        yield node.lineno, source, alias.name
            elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in IMPORTERS:
                for part in ast.walk(node):
                    name = part.value if isinstance(part, ast.Constant) else None
                    if isinstance(name, str) and name.split(".")[0] == self.name:
                        yield node.lineno, name, None

    def source(self, module, node):
        """Return the module that a ``from`` names, also by dots."""
        if not node.level:
            return node.module
        package = f"{module}.__init__" if module in self.packages else module
        above = package.split(".")[: -node.level]
        return ".".join([*above, node.module] if node.module else above)

    def typing_lines(self, module):
        """Return the lines below ``if TYPE_CHECKING``, which never run."""
        return {
            line
            for node in ast.walk(self.modules[module])
            if isinstance(node, ast.If)
            and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for part in node.body
            for line in range(part.lineno, part.end_lineno + 1)
        }

    def edges(self, module):
        """Return the modules that this one imports when it runs, at its top or inside a function.

        A module comes with the packages around it, unless this one stands in them, too.
        """
        skipped, found = self.typing_lines(module), set()
        for line, name, _ in self.imports(module):
            if line not in skipped:
                parts = name.split(".")
                around = (".".join(parts[:i]) for i in range(1, len(parts)))
                found |= {name, *(p for p in around if not f"{module}.".startswith(f"{p}."))}
        return found - {module}

    def circle(self):
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


def upward(tree, rooms):
    """Yield imports that the table of rooms doesn't allow."""
    for module in tree.modules:
        room = tree.room(module)
        for line, name, _ in tree.imports(module):
            other = tree.room(name)
            if other != room and other not in rooms[room]:
                yield f"{module}:{line} imports {other}"


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def own_names(tree, room):
    """Return the names that the modules of a room define: functions, classes, attributes, keywords."""
    names = set()
    for module, source in tree.modules.items():
        if tree.room(module) != room:
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


def private(tree, holders):
    """Yield uses of another room's private names."""
    for module, source in tree.modules.items():
        room = tree.room(module)
        if room == "_numba":  # Numba's private names; it imports nothing else of ours
            continue
        for line, name, member in tree.imports(module):
            if tree.room(name) != room and any(map(is_private, [*name.split(".")[2:], member or ""])):
                yield f"{module}:{line} imports {name}.{member or ''}"
        own = own_names(tree, room)
        for node in ast.walk(source):
            if not isinstance(node, ast.Attribute) or not is_private(node.attr) or node.attr in THEIRS:
                continue
            value = node.value
            if isinstance(value, ast.Name) and value.id in ("self", "cls"):
                continue
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "super":
                continue
            holder = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
            if node.attr not in own or holder in holders.get(room, ()):
                yield f"{module}:{node.lineno} reads {ast.unparse(node)}"


def without_lines(found):
    return {text.split(":")[0] + " " + text.split(" ", 1)[1] for text in found}


TREE = Tree(PACKAGE)


def test_no_circle():
    assert TREE.circle() is None


def test_no_arrow_upwards():
    assert list(upward(TREE, ROOMS)) == []


def test_the_table_has_every_room_and_no_circle():
    rooms = [TREE.room(module) for module in TREE.modules]
    assert set(rooms) == set(ROOMS)
    before = {"_core"}
    for room, allowed in ROOMS.items():
        assert set(allowed) <= before, room
        before.add(room)


def test_flat_modules_stay_few():
    """A new subject is a folder. A flat module is an adapter, or a name that old pickles need."""
    assert len([path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]) <= 9


def test_no_private_member_of_another_room():
    assert without_lines(private(TREE, HOLDERS)) == set()


# ---- these tests can fail ---------------------------------------------------------------------------------

CRAFTED_ROOMS = {"low": (), "high": ("low",), "house": ("low", "high")}
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


def path_of(key):
    return key.replace("__init__", "INIT").replace("_", "/").replace("INIT", "__init__")


def crafted(folder, **changed):
    """Write the package above with some files changed; underscores in the names stand for slashes."""
    for name, text in {**GOOD, **{f"{path_of(k)}.py": v for k, v in changed.items()}}.items():
        path = folder / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(folder / "house")


def test_a_good_tree_passes(tmp_path):
    tree = crafted(tmp_path)
    assert tree.circle() is None
    assert list(upward(tree, CRAFTED_ROOMS)) == []
    assert list(private(tree, {})) == []


def test_a_circle_is_found(tmp_path):
    tree = crafted(tmp_path, high_one="def f():\n    from house.high.two import g\n")
    assert tree.circle() == ["house.high.one", "house.high.two", "house.high.one"]


@pytest.mark.parametrize(
    "text",
    [
        "if not TYPE_CHECKING:\n    from house.high.two import g\n",
        "if TYPE_CHECKING or True:\n    import house.high.two as two\n",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from house.high import two\n",
        "from .two import g\n",
        "from . import two\n",
        "from ..high import two\n",
        "import importlib\nimportlib.import_module('house.high.two')\n",
        "from importlib import import_module\nimport_module(f'house.{1}' if 0 else 'house.high.two')\n",
        "def f():\n    return __import__('house.high.two')\n",
    ],
)
def test_a_circle_that_hides_is_found(text, tmp_path):
    tree = crafted(tmp_path, high_one=text)
    assert tree.circle() == ["house.high.one", "house.high.two", "house.high.one"]


def test_a_circle_through_a_package_is_found(tmp_path):
    """Whoever imports part.a also runs part/__init__.py, which imports the first module again."""
    text = {"high_part_a": "", "high_part___init__": "from house.high.one import f\n"}
    tree = crafted(tmp_path, high_one="from house.high.part.a import x\ndef f(): pass\n", **text)
    assert tree.circle() == ["house.high.one", "house.high.part", "house.high.one"]


@pytest.mark.parametrize(
    "line",
    [
        "from house.high.one import f",
        "import house.high",
        "from house import high",
        "def g():\n    import house",
        "from ..high.one import f",
        "from .. import high",
        "import importlib\nimportlib.import_module('house.high.one')",
        "if TYPE_CHECKING:\n    from house.high.one import f",
    ],
)
def test_an_arrow_upwards_is_found(line, tmp_path):
    tree = crafted(tmp_path, low_base=f"{line}\n")
    (found,) = upward(tree, CRAFTED_ROOMS)
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
    (found,) = private(tree, {"high": {"_table"}})
    assert found.endswith(wanted)
