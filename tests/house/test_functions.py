"""No function in Python or C++ has more than 60 lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent
CPP = Path(__file__).parents[2] / "cpp"

# Lines are counted from the head of a function (``def``, or the line with its name) to its last line.
# Docstrings do not count, nor do tables of data: literals of several lines that hold only constants.
# Functions inside a function count with it, since they are read with it.
MOST = 60


def is_data(node):
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return all(map(is_data, node.elts))
    if isinstance(node, ast.Dict):
        return all(key is not None and is_data(key) for key in node.keys) and all(map(is_data, node.values))
    return isinstance(node, ast.Constant)


def lines_of(function):
    """Return the number of lines of code of a Python function."""
    lines = set(range(function.lineno, function.end_lineno + 1))
    for node in ast.walk(function):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            lines -= set(range(first.lineno, first.end_lineno + 1))
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and is_data(node):
            lines -= set(range(node.lineno + 1, node.end_lineno + 1))
    return len(lines)


def python_functions(text):
    """Yield (name, lines of code) of every function in a Python source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, lines_of(node)


HEAD = re.compile(r"(\w+)\s*\([^;{}]*\)(?:\s|const|noexcept|override|->[^;{}]*|:[^;{}]*)*$")
KEYWORDS = {"if", "for", "while", "switch", "catch", "sizeof", "decltype", "alignas"}


def cpp_functions(text):
    """Yield (name, lines) of every function in a C++ source. Functions are found by their braces."""
    blank = lambda found: re.sub(r"[^\n]", " ", found.group())  # noqa: E731
    text = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)
    begun, open_functions = 0, []
    for found in re.finditer(r"[{};]", text):
        mark, at = found.group(), found.start()
        if mark == "{":
            head = HEAD.search(text[begun:at])
            inside = any(name for name, _ in open_functions)
            name = head.group(1) if head and head.group(1) not in KEYWORDS and not inside else None
            open_functions.append((name, begun + head.start(1) if name else at))
        elif mark == "}" and open_functions:
            name, start = open_functions.pop()
            if name:
                yield name, text.count("\n", start, at) + 1
        begun = at + 1


def too_long(folder, pattern, functions):
    for path in sorted(folder.rglob(pattern)):
        for name, lines in functions(path.read_text()):
            if lines > MOST:
                yield f"{path.relative_to(folder.parent).as_posix()}: {name}: {lines}"


def without_sizes(found):
    return {text.rpartition(": ")[0] for text in found}


def test_python_functions_fit_on_a_screen():
    assert without_sizes(too_long(PACKAGE, "*.py", python_functions)) == set()


@pytest.mark.skipif(not CPP.is_dir(), reason="the C++ sources are not beside the tests")
def test_cpp_functions_fit_on_a_screen():
    assert without_sizes(too_long(CPP, "*.[ch]pp", cpp_functions)) == set()


# ---- these tests can fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [2, 60, 61, 100])
def test_lines_of_python_are_counted(lines):
    body = "    pass\n" * (lines - 1)
    assert dict(python_functions(f"class A:\n  def f():\n{body}")) == {"f": lines}
    described = f'def f():\n    """One.\n\n    Two.\n    """\n{body}'
    assert dict(python_functions(described)) == {"f": lines}
    table = "    x = [\n" + "        (1, 'a'),\n" * 90 + "    ]\n"
    assert dict(python_functions(f"def f():\n{table}{body}")) == {"f": lines + 1}
    computed = "    x = [\n" + "        g(1),\n" * 90 + "    ]\n"
    assert dict(python_functions(f"def f():\n{computed}{body}")) == {"f": lines + 92}


@pytest.mark.parametrize("lines", [3, 60, 61, 100])
def test_lines_of_cpp_are_counted(lines):
    body = "    x += '{'; // {\n" * (lines - 2)
    heads = (
        "int f(int a)",
        "template <class T>\nEQUIPOISE_INLINE T f(const T& a) noexcept",
        "auto f(int a) -> std::pair<int, int>",
    )
    for head in heads:
        text = f"namespace a {{\nstruct B {{\n    int x;\n    {head} {{\n{body}    }}\n}};\n}}\n"
        assert dict(cpp_functions(text)) == {"f": lines}
    nested = f"void f() {{\n    for (;;) {{\n    auto g = [&](int i) {{\n{body}    }};\n    }}\n}}\n"
    assert dict(cpp_functions(nested)) == {"f": lines + 4}
