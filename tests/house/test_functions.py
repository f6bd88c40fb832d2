"""No function is longer than a screen, in Python or in C++."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent
CPP = Path(__file__).parents[2] / "cpp"

# A function counts from its head (``def``, or the line where its name stands) to its last line. Docstrings
# don't count, nor do tables of data: literals of more than one line that hold constants and nothing else.
# Functions inside a function count with it, since they are read with it.
MOST = 60


def is_data(node):
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return all(map(is_data, node.elts))
    if isinstance(node, ast.Dict):
        return all(key is not None and is_data(key) for key in node.keys) and all(map(is_data, node.values))
    return isinstance(node, ast.Constant)


def lines_of(function):
    """Return how many lines of code a function of Python has."""
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
    """Yield (name, lines of code) of every function in a source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, lines_of(node)


HEAD = re.compile(r"(operator\W+|\w+)\s*\([^;{}]*\)(?:\s|const|noexcept|override|->[^;{}]*|:[^;{}]*)*$")
NO_FUNCTION = re.compile(r"\b(?:namespace|extern|struct|class|union|enum)\b[^()]*$|=\s*$")


def cpp_functions(text):
    """Yield (name, lines) of every function in a source of C++, found by its braces.

    Braces outside all functions that hold neither declarations nor data count as one, such as those of a
    lambda or after a list of initializers, even if no name is found.
    """
    blank = lambda found: re.sub(r"[^\n]", " ", found.group())  # noqa: E731
    text = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)
    begun, open_functions = 0, []
    for found in re.finditer(r"[{};]", text):
        mark, at = found.group(), found.start()
        if mark == "{":
            before = text[begun:at]
            head = HEAD.search(before)
            inside = any(name for name, _ in open_functions)
            name = None if inside or NO_FUNCTION.search(before) else head.group(1).strip() if head else "?"
            start = begun + (head.start(1) if head else len(before) - len(before.lstrip()))
            open_functions.append((name, start))
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


def test_python():
    assert without_sizes(too_long(PACKAGE, "*.py", python_functions)) == set()


@pytest.mark.skipif(not CPP.is_dir(), reason="the C++ sources are not beside the tests")
def test_cpp():
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
    for head in ("const auto f = [](int a)", "B(int a, C c = {}) : x{a}, y{c}", "B f(C c = {})"):
        text = f"namespace a {{\nstruct B {{\n    int x;\n    {head} {{\n{body}    }}\n}};\n}}\n"
        assert max(found for _, found in cpp_functions(text)) == lines
    text = f"bool A::operator==(const A& a) const {{\n{body}}}\n"
    assert dict(cpp_functions(text)) == {"operator==": lines}
    data = "constexpr int kTable[] = {\n" + "    1,\n" * lines + "};\nenum class E : int {\n    a,\n};\n"
    assert dict(cpp_functions(data)) == {}
    nested = f"void f() {{\n    for (;;) {{\n    auto g = [&](int i) {{\n{body}    }};\n    }}\n}}\n"
    assert dict(cpp_functions(nested)) == {"f": lines + 4}
