"""Plots are drawn on Axes, and only they need matplotlib."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import equipoise
from equipoise import plot

Y = ["a"] * 5 + ["b"] * 2 + ["c"]


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'plot')")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


def labels(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def test_bars_have_the_counts_of_their_classes(plt):
    ax = equipoise.imbalance(Y).plot()
    assert isinstance(ax, plt.Axes)
    assert (heights(ax), labels(ax)) == ([5, 2, 1], ["a", "b", "c"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("class", "rows")
    matrix = equipoise.imbalance(np.eye(2, dtype=int), classes=["x", "y"]).plot()
    assert (heights(matrix), labels(matrix)) == ([1, 1], ["x", "y"])


def test_a_given_axes_is_used(plt):
    _, (left, right) = plt.subplots(1, 2)
    assert equipoise.imbalance(Y).plot(ax=left) is left
    assert plot.before_after(Y, Y, ax=right) is right
    assert len(plt.get_fignums()) == 1


def test_many_classes_are_a_curve(plt):
    """From the largest to the smallest; a class without rows has no place on a logarithmic axis."""
    ax = equipoise.imbalance(dict(enumerate(range(100)))).plot()
    assert not ax.patches
    (line,) = ax.lines
    assert line.get_ydata().tolist() == list(range(99, 0, -1))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("read", [equipoise.imbalance, equipoise.class_counts, list, np.array])
def test_before_and_after_stand_side_by_side(read, plt):
    after = ["b"] * 3 + ["a"] * 3 + ["d"]
    ax = plot.before_after(read(Y), read(after))
    assert labels(ax) == ["a", "b", "c", "d"]
    assert heights(ax) == [5, 2, 1, 0, 3, 3, 0, 1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["before", "after"]
    left, right = ax.patches[0], ax.patches[4]
    assert left.get_x() + left.get_width() == pytest.approx(right.get_x())


def test_mappings_and_categories_keep_their_order(plt):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    y = pd.Categorical(Y, categories=["c", "b", "a"])
    assert labels(plot.before_after(y, {"a": 3})) == ["c", "b", "a"]


def test_other_arguments_are_refused(plt):
    with pytest.raises(TypeError, match=r"^ax must be a matplotlib Axes, or None, got int"):
        equipoise.imbalance(Y).plot(ax=3)
    with pytest.raises(TypeError, match=r"^found must be an Imbalance or a ClassCounts, got list"):
        plot.class_bars([1])
    with pytest.raises(ValueError, match=r"^b\[0\] must not be null"):
        plot.before_after(Y, [None])


ABSENT = """
import sys
sys.modules["matplotlib"] = None
import equipoise
for draw in (equipoise.imbalance([1, 2]).plot, lambda: equipoise.plot.before_after([1], [2])):
    try:
        draw()
    except ImportError as error:
        print(error)
"""


def test_without_matplotlib_an_error_says_how_to_get_it():
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True, check=True)
    remedy = "needs matplotlib: python -m pip install 'equipoise[plot]'"
    assert done.stdout.splitlines() == [f"class_bars {remedy}", f"before_after {remedy}"]
