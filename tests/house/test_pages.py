"""The code of the README and of docs/ runs, their links resolve, and they name every public name."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest

import equipoise
from support.deadline import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Only the links of pages for contributors are checked.
LINKED = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md"))]
# An sdist has no .github, and tests of an installed wheel run in a copy without python/.
MAY_BE_ABSENT = [folder for folder in (ROOT / ".github", ROOT / "python") if not folder.exists()]
# These change the process that they run in, or warn in it.
SEPARATE = {"accelerate", "grain", "keras", "lightning", "torchdata", "transformers"}
EXTRAS = {
    **{"dask": "dask", "imblearn": "imblearn", "matplotlib": "plot", "pyarrow": "arrow"},
    **{"ray": "ray", "torch": "torch"},
}
SETUP = (
    "python -m pip install . && python -m equipoise demo",
    "python -m pip install '.[test]' && python -m pytest",
)
FIGURES = ("<!-- figures: made by bench/report.py -->", "<!-- end of figures -->")


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and that of the ``text`` block after it."""

    page: str
    line: int
    language: str
    code: str
    output: str | None

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S))
    assert text.count("\n```") == 2 * len(found), f"{page.name} has a fence without its other half"
    for at, block in enumerate(found):
        after = found[at + 1] if at + 1 < len(found) else None
        follows = after is not None and after[1] == "text" and not text[block.end() : after.start()].strip()
        line = text.count("\n", 0, block.start()) + 1
        yield Block(page.name, line, block[1], block[2], after[2] if follows else None)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
# Commands that need a network, a data set, or the whole suite are not run here.
SHELL = [
    block
    for block in BLOCKS
    if block.language == "sh" and not re.search(r"pip install|pytest|--interactions|bench/", block.code)
]


def prose(page):
    """Return the page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def needs(*modules):
    for module in modules:
        hint = f" (extra '{EXTRAS[module]}')" if module in EXTRAS else ""
        if module not in SEPARATE:
            pytest.importorskip(module, reason=f"{module} is not installed{hint}")
        elif importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def imported(code):
    """Return the modules that a block needs besides NumPy, such as torch, or dask for equipoise.dask."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            top, _, below = name.partition(".")
            if top == "equipoise" and below.partition(".")[0] in EXTRAS:
                yield below.partition(".")[0]
            elif top not in sys.stdlib_module_names and top not in ("equipoise", "numpy"):
                yield top


# ---- code ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_python_blocks_run(block, tmp_path, monkeypatch):
    """Each block runs on its own, so that a reader can copy any one of them."""
    modules = set(imported(block.code))
    needs(*modules)
    monkeypatch.chdir(tmp_path)
    if modules & SEPARATE:
        Path("block.py").write_text(block.code, encoding="utf-8")
        run("block.py", seconds=120)
        return
    exec(compile(block.code, block.name, "exec"), {"__name__": "page"})


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.name)
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_commands_run_and_print_what_the_page_shows(block, tmp_path):
    if "pyarrow" in block.code or "equipoise sample" in block.code:
        needs("pyarrow")
    command = re.sub(r"^(equipoise)\b", r"python -m \1", block.code, flags=re.M)
    command = re.sub(r"\bpython(?= -)", lambda _: f"'{sys.executable}'", command)
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    if block.output is not None:
        assert done.stdout.rstrip() == block.output.rstrip()


def test_the_pages_have_code():
    assert {page.name for page in PAGES} == {block.page for block in BLOCKS}
    assert sum(block.page == "README.md" for block in PYTHON) >= 2
    assert {block.language for block in BLOCKS} <= {"python", "sh", "text"}


# ---- names -----------------------------------------------------------------------------------------------


def public(module):
    """``__all__`` of a module, which is read rather than imported: it may need an extra."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{module} has no __all__")


@pytest.mark.parametrize(
    "module",
    [
        "equipoise",
        "equipoise.imblearn",
        "equipoise.dask",
        "equipoise.ray",
        "equipoise.torch",
        "equipoise.losses",
    ],
)
def test_every_public_name_is_in_a_table(module):
    rows = [line for page in PAGES for line in prose(page).splitlines() if line.startswith("|")]
    code = " ".join(word for row in rows for word in re.findall(r"`[^`]+`", row))
    # `equipoise.dask.weighted_sample` is not the function `equipoise.weighted_sample`.
    prefix = (
        rf"{module}\." if module in ("equipoise.dask", "equipoise.ray") else r"(?<![\w.])(?:equipoise\.)?"
    )
    missing = [name for name in public(module) if not re.search(rf"{prefix}{name}\b", code)]
    assert not missing


def test_every_name_in_the_pages_exists():
    for page in PAGES:
        for name in set(re.findall(r"\bequipoise\.([A-Za-z_]\w*)", page.read_text(encoding="utf-8"))):
            known = hasattr(equipoise, name) or importlib.util.find_spec(f"equipoise.{name}") is not None
            assert known, f"{page.name} names equipoise.{name}"


def test_every_environment_variable_is_in_the_table():
    assert equipoise.__file__ is not None
    package = Path(equipoise.__file__).parent
    used = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"EQUIPOISE_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    rows = [line for line in prose(ROOT / "docs" / "reproducibility.md").splitlines() if line.startswith("|")]
    assert used
    assert not [name for name in used if not any(f"`{name}`" in row for row in rows)]


# ---- the README ------------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 14_000


@pytest.mark.parametrize("command", SETUP)
def test_a_set_up_command_is_one_line(command):
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.count(command) == 1


def test_the_readme_shows_eight_measured_rows():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = FIGURES
    assert text.count(begin) == text.count(end) == 1
    table = text.partition(begin)[2].partition(end)[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8


# ---- links -----------------------------------------------------------------------------------------------


def anchors(page):
    """Return the fragments that GitHub makes from a page's headings."""
    for heading in re.findall(r"^#+ +(.*)$", prose(page), re.M):
        text = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
        kept = (c for c in text if c in " -_" or unicodedata.category(c)[0] in "LNM")
        yield "".join(kept).replace(" ", "-")


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_resolve(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, fragment = link.partition("#")
        target = Path(os.path.normpath(page.parent / path)) if path else page
        if any(target.is_relative_to(folder) for folder in MAY_BE_ABSENT):
            continue
        assert target.exists(), f"{page.name} links to {link}"
        if fragment:
            assert fragment in list(anchors(target)), f"{page.name} links to {link}"


def test_every_page_is_linked_from_the_readme():
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= {link.partition("#")[0] for link in links(PAGES[0])}


# ---- the map for contributors ----------------------------------------------------------------------------


@pytest.mark.skipif(not (ROOT / ".github").exists(), reason="an sdist has no .github")
def test_files_that_contributing_names_exist():
    words = re.findall(r"`([\w./]+)`", (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    paths = {word for word in words if re.match(r"(python|cpp|tests|bench|docs|\.ci|\.github)/", word)}
    paths = {word for word in paths if "/X" not in word}  # X stands for any subject
    assert paths
    missing = [path for path in sorted(paths) if not (ROOT / path).exists()]
    assert not [path for path in missing if not any((ROOT / path).is_relative_to(f) for f in MAY_BE_ABSENT)]
